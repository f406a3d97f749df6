"""From a job's parameters to a command's arguments and options, and from what was typed back to parameters."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import typer

from lossseg.errors import InputError

Metadata = typing.Mapping[str, Any]


def parameters(cls: type[Any]) -> list[inspect.Parameter]:
    """The parameters of a command function for the dataclass `cls`: typer makes arguments and options of them."""
    hints = typing.get_type_hints(cls)
    return [_parameter(field, hints[field.name]) for field in dataclasses.fields(cls)]


def typed_values(cls: type[Any], typed: dict[str, Any]) -> dict[str, Any]:
    """What typer gave, in the form that a job's JSON has; what was not typed is left out.

    Raises:
        InputError: a text has not the form that its option's help shows.
    """
    hints = typing.get_type_hints(cls)
    record: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        value = typed[field.name]
        if value is None or (isinstance(value, list | tuple) and not value):
            continue
        record[field.name] = _from_typed(value, hints[field.name], flag(field))
    return record


def flag(field: dataclasses.Field[Any]) -> str:
    """How the command line names the field: its option, or its argument in capitals."""
    if field.metadata.get("argument"):
        return field.metadata.get("name") or field.name.upper()
    flags = field.metadata.get("flags")
    return flags[0] if flags else "--" + field.name.replace("_", "-")


def _parameter(field: dataclasses.Field[Any], hint: Any) -> inspect.Parameter:
    metadata = field.metadata
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    kind, default = _typer_kind(hint), (... if required else _typer_default(field))
    info: Any
    if metadata.get("argument"):
        info = typer.Argument(help=metadata["help"], metavar=_metavar(field, kind), show_default=False)
    else:
        names = [flag(field)]
        if kind in (bool, bool | None) and field.default is not False:
            names = [f"{flag(field)}/--no-{flag(field)[2:]}"]
        shown = metadata.get("shown") or not (default is None or default is False)
        info = typer.Option(*names, help=metadata["help"], metavar=metadata.get("metavar") or None, show_default=shown)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if required else default,
        annotation=Annotated[kind, info],
    )


def _metavar(field: dataclasses.Field[Any], kind: Any) -> str:
    name = field.metadata.get("name") or field.name.upper()
    return f"{name}..." if typing.get_origin(kind) is list else name


def _typer_default(field: dataclasses.Field[Any]) -> Any:
    default = None if field.default is dataclasses.MISSING else field.default
    return list(default) if default == () else default


def _typer_kind(hint: Any) -> Any:
    """The type that typer is told: several values of one field come as a list, odd forms as text."""
    hint, optional = _without_none(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    kind: Any = hint
    if origin in (Union, types.UnionType):
        kind = next((_typer_kind(each) for each in arguments if typing.get_origin(each) is tuple), str)
    elif origin is dict:
        return list[str] | None
    elif origin is Literal and not all(isinstance(each, str) for each in arguments):
        kind = type(arguments[0])
    elif origin is tuple and arguments[-1] is Ellipsis:
        # Paths and texts may be repeated, texts may hold commas themselves; numbers are one text with commas.
        kind = {Path: list[Path], str: list[str]}.get(arguments[0], str)
    return kind | None if optional else kind


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    kinds = [each for each in typing.get_args(hint) if each is not types.NoneType]
    optional = len(kinds) < len(typing.get_args(hint))
    return (kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]), optional  # noqa: UP007  (built at run time)


def _from_typed(value: Any, hint: Any, where: str) -> Any:
    hint, _ = _without_none(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        if isinstance(value, list):
            return value[0] if len(value) == 1 else value
        return int(value) if int in arguments and value.lstrip("-").isdigit() else value
    if origin is tuple and isinstance(value, str):
        return [_number(text, arguments[0], where) for text in value.split(",")]
    if origin is dict:
        return dict(_named(text, arguments[1], where) for text in value)
    return value


def _named(text: str, hint: Any, where: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise InputError(f"{where} cannot read {text!r}.", "Write it as NAME=VALUE.")
    if typing.get_origin(hint) is tuple:
        return name, [_number(part, typing.get_args(hint)[0], where) for part in value.split(":")]
    return name, value


def _number(text: str, kind: type[Any], where: str) -> Any:
    try:
        return kind(text.strip())
    except ValueError as error:
        words = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{where} cannot read {text!r}.", f"Write {words} as its help shows.") from error
