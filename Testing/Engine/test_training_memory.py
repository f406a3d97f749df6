"""Freed memory is kept between the steps of a training on the CPU, and given back afterwards."""

from __future__ import annotations

import ctypes
import json
import platform
import subprocess
import sys

import pytest
import torch

from lossseg.training.memory import free_memory_gb, freed_memory_kept

CPU = torch.device("cpu")
GLIBC = platform.libc_ver()[0] == "glibc" and hasattr(ctypes.CDLL(None), "mallinfo2")

# How many pieces of memory come straight from the system, which takes them back when they are freed.
PROGRAM = """
import ctypes, json
import torch
from lossseg.training.memory import freed_memory_kept

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks a b c".split()]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Mallinfo
library.malloc.restype = ctypes.c_void_p
library.malloc.argtypes = [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]

def straight(size):
    before = library.mallinfo2().hblks
    taken = library.malloc(size)
    found = library.mallinfo2().hblks - before
    library.free(taken)
    return found

found = [straight(2**27)]
with freed_memory_kept(torch.device("cpu")):
    found.append(straight(2**28))
try:
    with freed_memory_kept(torch.device("cpu")):
        raise RuntimeError("stop")
except RuntimeError:
    found.append(straight(2**29))
with freed_memory_kept(torch.device("meta")):
    found.append(straight(2**29))
print(json.dumps(found))
"""


@pytest.mark.skipif(not GLIBC, reason="only glibc's malloc is asked to keep memory")
def test_large_tensors_come_from_kept_memory_within_the_block_only() -> None:
    output = subprocess.run([sys.executable, "-c", PROGRAM], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert json.loads(output) == [1, 0, 1, 1]


def test_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="stop"), freed_memory_kept(CPU):
        raise RuntimeError("stop")


def test_free_memory_is_a_share_of_what_there_is() -> None:
    assert 0 < free_memory_gb(CPU) <= 8
