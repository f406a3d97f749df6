"""The errors a person meets: one sentence that names the file or value, one hint that says what to do."""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """Kinds of the `error` event of the job protocol."""

    INPUT = "input"
    OUT_OF_MEMORY = "out_of_memory"
    MISSING_DEPENDENCY = "missing_dependency"
    DISK_FULL = "disk_full"
    CANCELLED = "cancelled"
    INTERNAL = "internal"

    @property
    def exit_code(self) -> int:
        """Process exit code: 2 for bad input, 130 for cancelled (as a shell does for an interrupt), else 1."""
        return {ErrorKind.INPUT: 2, ErrorKind.CANCELLED: 130}.get(self, 1)


class LossSegError(Exception):
    """An error with a sentence for the person (`message`) and a remedy (`hint`)."""

    kind = ErrorKind.INTERNAL

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class InputError(LossSegError, ValueError):
    """What was given cannot be used: the message names the file or value, the hint what to do."""

    kind = ErrorKind.INPUT


class OutOfMemory(LossSegError):
    """Every step of the out-of-memory ladder failed."""

    kind = ErrorKind.OUT_OF_MEMORY


class MissingDependency(LossSegError):
    """An optional package is needed; the hint names the extra that installs it."""

    kind = ErrorKind.MISSING_DEPENDENCY


class DiskFull(LossSegError):
    """A file could not be written for lack of space; nothing half-written is left."""

    kind = ErrorKind.DISK_FULL


class Cancelled(LossSegError):
    """The person asked to stop."""

    kind = ErrorKind.CANCELLED

    def __init__(self, message: str = "Cancelled.", hint: str = "") -> None:
        super().__init__(message, hint)
