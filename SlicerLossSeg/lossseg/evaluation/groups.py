"""Recall by the size of the reference lesion: does a model find the small ones?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lossseg.evaluation.lesions import Lesion, Outcome
from lossseg.evaluation.measures import ratio

TERTILES = ("smallest third", "middle third", "largest third")


@dataclass(frozen=True)
class SizeGroup:
    """The reference lesions of one range of sizes.

    Attributes:
        name: such as "smallest third".
        above_mm3: lesions are larger than this.
        up_to_mm3: and not larger than this; inf for the last group.
        lesions: how many there are.
        found: how many of them were found.
        recall: found / lesions, NaN without any.
        object_dice: mean Dice of those found, NaN when none was.
    """

    name: str
    above_mm3: float
    up_to_mm3: float
    lesions: int
    found: int
    recall: float
    object_dice: float

    @property
    def range_text(self) -> str:
        """The range as a person reads it."""
        if math.isinf(self.up_to_mm3):
            return f"over {self.above_mm3:.4g} mm³" if self.above_mm3 else "all"
        return f"{self.above_mm3:.4g} to {self.up_to_mm3:.4g} mm³" if self.above_mm3 else f"to {self.up_to_mm3:.4g} mm³"


def tertile_edges(volumes_mm3: Iterable[float]) -> tuple[float, float] | None:
    """The two volumes, in mm3, up to which a lesion belongs to the smallest and to the middle third; None without any.

    Each edge is the volume of a lesion. Lesions of equal volume are never parted, so with many ties the thirds differ
    in number and the middle one may be empty.
    """
    ordered = sorted(_volume(volume) for volume in volumes_mm3)
    if not ordered:
        return None
    first, second = (ordered[math.ceil(len(ordered) * third / 3) - 1] for third in (1, 2))
    return first, second


def size_groups(
    lesions: Iterable[Lesion], edges_mm3: Sequence[float] | None = None, names: Sequence[str] | None = None
) -> tuple[SizeGroup, ...]:
    """Recall and object Dice of the reference lesions by size; other rows are left out.

    Args:
        lesions: rows of any number of cases.
        edges_mm3: ascending volumes in mm3, each the upper edge of a group (included); default are the tertiles of
            the lesions given. Give the edges of one model to compare another with it.
        names: one more than edges.

    Returns:
        One group more than edges; none when there are neither edges nor lesions.
    """
    reference = [lesion for lesion in lesions if lesion.outcome.in_reference]
    if edges_mm3 is None:
        edges_mm3 = tertile_edges(lesion.volume_mm3 for lesion in reference)
        if edges_mm3 is None:
            return ()
        names = TERTILES
    bounds = [0.0, *edges_mm3, math.inf]
    groups = []
    for number, (low, high) in enumerate(pairwise(bounds)):
        inside = [lesion for lesion in reference if low < _volume(lesion.volume_mm3) <= high]
        found = [lesion for lesion in inside if lesion.outcome is Outcome.FOUND]
        groups.append(
            SizeGroup(
                name=names[number] if names else f"group {number + 1}",
                above_mm3=low,
                up_to_mm3=high,
                lesions=len(inside),
                found=len(found),
                recall=ratio(len(found), len(inside)),
                object_dice=ratio(sum(lesion.overlap for lesion in found), len(found)),
            )
        )
    return tuple(groups)


def _volume(volume_mm3: float) -> float:
    # Equal lesions of files whose spacing was rounded differently stay equal.
    return float(f"{volume_mm3:.6g}")
