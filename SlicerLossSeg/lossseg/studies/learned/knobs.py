"""The numbers in a loss expression that may be turned: its parameters and the factors of its terms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossseg.errors import InputError
from lossseg.losses import CATALOGUE, parse
from lossseg.losses.catalogue import Kind, Parameter
from lossseg.losses.tree import Part, Sum, Term

# Numbers that are no choice of what the loss is: rates, and what keeps quotients finite.
_LEFT_ALONE = ("lr", "smooth", "low")
_STEP, _FACTOR_STEP, _EDGE = 0.15, 0.3, 0.01


@dataclass(frozen=True)
class Knob:
    """A number, and the parameter that it is of; a factor of a term has none."""

    name: str
    value: float
    parameter: Parameter | None = None

    def turned(self, shift: float) -> float:
        """The value moved by `shift` standard steps and kept in range, rounded to four digits."""
        one = self.parameter
        if one is not None and one.low > -math.inf and one.high < math.inf:
            width = one.high - one.low
            low, high = (one.low + _EDGE * width * one.low_open, one.high - _EDGE * width * one.high_open)
            return round(min(max(self.value + _STEP * width * shift, low), high), 4)
        if self.value > 0:
            return float(f"{self.value * math.exp(_FACTOR_STEP * shift):.4g}")
        low, high = (-math.inf, math.inf) if one is None else (one.low, one.high)
        return round(min(max(self.value + _FACTOR_STEP * shift, low), high), 4)


def knobs(expression: str) -> list[Knob]:
    """The knobs of an expression, in a fixed order.

    Raises:
        InputError: it is no expression, or has nothing to turn.
    """
    tree = parse(expression)
    found = list(_knobs(tree))
    if not found:
        raise InputError(f"The loss {expression} has no number to adapt.", "Give one with parameters or several terms.")
    return found


def with_values(expression: str, values: Sequence[float]) -> str:
    """The expression with its knobs at these values, in the order of `knobs`."""
    remaining = iter(values)

    def changed(tree: Sum) -> Sum:
        parts = []
        for part in tree.parts:
            factor = next(remaining) if len(tree.parts) > 1 else part.factor
            written = dict(part.term.parameters)
            written |= {knob.name: next(remaining) for knob in _parameters(part.term)}
            order = [parameter.name for parameter in CATALOGUE[part.term.name].parameters]
            kept = tuple((name, written[name]) for name in order if name in written)
            inside = tuple(changed(inner) for inner in part.term.inside)
            parts.append(Part(factor, replace(part.term, parameters=kept, inside=inside)))
        return Sum(tuple(parts))

    return str(changed(parse(expression)))


def turned(expression: str, generator: np.random.Generator) -> str:
    """The expression with every knob turned at random."""
    return with_values(expression, [knob.turned(generator.normal()) for knob in knobs(expression)])


def _knobs(tree: Sum) -> Iterator[Knob]:
    for part in tree.parts:
        if len(tree.parts) > 1:
            yield Knob("factor", part.factor)
        yield from _parameters(part.term)
        for inner in part.term.inside:
            yield from _knobs(inner)


def _parameters(term: Term) -> Iterator[Knob]:
    written = dict(term.parameters)
    for one in CATALOGUE[term.name].parameters:
        value = written.get(one.name, one.default)
        if one.kind is Kind.NUMBER and not one.whole and one.name not in _LEFT_ALONE and not isinstance(value, str):
            yield Knob(one.name, float(value), one)
