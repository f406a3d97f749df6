"""Finding the images to segment in what a person gives: a file, several files, a folder, a DICOM series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lossseg.dataset.cases import UNSEEN, Case, image_files, split_channel
from lossseg.errors import InputError
from lossseg.images import IMAGE_ENDINGS, case_name
from lossseg.images.dicom import holds_series


def find_images(folder_or_file: Path | str | Sequence[Path | str], channels: int) -> list[Case]:
    """The cases (without labels) to segment, sorted by name.

    Args:
        folder_or_file: one of
            - a folder of images such as imagesTs, with channels as CASE_0000, CASE_0001, ...; with one channel the
              number may be missing; a folder that has an imagesTs stands for that;
            - a folder with one DICOM series (one channel);
            - one file; with several channels CASE_0000, its other channels lie beside it;
            - a list of files or DICOM folders: with several channels either one case in the order of the channels, or
              files with channel numbers.
        channels: how many channels a case has.

    Raises:
        InputError: a path that does not exist, no images, a channel missing or too many, two cases of one name.
    """
    if isinstance(folder_or_file, (str, Path)):
        return _cases(_expand(Path(folder_or_file), channels), channels)
    paths = [Path(path) for path in folder_or_file]
    for path in paths:
        _require_exists(path)
    if not paths:
        raise InputError("No images are given.", "Give a file or a folder.")
    if channels > 1 and len(paths) == channels and not all(_numbered(path) for path in paths):
        return [Case(_stem(paths[0]), tuple(paths), None)]
    return _cases(paths, channels)


def _expand(path: Path, channels: int) -> list[Path]:
    _require_exists(path)
    if path.is_file():
        parts = split_channel(case_name(path))
        if channels == 1 or parts is None:
            return [path]
        return [file for file in image_files(path.parent) if (_numbered(file) or ("", 0))[0] == parts[0]]
    files = image_files(path)
    if files:
        return files
    if (path / UNSEEN).is_dir():
        return _expand(path / UNSEEN, channels)
    if holds_series(path):
        return [path]
    raise InputError(
        f"{path} holds no images.",
        f"Give files that end in {', '.join(IMAGE_ENDINGS)}, or the folder of a DICOM series.",
    )


def _cases(paths: Sequence[Path], channels: int) -> list[Case]:
    found: dict[str, dict[int, Path]] = {}
    for path in paths:
        name, channel = _numbered(path) or (case_name(path), 0)
        if channel >= channels:
            if channels == 1 and not any(_numbered(other) == (name, 0) for other in paths):
                # A name that only looks numbered ("scan_2024"): with one channel the number is part of the name.
                name, channel = case_name(path), 0
            else:
                raise InputError(
                    f"{path} is channel {channel}, but the model takes {channels}.", "Give the channels of the model."
                )
        of_case = found.setdefault(name, {})
        if channel in of_case:
            raise InputError(
                f"{of_case[channel]} and {path} are the same case by name.", "Rename or remove one of them."
            )
        of_case[channel] = path
    for name, of_case in found.items():
        missing = [str(channel) for channel in range(channels) if channel not in of_case]
        if missing:
            raise InputError(
                f"The case {name} ({next(iter(of_case.values()))}) lacks channel {', '.join(missing)}: the model takes "
                f"{channels} channels.",
                f"Name the files {name}_0000, {name}_0001 and so on, in the order of the model's channels.",
            )
    return [
        Case(name, tuple(of_case[channel] for channel in sorted(of_case)), None)
        for name, of_case in sorted(found.items())
    ]


def _numbered(path: Path) -> tuple[str, int] | None:
    return None if path.is_dir() else split_channel(case_name(path))


def _stem(path: Path) -> str:
    parts = _numbered(path)
    return parts[0] if parts else case_name(path)


def _require_exists(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Check the path.")
