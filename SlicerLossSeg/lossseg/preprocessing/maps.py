"""Voxel maps of whole volumes beside their preprocessed cases, read by memory map like them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lossseg.files import atomic
from lossseg.preprocessing.cache import CachedCase, counted
from lossseg.preprocessing.plan import Plan
from lossseg.reporting import Reporter, Silent, Stage
from lossseg.weights import voxel_map


def prepare_maps(
    cases: Sequence[CachedCase], names: Iterable[str], plan: Plan, reporter: Reporter | None = None
) -> None:
    """Make what is missing of those maps of `names` that belong to whole volumes; others are made from each patch.

    They lie in the case's folder and go with it when the case is prepared anew. `CachedCase.map` reads them.

    Args:
        names: as a loss's `required_maps`.

    Raises:
        InputError: there is no map of that name, or the cache cannot be written.
        DiskFull: no room; maps finished before stay.
    """
    chosen = [made for made in map(voxel_map, sorted(names)) if made.whole_volume]
    missing = [(case, made) for case in cases for made in chosen if not case.map_file(made.name).exists()]
    if not missing:
        return
    stage = Stage(reporter or Silent(), "prepare maps", len(missing))
    for case, made in missing:
        values = made.make(counted(np.asarray(case.label()), plan.classes), spacing=plan.spacing, classes=plan.classes)
        with atomic(case.map_file(made.name)) as beside:
            np.save(beside, values)
        stage.advance()
