"""The out-of-memory ladder: when memory runs out, the work is done in a way that needs less, and a person is told."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from lossseg.errors import OutOfMemory
from lossseg.inference.sliding_window import Triple
from lossseg.networks.monai_config import MonaiConfig
from lossseg.reporting import Reporter

T = TypeVar("T")

_MESSAGES = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "alloc_failed",
    "not enough memory",
)
_CPU = torch.device("cpu")
MAX_HALVINGS = 3


@dataclass(frozen=True)
class Rung:
    """One way to run.

    Attributes:
        batch: windows at once on `device`; `accumulate_on`: where the image and the sums lie.
        halvings: how often the patch is halved, see `smaller_patch`.
    """

    device: torch.device
    batch: int
    accumulate_on: torch.device
    halvings: int = 0
    words: str = "as planned"


def rungs(device: torch.device, batch: int) -> tuple[Rung, ...]:
    """From the plan downwards: smaller window batch, sums on the CPU, smaller patch, everything on the CPU."""
    ladder = [Rung(device, batch, device)]
    if batch > 1:
        ladder.append(replace(ladder[-1], batch=1, words="one window at a time"))
    if device.type != "cpu":
        ladder.append(replace(ladder[-1], accumulate_on=_CPU, words="one window at a time, summed on the CPU"))
    whole = ladder[-1]
    ladder += [replace(whole, halvings=n, words=_smaller(n)) for n in range(1, MAX_HALVINGS + 1)]
    if device.type != "cpu":
        on_cpu = Rung(_CPU, 1, _CPU, words="on the CPU")
        ladder += [on_cpu]
        ladder += [replace(on_cpu, halvings=n, words=f"on the CPU {_smaller(n)}") for n in range(1, MAX_HALVINGS + 1)]
    return tuple(ladder)


class Ladder:
    """Walks down the rungs as memory runs out, and stays where the work last succeeded.

    >>> from lossseg.reporting import Silent
    >>> Ladder(torch.device("cpu"), batch=2).run(lambda rung: rung.batch, Silent())
    2
    """

    def __init__(self, device: torch.device, batch: int) -> None:
        self._rungs = rungs(device, batch)
        self._at = 0
        self.notes: list[str] = []

    @property
    def rung(self) -> Rung:
        return self._rungs[self._at]

    def run(self, work: Callable[[Rung], T], reporter: Reporter) -> T:
        """The result of `work` on the first rung, from the present one down, on which the memory suffices.

        Raises:
            OutOfMemory: it sufficed on none.
        """
        first = self._at
        while True:
            try:
                result = work(self.rung)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            else:
                if self._at > first:
                    self.notes.append(f"Memory ran out; it sufficed {self.rung.words}.")
                    reporter.warning(self.notes[-1], "The result is complete. A region of interest needs less memory.")
                return result
            # Outside of the handler: the traceback no longer holds the tensors of the failed attempt.
            release_memory()
            if self._at + 1 == len(self._rungs):
                raise OutOfMemory(
                    f"Memory ran out, even {self.rung.words}.",
                    "Close other programs, give a region of interest, or use a model with a smaller patch.",
                )
            self._at += 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` is how Python, torch, CUDA, MPS or oneDNN say that no memory is left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error).lower() for message in _MESSAGES)


def release_memory() -> None:
    """Give back what is no longer used: Python's cycles and the caches of the accelerators."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def smaller_patch(patch: Triple, halvings: int, stride: Triple) -> Triple:
    """`patch` (z, y, x) with its largest axis halved `halvings` times, each time the largest that can be.

    A halved axis is a multiple of the network's total `stride` and at least twice it: normalisation over one
    element is undefined. An axis that cannot be halved stays; if none can, the patch does.
    """
    lengths = list(patch)
    for _ in range(halvings):
        halved = [_halve(length, step) for length, step in zip(lengths, stride, strict=True)]
        candidates = [axis for axis in range(3) if halved[axis] < lengths[axis]]
        if not candidates:
            break
        axis = max(candidates, key=lambda candidate: lengths[candidate])
        lengths[axis] = halved[axis]
    return lengths[0], lengths[1], lengths[2]


def total_stride(network_config: Mapping[str, Any]) -> Triple:
    """The product of the `strides` in a network's config per axis (z, y, x): the patch must be a multiple of it."""
    if network_config.get("name") == MonaiConfig.name:
        return MonaiConfig.from_json(network_config).divisor
    total = [1, 1, 1]
    strides: Sequence[int | Sequence[int]] = network_config.get("strides", ())
    for stride in strides:
        steps = [stride] * 3 if isinstance(stride, int) else list(stride)
        total = [length * int(step) for length, step in zip(total, steps, strict=True)]
    return total[0], total[1], total[2]


def _halve(length: int, stride: int) -> int:
    halved = max(math.floor(length / 2 / stride) * stride, 2 * stride)
    return min(halved, length)


def _smaller(halvings: int) -> str:
    return f"with windows of {1 / 2**halvings:g} of the size"
