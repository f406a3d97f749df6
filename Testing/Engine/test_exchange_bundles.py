"""MONAI bundles as models of our own: what they predict is what MONAI's own pipeline does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai_bundles import (
    AFTER,
    CROP,
    GAUSSIAN,
    INFERER,
    LOAD,
    NORMALISE,
    PERCENTILES,
    RANGE,
    SEGRESNET,
    SPACING,
    TURN,
    TYPE,
    UNET,
    bundle,
    config,
    image,
    pipeline,
)

from lossseg import networks
from lossseg.errors import InputError
from lossseg.exchange import import_bundle
from lossseg.images import read_label, read_volume
from lossseg.inference import Predictor, torch_backend
from lossseg.inference.monai_windows import MonaiWindows
from lossseg.inference.sliding_window import BACKGROUND_LOGIT
from lossseg.jobs.action import parse_job
from lossseg.jobs.actions import ACTIONS
from lossseg.model import load, load_ensemble, save, save_ensemble
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan, prepare
from lossseg.reporting import Silent

SAGITTAL = (0, 0, -1, 1, 0, 0, 0, -1, 0)


def predictor(*models: Path, **options) -> Predictor:
    loaded = [load(path) for path in models]
    return Predictor(loaded, "cpu", precision="full", min_voxels=0, backend=torch_backend, **options)


def imported(tmp_path: Path, content: dict, **facts) -> tuple[Path, Path]:
    source = bundle(tmp_path / "source", content, **facts)
    return source, import_bundle(source, tmp_path / "models").model


def composed(*transforms: dict) -> dict:
    return {"_target_": "Compose", "transforms": [*transforms]}


TOLERANCE = 2e-5
"""Of probabilities; up to 5e-6 was seen, the rounding of float32."""
OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
SINGLE = UNET | {"out_channels": 1}
SIGMOID = {"_target_": "Activationsd", "keys": "pred", "sigmoid": True}
ABOVE = {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.375}
SCALE = {"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 1.0}
NOT_ZERO = CROP | {"select_fn": "$lambda x: x != 0", "allow_smaller": True}
CASES = {
    "equal spacing": (config(), {}),
    "sagittal": (config(before=[TYPE, RANGE]), {"direction": SAGITTAL}),
    "other spacing": (config(SEGRESNET, [SPACING, RANGE, TYPE], inferer=GAUSSIAN), {"spacing": (2.5, 0.7, 1.1)}),
    "oblique to LPS": (
        config(preprocessing=composed(*LOAD, TURN | {"axcodes": "LPS"}, SPACING, RANGE)),
        {"direction": OBLIQUE},
    ),
    "file's axes": (
        config(preprocessing=composed(*LOAD, NORMALISE, SCALE), inferer=GAUSSIAN),
        {"direction": SAGITTAL},
    ),
    "cropped before": (config(SEGRESNET, [RANGE, CROP, SPACING, SCALE]), {"direction": SAGITTAL, "empty": 3}),
    "cropped after": (config(SEGRESNET, [SPACING, RANGE, PERCENTILES, NOT_ZERO]), {"empty": 5}),
    "smaller than a window": (
        config(SEGRESNET, [NORMALISE], inferer=INFERER | {"roi_size": [24, 32, 16], "padding_mode": "replicate"}),
        {},
    ),
    "a single output": (
        config(SINGLE, postprocessing=composed(SIGMOID, AFTER[1], ABOVE, AFTER[3])),
        {},
    ),
}


def apart(source: Path, model: Path, images: list[Path]) -> tuple[float, float]:
    """The largest difference of the foreground's probability from MONAI's, and the share of other labels."""
    probability, label = pipeline(source, images)
    foreground = probability[0] if len(probability) == 1 else probability[1:].sum(axis=0)
    ours = predictor(model).predict([read_volume(path) for path in images], keep_probability=True)
    assert set(np.unique(label)) == set(load(model).labels.values())
    return float(np.abs(ours.probability - foreground).max()), float((ours.label != label).mean())


@pytest.mark.parametrize("name", CASES)
def test_it_predicts_what_monai_does(tmp_path, name):
    content, grid = CASES[name]
    source, model = imported(tmp_path, content)
    difference, other = apart(source, model, [image(tmp_path / "case.nii.gz", **grid)])
    assert difference < TOLERANCE and other < 1e-3


def test_channels_are_files_in_their_order(tmp_path):
    content = config(UNET | {"in_channels": 2}, [NORMALISE, SPACING], inferer=GAUSSIAN)
    source, model = imported(tmp_path, content, network_data_format=formats(["T1", "FLAIR"], ["background", "lesion"]))
    assert load(model).channels == ("T1", "FLAIR") and load(model).labels == {"background": 0, "lesion": 1}
    images = [image(tmp_path / f"{number}.nii.gz", seed=number) for number in range(2)]
    difference, other = apart(source, model, images)
    assert difference < TOLERANCE and other < 1e-3


def formats(channels: list[str], labels: list[str]) -> dict:
    def entry(names: list[str]) -> dict:
        return {"channel_def": {str(number): name for number, name in enumerate(names)}}

    return {"inputs": {"image": entry(channels)}, "outputs": {"pred": entry(labels)}}


def test_what_is_cropped_off_is_background(tmp_path):
    _, model = imported(tmp_path, config(SEGRESNET, [RANGE, CROP]))
    volume = read_volume(image(tmp_path / "case.nii.gz", empty=4))
    prepared = prepare([volume], load(model).plan)
    assert prepared.crop == (slice(4, 20), slice(4, 24), slice(4, 22)) and prepared.inset is None
    probability = predictor(model).predict([volume], keep_probability=True).probability
    assert probability[:4].max() == 0 and probability[4:, 4:, 4:].min() > 0


def test_the_crop_of_the_resampled_grid_is_remembered(tmp_path):
    _, model = imported(tmp_path, config(SEGRESNET, [SPACING | {"pixdim": [0.6, 1.0, 1.5]}, RANGE, CROP]))
    prepared = prepare([read_volume(image(tmp_path / "case.nii.gz", empty=4))], load(model).plan)
    assert prepared.crop == (slice(0, 20), slice(0, 24), slice(0, 22))
    # Along R, which is x against its direction, the empty planes come last; half a millimetre is linear in between.
    assert prepared.inset is not None and prepared.inset.shape == (43, 24, 20)
    assert prepared.image.shape == (1, 35, 20, 16) and prepared.first == (0, 0, 4)


def test_a_region_of_interest_has_the_same_values(tmp_path):
    content = config(SEGRESNET, [SPACING | {"pixdim": [0.5, 1.0, 2.5]}, RANGE, CROP], inferer=GAUSSIAN)
    _, model = imported(tmp_path, content)
    volume = read_volume(image(tmp_path / "case.nii.gz", size=(24, 30, 40), empty=4))
    whole = predictor(model).predict([volume], keep_probability=True)
    # The volume begins at R -7, A 3, S 2 and goes to the left, to the back and up.
    part = predictor(model, roi=(-50, -25, -24, 2, 2, 28)).predict([volume], keep_probability=True)
    inside = part.probability > 0
    z, y, x = (np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    assert 0.1 < inside.mean() < 0.5 and inside[z[0] : z[-1] + 1, y[0] : y[-1] + 1, x[0] : x[-1] + 1].all()
    np.testing.assert_allclose(part.probability[inside], whole.probability[inside], atol=1e-6)


def test_a_bundle_stands_beside_our_own_model(tmp_path):
    names = {"channels": ("MR",), "labels": ("lesion",)}
    source = bundle(tmp_path / "source", config(before=[SPACING, RANGE]))
    theirs = import_bundle(source, tmp_path / "models", name="theirs", **names).model
    stages = {"kernels": [[3, 3, 3]] * 3, "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]], "filters": [4, 6, 8]}
    network = {"name": "DynUNet", "in_channels": 1, "out_channels": 2, "deep_supervision": False} | stages
    labels = {"background": 0, "lesion": 1}
    plan = Plan((ChannelScheme("MR", ChannelKind.ZSCORE),), (1.5, 1.0, 1.0), (16, 16, 16), 2, labels, network)
    torch.manual_seed(0)
    weights = networks.build(network).state_dict()
    ours = save(tmp_path / "ours", plan=plan, weights=weights, loss="dice", training={}, scores={}).folder
    save_ensemble(tmp_path / "both.json", [theirs, ours])
    volume = read_volume(image(tmp_path / "case.nii.gz"))
    both = Predictor(load_ensemble(tmp_path / "both.json"), "cpu", precision="full", min_voxels=0)
    found = both.predict([volume], keep_probability=True).probability
    parts = [predictor(path).predict([volume], keep_probability=True).probability for path in (theirs, ours)]
    assert np.abs(parts[0] - parts[1]).max() > 0.1
    np.testing.assert_allclose(found, np.mean(parts, axis=0), atol=2e-5)


def test_what_is_done_otherwise_is_told(tmp_path):
    largest = {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1]}
    ending = composed(AFTER[0], AFTER[2], largest, AFTER[1])
    source = bundle(tmp_path / "source", config(before=[SPACING, NORMALISE], postprocessing=ending))
    warnings = import_bundle(source, tmp_path / "models").warnings
    assert [warning.split(":")[0] for warning in warnings] == [
        "Voxels that resampling leaves at 0 count as empty here; in MONAI rounding decides.",
        "The bundle's KeepLargestConnectedComponentd is left out",
        "The bundle resamples labels; here probabilities are",
    ]


def test_the_jobs_import_and_predict(tmp_path):
    source = bundle(tmp_path / "made_up", config(before=[SPACING, RANGE]))
    path = image(tmp_path / "images" / "case_0000.nii.gz")
    parameters = {"source": str(source), "out": str(tmp_path / "models"), "channels": ["CT"], "labels": ["spleen"]}
    summary = job("import_model", parameters)
    model = load(tmp_path / "models" / "made_up")
    assert summary == {"models": [model.folder], "ensemble": None, "warnings": []}
    assert model.channels == ("CT",) and model.labels == {"background": 0, "spleen": 1}
    assert model.training["imported_from"] == "MONAI bundle" and model.training["bundle"] == "Made up"
    settings = {"min_voxels": 0, "device": "cpu", "precision": "full", "backend": "torch"}
    job("predict", {"model": str(model.folder), "input": str(path.parent), "out": str(tmp_path / "out")} | settings)
    _, label = pipeline(source, [path])
    assert (read_label(tmp_path / "out" / "case.nii.gz").array == label).mean() > 0.999
    with pytest.raises(InputError, match="neither folds nor checkpoints"):
        job("import_model", parameters | {"name": "again", "folds": [0]})


def job(kind: str, parameters: dict) -> dict:
    made = parse_job({"job": kind, "params": parameters}, ACTIONS)
    return made.action.run(made.params, Silent())


def test_a_region_without_anything_is_background(tmp_path):
    _, model = imported(tmp_path, config(SEGRESNET, [RANGE, CROP]))
    volume = read_volume(image(tmp_path / "case.nii.gz", empty=8))
    found = predictor(model, roi=(-12, -7, -2, 3, 2, 6)).predict([volume], keep_probability=True)
    assert found.probability.max() == 0 and not found.label.any()


def test_windows_are_counted_before_they_are_run(tmp_path):
    """Progress tells how many there are; those that touch nothing needed are left out."""
    _, folder = imported(tmp_path, config(inferer=GAUSSIAN))
    plan = load(folder).plan
    size, done = (20, 24, 22), list[int]()
    needed = np.zeros(size, bool)
    needed[2:5, 20:, 3] = True
    for where in (None, needed):
        windows, before = MonaiWindows(size, plan.patch, plan.monai, where), sum(done)
        logits = windows.logits(torch.randn(1, *size), lambda w: w.repeat(1, 2, 1, 1, 1), 2, after_windows=done.append)
        assert sum(done) - before == windows.count and logits.shape == (1, *size)
    # Along the axes of 20, 24 and 22 voxels, windows of 16, 12 and 20 voxels begin at 0, 4; at 0, 6, 12; at 0, 2.
    assert sum(done) == 2 * 3 * 2 + windows.count and windows.count == 2 * 1 * 2
    assert logits[0][needed].abs().max() == 0 and (logits[0][~needed] == BACKGROUND_LOGIT).all()
