"""A reviewed result as an annotated case of the study's dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import case_changes, review
from SlicerLossSegLib.lesion_table import LesionTable
from SlicerLossSegLib.volumes import Grid, Snapshot, safe_name, snapshot

if TYPE_CHECKING:
    from lossseg.images import Geometry


@dataclass(frozen=True, eq=False)
class AnnotatedCase:
    """Volumes and the labels that a person has looked through, gathered for a thread to write.

    Attributes:
        name: of what was segmented; the case's name is made of it.
        label: (z, y, x) uint16, values as in `labels`.
        labels: name to value, without the background.
    """

    name: str
    volumes: tuple[Snapshot, ...]
    channels: tuple[str, ...]
    label: np.ndarray
    labels: dict[str, int]

    def add_to(self, study: Path) -> str:
        """Write the case into the study's dataset and register it as one that a person has looked through.

        Raises:
            InputError, DiskFull: as `write`; or cases.json is damaged.
        """
        return case_changes.add(study, self.write, self.name, corrected=True)

    def write(self, dataset: Path) -> str:
        """Add the case to a dataset in nnU-Net's raw layout, which is made when it does not exist.

        Returns:
            The name that the case was given.

        Raises:
            InputError: the dataset has other channels or labels, or may not be written to.
            DiskFull: there is no room; nothing half-written is left.
        """
        from lossseg.dataset import add_case, create_dataset, open_dataset
        from lossseg.images import Volume

        wanted = {"background": 0, **self.labels}
        if (dataset / "dataset.json").exists():
            there = open_dataset(dataset)
            if there.channels != self.channels or there.labels != wanted:
                raise InputError(
                    f"The dataset {dataset} has the channels {', '.join(there.channels)} and the labels "
                    f"{', '.join(there.labels)}, the result has {', '.join(self.channels)} and {', '.join(wanted)}.",
                    "Choose another study folder for another task.",
                )
        else:
            create_dataset(dataset, dataset.parent.name, self.channels, wanted)
        stem = safe_name(self.name)
        name, number = stem, 1
        while (dataset / "labelsTr" / f"{name}.nii.gz").exists():
            number += 1
            name = f"{stem}-{number}"
        geometry = geometry_of(self.volumes[0].grid)
        add_case(
            dataset,
            name,
            [Volume(shot.array, geometry_of(shot.grid)) for shot in self.volumes],
            Volume(self.label, geometry),
        )
        return name


def gather(table: LesionTable) -> AnnotatedCase:
    """What is to be written, from the nodes of the scene.

    Raises:
        InputError: a volume or the segmentation is gone.
    """
    volumes = table.volumes
    if len(volumes) != max(1, len(table.channels)):
        raise InputError(
            _("A volume of {name} is not in the scene any more.").format(name=table.node.GetName()),
            _("Load it and segment it again."),
        )
    question = review.ask(table)
    value = np.array([0, *(label for label, _name in question.classes)], np.uint16)
    shots = tuple(snapshot(volume) for volume in volumes)
    if not shots[0].grid.fits(question.grid):
        raise InputError(
            _("The volume {name} was moved or resampled since it was segmented.").format(name=shots[0].name),
            _("Segment it again."),
        )
    channels = table.channels or ("image",)
    # The first of several volumes has the number of its channel in its name, the case has not.
    name = table.case_name.removesuffix("_0000") if len(channels) > 1 else table.case_name
    return AnnotatedCase(name, shots, channels, value[question.segments], table.labels)


def geometry_of(grid: Grid) -> Geometry:
    from lossseg.images import Geometry

    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
    x, y, z = lps[:3, 3].tolist()
    direction = lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)
    return Geometry(grid.shape, grid.spacing, (x, y, z), tuple(direction.reshape(-1).tolist()))
