"""A dataset's cases cut to a box at their centre, so that many trainings can be judged in little time.

    python Testing/Benchmarks/central_box.py DATASET OUT --size 48 80 80

OUT is a new dataset in nnU-Net v2's raw layout with the same names, channels and labels; voxels are unchanged.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import SimpleITK as sitk

from lossseg.dataset.cases import IMAGES, LABELS
from lossseg.errors import InputError

_DESCRIPTION = "dataset.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--size", type=int, nargs=3, default=(48, 80, 80), metavar=("Z", "Y", "X"), help="voxels")
    args = parser.parse_args()

    if args.out.exists():
        raise InputError(f"{args.out} exists.", "Choose another folder.")
    for folder in (IMAGES, LABELS):
        (args.out / folder).mkdir(parents=True)
        for file in sorted((args.dataset / folder).glob("*.nii*")):
            sitk.WriteImage(_cut(sitk.ReadImage(file), tuple(args.size)), args.out / folder / file.name)
    shutil.copyfile(args.dataset / _DESCRIPTION, args.out / _DESCRIPTION)


def _cut(image: sitk.Image, size: tuple[int, ...]) -> sitk.Image:
    """The box of at most `size` (z, y, x) voxels at the centre."""
    whole = image.GetSize()
    box = [min(wanted, there) for wanted, there in zip(reversed(size), whole, strict=True)]
    corner = [(there - each) // 2 for there, each in zip(whole, box, strict=True)]
    return sitk.RegionOfInterest(image, box, corner)


if __name__ == "__main__":
    main()
