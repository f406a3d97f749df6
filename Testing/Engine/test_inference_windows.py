"""Placing windows and blending what the network says about them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from inference_fakes import noise

from lossseg.inference.sliding_window import (
    BACKGROUND_LOGIT,
    foreground_probabilities,
    gaussian,
    place_windows,
    sliding_logits,
)


def test_windows_end_at_the_border_and_none_is_repeated() -> None:
    assert place_windows((10, 8, 5), (4, 8, 8), 0.5).starts == ((0, 2, 4, 6), (0,), (-1,))
    assert place_windows((9, 4, 4), (4, 4, 4), 0.5).starts[0] == (0, 2, 3, 5)
    assert place_windows((10, 4, 4), (4, 4, 4), 0.0).starts[0] == (0, 3, 6)
    assert place_windows((8, 4, 4), (4, 4, 4), 0.0).starts[0] == (0, 4)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
def test_windows_cover_every_voxel_with_the_overlap_asked_for(overlap: float) -> None:
    patch = 12
    for size in range(1, 60):
        starts = np.array(place_windows((size, 1, 1), (patch, 1, 1), overlap).starts[0])
        if size <= patch:
            assert len(starts) == 1 and starts[0] <= 0 and starts[0] + patch >= size
            continue
        assert starts[0] == 0 and starts[-1] == size - patch
        steps = np.diff(starts)
        assert (steps > 0).all() and (steps <= max(1, np.ceil(patch * (1 - overlap)))).all()


def test_a_small_image_lies_in_the_middle_of_its_window() -> None:
    windows = place_windows((1, 4, 5), (8, 4, 8))
    corner = windows.corners()[0]
    assert corner == (-3, 0, -1)
    assert windows.inside(corner) == (slice(0, 1), slice(0, 4), slice(0, 5))
    assert windows.covered(corner) == (slice(3, 4), slice(0, 4), slice(1, 6))


def test_gaussian_has_a_deviation_of_an_eighth_of_the_window() -> None:
    weights = gaussian(17)
    assert weights[8] == 1
    assert weights[10].item() == pytest.approx(np.exp(-0.5 * (2 / (17 / 8)) ** 2), rel=1e-6)
    assert torch.equal(weights, weights.flip(0))
    assert gaussian(1).tolist() == [1.0]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 30), (8, 8, 8), (13, 7, 21), (3, 25, 5)])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_voxelwise_network_is_reproduced_exactly(shape: tuple[int, int, int], batch: int) -> None:
    image = torch.from_numpy(noise((1, *shape)))
    forward = lambda x: torch.cat([-x, 2 * x + 1], 1)  # noqa: E731
    logits = sliding_logits(image, forward, place_windows(shape, (8, 8, 8)), batch=batch)
    torch.testing.assert_close(logits, 3 * image + 1, rtol=1e-5, atol=1e-5)


def test_difference_of_two_logits_gives_the_softmax() -> None:
    shape, windows = (11, 9, 10), place_windows((11, 9, 10), (6, 6, 6))
    image = torch.from_numpy(noise((1, *shape)))
    kernel = torch.from_numpy(noise((2, 1, 3, 3, 3), seed=1))
    forward = lambda x: torch.nn.functional.conv3d(x, kernel, padding=1)  # noqa: E731
    two = foreground_probabilities(sliding_logits(image, forward, windows))
    # A third class that never occurs makes the same sums take the road of three channels.
    third = lambda x: torch.cat([forward(x), torch.full_like(x, -1e4)], 1)  # noqa: E731
    three = foreground_probabilities(sliding_logits(image, third, windows))
    assert two.shape == (1, *shape) and three.shape == (2, *shape)
    torch.testing.assert_close(two[0], three[0], rtol=0, atol=1e-6)
    assert three[1].max() == 0


def test_blending_is_the_weighted_mean_of_the_windows() -> None:
    windows = place_windows((6, 1, 1), (4, 1, 1))
    assert windows.starts[0] == (0, 2)
    calls = iter([1.0, 3.0])
    logits = sliding_logits(torch.zeros(1, 6, 1, 1), lambda x: torch.full_like(x, next(calls)), windows)
    near, far = np.exp(-0.5 * (0.5 / 0.5) ** 2), np.exp(-0.5 * (1.5 / 0.5) ** 2)
    middle = [(1 * near + 3 * far) / (near + far), (1 * far + 3 * near) / (near + far)]
    np.testing.assert_allclose(logits.flatten(), [1, 1, *middle, 3, 3], rtol=1e-6)


def test_windows_hang_over_with_the_padding_of_each_channel() -> None:
    seen: list[torch.Tensor] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.clone())
        return x[:, :1]

    image = torch.stack([torch.ones(2, 4, 4), torch.full((2, 4, 4), 2.0)])
    sliding_logits(image, forward, place_windows((2, 4, 4), (4, 4, 4)), padding=(-5.0, -7.0))
    assert seen[0][0, 0, :, 0, 0].tolist() == [-5, 1, 1, -5]
    assert seen[0][0, 1, :, 0, 0].tolist() == [-7, 2, 2, -7]


def test_a_window_that_hangs_over_by_one_voxel_is_padded_there(monkeypatch: pytest.MonkeyPatch) -> None:
    # What memory happens to hold must not matter.
    monkeypatch.setattr(torch, "empty", lambda *size, **kinds: torch.full(*size, float("nan"), **kinds))
    seen: list[torch.Tensor] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.clone())
        return x[:, :1]

    sliding_logits(torch.ones(1, 3, 4, 4), forward, place_windows((3, 4, 4), (4, 4, 4)), padding=(-5.0,))
    assert seen[0][0, 0, :, 0, 0].tolist() == [1, 1, 1, -5]


@pytest.mark.parametrize("classes", [2, 3])
def test_only_windows_that_are_needed_run_and_their_voxels_are_exact(classes: int) -> None:
    shape = (40, 8, 8)
    image = torch.from_numpy(noise((1, *shape)))
    kernel = torch.from_numpy(noise((classes, 1, 3, 3, 3), seed=1))
    windows = place_windows(shape, (8, 8, 8))
    needed = np.zeros(shape, bool)
    needed[20:22, 3:5] = True
    done: list[int] = []
    forward = lambda x: torch.nn.functional.conv3d(x, kernel, padding=1)  # noqa: E731
    everywhere = foreground_probabilities(sliding_logits(image, forward, windows))
    some = foreground_probabilities(sliding_logits(image, forward, windows, needed=needed, after_windows=done.append))
    assert sum(done) == 2 < len(windows.corners()) == 9
    assert torch.equal(some[:, needed], everywhere[:, needed])
    assert some[:, ~needed].abs().max() == 0


def test_nothing_needed_runs_nothing() -> None:
    logits = sliding_logits(
        torch.ones(1, 4, 4, 4),
        lambda x: pytest.fail("was run"),
        place_windows((4, 4, 4), (4, 4, 4)),
        needed=np.zeros((4, 4, 4), bool),
    )
    assert (logits == BACKGROUND_LOGIT).all()


def test_one_channel_is_the_logit_of_a_single_foreground() -> None:
    image = torch.from_numpy(noise((1, 5, 5, 5)))
    probability = foreground_probabilities(sliding_logits(image, lambda x: 2 * x, place_windows((5, 5, 5), (4, 4, 4))))
    torch.testing.assert_close(probability, torch.sigmoid(2 * image))


def test_sixteen_bit_logits_are_summed_in_32() -> None:
    image = torch.from_numpy(noise((1, 9, 9, 9)))
    logits = sliding_logits(image, lambda x: x.to(torch.bfloat16), place_windows((9, 9, 9), (4, 4, 4)))
    torch.testing.assert_close(logits, image.to(torch.bfloat16).float(), rtol=1e-5, atol=1e-6)
