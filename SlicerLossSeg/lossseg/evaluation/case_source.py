"""The arrays of a case for its pictures, from folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lossseg.dataset.cases import split_channel
from lossseg.errors import InputError
from lossseg.evaluation.pairing import images_in, pair_files
from lossseg.evaluation.report import CaseArrays, ImageSource
from lossseg.images import case_name, read_label, read_volume, resample_to


def folder_source(
    prediction_dir: Path | str,
    reference_dir: Path | str,
    image_dir: Path | str | None = None,
    *,
    resample: bool = False,
) -> ImageSource:
    """Loads a case for its pictures: the first channel of its image, its reference and its prediction.

    Args:
        prediction_dir: label volumes.
        reference_dir: label volumes.
        image_dir: CASE_0000 or CASE; without it the images are empty and only outlines are seen.
        resample: the labels of another grid are put on that of the image.

    Raises:
        InputError: a folder that does not exist or holds no image.
    """
    files = {pair.name: pair for pair in pair_files(prediction_dir, reference_dir)[0]}
    shown: dict[str, Path] = {}
    if image_dir is not None:
        for name, paths in images_in(image_dir, "images").items():
            parts = split_channel(name)
            shown.setdefault(parts[0] if parts else case_name(paths[0]), paths[0])

    def load(case: str) -> CaseArrays:
        reference, prediction = read_label(files[case].reference), read_label(files[case].prediction)
        if image_dir is None:
            image, geometry = np.zeros(reference.array.shape, np.uint8), reference.geometry
        elif case not in shown:
            raise InputError(f"{image_dir} has no image of {case}.", "Give the folder of its images.")
        else:
            volume = read_volume(shown[case])
            image, geometry = volume.array, volume.geometry
        if not geometry.matches(reference.geometry):
            if not resample:
                difference = geometry.difference(reference.geometry)
                raise InputError(
                    f"{shown[case]} lies on another grid than its labels: {difference}.", "Give its own image."
                )
            reference = resample_to(reference, geometry, order=0)
        if resample and not geometry.matches(prediction.geometry):
            prediction = resample_to(prediction, geometry, order=0)
        return image, geometry, reference.array, prediction.array

    return load
