"""What a person may choose about a prediction, checked once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lossseg.errors import InputError
from lossseg.inference.backend import Precision
from lossseg.inference.postprocess import SmallRule
from lossseg.inference.roi import Bounds, check_bounds

E = TypeVar("E", SmallRule, Precision)


@dataclass(frozen=True)
class Options:
    """Choices of a prediction.

    Attributes:
        overlap: of neighbouring windows, as a fraction [0, 1) of their length; a model from a MONAI bundle has its own.
        mirror: test-time augmentation by all eight mirrorings, eight times the work; with a model that nnU-Net trained
            by those of its training.
        threshold: (0, 1]; from this probability of any foreground on a voxel is foreground. None: the operating
            point that the models' validation chose, or without one the most probable class.
        min_voxels: components of fewer voxels are removed; 0 or 1 keeps all.
        min_volume_mm3: the same limit in mm3; where given it takes the place of `min_voxels`.
        min_confidence: [0, 1]; components whose highest probability is lower are removed; None keeps all.
        small_rule: whether the limit holds for each component or for the case as a whole.
        roi: (r0, r1, a0, a1, s0, s1) in RAS mm; outside of the smallest box of voxels that holds it all is background.
        coarse_to_fine: run in full only where a quick first pass finds something; an approximation, see
            `coarse_to_fine`.
        precision: "auto" computes in 16 bits where the device is fast in them, "full" in 32 everywhere,
            "int8" partly in 8, see `int8_backend`.
        window_batch: windows at once; None leaves it to the device.

    Raises:
        InputError: a value out of its range.
    """

    overlap: float = 0.5
    mirror: bool = False
    threshold: float | None = None
    min_voxels: int = 11
    min_volume_mm3: float | None = None
    min_confidence: float | None = None
    small_rule: SmallRule = SmallRule.COMPONENT
    roi: Bounds | None = None
    coarse_to_fine: bool = False
    precision: Precision = Precision.AUTO
    window_batch: int | None = None

    def __post_init__(self) -> None:
        _require(0 <= self.overlap < 1, f"The overlap {self.overlap} of windows", "from 0 to below 1, such as 0.5")
        threshold = self.threshold
        _require(threshold is None or 0 < threshold <= 1, f"The threshold {threshold}", "above 0 and up to 1")
        _require(self.min_voxels >= 0, f"The smallest component of {self.min_voxels} voxels", "0 or more")
        confidence = self.min_confidence
        _require(confidence is None or 0 <= confidence <= 1, f"The lowest confidence {confidence}", "from 0 to 1")
        volume, batch = self.min_volume_mm3, self.window_batch
        fine = volume is None or (volume >= 0 and math.isfinite(volume))
        _require(fine, f"The smallest component of {volume} mm3", "0 or more")
        _require(batch is None or batch >= 1, f"A batch of {batch} windows", "1 or more")

    @classmethod
    def checked(
        cls,
        *,
        small_rule: SmallRule | str = SmallRule.COMPONENT,
        roi: Sequence[float] | None = None,
        precision: Precision | str = Precision.AUTO,
        **others: Any,
    ) -> Options:
        """As the constructor, with words and lists where it has enums and tuples.

        Raises:
            InputError: a value out of its range or a word that is not known.
        """
        return cls(
            small_rule=_member(SmallRule, small_rule, "rule for small components"),
            roi=None if roi is None else check_bounds(roi),
            precision=_member(Precision, precision, "precision"),
            **others,
        )


def _require(fine: bool, what: str, allowed: str) -> None:
    if not fine:
        raise InputError(f"{what} is out of range.", f"Give a number {allowed}.")


def _member(kind: type[E], value: str, what: str) -> E:
    try:
        return kind(value)
    except ValueError as error:
        known = " or ".join(member.value for member in kind)
        raise InputError(f"Unknown {what} {value!r}.", f"Use {known}.") from error
