"""Values of the losses that go voxel by voxel, against closed forms written out naively."""

from __future__ import annotations

import math

import pytest
import torch
from loss_cases import SHAPES, case, one_hot, value
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from lossseg.losses import build


def printed_wce(p: Tensor, y: Tensor, weight: Tensor | float) -> Tensor:
    return -(weight * y * p.log() + (1 - y) * (1 - p).log()).mean()


@pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("channels", [1, 2, 3])
class TestClosedForms:
    def test_wce_with_a_given_weight(self, channels: int, shape: tuple[int, ...], share: float) -> None:
        logits, target = case(channels, shape=shape, share=share)
        p, y = (one[:, 1:] for one in one_hot(logits, target))
        assert value("wce(weight=7)", logits, target) == pytest.approx(printed_wce(p, y, 7).item(), abs=1e-9)

    @pytest.mark.parametrize("factor", [1, 2.5])
    def test_wce_as_printed(self, channels: int, shape: tuple[int, ...], share: float, factor: float) -> None:
        logits, target = case(channels, shape=shape, share=share)
        p, y = (one[:, 1:] for one in one_hot(logits, target))
        predicted = p.sum((0, 2), keepdim=True)
        weight = factor * (p.shape[0] * p.shape[2] - predicted) / predicted
        expected = printed_wce(p, y, weight).item()
        assert value(f"wce(weight={factor}, adaptive=True)", logits, target) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("threshold", [0.2, 0.7, 0.99])
    def test_ohem(self, channels: int, shape: tuple[int, ...], share: float, threshold: float) -> None:
        logits, target = case(channels, shape=shape, share=share)
        p, y = one_hot(logits, target)
        right = (p * y).sum(1).flatten()
        hard = right[right < threshold]
        assert len(hard) > 10
        expected = -hard.log().mean().item()
        assert value(f"ohem(threshold={threshold}, k=0)", logits, target) == pytest.approx(expected, abs=1e-9)

    def test_ohem_without_enough_wrong_voxels_is_topk(
        self, channels: int, shape: tuple[int, ...], share: float
    ) -> None:
        logits, target = case(channels, shape=shape, share=share)
        topk = value("topk(k=0.3)", logits, target)
        assert value("ohem(threshold=0.001, k=0.3)", logits, target) == pytest.approx(topk, abs=1e-12)


def test_wce_equals_torch() -> None:
    logits, target = case(1, share=0.01)
    expected = binary_cross_entropy_with_logits(logits, target.double(), pos_weight=torch.tensor(10.0))
    assert value("wce(weight=10)", logits, target) == pytest.approx(expected.item(), abs=1e-9)


def test_wce_without_a_weight_is_bce() -> None:
    for channels in (1, 3):
        logits, target = case(channels)
        assert value("wce", logits, target) == pytest.approx(value("bce", logits, target), abs=1e-12)


def test_gradient_flows_through_the_adaptive_weight() -> None:
    """With w held fixed the gradient on background is p / N; the rest comes from w."""
    logits, target = case(1, share=0.01)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(build("wce(adaptive=True)")(logits, target), logits)
    p, y = torch.sigmoid(logits.detach()), target.double()
    total, voxels = p.sum(), p.numel()
    hits = -(y * p.log()).sum()
    own = torch.where(y > 0, -(voxels - total) / total * (1 - p), p) / voxels
    through = -hits / total**2 * p * (1 - p)
    torch.testing.assert_close(gradient, own + through)


def test_adaptive_weight_of_an_empty_patch_does_not_matter() -> None:
    logits, _ = case(1)
    empty = torch.zeros_like(logits, dtype=torch.long)
    assert value("wce(adaptive=True)", logits, empty) == pytest.approx(value("bce", logits, empty), abs=1e-12)


@pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
def test_adaptive_weight_inside_iw_counts_voxels_by_their_weights(share: float) -> None:
    logits, target = case(1, share=share)
    weights = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p, y = torch.sigmoid(logits), target.double()
    predicted = (weights * p).sum()
    weight = (weights.sum() - predicted) / predicted
    expected = -(weights * (weight * y * p.log() + (1 - y) * (1 - p).log())).mean()
    given = build("iw(wce(adaptive=True))")(logits, target, {"inverse_weights": weights})
    assert given.item() == pytest.approx(expected.item(), abs=1e-9)


class TestOhem:
    """Four voxels with a probability of the true class of 3/4, 1/4, 1/2, 1/2."""

    LOGITS = torch.tensor([[[[math.log(3), -math.log(3), 0, 0]]]], dtype=torch.float64)
    TARGET = torch.tensor([[[[1, 1, 0, 0]]]])

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("ohem(threshold=0.3)", math.log(4)),
            ("ohem(threshold=0.6)", (math.log(4) + 2 * math.log(2)) / 3),
            ("ohem(threshold=0.5)", math.log(4)),
            ("ohem(threshold=1)", (math.log(4) + 2 * math.log(2) + math.log(4 / 3)) / 4),
            ("ohem(threshold=0.1, k=0)", math.log(4)),
            ("ohem(threshold=0.3, k=0.5)", (math.log(4) + math.log(2)) / 2),
        ],
    )
    def test_by_hand(self, expression: str, expected: float) -> None:
        assert value(expression, self.LOGITS, self.TARGET) == pytest.approx(expected, abs=1e-12)

    def test_one_is_cross_entropy(self) -> None:
        logits, target = case(3)
        expected = cross_entropy(logits, target[:, 0]).item()
        assert value("ohem(threshold=1)", logits, target) == pytest.approx(expected, abs=1e-12)

    def test_only_hard_voxels_get_a_gradient(self) -> None:
        logits, target = case(1, share=0.01)
        logits.requires_grad_()
        (gradient,) = torch.autograd.grad(build("ohem(threshold=0.7)")(logits, target), logits)
        right = torch.where(target > 0, torch.sigmoid(logits), torch.sigmoid(-logits))
        assert torch.equal(gradient != 0, right < 0.7)

    def test_nothing_to_count(self) -> None:
        loss = build("ohem + topk")
        loss.ignore = 2
        logits = torch.zeros(1, 1, 2, 3, 4, requires_grad=True)
        result = loss(logits, torch.full((1, 1, 2, 3, 4), 2))
        result.backward()
        assert result.item() == 0
        assert logits.grad is not None and not logits.grad.any()
