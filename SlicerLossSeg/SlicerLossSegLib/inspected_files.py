"""The files that the loss inspector writes for the engine: each node once, until its voxels change."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import segmentation_io
from SlicerLossSegLib.lesion_table import open_table, table_of
from SlicerLossSegLib.volumes import Grid, Snapshot, grid_of, short_folder, snapshot

_MARGIN = 8
"""Voxels around the segments, where there is no volume that says how far the image reaches."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A prediction and a reference as files, of which some have still to be written.

    Attributes:
        is_label: the prediction is a segmentation.
        grid: of both.
    """

    prediction: Path
    reference: Path
    is_label: bool
    grid: Grid
    todo: tuple[tuple[Path, Snapshot], ...]

    def write(self) -> None:
        """Write what is not there yet. Runs in a thread."""
        for path, shot in self.todo:
            shot.write(path)


@dataclass(eq=False)
class InspectedFiles:
    """A private temporary folder with one file per node.

    A file gets a new name when its node has changed, so that the engine, which keeps what it read, never mistakes the
    new one for the old one.
    """

    _folder: Path | None = field(init=False, default=None)
    _known: dict[tuple[str, str], tuple[Any, Path]] = field(init=False, default_factory=dict)
    _count: int = field(init=False, default=0)

    @property
    def folder(self) -> Path:
        if self._folder is None:
            self._folder = short_folder("inspect")
        return self._folder

    def of(self, prediction: Any, reference: Any) -> Pair:
        """Gather in the GUI thread what `Pair.write` needs.

        Raises:
            InputError: a node holds no voxels or cannot be used.
        """
        is_label = bool(prediction.IsA("vtkMRMLSegmentationNode"))
        grid = grid_of_segmentation(prediction, reference) if is_label else _volume_grid(prediction)
        todo: list[tuple[Path, Snapshot]] = []
        key = (*state_of(prediction), _grid_key(grid))
        one, is_new = self._path("prediction", prediction, key)
        if is_new:
            todo.append((one, _mask(prediction, grid) if is_label else snapshot(prediction)))
        other, is_new = self._path("reference", reference, (*state_of(reference), _grid_key(grid)))
        if is_new:
            todo.append((other, _mask(reference, grid)))
        return Pair(one, other, is_label, grid, tuple(todo))

    def remove(self) -> None:
        self._known.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _path(self, role: str, node: Any, state: Any) -> tuple[Path, bool]:
        known, path = self._known.get((role, node.GetID()), (None, None))
        if path is not None and known == state and path.exists():
            return path, False
        if path is not None:
            path.unlink(missing_ok=True)
        self._count += 1
        new = self.folder / f"{role}{self._count}.nrrd"
        self._known[role, node.GetID()] = state, new
        return new, True


def grid_of_segmentation(node: Any, other: Any) -> Grid:
    """The voxels that a segmentation was made on: those of its lesion table or of its source volume.

    Without either, those of its segments, as far as `other`, a segmentation, and it reach.

    Raises:
        InputError: it holds no voxels.
    """
    table = table_of(node)
    if table is not None:
        return open_table(table).grid
    for each in (node, other):
        grid = _source_grid(each)
        if grid is not None:
            return grid
    kind = "Binary labelmap"
    inside = node.GetSegmentation()
    if inside.GetNumberOfSegments() == 0 or not inside.CreateRepresentation(kind):
        raise InputError(
            _("The segmentation {name} holds no voxels.").format(name=node.GetName()), _("Choose another one.")
        )
    return _around(_grid_of_image(inside.GetLayerDataObject(0, kind)), (node, other))


def _source_grid(segmentation: Any) -> Grid | None:
    converter = slicer.vtkSegmentationConverter
    name = converter.GetReferenceImageGeometryParameterName()
    text = segmentation.GetSegmentation().GetConversionParameter(name)
    image = slicer.vtkOrientedImageData()
    if not text or not converter.DeserializeImageGeometry(text, image, False) or 0 in image.GetDimensions():
        return None
    return _grid_of_image(image)


def _around(lattice: Grid, segmentations: tuple[Any, ...]) -> Grid:
    """As large a part of a lattice as segmentations need, and a little more."""
    corners = []
    for segmentation in segmentations:
        bounds = [0.0] * 6
        segmentation.GetRASBounds(bounds)
        if bounds[0] <= bounds[1]:
            corners += list(itertools.product(bounds[0:2], bounds[2:4], bounds[4:6]))
    places = np.linalg.inv(lattice.affine) @ np.array([(*corner, 1.0) for corner in corners]).T
    low = np.floor(places[:3].min(axis=1)).astype(int) - _MARGIN
    x, y, z = (int(size) for size in np.ceil(places[:3].max(axis=1)).astype(int) + _MARGIN + 1 - low)
    affine = lattice.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    return Grid((z, y, x), affine)


def _grid_of_image(image: Any) -> Grid:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    low_x, high_x, low_y, high_y, low_z, high_z = image.GetExtent()
    affine = slicer.util.arrayFromVTKMatrix(matrix)
    affine[:3, 3] += affine[:3, :3] @ np.array([low_x, low_y, low_z])
    return Grid((high_z - low_z + 1, high_y - low_y + 1, high_x - low_x + 1), affine)


def _volume_grid(volume: Any) -> Grid:
    if volume.GetImageData() is None:
        raise InputError(
            _("The volume {name} holds no voxels.").format(name=volume.GetName()), _("Choose another one.")
        )
    return grid_of(volume)


def _mask(segmentation: Any, grid: Grid) -> Snapshot:
    values, _ids = segmentation_io.read(segmentation, grid)
    return Snapshot(segmentation.GetName(), (values > 0).astype(np.uint8), grid)


def state_of(node: Any) -> tuple[Any, ...]:
    """Equal as long as no voxel was changed."""
    if node.IsA("vtkMRMLSegmentationNode"):
        return segmentation_io.state(node)
    image = node.GetImageData()
    return () if image is None else (image.GetMTime(),)


def _grid_key(grid: Grid) -> tuple[Any, ...]:
    return grid.shape, grid.affine.tobytes()
