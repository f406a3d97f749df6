"""The state of a run in one safetensors file, numbers only: reading it executes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lossseg.errors import InputError
from lossseg.files import atomic

Tensors = dict[str, torch.Tensor]
_GROUPS = ("network", "averaged", "loss", "optimizer", "loss_optimizer")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to go on as if it had not been interrupted.

    Attributes:
        step: optimizer steps taken.
        seconds: wall-clock seconds spent.
        network, averaged, loss: parameters and buffers of the network, of its running average and of the loss.
        optimizer, loss_optimizer: state tensors of the network's and the loss's optimizer by "PARAMETER INDEX.NAME".
        facts: plain JSON data (scores so far, the settings that must not change).
    """

    step: int
    seconds: float
    network: Tensors
    averaged: Tensors
    loss: Tensors
    optimizer: Tensors
    loss_optimizer: Tensors = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Write complete or not at all, so that a run killed at any moment finds a usable one."""
    tensors = {f"{group}/{k}": v for group in _GROUPS for k, v in getattr(checkpoint, group).items()}
    facts = {"step": checkpoint.step, "seconds": checkpoint.seconds, "facts": checkpoint.facts}
    with atomic(path) as beside:
        cloned = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        save_file(cloned, beside, metadata={"lossseg": json.dumps(facts)})


def read(path: Path) -> Checkpoint:
    """The checkpoint in `path`.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["lossseg"])
            groups: dict[str, Tensors] = {group: {} for group in _GROUPS}
            for key in file.keys():  # noqa: SIM118 - a file handle, no mapping
                group, _, name = key.partition("/")
                groups[group][name] = file.get_tensor(key)
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise _unreadable(path, error) from error
    return Checkpoint(facts["step"], facts["seconds"], **groups, facts=facts["facts"])


def step_of(path: Path) -> int:
    """The steps taken in the checkpoint in `path`; no tensor is read.

    Raises:
        InputError: it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return int(json.loads(file.metadata()["lossseg"])["step"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"The checkpoint {path} cannot be read ({error}).", "Remove it and train again without --resume.")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """The optimizer's state as named tensors, in the order of its parameters."""
    state: Mapping[int, Mapping[str, Any]] = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, entries in state.items()
        for name, value in entries.items()
        if value is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put back what `optimizer_tensors` took."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
