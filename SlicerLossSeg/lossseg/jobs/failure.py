"""Which `error` event an exception becomes."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from lossseg.errors import ErrorKind, LossSegError
from lossseg.files import translate
from lossseg.jobs.events import Failed

_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|bad_alloc|Cannot allocate memory", re.I)
# The last is what numpy says of a file that it could write in part only.
_SPACE = re.compile(r"no space left on device|disk quota exceeded|\d+ requested and \d+ written", re.I)
_EXTRAS = {"matplotlib": "report", "openvino": "openvino", "ray": "ray", "cma": "learn"}
_LESS_DISK = "Free some space and start again."
_LESS_MEMORY = "Use a smaller batch or patch, a region of interest, or a machine with more memory."


def describe(error: BaseException) -> Failed:
    """The `error` event for an exception that ended a job: its kind, one sentence, and what to do."""
    if isinstance(error, LossSegError):
        return Failed(error.kind, error.message, error.hint)
    if isinstance(error, KeyboardInterrupt | BrokenPipeError):
        return Failed(ErrorKind.CANCELLED, "Cancelled.")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Failed(ErrorKind.OUT_OF_MEMORY, f"Out of memory: {_sentence(error)}", _LESS_MEMORY)
    if isinstance(error, OSError) and error.filename is not None:
        return _file_error(error)
    if (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or _SPACE.search(str(error)):
        return Failed(ErrorKind.DISK_FULL, f"No room left on the disk: {_sentence(error)}", _LESS_DISK)
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("lossseg"):
        return Failed(
            ErrorKind.MISSING_DEPENDENCY, f"The package {error.name} is not installed.", install_hint(error.name)
        )
    if isinstance(error, RuntimeError | OSError) and _MEMORY.search(str(error)):
        return Failed(ErrorKind.OUT_OF_MEMORY, f"Out of memory: {_sentence(error)}", _LESS_MEMORY)
    return Failed(
        ErrorKind.INTERNAL,
        f"Something unexpected happened ({type(error).__name__}): {_sentence(error)}",
        "Start it again with --debug, and report what it shows.",
    )


def install_hint(module: str) -> str:
    """The command that installs what `import module` needs."""
    package = module.split(".")[0]
    if package in _EXTRAS:
        return f'Install it: pip install "lossseg[{_EXTRAS[package]}]"'
    names = {"cc3d": "connected-components-3d"}
    return f"Install it: pip install {names.get(package, package)}"


def _file_error(error: OSError) -> Failed:
    path = Path(str(error.filename))
    meant = translate(error, path)
    if isinstance(meant, LossSegError):
        return Failed(meant.kind, meant.message, meant.hint)
    if isinstance(error, FileNotFoundError):
        return Failed(ErrorKind.INPUT, f"{path} does not exist.", "Check the path.")
    if isinstance(error, IsADirectoryError):
        return Failed(ErrorKind.INPUT, f"{path} is a folder, not a file.", "Name a file.")
    return Failed(ErrorKind.INTERNAL, f"{path}: {error.strerror or error}.", "Check the file and the disk it lies on.")


def _sentence(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if text.endswith((".", "!", "?")) else text + "."
