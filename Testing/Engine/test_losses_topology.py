"""Centreline Dice against MONAI and its printed formula."""

from __future__ import annotations

import pytest
import torch
from monai.losses import SoftclDiceLoss
from torch import Tensor

from lossseg.losses import build


def case(channels: int, shape: tuple[int, ...], *, dense: bool = False) -> tuple[Tensor, Tensor]:
    """A tube of three voxels' width for each class."""
    target = torch.zeros(2, 1, *shape, dtype=torch.uint8)
    for sample, number in ((0, 1), (1, max(channels, 2) - 1)):
        target[(sample, 0, *(slice(2 + sample, 5 + sample),) * (len(shape) - 1))] = number
    if dense:
        target[..., :3] = 1
    generator = torch.Generator().manual_seed(channels)
    return 3 * torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64), target


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("shape", [(16, 17), (8, 9, 12)])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize(("iterations", "smooth"), [(3, 1.0), (1, 0.01)])
def test_equals_monai_for_each_class(
    channels: int, shape: tuple[int, ...], dense: bool, iterations: int, smooth: float
) -> None:
    logits, target = case(channels, shape, dense=dense)
    leaf = logits.requires_grad_()
    p = torch.sigmoid(leaf) if channels == 1 else torch.softmax(leaf, 1)[:, 1:]
    theirs = SoftclDiceLoss(iter_=iterations, smooth_nr=smooth, smooth_dr=smooth, smooth=1e-12)
    values = [theirs(p[:, [k]], (target == k + 1).double()) for k in range(p.shape[1])]
    expected = torch.stack(values).mean()
    (slope,) = torch.autograd.grad(expected, leaf)
    value = build(f"cldice(iterations={iterations}, smooth={smooth})", classes=max(channels, 2))(leaf, target)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert value.item() == pytest.approx(expected.item(), abs=1e-9)
    torch.testing.assert_close(gradient, slope, rtol=1e-6, atol=1e-10)


def test_a_gap_costs_the_centreline_more_than_the_volume() -> None:
    target = torch.zeros(1, 1, 9, 9, 40, dtype=torch.uint8)
    target[0, 0, 3:6, 3:6, 2:38] = 1
    whole = torch.where(target > 0, 20.0, -20.0)
    broken, thinner = whole.clone(), whole.clone()
    broken[..., 18:22] = -20
    thinner[..., 3, 3, 2:38] = -20
    cldice, dice = build("cldice"), build("dice")
    assert cldice(whole, target).item() == pytest.approx(0, abs=1e-6)
    assert torch.equal((broken > 0).sum(), (thinner > 0).sum())
    assert dice(broken, target).item() == pytest.approx(dice(thinner, target).item(), abs=1e-6)
    assert cldice(broken, target).item() > 2 * cldice(thinner, target).item() + 0.01


def test_ignored_voxels_do_not_count() -> None:
    logits, target = case(1, (8, 9, 12))
    target[..., 8:] = 2
    loss = build("cldice")
    loss.ignore = 2
    leaf = logits.requires_grad_()
    value = loss(leaf, target)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert not gradient[..., 8:].any() and gradient[..., :8].any()
    other = logits.detach().clone()
    other[..., 8:] = 30
    assert loss(other, target).item() == value.item()


@pytest.mark.parametrize("smooth", [1.0, 0.1])
def test_what_an_empty_patch_teaches(smooth: float) -> None:
    target = torch.zeros(1, 1, 7, 7, 7, dtype=torch.uint8)
    logits = torch.full((1, 1, 7, 7, 7), -9.0, dtype=torch.float64)
    logits[0, 0, 3, 3, 1:6] = 2
    leaf = logits.requires_grad_()
    value = build(f"cldice(smooth={smooth})")(leaf, target)
    (gradient,) = torch.autograd.grad(value, leaf)
    line = 5 * torch.sigmoid(torch.tensor(2.0)).item()
    precision = smooth / (line + smooth)
    assert value.item() == pytest.approx(1 - 2 * precision / (precision + 1), abs=0.03)
    assert bool((gradient[0, 0, 3, 3, 1:6] > 0).all())
