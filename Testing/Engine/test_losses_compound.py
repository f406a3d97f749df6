"""Values of the losses made of a region part and a voxel part, and of the presets."""

from __future__ import annotations

import math

import pytest
import torch
from loss_cases import SHAPES, case, one_hot, value
from monai.losses.unified_focal_loss import AsymmetricUnifiedFocalLoss
from torch import Tensor

from lossseg.losses import CATALOGUE, build, normal_form
from lossseg.losses.quantities import Errors
from lossseg.losses.voxel_functions import CROSS_ENTROPY, PoweredCrossEntropy


def overlap(p: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """TP, FP, FN of all classes, (B, C)."""
    return (p * y).sum(2), (p * (1 - y)).sum(2), ((1 - p) * y).sum(2)


@pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("channels", [1, 2, 3])
class TestClosedForms:
    @pytest.fixture(autouse=True)
    def make(self, channels: int, shape: tuple[int, ...], share: float) -> None:
        self.logits, self.target = case(channels, shape=shape, share=share)
        self.p, self.y = one_hot(self.logits, self.target)
        self.right = (self.p * self.y).sum(1)
        self.rare = self.y[:, 1:].sum(1)

    def check(self, expression: str, expected: Tensor) -> None:
        assert value(expression, self.logits, self.target) == pytest.approx(expected.item(), abs=1e-9)

    @pytest.mark.parametrize("background", [False, True])
    @pytest.mark.parametrize("smooth", [0, 1])
    @pytest.mark.parametrize("gammas", [(0.3, 0.3), (0.3, 1), (1.5, 2)])
    def test_explog(self, background: bool, smooth: float, gammas: tuple[float, float]) -> None:
        tp, fp, fn = overlap(self.p, self.y)
        dice = ((2 * tp + smooth) / (2 * tp + fp + fn + smooth))[:, 0 if background else 1 :]
        weight = 1 + 6 * self.rare
        expected = 0.8 * ((-dice.log()) ** gammas[0]).mean()
        expected = expected + 0.2 * (weight * (-self.right.log()) ** gammas[1]).mean()
        self.check(
            f"explog(gamma_dice={gammas[0]}, gamma_ce={gammas[1]}, weight=7, background={background}, smooth={smooth})",
            expected,
        )

    @pytest.mark.parametrize(("delta", "gamma", "weight"), [(0.6, 0.5, 0.5), (0.7, 0.2, 0.3), (0.6, 0, 1)])
    @pytest.mark.parametrize("form", ["asymmetric", "symmetric"])
    def test_unified_focal(self, form: str, delta: float, gamma: float, weight: float) -> None:
        tp, fp, fn = overlap(self.p, self.y)
        missing = 1 - (tp + 1e-7) / (tp + delta * fn + (1 - delta) * fp + 1e-7)
        turned_down = (1 - self.right) ** gamma
        if form == "symmetric":
            region = missing ** (1 - gamma)
            factor = (delta * self.rare + (1 - delta) * (1 - self.rare)) * turned_down
        else:
            region = torch.cat([missing[:, :1], missing[:, 1:] ** (1 - gamma)], 1)
            factor = delta * self.rare + (1 - delta) * (1 - self.rare) * turned_down
        voxels = -factor * self.right.log()
        expected = weight * region.mean() + (1 - weight) * voxels.mean()
        self.check(f"unified_focal(form={form}, delta={delta}, gamma={gamma}, weight={weight})", expected)


@pytest.mark.parametrize("expression", ["explog(background=True)", "unified_focal", "unified_focal(form=symmetric)"])
@pytest.mark.parametrize("channels", [1, 3])
def test_inside_iw_every_voxel_has_its_weight(expression: str, channels: int) -> None:
    """Whole weights are the same as so many copies of a voxel; sums of copies are not smoothed either."""
    logits, target = case(channels, shape=(1, 3, 20))
    copies = 1 + torch.arange(60).reshape(1, 3, 20) % 3
    weights = copies.expand(2, 1, 1, 3, 20).double()
    loss = build(f"iw({expression})", classes=max(channels, 2))
    given = loss(logits, target, {"inverse_weights": weights / weights.mean()})
    places = torch.repeat_interleave(torch.arange(60), copies.flatten())
    twin = {"logits": logits.flatten(2)[:, :, places], "target": target.flatten(2)[:, :, places]}
    shape = (1, 1, len(places))
    plain = expression.replace(")", ", smooth=0)") if "(" in expression else f"{expression}(smooth=0)"
    expected = value(plain, *(one.reshape(2, -1, *shape) for one in twin.values()))
    assert given.item() == pytest.approx(expected, abs=1e-9)


def test_explog_with_exponents_of_one_is_log_dice_and_ce() -> None:
    logits, target = case(2)
    p, y = (one[:, 1] for one in one_hot(logits, target))
    dice = (2 * (p * y).sum(1) + 1) / (p.sum(1) + y.sum(1) + 1)
    expected = -0.8 * dice.log().mean().item() + 0.2 * value("ce", logits, target)
    assert value("explog(gamma_dice=1, gamma_ce=1)", logits, target) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_explog_is_exact_for_nearly_right_predictions(classes: int) -> None:
    """Its voxel part, where a power of 0.3 makes much of the last digits."""
    target = (torch.arange(1000) % classes).reshape(1, 1, 10, 10, 10)
    logits = 20 * torch.nn.functional.one_hot(target[:, 0], classes).movedim(-1, 1).float()
    wrong = (classes - 1) * math.exp(-20)
    expected = math.log1p(wrong) ** 0.3
    assert expected > 3e-4
    assert value("explog(share=0)", logits, target) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("expression", ["explog", "explog(gamma_ce=1)", "unified_focal"])
@pytest.mark.parametrize("classes", [2, 3])
def test_exactly_right_predictions_have_a_finite_gradient(expression: str, classes: int) -> None:
    target = (torch.arange(60) % classes).reshape(1, 1, 3, 4, 5)
    logits = (200 * torch.nn.functional.one_hot(target[:, 0], classes).movedim(-1, 1).float()).requires_grad_()
    given = build(expression, classes=classes)(logits, target)
    (gradient,) = torch.autograd.grad(given, logits)
    assert given.item() == pytest.approx(0, abs=1e-9)
    assert not gradient.any()


def test_powered_cross_entropy_has_a_finite_slope_everywhere() -> None:
    margins = torch.tensor([-200.0, -90.0, -30.0, -1.0, 0.0, 1.0, 30.0, 200.0])
    function, at = PoweredCrossEntropy(0.3), Errors(margins)
    exact = Errors(margins.double())
    torch.testing.assert_close(function.value(at), function.value(exact).float(), rtol=1e-5, atol=1e-11)
    entropy = CROSS_ENTROPY.value(exact)
    slope = torch.where(entropy > 0, 0.3 * entropy**-0.7 * exact.error, 0)
    torch.testing.assert_close(function.slope(at), slope.float(), rtol=1e-5, atol=1e-11)


class TestUnifiedFocalAgainstMonai:
    @pytest.mark.parametrize("weight", [0, 1])
    def test_each_part_is_theirs_of_probabilities(self, weight: int) -> None:
        """Theirs is a mean over two classes of which each voxel has one: half of the authors' voxel part."""
        logits, target = case(2)
        y = torch.stack([target[:, 0] == 0, target[:, 0] == 1], 1).double()
        theirs = AsymmetricUnifiedFocalLoss(num_classes=2, weight=1.0 - weight, gamma=0.5, delta=0.6)
        expected = theirs(torch.softmax(logits, 1), y).item() * (2 - weight)
        assert value(f"unified_focal(weight={weight})", logits, target) == pytest.approx(expected, abs=1e-6)

    def test_logits_are_made_probabilities(self) -> None:
        """The trap: of logits MONAI's loss is no longer bounded by 1, ours is the same as before a shift of both."""
        logits, target = case(2)
        shifted = logits + 7
        assert value("unified_focal", shifted, target) == pytest.approx(value("unified_focal", logits, target))
        assert 0 < value("unified_focal(weight=1)", logits, target) < 1


class TestPresets:
    def test_dice_focal_is_hecktors(self) -> None:
        logits, target = case(1, share=0.01)
        p, y = torch.sigmoid(logits), target.double()
        dims = (1, 2, 3, 4)
        dice = 1 - (2 * (p * y).sum(dims) + 1) / ((p**2).sum(dims) + (y**2).sum(dims) + 1)
        focal = -(y * (1 - p) ** 2 * p.log() + (1 - y) * p**2 * (1 - p).log())
        assert value("dice_focal", logits, target) == pytest.approx((dice.mean() + focal.mean()).item(), abs=1e-9)

    @pytest.mark.parametrize(
        ("expression", "alpha", "beta"),
        [("combo", 0.5, 0.5), ("0.3*focal(gamma=0, alpha=0.8) + 0.7*dice(smooth=1)", 0.3, 0.8)],
    )
    def test_combo_is_printed_but_for_a_constant(self, expression: str, alpha: float, beta: float) -> None:
        logits, target = case(1, share=0.01)
        p, y = torch.sigmoid(logits), target.double()
        entropy = -(beta * y * p.log() + (1 - beta) * (1 - y) * (1 - p).log()).mean()
        dims = (1, 2, 3, 4)
        dice = ((2 * (p * y).sum(dims) + 1) / ((p + y).sum(dims) + 1)).mean()
        printed = alpha * entropy - (1 - alpha) * dice
        assert value(expression, logits, target) == pytest.approx(printed.item() + (1 - alpha), abs=1e-9)

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("dice_bce", "dice + bce"),
            ("gdice_bce", "gdice + bce"),
            ("gdice_boundary", "gdice + schedule(boundary, start=0.01, step=0.01)"),
            ("iw_dice", "iw(dice(squared=True))"),
            ("2*iw_asl + ce", "2*iw(asl(beta=1.5)) + ce"),
        ],
    )
    def test_written_out(self, name: str, written: str) -> None:
        assert normal_form(name) == written

    def test_all_can_be_built(self) -> None:
        names = [name for name, entry in CATALOGUE.items() if entry.stands_for]
        assert len(names) >= 11
        for name in names:
            assert build(name, classes=3).expression == normal_form(name)
