"""The weighted sum over resolutions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses import DeepSupervision, build
from lossseg.losses.deep_supervision import coarsen_map, level_weights, nearest
from lossseg.weights import make_maps


def outputs(*edges: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 2, edge, edge, edge, generator=generator, requires_grad=True) for edge in edges]


def labels(edge: int = 16) -> Tensor:
    target = torch.zeros(2, 1, edge, edge, edge, dtype=torch.uint8)
    target[0, 0, 2:9, 3:8, 4:10] = 1
    target[0, 0, 12:14, 12:14, 12:14] = 1
    target[1, 0, 5:12, 5:6, 5:12] = 1
    return target


def test_weights_halve_and_the_last_is_zero() -> None:
    assert level_weights(1) == (1,)
    assert level_weights(2) == (1, 0)
    assert level_weights(4) == pytest.approx((4 / 7, 2 / 7, 1 / 7, 0))
    with pytest.raises(InputError, match="at least one level, not 0"):
        level_weights(0)


@pytest.mark.parametrize("levels", [3, None])
def test_value_and_gradient(levels: int | None) -> None:
    loss, maps = build("dice + ce"), outputs(16, 8, 4)
    target = labels()
    value = DeepSupervision(loss, levels)(maps, target)
    expected = 2 / 3 * loss(maps[0], target) + 1 / 3 * loss(maps[1], target[:, :, 1::2, 1::2, 1::2])
    torch.testing.assert_close(value, expected)
    value.backward()
    assert maps[0].grad is not None and maps[1].grad is not None and maps[2].grad is None


def test_one_output_is_the_loss_itself() -> None:
    loss, (output,) = build("dice + iw(ce)"), outputs(16)
    assert DeepSupervision(loss, 1)([output], labels()).item() == loss(output, labels()).item()


def test_weights_of_lesions_keep_their_sum() -> None:
    target = labels()
    made = [make_maps(["inverse_weights"], sample[0].numpy())["inverse_weights"] for sample in target]
    weights = torch.stack([torch.from_numpy(sample) for sample in made])
    coarse = coarsen_map("inverse_weights", weights, (8, 8, 8))
    torch.testing.assert_close(coarse.sum((1, 2, 3, 4)), torch.full((2,), 512.0))
    ratio = coarse / nearest(weights, (8, 8, 8))
    torch.testing.assert_close(ratio, ratio[:, :, :1, :1, :1].expand_as(ratio))
    assert torch.equal(coarsen_map("another", weights, (8, 8, 8)), nearest(weights, (8, 8, 8)))
    loss, levels = build("iw(ce)"), outputs(16, 8, 4)
    expected = 2 / 3 * loss(levels[0], target, {"inverse_weights": weights})
    expected = expected + 1 / 3 * loss(levels[1], nearest(target, (8, 8, 8)), {"inverse_weights": coarse})
    torch.testing.assert_close(DeepSupervision(loss)(levels, target, {"inverse_weights": weights}), expected)


def test_nearest_takes_the_voxel_at_the_centre() -> None:
    line = torch.arange(12, dtype=torch.int16).reshape(1, 1, 12, 1).expand(1, 1, 12, 6)
    assert nearest(line, (6, 6))[0, 0, :, 0].tolist() == [1, 3, 5, 7, 9, 11]
    assert nearest(line, (4, 6))[0, 0, :, 0].tolist() == [1, 4, 7, 10]
    assert nearest(line, (5, 3))[0, 0, :, 0].tolist() == [1, 3, 6, 8, 10]
    exact = torch.nn.functional.interpolate(line.float(), (5, 3), mode="nearest-exact")
    assert torch.equal(nearest(line, (5, 3)).float(), exact)


def test_anisotropic_levels() -> None:
    target = labels()
    fine, coarse = torch.randn(2, 1, 16, 16, 16), torch.randn(2, 1, 16, 8, 4)
    value = DeepSupervision(build("ce"))([fine, coarse, coarse], target)
    loss = build("ce")
    expected = 2 / 3 * loss(fine, target) + 1 / 3 * loss(coarse, target[:, :, :, 1::2, 2::4])
    torch.testing.assert_close(value, expected)


def test_number_of_outputs_must_agree() -> None:
    with pytest.raises(InputError, match="got 2 outputs for 3 levels"):
        DeepSupervision(build("ce"), 3)(outputs(16, 8), labels())
