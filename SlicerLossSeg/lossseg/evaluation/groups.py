"""Recall by the size of the reference lesion: does a model find the small ones?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from lossseg.errors import InputError
from lossseg.evaluation.lesions import Lesion, Outcome
from lossseg.evaluation.measures import ratio

THIRDS = ("smallest third", "middle third", "largest third")

CLINICAL_MM = {"nodules": 10.0, "metastases": 5.0, "liver": 12.0}
"""Longest diameter, in mm, under which a lung nodule, a brain metastasis or a liver tumour counts as small: the limits
of Shirokikh et al., MICCAI 2020, Fig. 2."""

Size = Literal["volume_mm3", "diameter_mm"]
_UNITS: dict[Size, str] = {"volume_mm3": "mm³", "diameter_mm": "mm"}


@dataclass(frozen=True)
class SizeGroup:
    """The reference lesions of one range of sizes.

    Attributes:
        name: such as "smallest third".
        size: what lesions are grouped by.
        low: the lower edge, in mm3 or mm.
        high: the upper edge; inf for the last group.
        lesions: how many there are.
        found: how many of them were found.
        recall: found / lesions, NaN without any.
        object_dice: mean Dice of those found, NaN when none was.
    """

    name: str
    size: Size
    low: float
    high: float
    lesions: int
    found: int
    recall: float
    object_dice: float

    @property
    def range_text(self) -> str:
        """The range as a person reads it."""
        return _range_text(self.size, self.low, self.high)


@dataclass(frozen=True)
class Grouping:
    """How reference lesions are parted by size.

    Volumes are parted so that a lesion as large as an edge belongs to the lower group (an edge of tertiles is the
    volume of a lesion), diameters so that it belongs to the upper one (a nodule of 10 mm is not under 10 mm).

    Attributes:
        size: what lesions are grouped by.
        edges: ascending, in mm3 or mm; None for the tertiles of the lesions at hand.
        names: one more than edges; default is the range of each group.
    """

    size: Size = "volume_mm3"
    edges: tuple[float, ...] | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        edges = self.edges or ()
        if not all(0 < edge < math.inf for edge in edges) or any(low >= high for low, high in pairwise(edges)):
            raise InputError(f"{edges} are no edges of size groups.", "Give positive numbers in ascending order.")
        if self.names is not None and len(self.names) != len(edges) + 1:
            raise InputError(
                f"{len(self.names)} names for {len(edges) + 1} size groups.", "Give a name for each group."
            )

    @classmethod
    def parse(cls, text: str) -> Grouping:
        """From what a person writes: "tertiles", a clinical limit ("nodules", "metastases", "liver"), or the edges of
        longest diameters in mm ("10", "5,10,20").

        Raises:
            InputError: it is none of these.
        """
        if text == "tertiles":
            return cls()
        if text in CLINICAL_MM:
            limit = CLINICAL_MM[text]
            return cls("diameter_mm", (limit,), (f"small {text}", f"large {text}"))
        try:
            edges = tuple(float(part) for part in text.split(","))
        except ValueError as error:
            known = ", ".join(("tertiles", *CLINICAL_MM))
            raise InputError(
                f"There are no size groups {text!r}.", f"Choose {known}, or give diameters in mm such as 5,10."
            ) from error
        return cls("diameter_mm", edges)

    def fixed(self, lesions: Iterable[Lesion]) -> Grouping:
        """The same grouping with the edges that these lesions give it, so that several models are grouped alike."""
        if self.edges is not None:
            return self
        edges = tertile_edges(getattr(lesion, self.size) for lesion in lesions if lesion.outcome.in_reference)
        return Grouping(self.size, edges, THIRDS) if edges and edges[0] < edges[1] else self

    def groups(self, lesions: Iterable[Lesion]) -> tuple[SizeGroup, ...]:
        """Recall and object Dice of the reference lesions in each group; other rows are left out.

        One group more than edges; none when there are neither edges nor lesions.
        """
        reference = [lesion for lesion in lesions if lesion.outcome.in_reference]
        edges, names = self.edges, self.names
        if edges is None:
            edges, names = tertile_edges(getattr(lesion, self.size) for lesion in reference), THIRDS
            if edges is None:
                return ()
        sizes = [_rounded(getattr(lesion, self.size)) for lesion in reference]
        groups = []
        for number, (low, high) in enumerate(pairwise((0.0, *edges, math.inf))):
            inside = [lesion for lesion, size in zip(reference, sizes, strict=True) if self._holds(low, size, high)]
            found = [lesion for lesion in inside if lesion.outcome is Outcome.FOUND]
            groups.append(
                SizeGroup(
                    name=names[number] if names else _range_text(self.size, low, high),
                    size=self.size,
                    low=low,
                    high=high,
                    lesions=len(inside),
                    found=len(found),
                    recall=ratio(len(found), len(inside)),
                    object_dice=ratio(sum(lesion.overlap for lesion in found), len(found)),
                )
            )
        return tuple(groups)

    def _holds(self, low: float, size: float, high: float) -> bool:
        return low < size <= high if self.size == "volume_mm3" else low <= size < high


def tertile_edges(sizes: Iterable[float]) -> tuple[float, float] | None:
    """The two sizes up to which a lesion belongs to the smallest and to the middle third; None without any.

    Each edge is the size of a lesion. Lesions of equal size are never parted, so with many ties the thirds differ in
    number and the middle one may be empty.
    """
    ordered = sorted(_rounded(size) for size in sizes)
    if not ordered:
        return None
    first, second = (ordered[math.ceil(len(ordered) * third / 3) - 1] for third in (1, 2))
    return first, second


def size_groups(
    lesions: Iterable[Lesion], edges_mm3: Sequence[float] | None = None, names: Sequence[str] | None = None
) -> tuple[SizeGroup, ...]:
    """Recall and object Dice of the reference lesions by volume; other rows are left out.

    Args:
        lesions: rows of any number of cases.
        edges_mm3: ascending volumes in mm3, each the upper edge of a group (included); default are the tertiles of
            the lesions given. Give the edges of one model to compare another with it.
        names: one more than edges.

    Returns:
        One group more than edges; none when there are neither edges nor lesions.
    """
    edges = None if edges_mm3 is None else tuple(edges_mm3)
    return Grouping("volume_mm3", edges, None if names is None else tuple(names)).groups(lesions)


def diameter_groups(
    lesions: Iterable[Lesion], edges_mm: Sequence[float], names: Sequence[str] | None = None
) -> tuple[SizeGroup, ...]:
    """As `size_groups`, by longest diameter in mm; each edge is the lower edge of a group (included)."""
    return Grouping("diameter_mm", tuple(edges_mm), None if names is None else tuple(names)).groups(lesions)


def _range_text(size: Size, low: float, high: float) -> str:
    unit, first, last = _UNITS[size], _short(low), _short(high)
    if not low and math.isinf(high):
        return "all"
    if size == "volume_mm3":
        if math.isinf(high):
            return f"over {first} {unit}"
        return f"{first} to {last} {unit}" if low else f"to {last} {unit}"
    if math.isinf(high):
        return f"{first} {unit} and more"
    return f"{first} to under {last} {unit}" if low else f"under {last} {unit}"


def _short(size: float) -> str:
    return f"{size:.0f}" if 1000 <= size < math.inf else f"{size:.4g}"


def _rounded(size: float) -> float:
    # Equal lesions of files whose spacing was rounded differently stay equal.
    return float(f"{size:.6g}")
