"""What is done to the cases of the study's dataset: each change leaves its line in cases.json, and nothing is lost.

No widgets and no nodes: all of this works in a thread. Files that are taken out or replaced lie in STUDY/bin.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from lossseg.errors import InputError

if TYPE_CHECKING:
    from lossseg.images import Volume

BIN = "bin"


def who() -> str:
    """The person at the computer, as the system calls them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def add(study: Path, write: Callable[[Path], str], origin: str, corrected: bool) -> str:
    """Write a case into the study's dataset and register it.

    Args:
        write: given the dataset's folder, writes the case and returns its name.
        corrected: its label is a model's result that a person has looked through.

    Raises:
        InputError: cases.json is damaged, or what `write` raises; nothing is added then.
    """
    from lossseg.dataset import CaseRegister, CaseState

    # A damaged register must be known before a case is written that it could not take.
    CaseRegister.read(study)
    name = write(study / "dataset")
    state = CaseState.CORRECTED if corrected else CaseState.ANNOTATED
    what = "added after review" if corrected else "added"
    CaseRegister.read(study).with_added(name, origin=origin, by=who(), what=what, state=state).write()
    return name


def mark_validation(study: Path, names: Iterable[str]) -> None:
    """Hold out exactly these cases, and train on all others.

    Raises:
        InputError: there is no such case.
    """
    from lossseg.dataset import CaseRegister

    CaseRegister.read(study).with_validation(names, by=who()).write()


def read_case(study: Path, name: str) -> list[Volume]:
    """The images of a case, one per channel, and its label, which comes last.

    Raises:
        InputError: there is no such case, or a file cannot be read.
    """
    from lossseg.dataset import open_dataset
    from lossseg.images import read_label, read_volume

    case = next((one for one in open_dataset(study / "dataset").cases if one.name == name), None)
    if case is None or case.label is None:
        raise InputError(_("The dataset has no case {name}.").format(name=name), _("Choose another one."))
    return [*(read_volume(path) for path in case.images), read_label(case.label)]


def replace_label(study: Path, name: str, label: Volume) -> Path:
    """Put another label in the place of a case's label; the former one is kept in the bin.

    Args:
        label: (z, y, x) on the grid of the case, values that the dataset names.

    Returns:
        The folder of the bin with the former label.

    Raises:
        InputError: there is no such case, the label lies on another grid or has unknown values.
        DiskFull: no room; the former label stays.
    """
    from lossseg import dataset

    former = dataset.replace_label(study / "dataset", name, label, study / BIN)
    what = f"label replaced; the former one is in {former.folder.relative_to(study).as_posix()}"
    register = dataset.CaseRegister.read(study)
    register.with_change(name, what, by=who(), state=dataset.CaseState.CORRECTED).write()
    return former.folder


def remove(study: Path, name: str) -> Path:
    """Move a case to the study's bin; returns the folder in it.

    Raises:
        InputError: there is no such case, or its files cannot be moved.
    """
    from lossseg.dataset import CaseRegister, CaseState, remove_case

    register = CaseRegister.read(study)
    register.case(name)
    binned = remove_case(study / "dataset", name, study / BIN)
    register.with_change(name, "removed", by=who(), state=CaseState.REMOVED).write()
    return binned.folder


def restore(study: Path, folder: Path) -> str:
    """Bring a case back from the study's bin; returns its name.

    Raises:
        InputError: no case lies there, or one of that name was added meanwhile.
    """
    from lossseg.dataset import CaseRegister, CaseState, restore_case

    name = restore_case(study / "dataset", folder)
    register = CaseRegister.read(study)
    done = [change.what for change in register.case(name).changes]
    corrected = any(what.startswith(("label replaced", "added after review")) for what in done)
    state = CaseState.CORRECTED if corrected else CaseState.ANNOTATED
    register.with_change(name, "restored", by=who(), state=state).write()
    return name
