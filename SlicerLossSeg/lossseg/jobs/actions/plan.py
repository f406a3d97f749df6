"""Job `plan`: what a dataset looks like, and how training would treat it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossseg.errors import InputError
from lossseg.files import write_json
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.networks.catalogue import NetworkName
from lossseg.reporting import Reporter

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class PlanParams:
    dataset: Path = argument("Dataset folder in nnU-Net v2's raw layout (dataset.json, imagesTr, labelsTr).")
    out: Path | None = option(None, "File to write fingerprint and plan to, as JSON.", metavar="FILE", shown="none")
    memory_gb: float | None = option(
        None, "Memory that a training step may take, in GiB.", low=0.1, high=4096, shown="8"
    )
    network: NetworkName = option("unet", "Network to plan; `lossseg networks` tells about each.")
    base_filters: int | None = option(
        None, "Filters of the first stage, doubled per stage.", low=1, shown="by the network, 32 for unet"
    )
    max_filters: int = option(320, "Most filters of a stage (nnU-Net has 320).", low=1)
    filters: tuple[int, ...] | None = option(
        None, "Filters of every stage, instead of the two above.", metavar="N,N,...", shown="doubled per stage"
    )
    dilations: tuple[int, ...] | None = option(
        None, "Rates of dilated filters, for networks that have such.", metavar="N,N,...", shown="1,2,3,4"
    )
    patch: tuple[int, int, int] | None = option(
        None, "Size of a patch in voxels, along z, y and x.", metavar="Z Y X", shown="fitted to the memory"
    )
    batch: int | None = option(None, "Patches per step.", low=1, shown="fitted to the memory")
    spacing: tuple[float, float, float] | None = option(
        None, "Voxel size to resample to in mm, along z, y and x.", metavar="Z Y X", shown="the dataset's median"
    )
    windows: dict[str, tuple[float, float]] = option(
        {},
        "Fixed intensity window of a channel in its units, such as CT=-1000:300. Repeat it for more channels.",
        flags=("--window",),
        metavar="CHANNEL=LOW:HIGH",
        shown="by the channel's name",
    )


def run(params: PlanParams, reporter: Reporter) -> Summary:
    from lossseg.dataset import open_dataset
    from lossseg.losses.advisor import advise
    from lossseg.preprocessing import PlanSettings, imbalance, plan_dataset

    if params.out is not None and params.out.exists():
        raise InputError(f"{params.out} already exists.", "Choose another name for the plan; none is overwritten.")
    dataset = open_dataset(params.dataset)
    defaults = PlanSettings()
    settings = PlanSettings(
        memory_gb=params.memory_gb or defaults.memory_gb,
        network=params.network,
        base_filters=params.base_filters,
        max_filters=params.max_filters,
        filters=params.filters,
        dilations=params.dilations,
        patch=params.patch,
        batch=params.batch,
        spacing=params.spacing,
        windows=params.windows,
    )
    facts, plan = plan_dataset(dataset, settings, reporter=reporter)
    if params.out is not None:
        write_json(params.out, {"fingerprint": facts.to_json(), "plan": plan.to_json()})
        reporter.artifact("plan", params.out)
    return {
        "dataset": dataset.folder,
        "channels": dataset.channels,
        "labels": dataset.labels,
        "cases": len(facts.cases),
        "empty_cases": facts.empty_cases,
        "lesions": _sizes(facts.lesions_mm3),
        "foreground": facts.foreground,
        "plan": plan.to_json(),
        "losses": [asdict(suggestion) for suggestion in advise(imbalance(facts, plan))],
    }


def _sizes(volumes: np.ndarray) -> dict[str, Any]:
    """How many lesions, and the smallest, middle and largest of the sorted `volumes` in mm3 (None without any)."""
    if volumes.size == 0:
        return {"count": 0, "smallest_mm3": None, "median_mm3": None, "largest_mm3": None}
    return {
        "count": int(volumes.size),
        "smallest_mm3": float(volumes.min()),
        "median_mm3": float(volumes[volumes.size // 2]),
        "largest_mm3": float(volumes.max()),
    }


ACTION = Action(
    kind="plan",
    title="Show what a dataset looks like and how it would be trained.",
    params=PlanParams,
    run=run,
    examples=(
        "lossseg plan data/aneurysms",
        "lossseg plan data/nodules --window CT=-1000:300 --memory-gb 6 --out plan.json",
        "lossseg plan data/aneurysms --patch 64 64 64 --filters 16,32,64,128",
        "lossseg plan data/muscles --network shared_dilation --dilations 1,2,4,6",
    ),
)
