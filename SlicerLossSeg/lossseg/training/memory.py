"""How much memory a training step may take on a device, and how the process keeps what a step freed."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

_GIB = 2**30
_CPU_SHARE = 0.5
_CPU_CEILING = 8.0
# Of glibc's malloc.h, and the largest values that its own adjustment reaches on 64 bits.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_USUAL_TRIM, _USUAL_MMAP = 2**26, 2**25
_KEPT = 2**31 - 1


def free_memory_gb(device: torch.device) -> float:
    """GiB that a training step may take: what a GPU has free, or half of what the computer has, at most 8 on a CPU.

    The ceiling on CPUs is for speed: a patch that takes more would take minutes per step.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / _GIB
    return min(_CPU_SHARE * psutil.virtual_memory().available / _GIB, _CPU_CEILING)


@contextmanager
def freed_memory_kept(device: torch.device) -> Iterator[None]:
    """Steps inside take again what the steps before them freed; afterwards it goes back to the system.

    glibc hands tensors of 32 MiB and more back at once, and the next step has them cleared page by page, which takes a
    fifth of a step on two patches of 96 x 96 x 96. Nothing happens on other devices and C libraries.
    """
    if device.type != "cpu" or platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    try:
        for option in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            library.mallopt(option, _KEPT)
        yield
    finally:
        library.mallopt(_M_MMAP_THRESHOLD, _USUAL_MMAP)
        library.mallopt(_M_TRIM_THRESHOLD, _USUAL_TRIM)
        library.malloc_trim(ctypes.c_size_t(0))
