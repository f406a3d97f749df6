"""From fingerprint to plan, in the manner of nnU-Net's 3D full resolution (Isensee et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lossseg.dataset import Dataset
from lossseg.errors import InputError
from lossseg.files import read_json
from lossseg.preprocessing.fingerprint import Fingerprint, Intensities, fingerprint
from lossseg.preprocessing.plan import ChannelKind, ChannelScheme, Plan
from lossseg.preprocessing.resampling import ANISOTROPY, Shape, resampled_shape
from lossseg.reporting import Reporter

_KIND_OF_CHANNEL = {
    "ct": ChannelKind.CT,
    "nonorm": ChannelKind.NONE,
    "organ_mask": ChannelKind.ORGAN_MASK,
    "mask": ChannelKind.ORGAN_MASK,
}
_NONZERO_SHARE = 0.75
_GIB = 2**30


@dataclass(frozen=True)
class PlanSettings:
    """What a person may fix; the rest follows from the data.

    Attributes:
        memory_gb: memory in GiB that a training step may take.
        network: a name of `lossseg.networks.catalogue.NETWORKS`.
        base_filters: filters of the first stage (None: the network's own), in most networks doubled per stage up to
            `max_filters` (nnU-Net 320, ADAM 2020 360).
        filters: the filters of every stage, instead of the two above; also fixes the number of stages.
        patch: (z, y, x) voxels; batch: patches per step; spacing: (S, P, L) mm.
        windows: fixed intensity window (low, high) by channel name, scaled to [0, 1].
        deep_supervision: train with an output at every resolution, where the network has them.
        dilations: rates of dilated filters, for networks that have such.
    """

    memory_gb: float = 8.0
    network: str = "unet"
    base_filters: int | None = None
    max_filters: int = 320
    filters: tuple[int, ...] | None = None
    patch: tuple[int, int, int] | None = None
    batch: int | None = None
    spacing: tuple[float, float, float] | None = None
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    deep_supervision: bool = True
    dilations: tuple[int, ...] | None = None


def plan_dataset(
    dataset: Dataset,
    settings: PlanSettings | None = None,
    *,
    names: Sequence[str] | None = None,
    reporter: Reporter | None = None,
) -> tuple[Fingerprint, Plan]:
    """Fingerprint the annotated cases and plan spacing, intensity schemes, patch, batch and network.

    Args:
        names: only these cases, so that held-out ones leave no trace in the plan.

    Raises:
        InputError: a case cannot be read, or the settings do not fit the data.
    """
    from lossseg.networks.planning import Design, fit_patch  # the networks room needs torch, this one must not

    settings = settings or PlanSettings()
    facts = fingerprint(dataset, names=names, reporter=reporter)
    spacing = settings.spacing or target_spacing(facts)
    shapes = resampled_shapes(facts, spacing)
    median = median_shape(shapes)
    channels = tuple(
        scheme(name, facts, intensities, settings.windows)
        for name, intensities in zip(dataset.channels, facts.intensities, strict=True)
    )
    unknown = sorted(set(settings.windows) - set(dataset.channels))
    if unknown:
        raise InputError(
            f"No channel is called {unknown[0]}.", f"The dataset's channels are {', '.join(dataset.channels)}."
        )
    inputs = sum(entry.kind is not ChannelKind.ORGAN_MASK for entry in channels)
    patch, batch, network = fit_patch(
        spacing,
        median,
        int(settings.memory_gb * _GIB),
        Design(
            network=settings.network,
            base_filters=settings.base_filters,
            max_filters=settings.max_filters,
            filters=settings.filters,
            dilations=settings.dilations,
            deep_supervision=settings.deep_supervision,
        ),
        in_channels=inputs,
        out_channels=len(dataset.labels),
        patch=settings.patch,
        batch=settings.batch,
        dataset_voxels=sum(math.prod(shape) for shape in shapes),
    )
    return facts, Plan(channels, spacing, patch, batch, dict(dataset.labels), network)


def read_plan(path: Path) -> Plan:
    """The plan in a file that `lossseg plan --out` or a cross-validation wrote.

    Raises:
        InputError: the file is missing or holds no plan.
    """
    value = read_json(path)
    try:
        return Plan.from_json(value.get("plan", value) if isinstance(value, dict) else value)
    except InputError as error:
        raise InputError(f"{path}: {error.message}", "Make it anew with `lossseg plan --out`.") from error


def target_spacing(facts: Fingerprint) -> tuple[float, float, float]:
    """Median spacing (S, P, L) in mm; for a much coarser axis of few voxels its tenth percentile.

    nnU-Net's rule: where the median of one axis is over three times the other two and its size under a third of
    theirs, the tenth percentile of that axis's spacing is taken, so that fine volumes do not lose their slices.
    """
    spacings = np.array([case.spacing for case in facts.cases])
    sizes = np.median([case.shape for case in facts.cases], axis=0)
    target = np.median(spacings, axis=0)
    worst = int(np.argmax(target))
    others = [axis for axis in range(3) if axis != worst]
    if target[worst] > ANISOTROPY * target[others].max() and sizes[worst] * ANISOTROPY < sizes[others].min():
        target[worst] = max(np.percentile(spacings[:, worst], 10), target[others].max() + 1e-5)
    s, p, r = (round(float(value), 6) for value in target)
    return s, p, r


def resampled_shapes(facts: Fingerprint, spacing: tuple[float, float, float]) -> list[Shape]:
    """(S, P, L) voxels of each case at `spacing` in mm."""
    return [resampled_shape(case.shape, case.spacing, spacing) for case in facts.cases]


def median_shape(shapes: Sequence[Shape]) -> Shape:
    """Median (S, P, L) voxels."""
    s, p, r = (int(value) for value in np.median(shapes, axis=0))
    return s, p, r


def scheme(
    name: str, facts: Fingerprint, intensities: Intensities, windows: Mapping[str, tuple[float, float]]
) -> ChannelScheme:
    """The intensity scheme of the channel `name`, by its name as nnU-Net's `channel_names` define it.

    Raises:
        InputError: a fixed window is empty.
    """
    if name in windows:
        low, high = windows[name]
        if not low < high:
            raise InputError(f"The window of {name} is empty: {low} to {high}.", "Give the lower bound first.")
        return ChannelScheme(name, ChannelKind.WINDOW, low=low, high=high)
    kind = _KIND_OF_CHANNEL.get(name.lower(), ChannelKind.ZSCORE)
    if kind is ChannelKind.CT:
        return ChannelScheme(
            name,
            kind,
            low=intensities.percentile_00_5,
            high=intensities.percentile_99_5,
            mean=intensities.mean,
            std=intensities.std,
        )
    nonzero = kind is ChannelKind.ZSCORE and float(np.median([case.nonzero for case in facts.cases])) < _NONZERO_SHARE
    return ChannelScheme(name, kind, nonzero=nonzero)
