"""Which files of several folders belong to one case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lossseg.errors import InputError
from lossseg.evaluation.cohort import Failure
from lossseg.images import IMAGE_ENDINGS, case_name, image_ending

PROBABILITY = "_probability"
LOGIT = "_logit"
DISAGREEMENT = "_disagreement"
"""Behind the case's name in the files that a prediction writes beside its labels."""


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case; `confidence` holds probabilities or logits, None where there are none."""

    name: str
    prediction: Path
    reference: Path
    confidence: Path | None = None


def pair_files(
    prediction_dir: Path | str, reference_dir: Path | str, confidence_dir: Path | str | None = None, ending: str = ""
) -> tuple[list[CaseFiles], list[Failure]]:
    """The cases of the folders by name, and a sentence for each name that lacks a partner or is there twice.

    Args:
        prediction_dir: label volumes; CASE_probability, CASE_logit and CASE_disagreement are none, unless a reference
            has that name.
        reference_dir: label volumes.
        confidence_dir: one volume per case, named CASE + `ending` where there are such files, else CASE.
        ending: `PROBABILITY` or `LOGIT`.

    Raises:
        InputError: a folder that does not exist or holds no image.
    """
    references = images_in(reference_dir, "references")
    found = images_in(prediction_dir, "predictions")
    predictions = {name: paths for name, paths in found.items() if name in references or not _beside(name)}
    kinds = {"prediction": predictions, "reference": references}
    if confidence_dir is not None:
        what = "logits" if ending == LOGIT else "probabilities"
        kinds[f"volume of {what}"] = _confidences(confidence_dir, what, ending)
    pairs, failures = [], []
    for name in sorted(kinds["prediction"].keys() | kinds["reference"].keys()):
        paths = {kind: found.get(name, []) for kind, found in kinds.items()}
        missing = next((kind for kind, found in paths.items() if not found), None)
        several = next((found for found in paths.values() if len(found) > 1), None)
        if missing:
            failures.append(Failure(name, f"Case {name} has no {missing}. Add the file or remove its partner."))
        elif several:
            both = " and ".join(str(path) for path in several[:2])
            failures.append(Failure(name, f"Case {name} is there twice: {both}. Remove one of them."))
        else:
            prediction, reference, *confidence = (found[0] for found in paths.values())
            pairs.append(CaseFiles(name, prediction, reference, *confidence))
    return pairs, failures


def images_in(folder: Path | str, what: str) -> Mapping[str, list[Path]]:
    """Case name to the image files of that name in a folder.

    Raises:
        InputError: it does not exist or holds no image; the message names `what` they are.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"The folder of {what} {folder} does not exist.", "Check the path.")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and image_ending(path) and not path.name.startswith("."):
            found.setdefault(case_name(path), []).append(path)
    if not found:
        raise InputError(f"The folder of {what} {folder} holds no image.", f"Files end in {', '.join(IMAGE_ENDINGS)}.")
    return found


def _beside(name: str) -> bool:
    """Whether a prediction writes volumes of such a name beside the labels of its case."""
    return name.endswith((PROBABILITY, LOGIT, DISAGREEMENT))


def _confidences(folder: Path | str, what: str, ending: str) -> dict[str, list[Path]]:
    found = images_in(folder, what)
    named = {name.removesuffix(ending): paths for name, paths in found.items() if name.endswith(ending)}
    return named or dict(found)
