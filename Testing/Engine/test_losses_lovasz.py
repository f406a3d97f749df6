"""The Lovasz extension: its definition by permutations, and what it is at errors of 0 and 1."""

from __future__ import annotations

import pytest
import torch
from loss_cases import SHAPES, case, one_hot, value
from torch import Tensor

from lossseg.losses import build


def extension(errors: Tensor, truth: Tensor) -> float:
    """S e_k (J_k - J_(k-1)), J_k the Jaccard loss when exactly the k largest errors are wrong, by counting sets."""
    order = torch.argsort(errors, descending=True)
    total, before = 0.0, 0.0
    for k in range(1, len(order) + 1):
        wrong = torch.zeros(len(order), dtype=torch.bool)
        wrong[order[:k]] = True
        predicted = (truth > 0) ^ wrong
        both, either = (predicted & (truth > 0)).sum().item(), (predicted | (truth > 0)).sum().item()
        loss = 1 - both / either if either else 0.0
        total += errors[order[k - 1]].item() * (loss - before)
        before = loss
    return total


def errors(logits: Tensor, target: Tensor, form: str) -> tuple[Tensor, Tensor]:
    """Errors and truth of the foreground classes, (B, K, N)."""
    p, y = (one[:, 1:] for one in one_hot(logits, target))
    if form == "softmax":
        return (y - p).abs(), y
    right = torch.logit(p) * (2 * y - 1)
    return (1 - right).clamp_min(0), y


@pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("form", ["softmax", "hinge"])
def test_definition(channels: int, shape: tuple[int, ...], share: float, form: str) -> None:
    logits, target = case(channels, shape=shape, share=share)
    e, y = errors(logits, target, form)
    expected = [extension(e[b, k], y[b, k]) for b in range(2) for k in range(e.shape[1])]
    assert value(f"lovasz(form={form})", logits, target) == pytest.approx(sum(expected) / len(expected), abs=1e-9)
    pooled = [extension(e[:, k].flatten(), y[:, k].flatten()) for k in range(e.shape[1])]
    given = value(f"lovasz(form={form}, batch=True)", logits, target)
    assert given == pytest.approx(sum(pooled) / len(pooled), abs=1e-9)


def test_of_errors_that_are_0_or_1_it_is_the_jaccard_loss() -> None:
    target = torch.zeros(1, 1, 3, 4, 5, dtype=torch.long)
    target[0, 0, 0] = 1
    predicted = torch.zeros_like(target)
    predicted[0, 0, 0, :2] = 1
    predicted[0, 0, 1, 0] = 1
    logits = torch.where(predicted > 0, 200.0, -200.0)
    assert value("lovasz", logits, target) == pytest.approx(1 - 10 / 25, abs=1e-6)


@pytest.mark.parametrize(("form", "largest"), [("softmax", 0.880797077977), ("hinge", 3.0)])
class TestMissingClass:
    """Logits up to 2 on background: an error of sigmoid(2), or of 1 + 2."""

    LOGITS = torch.linspace(-6, 2, 60, dtype=torch.float64).reshape(1, 1, 3, 4, 5)
    TARGET = torch.zeros(1, 1, 3, 4, 5, dtype=torch.long)

    def test_an_empty_patch_teaches_its_worst_voxel(self, form: str, largest: float) -> None:
        logits = self.LOGITS.clone().requires_grad_()
        given = build(f"lovasz(form={form})")(logits, self.TARGET)
        (gradient,) = torch.autograd.grad(given, logits)
        assert given.item() == pytest.approx(largest, abs=1e-9)
        assert torch.nonzero(gradient.flatten()).tolist() == [[59]]

    def test_or_nothing(self, form: str, largest: float) -> None:
        logits = self.LOGITS.clone().requires_grad_()
        given = build(f"lovasz(form={form}, present=True)")(logits, self.TARGET)
        (gradient,) = torch.autograd.grad(given, logits)
        assert given.item() == 0 and not gradient.any()

    def test_of_several_classes_only_those_present_count(self, form: str, largest: float) -> None:
        logits, target = case(3, batch=1)
        target[target == 2] = 0
        e, y = errors(logits, target, form)
        first, second = extension(e[0, 0], y[0, 0]), e[0, 1].max().item()
        assert value(f"lovasz(form={form}, present=True)", logits, target) == pytest.approx(first, abs=1e-9)
        given = value(f"lovasz(form={form})", logits, target)
        assert given == pytest.approx((first + second) / 2, abs=1e-9)


def test_voxels_less_wrong_than_all_foreground_get_no_gradient() -> None:
    logits, target = case(1, share=0.03, batch=1)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(build("lovasz")(logits, target), logits)
    e = (target - torch.sigmoid(logits)).abs()
    least = e[target > 0].min()
    assert torch.equal(gradient != 0, e >= least)
    assert 0 < int((e < least).sum()) < 120


def test_steps_of_millions_of_voxels_still_sum_to_the_jaccard_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(1, 1, 64, 64, 64, generator=generator) < 1e-3).long()
    logits = torch.zeros(1, 1, 64, 64, 64).uniform_(-0.1, 0.1, generator=generator)
    exact = value("lovasz", logits.double(), target)
    assert value("lovasz", logits, target) == pytest.approx(exact, rel=1e-5)
