"""What a kind of job is: its parameters, the function that does it, and the words that describe it to a person."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.files import read_json
from lossseg.jobs.typed import parse, suggest
from lossseg.keeping import Keeper
from lossseg.reporting import Reporter

Summary = dict[str, Any]


@dataclass(frozen=True)
class Action:
    """A kind of job. The command line makes a command of it, `lossseg run` and `lossseg serve` find it by `kind`.

    `params` is a frozen dataclass whose fields are made by `argument` and `option`; `run(params, reporter)` returns the
    summary that the `finished` event carries. `device(params)` names the device that was asked for, where one is used.
    `failed(summary)` says whether a part of the work failed: the job ends with `finished` and exit code 1 then.
    `keeping(params, reporter, keeper)` does the same as `run` in a process that stays, where what a job read or made
    can be kept for the next one; None where nothing is.
    """

    kind: str
    title: str
    params: type[Any]
    run: Callable[[Any, Reporter], Summary]
    examples: tuple[str, ...]
    details: str = ""
    device: Callable[[Any], str] | None = None
    failed: Callable[[Summary], bool] = lambda summary: False
    keeping: Callable[[Any, Reporter, Keeper], Summary] | None = None


def argument(help: str, *, default: Any = dataclasses.MISSING, name: str = "") -> Any:
    """A field that the command line takes by position; `name` is what its help calls it."""
    return _field(default, {"help": help, "argument": True, "name": name})


def option(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    flags: tuple[str, ...] = (),
    metavar: str = "",
    shown: str = "",
) -> Any:
    """A field that the command line takes by name.

    Args:
        help: what it does, with its unit.
        low, high: the allowed range of a number, ends included.
        flags: names on the command line where they differ from the field's.
        metavar: how the value is written.
        shown: the default in words, where None stands for something.
    """
    metadata = {"help": help, "low": low, "high": high, "flags": flags, "metavar": metavar, "shown": shown}
    return _field(default, metadata)


def _field(default: Any, metadata: dict[str, Any]) -> Any:
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Job:
    """One job: its kind, its parameters, and an id where answers must be told apart."""

    action: Action
    params: Any
    id: str | None = None


def parse_job(record: Any, actions: dict[str, Action], folder: Path | None = None) -> Job:
    """The job in a JSON object `{"job": "predict", "params": {...}, "id": "7"}` (params and id may be left out).

    Args:
        folder: what relative paths in the parameters are relative to (None: the current folder).

    Raises:
        InputError: the job's kind or a parameter is unknown, missing or of a wrong type.
    """
    if not isinstance(record, dict):
        raise InputError("A job must be a JSON object.", 'For instance {"job": "doctor"}.')
    for name in record:
        if name not in ("job", "params", "id"):
            raise InputError(f"There is no `{name}` in a job.", suggest(name, ("job", "params", "id")))
    kind = record.get("job")
    if not isinstance(kind, str):
        raise InputError("The job has no field `job` with its kind.", f"Known: {', '.join(actions)}.")
    if kind not in actions:
        raise InputError(f"There is no job `{kind}`.", suggest(kind, actions))
    action = actions[kind]
    params = parse(action.params, record.get("params", {}), f"job `{kind}`")
    return Job(action, params if folder is None else _beside(params, folder), identity(record))


def identity(record: Any) -> str | None:
    """The id that a job's JSON object carries, as text, or None."""
    value = record.get("id") if isinstance(record, dict) else None
    return None if value is None else str(value)


def read_job(path: Path, actions: dict[str, Action]) -> Job:
    """The job in the file `path`; relative paths in it are relative to the file's folder, so a study can be moved.

    Raises:
        InputError: the file is missing, no JSON, or no job.
    """
    return parse_job(read_json(path), actions, Path(path).resolve().parent)


def _beside(params: Any, folder: Path) -> Any:
    def place(value: Any) -> Any:
        if isinstance(value, Path):
            return folder / value
        if isinstance(value, tuple):
            return tuple(place(item) for item in value)
        if isinstance(value, dict):
            return {key: place(item) for key, item in value.items()}
        return value

    changed = {field.name: place(getattr(params, field.name)) for field in dataclasses.fields(params)}
    return dataclasses.replace(params, **changed)
