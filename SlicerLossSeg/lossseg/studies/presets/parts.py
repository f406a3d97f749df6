"""The studies that a preset is made of: one for each arm, or for each arm and label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lossseg.studies.state import folder_name

if TYPE_CHECKING:
    from lossseg.studies.presets import Preset

LABELS_FOLDER = "labels"


@dataclass(frozen=True)
class Part:
    """One study.

    Attributes:
        arm: name of the arm.
        label: the label that its models segment; "" for all.
        name: path below the folder of the run: "shared", or "shared/soleus".
        dataset: below the folder of the run, the dataset of the label; "" for the whole one.
    """

    arm: str
    label: str
    name: str
    dataset: str = ""

    def folder(self, out: Path) -> Path:
        return out / self.name


def parts(preset: Preset, labels: Sequence[str]) -> tuple[Part, ...]:
    """The studies of a run, arm by arm.

    Args:
        labels: of the dataset, without the background.
    """
    if not preset.each_label:
        return tuple(Part(arm.name, "", arm.name) for arm in preset.arms)
    folders: dict[str, str] = {}
    for label in labels:
        folders[label] = folder_name(label, folders.values())
    return tuple(
        Part(arm.name, label, f"{arm.name}/{folder}", f"{LABELS_FOLDER}/{folder}")
        for arm in preset.arms
        for label, folder in folders.items()
    )
