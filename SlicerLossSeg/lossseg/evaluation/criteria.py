"""How predicted and reference lesions are matched: one value that says it all, and the ways the field uses by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from lossseg.errors import InputError


class Criterion(StrEnum):
    """When a predicted component and a reference lesion belong together.

    OVERLAP: they have a voxel in common (Shirokikh et al., MICCAI 2020).
    IOU: intersection over union of the two is at least `Matching.threshold`.
    CENTRE: the mean position of the component's voxels lies within a radius around that of the lesion's voxels.
    """

    OVERLAP = "overlap"
    IOU = "iou"
    CENTRE = "centre"

    @classmethod
    def _missing_(cls, value: object) -> Criterion:
        raise _unknown("criterion", value, cls)


class Assignment(StrEnum):
    """How many components one lesion may have.

    MANY_TO_ONE: every component that meets the criterion belongs to the lesion; its match is the best of them.
    ONE_TO_ONE: the assignment of components to lesions with the most pairs and, of those, the highest sum of
        intersection over union, or the lowest sum of distances (Hungarian method, as in picai_eval).
    """

    MANY_TO_ONE = "many_to_one"
    ONE_TO_ONE = "one_to_one"

    @classmethod
    def _missing_(cls, value: object) -> Assignment:
        raise _unknown("assignment", value, cls)


class Credit(StrEnum):
    """How many reference lesions one predicted component may find; one-to-one leaves no choice.

    ALL: every lesion with which it meets the criterion, as in the inverse-weighting paper (Shirokikh et al., MICCAI
        2020). At a low threshold one huge component then finds everything.
    BEST: only the lesion with which it agrees best (the first of equals).
    """

    ALL = "all"
    BEST = "best"

    @classmethod
    def _missing_(cls, value: object) -> Credit:
        raise _unknown("credit", value, cls)


class Duplicates(StrEnum):
    """What a component is that meets the criterion with a lesion but is not its match.

    IGNORED: neither found nor false (Shirokikh et al., ADAM, LUNA16, and picai_eval by default).
    FALSE_POSITIVE: a false positive, as in panoptic quality.
    """

    IGNORED = "ignored"
    FALSE_POSITIVE = "false_positive"

    @classmethod
    def _missing_(cls, value: object) -> Duplicates:
        raise _unknown("way to count duplicates", value, cls)


@dataclass(frozen=True)
class Matching:
    """How the lesions of one case and class are matched. Strings are taken for the enums.

    Attributes:
        criterion: when a component and a lesion belong together.
        threshold: of `Criterion.IOU`, in (0, 1].
        radius_mm: of `Criterion.CENTRE`, in mm; None takes half of each lesion's longest diameter.
        inclusive: of `Criterion.CENTRE`: a distance equal to the radius is within it, as in ADAM and not in LUNA16.
        assignment: how many components one lesion may have.
        credit: how many lesions one component may find.
        duplicates: what the other components on a lesion are.
        ignored_share: in [0, 1]. The voxels of an ignore region are taken out of both volumes. What this leaves of a
            component of which more than this share lay inside is no false positive. 1 counts every remainder, as
            ADAM's segmentation script does.

    Raises:
        InputError: a value out of its range, or a name that there is not.
    """

    criterion: Criterion = Criterion.OVERLAP
    threshold: float = 0.5
    radius_mm: float | None = None
    inclusive: bool = True
    assignment: Assignment = Assignment.MANY_TO_ONE
    credit: Credit = Credit.ALL
    duplicates: Duplicates = Duplicates.IGNORED
    ignored_share: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "criterion", Criterion(self.criterion))
        object.__setattr__(self, "assignment", Assignment(self.assignment))
        object.__setattr__(self, "credit", Credit(self.credit))
        object.__setattr__(self, "duplicates", Duplicates(self.duplicates))
        if not 0 < self.threshold <= 1:
            raise InputError(f"The IoU threshold {self.threshold} is not in (0, 1].", "Give a number such as 0.5.")
        if self.radius_mm is not None and not (math.isfinite(self.radius_mm) and self.radius_mm > 0):
            raise InputError(f"The radius {self.radius_mm} mm is not positive.", "Give a number, or leave it out.")
        if not 0 <= self.ignored_share <= 1:
            raise InputError(f"The ignored share {self.ignored_share} is not in [0, 1].", "Give a number such as 0.5.")

    @classmethod
    def named(cls, name: str) -> Matching:
        """One of `MATCHINGS`.

        Raises:
            InputError: there is none of this name.
        """
        if name not in MATCHINGS:
            raise InputError(f"There is no matching {name!r}.", f"Choose one of {', '.join(MATCHINGS)}.")
        return MATCHINGS[name]

    @property
    def words(self) -> str:
        """As a person reads it."""
        radius = "half of the lesion's longest diameter" if self.radius_mm is None else f"{self.radius_mm:g} mm"
        criterion = {
            Criterion.OVERLAP: "any overlap",
            Criterion.IOU: f"IoU of at least {self.threshold:g}",
            Criterion.CENTRE: f"centre {'within' if self.inclusive else 'nearer than'} {radius}",
        }[self.criterion]
        assignment = "" if self.assignment is Assignment.MANY_TO_ONE else ", one to one"
        duplicates = "" if self.duplicates is Duplicates.IGNORED else ", duplicates are false positives"
        return f"{criterion}{assignment}{duplicates}"


MATCHINGS: Mapping[str, Matching] = MappingProxyType(
    {
        "overlap": Matching(),
        "adam": Matching(Criterion.CENTRE),
        "luna16": Matching(Criterion.CENTRE, inclusive=False),
        "picai": Matching(Criterion.IOU, threshold=0.1, assignment=Assignment.ONE_TO_ONE),
        "panoptic": Matching(Criterion.IOU, assignment=Assignment.ONE_TO_ONE, duplicates=Duplicates.FALSE_POSITIVE),
    }
)
"""By name: the default; the ADAM challenge (distance <= radius); LUNA16 (distance < radius); picai_eval (IoU of at
least 0.1, one to one); panoptica's default (IoU of at least 0.5, one to one, whatever is left over is false)."""


def _unknown(what: str, value: object, names: type[StrEnum]) -> InputError:
    return InputError(f"There is no {what} {value!r}.", f"Choose {' or '.join(names)}.")
