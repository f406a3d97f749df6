"""The job protocol: what an engine process says, one JSON object per line on stdout.

This file is the protocol's schema: the engine writes with `to_line`, the Slicer side and the tests read with
`from_line`. It needs nothing but the standard library. A line is an object with `event`, the fields of that event's
class, and `id` where the job had one (`lossseg serve`).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lossseg.errors import ErrorKind, InputError
from lossseg.jobs.typed import jsonable, parse, suggest


@dataclass(frozen=True)
class Started:
    """The job was understood and begins; `reason` says why `device` was chosen."""

    event: ClassVar[str] = "started"
    job: str
    engine: str
    device: str
    reason: str


@dataclass(frozen=True)
class Progress:
    """`done` of `total` items of `stage`; `eta_s` is the remaining time of the stage in seconds, None where unknown."""

    event: ClassVar[str] = "progress"
    stage: str
    done: int
    total: int
    eta_s: float | None = None


@dataclass(frozen=True)
class Metric:
    """One point of a live curve; `value` is None where undefined, `series` tells curves of one name apart."""

    event: ClassVar[str] = "metric"
    name: str
    step: int
    value: float | None
    series: str = ""


@dataclass(frozen=True)
class Artifact:
    """A file or folder that is complete on disk."""

    event: ClassVar[str] = "artifact"
    kind: str
    path: str


@dataclass(frozen=True)
class Warned:
    """Something a person should know; the job goes on."""

    event: ClassVar[str] = "warning"
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Failed:
    """The job's last event when it did not succeed."""

    event: ClassVar[str] = "error"
    kind: ErrorKind
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Finished:
    """The job's last event when it succeeded; `summary` has the fields that the job's kind documents."""

    event: ClassVar[str] = "finished"
    summary: dict[str, Any] = field(default_factory=dict)


Event = Started | Progress | Metric | Artifact | Warned | Failed | Finished
KINDS: dict[str, type[Event]] = {
    kind.event: kind for kind in (Started, Progress, Metric, Artifact, Warned, Failed, Finished)
}


def to_line(event: Event, job_id: str | None = None) -> str:
    """The line for `event`, without line end. ASCII only and never NaN, so that every reader and encoding takes it."""
    record = {"event": event.event} | ({} if job_id is None else {"id": job_id}) | jsonable(event)
    return json.dumps(record, allow_nan=False)


def from_line(line: str) -> tuple[Event, str | None]:
    """The event on `line` and the id of its job (None where it had none).

    Raises:
        InputError: the line is no event of this protocol.
    """
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"No event: {line.strip()[:200]!r}.", "A line of the job protocol is one JSON object."
        ) from error
    if not isinstance(record, dict) or not isinstance(record.get("event"), str):
        raise InputError(f"No event: {line.strip()[:200]!r}.", "An event has the field `event`.")
    name, job_id = record.pop("event"), record.pop("id", None)
    if name not in KINDS:
        raise InputError(f"There is no event `{name}`.", suggest(name, KINDS))
    return parse(KINDS[name], record, f"event `{name}`"), job_id


def is_last(event: Event) -> bool:
    """Whether no event of the same job follows."""
    return isinstance(event, Failed | Finished)


def fields_of(name: str) -> tuple[str, ...]:
    """The names of the fields that the event `name` carries besides `event` and `id`."""
    return tuple(item.name for item in dataclasses.fields(KINDS[name]))
