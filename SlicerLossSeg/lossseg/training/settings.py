"""What a person may choose about a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lossseg.errors import InputError


class Optimizer(StrEnum):
    """SGD with Nesterov momentum, 0.99 as nnU-Net has it, or AdamW."""

    SGD = "sgd"
    ADAMW = "adamw"


class Schedule(StrEnum):
    """How the learning rate falls: as (1 - done)^0.9, as nnU-Net has it, or in one step."""

    POLY = "poly"
    STEP = "step"


ALL_CASES = "all"
"""As `fold`: train on every case, hold none out."""

_DEFAULT_EPOCHS = 1000
_DEFAULT_RATES = {Optimizer.SGD: 1e-2, Optimizer.ADAMW: 1e-3}
_FINE_TUNING = 0.1
_MOMENTUM = 0.99
_POWER = 0.9


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one run; what is None follows from the data or the device.

    Attributes:
        loss: a loss expression.
        minutes, epochs: the budget; give one (default 1000 epochs). Minutes include validation.
        iterations: optimizer steps per epoch.
        learning_rate: at the start. Default 1e-2 for SGD, 1e-3 for AdamW, a tenth of that when fine-tuning.
        momentum: Nesterov's, of SGD; default 0.99. 0 is plain SGD.
        schedule: how the learning rate falls.
        step_at, step_factor: of the schedule in one step: after this share of the run the rate is multiplied by this.
        oversampling: share of each batch that is centred on a voxel of a uniformly chosen lesion, in [0, 1].
        workers: processes that cut and augment patches.
        folds, fold: which fold of how many is held out for validation, or "all" for none; splits: a file in
            nnU-Net's form that fixes the folds.
        plan: a plan file; default is planned from the cases of the fold.
        start_from: model folder to fine-tune.
        resume: go on from the last checkpoint in the output folder.
        finish: make the model of an interrupted run from its checkpoints, without more training; its own settings hold.
        memory_gb: memory in GiB that a step may take; default what the device has free.
        network: what to plan, see `PlanSettings`; a plan or a model to fine-tune brings its own.
        base_filters, max_filters, filters, dilations, patch, batch, spacing, windows: see `PlanSettings`.
        ema_decay: of the averaged weights, per step.
        mixed_precision: bf16 or half where the device has it; None decides by the device.
        validations: how often the validation cases are segmented during the run, at least once at its end.
        validate_from: share of the run after which the first of several validations comes; they lie evenly from there.
    """

    loss: str = "dice + ce"
    minutes: float | None = None
    epochs: int | None = None
    iterations: int = 250
    optimizer: Optimizer = Optimizer.SGD
    learning_rate: float | None = None
    momentum: float | None = None
    schedule: Schedule = Schedule.POLY
    step_at: float = 0.8
    step_factor: float = 0.1
    oversampling: float = 0.5
    seed: int = 0
    device: str = "auto"
    workers: int | None = None
    folds: int = 5
    fold: int | str = 0
    splits: Path | None = None
    plan: Path | None = None
    start_from: Path | None = None
    resume: bool = False
    finish: bool = False
    memory_gb: float | None = None
    network: str = "unet"
    base_filters: int | None = None
    max_filters: int = 320
    filters: tuple[int, ...] | None = None
    dilations: tuple[int, ...] | None = None
    patch: tuple[int, int, int] | None = None
    batch: int | None = None
    spacing: tuple[float, float, float] | None = None
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    deep_supervision: bool = True
    ema_decay: float = 0.999
    mixed_precision: bool | None = None
    validations: int = 4
    validate_from: float = 0.5
    cache: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizer", Optimizer(self.optimizer))
        object.__setattr__(self, "schedule", Schedule(self.schedule))
        if self.minutes is not None and self.epochs is not None:
            raise InputError("Both minutes and epochs were given.", "Give one of the two.")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(f"{name} is {value}.", f"Give a value from {low:g} to {high:g}.")
        if self.momentum is not None and self.optimizer is not Optimizer.SGD:
            raise InputError(f"A momentum was given for {self.optimizer}.", "Leave it out, or choose sgd.")
        if isinstance(self.fold, str) and self.fold != ALL_CASES:
            raise InputError(f"The fold is {self.fold!r}.", f'Give a number from 0 or "{ALL_CASES}".')

    @property
    def epochs_or_default(self) -> int:
        return self.epochs if self.epochs is not None else _DEFAULT_EPOCHS

    @property
    def rate(self) -> float:
        """The learning rate at the start."""
        if self.learning_rate is not None:
            return self.learning_rate
        return _DEFAULT_RATES[self.optimizer] * (_FINE_TUNING if self.start_from else 1.0)

    @property
    def momentum_or_default(self) -> float:
        return self.momentum if self.momentum is not None else _MOMENTUM

    def rate_at(self, done: float) -> float:
        """The learning rate of the step before which the share `done` of the run, in [0, 1), was done."""
        if self.schedule is Schedule.STEP:
            return self.rate * (self.step_factor if done >= self.step_at else 1.0)
        falling: float = (1 - done) ** _POWER
        return self.rate * falling


_RANGES = (
    ("minutes", 0.01, 1e6),
    ("epochs", 1, 10**6),
    ("iterations", 1, 10**6),
    ("learning_rate", 1e-8, 10.0),
    ("momentum", 0.0, 0.9999),
    ("step_at", 0.0, 1.0),
    ("step_factor", 0.0, 1.0),
    ("oversampling", 0.0, 1.0),
    ("workers", 0, 64),
    ("folds", 2, 100),
    ("memory_gb", 0.1, 4096.0),
    ("base_filters", 1, 1024),
    ("max_filters", 1, 4096),
    ("batch", 1, 4096),
    ("ema_decay", 0.0, 0.99999),
    ("validations", 1, 10**6),
    ("validate_from", 0.0, 0.99),
)
