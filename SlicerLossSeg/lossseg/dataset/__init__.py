"""Dataset folders in nnU-Net v2's raw layout: opening, checking, splitting by patient, adding cases."""

from lossseg.dataset.cases import Case, Dataset, open_dataset
from lossseg.dataset.checks import CaseCheck, check_case, check_cases
from lossseg.dataset.description import Description, read_description
from lossseg.dataset.inputs import find_images
from lossseg.dataset.patients import patient_of
from lossseg.dataset.splits import Fold, make_folds, read_splits, write_splits
from lossseg.dataset.writing import add_case, create_dataset

__all__ = [
    "Case",
    "CaseCheck",
    "Dataset",
    "Description",
    "Fold",
    "add_case",
    "check_case",
    "check_cases",
    "create_dataset",
    "find_images",
    "make_folds",
    "open_dataset",
    "patient_of",
    "read_description",
    "read_splits",
    "write_splits",
]
