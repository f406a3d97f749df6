"""What tells whether two dataset folders hold the same cases."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lossseg.dataset.cases import Case, Dataset
from lossseg.errors import InputError

_PIECE = 1 << 16


def digests(dataset: Dataset, names: Sequence[str]) -> dict[str, str]:
    """Case name → a digest of its files, for those of `names` that the dataset has.

    Of an image the size, beginning, middle and end are read: a compressed file ends with a checksum of the whole.
    Labels, which are small and are corrected, are read whole. Where the folder lies and what times its files have does
    not matter.

    Raises:
        InputError: a file cannot be read.
    """
    wanted = set(names)
    return {case.name: _digest(case) for case in dataset.cases if case.name in wanted}


def _digest(case: Case) -> str:
    hashed = hashlib.sha256()
    files = [(path, False) for image in case.images for path in _files(image)]
    for path, whole in [*files, *([(case.label, True)] if case.label else [])]:
        try:
            with open(path, "rb") as file:
                size = file.seek(0, 2)
                hashed.update(size.to_bytes(8, "little"))
                for place in range(0, size, _PIECE) if whole else (0, size // 2, max(size - _PIECE, 0)):
                    file.seek(place)
                    hashed.update(file.read(_PIECE))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).", "Check its permissions.") from error
    return hashed.hexdigest()[:32]


def _files(image: Path) -> list[Path]:
    """The file, or those of a DICOM folder."""
    return sorted(path for path in image.rglob("*") if path.is_file()) if image.is_dir() else [image]
