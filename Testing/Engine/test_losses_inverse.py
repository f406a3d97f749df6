"""Inverse weighting around losses: the printed formulas, and what they are for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.losses import MaskedDiceLoss
from torch import Tensor

from lossseg.losses import build
from lossseg.weights import inverse_weights

SMALL = (slice(1, 2), slice(1, 3), slice(1, 3))
LARGE = (slice(3, 7), slice(3, 8), slice(3, 8))


def case() -> tuple[Tensor, Tensor, Tensor]:
    """Logits, target and weights, float64, of lesions of 4 and 100 voxels and a patch with one voxel."""
    target = torch.zeros(2, 1, 8, 9, 10, dtype=torch.uint8)
    target[(0, 0, *SMALL)] = 1
    target[(0, 0, *LARGE)] = 1
    target[1, 0, 4, 4, 4] = 1
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 8, 9, 10, generator=generator, dtype=torch.float64)
    weights = torch.stack([torch.from_numpy(inverse_weights(sample[0].numpy()))[None] for sample in target]).double()
    return logits, target, weights


def printed_dice(p: Tensor, y: Tensor, w: Tensor, squared: bool) -> Tensor:
    dims = (1, 2, 3, 4)
    return (1 - 2 * (w * p * y).sum(dims) / (w * ((p * p if squared else p) + y)).sum(dims)).mean()


@pytest.mark.parametrize("squared", [False, True])
def test_dice_as_printed(squared: bool) -> None:
    logits, target, weights = case()
    expected = printed_dice(torch.sigmoid(logits), target.double(), weights, squared)
    loss = build(f"iw(dice(squared={squared}))")
    value = loss(logits, target, {"inverse_weights": weights})
    assert value.item() == pytest.approx(expected.item(), abs=1e-12)


def test_squared_dice_equals_monai_with_the_root_of_the_weights() -> None:
    logits, target, weights = case()
    theirs = MaskedDiceLoss(sigmoid=True, squared_pred=True, smooth_nr=0, smooth_dr=0)
    expected = theirs(logits, target.double(), weights.sqrt()).item()
    assert build("iw(dice(squared=True))")(logits, target).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("expression", ["iw(ce)", "iw(bce)"])
def test_cross_entropy_as_printed(expression: str) -> None:
    logits, target, weights = case()
    bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.double(), weight=weights)
    assert build(expression)(logits, target).item() == pytest.approx(bce.item(), rel=1e-9)


def test_focal_as_printed() -> None:
    logits, target, weights = case()
    p, y = torch.sigmoid(logits), target.double()
    voxels = -(0.75 * (1 - p) ** 2 * y * p.log() + 0.25 * p**2 * (1 - y) * (1 - p).log())
    expected = (weights * voxels).mean().item()
    assert build("iw(focal(gamma=2, alpha=0.75))")(logits, target).item() == pytest.approx(expected, rel=1e-9)


def test_tversky_as_dice() -> None:
    logits, target, weights = case()
    maps = {"inverse_weights": weights}
    dice = build("iw(dice)")(logits, target, maps).item()
    assert build("iw(tversky(alpha=0.5, beta=0.5))")(logits, target, maps).item() == pytest.approx(dice, abs=1e-12)


def test_several_classes_share_one_map() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(1, 3, 4, 5, 6, generator=generator, dtype=torch.float64)
    target = (torch.rand(1, 1, 4, 5, 6, generator=generator) < 0.1).long()
    target[0, 0, 3, 4, 5] = 2
    weights = torch.from_numpy(inverse_weights(target[0, 0].numpy()))[None, None].double()
    p = torch.softmax(logits, 1)
    parts = [printed_dice(p[:, k : k + 1], (target == k).double(), weights, False) for k in (1, 2)]
    value = build("iw(dice)", classes=3)(logits, target)
    assert value.item() == pytest.approx(float(sum(parts)) / 2, abs=1e-12)


def test_sum_inside_is_the_sum_of_both() -> None:
    logits, target, _ = case()
    inside, outside = build("iw(dice + 0.5*ce)"), build("iw(dice) + 0.5*iw(ce)")
    assert inside(logits, target).item() == pytest.approx(outside(logits, target).item(), rel=1e-12)


def test_map_of_the_loader_is_used_and_else_made() -> None:
    logits, target, weights = case()
    loss = build("iw(bce)")
    assert loss.required_maps == {"inverse_weights"}
    given = loss(logits, target, {"inverse_weights": weights}).item()
    assert loss(logits, target).item() == pytest.approx(given, rel=1e-12)
    assert loss(logits, target, {"inverse_weights": 2 * weights}).item() == pytest.approx(2 * given, rel=1e-12)


def test_map_in_two_dimensions_is_made() -> None:
    target = torch.zeros(1, 1, 5, 6, dtype=torch.long)
    target[0, 0, 1, 1] = 1
    weights = torch.from_numpy(inverse_weights(target[0, 0].numpy()))[None, None]
    logits = torch.linspace(-1, 1, 30).reshape(1, 1, 5, 6)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.float(), weight=weights)
    assert build("iw(ce)")(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("loss", ["dice", "bce", "focal", "tversky"])
def test_lesions_of_unequal_size_pull_equally(loss: str) -> None:
    _, target, _ = case()

    def pulls(expression: str) -> tuple[float, float]:
        logits = torch.full((2, 1, 8, 9, 10), -1.0, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(build(expression)(logits, target), logits)
        return gradient[(0, 0, *SMALL)].sum().item(), gradient[(0, 0, *LARGE)].sum().item()

    small, large = pulls(f"iw({loss})")
    assert small < 0
    assert small == pytest.approx(large, rel=1e-6)
    small, large = pulls(loss)
    assert small == pytest.approx(large * 4 / 100, rel=1e-6)


def test_weights_are_made_of_each_patch() -> None:
    _, target, weights = case()
    np.testing.assert_allclose(weights.sum((1, 2, 3, 4)), target[0].numel(), rtol=1e-6)


def test_weights_of_the_volume_are_another_map() -> None:
    logits, target, weights = case()
    loss = build("iw(dice, volume=True)")
    assert loss.required_maps == {"inverse_weights_volume"}
    volume = 3 * weights.flip(-1)
    expected = printed_dice(torch.sigmoid(logits), target.double(), volume, False).item()
    value = loss(logits, target, {"inverse_weights_volume": volume, "inverse_weights": weights})
    assert value.item() == pytest.approx(expected, abs=1e-12)


def test_weights_cut_from_a_volume_do_not_sum_to_the_voxels_of_the_patch() -> None:
    """The patch holds all lesions of a volume twice its size: two thirds of the weights and a part of the other."""
    _, target, _ = case()
    volume = np.concatenate([target[0, 0].numpy(), np.zeros_like(target[0, 0].numpy())], -1)
    cut = inverse_weights(volume)[..., : target.shape[-1]]
    patch = inverse_weights(target[0, 0].numpy())
    assert patch.sum() == pytest.approx(patch.size, rel=1e-6)
    background = (patch.size - 104) / (volume.size - 104)
    assert cut.sum() == pytest.approx(volume.size * (2 + background) / 3, rel=1e-6)


@pytest.mark.parametrize("expression", ["iw(bce, clip=True)", "iw(bce, volume=True, clip=True)"])
@pytest.mark.parametrize("dense", [False, True])
def test_clipping_of_the_published_code(expression: str, dense: bool) -> None:
    logits, target, weights = case()
    if dense:
        target[..., 6:] = 1
    weights[0, 0, 0, 0, 0] = 3e5
    clipped = weights.clamp(1, 2e5)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.double(), weight=clipped).item()
    maps = dict.fromkeys(("inverse_weights", "inverse_weights_volume"), weights)
    assert build(expression)(logits, target, maps).item() == pytest.approx(expected, rel=1e-9)
    assert build("iw(bce)")(logits, target, maps).item() != pytest.approx(expected, rel=0.01)


def test_clipped_weights_do_not_sum_to_the_voxels() -> None:
    """Two lesions: the background goes from 1/3 to 1, so that the sum is 5/3 of the voxels."""
    _, _, weights = case()
    assert weights[0].clamp(1, 2e5).mean().item() == pytest.approx(5 / 3, rel=0.1)
    assert weights[0].mean().item() == pytest.approx(1, rel=1e-6)
