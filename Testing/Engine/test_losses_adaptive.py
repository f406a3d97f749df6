"""Weights of several losses that follow the course of training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lossseg.losses import DeepSupervision, build
from lossseg.losses.adaptive import CovWeighting, SoftAdapt, softadapt_shares
from lossseg.losses.slopes import forward_difference


def case(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.zeros(2, 1, 6, 6, 6, dtype=torch.uint8)
    target[0, 0, 1:3, 2:4, 2:4], target[1, 0, 4, 4, 4] = 1, 1
    return torch.randn(2, 1, 6, 6, 6, generator=generator, dtype=torch.float64), target


class TestSlopes:
    def test_coefficients_of_five_values(self) -> None:
        weights = forward_difference(torch.eye(5, dtype=torch.float64))
        assert weights.tolist() == pytest.approx([-25 / 12, 4, -3, 4 / 3, -1 / 4])

    @pytest.mark.parametrize("history", [2, 3, 5, 8])
    def test_exact_for_polynomials(self, history: int) -> None:
        steps = torch.arange(history, dtype=torch.float64)
        values = torch.stack([3 - 2 * steps, (steps + 1) ** (history - 1)], 1)
        assert forward_difference(values).tolist() == pytest.approx([-2, history - 1])


class TestSoftAdapt:
    # The example of the published package's README.
    RECENT = torch.tensor([[1, 2, 3, 4, 5], [150, 100, 50, 10, 0.1], [1500, 1000, 500, 100, 1]], dtype=torch.float64).T

    def test_plain_and_weighted_as_published(self) -> None:
        assert softadapt_shares(self.RECENT, 0.1, "plain").tolist() == pytest.approx(
            [0.993433, 0.00656663, 3.89e-22], rel=1e-3, abs=1e-30
        )
        assert softadapt_shares(self.RECENT, 0.1, "weighted").tolist() == pytest.approx(
            [0.879777, 0.120223, 7.1e-20], rel=5e-3, abs=1e-30
        )

    def test_normalized_keeps_the_order_that_a_signed_sum_turns_around(self) -> None:
        slopes = forward_difference(self.RECENT)
        signed = torch.softmax(0.1 * slopes / slopes.sum(), 0)
        assert signed.tolist() == pytest.approx([0.322072, 0.325079, 0.352848], abs=1e-6)
        ours = softadapt_shares(self.RECENT, 0.1, "normalized")
        assert ours.tolist() == pytest.approx(torch.softmax(0.1 * slopes / slopes.abs().sum(), 0).tolist())
        assert ours[0] > ours[1] > ours[2]

    def test_weights_of_a_step_come_from_the_steps_before(self) -> None:
        loss = build("softadapt(dice, ce, variant=plain, history=2, every=1, beta=3)")
        assert isinstance(loss, SoftAdapt)
        values = torch.tensor([[2.0, 5.0], [1.0, 4.5], [0.5, 4.4]], dtype=torch.float64)
        used = [loss.follow(row) for row in values]
        assert used[0].tolist() == used[1].tolist() == [1, 1]
        expected = 2 * torch.softmax(3 * (values[1] - values[0]), 0)
        assert used[2].tolist() == pytest.approx(expected.tolist(), rel=1e-6)

    def test_weights_change_every_so_many_steps(self) -> None:
        loss = build("softadapt(dice, ce, history=2, every=3)")
        assert isinstance(loss, SoftAdapt)
        seen = []
        for step in range(7):
            loss.follow(torch.tensor([1.0 / (step + 1), 1.0], dtype=torch.float64))
            seen.append(loss.weights.tolist())
        assert seen[0] == seen[1] == [1, 1]
        assert seen[2] != [1, 1] and seen[2] == seen[3] == seen[4] != seen[5] == seen[6]

    def test_the_value_is_the_weighted_sum(self) -> None:
        logits, target = case()
        loss = build("softadapt(dice, ce)")
        loss.weights.copy_(torch.tensor([0.5, 1.5]))  # type: ignore[operator]
        dice, ce = float(build("dice")(logits, target)), float(build("ce")(logits, target))
        assert float(loss(logits, target)) == pytest.approx(0.5 * dice + 1.5 * ce)
        assert loss.learned() == {"softadapt.weight_dice": 0.5, "softadapt.weight_ce": 1.5}


class TestCov:
    def test_weights_as_published(self) -> None:
        loss = build("cov(dice, ce)")
        assert isinstance(loss, CovWeighting)
        steps = [(1, 0.5), (0.9, 0.6), (0.8, 0.3), (0.75, 0.55), (0.7, 0.2)]
        shares = [(loss.follow(torch.tensor(step, dtype=torch.float64)) / 2).tolist() for step in steps]
        published = [(0.5, 0.5), (0.5, 0.5), (0.366667, 0.633333), (0.192528, 0.807472), (0.216897, 0.783103)]
        for ours, theirs in zip(shares, published, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-5)

    def test_outside_of_training_it_is_the_plain_sum(self) -> None:
        logits, target = case()
        loss = build("cov(dice, ce)")
        for seed in range(5):
            loss(*case(seed))
        loss.eval()
        assert float(loss(logits, target)) == pytest.approx(float(build("dice + ce")(logits, target)))


ADAPTIVE = ["softadapt(dice, ce, history=3, every=2)", "cov(dice, ce)"]


@pytest.mark.parametrize("expression", ADAPTIVE)
class TestState:
    def test_is_kept_with_the_module(self, expression: str, tmp_path: Path) -> None:
        loss = build(expression)
        for seed in range(7):
            loss(*case(seed))
        torch.save(loss.state_dict(), tmp_path / "state.pt")
        twin = build(expression)
        twin.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        for seed in range(7, 12):
            assert float(twin(*case(seed))) == float(loss(*case(seed)))

    def test_no_gradient_flows_through_the_weights(self, expression: str) -> None:
        loss = build(expression)
        for seed in range(7):
            loss(*case(seed))
        logits, target = case(9)
        loss.eval()
        weights = loss.weights if expression.startswith("softadapt") else torch.ones(2)
        leaf, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        loss(leaf, target).backward()
        assert isinstance(weights, Tensor)
        (weights[0] * build("dice")(other, target) + weights[1] * build("ce")(other, target)).backward()
        torch.testing.assert_close(leaf.grad, other.grad)

    def test_evaluation_and_coarse_levels_are_not_learned_from(self, expression: str) -> None:
        logits, target = case()
        single, deep = build(expression), build(expression)
        supervised = DeepSupervision(deep)
        for _ in range(6):
            single(logits, target)
            supervised([logits, logits[..., ::2, ::2, ::2], logits[..., ::3, ::3, ::3]], target)
            deep.eval()(3 * logits, target)
            deep.train()
        for name, values in single.state_dict().items():
            torch.testing.assert_close(deep.state_dict()[name], values)

    def test_values_that_are_not_finite_are_not_learned_from(self, expression: str) -> None:
        logits, target = case()
        loss = build(expression)
        before = {name: values.clone() for name, values in loss.state_dict().items()}
        loss(torch.full_like(logits, float("nan")), target)
        for name, values in before.items():
            torch.testing.assert_close(loss.state_dict()[name], values)


class TestUncertainty:
    def test_value_and_gradient(self) -> None:
        logits, target = case()
        loss = build("uncertainty(dice, ce)").double()
        (logs,) = loss.parameters()
        with torch.no_grad():
            logs.copy_(torch.tensor([0.4, -1.0]))
        dice, ce = float(build("dice")(logits, target)), float(build("ce")(logits, target))
        value = loss(logits, target)
        e = 2.718281828459045
        assert float(value.detach()) == pytest.approx(dice * e**-0.4 + ce * e**1.0 + 0.2 - 0.5)
        value.backward()
        assert logs.grad is not None
        assert logs.grad.tolist() == pytest.approx([0.5 - dice * e**-0.4, 0.5 - ce * e])

    def test_starts_as_the_plain_sum(self) -> None:
        logits, target = case()
        plain = float(build("dice + ce")(logits, target))
        assert float(build("uncertainty(dice, ce)")(logits, target).detach()) == pytest.approx(plain)


class TestSchedule:
    def test_rises_to_its_end(self) -> None:
        logits, target = case()
        loss, ce = build("schedule(ce, start=0.5, step=0.4, stop=1)"), float(build("ce")(logits, target))
        weights = []
        for _ in range(4):
            weights.append(float(loss(logits, target)) / ce)
            loss.end_epoch({})
        assert weights == pytest.approx([0.5, 0.9, 1, 1])
        assert loss.learned() == {"schedule.weight": 1}

    def test_falls_to_its_end(self) -> None:
        loss = build("dice + schedule(ce, start=1, step=-0.3, stop=0.5)")
        for _ in range(3):
            loss.end_epoch({})
        assert loss.learned() == {"schedule.weight": 0.5}

    def test_goes_on_after_a_restart(self) -> None:
        loss, twin = build("schedule(ce)"), build("schedule(ce)")
        loss.end_epoch({})
        twin.load_state_dict(loss.state_dict())
        assert twin.learned() == pytest.approx({"schedule.weight": 0.02})
