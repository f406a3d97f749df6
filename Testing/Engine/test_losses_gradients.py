"""Gradients, extreme inputs and half precision of every term."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lossseg.losses import CATALOGUE, build


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


EXPRESSIONS = [
    "ce",
    "bce",
    "topk(k=0.3)",
    "focal(gamma=0.5, alpha=0.6)",
    "focal",
    "dice",
    "dice(squared=True, batch=True)",
    "tversky",
    "iw(ce)",
    "iw(bce)",
    "iw(focal)",
    "iw(dice)",
    "iw(dice(squared=True))",
    "iw(tversky)",
    "dice_ce",
    "dice_topk",
    "0.5*dice + 0.5*iw(bce + 2*dice)",
    "wce(weight=5)",
    "wce(adaptive=True)",
    "ohem(threshold=0.6, k=0.1)",
    "iou",
    "gdice",
    "gdice(weight=offset, squared=True)",
    "focal_tversky",
    "asl",
    "asl(squared=True)",
    "sensitivity_specificity",
    "lovasz",
    "lovasz(form=hinge, batch=True, present=True)",
    "tvmf_dice(background=True)",
    "tvmf_dice(adaptive=True)",
    "explog",
    "explog(gamma_ce=1, background=True)",
    "unified_focal",
    "unified_focal(form=symmetric)",
    "iw(asl(squared=True))",
    "iw(gdice)",
    "iw(wce(adaptive=True))",
    "iw(explog)",
    "iw(tvmf_dice)",
    "dice_bce",
    "dice_focal",
    "combo",
    "gdice_bce",
    "gdice_boundary",
    "iw_bce",
    "iw_focal",
    "iw_dice",
    "iw_asl",
    "tversky(alpha=learn, beta=learn) + focal(gamma=learn)",
    "softadapt(dice, ce)",
    "cov(dice, ce)",
    "uncertainty(dice, ce)",
    "schedule(dice)",
    "boundary",
    "region_wise",
    "region_wise(background=True)",
    "hausdorff",
    "hausdorff(form=one_sided, alpha=1.5)",
    "hausdorff(form=erosion, erosions=3)",
    "hausdorff(form=erosion, rescale=False)",
    "cldice(iterations=1)",
    "iw(dice, volume=True, clip=True)",
    "blob(dice + ce)",
    "blob(dice(squared=True))",
    "cc(dice + ce)",
    "taylor(t0=0.2, t2=0.3, t4=1, t6=-1, t7=0.5)",
    "glo",
    "glo(tree=cross_entropy)",
    "ml3",
    "iw(taylor + glo + ml3)",
]
# A good prediction makes these negative.
SIGNED = ("boundary", "region_wise", "taylor", "glo", "ml3")


def test_all_terms_are_tested() -> None:
    written = " ".join(EXPRESSIONS)
    assert all(name in written for name in CATALOGUE)


def lesion(kind: str, shape: tuple[int, ...] = (4, 5, 6)) -> Tensor:
    target = torch.zeros(2, 1, *shape, dtype=torch.uint8)
    match kind:
        case "full":
            target[:] = 1
        case "one voxel":
            target[0, 0, 2, 2, 3] = 1
        case "border":
            target[0, 0, :2, 0, -2:] = 1
        case "two lesions":
            target[0, 0, 0, 0, 0], target[0, 0, 2:, 3:, 3:], target[1, 0, 1, 1, 1] = 1, 1, 1
    return target


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_gradcheck(expression: str, channels: int) -> None:
    generator = torch.Generator().manual_seed(3)
    shape = (2, 2, 3)
    logits = torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, max(channels, 2), (2, 1, *shape), generator=generator)
    loss = build(expression, classes=max(channels, 2)).eval()
    assert torch.autograd.gradcheck(lambda z: loss(z, target), (logits,), eps=1e-6, atol=1e-6)


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("kind", ["empty", "full", "one voxel", "border", "two lesions"])
def test_extremes_are_finite(expression: str, channels: int, kind: str) -> None:
    target, loss = lesion(kind), build(expression, classes=max(channels, 2))
    for level in (-120.0, 0.0, 120.0):
        logits = torch.zeros(2, channels, *target.shape[2:])
        logits[:, -1] = level
        logits.requires_grad_()
        value = loss(logits, target)
        value.backward()
        assert torch.isfinite(value) and (value >= -1e-6 or any(name in expression for name in SIGNED))
        assert logits.grad is not None and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("level", [-6.0, 0.0, 6.0])
class TestEmptyPatch:
    def run(self, expression: str, level: float) -> tuple[float, Tensor]:
        target = lesion("empty", (8, 8, 8))
        logits = torch.full((2, 1, 8, 8, 8), level, dtype=torch.float64, requires_grad=True)
        value = build(expression)(logits, target)
        value.backward()
        assert logits.grad is not None
        return value.item(), logits.grad

    def test_ce_teaches_background_everywhere(self, level: float) -> None:
        _, gradient = self.run("ce", level)
        expected = torch.sigmoid(torch.tensor(level, dtype=torch.float64)) / gradient.numel()
        torch.testing.assert_close(gradient, expected.expand_as(gradient))

    @pytest.mark.parametrize("expression", ["dice", "tversky"])
    def test_regions_teach_next_to_nothing(self, level: float, expression: str) -> None:
        value, gradient = self.run(expression, level)
        assert value > 0.99
        assert gradient.abs().max() < 1e-4 * torch.sigmoid(torch.tensor(level))

    def test_inverse_weighted_dice_teaches_nothing(self, level: float) -> None:
        value, gradient = self.run("iw(dice)", level)
        assert value == 1
        assert not gradient.any()

    def test_inverse_weights_change_no_mean(self, level: float) -> None:
        assert self.run("iw(ce)", level)[0] == pytest.approx(self.run("ce", level)[0], rel=1e-12)


def test_inverse_weighted_dice_of_nothing_is_one() -> None:
    logits = torch.full((2, 1, 4, 4, 4), -120.0, requires_grad=True)
    value = build("iw(dice)")(logits, lesion("empty", (4, 4, 4)))
    value.backward()
    assert value.item() == 1
    assert logits.grad is not None and not logits.grad.any()


def test_topk_gradient_is_that_of_torch() -> None:
    generator = torch.Generator().manual_seed(5)
    logits = torch.randn(2, 1, 5, 6, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    target = (torch.rand(2, 1, 5, 6, 7, generator=generator) < 0.1).long()
    count = int(logits.numel() * 0.1)
    ce = torch.nn.functional.binary_cross_entropy_with_logits(logits, target.double(), reduction="none")
    (expected,) = torch.autograd.grad(torch.topk(ce.flatten(), count).values.mean(), logits)
    (gradient,) = torch.autograd.grad(build("topk(k=0.1)")(logits, target), logits)
    torch.testing.assert_close(gradient, expected)
    assert int((gradient != 0).sum()) == count


def test_topk_shares_the_gradient_among_equal_voxels() -> None:
    target = lesion("one voxel", (4, 5, 6))
    logits = torch.zeros(2, 1, 4, 5, 6, requires_grad=True)
    value = build("topk(k=0.1)")(logits, target)
    value.backward()
    assert value.item() == pytest.approx(0.6931472)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad.abs(), torch.full_like(logits, 0.5 / logits.numel()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_half_precision_is_computed_in_float32(expression: str, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    half = (8 * torch.randn(2, 2, 4, 5, 6, generator=generator)).to(dtype)
    target, loss = lesion("two lesions"), build(expression)
    given = half.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(given, target)
    value.backward()
    full = half.float().requires_grad_()
    expected = loss(full, target)
    expected.backward()
    assert value.dtype is torch.float32
    assert value.item() == expected.item()
    assert given.grad is not None and full.grad is not None
    assert torch.equal(given.grad, full.grad.to(dtype))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool])
def test_targets_of_any_integer_type_are_equal(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 2, 4, 5, 6, generator=generator)
    target, loss = lesion("two lesions"), build("dice + ce + iw(focal)")
    assert loss(logits, target.to(dtype)).item() == loss(logits, target).item()


def test_samples_are_independent_of_their_order_and_memory_layout() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 2, 4, 5, 6, generator=generator, dtype=torch.float64)
    target, loss = lesion("two lesions"), build("dice + ce + iw(dice)")
    value = loss(logits, target).item()
    assert loss(logits.flip(0), target.flip(0)).item() == pytest.approx(value, rel=1e-12)
    strided = logits.to(memory_format=torch.channels_last_3d)
    assert loss(strided, target).item() == pytest.approx(value, rel=1e-12)
