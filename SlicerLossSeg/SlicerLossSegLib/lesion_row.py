"""One row of the detection table, and what its columns are called. No Qt, no MRML."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

NO_LESION = "no lesion"
"""Outcome of the one row of a case in which there is nothing: it says that the case was looked at."""


class Verdict(Enum):
    """What the person decided about a lesion."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class LesionRow:
    """A lesion as a person reviews it.

    Attributes:
        key: unlike every other row's in the table; stays the same when verdicts change.
        segments: ids of the segments that make up its voxels in the result; none for a missed lesion.
        outcome: found, missed, false positive; empty without a reference; `NO_LESION`.
        label, label_name: the class in the engine's label volume.
        volume_mm3, diameter_mm, centroid_ras: of the reference's lesion where it was found or missed, else of the
            predicted one. NaN where undefined.
        confidence_max, confidence_mean: 0 to 1 over the predicted component. NaN without probabilities.
        overlap: Dice with the predicted component, 0 to 1. NaN without a reference.
    """

    key: str
    number: int
    outcome: str
    verdict: Verdict
    label: int
    label_name: str
    voxels: int
    volume_mm3: float
    diameter_mm: float
    centroid_ras: tuple[float, float, float]
    confidence_max: float = math.nan
    confidence_mean: float = math.nan
    overlap: float = math.nan
    segments: tuple[str, ...] = ()

    @property
    def is_lesion(self) -> bool:
        return self.outcome != NO_LESION

    @property
    def can_be_judged(self) -> bool:
        """A missed lesion has no voxels in the result that could be accepted or rejected."""
        return self.is_lesion and self.outcome != "missed"

    def judged(self, verdict: Verdict) -> LesionRow:
        return replace(self, verdict=verdict)


def no_lesion() -> LesionRow:
    """The explicit row of a case without any lesion."""
    nowhere = (math.nan, math.nan, math.nan)
    return LesionRow("none", 0, NO_LESION, Verdict.OPEN, 0, "", 0, math.nan, math.nan, nowhere)


@dataclass(frozen=True)
class Column:
    """A column of the detection table.

    Attributes:
        key: its name in files and in the table node.
        title: short, for a narrow panel; the definition is in `tip`.
        unit: as a table node names it; `head` shows it below the title.
        decimals: shown; None for text and whole numbers.
        shown: without being asked for.
    """

    key: str
    title: str
    tip: str
    unit: str = ""
    decimals: int | None = None
    shown: bool = True

    def head(self, title: str) -> str:
        """What stands above the column: the title in the person's language, and the unit below it."""
        return f"{title}\n{self.unit.replace('3', '³')}" if self.unit else title


COLUMNS: tuple[Column, ...] = (
    Column("number", "#", "Number of the lesion: those of the reference first, then false positives."),
    Column("outcome", "Outcome", "Found, missed or false positive; empty without a reference."),
    Column("verdict", "Verdict", "Accepted, rejected or open."),
    Column("volume_mm3", "Volume", "Volume in mm³.", "mm3", 1),
    Column("diameter_mm", "Diameter", "Longest diameter in mm, in any direction.", "mm", 1),
    Column("confidence_max", "Highest", "Highest probability within the lesion, 0 to 1.", "", 2),
    Column("label_name", "Label", "What kind of structure it is.", shown=False),
    Column("r_mm", "R", "Position of the centre to the patient's right in mm (RAS).", "mm", 1, shown=False),
    Column("a_mm", "A", "Position of the centre towards anterior in mm (RAS).", "mm", 1, shown=False),
    Column("s_mm", "S", "Position of the centre towards superior in mm (RAS).", "mm", 1, shown=False),
    Column("confidence_mean", "Mean", "Mean probability within the lesion, 0 to 1.", "", 2, shown=False),
    Column("overlap", "Overlap", "Dice with its reference lesion, 0 to 1.", "", 2, shown=False),
    Column("voxels", "Voxels", "Size in voxels.", shown=False),
)


def cell(row: LesionRow, key: str) -> str | int | float:
    """The value of a column."""
    if key in ("r_mm", "a_mm", "s_mm"):
        return row.centroid_ras[("r_mm", "a_mm", "s_mm").index(key)]
    if key == "verdict":
        return row.verdict.value if row.can_be_judged else ""
    value: str | int | float = getattr(row, key)
    return value


def shown(value: str | int | float, decimals: int | None) -> str:
    """A value as a person reads it; undefined is "n/a", never 0."""
    if isinstance(value, float):
        return f"{value:.{decimals or 0}f}" if math.isfinite(value) else "n/a"
    return str(value)


def box_of(array: np.ndarray) -> tuple[slice, slice, slice]:
    """The smallest box (z, y, x) around what is not 0 in an array (z, y, x) that is not empty."""
    ends = []
    for axis in range(3):
        along = np.flatnonzero(array.any(axis=tuple(other for other in range(3) if other != axis)))
        ends.append(slice(int(along[0]), int(along[-1]) + 1))
    return ends[0], ends[1], ends[2]


@dataclass(frozen=True)
class Crop:
    """The voxels of a lesion that was taken out of the result, so that it can be put back, even after a reload.

    Attributes:
        first: (z, y, x) of the corner of its box in the result's grid.
        mask: bool, the box's voxels.
    """

    first: tuple[int, int, int]
    mask: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> Crop:
        """The crop of a mask (z, y, x) that is not empty."""
        z, y, x = box = box_of(mask)
        return cls((z.start, y.start, x.start), np.ascontiguousarray(mask[box] != 0))

    def encode(self) -> str:
        """As text for an attribute of a node."""
        packed = base64.b64encode(zlib.compress(np.packbits(self.mask).tobytes())).decode("ascii")
        return " ".join(map(str, (*self.first, *self.mask.shape, packed)))

    @classmethod
    def decode(cls, text: str) -> Crop:
        *numbers, packed = text.split(" ")
        z, y, x, *shape = map(int, numbers)
        bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8))
        return cls((z, y, x), bits[: math.prod(shape)].reshape(shape).astype(bool))
