"""Writing files so that each is complete or absent: write beside, fsync, rename."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lossseg.errors import DiskFull, InputError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a sibling path to write to; on success it takes the place of `path`, on failure it is removed.

    The sibling keeps the whole ending of `path` (`.nii.gz`), for writers that choose a format by it.

    Raises:
        InputError: the folder cannot be created or written to.
        DiskFull: the disk has no room; nothing half-written is left.
    """
    path = Path(path)
    beside = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise translate(error, path) from error
    finally:
        # What went wrong before is the error to show, even if nothing can be removed either.
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path` to fill; on success it becomes `path`, which must not be there, else it goes.

    Raises:
        InputError, DiskFull: as `atomic`.
    """
    path = Path(path)
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        yield beside
        beside.chmod(0o755)
        os.replace(beside, path)
    except OSError as error:
        raise translate(error, path) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def translate(error: OSError, path: Path) -> Exception:
    """The error a person understands for an operating-system error on writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"No room left on the disk to write {path}.", "Free some space and run the command again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(f"No permission to write {path}.", "Choose another folder or change its permissions.")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return InputError(f"{path.parent} is not a folder.", "Choose another folder for the results.")
    return error


def write_text(path: Path, text: str) -> None:
    with atomic(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any] | list[Any]) -> None:
    """Write `value` as indented JSON. NaN is not JSON: callers turn undefined values into None."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises:
        InputError: the file is missing or is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", "Check the path.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON ({error}).", "Restore it from a copy or write it anew.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from error


def from_here(path: Path, folder: Path) -> str | None:
    """The way from `folder` to `path`, with `/`, to be kept beside the absolute path; None on another drive."""
    try:
        return Path(os.path.relpath(Path(path).absolute(), Path(folder).absolute())).as_posix()
    except ValueError:
        return None


def found(path: Path, way: str | None, folder: Path) -> Path:
    """`path`, or what lies the same `way` from `folder` now, when both were moved or mounted elsewhere.

    Args:
        way: as `from_here` gave it; None when it was not kept.
    """
    if way is None:
        return path
    places = (Path(path), Path(os.path.normpath(Path(folder).absolute() / way)))
    for exists in (Path.exists, lambda place: place.parent.exists()):
        for place in places:
            if exists(place):
                return place
    return path
