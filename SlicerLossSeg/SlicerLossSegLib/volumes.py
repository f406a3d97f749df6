"""Volumes between MRML and files: the exact grid goes along, and files are written and read beside the GUI thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.files import atomic

_CHUNK_BYTES = 1 << 24
_NRRD_TYPES = {
    "i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16",
    "i4": "int32", "u4": "uint32", "i8": "int64", "u8": "uint64", "f4": "float", "f8": "double",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of an array (z, y, x) lie.

    Attributes:
        shape: (z, y, x).
        affine: (4, 4), maps the voxel index (x, y, z, 1) to RAS mm.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(z, y, x) mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return z, y, x

    def matrix(self) -> vtk.vtkMatrix4x4:
        """The affine as VTK takes it."""
        return slicer.util.vtkMatrixFromArray(self.affine)

    def fits(self, other: Grid) -> bool:
        """Whether both are the same grid, to a hundredth of a voxel at the far corner."""
        if self.shape != other.shape:
            return False
        corner = np.array([*self.shape[::-1], 1.0])
        far = max(np.abs(self.affine @ corner - other.affine @ corner))
        near = np.abs(self.affine[:3, 3] - other.affine[:3, 3]).max()
        return bool(max(far, near) <= 0.01 * min(self.spacing))


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a thread needs of a volume node: its voxels, not copied, and where they lie."""

    name: str
    array: np.ndarray
    grid: Grid

    def write(self, path: Path) -> None:
        """Write as NRRD, complete or not at all."""
        write_nrrd(path, self.array, self.grid)


def snapshot(node: Any) -> Snapshot:
    """The voxels of a scalar volume node and where they lie in the world, a linear transform above it included.

    Raises:
        InputError: it holds no voxels, is not a scalar volume, or is under a transform that no grid can follow.
    """
    name = node.GetName()
    image = node.GetImageData()
    if image is None or 0 in image.GetDimensions():
        raise InputError(
            _("The volume {name} holds no voxels.").format(name=name), _("Load its data or choose another one.")
        )
    if image.GetNumberOfScalarComponents() != 1:
        raise InputError(
            _("The volume {name} has {n} values per voxel.").format(name=name, n=image.GetNumberOfScalarComponents()),
            _("Choose a volume with one value per voxel."),
        )
    array = slicer.util.arrayFromVolume(node)
    return Snapshot(name, array, grid_of(node))


def grid_of(node: Any) -> Grid:
    """Where the voxels of a volume node lie in the world.

    Raises:
        InputError: it is under a nonlinear or shearing transform.
    """
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    above = node.GetParentTransformNode()
    remedy = _("Harden the transform (right-click on the volume in the Data module), or take it away.")
    if above is not None:
        if not above.IsTransformToWorldLinear():
            raise InputError(_("The volume {name} is under a warping transform.").format(name=node.GetName()), remedy)
        to_world = vtk.vtkMatrix4x4()
        above.GetMatrixTransformToWorld(to_world)
        vtk.vtkMatrix4x4.Multiply4x4(to_world, matrix, matrix)
    affine = slicer.util.arrayFromVTKMatrix(matrix)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        raise InputError(
            _("The axes of the volume {name} are not at right angles.").format(name=node.GetName()), remedy
        )
    width, height, depth = node.GetImageData().GetDimensions()
    return Grid((depth, height, width), affine)


def write_nrrd(path: Path, array: np.ndarray, grid: Grid) -> None:
    """Write an array (z, y, x) as NRRD without compression: quick, and exact in every bit of voxels and grid.

    Raises:
        InputError, DiskFull: the file cannot be written.
    """
    array = np.ascontiguousarray(array)
    kind = array.dtype.str[1:]
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
    columns = " ".join(_vector(lps[:3, axis]) for axis in range(3))
    header = [
        "NRRD0004",
        f"type: {_NRRD_TYPES[kind]}",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: " + " ".join(map(str, grid.shape[::-1])),
        f"space directions: {columns}",
        "kinds: domain domain domain",
        "endian: " + ("big" if array.dtype.str[0] == ">" else "little"),
        "encoding: raw",
        f"space origin: {_vector(lps[:3, 3])}",
    ]
    with atomic(path) as beside, open(beside, "wb") as file:
        file.write(("\n".join(header) + "\n\n").encode("ascii"))
        for chunk in _chunks(array):
            file.write(chunk)


def _vector(values: np.ndarray) -> str:
    # repr of a Python float is the shortest text that reads back as the same number.
    return "(" + ",".join(repr(float(value)) for value in values) + ")"


def _chunks(array: np.ndarray) -> Iterator[memoryview]:
    data = memoryview(array.reshape(-1)).cast("B")
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]


def add_scalar_volume(name: str, array: np.ndarray, grid: Grid, *, window: tuple[float, float] | None = None) -> Any:
    """A scalar volume node in the scene with a copy of the array (z, y, x).

    Args:
        window: the values that are shown black and white; None: Slicer looks for them, which takes it a while.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.SetIJKToRASMatrix(grid.matrix())
    if window is not None:
        # As long as the volume is empty there is nothing to look through.
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetAutoWindowLevel(False)
        node.GetDisplayNode().SetWindowLevelMinMax(*window)
    slicer.util.updateVolumeFromArray(node, array)
    if window is None:
        node.CreateDefaultDisplayNodes()
    return node


def safe_name(name: str) -> str:
    """A short file name that every system takes, for a node's name."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in name)
    return kept.strip("_")[:40] or "volume"


def short_folder(kind: str) -> Path:
    """A new folder below Slicer's temporary folder; short, for Windows takes 260 letters of a path only."""
    base = Path(slicer.app.temporaryPath)
    number = 0
    while True:
        folder = base / f"LossSeg-{kind}-{os.getpid()}-{number}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
