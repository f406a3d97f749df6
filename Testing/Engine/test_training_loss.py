"""Training with a loss that has parameters and state of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from training_fakes import Leaning, Recorder

from lossseg.errors import Cancelled
from lossseg.losses import DeepSupervision, build
from lossseg.training import TrainingSettings
from lossseg.training import checkpoint as checkpoints
from lossseg.training.budget import Clock, Steps
from lossseg.training.checkpoint import Checkpoint
from lossseg.training.epoch import Epoch
from lossseg.training.loop import Trainer
from lossseg.training.validation import Scores

STEPS, ITERATIONS = 12, 4
CPU = torch.device("cpu")


class FakeValidator:
    """Scores that follow the weights, undefined recall, and a word of progress on the way."""

    windows = 1

    def scores(self, network: nn.Module, after_windows) -> Scores:
        after_windows(1)
        dice = float(sum(parameter.detach().double().sum() for parameter in network.parameters()))
        return Scores(dice, 0.5, float("nan"), float("nan"), 0.25, 3.0)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv3d(3, 2, 1))


def batches(start: int = 0) -> Iterator[dict[str, Any]]:
    while True:
        generator = torch.Generator().manual_seed(start)
        image = torch.randn(2, 1, 4, 5, 6, generator=generator)
        yield {"image": image, "label": (image > 1).to(torch.uint8)}
        start += 1


def trainer(folder: Path, loss, reporter=None, validator=None, start: int = 0, **settings) -> Trainer:
    chosen = TrainingSettings(epochs=STEPS // ITERATIONS, iterations=ITERATIONS, learning_rate=0.05, **settings)
    budget = Steps(STEPS, Clock(now=lambda: 0.0), start)
    return Trainer(network(), loss, chosen, budget, validator, folder, CPU, None, reporter or Recorder())


def trained(folder: Path, loss, **rest) -> Trainer:
    made = trainer(folder, loss, **rest)
    made.run(batches())
    return made


def state(made: Trainer) -> dict[str, torch.Tensor]:
    parts = {
        "network": made.network.state_dict(),
        "averaged": made.averaged.network.state_dict(),
        "loss": made.loss.state_dict(),
        "optimizer": checkpoints.optimizer_tensors(made.optimizer),
        "loss_optimizer": made.loss_optimizer.tensors(),
    }
    return {f"{part}/{name}": value.clone() for part, tensors in parts.items() for name, value in tensors.items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_what_a_loss_learns_has_its_own_constant_rate(tmp_path, optimizer):
    made = trained(tmp_path, Leaning(), optimizer=optimizer)
    # Adam under a constant gradient moves by its rate in each step; the network's rate fell to almost 0 meanwhile.
    assert made.loss.learned() == {"leaning.lean": pytest.approx(-0.01 * STEPS, rel=1e-5)}
    assert made.optimizer.param_groups[0]["lr"] < 0.01


def test_the_loss_neither_clips_nor_moves_the_network(tmp_path):
    pulled, still = trained(tmp_path / "a", Leaning(pull=1e6)), trained(tmp_path / "b", Leaning(pull=0.0))
    assert_equal(pulled.network.state_dict(), still.network.state_dict())
    assert float(pulled.loss.lean.detach()) < float(still.loss.lean.detach())


def test_a_loss_without_parameters_has_no_optimizer(tmp_path):
    made = trained(tmp_path, build("dice + ce"))
    saved = checkpoints.read(made.last)
    assert saved.loss_optimizer == {} and saved.loss == {}
    assert saved.optimizer.keys() == checkpoints.optimizer_tensors(made.optimizer).keys() != set()


def test_a_loss_in_deep_supervision_is_found(tmp_path):
    inner = Leaning()
    made = trained(tmp_path, DeepSupervision(inner))
    assert made.loss is inner
    assert float(inner.lean.detach()) == pytest.approx(-0.01 * STEPS, rel=1e-5)
    assert checkpoints.read(made.last).loss.keys() == {"lean", "factor", "calls"}
    assert len(inner.ended) == 3


def test_the_loss_goes_to_the_device(tmp_path):
    loss = Leaning()
    made = Trainer(
        network(), loss, TrainingSettings(), Steps(1, Clock()), None, tmp_path, torch.device("meta"), None, Recorder()
    )
    assert {tensor.device.type for tensor in (loss.lean, loss.factor, *made.network.parameters())} == {"meta"}


def test_an_epoch_ends_with_its_mean_loss_and_its_measures(tmp_path):
    loss, recorder = Leaning(), Recorder()
    trained(tmp_path, loss, reporter=recorder, validator=FakeValidator(), validations=2)
    # Of two validations the first is at the middle, step 6, and the second at the end, when no epoch is left.
    assert [set(metrics) for metrics in loss.ended] == [
        {"loss"},
        {"loss", "dice", "object_dice", "precision", "false_positives"},
        {"loss"},
    ]
    for epoch, metrics in enumerate(loss.ended):
        values = loss.values[epoch * ITERATIONS : (epoch + 1) * ITERATIONS]
        assert metrics["loss"] == pytest.approx(sum(values) / ITERATIONS, rel=1e-5)
    validated = dict(recorder.values["validation (averaged)", "dice"])
    assert loss.ended[1]["dice"] == validated[6]
    assert (loss.ended[1]["precision"], loss.ended[1]["false_positives"]) == (0.25, 3.0)


def test_learned_values_are_reported_each_epoch(tmp_path):
    recorder = Recorder()
    trained(tmp_path, Leaning(), reporter=recorder)
    curve = recorder.values["learned", "leaning.lean"]
    assert [step for step, _ in curve] == [4, 8, 12]
    assert [value for _, value in curve] == pytest.approx([-0.04, -0.08, -0.12], rel=1e-4)


class CancelAtStep(Recorder):
    """Cancels once, at the first question after `step` steps: before the epoch is ended and validation is done."""

    def __init__(self, watched: list[Trainer], step: int, in_validation: bool = False) -> None:
        super().__init__()
        self._watched, self._at, self._in_validation = watched, step, in_validation

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        if self._in_validation and stage == "validate":
            self._raise_at()

    def check(self) -> None:
        if not self._in_validation:
            self._raise_at()

    def _raise_at(self) -> None:
        if self._watched and self._watched[0].state.step == self._at:
            raise Cancelled()


@pytest.mark.parametrize(("step", "in_validation"), [*((step, False) for step in range(1, 13)), (6, True), (12, True)])
def test_resuming_at_any_moment_ends_with_the_same_bits(tmp_path, step, in_validation):
    whole = trained(tmp_path / "whole", Leaning(), validator=FakeValidator(), validations=2)

    watched: list[Trainer] = []
    reporter = CancelAtStep(watched, step, in_validation)
    watched.append(trainer(tmp_path / "parts", Leaning(), reporter, FakeValidator(), validations=2))
    with pytest.raises(Cancelled):
        watched[0].run(batches())
    saved = checkpoints.read(watched[0].last)
    assert saved.step == step
    resumed = trainer(tmp_path / "parts", Leaning(), None, FakeValidator(), step, validations=2)
    resumed.restore(saved)
    resumed.run(batches(step))

    assert_equal(state(whole), state(resumed))
    assert resumed.state == whole.state
    assert watched[0].loss.ended + resumed.loss.ended == whole.loss.ended


def test_a_checkpoint_from_before_losses_learned_is_read(tmp_path):
    made = trained(tmp_path, build("dice + ce"))
    saved = checkpoints.read(made.last)
    facts = {"progress": {k: v for k, v in saved.facts["progress"].items() if k != "epochs"}}
    old = Checkpoint(saved.step, 0.0, saved.network, saved.averaged, {}, saved.optimizer, facts=facts)
    checkpoints.write(tmp_path / "old.safetensors", old)
    resumed = trainer(tmp_path, build("dice + ce"))
    resumed.restore(checkpoints.read(tmp_path / "old.safetensors"))
    assert resumed.state.step == STEPS
    assert_equal(resumed.network.state_dict(), made.network.state_dict())


class Silenced(Leaning):
    """Asks nothing of its parameter in the first step, as a scheduled term of weight 0."""

    def forward(self, logits, target, maps=None):
        self.pull = 1000.0 if self.calls else 0.0
        return super().forward(logits, target, maps) if self.calls else self._alone(logits)

    def _alone(self, logits):
        self.calls += 1
        return logits.square().mean()


def test_half_precision_scales_both_optimizers_alike(tmp_path):
    loss = Silenced()
    budget = Steps(3, Clock(), 0)
    settings = TrainingSettings(epochs=1, iterations=3, learning_rate=1e-3)
    made = Trainer(network(), loss, settings, budget, None, tmp_path, CPU, torch.float16, Recorder())
    assert made._scaler.is_enabled()
    made.run(batches())
    assert float(loss.lean.detach()) == pytest.approx(-0.02, rel=1e-4)
    # After two steps the mean of a gradient of 1000 is (1 - 0.9^2) * 1000: the scale was taken out.
    assert float(made.loss_optimizer.tensors()["0.exp_avg"]) == pytest.approx(190, rel=1e-5)


def test_an_epoch_survives_a_checkpoint_to_the_last_bit():
    values = torch.rand(7, generator=torch.Generator().manual_seed(0))
    whole, parts = Epoch(), Epoch()
    for value in values:
        whole.add(value)
    for value in values[:3]:
        parts.add(value)
    parts.judged({"dice": 0.1})
    parts = Epoch.from_json(parts.to_json())
    for value in values[3:]:
        parts.add(value)
    assert parts.metrics() == {"dice": 0.1} | whole.metrics()
    assert Epoch().metrics() == {"loss": 0.0}
