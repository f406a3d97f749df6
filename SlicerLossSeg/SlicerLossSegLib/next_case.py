"""Which volume of a folder to correct next: the engine's proposal, and the volume itself in the scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import study
from SlicerLossSegLib.jobs import Job
from SlicerLossSegLib.study import ModelCard
from SlicerLossSegLib.volumes import Grid, add_scalar_volume

if TYPE_CHECKING:
    from lossseg.images import Volume


class Order(Enum):
    """By what the next case is chosen; names as the engine has them, none where it chooses."""

    AUTOMATIC = ""
    DISAGREEMENT = "disagreement"
    LESIONS = "lesions"
    RANDOM = "random"


ORDER_TITLES = {
    Order.AUTOMATIC: "worth most",
    Order.DISAGREEMENT: "where the models disagree most",
    Order.LESIONS: "with the most lesions found",
    Order.RANDOM: "at random",
}


@dataclass(frozen=True)
class NextCase:
    """The proposal.

    Attributes:
        images: files, one per channel; empty when there is no case left.
        sentence: why this one, or that none is left.
        volumes: the nodes, once they are loaded.
    """

    name: str
    images: tuple[Path, ...]
    sentence: str
    volumes: tuple[Any, ...] = ()

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> NextCase:
        """From the summary of the engine's job `next_case`."""
        chosen = summary.get("next")
        if not chosen:
            return cls("", (), str(summary.get("sentence", "")))
        images = tuple(Path(path) for path in chosen["channels"])
        return cls(str(chosen["case"]), images, str(summary.get("sentence", "")))

    @classmethod
    def cancelled(cls) -> NextCase:
        return cls("", (), _("Cancelled."))


def next_case_job(folder: Path, images: Path, models: Sequence[ModelCard], study_folder: Path, by: Order) -> Job:
    """The engine's job.

    Args:
        folder: for the job's own files.
        images: the folder to choose from.

    Raises:
        InputError: no model is given, or the models are of different tasks.
    """
    cards = list(models)
    if not cards:
        raise InputError(_("No model is ticked."), _("Tick one or more models in the tab Segment."))
    study.require_one_task(cards)
    dataset = study_folder / "dataset"
    single = cards[0].folder.resolve()
    parameters = {
        "model": single if len(cards) == 1 else folder / "ensemble.json",
        "images": images.resolve(),
        **({"by": by.value} if by.value else {}),
        **({"dataset": dataset.resolve()} if (dataset / "dataset.json").exists() else {}),
    }

    def prepare() -> None:
        if len(cards) > 1:
            study.ensemble_file(cards, folder / "ensemble.json")

    return Job("next_case", parameters, folder, prepare=prepare)


def read_images(chosen: NextCase) -> list[Volume]:
    """The images of the proposed case. Runs in a thread.

    Raises:
        InputError: a file cannot be read.
    """
    from lossseg.images import read_volume

    return [read_volume(path) for path in chosen.images]


def show_next(chosen: NextCase, found: Sequence[Volume]) -> NextCase:
    """Put the images into the scene."""
    nodes = []
    for place, image in enumerate(found):
        # With several channels the list of loaded cases goes by such names.
        name = chosen.name if len(found) == 1 else f"{chosen.name}_{place:04d}"
        nodes.append(add_scalar_volume(name, image.array, Grid(image.array.shape, image.geometry.affine)))
    return replace(chosen, volumes=tuple(nodes))
