"""Frozen dataclasses from JSON values and back, with errors that a person can act on."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from lossseg.errors import InputError

T = TypeVar("T")


def parse(cls: type[T], record: Any, where: str) -> T:
    """An instance of the dataclass `cls` from a JSON object.

    Field types may be str, int, float, bool, Path, Literal, str enums, tuples, dict[str, ...], Any and unions of those
    with None. A field's metadata may bound a number by `low` and `high`.

    Args:
        where: what `record` is, for messages: "job `train`".

    Raises:
        InputError: a field is unknown (the nearest known one is named), missing, of a wrong type or out of range.
    """
    if not isinstance(record, Mapping):
        raise InputError(f"{where}: expected an object with fields, not {record!r}.", "Write it as {...}.")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in record:
        if name not in fields:
            raise InputError(f"{where}: there is no `{name}`.", suggest(str(name), fields))
    hints = typing.get_type_hints(cls)
    values = {}
    for name, field in fields.items():
        if name in record:
            values[name] = convert(record[name], hints[name], f"{where}: `{name}`", field.metadata)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{where}: `{name}` is missing.", field.metadata.get("help", ""))
    return cls(**values)


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint that names the known name nearest to `name`, or all of them when none is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(sorted(known))}."


def convert(value: Any, kind: Any, where: str, metadata: Mapping[str, Any] = types.MappingProxyType({})) -> Any:
    """`value` as `kind`, which is one of the types that `parse` allows.

    Raises:
        InputError: it is not.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _one_of(value, arguments, where, metadata)
    if origin is Literal:
        if value not in arguments:
            raise InputError(f"{where} cannot be {value!r}.", suggest(str(value), map(str, arguments)))
        return value
    if origin is tuple:
        return _tuple(value, arguments, where, metadata)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _wrong(where, "an object", value)
        return {str(key): convert(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    return _bounded(_plain(value, kind, where), where, metadata)


def _one_of(value: Any, kinds: tuple[Any, ...], where: str, metadata: Mapping[str, Any]) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    errors = []
    for kind in kinds:
        if kind is types.NoneType:
            continue
        try:
            return convert(value, kind, where, metadata)
        except InputError as error:
            errors.append(error)
    raise errors[0]


def _tuple(value: Any, kinds: tuple[Any, ...], where: str, metadata: Mapping[str, Any]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(where, "a list", value)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise InputError(f"{where} must have {len(kinds)} values, not {len(value)}.", metadata.get("help", ""))
    return tuple(convert(item, kind, where, metadata) for item, kind in zip(value, kinds, strict=True))


def _plain(value: Any, kind: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        known = [str(member.value) for member in kind]
        if str(value) not in known:
            raise InputError(f"{where} cannot be {value!r}.", suggest(str(value), known))
        return kind(value)
    if kind is Path:
        if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
            raise _wrong(where, "a path", value)
        return Path(value)
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _wrong(where, "a number", value)
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    words = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _wrong(where, words.get(kind, kind.__name__), value)
    return value


def _bounded(value: Any, where: str, metadata: Mapping[str, Any]) -> Any:
    low, high = metadata.get("low"), metadata.get("high")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if low is not None and value < low:
        raise InputError(f"{where} must be at least {low}, not {value}.", metadata.get("help", ""))
    if high is not None and value > high:
        raise InputError(f"{where} must be at most {high}, not {value}.", metadata.get("help", ""))
    return value


def _wrong(where: str, expected: str, value: Any) -> InputError:
    return InputError(f"{where} must be {expected}, not {value!r}.", "Correct the value and start again.")


def jsonable(value: Any) -> Any:
    """`value` in JSON's own terms: NaN and infinities become None, paths and enums text, dataclasses objects,
    tuples and numpy arrays lists, numpy numbers numbers."""
    if value is None or (isinstance(value, str | bool) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return jsonable(value.value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, Iterable):
        return [jsonable(item) for item in value]
    return str(value)
