"""From the channels of a case to labels and probabilities on its own grid."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from inference_fakes import FakeModel, Pointwise, linear, model, noise, sigmoid, volume
from torch import nn

from lossseg.errors import Cancelled, InputError
from lossseg.inference import Precision, Predictor
from lossseg.inference.backend import Mirrored, TorchBackend, torch_backend
from lossseg.model import Ensemble, Member, OperatingChoice
from lossseg.preprocessing import ChannelKind
from lossseg.reporting import Silent

CPU = torch.device("cpu")
EXACT = {"precision": "full", "min_voxels": 0}


def smooth(seed: int = 0, channels: int = 1) -> nn.Module:
    """A network that looks at the neighbourhood of a voxel."""
    torch.manual_seed(seed)
    return nn.Conv3d(channels, 2, 3, padding=1)


@pytest.mark.parametrize("shape", [(1, 20, 20), (7, 9, 11), (16, 17, 5), (4, 4, 4)])
def test_probabilities_and_labels_of_a_voxelwise_network(shape: tuple[int, int, int]) -> None:
    image = noise(shape)
    result = Predictor([model(linear(3.0, -1.0))], "cpu", **EXACT).predict([volume(image)], keep_probability=True)
    np.testing.assert_allclose(result.probability, sigmoid(3 * image - 1), atol=1e-6)
    np.testing.assert_array_equal(result.label, 3 * image - 1 > 0)
    assert result.label.dtype == np.uint8 and result.probability.dtype == np.float32
    assert result.geometry.size == shape and result.device == "cpu" and result.notes == ()
    assert result.disagreement is None


def test_nothing_is_kept_unasked() -> None:
    assert Predictor([model(linear(1.0))], "cpu").predict([volume(noise((4, 4, 4)))]).probability is None


def test_outside_of_the_nonzero_box_is_background() -> None:
    image = np.zeros((12, 12, 12), np.float32)
    image[2:9, 3:10, 4:12] = 1
    result = Predictor([model(linear(0.0, 5.0))], "cpu", **EXACT).predict([volume(image)], keep_probability=True)
    np.testing.assert_array_equal(result.label, image > 0)
    assert result.probability[image == 0].max() == 0


def test_mean_and_disagreement_of_an_ensemble() -> None:
    image, weights = noise((9, 10, 11)), [1.0, 2.0, 3.0]
    slopes = [(1.0, 0.5), (-2.0, 1.0), (4.0, 0.0)]
    members = tuple(Member(model(linear(*s)), w) for s, w in zip(slopes, weights, strict=True))
    result = Predictor(Ensemble("e", members), "cpu", **EXACT).predict(
        [volume(image)], keep_probability=True, keep_disagreement=True
    )
    stack = np.stack([sigmoid(slope * image + shift) for slope, shift in slopes])
    mean = np.average(stack, axis=0, weights=weights)
    np.testing.assert_allclose(result.probability, mean, atol=1e-6)
    np.testing.assert_array_equal(result.label, mean > 0.5)
    spread = np.sqrt(np.average((stack - mean) ** 2, axis=0, weights=weights))
    np.testing.assert_allclose(result.disagreement, spread, atol=1e-6)


def test_one_member_never_disagrees() -> None:
    result = Predictor([model(linear(1.0))], "cpu").predict([volume(noise((5, 5, 5)))], keep_disagreement=True)
    assert not result.disagreement.any()


def test_members_of_one_grid_share_preprocessing_and_those_of_another_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from lossseg.inference import group as room

    calls: list[tuple[float, ...]] = []
    original = room.prepare
    monkeypatch.setattr(
        room, "prepare", lambda v, plan, crop: calls.append(plan.spacing) or original(v, plan, crop=crop)
    )
    coarse = model(linear(0.0, 2.0), spacing=(2.0, 1.0, 1.0))
    members = [model(linear(0.0, 1.0)), coarse, model(linear(0.0, -1.0), patch=(4, 8, 8))]
    result = Predictor(members, "cpu", **EXACT).predict([volume(noise((8, 8, 8)))], keep_probability=True)
    assert calls == [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0)]
    np.testing.assert_allclose(result.probability, sigmoid(np.array([1.0, 2.0, -1.0])).mean(), atol=1e-6)


@pytest.mark.parametrize("disagreement", [False, True])
def test_averaging_before_or_after_going_back_is_the_same(disagreement: bool) -> None:
    image = noise((10, 12, 14))
    nets = [smooth(seed) for seed in range(3)]
    single = [
        Predictor([model(net, spacing=(1.7, 0.8, 1.3))], "cpu", **EXACT)
        .predict([volume(image)], keep_probability=True)
        .probability
        for net in nets
    ]
    result = Predictor([model(net, spacing=(1.7, 0.8, 1.3)) for net in nets], "cpu", **EXACT).predict(
        [volume(image)], keep_probability=True, keep_disagreement=disagreement
    )
    np.testing.assert_allclose(result.probability, np.mean(single, axis=0), atol=1e-6)
    if disagreement:
        np.testing.assert_allclose(result.disagreement, np.std(single, axis=0), atol=1e-6)


def test_one_network_at_a_time() -> None:
    alive: list[weakref.ref] = []

    def factory(made: FakeModel, device: torch.device, precision: Precision) -> TorchBackend:
        gc.collect()
        assert not [reference for reference in alive if reference() is not None]
        backend = torch_backend(made, device, precision)
        alive.append(weakref.ref(backend))
        return backend

    Predictor([model(linear(1.0))] * 3, "cpu", backend=factory).predict([volume(noise((9, 9, 9)))])
    assert len(alive) == 3


def test_several_classes() -> None:
    image = noise((9, 8, 10))
    net = Pointwise(lambda x: torch.cat([torch.zeros_like(x), 2 * x, -3 * x], 1))
    made = model(net, labels={"background": 0, "a": 1, "b": 2})
    result = Predictor([made, made], "cpu", **EXACT).predict(
        [volume(image)], keep_probability=True, keep_disagreement=True
    )
    logits = np.stack([0 * image, 2 * image, -3 * image]).astype(float)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=0)
    np.testing.assert_array_equal(result.label, logits.argmax(axis=0))
    np.testing.assert_allclose(result.probability, 1 - softmax[0], atol=1e-6)
    np.testing.assert_allclose(result.disagreement, 0, atol=1e-6)


def test_a_network_of_another_number_of_classes_is_named() -> None:
    with pytest.raises(InputError, match="The network of odd has 1 outputs for 3 labels"):
        Predictor([model(linear(1.0), labels={"background": 0, "a": 1, "b": 2}, name="odd")], "cpu").predict(
            [volume(noise((4, 4, 4)))]
        )


def test_the_threshold_and_small_components() -> None:
    image = np.full((6, 8, 40), -1.0, np.float32)
    image[2, 2, 5:20] = 0.4
    image[4, 6, 3:8] = 0.9
    predict = lambda **options: Predictor([model(linear(1.0))], "cpu", **options).predict([volume(image)]).label  # noqa: E731
    found = predict()
    assert np.count_nonzero(found) == 15 and found[2, 2, 5:20].all()
    assert np.count_nonzero(predict(min_voxels=5)) == 20
    assert np.count_nonzero(predict(min_volume_mm3=5.0)) == 20
    assert np.count_nonzero(predict(min_volume_mm3=16.0)) == 0
    assert np.count_nonzero(predict(small_rule="case")) == 20
    assert np.count_nonzero(predict(small_rule="case", min_voxels=21)) == 0
    assert np.count_nonzero(predict(threshold=0.65, min_voxels=0)) == 5


@pytest.mark.parametrize("kind", [ChannelKind.NONE, ChannelKind.ZSCORE])
@pytest.mark.parametrize(
    "direction", [(1, 0, 0, 0, 1, 0, 0, 0, 1), (0, 0, -1, 1, 0, 0, 0, -1, 0), (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1)]
)
@pytest.mark.parametrize("labels", [{"background": 0, "a": 1}, {"background": 0, "a": 1, "b": 2}])
def test_a_region_gives_what_the_whole_gives_there(kind: ChannelKind, direction: tuple, labels: dict) -> None:
    image = volume(noise((24, 26, 28)), direction=direction, origin=(3.0, -4.0, 5.0))
    torch.manual_seed(0)
    net = nn.Conv3d(1, len(labels), 1)
    made = model(net, kind=kind, labels=labels)
    whole = Predictor([made], "cpu", **EXACT).predict([image], keep_probability=True)
    centre = (image.geometry.affine @ [14, 13, 12, 1])[:3]
    roi = tuple(float(value) for middle in centre for value in (middle - 2.2, middle + 2.2))
    part = Predictor([made], "cpu", roi=roi, **EXACT).predict([image], keep_probability=True)
    from lossseg.inference.roi import voxel_box

    box = voxel_box(roi, image.geometry)
    inside = np.zeros(image.array.shape, bool)
    inside[box] = True
    assert inside[12, 13, 14] and not inside[0].any()
    np.testing.assert_allclose(part.probability[inside], whole.probability[inside], atol=1e-5)
    assert whole.probability[~inside].max() > 0 == part.probability[~inside].max()
    assert not part.label[~inside].any()


def test_a_region_saves_windows() -> None:
    stages: list[int] = []

    class Count(Silent):
        def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
            if stage == "segment":
                stages.append(total)

    image = volume(noise((40, 40, 40)))
    for roi in (None, (-22.0, -20.0, -22.0, -20.0, 20.0, 22.0)):
        Predictor([model(linear(1.0))], "cpu", roi=roi, reporter=Count()).predict([image])
    assert stages[0] == 9**3 and stages[-1] <= 27


def test_a_region_without_image_is_background() -> None:
    image = np.zeros((30, 8, 8), np.float32)
    image[:6] = noise((6, 8, 8)) + 10
    made = model(linear(1.0), kind=ChannelKind.ZSCORE, labels={"background": 0, "a": 1, "b": 2})
    result = Predictor([made, made], "cpu", roi=(-8, 0, -8, 0, 20, 25)).predict([volume(image)], keep_disagreement=True)
    assert not result.label.any() and not result.disagreement.any()


def test_mirroring_is_the_mean_of_eight() -> None:
    net = smooth().eval()
    windows = torch.from_numpy(noise((2, 1, 5, 6, 7)))
    expected = torch.zeros(2, 2, 5, 6, 7)
    with torch.no_grad():
        for chosen in product((0, 1), repeat=3):
            axes = [axis + 2 for axis in range(3) if chosen[axis]]
            expected += torch.flip(net(torch.flip(windows, axes)), axes) / 8
    checks: list[None] = []
    mirrored = Mirrored(TorchBackend(net, CPU), lambda: checks.append(None)).run(windows)
    torch.testing.assert_close(mirrored, expected, atol=1e-6, rtol=1e-5)
    assert len(checks) == 8
    image = noise((6, 9, 9))
    plain, turned = (
        Predictor([model(net)], "cpu", mirror=True, **EXACT).predict([volume(x)], keep_probability=True).probability
        for x in (image, image[:, ::-1])
    )
    np.testing.assert_allclose(plain, turned[:, ::-1], atol=1e-6)


def test_the_result_lies_on_the_grid_of_the_input() -> None:
    image = np.full((20, 24, 12), -1.0, np.float32)
    image[6:14, 8:16, 3:9] = 1
    given = volume(image, spacing=(1.0, 1.0, 2.0), direction=(0, 1, 0, -1, 0, 0, 0, 0, -1), origin=(9.0, 8.0, 7.0))
    result = Predictor([model(linear(5.0), spacing=(1.5, 1.5, 1.5))], "cpu").predict([given], keep_probability=True)
    assert result.geometry == given.geometry
    assert result.label.shape == result.probability.shape == image.shape
    truth = image > 0
    overlap = 2 * np.count_nonzero(truth & (result.label > 0)) / (truth.sum() + result.label.sum())
    assert overlap > 0.9
    np.testing.assert_allclose(np.argwhere(result.label).mean(axis=0), np.argwhere(truth).mean(axis=0), atol=0.26)


def test_several_channels_in_order() -> None:
    first, second = noise((6, 7, 8)), noise((6, 7, 8), seed=1)
    net = Pointwise(lambda x: torch.cat([torch.zeros_like(x[:, :1]), x[:, :1] - 2 * x[:, 1:]], 1))
    result = Predictor([model(net, channels=("T1", "FLAIR"))], "cpu", **EXACT).predict(
        [volume(first), volume(second)], keep_probability=True
    )
    np.testing.assert_allclose(result.probability, sigmoid(first - 2 * second), atol=1e-6)


def test_channels_that_do_not_fit() -> None:
    predictor = Predictor([model(linear(1.0), channels=("T1", "FLAIR"))], "cpu")
    image = volume(noise((6, 7, 8)))
    with pytest.raises(InputError, match=r"1 image channel\(s\) given; models needs 2: T1, FLAIR"):
        predictor.predict([image])
    with pytest.raises(InputError, match=r"FLAIR lies on another grid than T1: spacing 1x1x1\.5 mm against 1x1x1 mm"):
        predictor.predict([image, volume(noise((6, 7, 8)), spacing=(1.0, 1.0, 1.5))])
    with pytest.raises(InputError, match="FLAIR holds only zeros"):
        predictor.predict([image, volume(np.zeros((6, 7, 8)))])


@pytest.mark.parametrize(
    "wrong",
    [
        {"overlap": 1.0},
        {"threshold": 0.0},
        {"threshold": 1.5},
        {"min_voxels": -1},
        {"min_volume_mm3": float("nan")},
        {"small_rule": "lesion"},
        {"precision": "double"},
        {"window_batch": 0},
        {"roi": (0, 1)},
    ],
)
def test_options_out_of_range(wrong: dict) -> None:
    with pytest.raises(InputError):
        Predictor([model(linear(1.0))], "cpu", **wrong)


def test_no_members() -> None:
    with pytest.raises(InputError):
        Predictor([], "cpu")


def test_cancelling_between_two_windows() -> None:
    run: list[int] = []

    class Counting(TorchBackend):
        def run(self, windows: torch.Tensor) -> torch.Tensor:
            run.append(1)
            return super().run(windows)

    factory = lambda made, device, precision: Counting(made.network(), device)  # noqa: E731
    reporter = Silent(cancelled=lambda: len(run) >= 5)
    with pytest.raises(Cancelled):
        Predictor([model(linear(1.0))], "cpu", backend=factory, reporter=reporter).predict(
            [volume(noise((30, 30, 30)))]
        )
    assert len(run) == 5


def test_remaining_time_is_that_of_all_members() -> None:
    from lossseg.inference.progress import MemberProgress

    told: list[tuple] = []

    class Listen(Silent):
        def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
            told.append((stage, done, total, eta_s))

    now = [0.0]
    progress = MemberProgress(Listen(), 3, clock=lambda: now[0])
    progress.start(0, 4)
    now[0] = 2.0
    progress.advance(1)
    now[0] = 100.0
    progress.start(1, 4)
    now[0] = 104.0
    progress.advance(2)
    assert told == [
        ("segment: member 1 of 3", 0, 4, None),
        ("segment: member 1 of 3", 1, 4, pytest.approx(2 * 11)),
        ("segment: member 2 of 3", 0, 4, pytest.approx(2 * 8)),
        ("segment: member 2 of 3", 2, 4, pytest.approx(2 * 6)),
    ]


def test_two_runs_are_equal_to_the_bit() -> None:
    image = volume(noise((13, 14, 15)))
    first, second = (
        Predictor([model(smooth(s)) for s in range(2)], "cpu").predict([image], keep_probability=True) for _ in range(2)
    )
    np.testing.assert_array_equal(first.probability, second.probability)


def test_sixteen_bits_stay_near_32() -> None:
    windows = torch.from_numpy(noise((1, 1, 8, 8, 8)))
    network = smooth().eval()
    full = TorchBackend(network, CPU).run(windows)
    half = TorchBackend(network, CPU, torch.bfloat16).run(windows)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), full, atol=0.05, rtol=0.02)


def with_point(slope: float, threshold: float, min_confidence: float) -> FakeModel:
    return replace(model(linear(slope)), operating_point=OperatingChoice(threshold, min_confidence))


def test_the_operating_point_of_the_members_is_the_default() -> None:
    members = (Member(with_point(1.0, 0.6, 0.7), 1.0), Member(with_point(1.0, 0.9, 0.9), 2.0))
    image = np.zeros((4, 4, 9), np.float32)
    logit = {p: np.log(p / (1 - p)) for p in (0.75, 0.82, 0.88)}
    image[1, 1, 1:3] = logit[0.82], logit[0.88]  # above the mean threshold 0.8 and the mean confidence 0.8333
    image[1, 1, 5], image[1, 1, 8] = logit[0.75], logit[0.82]
    ensemble = Ensemble("e", members)
    label = Predictor(ensemble, "cpu", **EXACT).predict([volume(image)]).label
    assert np.argwhere(label).tolist() == [[1, 1, 1], [1, 1, 2]]
    label = Predictor(ensemble, "cpu", threshold=0.7, **EXACT).predict([volume(image)]).label
    assert np.count_nonzero(label) == 4
    label = Predictor(ensemble, "cpu", min_confidence=0.0, **EXACT).predict([volume(image)]).label
    assert np.count_nonzero(label) == 3


def test_one_member_without_an_operating_point_leaves_the_most_probable_class() -> None:
    ensemble = Ensemble("e", (Member(with_point(1.0, 0.9, 0.9)), Member(model(linear(1.0)))))
    image = noise((4, 5, 6))
    np.testing.assert_array_equal(Predictor(ensemble, "cpu", **EXACT).predict([volume(image)]).label, image > 0)
