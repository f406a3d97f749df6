"""What the loss form does with an expression: its terms as rows with values, and the expression with one value changed.

No widgets. A place in an expression is a path: the number of a part, then, for each term that stands around another,
the number of the loss inside and of the part in that one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lossseg.errors import InputError
from lossseg.losses import CATALOGUE, parse
from lossseg.losses.catalogue import Entry, Value
from lossseg.losses.tree import Part, Sum

Path = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One term of an expression, as the form shows it.

    Attributes:
        path: where it stands.
        factor: what it is multiplied by.
        values: of all its parameters, in the catalogue's order.
    """

    path: Path
    entry: Entry
    factor: float
    values: tuple[tuple[str, Value], ...]

    @property
    def depth(self) -> int:
        """0 for a term of the sum, 1 for one in its parentheses, and so on."""
        return (len(self.path) - 1) // 2

    @property
    def shape(self) -> tuple[Path, str]:
        """Equal for rows that need the same controls."""
        return self.path, self.entry.name


def rows(tree: Sum) -> list[Row]:
    """The terms of an expression, those inside others after the one around them."""
    return list(_rows(tree, ()))


def _rows(tree: Sum, before: Path) -> Iterator[Row]:
    for place, part in enumerate(tree.parts):
        term, path = part.term, (*before, place)
        entry = CATALOGUE[term.name]
        written = dict(term.parameters)
        values = tuple((name, written.get(name, default)) for name, default in entry.defaults.items())
        yield Row(path, entry, part.factor, values)
        for number, inner in enumerate(term.inside):
            yield from _rows(inner, (*path, number))


def with_value(tree: Sum, path: Path, name: str, value: Value) -> Sum:
    """The expression with another value of one parameter. A default is left out of the text.

    Raises:
        InputError: the value is not allowed.
    """

    def change(part: Part) -> Part:
        entry = CATALOGUE[part.term.name]
        parameter = entry.parameter(name)
        assert parameter is not None
        values = {**dict(part.term.parameters), name: parameter.check(entry.name, value)}
        kept = tuple(
            (one.name, values[one.name])
            for one in entry.parameters
            if one.name in values and not (one.name == name and _same(values[name], one.default))
        )
        return replace(part, term=replace(part.term, parameters=kept))

    return _changed(tree, path, change)


def with_factor(tree: Sum, path: Path, factor: float) -> Sum:
    """The expression with another factor before one term; above 0."""
    return _changed(tree, path, lambda part: replace(part, factor=factor))


def without(tree: Sum, path: Path) -> Sum:
    """The expression without one term of a sum; the last term of a sum stays."""
    *before, place = path
    if not before:
        parts = tree.parts[:place] + tree.parts[place + 1 :]
        return Sum(parts) if parts else tree

    def change(part: Part) -> Part:
        inside = list(part.term.inside)
        inside[before[-1]] = without(inside[before[-1]], (place,))
        return replace(part, term=replace(part.term, inside=tuple(inside)))

    return _changed(tree, tuple(before[:-1]), change)


def _changed(tree: Sum, path: Path, change: Callable[[Part], Part]) -> Sum:
    place, *rest = path
    part = tree.parts[place]
    if rest:
        inside = list(part.term.inside)
        inside[rest[0]] = _changed(inside[rest[0]], tuple(rest[1:]), change)
        part = replace(part, term=replace(part.term, inside=tuple(inside)))
    else:
        part = change(part)
    return Sum((*tree.parts[:place], part, *tree.parts[place + 1 :]))


def chosen(entry: Entry, current: str) -> str:
    """The expression after a person chose `entry`: the loss itself, or a weighting around what is there.

    A weighting of voxels is put around those terms that can carry weights, sums of losses take the terms apart.
    """
    if entry.stands_for:
        return str(parse(entry.stands_for))
    if entry.inside[0] == 0:
        return entry.name
    parts = _parts(current)
    if entry.voxel_sums_only:
        parts = tuple(part for part in parts if all(CATALOGUE[term.name].voxel_sum for term in Sum((part,)).terms()))
    if entry.inside[0] > 1:
        known = [str(part) for part in parts]
        known += [name for name in ("dice", "ce") if name not in known]
        return f"{entry.name}({', '.join(known[: max(len(parts), entry.inside[0])])})"
    inner = str(Sum(parts)) if parts else "dice"
    return f"{entry.name}({inner})"


def added(entry: Entry, current: str) -> str:
    """The expression with `entry` as one more term."""
    one = chosen(entry, "" if entry.inside[0] != 1 else current)
    return f"{current} + {one}" if _parts(current) else one


def _parts(expression: str) -> tuple[Part, ...]:
    try:
        return parse(expression).parts
    except InputError:
        return ()


def _same(one: Value, other: Value) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def first_sentence(text: str) -> str:
    """The first sentence of an entry's advice."""
    ends = (place for place, letter in enumerate(text) if letter in ".;:" and text[place + 1 : place + 2] == " ")
    end = next(ends, len(text) - 1)
    return f"{text[:end]}."
