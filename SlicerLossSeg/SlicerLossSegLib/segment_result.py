"""What the engine found in a case: from its files into the scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SlicerLossSegLib import segmentation_io
from SlicerLossSegLib.assessment import Assessment, assess, read_confidences
from SlicerLossSegLib.lesion_table import LesionTable, Role
from SlicerLossSegLib.segment_case import ENDING, CaseInput, Options
from SlicerLossSegLib.sequences import WINDOWS, show_frame
from SlicerLossSegLib.study import read_result_labels
from SlicerLossSegLib.volumes import Grid, add_scalar_volume


@dataclass(frozen=True, eq=False)
class Result:
    """What a segmentation left in the scene for one case; of a frame, the items of sequences."""

    case: CaseInput
    table: LesionTable

    @property
    def segmentation(self) -> Any:
        return self.table.linked(Role.SEGMENTATION)

    @property
    def probability(self) -> Any | None:
        return self.table.linked(Role.PROBABILITY)

    @property
    def disagreement(self) -> Any | None:
        return self.table.linked(Role.DISAGREEMENT)


@dataclass(frozen=True, eq=False)
class Collected:
    """What the engine wrote for one case, read and measured."""

    assessment: Assessment
    probability: np.ndarray | None
    disagreement: np.ndarray | None


def show_result(case: CaseInput, found: Collected, channels: tuple[str, ...] = ("image",)) -> Result:
    """Put a result into the scene: segmentation, table, and the volumes that were asked for, linked to each other."""
    seen = found.assessment
    if case.sequence is not None:
        arrays = {Role.PROBABILITY: found.probability, Role.DISAGREEMENT: found.disagreement}
        return Result(case, show_frame(*case.sequence, seen, arrays, channels))
    volume = case.volumes[0]
    segmentation = segmentation_io.add_segmentation(f"{case.name} lesions", volume)
    ids = segmentation_io.fill(segmentation, seen.lesions, seen.segments, seen.grid)
    table = LesionTable.create(f"{case.name} lesion table", seen.grid, seen.labels, channels)
    for role, name, array in (
        (Role.PROBABILITY, "probability", found.probability),
        (Role.DISAGREEMENT, "disagreement", found.disagreement),
    ):
        if array is not None:
            table.link(role, add_scalar_volume(f"{case.name} {name}", array, seen.grid, window=WINDOWS[role]))
    table.link(Role.SEGMENTATION, segmentation)
    table.link_volumes(case.volumes)
    table.fill(seen.rows_with(ids), seen.measures)
    return Result(case, table)


def read_result(out: Path, code: str, grid: Grid | None, options: Options) -> Collected:
    """Read and measure what the engine wrote for a case; in a thread.

    Args:
        grid: of the volume; None for the one in the file.
    """
    from lossseg.images import read_label, read_volume

    label = read_label(out / f"{code}{ENDING}")
    if grid is None:
        grid = Grid(label.array.shape, label.geometry.affine)
    table = out / f"{code}.lesions.json"
    probability = disagreement = None
    if options.keep_probability:
        probability = read_volume(out / f"{code}_probability{ENDING}").array.astype(np.float32)
    if options.keep_disagreement:
        disagreement = read_volume(out / f"{code}_disagreement{ENDING}").array.astype(np.float32)
    labels = read_result_labels(table)
    seen = assess(label.array, grid, labels, probability=probability, known=read_confidences(table))
    return Collected(seen, probability, disagreement)
