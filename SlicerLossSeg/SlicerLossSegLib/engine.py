"""Where the engine is, and how one of its jobs is started."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

MODULE_FOLDER = Path(__file__).resolve().parents[1]
"""The folder that holds `lossseg`."""


@dataclass(frozen=True)
class Command:
    """A program with its arguments, one list entry each, and its whole environment."""

    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def interpreter() -> str:
    """The Python that runs the engine: Slicer's own. Tests put another function in its place."""
    found = shutil.which("PythonSlicer")
    if found:
        return found
    beside = Path(slicer.app.slicerHome) / "bin" / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
    return str(beside) if beside.exists() else sys.executable


def environment() -> dict[str, str]:
    """The environment that Slicer was started in; in it the engine is found and prints UTF-8, line by line."""
    variables = {str(name): str(value) for name, value in slicer.util.startupEnvironment().items()}
    others = variables.get("PYTHONPATH", "")
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(MODULE_FOLDER), others)))
    variables["PYTHONUNBUFFERED"] = "1"
    variables["PYTHONIOENCODING"] = "utf-8"
    return variables


def command(job_file: Path) -> Command:
    """The command that does the job in `job_file`."""
    return Command(interpreter(), ("-m", "lossseg", "run", str(job_file)), environment())


def serve_command() -> Command:
    """The command of a process that answers one job per line, see `lossseg.jobs.serve`."""
    # What a question does not need is not loaded for it: the first answer comes seconds earlier. Idle threads wait
    # without spinning: the application's own need the cores between two questions.
    quiet = {**environment(), "OMP_WAIT_POLICY": "PASSIVE"}
    return Command(interpreter(), ("-m", "lossseg", "serve", "--no-preload"), quiet)


def write_job(folder: Path, kind: str, parameters: Mapping[str, Any]) -> Path:
    """Write FOLDER/job.json and return its path. Paths among the parameters must be absolute."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "job.json"
    record = job_record(kind, parameters)
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def job_record(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A job as the engine reads it, from a file or a line."""
    return {"job": kind, "params": {name: _plain(value) for name, value in parameters.items()}}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return str(value) if isinstance(value, Path) else value
