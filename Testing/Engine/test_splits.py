"""Splits: by patient, balanced, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossseg.dataset import Fold, make_folds, patient_of, read_splits, write_splits
from lossseg.errors import InputError


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("LIDC0003N2", "LIDC0003"),
        ("LIDC0011N10", "LIDC0011"),
        ("PAT012_visit2", "PAT012"),
        ("PAT012", "PAT012"),
        ("PAT012a", "PAT012"),
        ("case_0012", "case_0012"),
        ("case_0012_left", "case_0012"),
        ("LIDC-IDRI-0001_nodule2", "LIDC-IDRI-0001"),
        ("PAINTED_01", "PAINTED_01"),
        ("ISLES22_0009", "ISLES22_0009"),
        ("PAT12_3", "PAT12_3"),
        ("sub-07_ses-2", "sub-07"),
        ("sub-strokecase0009_ses-0001_dwi", "sub-strokecase0009"),
        ("sub-07", "sub-07"),
        ("0042", "0042"),
        ("scan", "scan"),
        ("élan 3", "élan 3"),
        ("", ""),
    ],
)
def test_the_patient_in_a_name(name: str, patient: str) -> None:
    assert patient_of(name) == patient


def check_partition(names: list[str], folds: tuple[Fold, ...]) -> None:
    assert sorted(name for fold in folds for name in fold.validation) == sorted(names)
    for fold in folds:
        assert sorted(fold.train + fold.validation) == sorted(names)
        assert not {patient_of(name) for name in fold.train} & {patient_of(name) for name in fold.validation}


@settings(max_examples=60, deadline=None)
@given(lesions=st.lists(st.integers(1, 4), min_size=5, max_size=30), folds=st.integers(2, 5), seed=st.integers(0, 10))
def test_no_patient_is_on_both_sides_of_a_fold(lesions: list[int], folds: int, seed: int) -> None:
    names = [f"PAT{patient:03d}N{lesion}" for patient, count in enumerate(lesions) for lesion in range(count)]
    result = make_folds(names, folds, seed)
    check_partition(names, result)
    sizes = [len(fold.validation) for fold in result]
    # No greedy step can leave folds further apart than the largest patient.
    assert max(sizes) - min(sizes) <= max(lesions)


@pytest.mark.parametrize(
    ("cases", "folds", "sizes"), [(18, 5, [3, 3, 4, 4, 4]), (10, 4, [2, 2, 3, 3]), (6, 6, [1] * 6)]
)
def test_folds_are_equal_in_cases(cases: int, folds: int, sizes: list[int]) -> None:
    names = [f"PAINTED_{number:02d}" for number in range(cases)]
    weights = {name: float(number**3) for number, name in enumerate(names)}
    for given_weights in (None, weights):
        result = make_folds(names, folds, 3, given_weights)
        check_partition(names, result)
        assert sorted(len(fold.validation) for fold in result) == sizes


def test_the_seed_decides() -> None:
    names = [f"c_{number}" for number in range(20)]
    assert make_folds(names, 5, 7) == make_folds(names[::-1], 5, 7)
    assert make_folds(names, 5, 7) != make_folds(names, 5, 8)


def test_weights_are_spread() -> None:
    """Ten cases with 1, 1, ..., 1, 30, 30 lesions: the two heavy ones never share a fold of two."""
    names = [f"c_{number}" for number in range(10)]
    weights = dict.fromkeys(names, 1.0) | {"c_3": 30.0, "c_4": 30.0}
    for seed in range(20):
        folds = make_folds(names, 2, seed, weights)
        assert sorted(sum(weights[name] for name in fold.validation) for fold in folds) == [34.0, 34.0]
        assert sorted(len(fold.validation) for fold in folds) == [5, 5]


def test_a_stem_that_all_share_is_no_patient() -> None:
    names = [f"BraTS20_Training_{number:03d}" for number in range(10)]
    assert sorted(len(fold.validation) for fold in make_folds(names, 5, 0)) == [2] * 5
    with pytest.raises(InputError, match="1 patients"):
        make_folds(["sub-1_ses-1", "sub-1_ses-2"], 2, 0)


def test_splits_that_cannot_be_made() -> None:
    with pytest.raises(InputError, match="3 folds are asked for, but there are 2 patients"):
        make_folds(["PAT1a", "PAT1b", "PAT2a", "PAT2b"], 3, 0)
    with pytest.raises(InputError, match="1 folds"):
        make_folds(["a", "b"], 1, 0)
    with pytest.raises(InputError, match="a is named twice"):
        make_folds(["a", "b", "a"], 2, 0)
    with pytest.raises(InputError, match="0 patients"):
        make_folds([], 2, 0)


def test_splits_are_kept_in_nnunets_file(tmp_path: Path) -> None:
    folds = make_folds([f"c_{number}" for number in range(7)], 3, 1)
    path = tmp_path / "splits_final.json"
    write_splits(path, folds)
    assert read_splits(path) == folds
    assert read_splits(path, [f"c_{number}" for number in range(7)]) == folds
    with pytest.raises(InputError, match="names the case c_6"):
        read_splits(path, [f"c_{number}" for number in range(6)])
    path.write_text('[{"train": ["A", "B"], "val": ["C"]}]')
    assert read_splits(path) == (Fold(("A", "B"), ("C",)),)


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", "[1]", '[{"train": ["A"]}]', '[{"train": ["A"], "val": "B"}]', '[{"train": [], "val": ["B"]}]'],
)
def test_files_that_are_no_splits(tmp_path: Path, content: str) -> None:
    path = tmp_path / "splits_final.json"
    path.write_text(content)
    with pytest.raises(InputError, match="holds no splits"):
        read_splits(path)


def test_a_case_on_both_sides_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "splits_final.json"
    path.write_text('[{"train": ["A", "B"], "val": ["B"]}]')
    with pytest.raises(InputError, match="case B in both parts of fold 0"):
        read_splits(path)
