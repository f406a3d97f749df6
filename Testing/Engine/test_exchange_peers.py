"""Imported models against nnU-Net itself, where it is installed: the same probabilities and labels.

nnU-Net sums the logits of its windows in 16 bits. It is asked to do so in 32, where both agree to rounding; left as it
is, it differs from itself by as much as from us.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import nnunet_results as made_up
import numpy as np
import pytest
import torch

from lossseg.exchange import import_nnunet
from lossseg.images import Geometry, Volume, read_volume, write_volume
from lossseg.inference import Predictor, torch_backend
from lossseg.model import load
from lossseg.preprocessing import prepare

pytest.importorskip("nnunetv2", reason="nnU-Net v2 is not installed: pip install nnunetv2")

TURNED = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
ZSCORE = {"normalization_schemes": ["ZScoreNormalization"] * 2, "use_mask_for_norm": [True, False]}
RESIDUAL = {"architecture": made_up.residual()}
TRANSPOSED = {"transpose_forward": [2, 0, 1], "transpose_backward": [1, 2, 0]}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[float, float, float]]] = {
    "plain, CT": ({}, {}, (1.5, 0.9, 1.0)),
    "coarse axis, transposed, masked": (ZSCORE | RESIDUAL | {"spacing": [3.9, 1.0, 1.0]}, TRANSPOSED, (0.9, 1.1, 4.5)),
    "coarse only after, larger patch": (
        {"patch_size": [16, 32, 32], "normalization_schemes": ["RescaleTo01Normalization"], "spacing": [4.0, 1.0, 1.0]},
        {},
        (1.0, 1.0, 1.2),
    ),
    "before version 2.3": (made_up.old(made_up.CONFIGURATION), {}, (2.0, 1.0, 0.8)),
    "turned by the reader": (
        {"normalization_schemes": ["NoNormalization"]},
        {"image_reader_writer": "SimpleITKIOWithReorient"},
        (1.3, 1.0, 1.0),
    ),
}


def volumes(channels: int, spacing: tuple[float, float, float]) -> list[Volume]:
    """Smooth noise within a ball, with a hole, stored with turned axes."""
    rng = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (18, 26, 22)), indexing="ij"))
    inside = (grid**2).sum(0) < 1.2
    inside[8:11, 10:13, 9:12] = False
    geometry = Geometry((18, 26, 22), spacing, (4.0, -3.0, 2.0), TURNED)
    arrays = [np.round(rng.normal(40, 25, inside.shape) + 30 * grid[0]) * inside for _ in range(channels)]
    return [Volume(array.astype(np.float32), geometry) for array in arrays]


def ask_nnunet(source: Path, files: list[str], mirror: bool, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """The preprocessed image, the labels and the foreground's probabilities as nnU-Net gives them."""
    from nnunetv2.inference import predict_from_raw_data as theirs

    weights = theirs.compute_gaussian
    with monkeypatch.context() as patched:
        patched.setattr(torch, "half", torch.float32)
        patched.setattr(theirs, "compute_gaussian", lambda *a, **k: weights(*a, **k | {"dtype": torch.float32}))
        asked = theirs.nnUNetPredictor(use_mirroring=mirror, device=torch.device("cpu"), allow_tqdm=False)
        asked.initialize_from_trained_model_folder(str(source), (0,))
        preprocessor = asked.configuration_manager.preprocessor_class(verbose=False)
        data, _, _ = preprocessor.run_case(
            files, None, asked.plans_manager, asked.configuration_manager, asked.dataset_json
        )
        label, probability = asked.predict_single_npy_array(
            *asked.plans_manager.image_reader_writer_class().read_images(files), save_or_return_probabilities=True
        )
    return {"image": data, "label": label, "probability": probability[1:]}


@pytest.mark.parametrize("mirror", [False, True], ids=["", "mirrored"])
@pytest.mark.parametrize("case", CASES)
def test_an_imported_model_predicts_what_nnunet_does(tmp_path, monkeypatch, case, mirror):
    """Image within 1e-5, probabilities within 5e-6, labels but where two classes are equally probable."""
    changes, globally, spacing = CASES[case]
    content = made_up.plans() | copy.deepcopy(globally)
    settings = content["configurations"]["3d_fullres"]
    if "UNet_class_name" in changes:
        settings.pop("architecture")
    settings |= copy.deepcopy(changes)
    channels = len(settings["normalization_schemes"])
    labels = {"background": 0, "a": 1, "b": 2}
    names = ("CT", "MR")[:channels]
    source = made_up.write(tmp_path / "result", content, channels=names, labels=labels, mirror=(0, 2))
    given = volumes(channels, spacing)
    files = [str(tmp_path / f"case_{number:04d}.nii.gz") for number in range(channels)]
    for file, volume in zip(files, given, strict=True):
        write_volume(Path(file), volume.array, volume.geometry)
    model = load(import_nnunet(source, tmp_path / "models").models[0])
    theirs = ask_nnunet(source, files, mirror, monkeypatch)
    read = [read_volume(Path(file)) for file in files]
    np.testing.assert_allclose(prepare(read, model.plan).image, theirs["image"], atol=1e-5)
    predictor = Predictor([model], "cpu", min_voxels=0, precision="full", mirror=mirror, backend=torch_backend)
    ours = predictor.predict(read, keep_probability=True)
    foreground = theirs["probability"].sum(axis=0)
    canonical = model.plan.nnunet.canonical
    if canonical:
        # The array is that of the turned volume; ours lies on the file's own grid.
        from lossseg.preprocessing.orientation import Orientation

        turn = Orientation.of_plan(model.plan, given[0].geometry)
        foreground, theirs["label"] = turn.undo(foreground), turn.undo(theirs["label"])
    np.testing.assert_allclose(ours.probability, foreground, atol=5e-6)
    differing = (ours.label != theirs["label"]).mean()
    assert differing <= 1e-4 and len(np.unique(ours.label)) > 1


def test_resampling_equals_nnunets():
    from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape, resample_data_or_seg_to_shape

    from lossseg.preprocessing import nnunet

    rng = np.random.default_rng(8)
    for _ in range(12):
        shape = tuple(int(n) for n in rng.integers(4, 16, 3))
        old, new = (tuple(float(s) for s in rng.choice([0.5, 0.8, 1.0, 2.0, 4.1], 3)) for _ in range(2))
        target = nnunet.resampled_shape(shape, old, new)
        assert target == tuple(max(1, int(n)) for n in compute_new_shape(shape, old, new))
        array = rng.normal(size=shape).astype(np.float32)
        for order in (3, 1):
            theirs = resample_data_or_seg_to_shape(
                array[None], target, old, new, is_seg=False, order=order, order_z=0, force_separate_z=None
            )[0]
            ours = nnunet.resample(array, target, nnunet.separate_axis(old, new), order)
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
