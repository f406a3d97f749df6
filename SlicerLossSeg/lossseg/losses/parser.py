"""From the text of a loss expression to its tree. The text is taken apart with `ast`; nothing of it is executed."""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Iterable

from lossseg.errors import InputError
from lossseg.losses.catalogue import Catalogue, Entry, Kind, Parameter, Value
from lossseg.losses.tree import Part, Sum, Term

MAX_LENGTH = 1000
MAX_DEPTH = 8
EXAMPLES = "Write names of losses joined by +, as dice + ce, 0.5*dice + 0.5*iw(bce) or dice + topk(k=0.1)."


def parse(expression: str, catalogue: Catalogue) -> Sum:
    """The tree of `expression`.

    An expression is a sum of terms with positive factors: `dice + 0.5*iw(focal(gamma=2))`. Parameters are given by
    name, losses inside a term by position.

    Raises:
        InputError: the text is no expression, or names what the catalogue does not have or does not allow.
    """
    if not isinstance(expression, str) or not expression.strip():
        raise InputError(f"The loss expression is empty or no text ({expression!r}).", EXAMPLES)
    if len(expression) > MAX_LENGTH:
        raise InputError(f"The loss expression has {len(expression)} characters.", f"At most {MAX_LENGTH} are allowed.")
    return _Reader(expression, catalogue).read()


class _Reader:
    def __init__(self, expression: str, catalogue: Catalogue) -> None:
        self._text, self._catalogue = " ".join(expression.split()), catalogue

    def read(self) -> Sum:
        if "#" in self._text:
            raise self._error("it contains '#'")
        if "\\" in self._text:
            raise InputError(
                f"'{self._text}' is no loss expression: it contains '\\'.", "Write / in the path of a file."
            )
        try:
            tree = ast.parse(self._text, mode="eval").body
        except SyntaxError as error:
            place = self._text[max((error.offset or 1) - 1, 0) :][:20]
            raise self._error(f"it cannot be read at '{place}'" if place else "it ends too early") from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._error("it cannot be read") from error
        try:
            return Sum(self._sum(tree, 1.0, 0))
        except RecursionError as error:
            raise self._error("it is nested too deep") from error

    def _sum(self, node: ast.expr, factor: float, depth: int) -> tuple[Part, ...]:
        """The parts of `factor * node`. A chain of + leans to the left, so it is walked, not recursed into."""
        if depth > MAX_DEPTH:
            raise self._error(f"it is nested more than {MAX_DEPTH} deep")
        backwards: list[tuple[Part, ...]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            backwards.append(self._product(node.right, factor, depth))
            node = node.left
        backwards.append(self._product(node, factor, depth))
        return tuple(part for parts in reversed(backwards) for part in parts)

    def _product(self, node: ast.expr, factor: float, depth: int) -> tuple[Part, ...]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._sum(node, factor, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            left, right = self._constant(node.left), self._constant(node.right)
            if left is not None and right is None:
                return self._product(node.right, self._factor(factor, left), depth + 1)
            if right is not None and left is None:
                return self._product(node.left, self._factor(factor, right), depth + 1)
            raise self._error(f"'{self._piece(node)}' multiplies no number with a loss")
        return self._preset_or_term(node, factor, depth)

    def _preset_or_term(self, node: ast.expr, factor: float, depth: int) -> tuple[Part, ...]:
        if depth > MAX_DEPTH:
            raise self._error(f"it is nested more than {MAX_DEPTH} deep")
        name, arguments, keywords = self._named(node)
        entry = self._entry(name)
        if entry.stands_for:
            if arguments or keywords:
                raise InputError(f"{name} takes nothing in parentheses.", f"It stands for {entry.stands_for}.")
            known = parse(entry.stands_for, self._catalogue)
            return tuple(Part(self._factor(factor, part.factor), part.term) for part in known.parts)
        return (Part(factor, Term(name, self._parameters(entry, keywords), self._inside(entry, arguments, depth))),)

    def _named(self, node: ast.expr) -> tuple[str, list[ast.expr], list[ast.keyword]]:
        if isinstance(node, ast.Name):
            return node.id, [], []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node.func.id, node.args, node.keywords
        if isinstance(node, ast.BinOp | ast.UnaryOp) and self._value(node) is None:
            raise self._error(
                f"in '{self._piece(node)}' losses are joined by something other than + and a positive factor"
            )
        if self._constant(node) is not None:
            raise self._error(f"the number {self._piece(node)} stands without a loss")
        raise self._error(f"'{self._piece(node)}' is no loss")

    def _entry(self, name: str) -> Entry:
        if name in self._catalogue:
            return self._catalogue[name]
        raise InputError(
            f"There is no loss '{name}' (in '{self._text}').",
            _suggest(name, self._catalogue, "`lossseg losses` lists all."),
        )

    def _parameters(self, entry: Entry, keywords: list[ast.keyword]) -> tuple[tuple[str, Value], ...]:
        given: dict[str, Value] = {}
        for keyword in keywords:
            if keyword.arg is None:
                raise self._error(f"{entry.name}: '**' is not allowed")
            parameter = entry.parameter(keyword.arg)
            if parameter is None:
                known = [parameter.name for parameter in entry.parameters]
                hint = _suggest(keyword.arg, known) if known else f"{entry.name} takes no parameters."
                raise InputError(f"{entry.name} has no parameter '{keyword.arg}'.", hint)
            if keyword.arg in given:
                raise InputError(f"{entry.name}: parameter '{keyword.arg}' is given twice.", "Give it once.")
            value = self._word(keyword.value, parameter) or self._value(keyword.value)
            given[keyword.arg] = parameter.check(entry.name, self._piece(keyword.value) if value is None else value)
        return tuple(
            (parameter.name, given[parameter.name]) for parameter in entry.parameters if parameter.name in given
        )

    def _word(self, node: ast.expr, parameter: Parameter) -> str | None:
        """The name, or the path in quotes, that `node` is. Else None."""
        if isinstance(node, ast.Name):
            return node.id
        if parameter.kind is Kind.FILE and isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        return None

    def _inside(self, entry: Entry, arguments: list[ast.expr], depth: int) -> tuple[Sum, ...]:
        fewest, most = entry.inside
        for argument in arguments:
            if isinstance(argument, ast.Starred | ast.Constant) or self._value(argument) is not None:
                names = [parameter.name for parameter in entry.parameters]
                hint = f"Give a parameter by its name, as {entry.name}({names[0]}=...)." if names else ""
                raise InputError(
                    f"{entry.name}: the value {self._piece(argument)} has no name.", hint or f"Write {entry.signature}."
                )
        if len(arguments) < fewest or (most is not None and len(arguments) > most):
            wanted = "no loss" if most == 0 else f"{fewest} loss(es)" if fewest == most else f"at least {fewest} losses"
            raise InputError(
                f"{entry.name} takes {wanted} in its parentheses, not {len(arguments)} (in '{self._text}').",
                f"Write {entry.signature}.",
            )
        inside = tuple(Sum(self._sum(argument, 1.0, depth + 1)) for argument in arguments)
        if entry.voxel_sums_only:
            self._check_voxel_sums(entry, inside)
        return inside

    def _check_voxel_sums(self, entry: Entry, inside: tuple[Sum, ...]) -> None:
        for term in (term for inner in inside for term in inner.terms()):
            if not self._catalogue[term.name].voxel_sum:
                usable = sorted(name for name, known in self._catalogue.items() if known.voxel_sum)
                raise InputError(
                    f"{entry.name} cannot be put around {term.name}, whose voxels take no weights.",
                    f"It works around {', '.join(usable)} and sums of them.",
                )

    def _factor(self, factor: float, number: float) -> float:
        product = factor * number
        if not 0 < number < math.inf or not 0 < product < math.inf:
            raise InputError(
                f"The factor {number:g} in '{self._text}' is not allowed.", "A factor is a finite number above 0."
            )
        return product

    def _constant(self, node: ast.expr) -> float | None:
        """The number that `node` is: a literal, a signed number or a product of numbers. Else None."""
        value = self._value(node)
        if value is not None and not isinstance(value, bool):
            return value
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            left, right = self._constant(node.left), self._constant(node.right)
            return None if left is None or right is None else left * right
        return None

    def _value(self, node: ast.expr) -> float | bool | None:
        """The number or flag that `node` is, with at most one sign. Else None."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            inner = node.operand
            if not isinstance(inner, ast.Constant) or isinstance(inner.value, bool):
                return None
            value = self._value(inner)
            return None if value is None else -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return node.value
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return _as_float(node.value)
        return None

    def _piece(self, node: ast.expr) -> str:
        return ast.get_source_segment(self._text, node) or self._text

    def _error(self, reason: str) -> InputError:
        return InputError(f"'{self._text}' is no loss expression: {reason}.", EXAMPLES)


def _as_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _suggest(name: str, known: Iterable[str], everything: str = "") -> str:
    names = sorted(known)
    nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    question = f"Did you mean '{nearest[0]}'? " if nearest else ""
    return f"{question}{everything or 'Known: ' + ', '.join(names) + '.'}"
