"""The file `dataset.json` of nnU-Net v2's raw layout: what the channels and the labels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.files import read_json, write_json
from lossseg.images import IMAGE_ENDINGS

FILE = "dataset.json"
IGNORE = "ignore"
_KEYS = ("channel_names", "labels", "file_ending")


@dataclass(frozen=True)
class Description:
    """The checked content of `dataset.json`.

    `channels` are the names in the order of their numbers; `labels` maps names to integers, background 0 first, then
    consecutive; `ignore` is the value of the label named "ignore", the one after the last of `labels`, whose voxels
    count neither for nor against anything; None without one. `cases` is numTraining, None where the file does not say;
    `extra` holds the keys nothing here uses.
    """

    name: str
    channels: tuple[str, ...]
    labels: dict[str, int]
    file_ending: str
    cases: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    ignore: int | None = None

    @property
    def values(self) -> dict[str, int]:
        """Every label that a voxel may have, the one to ignore among them."""
        return all_values(self.labels, self.ignore)


def read_description(folder: Path | str) -> Description:
    """The description of the dataset in `folder`.

    Raises:
        InputError: no dataset.json, no valid JSON, a missing key, channels not numbered from 0, labels that are not
            consecutive integers from 0 or that are regions, an ignore label that is not the highest, an unknown file
            ending.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        raise InputError(
            f"{folder} is no dataset: it has no {FILE}.",
            "Give a folder in nnU-Net v2's raw layout: dataset.json, imagesTr, labelsTr.",
        )
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object.", f"It needs the keys {', '.join(_KEYS)}.")
    missing = [key for key in _KEYS if key not in content]
    if missing:
        old = " It looks like nnU-Net v1's; convert it to v2." if "modality" in content else ""
        raise InputError(f"{path} lacks {', '.join(missing)}.", f"Add what is missing.{old}")
    cases = content.get("numTraining")
    if cases is not None and (not isinstance(cases, int) or cases < 0):
        raise InputError(f"{path} gives numTraining as {cases!r}.", "Write the number of training cases.")
    labels, ignore = checked_values(content["labels"], path)
    return Description(
        name=str(content.get("name") or path.resolve().parent.name),
        channels=_channels(content["channel_names"], path),
        labels=labels,
        file_ending=checked_ending(content["file_ending"], path),
        cases=cases,
        extra={key: value for key, value in content.items() if key not in (*_KEYS, "numTraining", "name")},
        ignore=ignore,
    )


def write_description(folder: Path, description: Description) -> None:
    """Writes `dataset.json`, extra keys included."""
    content = {
        "name": description.name,
        "channel_names": {str(number): name for number, name in enumerate(description.channels)},
        "labels": description.values,
        "numTraining": description.cases or 0,
        "file_ending": description.file_ending,
    }
    write_json(folder / FILE, {**content, **description.extra})


def checked_values(labels: Any, where: Path | str) -> tuple[dict[str, int], int | None]:
    """`checked_labels` of all labels but "ignore", and the value of that, which nnU-Net wants to be the highest one."""
    if not isinstance(labels, Mapping) or IGNORE not in labels:
        return checked_labels(labels, where), None
    named = checked_labels({name: value for name, value in labels.items() if name != IGNORE}, where)
    value = labels[IGNORE]
    if value != len(named) or isinstance(value, bool):
        raise InputError(f"{where} has the ignore label {value!r}.", f"Give it the next value, {len(named)}.")
    return named, int(value)


def all_values(labels: Mapping[str, int], ignore: int | None) -> dict[str, int]:
    return dict(labels) if ignore is None else {**labels, IGNORE: ignore}


def checked_labels(labels: Any, where: Path | str) -> dict[str, int]:
    """`labels` in ascending order, or `InputError` unless they are background 0 and consecutive integers after it."""
    if not isinstance(labels, Mapping) or not labels:
        raise InputError(f"{where} names no labels.", 'Write them as {"background": 0, "lesion": 1}.')
    regions = [name for name, value in labels.items() if isinstance(value, Sequence) and not isinstance(value, str)]
    if regions:
        raise InputError(
            f"{where} has region-based labels ({', '.join(map(str, regions))}), which are not supported.",
            "Give each label one integer.",
        )
    odd = {name: value for name, value in labels.items() if not isinstance(value, int) or isinstance(value, bool)}
    if odd:
        listed = ", ".join(f"{name}: {value!r}" for name, value in odd.items())
        raise InputError(
            f"{where} has labels that are no integers ({listed}).", 'Write them as {"background": 0, "lesion": 1}.'
        )
    ordered = dict(sorted(labels.items(), key=lambda item: item[1]))
    values = list(ordered.values())
    misplaced = {name: (value, place) for place, (name, value) in enumerate(ordered.items()) if value != place}
    if misplaced:
        raise InputError(
            f"{where} has labels that are not consecutive from 0: "
            f"{_some([f'{name} = {value}' for name, (value, _) in misplaced.items()])}.",
            f"Renumber them, in {FILE} and in the label files: "
            f"{_some([f'{value} to {place}' for value, place in misplaced.values()])}.",
        )
    if len(values) == 1:
        raise InputError(
            f"{where} has no label but the background.", 'Add what is to be segmented, as in {"lesion": 1}.'
        )
    return ordered


def checked_ending(ending: Any, where: Path | str) -> str:
    """`ending`, or `InputError` for a format that is none of `IMAGE_ENDINGS`."""
    if ending not in IMAGE_ENDINGS:
        raise InputError(f"{where} has the file ending {ending!r}.", f"It can be {', '.join(IMAGE_ENDINGS)}.")
    return str(ending)


def _channels(names: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(names, Mapping) or not names:
        raise InputError(f"{path} names no channels.", 'Write them as "channel_names": {"0": "FLAIR"}.')
    wanted = [str(number) for number in range(len(names))]
    if set(names) != set(wanted):
        raise InputError(
            f"{path} numbers its channels {', '.join(map(str, names))}.", f"Number them {', '.join(wanted)}."
        )
    return tuple(str(names[number]) for number in wanted)


def _some(items: Sequence[str], shown: int = 8) -> str:
    left = len(items) - shown
    return ", ".join(items[:shown]) + (f" and {left} more" if left > 0 else "")
