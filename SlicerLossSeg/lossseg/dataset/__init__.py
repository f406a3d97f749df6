"""Dataset folders in nnU-Net v2's raw layout: opening, checking, splitting, adding cases; their register and bin."""

from lossseg.dataset.bin import (
    Binned,
    count_cases,
    list_bin,
    remove_case,
    replace_label,
    restore_case,
    restore_label,
)
from lossseg.dataset.cases import Case, Dataset, open_dataset
from lossseg.dataset.checks import CaseCheck, check_case, check_cases
from lossseg.dataset.clock import iso, utc_now
from lossseg.dataset.description import Description, read_description
from lossseg.dataset.identity import digests
from lossseg.dataset.inputs import find_images
from lossseg.dataset.patients import patient_of, shared_patients
from lossseg.dataset.records import CaseRecord, CaseState, Change
from lossseg.dataset.register import CaseRegister
from lossseg.dataset.rounds import Round, append_round, read_rounds
from lossseg.dataset.splits import Fold, make_folds, read_splits, write_splits
from lossseg.dataset.writing import add_case, create_dataset

__all__ = [
    "Binned",
    "Case",
    "CaseCheck",
    "CaseRecord",
    "CaseRegister",
    "CaseState",
    "Change",
    "Dataset",
    "Description",
    "Fold",
    "Round",
    "add_case",
    "append_round",
    "check_case",
    "check_cases",
    "count_cases",
    "create_dataset",
    "digests",
    "find_images",
    "iso",
    "list_bin",
    "make_folds",
    "open_dataset",
    "patient_of",
    "read_description",
    "read_rounds",
    "read_splits",
    "remove_case",
    "replace_label",
    "restore_case",
    "restore_label",
    "shared_patients",
    "utc_now",
    "write_splits",
]
