"""Values of the region losses, against closed forms written out naively and MONAI where it is right."""

from __future__ import annotations

import pytest
import torch
from loss_cases import SHAPES, case, one_hot, value
from monai.losses import DiceLoss, GeneralizedDiceLoss, TverskyLoss
from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses import build


def sums(p: Tensor, y: Tensor, batch: bool) -> tuple[Tensor, Tensor, Tensor]:
    """TP, FP, FN, (B, C) or (C,)."""
    dims = (0, 2) if batch else (2,)
    return (p * y).sum(dims), (p * (1 - y)).sum(dims), ((1 - p) * y).sum(dims)


@pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("channels", [1, 2, 3])
class TestClosedForms:
    @pytest.fixture(autouse=True)
    def make(self, channels: int, shape: tuple[int, ...], share: float) -> None:
        self.logits, self.target = case(channels, shape=shape, share=share)
        self.p, self.y = one_hot(self.logits, self.target)
        self.foreground = self.p[:, 1:], self.y[:, 1:]

    def check(self, expression: str, expected: Tensor) -> None:
        assert value(expression, self.logits, self.target) == pytest.approx(expected.item(), abs=1e-9)

    @pytest.mark.parametrize("smooth", [0, 1])
    @pytest.mark.parametrize("squared", [False, True])
    def test_dice(self, squared: bool, smooth: float) -> None:
        p, y = self.foreground
        below = (p * p if squared else p).sum(2) + y.sum(2)
        expected = 1 - ((2 * (p * y).sum(2) + smooth) / (below + smooth)).mean()
        self.check(f"dice(squared={squared}, smooth={smooth})", expected)

    @pytest.mark.parametrize("batch", [False, True])
    @pytest.mark.parametrize("smooth", [0, 1e-5, 1])
    def test_iou(self, batch: bool, smooth: float) -> None:
        tp, fp, fn = sums(*self.foreground, batch)
        self.check(f"iou(batch={batch}, smooth={smooth})", 1 - ((tp + smooth) / (tp + fp + fn + smooth)).mean())

    @pytest.mark.parametrize("batch", [False, True])
    @pytest.mark.parametrize("squared", [False, True])
    @pytest.mark.parametrize(
        ("name", "of"),
        [
            ("square", lambda v: v**-2),
            ("simple", lambda v: 1 / v),
            ("uniform", torch.ones_like),
            ("offset", lambda v: 1 / (1 + v**2)),
        ],
    )
    def test_gdice(self, batch: bool, squared: bool, name: str, of: object) -> None:
        dims = (0, 2) if batch else (2,)
        weights = of(self.y.sum(dims))  # type: ignore[operator]
        size = (self.p**2 if squared else self.p).sum(dims) + self.y.sum(dims)
        dice = (2 * weights * (self.p * self.y).sum(dims)).sum(-1) / (weights * size).sum(-1)
        self.check(f"gdice(weight={name}, squared={squared}, batch={batch})", (1 - dice).mean())

    @pytest.mark.parametrize("batch", [False, True])
    @pytest.mark.parametrize("gamma", [0.75, 1, 2])
    @pytest.mark.parametrize("smooth", [0, 1])
    def test_focal_tversky(self, batch: bool, gamma: float, smooth: float) -> None:
        tp, fp, fn = sums(*self.foreground, batch)
        index = (tp + smooth) / (tp + 0.2 * fp + 0.8 * fn + smooth)
        self.check(
            f"focal_tversky(alpha=0.2, beta=0.8, gamma={gamma}, batch={batch}, smooth={smooth})",
            ((1 - index) ** gamma).mean(),
        )

    @pytest.mark.parametrize("beta", [0.5, 1.5])
    @pytest.mark.parametrize("batch", [False, True])
    def test_asl_as_printed(self, beta: float, batch: bool) -> None:
        p, y = self.foreground
        dims = (0, 2) if batch else (2,)
        index = (1 + beta**2) * (p * y).sum(dims) / (beta**2 * y + p).sum(dims)
        self.check(f"asl(beta={beta}, batch={batch}, smooth=0)", 1 - index.mean())

    def test_asl_as_in_the_code(self) -> None:
        p, y = self.foreground
        index = (3.25 * (p * y).sum(2) + 1e-5) / ((2.25 * y**2 + p**2).sum(2) + 1e-5)
        self.check("asl(squared=True)", 1 - index.mean())

    def test_sensitivity_specificity(self) -> None:
        p, y = self.foreground
        missed = ((y - p) ** 2 * y).sum(2) / y.sum(2)
        false = ((y - p) ** 2 * (1 - y)).sum(2) / (1 - y).sum(2)
        self.check("sensitivity_specificity(r=0.2)", (0.2 * missed + 0.8 * false).mean())


@pytest.mark.parametrize("channels", [1, 2, 3])
class TestRelations:
    def test_iou_follows_from_dice(self, channels: int) -> None:
        logits, target = case(channels, batch=1)
        p, y = (one[0, 1:] for one in one_hot(logits, target))
        dice = 2 * (p * y).sum(1) / (p.sum(1) + y.sum(1))
        expected = 1 - (dice / (2 - dice)).mean()
        assert value("iou(smooth=0)", logits, target) == pytest.approx(expected.item(), abs=1e-12)

    def test_asl_of_one_is_dice(self, channels: int) -> None:
        logits, target = case(channels)
        for squared in (False, True):
            dice = value(f"dice(squared={squared})", logits, target)
            assert value(f"asl(beta=1, squared={squared})", logits, target) == pytest.approx(dice, abs=1e-12)

    def test_asl_is_tversky(self, channels: int) -> None:
        logits, target = case(channels)
        for inside in ("asl(beta=1.5)", f"tversky(alpha={1 / 3.25}, beta={2.25 / 3.25})"):
            given = value(f"iw({inside})", logits, target)
            assert given == pytest.approx(value("iw(asl)", logits, target), abs=1e-12)

    def test_focal_tversky_of_one_is_tversky(self, channels: int) -> None:
        logits, target = case(channels)
        expected = value("tversky(alpha=0.3, beta=0.7)", logits, target)
        assert value("focal_tversky(gamma=1)", logits, target) == pytest.approx(expected, abs=1e-12)

    def test_weights_do_not_matter_to_gdice_where_all_classes_are_equal(self, channels: int) -> None:
        classes = max(channels, 2)
        target = (torch.arange(60) % classes).reshape(1, 1, 3, 4, 5)
        logits = torch.zeros(1, channels, 3, 4, 5, dtype=torch.float64)
        for name in ("square", "simple", "uniform", "offset"):
            given = value(f"gdice(weight={name})", logits, target)
            assert given == pytest.approx(1 - 1 / classes, abs=1e-12)


class TestAgainstMonai:
    @pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
    @pytest.mark.parametrize("channels", [2, 3])
    @pytest.mark.parametrize("batch", [False, True])
    @pytest.mark.parametrize("weight", ["square", "simple", "uniform"])
    def test_gdice(self, channels: int, batch: bool, weight: str, share: float) -> None:
        logits, target = case(channels, share=share)
        theirs = GeneralizedDiceLoss(
            to_onehot_y=True, softmax=True, w_type=weight, batch=batch, smooth_nr=0, smooth_dr=0
        )
        ours = value(f"gdice(weight={weight}, batch={batch})", logits, target)
        assert ours == pytest.approx(theirs(logits, target).item(), abs=1e-6)

    @pytest.mark.parametrize("weight", ["square", "simple"])
    @pytest.mark.parametrize("missing", [1, 2])
    def test_gdice_with_a_missing_class(self, weight: str, missing: int) -> None:
        logits, target = case(3)
        target[target == missing] = 0
        theirs = GeneralizedDiceLoss(to_onehot_y=True, softmax=True, w_type=weight, smooth_nr=0, smooth_dr=0)
        ours = value(f"gdice(weight={weight})", logits, target)
        assert ours == pytest.approx(theirs(logits, target).item(), abs=1e-6)

    @pytest.mark.parametrize("channels", [2, 3])
    def test_iou_is_their_jaccard(self, channels: int) -> None:
        logits, target = case(channels)
        theirs = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, jaccard=True)
        assert value("iou(smooth=5e-6)", logits, target) == pytest.approx(theirs(logits, target).item(), abs=1e-6)

    @pytest.mark.parametrize("channels", [2, 3])
    def test_asl_is_their_tversky(self, channels: int) -> None:
        logits, target = case(channels)
        theirs = TverskyLoss(
            include_background=False,
            to_onehot_y=True,
            softmax=True,
            alpha=1 / 3.25,
            beta=2.25 / 3.25,
            smooth_nr=0,
            smooth_dr=0,
        )
        assert value("asl(smooth=0)", logits, target) == pytest.approx(theirs(logits, target).item(), abs=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
@pytest.mark.parametrize("squared", [False, True])
def test_asl_inside_iw_as_printed(squared: bool, share: float) -> None:
    logits, target = case(1, share=share)
    w = torch.rand(logits.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p, y = torch.sigmoid(logits), target.double()
    dims = (1, 2, 3, 4)
    index = 3.25 * (w * p * y).sum(dims) / (w * (2.25 * y + (p**2 if squared else p))).sum(dims)
    given = build(f"iw(asl(beta=1.5, squared={squared}))")(logits, target, {"inverse_weights": w})
    assert given.item() == pytest.approx((1 - index.mean()).item(), abs=1e-9)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("squared", [False, True])
def test_gdice_inside_iw_weighs_every_voxel(squared: bool, channels: int) -> None:
    logits, target = case(channels)
    w = torch.rand(2, 1, *logits.shape[2:], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p, y = one_hot(logits, target)
    flat = w.flatten(2)
    weights = (flat * y).sum(2) ** -2
    size = (flat * ((p**2 if squared else p) + y)).sum(2)
    dice = (2 * weights * (flat * p * y).sum(2)).sum(1) / (weights * size).sum(1)
    loss = build(f"iw(gdice(squared={squared}))", classes=max(channels, 2))
    given = loss(logits, target, {"inverse_weights": w})
    assert given.item() == pytest.approx((1 - dice.mean()).item(), abs=1e-9)


class TestEmptyPatch:
    LOGITS = torch.linspace(-6, 2, 60, dtype=torch.float64).reshape(1, 1, 3, 4, 5)
    TARGET = torch.zeros(1, 1, 3, 4, 5, dtype=torch.long)

    def test_gdice_is_the_mean_probability(self) -> None:
        for weight in ("square", "simple"):
            given = value(f"gdice(weight={weight})", self.LOGITS, self.TARGET)
            assert given == pytest.approx(torch.sigmoid(self.LOGITS).mean().item(), abs=1e-12)

    def test_squared_gdice_is_nearly_the_mean_squared_probability(self) -> None:
        p = torch.sigmoid(self.LOGITS)
        expected = 1 - 2 * (1 - p).sum() / ((1 - p).square().sum() + 60 + p.square().sum())
        given = value("gdice(squared=True)", self.LOGITS, self.TARGET)
        assert given == pytest.approx(expected.item(), abs=1e-12)
        assert given == pytest.approx(p.square().mean().item(), rel=0.3)

    def test_gdice_with_offset_weights_sees_the_missing_class_only(self) -> None:
        assert value("gdice(weight=offset, squared=True)", self.LOGITS, self.TARGET) > 0.99

    def test_sensitivity_specificity_teaches_background(self) -> None:
        logits = self.LOGITS.clone().requires_grad_()
        given = build("sensitivity_specificity(r=0.1)")(logits, self.TARGET)
        (gradient,) = torch.autograd.grad(given, logits)
        p = torch.sigmoid(self.LOGITS)
        assert given.item() == pytest.approx(0.9 * p.square().mean().item(), abs=1e-12)
        torch.testing.assert_close(gradient, 0.9 * 2 * p**2 * (1 - p) / 60)

    @pytest.mark.parametrize("expression", ["iou", "asl", "asl(squared=True)", "focal_tversky"])
    def test_others_are_nearly_one_and_teach_next_to_nothing(self, expression: str) -> None:
        logits = self.LOGITS.clone().requires_grad_()
        given = build(expression)(logits, self.TARGET)
        (gradient,) = torch.autograd.grad(given, logits)
        assert given.item() > 0.999
        assert gradient.abs().max() < 1e-5


@pytest.mark.parametrize("expression", ["dice(smooth=0)", "iou(smooth=0)", "asl(smooth=0)"])
def test_without_smoothing_nothing_at_all_is_a_loss_of_one(expression: str) -> None:
    logits = torch.full((1, 1, 3, 4, 5), -120.0, requires_grad=True)
    given = build(expression)(logits, torch.zeros(1, 1, 3, 4, 5, dtype=torch.long))
    given.backward()
    assert given.item() == 1
    assert logits.grad is not None and not logits.grad.any()


def test_exponents_are_exact_where_the_prediction_is_nearly_right() -> None:
    """In float32 1 - TI of 1e-7 would be lost in the difference of two numbers near 1."""
    target = (torch.arange(1000) < 500).long().reshape(1, 1, 10, 10, 10)
    logits = torch.where(target > 0, 16.0, -16.0)
    wrong = torch.sigmoid(torch.tensor(-16.0, dtype=torch.float64)).item()
    expected = (wrong / ((1 - wrong) + wrong)) ** 0.75
    assert value("focal_tversky(smooth=0)", logits, target) == pytest.approx(expected, rel=1e-5)


def test_a_perfect_prediction_has_a_loss_of_zero_and_a_finite_gradient() -> None:
    target = (torch.arange(60) < 20).long().reshape(1, 1, 3, 4, 5)
    logits = torch.where(target > 0, 200.0, -200.0).requires_grad_()
    for expression in ("focal_tversky", "iou", "asl", "gdice", "sensitivity_specificity", "unified_focal", "explog"):
        given = build(expression)(logits, target)
        (gradient,) = torch.autograd.grad(given, logits)
        assert given.item() == pytest.approx(0, abs=1e-7)
        assert not gradient.any()


def test_focal_tversky_needs_a_weight() -> None:
    with pytest.raises(InputError, match="focal_tversky: alpha=0 and beta=0 leave nothing to learn"):
        build("focal_tversky(alpha=0, beta=0)")
