"""t-vMF Dice: the printed form, and a kappa that follows the validation."""

from __future__ import annotations

import math

import pytest
import torch
from loss_cases import SHAPES, case, one_hot, value
from torch import Tensor

from lossseg.losses import build


def printed(p: Tensor, y: Tensor, kappa: Tensor | float, batch: bool) -> Tensor:
    """(1 - phi)^2 of p and y (B, C, N), each class a vector of unit length."""
    dims = (0, 2) if batch else (2,)
    p = p / (p**2).sum(dims, keepdim=True).sqrt()
    y = y / (y**2).sum(dims, keepdim=True).sqrt()
    cosine = (p * y).sum(dims)
    phi = (1 + cosine) / (1 + kappa * (1 - cosine)) - 1
    return (1 - phi) ** 2


@pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("kappa", [0, 32])
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_closed_form(
    channels: int, shape: tuple[int, ...], share: float, kappa: float, batch: bool, background: bool
) -> None:
    logits, target = case(channels, shape=shape, share=share)
    p, y = (one[:, 0 if background else 1 :] for one in one_hot(logits, target))
    given = value(f"tvmf_dice(kappa={kappa}, batch={batch}, background={background})", logits, target)
    assert given == pytest.approx(printed(p, y, kappa, batch).mean().item(), abs=1e-9)


def test_only_the_direction_counts() -> None:
    """Of a prediction within the target a thousandth of the probability is as good."""
    target = (torch.arange(60) < 3).long().reshape(1, 1, 3, 4, 5)
    logits = torch.where(target > 0, -6.9, -90.0).double()
    assert value("tvmf_dice", logits, target) == pytest.approx(0, abs=1e-9)


def test_a_missing_class_gives_the_largest_value_and_teaches_nothing() -> None:
    logits, _ = case(1)
    logits.requires_grad_()
    given = build("tvmf_dice(kappa=8)")(logits, torch.zeros_like(logits, dtype=torch.long))
    (gradient,) = torch.autograd.grad(given, logits)
    assert given.item() == pytest.approx((2 - 1 / 9) ** 2, abs=1e-12)
    assert not gradient.any()


class TestAdaptive:
    def check(self, loss: torch.nn.Module, kappas: list[float], background: bool = False) -> None:
        logits, target = case(3)
        p, y = (one[:, 0 if background else 1 :] for one in one_hot(logits, target))
        expected = printed(p, y, torch.tensor(kappas, dtype=torch.float64), batch=True).mean().item()
        assert loss(logits, target).item() == pytest.approx(expected, abs=1e-6)

    def test_kappa_follows_the_dice_of_each_class(self) -> None:
        loss = build("ce + tvmf_dice(kappa=32, adaptive=True)", classes=3)
        inner = list(loss.terms())[-1]
        self.check(inner, [0, 0])
        assert loss.learned() == {"tvmf_dice.kappa_1": 0, "tvmf_dice.kappa_2": 0}
        loss.end_epoch({"loss": 0.7, "dice": 0.5})
        self.check(inner, [16, 16])
        loss.end_epoch({"dice": 0.5, "dice_1": 0.75, "dice_2": 0.25})
        self.check(inner, [24, 8])
        assert loss.learned() == {"tvmf_dice.kappa_1": 24, "tvmf_dice.kappa_2": 8}

    @pytest.mark.parametrize("metrics", [{}, {"loss": 1.0}, {"dice": math.nan}, {"recall": 0.5, "dice": math.inf}])
    def test_without_a_measure_nothing_changes(self, metrics: dict[str, float]) -> None:
        loss = build("tvmf_dice(adaptive=True)", classes=3)
        loss.end_epoch({"dice": 0.5})
        loss.end_epoch(metrics)
        self.check(loss, [16, 16])

    def test_a_class_without_a_measure_keeps_its_own(self) -> None:
        loss = build("tvmf_dice(adaptive=True)", classes=3)
        loss.end_epoch({"dice_1": 0.5, "dice_2": 0.25})
        loss.end_epoch({"dice_1": math.nan, "dice_2": 0.75})
        self.check(loss, [16, 24])

    def test_background_is_taken_for_right_once_something_is_known(self) -> None:
        loss = build("tvmf_dice(adaptive=True, background=True)", classes=3)
        self.check(loss, [0, 0, 0], background=True)
        loss.end_epoch({"dice": 0.5})
        self.check(loss, [32, 16, 16], background=True)
        loss.end_epoch({"dice": 0.5, "dice_0": 0.75})
        self.check(loss, [24, 16, 16], background=True)

    def test_a_resumed_training_goes_on_with_its_kappas(self) -> None:
        loss, twin = (build("tvmf_dice(adaptive=True)", classes=3) for _ in range(2))
        loss.end_epoch({"dice": 0.5})
        twin.load_state_dict(loss.state_dict())
        self.check(twin, [16, 16])

    def test_a_given_kappa_is_not_learned(self) -> None:
        loss = build("tvmf_dice(kappa=8)", classes=3)
        loss.end_epoch({"dice": 0.5})
        self.check(loss, [8, 8])
        assert loss.learned() == {} and not loss.state_dict()
