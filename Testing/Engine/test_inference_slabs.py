"""Volumes larger than memory: in slabs and files the result is that of the whole in memory."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest
import torch
from inference_fakes import FakeModel, linear, model, noise, volume
from torch import nn

from lossseg.errors import OutOfMemory
from lossseg.images import Volume
from lossseg.inference import Precision, Prediction, Predictor
from lossseg.inference.backend import TorchBackend
from lossseg.inference.sliding_window import BACKGROUND_LOGIT, place_windows, sliding_logits, sliding_slabs
from lossseg.preprocessing import ChannelKind, prepare, restore, slabs
from lossseg.preprocessing.slabs import SlabRestorer, prepare_slabs
from lossseg.preprocessing.stack import Stack

IDENTITY = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
TURNED = (0.0, 0, -1, 1, 0, 0, 0, -1, 0)
EXACT = {"precision": "full", "min_voxels": 0}


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is too large for memory, and slabs are thin."""
    monkeypatch.setattr("lossseg.preprocessing.stack.IN_MEMORY", 0)
    monkeypatch.setattr(slabs, "SLAB", 5)


def smooth(seed: int, classes: int = 2) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Conv3d(1, classes, 3, padding=1)


@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 3, 7])
@pytest.mark.parametrize("where", ["all", "middle", "ends"])
def test_slabs_are_to_the_bit_what_the_whole_is(classes: int, batch: int, where: str) -> None:
    shape = (41, 12, 8)
    image, kernel = torch.from_numpy(noise((1, *shape))), torch.from_numpy(noise((classes, 1, 3, 3, 3), seed=1))
    forward = lambda x: torch.nn.functional.conv3d(x, kernel, padding=1)  # noqa: E731
    needed = None if where == "all" else np.zeros(shape, bool)
    if needed is not None:
        needed[[20] if where == "middle" else [0, -1], 3:5] = True
    windows = place_windows(shape, (8, 8, 8), 0.5)
    whole = sliding_logits(image, forward, windows, batch=batch, needed=needed)
    read: list[int] = []

    def reader(first: int, end: int) -> torch.Tensor:
        read.append(end - first)
        return image[:, first:end]

    for start in (0, 15):
        found = torch.full_like(whole, BACKGROUND_LOGIT)
        if classes == 3:
            found[0] = 0
        reached = start
        for first, logits in sliding_slabs(reader, forward, windows, batch=batch, needed=needed, start=start):
            assert first >= reached
            reached = first + logits.shape[1]
            found[:, first:reached] = logits
            logits.fill_(99)  # what has been given is not used any more
        assert torch.equal(found[:, start:], whole[:, start:])
    assert max(read) <= (8 if batch == 1 else 3 * 8 + 8)


def test_a_window_reaches_for_no_more_slices_than_it_has() -> None:
    read: list[tuple[int, int]] = []

    def reader(first: int, end: int) -> torch.Tensor:
        read.append((first, end))
        return torch.zeros(1, end - first, 16, 16)

    given = sum(s.shape[1] for _, s in sliding_slabs(reader, lambda x: x, place_windows((400, 16, 16), (8, 8, 8))))
    assert given == 400 and len(read) == 99
    assert {end - first for first, end in read} == {8}


def test_a_stack_in_a_file_holds_what_one_in_memory_holds() -> None:
    kept, filed = Stack((2, 9, 3, 4)), Stack((2, 9, 3, 4), in_memory=0)
    assert filed.on_disk and not kept.on_disk
    for first, end in ((2, 5), (4, 9), (0, 1)):
        values = noise((2, end - first, 3, 4), seed=first)
        kept.write(first, values)
        filed.write(first, values)
    for first, end in ((0, 9), (1, 2), (3, 7)):
        np.testing.assert_array_equal(filed.read(first, end), kept.read(first, end))
    assert not filed.read(1, 2).any() and filed.read(0, 9).any(axis=(0, 2, 3)).sum() == 8


def test_where_the_disk_is_full_a_stack_lies_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossseg.preprocessing.stack._has_room", lambda size: False)
    assert not Stack((1, 4, 4, 4), in_memory=0).on_disk


@pytest.mark.parametrize("direction", [IDENTITY, TURNED])
@pytest.mark.parametrize("kind", [ChannelKind.NONE, ChannelKind.ZSCORE, ChannelKind.RESCALE])
@pytest.mark.parametrize(
    ("spacing", "target"),
    [((1, 1, 1), (1, 1, 1)), ((1, 1, 1), (0.7, 1.3, 0.9)), ((4, 1, 1), (2.5, 0.8, 0.9)), ((1, 1, 4), (2, 0.9, 3))],
)
def test_preprocessing_in_slabs_and_back(
    direction: tuple, kind: ChannelKind, spacing: tuple, target: tuple, in_files: None
) -> None:
    array = (100 * noise((46, 38, 50))).astype(np.int16)
    array[:, :3] = 0
    plan = model(linear(1.0), spacing=target, kind=kind).plan
    given = volume(array, spacing=spacing, direction=direction)
    whole = prepare([given], plan)
    prepared, stack = prepare_slabs([Volume(array, given.geometry)], plan)
    assert stack.on_disk and stack.shape == whole.image.shape == prepared.image.shape
    assert (prepared.crop, prepared.geometry) == (whole.crop, whole.geometry)
    found = stack.read(0, stack.shape[1])
    spread = float(np.abs(whole.image).max())
    np.testing.assert_allclose(found, whole.image, rtol=0, atol=1e-6 * spread if spacing != target else 0)
    np.testing.assert_allclose(prepared.padding, whole.padding, rtol=1e-6)

    expected = restore(whole.image[0], whole)
    back = np.full(expected.shape, np.nan, np.float32)
    turned, restorer, at = whole.orientation.apply(back), SlabRestorer(prepared), 0
    for thickness in cycle((1, 7, 3)):
        for first, values in restorer.push(whole.image[:, at : at + thickness]):
            assert np.isnan(turned[first : first + values.shape[1]]).all()
            turned[first : first + values.shape[1]] = values[0]
        at += thickness
        if at >= whole.image.shape[1]:
            break
    np.testing.assert_allclose(back, expected, rtol=0, atol=1e-6 * spread)


def predictions(monkeypatch: pytest.MonkeyPatch, predictor: Predictor, given: Volume) -> tuple[Prediction, Prediction]:
    """The same in memory and in files."""
    keep = {"keep_probability": True, "keep_disagreement": True}
    whole = predictor.predict([given], **keep)
    with monkeypatch.context() as context:
        context.setattr("lossseg.preprocessing.stack.IN_MEMORY", 0)
        context.setattr(slabs, "SLAB", 5)
        return whole, predictor.predict([given], **keep)


@pytest.mark.parametrize("direction", [IDENTITY, TURNED])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.7, 0.8, 1.3)])
@pytest.mark.parametrize("options", [{}, {"mirror": True}, {"roi": ()}, {"threshold": 0.4}])
def test_a_large_case_is_segmented_as_a_small_one(
    monkeypatch: pytest.MonkeyPatch, direction: tuple, spacing: tuple, options: dict
) -> None:
    given = volume(noise((19, 12, 14)), direction=direction)
    if "roi" in options:
        centre = (given.geometry.affine @ [7, 6, 9, 1])[:3]
        options = {"roi": tuple(float(value) for middle in centre for value in (middle - 4, middle + 5))}
    members = [model(smooth(seed), spacing=spacing, kind=ChannelKind.ZSCORE) for seed in range(2)]
    whole, sliced = predictions(monkeypatch, Predictor(members, "cpu", **EXACT, **options), given)
    assert whole.label.any() and (whole.probability > 0).any()
    near = 1e-6 if spacing != (1.0, 1.0, 1.0) else 0
    np.testing.assert_allclose(sliced.probability, whole.probability, rtol=0, atol=near)
    np.testing.assert_allclose(sliced.disagreement, whole.disagreement, rtol=0, atol=1e-3 if near else 0)
    unsure = np.abs(whole.probability - options.get("threshold", 0.5)) < near
    np.testing.assert_array_equal(sliced.label[~unsure], whole.label[~unsure])
    assert unsure.mean() < 1e-3


def test_several_classes_and_grids_in_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {"background": 0, "a": 1, "b": 2}
    members = [model(smooth(s, 3), labels=labels, spacing=(1.0, 1.0, 1.0 + s / 2)) for s in range(2)]
    whole, sliced = predictions(monkeypatch, Predictor(members, "cpu", **EXACT), volume(noise((18, 12, 13))))
    assert set(np.unique(whole.label)) == {0, 1, 2}
    np.testing.assert_allclose(sliced.probability, whole.probability, rtol=0, atol=1e-6)
    assert (sliced.label != whole.label).mean() < 1e-4


@pytest.mark.parametrize("direction", [IDENTITY, TURNED])
def test_confidences_are_the_probabilities_of_what_has_a_label(direction: tuple) -> None:
    given = volume(noise((12, 13, 14)), direction=direction)
    result = Predictor([model(smooth(0))], "cpu", **EXACT).predict([given], keep_probability=True)
    voxels = np.flatnonzero(result.label)
    assert len(voxels) > 100
    np.testing.assert_array_equal(result.confidence.voxels, voxels)
    np.testing.assert_array_equal(result.confidence.values, result.probability.reshape(-1)[voxels])
    away = np.flatnonzero(result.label == 0)[:5]
    assert np.isnan(result.confidence.at(away)).all()


class Failing(TorchBackend):
    """Lacks the memory for windows of full size from the `n`th on."""

    def __init__(self, made: FakeModel, counted: list[int], n: int) -> None:
        super().__init__(made.network(), torch.device("cpu"))
        self.counted, self.n = counted, n

    def run(self, windows: torch.Tensor) -> torch.Tensor:
        self.counted.append(windows.numel())
        if len(self.counted) > self.n and windows.numel() == 512:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().run(windows)


@pytest.mark.parametrize("n", [5, 20, 40])
def test_when_memory_runs_out_on_the_way_no_slice_is_taken_up_twice(n: int) -> None:
    counted: list[int] = []
    members = [model(linear(slope, shift)) for slope, shift in ((2.0, 0.5), (-1.0, 0.3), (3.0, -1.0))]
    given = volume(noise((30, 8, 9)))
    expected = Predictor(members, "cpu", **EXACT).predict([given], keep_probability=True, keep_disagreement=True)
    factory = lambda made, device, precision: Failing(made, counted, n)  # noqa: E731
    found = Predictor(members, "cpu", backend=factory, **EXACT).predict(
        [given], keep_probability=True, keep_disagreement=True
    )
    assert counted[:n] == [512] * n and counted.count(512) == n + 1
    assert found.notes == ("Memory ran out; it sufficed with windows of 0.5 of the size.",)
    np.testing.assert_allclose(found.probability, expected.probability, atol=1e-6)
    np.testing.assert_allclose(found.disagreement, expected.disagreement, atol=1e-5)


def test_memory_that_runs_out_while_a_slab_is_taken_up_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def add(self: object, first: int, probability: np.ndarray) -> None:
        tries.append(first)
        raise MemoryError

    monkeypatch.setattr("lossseg.inference.running_mean.RunningMean.add", add)
    with pytest.raises(OutOfMemory):
        Predictor([model(linear(1.0))], "cpu").predict([volume(noise((30, 8, 8)))])
    assert tries == [0]


def test_images_are_let_go_before_the_networks_run() -> None:
    held: list[int] = []
    volumes = [volume(noise((9, 9, 9)))]

    def factory(made: FakeModel, device: torch.device, precision: Precision) -> TorchBackend:
        held.append(len(volumes))
        return TorchBackend(made.network(), device)

    predictor = Predictor([model(linear(1.0))], "cpu", backend=factory)
    predictor.predict(volumes)
    predictor.predict(volumes, release=True)
    assert held == [1, 0] and volumes == []
