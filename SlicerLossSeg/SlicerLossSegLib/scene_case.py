"""Volumes and a segmentation of the scene as a training case: geometry checked, segments mapped to labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import segmentation_io
from SlicerLossSegLib.terminology import term_for
from SlicerLossSegLib.training_set import AnnotatedCase, geometry_of
from SlicerLossSegLib.volumes import Grid, Snapshot, add_scalar_volume, snapshot

if TYPE_CHECKING:
    from lossseg.images import Volume

CASE_ATTRIBUTE = "LossSeg.case"
"""On nodes that were opened from a dataset: the case's name."""
DATASET_ATTRIBUTE = "LossSeg.dataset"

LEFT_OUT = 0
"""As a segment's label: its voxels are background."""


@dataclass(frozen=True)
class SegmentLabel:
    """A segment and the label that it is of; None while nobody knows."""

    segment_id: str
    name: str
    label: int | None


@dataclass(frozen=True, eq=False)
class SceneCase(AnnotatedCase):
    """A case whose further volumes may lie on other grids than the first; they are resampled when it is written."""

    def write(self, dataset: Path) -> str:
        grid = self.volumes[0].grid
        volumes = tuple(shot if shot.grid.fits(grid) else _resampled(shot, grid) for shot in self.volumes)
        case = AnnotatedCase(self.name, volumes, self.channels, self.label, self.labels)
        return case.write(dataset)

    def as_label(self) -> Volume:
        """The label alone, as the engine's dataset takes it."""
        from lossseg.images import Volume

        return Volume(self.label, geometry_of(self.volumes[0].grid))


def segment_labels(segmentation: Any, labels: Mapping[str, int] | None) -> list[SegmentLabel]:
    """The segments, each with the label that its name or its terminology says.

    Args:
        labels: of the dataset, name to value; None for a dataset to be made, whose labels come from the segments.
    """
    wanted = labels if labels is not None else new_labels(segmentation)
    found = []
    inside = segmentation.GetSegmentation()
    for segment_id in inside.GetSegmentIDs():
        segment = inside.GetSegment(segment_id)
        found.append(SegmentLabel(segment_id, segment.GetName(), _label(segment, wanted)))
    return found


def new_labels(segmentation: Any) -> dict[str, int]:
    """Labels for a dataset to be made: the names of the segments without their numbers, in their order."""
    names: list[str] = []
    inside = segmentation.GetSegmentation()
    for segment_id in inside.GetSegmentIDs():
        segment = inside.GetSegment(segment_id)
        name = _tag(segment, segmentation_io.LABEL_NAME_TAG) or _stem(segment.GetName())
        if name not in names:
            names.append(name)
    return {"background": 0, **{name: place for place, name in enumerate(names, 1)}}


def gather(
    name: str,
    volumes: Sequence[Any],
    segmentation: Any,
    channels: Sequence[str],
    labels: Mapping[str, int],
    mapping: Mapping[str, int],
    resample: bool = False,
) -> SceneCase:
    """What is to be written, from the nodes of the scene.

    Args:
        name: of the case to be.
        volumes: one per channel; all but the first may be resampled.
        labels: of the dataset, name to value with the background.
        mapping: segment id to label, `LEFT_OUT` for none.
        resample: the person agreed that volumes and segments are put on the grid of the first volume.

    Raises:
        InputError: a volume or a label is missing, or the grids differ and nobody agreed to resample.
    """
    if any(volume is None for volume in volumes) or len(volumes) != len(channels):
        raise InputError(
            _("The case needs a volume for each of {channels}.").format(channels=", ".join(channels)),
            _("Choose them."),
        )
    shots = [snapshot(volume) for volume in volumes]
    grid = shots[0].grid
    problem = misfit(shots, segmentation)
    if problem and not resample:
        raise InputError(problem, _("Agree to resample, or choose others."))
    values, ids = segmentation_io.read(segmentation, grid)
    unknown = [one for one in ids if mapping.get(one) is None]
    if unknown:
        segment = segmentation.GetSegmentation().GetSegment(unknown[0])
        raise InputError(
            _("The segment {name} has no label.").format(name=segment.GetName()), _("Choose one, or leave it out.")
        )
    label = np.array([0, *(mapping[one] for one in ids)], np.uint16)[values]
    foreground = {key: value for key, value in labels.items() if value}
    return SceneCase(name, tuple(shots), tuple(channels), label, foreground)


def misfit(shots: Sequence[Snapshot], segmentation: Any) -> str:
    """What would have to be resampled, in a sentence; empty when everything lies on the grid of the first volume."""
    grid = shots[0].grid
    others = [shot.name for shot in shots[1:] if not shot.grid.fits(grid)]
    if segmentation is not None and not _lies_on(segmentation, grid):
        others.append(segmentation.GetName())
    if not others:
        return ""
    return _("{others} does not lie on the voxels of {first}.").format(others=", ".join(others), first=shots[0].name)


def open_case(
    name: str, dataset: Path, channels: Sequence[str], labels: Mapping[str, int], found: Sequence[Any]
) -> tuple[list[Any], Any]:
    """Put a case that was read into the scene.

    Args:
        found: its images and its label as `lossseg.images.Volume`, one per channel, the label last.

    Returns:
        The volume nodes, and the segmentation node with one segment per label.
    """
    *images, label = found
    grid = Grid(label.array.shape, label.geometry.affine)
    volumes = []
    for channel, image in zip(channels, images, strict=True):
        title = name if len(channels) == 1 else f"{name} {channel}"
        volumes.append(add_scalar_volume(title, image.array, Grid(image.array.shape, image.geometry.affine)))
    segmentation = segmentation_io.add_segmentation(f"{name} labels", volumes[0])
    segments = [segmentation_io.NewSegment(key, value, key, value) for key, value in labels.items() if value]
    segmentation_io.fill(segmentation, label.array, segments, grid)
    _add_missing(segmentation, segments)
    for node in (*volumes, segmentation):
        node.SetAttribute(CASE_ATTRIBUTE, name)
        node.SetAttribute(DATASET_ATTRIBUTE, str(dataset.resolve()))
    return volumes, segmentation


def opened(name: str, dataset: Path) -> tuple[list[Any], Any | None]:
    """The volumes and the segmentation of a case in the scene; an empty list and None when it was not opened."""

    def of_case(kind: str) -> list[Any]:
        return [
            node
            for node in slicer.util.getNodesByClass(kind)
            if node.GetAttribute(CASE_ATTRIBUTE) == name
            and node.GetAttribute(DATASET_ATTRIBUTE) == str(dataset.resolve())
        ]

    segmentations = of_case("vtkMRMLSegmentationNode")
    return of_case("vtkMRMLScalarVolumeNode"), segmentations[-1] if segmentations else None


def _add_missing(segmentation: Any, segments: Sequence[segmentation_io.NewSegment]) -> None:
    """Empty segments for the labels that the case has no voxel of, to be drawn into."""
    inside = segmentation.GetSegmentation()
    present = {segmentation_io.class_of(inside.GetSegment(one), {})[0] for one in inside.GetSegmentIDs()}
    for new in segments:
        if new.label not in present:
            segment = slicer.vtkSegment()
            segmentation_io.describe(segment, new)
            inside.AddSegment(segment)


def _label(segment: Any, labels: Mapping[str, int]) -> int | None:
    foreground = {name: value for name, value in labels.items() if value}
    lowered = {name.lower(): value for name, value in foreground.items()}
    for word in (_tag(segment, segmentation_io.LABEL_NAME_TAG), segment.GetName(), _stem(segment.GetName())):
        if word.lower() in lowered:
            return lowered[word.lower()]
    within = [value for name, value in lowered.items() if name in segment.GetName().lower()]
    if len(within) == 1:
        return within[0]
    entry = _tag(segment, slicer.vtkSegment.GetTerminologyEntryTagName())
    of_term = [value for name, value in foreground.items() if _type_code(entry) == term_for(name).type[:2]]
    if len(of_term) == 1:
        return of_term[0]
    return next(iter(foreground.values())) if len(foreground) == 1 else None


def _type_code(entry: str) -> tuple[str, ...]:
    """Coding scheme and value of the type in a terminology tag."""
    parts = entry.split("~")
    return tuple(parts[2].split("^")[:2]) if len(parts) > 2 else ()


def _tag(segment: Any, name: str) -> str:
    found = vtk.reference("")
    return str(found) if segment.GetTag(name, found) else ""


def _stem(name: str) -> str:
    return re.sub(r"[\s_-]*\d+$", "", name).strip() or name


def _lies_on(segmentation: Any, grid: Grid) -> bool:
    """Whether the segments' voxels are voxels of the grid, perhaps of a part of it."""
    inside = segmentation.GetSegmentation()
    kind = "Binary labelmap"
    if not inside.ContainsRepresentation(kind):
        return False
    for layer in range(inside.GetNumberOfLayers(kind)):
        image = inside.GetLayerDataObject(layer, kind)
        if image is None or image.IsEmpty():
            continue
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        to_grid = np.linalg.inv(grid.affine) @ slicer.util.arrayFromVTKMatrix(matrix)
        shift = to_grid[:3, 3]
        if np.abs(to_grid[:3, :3] - np.eye(3)).max() > 1e-3 or np.abs(shift - shift.round()).max() > 0.05:
            return False
    return True


def _resampled(shot: Snapshot, grid: Grid) -> Snapshot:
    from lossseg.images import Volume
    from lossseg.images.resampling import resample_to

    moved = resample_to(Volume(shot.array, geometry_of(shot.grid)), geometry_of(grid), order=1)
    return Snapshot(shot.name, moved.array, grid)
