"""Parameters that training finds, and why they are bounded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses import Loss, build


def case(channels: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    target = torch.zeros(2, 1, 6, 6, 6, dtype=torch.uint8)
    target[0, 0, 1:3, 2:4, 2:4], target[1, 0, 4, 4, 4] = 1, 1
    return torch.randn(2, channels, 6, 6, 6, generator=generator, dtype=torch.float64), target


class TestTversky:
    def test_equal_weights_at_the_start_are_dice(self) -> None:
        logits, target = case()
        learned, dice = build("tversky(alpha=learn, beta=learn)"), build("dice")
        assert learned.learned() == {"tversky.alpha": 0.5, "tversky.beta": 0.5}
        assert float(learned(logits, target).detach()) == pytest.approx(float(dice(logits, target)), rel=1e-7)

    @pytest.mark.parametrize("low", [0.0, 0.2])
    def test_gradient_of_the_weights(self, low: float) -> None:
        logits, target = case()
        loss = build(f"tversky(alpha=learn, beta=learn, low={low})").double()
        (logit,) = loss.parameters()
        with torch.no_grad():
            logit.copy_(torch.tensor([0.3, -0.4]))

        def value(weights: Tensor) -> Tensor:
            return torch.func.functional_call(loss, {"balance.logits": weights}, (logits, target))

        assert torch.autograd.gradcheck(value, (logit,))

    def test_gradient_in_the_published_closed_form(self) -> None:
        logits, target = case()
        loss = build("tversky(alpha=learn, beta=learn, low=0)").double()
        loss(logits, target).backward()
        (logit,) = loss.parameters()
        p, y = torch.sigmoid(logits), target.double()
        axes = (1, 2, 3, 4)
        tp, fp, fn = ((p * y).sum(axes), (p * (1 - y)).sum(axes), ((1 - p) * y).sum(axes))
        denominator = tp + 0.5 * fp + 0.5 * fn
        # The smoothing of 5e-6 is below the tolerance here.
        expected = (tp * 0.25 * (fp - fn) / denominator**2).mean()
        assert logit.grad is not None
        assert float(logit.grad[0]) == pytest.approx(float(expected), rel=1e-5)
        assert float(logit.grad.sum()) == pytest.approx(0, abs=1e-12)

    def test_one_of_two_cannot_be_learned_alone(self) -> None:
        with pytest.raises(InputError, match="alpha=learn and beta=learn, or a number for both"):
            build("tversky(alpha=learn, beta=0.5)")

    def test_number_of_the_terms_is_told_apart(self) -> None:
        loss = build("tversky(alpha=learn, beta=learn) + iw(tversky(alpha=learn, beta=learn))")
        assert sorted(loss.learned()) == ["tversky.alpha", "tversky.beta", "tversky2.alpha", "tversky2.beta"]
        assert [group["lr"] for group in loss.parameter_groups()] == [1e-4, 1e-4]


def train_toy(expression: str, steps: int = 1500) -> tuple[Loss, float, float]:
    """Fits weight and bias of a noisy feature to a rare target; the loss, the share that is marked, its precision."""
    generator = torch.Generator().manual_seed(0)
    target = torch.zeros(1, 1, 50, 100, dtype=torch.uint8)
    target[0, 0, 20, 40:50] = 1
    feature = torch.randn(1, 1, 50, 100, generator=generator) + 1.5 * target
    weight, bias = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    loss = build(expression)
    optimizer = torch.optim.Adam([weight, bias], lr=5e-2)
    learner = torch.optim.Adam(loss.parameter_groups())
    for _ in range(steps):
        optimizer.zero_grad()
        learner.zero_grad()
        loss(weight * feature + bias, target).backward()
        optimizer.step()
        learner.step()
    marked = (weight * feature + bias) > 0
    precision = float((marked & (target > 0)).sum() / marked.sum().clamp_min(1))
    return loss, float(marked.float().mean()), precision


class TestCollapse:
    """The published form takes all weight from the larger error, until it is not seen any more."""

    def test_as_published_with_a_large_step_false_positives_are_not_seen_any_more(self) -> None:
        loss, marked, precision = train_toy("tversky(alpha=learn, beta=learn, lr=0.01, low=0)")
        assert loss.learned()["tversky.alpha"] < 1e-4
        assert marked > 100 * 0.002
        assert precision < 0.01

    def test_with_the_bound_it_does_not(self) -> None:
        loss, marked, precision = train_toy("tversky(alpha=learn, beta=learn, lr=0.01)")
        assert loss.learned()["tversky.alpha"] >= 0.1
        assert marked < 15 * 0.002
        assert precision > 0.03

    def test_as_published_with_a_small_step_it_does_not_either(self) -> None:
        loss, marked, _ = train_toy("tversky(alpha=learn, beta=learn, lr=0.0001, low=0)")
        assert 0.4 < loss.learned()["tversky.alpha"] < 0.5
        assert marked < 15 * 0.002


class TestFocal:
    @pytest.mark.parametrize("channels", [1, 2, 3])
    def test_starts_as_the_focal_loss(self, channels: int) -> None:
        logits, target = case(channels)
        classes = max(channels, 2)
        learned, given = build("focal(gamma=learn)", classes=classes), build("focal(gamma=2)", classes=classes)
        assert learned.learned() == {"focal.gamma": 2.0}
        assert float(learned(logits, target).detach()) == pytest.approx(float(given(logits, target)), rel=1e-6)

    def test_gradient_of_the_exponent(self) -> None:
        logits, target = case()
        loss = build("iw(focal(gamma=learn))").double()
        (logit,) = loss.parameters()
        name = next(name for name, _ in loss.named_parameters())

        def value(exponent: Tensor) -> Tensor:
            return torch.func.functional_call(loss, {name: exponent}, (logits, target))

        assert torch.autograd.gradcheck(value, (logit,))

    def test_the_exponent_stays_within_its_bounds(self) -> None:
        logits, target = case()
        loss = build("focal(gamma=learn, lr=0.5)")
        optimizer = torch.optim.Adam(loss.parameter_groups())
        for _ in range(200):
            optimizer.zero_grad()
            loss(logits, target).backward()
            optimizer.step()
        assert 0.5 <= loss.learned()["focal.gamma"] <= 5
        assert loss.learned()["focal.gamma"] != pytest.approx(2, abs=0.5)
