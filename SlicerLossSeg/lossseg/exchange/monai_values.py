"""Values of a MONAI bundle's configuration, read as data: references are followed, nothing is imported or called.

A configuration is a program in general: `$...` is Python and `_target_` names what is to be called. Of expressions only
those are read that are made of constants, references, arithmetic, a choice between two values, `len` and the joining of
paths; they are computed here on the syntax tree. See MONAI's documentation, "Bundle configuration".
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lossseg.errors import InputError

_REFERENCE = re.compile(r"@(\w+(?:(?:#|::)\w+)*)")
_STEPS = re.compile("#|::")
_STAND_IN = "_reference_"
_LONGEST = 2000
_DEEPEST = 20
_MOST = 500
_HINT = "Write constants there in a copy of the bundle, or export the model in another way."

_OPERATORS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_JOINABLE = (str, list, tuple)


class _NotData(Exception):
    """An expression that would have to be executed."""


class Values:
    """The values of one configuration file.

    Args:
        content: the file's JSON object.
        path: it, for messages.
    """

    def __init__(self, content: Mapping[str, Any], path: Path) -> None:
        self.content, self.path = content, path
        self._looked_up = 0

    def __contains__(self, key: str) -> bool:
        return key in self.content

    def raw(self, key: str) -> Any:
        """What `key` holds, where it is no more than a reference what that refers to; parts of it are not looked at.

        Args:
            key: with # between steps: "inferer#roi_size".

        Raises:
            InputError: there is no such key.
        """
        return self.followed(self._at(key, key), key)

    def followed(self, value: Any, key: str) -> Any:
        """`value`, which `key` holds, or what it refers to if it is no more than a reference."""
        while isinstance(value, str) and (named := _REFERENCE.fullmatch(value.removeprefix("$"))):
            value = self._at(named[1], key)
        return value

    def constant(self, value: Any, key: str, depth: int = 0) -> Any:
        """`value`, which `key` holds, with all references followed and all expressions computed.

        Returns:
            numbers, words, true, false, None, and lists and dicts of them.

        Raises:
            InputError: something would have to be executed.
        """
        self._count(key, depth)
        if isinstance(value, list | tuple):
            return [self.constant(entry, f"{key}#{index}", depth + 1) for index, entry in enumerate(value)]
        if isinstance(value, Mapping):
            if "_target_" in value:
                raise InputError(f"{self.path}: {key} is what {value['_target_']} returns.", _HINT)
            return {name: self.constant(entry, f"{key}#{name}", depth + 1) for name, entry in value.items()}
        if not isinstance(value, str):
            return value
        named = _REFERENCE.fullmatch(value)
        if named:
            return self.constant(self._at(named[1], key), named[1], depth + 1)
        if value.startswith("$"):
            return self._computed(value, key, depth)
        if value.startswith("%") or "@" in value:
            raise InputError(f"{self.path}: {key} is {value!r}, which is not read.", _HINT)
        return value

    def _at(self, key: str, asked: str) -> Any:
        self._count(asked)
        value: Any = self.content
        for step in _STEPS.split(key):
            value = self.followed(value, asked)
            try:
                value = value[int(step)] if isinstance(value, list) else value[step]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                what = f"{self.path} has no {key}" + (f", to which {asked} refers." if key != asked else ".")
                raise InputError(what, "Restore the file from a copy.") from error
        return value

    def _count(self, key: str, depth: int = 0) -> None:
        """Ends what refers to itself, or to so much that reading it would not end."""
        self._looked_up += 1
        if depth > _DEEPEST or self._looked_up > _MOST:
            raise InputError(
                f"{self.path}: {key} refers to itself or to too many others.", "Restore the file from a copy."
            )

    def _computed(self, value: str, key: str, depth: int) -> Any:
        names: list[str] = []

        def stand_in(found: re.Match[str]) -> str:
            names.append(found[1])
            return f"{_STAND_IN}{len(names) - 1}"

        try:
            if len(value) > _LONGEST:
                raise _NotData
            tree = ast.parse(_REFERENCE.sub(stand_in, value[1:].strip()), mode="eval")
            return self._value(tree.body, names, key, depth + 1)
        except (_NotData, SyntaxError, ValueError, ArithmeticError, TypeError, LookupError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{self.path}: {key} is {_shortened(value)}, which would have to be executed.", _HINT
            ) from error

    def _value(self, node: ast.expr, names: list[str], key: str, depth: int) -> Any:
        def of(part: ast.expr) -> Any:
            return self._value(part, names, key, depth)

        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                return value
            case ast.Name(id=name) if name.startswith(_STAND_IN):
                named = names[int(name.removeprefix(_STAND_IN))]
                return self.constant(self._at(named, key), named, depth + 1)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [of(part) for part in parts]
            case ast.UnaryOp(op=ast.USub(), operand=part):
                return -_number(of(part))
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return not of(part)
            case ast.IfExp(test=test, body=chosen, orelse=other):
                return of(chosen) if of(test) else of(other)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
                first, second = of(left), of(right)
                # Adding also joins; to multiply a word or a list could make it as long as memory.
                if not (isinstance(sign, ast.Add) and isinstance(first, _JOINABLE) and type(first) is type(second)):
                    first, second = _number(first), _number(second)
                return _OPERATORS[type(sign)](first, second)
            case ast.Subscript(value=whole, slice=place):
                return of(whole)[of(place)]
            case ast.Call(func=ast.Name(id="len"), args=[whole], keywords=[]):
                return len(of(whole))
            case ast.Call(func=function, args=parts, keywords=[]) if ast.unparse(function) == "os.path.join":
                return "/".join(str(of(part)) for part in parts)
        raise _NotData


def _number(value: Any) -> int | float:
    if not isinstance(value, int | float):
        raise _NotData
    return value


def _shortened(value: str) -> str:
    return value if len(value) <= 80 else f"{value[:77]}..."
