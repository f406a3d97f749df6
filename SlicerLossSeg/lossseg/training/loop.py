"""The training loop: steps, running average, validation, checkpoints; told what to use, knowing no file layout."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lossseg.errors import Cancelled, InputError
from lossseg.evaluation import OperatingPoint
from lossseg.losses import DeepSupervision, Loss
from lossseg.networks.layout import layout
from lossseg.reporting import Reporter
from lossseg.training import checkpoint as checkpoints
from lossseg.training.averaging import AveragedWeights
from lossseg.training.budget import Budget, Minutes
from lossseg.training.checkpoint import Checkpoint
from lossseg.training.epoch import Epoch
from lossseg.training.learned import LossOptimizer
from lossseg.training.memory import freed_memory_kept
from lossseg.training.settings import Optimizer, TrainingSettings
from lossseg.training.validation import Scores, Validator

_LARGEST_GRADIENT = 12.0
_CHECKPOINT_EVERY_S = 120.0
_REPORT_EVERY = 10


@dataclass
class Progress:
    """Where the run is; what a checkpoint's `facts` hold."""

    step: int = 0
    best: float = float("-inf")
    best_scores: dict[str, float | None] | None = None
    best_step: int = 0
    best_averaged: bool = True
    best_point: dict[str, float] | None = None
    validations: int = 0
    epochs: int = 0


class Trainer:
    """Trains one network, and what its loss learns, on a stream of patches until its budget is spent.

    Args:
        loss: at one resolution; it is taken out of `DeepSupervision` if it comes in it.
        validator: None when no case is held out.
        folder: where checkpoints go: `last.safetensors`, `best.safetensors`.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Loss | DeepSupervision,
        settings: TrainingSettings,
        budget: Budget,
        validator: Validator | None,
        folder: Path,
        device: torch.device,
        autocast: torch.dtype | None,
        reporter: Reporter,
    ) -> None:
        self._layout = layout(network, device, training=True)
        # nn.Module.to knows the keyword, its type stub only the two-dimensional layouts.
        self.network = network.to(device).to(memory_format=self._layout)  # type: ignore[call-overload]
        self.settings, self.budget = settings, budget
        self.supervised = (loss if isinstance(loss, DeepSupervision) else DeepSupervision(loss)).to(device)
        self.loss = self.supervised.loss
        self.validator, self.folder, self.device, self.reporter = validator, folder, device, reporter
        self._autocast, self._saved = autocast, time.monotonic()
        # Without half precision there is nothing to scale: bf16 has float32's range.
        self._scaler = torch.amp.GradScaler(device.type, enabled=autocast is torch.float16)
        self.averaged = AveragedWeights(self.network, settings.ema_decay)
        self.optimizer = _optimizer([*network.parameters()], settings)
        self.loss_optimizer = LossOptimizer(self.loss)
        self.state, self._epoch = Progress(), Epoch()
        self.waiting_s = 0.0

    @property
    def last(self) -> Path:
        return self.folder / "last.safetensors"

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(saved.network)
        self.averaged.network.load_state_dict(saved.averaged)
        self.loss.load_state_dict(saved.loss)
        checkpoints.restore_optimizer(self.optimizer, saved.optimizer)
        self.loss_optimizer.restore(saved.loss_optimizer)
        self.state = Progress(**saved.facts["progress"])
        if "epoch" in saved.facts:
            self._epoch = Epoch.from_json(saved.facts["epoch"])
        if "scaler" in saved.facts:
            self._scaler.load_state_dict(saved.facts["scaler"])

    def run(self, batches: Iterator[dict[str, Any]]) -> None:
        """Train to the end of the budget; on `Cancelled` the state is saved first, so that a resume loses nothing.

        Args:
            batches: endless stream of {"image", "label", "maps"} that begins at the step to resume from.
        """
        try:
            with freed_memory_kept(self.device):
                self._reserve()
                self._settle()
                while (done := self.budget.done(self.state.step)) < 1:
                    self._step(batches, done)
                    self._settle()
                    if time.monotonic() - self._saved > _CHECKPOINT_EVERY_S:
                        self._save(self.last)
                self._validate(last=True)
                self._save(self.last)
        except Cancelled:
            self._save(self.last)
            raise

    def finish(self) -> None:
        """End the run where it is: a network that was never validated is now, so that its model has scores."""
        if self.validator is not None and self.state.best_scores is None:
            self._validate(last=True)
            self._save(self.last)

    def _step(self, batches: Iterator[dict[str, Any]], done: float) -> None:
        rate = self.settings.rate_at(done)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        asked = time.monotonic()
        batch = next(batches)
        self.waiting_s += time.monotonic() - asked
        image = batch["image"].to(self.device, non_blocking=True, memory_format=self._layout)
        target = batch["label"].to(self.device, non_blocking=True)
        maps = {name: value.to(self.device, non_blocking=True) for name, value in batch.get("maps", {}).items()}
        self.network.train()
        with torch.autocast(self.device.type, self._autocast) if self._autocast else nullcontext():
            outputs = self.network(image)
        value = self.supervised(outputs if isinstance(outputs, list) else [outputs], target, maps or None)
        self.optimizer.zero_grad(set_to_none=True)
        self.loss_optimizer.zero_grad()
        self._scaler.scale(value).backward()
        self._scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self._scaler.step(self.optimizer)
        self.loss_optimizer.step(self._scaler)
        self._scaler.update()
        self.state.step += 1
        self.averaged.update(self.network, self.state.step)
        self._epoch.add(value)
        self._report(value, rate)

    def _report(self, value: torch.Tensor, rate: float) -> None:
        self.reporter.check()
        step = self.state.step
        if step % _REPORT_EVERY and step != 1:
            return
        number = float(value.detach())
        if not np.isfinite(number):
            raise InputError(
                f"The loss {self.loss.expression} became {number} at step {step}.",
                "Lower the learning rate (--learning-rate) or choose another loss.",
            )
        self.reporter.metric("loss", step, number, "training")
        self.reporter.metric("learning_rate", step, rate, "schedule")
        unit, spent, total = self.budget.counted(step)
        self.reporter.progress(f"train, {unit}", spent, total, self.budget.remaining_s(step))

    def _settle(self) -> None:
        """Do what the last step left to be done; what an interruption left half done is done again on resuming."""
        if self._due(self.budget.done(self.state.step)):
            self._validate()
            self._save(self.last)
        ended, over = divmod(self.state.step, self.settings.iterations)
        if not over and ended > self.state.epochs:
            for name, value in self.loss.learned().items():
                self.reporter.metric(name, self.state.step, value, "learned")
            self.loss.end_epoch(self._epoch.metrics())
            self.state.epochs, self._epoch = ended, Epoch()

    def _due(self, done: float) -> bool:
        """Validations lie evenly from `validate_from` on; the end of the run has one of its own."""
        if self.validator is None or done >= 1:
            return False
        inner, first = self.settings.validations - 1, self.settings.validate_from
        return self.state.validations < inner and done >= first + (1 - first) * self.state.validations / max(inner, 1)

    def _validate(self, last: bool = False) -> None:
        if self.validator is None:
            return
        candidates = [(True, self.averaged.network)] + ([(False, self.network)] if last else [])
        for averaged, network in candidates:
            scores = self._scores(network, "averaged" if averaged else "raw")
            if scores.selection > self.state.best:
                named = {name: (v if np.isfinite(v) else None) for name, v in scores.named().items()}
                self.state = replace(
                    self.state,
                    best=scores.selection,
                    best_scores=named,
                    best_step=self.state.step,
                    best_averaged=averaged,
                    best_point=_plain(scores.point),
                )
                self._save(self.best)
            if averaged:
                self._epoch.judged(scores.defined())
        self.state.validations += 1

    def _scores(self, network: nn.Module, kind: str) -> Scores:
        assert self.validator is not None
        done = 0

        def after(count: int) -> None:
            nonlocal done
            done += count
            self.reporter.check()
            self.reporter.progress("validate", done, self.validator.windows if self.validator else 0, None)

        scores = self.validator.scores(network, after)
        for name, value in scores.defined().items():
            self.reporter.metric(name, self.state.step, value, f"validation ({kind})")
        return scores

    def _reserve(self) -> None:
        """Keep back of a budget in minutes what the validations at the end will take, measured on one window."""
        if self.validator is None or not isinstance(self.budget, Minutes):
            return
        self.budget.reserve = 2 * self.validator.seconds_per_round(self.averaged.network)

    def _save(self, path: Path) -> None:
        progress = self.state.__dict__ | {"best": self.state.best if np.isfinite(self.state.best) else -1e9}
        facts: dict[str, Any] = {
            "progress": progress,
            "epoch": self._epoch.to_json(),
            "expression": self.loss.expression,
        }
        if self._scaler.is_enabled():
            facts["scaler"] = self._scaler.state_dict()
        checkpoints.write(
            path,
            Checkpoint(
                step=self.state.step,
                seconds=self.budget.seconds,
                network=self.network.state_dict(),
                averaged=self.averaged.network.state_dict(),
                loss=self.loss.state_dict(),
                optimizer=checkpoints.optimizer_tensors(self.optimizer),
                loss_optimizer=self.loss_optimizer.tensors(),
                facts=facts,
            ),
        )
        self._saved = time.monotonic()


def _plain(point: OperatingPoint | None) -> dict[str, float] | None:
    if point is None:
        return None
    return {"threshold": point.threshold, "min_confidence": point.min_confidence}


def _optimizer(parameters: list[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    if settings.optimizer is Optimizer.ADAMW:
        return torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=1e-2)
    momentum = settings.momentum_or_default
    return torch.optim.SGD(parameters, lr=settings.rate, momentum=momentum, nesterov=momentum > 0, weight_decay=3e-5)
