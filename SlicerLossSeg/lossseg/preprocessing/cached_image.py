"""The image of a preprocessed case as a file: made in slabs where it is large, once for all plans of its grid."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lossseg.dataset import Case
from lossseg.errors import InputError
from lossseg.files import read_json
from lossseg.images import Geometry, Volume, read_volume
from lossseg.preprocessing.case import Prepared, prepare
from lossseg.preprocessing.plan import Plan
from lossseg.preprocessing.slabs import SLAB, in_slabs, prepare_slabs

LARGE = 2**26
"""From so many voxels of all channels on, a case is preprocessed in slabs."""


@dataclass(frozen=True)
class CachedImage:
    """An image that was written.

    Attributes:
        prepared: how it lies on the case's grid; its image may be a stand-in of the right shape.
        facts: what tells another plan that it may have this image, and how it lies; JSON data.
    """

    prepared: Prepared
    facts: dict[str, Any]


def write_image(case: Case, plan: Plan, target: Path, stamps: Sequence[Any], path: Path) -> CachedImage:
    """Write the image (C, z, y, x) float32 of `case` on the plan's grid to `path`, as .npy.

    An image that another plan of the same grid has of the same files, for other labels, is linked and not made again.

    Args:
        target: folder of the case in the cache.
        stamps: names, sizes and times of the case's images.

    Raises:
        InputError: the case cannot be read, or does not fit the plan.
        DiskFull: no room.
    """
    key = hashlib.sha256(json.dumps([plan.grid(), list(stamps)], sort_keys=True).encode()).hexdigest()
    found = _linked(target, key, path, plan)
    if found is not None:
        return found
    volumes = [read_volume(image, lean=True) for image in case.images]
    prepared = _written(volumes, plan, path)
    facts = {
        "key": key,
        "geometry": asdict(prepared.geometry),
        "crop": [[part.start, part.stop] for part in prepared.crop],
        "padding": list(prepared.padding),
    }
    return CachedImage(prepared, facts)


def _written(volumes: Sequence[Volume], plan: Plan, path: Path) -> Prepared:
    if sum(volume.array.size for volume in volumes) < LARGE or not in_slabs(plan):
        prepared = prepare(volumes, plan)
        np.save(path, prepared.image)
        return prepared
    prepared, stack = prepare_slabs(volumes, plan)
    file = np.lib.format.open_memmap(path, "w+", np.float32, stack.shape)
    for first in range(0, stack.shape[1], SLAB):
        end = min(first + SLAB, stack.shape[1])
        file[:, first:end] = stack.read(first, end)
    file.flush()
    return prepared


def _linked(target: Path, key: str, path: Path, plan: Plan) -> CachedImage | None:
    """The image of the same key of another plan, under `path` as well; None where there is none."""
    for other in sorted(target.parent.parent.glob(f"*/{target.name}/case.json")):
        # Another process may take the case away, and some file systems have no links.
        with suppress(OSError, InputError, KeyError, TypeError):
            facts = read_json(other)["image"]
            if facts["key"] == key:
                os.link(other.with_name("image.npy"), path)
                return CachedImage(_prepared(facts, np.load(path, mmap_mode="r").shape, plan), facts)
    return None


def _prepared(facts: dict[str, Any], shape: tuple[int, ...], plan: Plan) -> Prepared:
    grid = {name: tuple(value) for name, value in facts["geometry"].items()}
    z, y, x = (slice(start, stop) for start, stop in facts["crop"])
    # No memory map: a folder with an open one cannot be renamed everywhere.
    return Prepared(np.broadcast_to(np.float32(0), shape), (z, y, x), Geometry(**grid), tuple(facts["padding"]), plan)
