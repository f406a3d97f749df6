"""What is to be segmented, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from SlicerLossSegLib.parameters import SizeUnit

ENDING = ".nrrd"


@dataclass(frozen=True)
class Options:
    """How volumes are segmented; the engine's own defaults.

    Attributes:
        device: as the engine calls it: auto, cpu, cuda:0, mps.
        overlap: of neighbouring windows, 0 to below 1.
        coarse_to_fine: an approximation: run in full only where a quick first pass finds something.
        eight_bit: an approximation: compute partly in 8 bits; on a CPU only.
        threshold: from this probability on a voxel is foreground; None: what the models' validation chose.
        smallest: smaller lesions are left out, in `smallest_unit`.
        roi: (r0, r1, a0, a1, s0, s1) in RAS mm, None for everything.
    """

    device: str = "auto"
    mirror: bool = False
    overlap: float = 0.5
    coarse_to_fine: bool = False
    eight_bit: bool = False
    threshold: float | None = None
    smallest: float = 11
    smallest_unit: SizeUnit = SizeUnit.VOXELS
    roi: tuple[float, float, float, float, float, float] | None = None
    keep_probability: bool = False
    keep_disagreement: bool = False

    def parameters(self) -> dict[str, Any]:
        """As parameters of the job `predict`."""
        in_mm3 = self.smallest_unit is SizeUnit.MM3
        return {
            "device": self.device,
            "mirror": self.mirror,
            "overlap": self.overlap,
            "coarse_to_fine": self.coarse_to_fine,
            "precision": "int8" if self.eight_bit else "auto",
            "threshold": self.threshold,
            "min_voxels": 0 if in_mm3 else round(self.smallest),
            "min_volume_mm3": self.smallest if in_mm3 else None,
            "roi": None if self.roi is None else list(self.roi),
            "keep_probability": self.keep_probability,
            "keep_disagreement": self.keep_disagreement,
            "file_ending": ENDING,
        }


class CaseState(Enum):
    """Where one volume of many is."""

    WAITING = "waiting"
    RUNNING = "running"
    SEGMENTED = "segmented"
    DONE = "done"
    FAILED = "failed"


@dataclass(eq=False)
class CaseInput:
    """One case to segment, and what became of it.

    Attributes:
        name: shown to the person.
        volumes: nodes, one per channel; or none, and
        files: the channels' files. Results of files go into files too, not into the scene.
        sequence: the sequence that the volume is an item of, and the item's index value.
        note: why it failed, or what was found.
    """

    name: str
    volumes: tuple[Any, ...] = ()
    files: tuple[Path, ...] = ()
    sequence: tuple[Any, str] | None = None
    state: CaseState = CaseState.WAITING
    note: str = ""


def saved_label(case: CaseInput, folder: Path) -> Path:
    """Where the label volume of a case of files lies when it is done."""
    return folder / f"{case.name}{ENDING}"
