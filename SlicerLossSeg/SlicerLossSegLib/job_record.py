"""The engine's job that a run was started with, as its folder keeps it in job.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.files import read_json

_JOB = "job.json"


def job_parameters(folder: Path) -> dict[str, Any]:
    """The parameters of the job of the run STUDY/runs/NAME; paths in the study lead to where the study is now.

    The file holds absolute paths. The study may have been moved, renamed or mounted elsewhere since.

    Raises:
        InputError: job.json is missing or damaged.
    """
    path = folder / _JOB
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("params"), dict):
        raise InputError(_("{path} is damaged.").format(path=path), _("Move the folder away."))
    parameters = dict(record["params"])
    before, now = _study_then(parameters, folder), folder.parent.parent
    return {name: _moved(value, before, now) for name, value in parameters.items()}


def where_now(path: Path, folder: Path) -> Path:
    """`path`, which was kept when the run in `folder` began, as it is after the study was moved."""
    try:
        record = read_json(folder / _JOB)
        before = _study_then(record["params"], folder)
    except (InputError, KeyError, TypeError, AttributeError):
        return path
    return Path(_moved(str(path), before, folder.parent.parent))


def _study_then(parameters: Mapping[str, Any], folder: Path) -> Path:
    """The study's folder when the run began: its output lies in STUDY/runs/NAME."""
    out = Path(str(parameters.get("out", "")))
    run = next((place for place in (out, *out.parents) if place.name == folder.name), folder)
    return run.parent.parent


def _moved(value: Any, before: Path, now: Path) -> Any:
    if isinstance(value, str) and value and before != now and Path(value).is_relative_to(before):
        return str(now / Path(value).relative_to(before))
    return value
