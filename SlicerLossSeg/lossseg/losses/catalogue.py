"""What is known of each loss, as data: the GUI's form, the CLI's help, the docs and the parser are made from it.

Nothing here needs torch, so a program that only shows or checks expressions does not load it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from lossseg.errors import InputError

Value: TypeAlias = float | bool | str

# Written for the value of a number that training finds by itself.
LEARN = "learn"


class Family(StrEnum):
    """What a loss compares, or what it does to the losses inside its parentheses."""

    DISTRIBUTION = "distribution"
    REGION = "region"
    BOUNDARY = "boundary"
    TOPOLOGY = "topology"
    COMPOUND = "compound"
    INSTANCE = "instance"
    ADAPTIVE = "adaptive"
    LEARNED = "learned"


class Kind(StrEnum):
    """How a parameter is written and which control edits it."""

    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    FILE = "file"


@dataclass(frozen=True)
class Parameter:
    """One named parameter: a flag if `default` is a bool, one of `choices`, or a number from `low` to `high`.

    A `file` is the path of a found loss, or one of `choices`, which are those that are kept by name.

    `low_open` and `high_open` take the end itself out of the range; a `whole` number has no fraction; a `learnable` one
    may also be `learn`.
    """

    name: str
    default: Value
    help: str
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    learnable: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()
    file: bool = False

    @property
    def kind(self) -> Kind:
        if self.file:
            return Kind.FILE
        if self.choices:
            return Kind.CHOICE
        return Kind.FLAG if isinstance(self.default, bool) else Kind.NUMBER

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.kind is Kind.FLAG:
            return "True or False"
        if self.kind is Kind.FILE:
            return f"{', '.join(self.choices)}, or the path of a .json file in quotes"
        if self.kind is Kind.CHOICE:
            return "one of " + ", ".join(self.choices)
        ends = []
        if self.low > -math.inf:
            ends.append(f"{'above' if self.low_open else 'at least'} {self.low:g}")
        if self.high < math.inf:
            ends.append(f"{'below' if self.high_open else 'at most'} {self.high:g}")
        number = " ".join(["a whole number" if self.whole else "a finite number", " and ".join(ends)]).rstrip()
        return f"{number}, or {LEARN}" if self.learnable else number

    def check(self, term: str, value: object) -> Value:
        """`value` as it is stored.

        Raises:
            InputError: the value is of another kind or out of range.
        """
        if self.kind is Kind.FLAG:
            if isinstance(value, bool):
                return value
        elif isinstance(value, str) and self._is_word(value):
            return value
        elif (
            self.kind is Kind.NUMBER
            and isinstance(value, int | float)
            and not isinstance(value, bool)
            and self._holds(value)
        ):
            return float(value)
        shown = show(value) if isinstance(value, float) else value
        raise InputError(
            f"{term}: {self.name}={shown} is not allowed.", f"{self._suggest(value)}{self.name} is {self.allowed}."
        )

    def _is_word(self, value: str) -> bool:
        if self.kind is Kind.FILE and _is_path(value):
            return True
        return value in self.choices or (self.learnable and value == LEARN)

    def _suggest(self, value: object) -> str:
        words = [*self.choices, LEARN] if self.learnable else self.choices
        nearest = difflib.get_close_matches(str(value).lower(), words, n=1, cutoff=0.5)
        return f"Did you mean '{nearest[0]}'? " if nearest else ""

    def _holds(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below and abs(value) < math.inf and (not self.whole or value == int(value))


@dataclass(frozen=True)
class Entry:
    """One name of the expression language.

    Attributes:
        name: as written in an expression.
        title: as shown to a person.
        formula: plain text; p is the probability, y the target (0 or 1), sums run over voxels.
        reference: the paper it comes from.
        advice: what it is good for and what to beware of.
        inside: fewest and most losses in its parentheses (None: no limit).
        voxel_sum: its voxels can carry weights, so that a weighting such as `iw` can be put around it.
        voxel_sums_only: only losses with `voxel_sum` may stand in its parentheses.
        maps: names of the maps it needs from the loader (`lossseg.weights.MAPS`).
        stands_for: the expression that a preset is short for; empty for a term.
    """

    name: str
    title: str
    family: Family
    formula: str
    reference: str
    advice: str
    parameters: tuple[Parameter, ...] = ()
    inside: tuple[int, int | None] = (0, 0)
    voxel_sum: bool = False
    voxel_sums_only: bool = False
    maps: frozenset[str] = frozenset()
    stands_for: str = ""

    def parameter(self, name: str) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    @property
    def defaults(self) -> dict[str, Value]:
        return {parameter.name: parameter.default for parameter in self.parameters}

    @property
    def signature(self) -> str:
        """The name with what may stand in its parentheses, as `dice(squared=False, batch=False)` or `iw(loss)`."""
        within = ["loss"] * self.inside[0]
        within += ["..."] if self.inside[1] is None else []
        within += [f"{parameter.name}={show(parameter.default)}" for parameter in self.parameters]
        return f"{self.name}({', '.join(within)})" if within else self.name


Catalogue: TypeAlias = Mapping[str, Entry]


def show(value: Value) -> str:
    """A value as the expression language writes it: the shortest text that is read back as the same value."""
    if isinstance(value, str):
        return value if value.isidentifier() else repr(value)
    if isinstance(value, bool) or abs(value) >= 1e15 or value != int(value):
        return repr(value)
    return str(int(value))


def _is_path(text: str) -> bool:
    """Whether an expression can hold the path: what its reader takes as something else is left out."""
    plain = text.isprintable() and text == " ".join(text.split())
    return plain and text.endswith(".json") and not set(text) & set("'#\\")
