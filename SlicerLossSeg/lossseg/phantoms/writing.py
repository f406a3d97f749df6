"""Writing a dataset of phantoms."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lossseg.dataset import Dataset, add_case, create_dataset, open_dataset
from lossseg.errors import InputError
from lossseg.files import translate
from lossseg.images import Volume
from lossseg.phantoms.ct import chest_ct
from lossseg.phantoms.enlarged import enlarged, small_size
from lossseg.phantoms.phantom import Phantom
from lossseg.phantoms.tof import tof_mra
from lossseg.phantoms.ultrasound import MUSCLES, muscle_ultrasound
from lossseg.reporting import Reporter, Silent, Stage

_LESION_FREE = 8


@dataclass(frozen=True)
class Kind:
    """A kind of phantom: the dataset's title, channel and labels, and what makes a case from size, seed and number."""

    title: str
    prefix: str
    channel: str
    labels: dict[str, int]
    make: Callable[[tuple[int, int, int], int, int], Phantom]


def _tof(size: tuple[int, int, int], seed: int, number: int) -> Phantom:
    # Screening sees people without aneurysms too.
    return tof_mra(size, seed=seed, aneurysms=[] if number % _LESION_FREE == 0 else None)


KINDS: dict[str, Kind] = {
    "tof": Kind("TOF-MRA phantoms", "TOF", "TOF", {"background": 0, "aneurysm": 1}, _tof),
    "ct": Kind(
        "Chest CT phantoms",
        "CT",
        "CT",
        {"background": 0, "nodule": 1},
        lambda size, seed, number: chest_ct(size, seed=seed),
    ),
    "us": Kind(
        "3D ultrasound phantoms",
        "US",
        "US",
        {"background": 0} | {name: value for value, name in enumerate(MUSCLES, start=1)},
        lambda size, seed, number: muscle_ultrasound(size, seed=seed),
    ),
}


def make_dataset(
    kind: str,
    folder: Path | str,
    cases: int,
    size: tuple[int, int, int] = (96, 96, 96),
    seed: int = 0,
    reporter: Reporter | None = None,
    *,
    enlarge: int = 1,
) -> Dataset:
    """Writes `cases` phantoms as a dataset in nnU-Net v2's raw layout: TOF_001, TOF_002, ..., each its own patient.

    Args:
        kind: "tof" (one to three aneurysms, every eighth case without), "ct" or "us".
        folder: a new or empty folder; it stays empty unless all cases could be written.
        size: (z, y, x) voxels of each volume.
        seed: the same arguments give the same voxels; case n is the same however many follow it.
        enlarge: each voxel of a smaller phantom becomes a block of so many along each axis, see `enlarged`: volumes of
            any size in seconds.

    Raises:
        InputError: an unknown kind, a folder that holds something, no cases, a size too small, no permission.
        DiskFull, Cancelled: nothing is left in `folder`.
    """
    folder, reporter = Path(folder), reporter or Silent()
    if kind not in KINDS:
        raise InputError(f"There is no phantom of kind {kind!r}.", f"Choose {', '.join(KINDS)}.")
    if cases < 1:
        raise InputError(f"{cases} cases are asked for.", "Ask for 1 or more.")
    if enlarge < 1:
        raise InputError(f"Voxels are to be enlarged {enlarge} times.", "Ask for 1 or more.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty.", "Choose another folder for the phantoms.")
    beside = folder / f".making-{secrets.token_hex(4)}"
    try:
        _write(KINDS[kind], beside, cases, size, seed, enlarge, reporter)
        # The description last: a folder without it is no dataset.
        for part in sorted(beside.iterdir(), key=lambda path: path.is_file()):
            part.rename(folder / part.name)
    except OSError as error:
        raise translate(error, folder / "dataset.json") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return open_dataset(folder)


def _write(
    kind: Kind, folder: Path, cases: int, size: tuple[int, int, int], seed: int, enlarge: int, reporter: Reporter
) -> None:
    create_dataset(folder, kind.title, [kind.channel], kind.labels)
    stage = Stage(reporter, "phantoms", cases)
    for number in range(1, cases + 1):
        case_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        phantom = kind.make(small_size(size, enlarge), case_seed, number)
        if enlarge > 1:
            phantom = enlarged(phantom, size, enlarge, case_seed)
        image = Volume(phantom.image.astype(np.int16, copy=False), phantom.geometry)
        add_case(folder, f"{kind.prefix}_{number:03d}", [image], Volume(phantom.label, phantom.geometry))
        stage.advance()
