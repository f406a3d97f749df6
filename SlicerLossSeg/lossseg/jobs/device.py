"""Which device a job computes on, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """A torch device by name ("cpu", "cuda:0", "mps") and the reason in words."""

    device: str
    reason: str


NOT_USED = Choice("cpu", "this kind of job needs no graphics card")


def choose(requested: str = "auto") -> Choice:
    """The device for `requested`, as the engine's rooms choose it.

    Raises:
        InputError: the device asked for is unknown or not there.
        ImportError: torch is not installed.
    """
    from lossseg.inference.device import choose_device

    device, reason = choose_device(requested)
    return Choice(str(device), reason)
