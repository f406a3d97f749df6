"""A case whose channels fit a model, and where in it there is anything to segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lossseg.errors import InputError
from lossseg.images import Geometry, Volume
from lossseg.inference import roi as region_of_interest
from lossseg.inference.sliding_window import Box
from lossseg.model import Ensemble
from lossseg.preprocessing import Plan
from lossseg.preprocessing.case import nonzero_box


@dataclass(frozen=True)
class Case:
    """The channels of a case, the box of its non-zero voxels, and the part of that box that is asked for, if any."""

    volumes: Sequence[Volume]
    geometry: Geometry
    body: Box
    box: Box | None

    @classmethod
    def of(cls, volumes: Sequence[Volume], roi: region_of_interest.Bounds | None) -> Case:
        geometry, body, box = volumes[0].geometry, nonzero_box(volumes), None
        if roi is not None:
            box = region_of_interest.intersection(region_of_interest.voxel_box(roi, geometry), body)
        return cls(volumes, geometry, body, box)

    @classmethod
    def checked(cls, volumes: Sequence[Volume], ensemble: Ensemble, roi: region_of_interest.Bounds | None) -> Case:
        """The case, when its channels fit the models.

        Raises:
            InputError: they do not, or not each other; a channel of zeros only; a region outside of the volume.
        """
        channels = ensemble.channels
        if len(volumes) != len(channels):
            raise InputError(
                f"{len(volumes)} image channel(s) given; {ensemble.name} needs {len(channels)}: {', '.join(channels)}.",
                "Give one volume per channel, in this order.",
            )
        first = volumes[0]
        for volume, channel in zip(volumes, channels, strict=True):
            name = volume.path or f"The channel {channel}"
            if not volume.geometry.matches(first.geometry):
                raise InputError(
                    f"{name} lies on another grid than {first.path or channels[0]}: "
                    f"{volume.geometry.difference(first.geometry)}.",
                    "Resample all channels to one grid.",
                )
            if not volume.array.any():
                raise InputError(f"{name} holds only zeros.", "Check that the right volume was exported.")
        return cls.of(volumes, roi)

    @property
    def anything(self) -> bool:
        """Whether there is anything to segment."""
        return self.box is None or all(part.start < part.stop for part in self.box)

    def region(self, plans: Sequence[Plan]) -> Box:
        """The part of the grid on which the plans' networks can find something."""
        if self.box is not None:
            return self.box
        if any(plan.monai is not None for plan in plans):
            z, y, x = (slice(0, length) for length in self.geometry.size)
            return z, y, x
        return self.body

    def context(self, plans: Sequence[Plan]) -> Box | None:
        """What to preprocess for the box, see `roi.context`; the plans have one grid."""
        return region_of_interest.context(self.box, self.body, plans, self.geometry)
