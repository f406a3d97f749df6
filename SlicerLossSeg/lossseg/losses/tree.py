"""A parsed expression as values; its text is the normal form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lossseg.losses.catalogue import Value, show


@dataclass(frozen=True)
class Term:
    """One loss: a name of the catalogue, the parameters that were written (in catalogue order), the losses inside."""

    name: str
    parameters: tuple[tuple[str, Value], ...] = ()
    inside: tuple[Sum, ...] = ()

    def __str__(self) -> str:
        within = [str(inner) for inner in self.inside] + [f"{name}={show(value)}" for name, value in self.parameters]
        return f"{self.name}({', '.join(within)})" if within else self.name


@dataclass(frozen=True)
class Part:
    """A term and its positive factor in a sum."""

    factor: float
    term: Term

    def __str__(self) -> str:
        return str(self.term) if self.factor == 1 else f"{show(self.factor)}*{self.term}"


@dataclass(frozen=True)
class Sum:
    """A whole expression: at least one part. Sums inside sums are multiplied out, presets are written out.

    `str()` gives the normal form, which is read back as an equal tree. Parameters keep to what was written: none is
    added or dropped, so that a model card says what its author chose.
    """

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return " + ".join(str(part) for part in self.parts)

    def terms(self) -> Iterator[Term]:
        """All terms, those inside others after the one that holds them."""
        for part in self.parts:
            yield part.term
            for inner in part.term.inside:
                yield from inner.terms()
