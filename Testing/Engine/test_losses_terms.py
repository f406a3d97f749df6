"""What holds for every region and voxel loss: voxels to ignore, forms of the logits, ways and rows of summing."""

from __future__ import annotations

import pytest
import torch
from loss_cases import SHAPES, case
from torch import Tensor

from lossseg.losses import batch as batch_module
from lossseg.losses import build

TERMS = [
    "wce(weight=7)",
    "wce(adaptive=True)",
    "ohem(threshold=0.7)",
    "ohem(threshold=0.01, k=0.2)",
    "dice(squared=True, smooth=1)",
    "iou",
    "gdice",
    "gdice(weight=simple, squared=True, batch=True)",
    "gdice(weight=offset, squared=True)",
    "focal_tversky",
    "asl",
    "asl(squared=True, batch=True)",
    "sensitivity_specificity",
    "lovasz",
    "lovasz(form=hinge, batch=True, present=True)",
    "tvmf_dice",
    "tvmf_dice(batch=False, background=True)",
    "explog",
    "explog(gamma_ce=1, background=True, weight=5)",
    "unified_focal",
    "unified_focal(form=symmetric)",
]
SUMMED = [term for term in TERMS if not term.startswith(("ohem", "lovasz"))]


def value_and_gradient(
    expression: str, logits: Tensor, target: Tensor, ignore: int | None = None, maps: dict[str, Tensor] | None = None
) -> tuple[float, Tensor]:
    given = logits.clone().requires_grad_()
    loss = build(expression, classes=max(logits.shape[1], 2))
    loss.ignore = ignore
    value = loss(given, target, maps)
    (gradient,) = torch.autograd.grad(value, given)
    return value.item(), gradient


@pytest.mark.parametrize("expression", TERMS)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_ignored_voxels_do_not_count(expression: str, channels: int) -> None:
    """Whatever stands at the ignored end of the patch, value and gradient are those of the patch without it."""
    for shape in SHAPES.values():
        for share in (0.01, 0.5):
            logits, target = case(channels, shape=shape, share=share)
            kept = slice(0, shape[-1] - 2)
            expected, slope = value_and_gradient(expression, logits[..., kept], target[..., kept])
            target[..., shape[-1] - 2 :] = 9
            value, gradient = value_and_gradient(expression, logits, target, ignore=9)
            assert value == pytest.approx(expected, abs=1e-12)
            torch.testing.assert_close(gradient[..., kept], slope)
            assert not gradient[..., shape[-1] - 2 :].any()


@pytest.mark.parametrize("expression", TERMS)
def test_two_logits_and_their_difference_are_the_same_loss(expression: str) -> None:
    logits, target = case(2, share=0.01)
    value, gradient = value_and_gradient(expression, logits, target)
    single, slope = value_and_gradient(expression, logits[:, 1:] - logits[:, :1], target)
    assert value == pytest.approx(single, abs=1e-12)
    torch.testing.assert_close(gradient, torch.cat([-slope, slope], 1))


@pytest.mark.parametrize("expression", [*SUMMED, *(f"iw({term})" for term in SUMMED)])
def test_sums_by_places_are_those_by_maps(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = case(1, share=0.01)
    weights = 0.5 + torch.rand(logits.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    maps = {"inverse_weights": weights}
    assert batch_module.Batch(logits, target, {}).sparse is not None
    value, gradient = value_and_gradient(expression, logits, target, maps=maps)
    monkeypatch.setattr(batch_module, "SPARSE", -1.0)
    assert batch_module.Batch(logits, target, {}).sparse is None
    expected, slope = value_and_gradient(expression, logits, target, maps=maps)
    assert value == pytest.approx(expected, rel=1e-9)
    torch.testing.assert_close(gradient, slope)


@pytest.mark.parametrize("expression", SUMMED)
@pytest.mark.parametrize("channels", [1, 3])
def test_weights_of_one_change_nothing_but_the_smoothing(expression: str, channels: int) -> None:
    logits, target = case(channels)
    bare = expression.replace(", smooth=1", "")
    smoothed = expression.startswith(("dice", "iou", "focal_tversky", "asl", "explog", "unified_focal"))
    zero = (bare.replace(")", ", smooth=0)") if "(" in bare else f"{bare}(smooth=0)") if smoothed else bare
    maps = {"inverse_weights": torch.ones(2, 1, *logits.shape[2:], dtype=torch.float64)}
    value, gradient = value_and_gradient(f"iw({expression})", logits, target, maps=maps)
    expected, slope = value_and_gradient(zero, logits, target)
    assert value == pytest.approx(expected, abs=1e-12)
    torch.testing.assert_close(gradient, slope)


@pytest.mark.parametrize("expression", SUMMED)
@pytest.mark.parametrize("channels", [1, 3])
def test_of_a_single_lesion_blob_and_cc_are_the_loss_itself(expression: str, channels: int) -> None:
    logits, target = case(channels, batch=1)
    target = torch.zeros_like(target)
    target[0, 0, 1:3, 1:3, 1:3] = 1
    if channels == 3:
        target[0, 0, 1, 1:3, 1:3] = 2
    expected, slope = value_and_gradient(expression, logits, target)
    for around in ("blob", "cc"):
        value, gradient = value_and_gradient(f"{around}({expression})", logits, target)
        assert value == pytest.approx(expected, abs=1e-12)
        torch.testing.assert_close(gradient, slope)


@pytest.mark.parametrize("expression", TERMS)
def test_single_precision_is_near_double(expression: str) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = 4 * torch.randn(1, 1, 48, 48, 48, generator=generator) - 6
    target = torch.zeros(1, 1, 48, 48, 48, dtype=torch.uint8)
    target[0, 0, 10:13, 10:13, 10:13] = 1
    exact, slope = value_and_gradient(expression, logits.double(), target)
    value, gradient = value_and_gradient(expression, logits, target)
    assert value == pytest.approx(exact, rel=1e-5)
    torch.testing.assert_close(gradient.double(), slope, rtol=1e-3, atol=1e-5 * slope.abs().max().item())
