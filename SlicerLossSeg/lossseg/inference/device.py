"""Which device computes, in which precision, and why: one sentence a person understands."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch

from lossseg.errors import InputError

_CPUINFO = Path("/proc/cpuinfo")
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "avx10", "bf16"}


def choose_device(name: str = "auto") -> tuple[torch.device, str]:
    """The device for `name` ("auto", "cpu", "cuda", "cuda:1", "mps") and a sentence that says why.

    Raises:
        InputError: the name is unknown, or the device is not on this machine.
    """
    kind, _, number = name.strip().lower().partition(":")
    if kind == "auto":
        return _best_device()
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdigit()):
        raise InputError(f"Unknown device {name!r}.", "Use auto, cpu, cuda, cuda:1 or mps.")
    if kind == "cuda":
        _require(torch.cuda.is_available(), name, "torch sees no CUDA card on this machine.")
        index, count = int(number or 0), torch.cuda.device_count()
        _require(index < count, name, f"this machine has {count} CUDA card(s), counted from 0.")
        return torch.device("cuda", index), f"{_cuda_words(index)}, as asked for"
    if kind == "mps":
        _require(torch.backends.mps.is_available(), name, "torch sees no Apple GPU on this machine.")
        return torch.device("mps"), "the Apple GPU, as asked for"
    return torch.device("cpu"), f"{_cpu_words()}, as asked for"


def reduced_precision(device: torch.device) -> torch.dtype | None:
    """The 16-bit type that is fast on `device`, or None where 32 bits are faster or safer.

    Half precision on CUDA cards: its longer mantissa stays nearer to 32 bits than bf16 does, and a result that
    left its range is caught and computed again in 32 bits.
    """
    if device.type == "cuda":
        return torch.float16
    if device.type == "cpu" and cpu_has_bf16():
        return torch.bfloat16
    return None


@cache
def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware. Elsewhere torch emulates it, slower than 32 bits."""
    return torch.backends.mkldnn.is_available() and (_torch_says_bf16() or bool(_BF16_FLAGS & cpu_flags(_CPUINFO)))


def cpu_flags(cpuinfo: Path) -> set[str]:
    """The instruction-set flags in a Linux `cpuinfo` file (x86 "flags", ARM "Features"); empty where there is none."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def _torch_says_bf16() -> bool:
    # Private names of torch: asked for by name so that a torch without them only loses the answer.
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        if bool(getattr(torch.cpu, name, lambda: False)()):
            return True
    return False


def _best_device() -> tuple[torch.device, str]:
    if torch.cuda.is_available():
        try:
            torch.ones(1, device="cuda:0").add_(1).item()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            return torch.device("cpu"), f"{_cpu_words()}: the CUDA card does not compute ({reason})"
        return torch.device("cuda", 0), f"{_cuda_words(0)}, the fastest device found"
    if torch.backends.mps.is_available():
        return torch.device("mps"), "the Apple GPU, the fastest device found"
    return torch.device("cpu"), f"{_cpu_words()}: no CUDA card or Apple GPU found"


def _require(available: bool, name: str, reason: str) -> None:
    if not available:
        raise InputError(f"The device {name!r} cannot be used: {reason}", "Use --device auto or --device cpu.")


def _cuda_words(index: int) -> str:
    memory = torch.cuda.get_device_properties(index).total_memory / 2**30
    return f"cuda:{index} ({torch.cuda.get_device_name(index)}, {memory:.0f} GB)"


def _cpu_words() -> str:
    precision = "bf16 instructions" if cpu_has_bf16() else "32-bit arithmetic"
    return f"the CPU ({platform.machine()}, {torch.get_num_threads()} threads, {precision})"
