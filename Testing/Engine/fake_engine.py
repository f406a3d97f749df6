"""The command line with jobs that misbehave in one way each, for the tests of the job protocol."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import lossseg.cli.app
from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.jobs.actions import ACTIONS
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class FakeParams:
    what: str = argument("How it behaves.", default="fine")
    seconds: float = option(0.0, "How long it takes.", low=0, high=60)
    file: Path = option(Path("here"), "A path.")


def run(params: FakeParams, reporter: Reporter) -> Summary:
    reporter.progress("fake", 0, 1)
    end = time.monotonic() + params.seconds
    while time.monotonic() < end:
        reporter.check()
        time.sleep(0.01)
    _DO[params.what](reporter)
    reporter.progress("fake", 1, 1)
    return {"what": params.what, "undefined": float("nan"), "file": params.file}


def _noisy(reporter: Reporter) -> None:
    print("from print")
    sys.stdout.write("from sys.stdout\n")
    os.write(1, b"from the descriptor\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"from C")
    libc.fflush(None)
    subprocess.run(["echo", "from a child"], check=True)


def _bad_input(reporter: Reporter) -> None:
    raise InputError("scan.nii.gz is no image.", "Give another file.")


def _crash(reporter: Reporter) -> None:
    raise ZeroDivisionError("a bug")


def _memory(reporter: Reporter) -> None:
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried 9 GB"
    )


def _disk(reporter: Reporter) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/data/out.nii.gz")


def _missing(reporter: Reporter) -> None:
    import package_that_is_not_there  # noqa: F401


def _nan(reporter: Reporter) -> None:
    reporter.metric("loss", 3, float("nan"), "training")
    reporter.metric("dice", 3, float("inf"))
    reporter.warning("Odd “text”.", "Fine.")
    reporter.artifact("label", Path("späces and accénts.nii.gz"))


_DO = {
    "fine": lambda reporter: None,
    "noisy": _noisy,
    "bad_input": _bad_input,
    "crash": _crash,
    "memory": _memory,
    "disk": _disk,
    "missing": _missing,
    "nan": _nan,
}

FAKE = Action("fake", "Misbehave.", FakeParams, run, ("lossseg fake crash",))

if __name__ == "__main__":
    lossseg.cli.app.make_app({**ACTIONS, "fake": FAKE})()
