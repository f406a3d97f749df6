"""How a MONAI bundle brings a case onto the network's grid, as plain data that a plan carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

_LETTERS = ("RL", "AP", "SI")


class StepKind(StrEnum):
    """What one of MONAI's transforms does, by its documented meaning."""

    RANGE = "range"
    """ScaleIntensityRange: [low, high] to [to_low, to_high], clipped to the latter or not."""
    PERCENTILES = "percentiles"
    """ScaleIntensityRangePercentiles: as `RANGE`, with percentiles of the image for low and high."""
    SCALE = "scale"
    """ScaleIntensity: the image's lowest and highest value to to_low and to_high."""
    NORMALISE = "normalise"
    """NormalizeIntensity: by mean and standard deviation, the given ones or the image's."""
    CROP = "crop"
    """CropForeground: the box of what is above 0, or with `nonzero` of what is not 0."""
    RESAMPLE = "resample"
    """Spacing: linearly to the plan's spacing, the centre of the first voxel staying where it is."""


@dataclass(frozen=True)
class MonaiStep:
    """One step on all channels of an image.

    Attributes:
        low, high: range in the image's units, or percentiles.
        to_low, to_high: range afterwards; None leaves the scale from 0 to 1.
        clip: to the range afterwards.
        mean, std: instead of the image's own.
        nonzero: only voxels that are not 0 are measured and changed.
        channel_wise: each channel on its own, where the image is measured.
    """

    kind: StepKind
    low: float = 0.0
    high: float = 0.0
    to_low: float | None = None
    to_high: float | None = None
    clip: bool = False
    mean: float | None = None
    std: float | None = None
    nonzero: bool = False
    channel_wise: bool = False


@dataclass(frozen=True)
class MonaiGrid:
    """What a MONAI bundle says about preprocessing and windows, for models that come from one.

    Attributes:
        axcodes: letters of the patient's directions along the axes of the network's grid, such as RAS; empty when
            they are the file's axes x, y and z.
        steps: in their order; the axes are turned before the first.
        overlap: of neighbouring windows along each axis, as a fraction of their length.
        sigma: standard deviation of the windows' Gaussian weights as a fraction of their length; 0 for equal weights.
        outside: how windows that reach beyond the image are filled: "constant", "replicate" or "reflect".
        fill: the value of "constant".
    """

    axcodes: str
    steps: tuple[MonaiStep, ...]
    overlap: tuple[float, float, float]
    sigma: float
    outside: str = "constant"
    fill: float = 0.0

    @property
    def resamples(self) -> bool:
        return any(step.kind is StepKind.RESAMPLE for step in self.steps)

    def to_json(self) -> dict[str, Any]:
        steps = [{key: value for key, value in asdict(step).items() if value != _DEFAULTS[key]} for step in self.steps]
        return asdict(self) | {"steps": steps, "overlap": list(self.overlap)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> MonaiGrid:
        """The grid that `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or has the wrong form.
        """
        a, b, c = (float(part) for part in value["overlap"])
        axcodes, outside = check_axcodes(str(value["axcodes"])), str(value["outside"])
        if outside not in OUTSIDE or not 0 <= min(a, b, c) <= max(a, b, c) < 1:
            raise ValueError(f"windows {outside!r} {value['overlap']}")
        steps = tuple(MonaiStep(**(step | {"kind": StepKind(step["kind"])})) for step in value["steps"])
        if sum(step.kind is StepKind.RESAMPLE for step in steps) > 1:
            raise ValueError("two resamplings")
        return cls(axcodes, steps, (a, b, c), float(value["sigma"]), outside, float(value["fill"]))


OUTSIDE = ("constant", "replicate", "reflect")
_DEFAULTS = {field.name: field.default for field in fields(MonaiStep)}


def check_axcodes(axcodes: str) -> str:
    """`axcodes` in capitals.

    Raises:
        ValueError: they are no three letters, one each of R and L, A and P, S and I.
    """
    letters = axcodes.upper()
    if letters and sorted("".join(pair for pair in _LETTERS for letter in letters if letter in pair)) != sorted(
        "".join(_LETTERS)
    ):
        raise ValueError(f"axcodes {axcodes!r}")
    return letters
