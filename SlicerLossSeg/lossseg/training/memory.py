"""How much memory a training step may take on a device."""

from __future__ import annotations

import psutil
import torch

_GIB = 2**30
_CPU_SHARE = 0.5
_CPU_CEILING = 8.0


def free_memory_gb(device: torch.device) -> float:
    """GiB that a training step may take: what a GPU has free, or half of what the computer has, at most 8 on a CPU.

    The ceiling on CPUs is for speed: a patch that takes more would take minutes per step.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / _GIB
    return min(_CPU_SHARE * psutil.virtual_memory().available / _GIB, _CPU_CEILING)
