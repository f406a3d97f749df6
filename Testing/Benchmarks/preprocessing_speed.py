"""Time of bringing an image onto the network's grid against nnU-Net's preprocessor and MONAI's transforms.

    python Testing/Benchmarks/preprocessing_speed.py
    python Testing/Benchmarks/preprocessing_speed.py --size 100 300 300

An MR-like image in memory, 0 around a body, goes to 1 mm: cropped to what is not 0, normalised by its mean and standard
deviation, resampled by a cubic spline (nnU-Net's DefaultPreprocessor with its default resampling does just this; MONAI
as its Spacing transform does it, with linear interpolation, which is less work). One image is isotropic before, in the
other slices are so thick that the coarse axis is resampled on its own. The quickest of `--turns` counts, by wall clock.

nnU-Net (nnunetv2) is left out where it is not installed. Exit code 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import torch
from rows import Row, add_argument, keep, markdown, quickest
from scipy.ndimage import gaussian_filter

from lossseg.images import Geometry, Volume
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan, prepare

TARGET = (1.0, 1.0, 1.0)
SPACINGS = {"0.8 mm": (0.8, 0.8, 0.8), "3 mm slices of 0.7 mm": (3.0, 0.7, 0.7)}
AIM = 1.0
# Two ways of cubic interpolation differ at the border and in rounding, and nowhere else.
AGREEMENT = 0.99

Work = Callable[[], np.ndarray]


def image(size: tuple[int, ...]) -> np.ndarray:
    generator = np.random.default_rng(0)
    values = 100 + 20 * gaussian_filter(generator.normal(size=size).astype(np.float32), 1)
    axes = np.meshgrid(*(np.linspace(-1, 1, length, dtype=np.float32) for length in size), indexing="ij", sparse=True)
    values[sum(axis**2 for axis in axes) > 0.9] = 0
    return values


def ours(values: np.ndarray, spacing: tuple[float, float, float]) -> Work:
    scheme = ChannelScheme("MR", ChannelKind.ZSCORE)
    plan = Plan((scheme,), TARGET, (64, 64, 64), 2, {"background": 0, "lesion": 1}, {})
    case = [Volume(values, Geometry(values.shape, spacing))]
    return lambda: prepare(case, plan).image[0]


def nnunet(values: np.ndarray, spacing: tuple[float, float, float]) -> Work:
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
    from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

    def resample(is_label: bool, order: int) -> Callable[..., np.ndarray]:
        return lambda data, shape, old, new: resample_data_or_seg_to_shape(
            data, shape, old, new, is_seg=is_label, order=order, order_z=0, force_separate_z=None
        )

    plans = SimpleNamespace(transpose_forward=[0, 1, 2], foreground_intensity_properties_per_channel={"0": {}})
    configuration = SimpleNamespace(
        spacing=list(TARGET),
        normalization_schemes=["ZScoreNormalization"],
        use_mask_for_norm=[False],
        resampling_fn_data=resample(False, 3),
        resampling_fn_seg=resample(True, 1),
    )
    preprocessor = DefaultPreprocessor(verbose=False)

    def run() -> np.ndarray:
        data, _, _ = preprocessor.run_case_npy(
            values[None], None, {"spacing": list(spacing)}, plans, configuration, {"labels": {}}
        )
        return np.asarray(data[0])

    return run


def monai(values: np.ndarray, spacing: tuple[float, float, float]) -> Work:
    from monai.data import MetaTensor
    from monai.transforms import Compose, CropForeground, NormalizeIntensity, Spacing

    steps = Compose(
        [
            CropForeground(select_fn=lambda x: x != 0, allow_smaller=True),
            NormalizeIntensity(),
            Spacing(pixdim=TARGET, mode="bilinear"),
        ]
    )
    tensor = torch.from_numpy(values)[None]
    return lambda: steps(MetaTensor(tensor, affine=torch.diag(torch.tensor([*spacing, 1.0]))))[0].numpy()


def compared(size: tuple[int, ...], turns: int) -> Iterator[Row]:
    for name, spacing in SPACINGS.items():
        voxels = size if spacing[0] < 1 else (size[0] // 3, *size[1:])
        values = image(voxels)
        own = ours(values, spacing)
        seconds, memory = quickest(own, turns)
        what = f"{' x '.join(map(str, voxels))} of {name} to 1 mm"
        peers = {"MONAI's transforms, linear": (monai, None)}
        if find_spec("nnunetv2"):
            peers = {"nnU-Net's DefaultPreprocessor": (nnunet, AIM)} | peers
        for peer, (make, aim) in peers.items():
            theirs = make(values, spacing)
            if aim is not None:
                _agree(own(), theirs(), what)
            of_peer, peer_memory = quickest(theirs, turns)
            yield Row("preprocessing", what, seconds, "s", peer, of_peer, aim, memory, peer_memory)


def _agree(own: np.ndarray, other: np.ndarray, what: str) -> None:
    if own.shape != other.shape:
        raise SystemExit(f"{what}: shapes differ, {own.shape} and {other.shape}.")
    likeness = float(np.corrcoef(own[::3, ::3, ::3].ravel(), other[::3, ::3, ::3].ravel())[0, 1])
    if likeness < AGREEMENT:
        raise SystemExit(f"{what}: the images differ, correlation {likeness:.4f}.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(160, 256, 256), metavar=("Z", "Y", "X"))
    parser.add_argument("--turns", type=int, default=2)
    add_argument(parser)
    arguments = parser.parse_args()
    found = list(compared(tuple(arguments.size), arguments.turns))
    print(markdown(found))
    return 0 if keep(found, arguments.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
