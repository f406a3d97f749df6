"""Values of the losses: closed forms in float64, and MONAI and torch where they are right."""

from __future__ import annotations

import math

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss, FocalLoss, TverskyLoss
from torch import Tensor

from lossseg.losses import build

SHAPE = (4, 5, 6)


def sample(channels: int, *, shape: tuple[int, ...] = SHAPE, batch: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits (B, C, *S) in float64 and a target (B, 1, *S) with every class."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, channels, *shape, generator=generator, dtype=torch.float64)
    target = torch.randint(0, max(channels, 2), (batch, 1, *shape), generator=generator)
    return logits, target


def truth_probability(logits: Tensor, target: Tensor) -> Tensor:
    """Probability of the true class, (B, *S), in the most naive way."""
    if logits.shape[1] == 1:
        p = 1 / (1 + torch.exp(-logits[:, 0]))
        return torch.where(target[:, 0] == 1, p, 1 - p)
    p = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    return p.gather(1, target)[:, 0]


def foreground(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """p and y of the foreground classes, (B, K, *S)."""
    if logits.shape[1] == 1:
        return torch.sigmoid(logits), target.double()
    p = torch.softmax(logits, 1)[:, 1:]
    y = torch.stack([target[:, 0] == k for k in range(1, logits.shape[1])], 1).double()
    return p, y


@pytest.mark.parametrize("shape", [SHAPE, (7, 8)], ids=["3D", "2D"])
@pytest.mark.parametrize("channels", [1, 2, 4])
class TestClosedForms:
    def value(self, expression: str, logits: Tensor, target: Tensor) -> float:
        return build(expression, classes=max(logits.shape[1], 2))(logits, target).item()

    def test_ce(self, channels: int, shape: tuple[int, ...]) -> None:
        logits, target = sample(channels, shape=shape)
        expected = -truth_probability(logits, target).log().mean().item()
        assert self.value("ce", logits, target) == pytest.approx(expected, abs=1e-9)

    def test_bce(self, channels: int, shape: tuple[int, ...]) -> None:
        logits, target = sample(channels, shape=shape)
        p, y = foreground(logits, target)
        expected = -(y * p.log() + (1 - y) * (1 - p).log()).mean().item()
        assert self.value("bce", logits, target) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("k", [0.1, 0.5, 1, 1e-9])
    def test_topk(self, channels: int, shape: tuple[int, ...], k: float) -> None:
        logits, target = sample(channels, shape=shape)
        ce = -truth_probability(logits, target).log().flatten()
        expected = torch.topk(ce, max(int(ce.numel() * k), 1)).values.mean().item()
        assert self.value(f"topk(k={k})", logits, target) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
    def test_focal(self, channels: int, shape: tuple[int, ...], gamma: float) -> None:
        logits, target = sample(channels, shape=shape)
        p = truth_probability(logits, target)
        alpha = 0.4 + 0.2 * (target[:, 0] > 0).double()
        expected = (-alpha * (1 - p) ** gamma * p.log()).mean().item()
        assert self.value(f"focal(gamma={gamma}, alpha=0.6)", logits, target) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("squared", [False, True])
    @pytest.mark.parametrize("batch", [False, True])
    def test_dice(self, channels: int, shape: tuple[int, ...], squared: bool, batch: bool) -> None:
        logits, target = sample(channels, shape=shape)
        p, y = foreground(logits, target)
        dims = tuple(range(2, p.ndim)) + ((0,) if batch else ())
        below = (p * p if squared else p).sum(dims) + y.sum(dims)
        expected = 1 - ((2 * (p * y).sum(dims) + 1e-5) / (below + 1e-5)).mean().item()
        assert self.value(f"dice(squared={squared}, batch={batch})", logits, target) == pytest.approx(
            expected, abs=1e-9
        )

    def test_tversky(self, channels: int, shape: tuple[int, ...]) -> None:
        logits, target = sample(channels, shape=shape)
        p, y = foreground(logits, target)
        dims = tuple(range(2, p.ndim))
        tp, fp, fn = (p * y).sum(dims), (p * (1 - y)).sum(dims), ((1 - p) * y).sum(dims)
        expected = 1 - ((tp + 5e-6) / (tp + 0.2 * fp + 0.8 * fn + 5e-6)).mean().item()
        assert self.value("tversky(alpha=0.2, beta=0.8)", logits, target) == pytest.approx(expected, abs=1e-9)

    def test_tversky_with_equal_weights_is_dice(self, channels: int, shape: tuple[int, ...]) -> None:
        logits, target = sample(channels, shape=shape)
        dice = self.value("dice", logits, target)
        assert self.value("tversky(alpha=0.5, beta=0.5)", logits, target) == pytest.approx(dice, abs=1e-12)

    def test_sums_add_up(self, channels: int, shape: tuple[int, ...]) -> None:
        logits, target = sample(channels, shape=shape)
        expected = 0.5 * self.value("dice", logits, target) + 2 * self.value("topk", logits, target)
        assert self.value("0.5*dice + 2*topk", logits, target) == pytest.approx(expected, abs=1e-12)


def by_hand(values: dict[str, float], expression: str, logits: list[float], target: list[int]) -> None:
    values[expression] = build(expression)(torch.tensor([[[logits]]]), torch.tensor([[[target]]])).item()


def test_values_worked_out_by_hand() -> None:
    """Four voxels with p = 3/4, 1/4, 1/2, 1/2 and y = 1, 1, 0, 0."""
    values: dict[str, float] = {}
    for expression in ("ce", "topk(k=0.25)", "topk(k=0.75)", "focal(gamma=1, alpha=0.5)", "dice", "tversky"):
        by_hand(values, expression, [math.log(3), -math.log(3), 0, 0], [1, 1, 0, 0])
    assert values["ce"] == pytest.approx((math.log(4 / 3) + math.log(4) + 2 * math.log(2)) / 4)
    assert values["topk(k=0.25)"] == pytest.approx(math.log(4))
    assert values["topk(k=0.75)"] == pytest.approx((math.log(4) + 2 * math.log(2)) / 3)
    focal = (math.log(4 / 3) / 4 + math.log(4) * 3 / 4 + math.log(2)) / 8
    assert values["focal(gamma=1, alpha=0.5)"] == pytest.approx(focal)
    assert values["dice"] == pytest.approx(1 - 2 * 1 / (2 + 2), abs=1e-5)
    assert values["tversky"] == pytest.approx(1 - 1 / (1 + 0.3 * 1 + 0.7 * 1), abs=1e-5)


SMOOTH = {"smooth_nr": 1e-5, "smooth_dr": 1e-5}


class TestAgainstMonai:
    @pytest.mark.parametrize("channels", [2, 4])
    @pytest.mark.parametrize("squared", [False, True])
    @pytest.mark.parametrize("batch", [False, True])
    def test_dice(self, channels: int, squared: bool, batch: bool) -> None:
        logits, target = sample(channels)
        theirs = DiceLoss(
            include_background=False, to_onehot_y=True, softmax=True, squared_pred=squared, batch=batch, **SMOOTH
        )
        ours = build(f"dice(squared={squared}, batch={batch})", classes=channels)
        assert ours(logits, target).item() == pytest.approx(theirs(logits, target).item(), abs=1e-6)

    def test_dice_of_one_logit(self) -> None:
        logits, target = sample(1)
        theirs = DiceLoss(sigmoid=True, **SMOOTH)(logits, target)
        assert build("dice")(logits, target).item() == pytest.approx(theirs.item(), abs=1e-6)

    @pytest.mark.parametrize("channels", [2, 3])
    def test_dice_ce(self, channels: int) -> None:
        logits, target = sample(channels)
        theirs = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, **SMOOTH)
        ours = build("dice_ce", classes=channels)
        assert ours(logits, target).item() == pytest.approx(theirs(logits, target).item(), abs=1e-6)

    @pytest.mark.parametrize("channels", [2, 3])
    def test_tversky(self, channels: int) -> None:
        logits, target = sample(channels)
        theirs = TverskyLoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            alpha=0.3,
            beta=0.7,
            smooth_nr=5e-6,
            smooth_dr=5e-6,
        )
        ours = build("tversky(alpha=0.3, beta=0.7)", classes=channels)
        assert ours(logits, target).item() == pytest.approx(theirs(logits, target).item(), abs=1e-6)

    def test_focal_of_one_logit(self) -> None:
        logits, target = sample(1)
        theirs = FocalLoss(gamma=2, alpha=0.75)(logits, target).item()
        assert build("focal(gamma=2, alpha=0.75)")(logits, target).item() == pytest.approx(theirs, abs=1e-6)

    def test_focal_of_classes_is_theirs_summed_over_classes(self) -> None:
        logits, target = sample(3)
        theirs = FocalLoss(gamma=2, alpha=0.75, use_softmax=True, to_onehot_y=True, reduction="none")(logits, target)
        ours = build("focal(gamma=2, alpha=0.75)", classes=3)(logits, target)
        assert ours.item() == pytest.approx(theirs.sum(1).mean().item(), abs=1e-6)


def test_two_logits_and_their_difference_are_the_same_loss() -> None:
    logits, target = sample(2)
    margin = logits[:, 1:] - logits[:, :1]
    for expression in ("ce", "bce", "topk", "focal", "dice", "tversky", "iw(dice + bce)"):
        loss = build(expression)
        assert loss(logits, target).item() == pytest.approx(loss(margin, target).item(), abs=1e-12)


def test_perfect_and_opposite_predictions() -> None:
    _, target = sample(2)
    right = torch.where(target == 1, 60.0, -60.0)
    for expression in ("ce", "bce", "topk", "focal", "dice", "tversky", "iw(dice)", "iw(ce)"):
        assert build(expression)(right, target).item() == pytest.approx(0, abs=1e-6)
    assert build("dice")(-right, target).item() == pytest.approx(1, abs=1e-6)
    assert build("ce")(-right, target).item() == pytest.approx(60, abs=1e-4)
