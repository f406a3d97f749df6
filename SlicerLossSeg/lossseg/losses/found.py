"""Files of found losses: JSON, read without executing anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.files import write_json

MAX_BYTES = 1 << 20
_VERSION = 1
_REMEDY = "Restore it from a copy or search for a loss anew."


def write_found(path: Path, kind: str, value: Mapping[str, Any]) -> None:
    """Write a found loss of a kind ("glo", "ml3"), complete or not at all."""
    write_json(path, {"format": f"lossseg-{kind}", "version": _VERSION, **value})


def read_found(path: Path, kind: str) -> Mapping[str, Any]:
    """The JSON object in a found loss's file.

    Raises:
        InputError: the file is missing, too large, damaged, of another kind or of a newer engine.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.", "Check the path of the found loss in the expression.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from error
    if len(text) > MAX_BYTES:
        raise InputError(f"{path} is too large for a found loss.", "Choose the file that the search wrote.")
    try:
        value = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({type(error).__name__}).", _REMEDY) from error
    if not isinstance(value, dict) or value.get("format") != f"lossseg-{kind}":
        raise InputError(f"{path} is not the file of a loss found by {kind}.", f"Choose a file for {kind}(...).")
    version = value.get("version")
    if not isinstance(version, int) or version > _VERSION:
        raise InputError(f"{path} was written by a newer engine.", "Update lossseg.")
    return value
