"""What goes wrong with an engine process, in one sentence and a hint."""

from __future__ import annotations

import re
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import Cancelled, ErrorKind, InputError, LossSegError, MissingDependency, OutOfMemory
from lossseg.jobs.events import Failed

_KILLED_BY_SYSTEM = (9, -9, 137)
"""Exit codes of a process that was ended by SIGKILL: of Qt, of Python, and of a shell or launcher in between."""


_ERRORS: dict[ErrorKind, type[LossSegError]] = {
    ErrorKind.INPUT: InputError,
    ErrorKind.OUT_OF_MEMORY: OutOfMemory,
    ErrorKind.MISSING_DEPENDENCY: MissingDependency,
    ErrorKind.CANCELLED: Cancelled,
}


def as_error(failure: Failed) -> LossSegError:
    """As an exception of its kind."""
    return _ERRORS.get(failure.kind, LossSegError)(failure.message, failure.hint)


def of_job(job: Any) -> LossSegError:
    """Why a job that is over did not finish, as an exception."""
    return Cancelled() if job.failure is None else as_error(job.failure)


def of_end(code: int, crashed: bool, log: str) -> Failed:
    """Why a process ended by itself, from its exit code and the end of its log."""
    if code in _KILLED_BY_SYSTEM:
        return killed()
    return lacking(log) or broken(code, crashed)


def not_started(program: str) -> Failed:
    message = _("The engine could not be started: {program} is missing or may not be run.").format(program=program)
    return Failed(ErrorKind.INTERNAL, message, _("Install Slicer anew, or check its permissions."))


def from_exception(error: Exception) -> Failed:
    if isinstance(error, LossSegError):
        return Failed(error.kind, error.message, error.hint)
    return Failed(ErrorKind.INTERNAL, f"{type(error).__name__}: {error}", _("See the details."))


def killed() -> Failed:
    return Failed(
        ErrorKind.OUT_OF_MEMORY,
        _("The system ended the engine, most likely because the memory was used up."),
        _("Choose a region of interest, fewer models, or close other programs, and try again."),
    )


def lacking(log: str) -> Failed | None:
    """The engine cannot even begin without some packages; Python then says so on stderr."""
    found = re.findall(r"ModuleNotFoundError: No module named '([\w.]+)'", log)
    if not found:
        return None
    message = _("The package {name} is not installed.").format(name=found[-1].partition(".")[0])
    return Failed(ErrorKind.MISSING_DEPENDENCY, message, _("Press Set up, which installs what is missing."))


def broken(code: int, crashed: bool) -> Failed:
    message = _("The engine crashed.") if crashed else _("The engine ended with exit code {code}.").format(code=code)
    return Failed(ErrorKind.INTERNAL, message, _("The end of its log is in the details."))


def silent() -> Failed:
    return Failed(
        ErrorKind.INTERNAL,
        _("The engine ended without saying that it finished, so its result was not loaded."),
        _("The end of its log is in the details."),
    )
