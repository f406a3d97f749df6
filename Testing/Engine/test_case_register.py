"""The register of a study's cases, the bin, and the history of its rounds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lossseg.dataset import (
    CaseRegister,
    CaseState,
    Change,
    Fold,
    Round,
    add_case,
    append_round,
    bin,
    count_cases,
    create_dataset,
    list_bin,
    open_dataset,
    read_rounds,
    read_splits,
    remove_case,
    replace_label,
    restore_case,
    restore_label,
)
from lossseg.errors import InputError
from lossseg.images import Geometry, Volume, read_label

GEOMETRY = Geometry((2, 3, 4), (1.0, 1.0, 1.0))


class Clock:
    """One second later each time it is asked."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 14, 5, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def volume(value: int) -> Volume:
    array = np.arange(24, dtype=np.int16).reshape(GEOMETRY.size)
    return Volume(array + value, GEOMETRY)


def label(voxels: int) -> Volume:
    array = np.zeros(24, np.uint8)
    array[:voxels] = 1
    return Volume(array.reshape(GEOMETRY.size), GEOMETRY)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three cases of two channels in STUDY/dataset."""
    folder = tmp_path / "Étude"
    create_dataset(folder / "dataset", "Lésions", ["FLAIR", "T1"], {"background": 0, "lesion": 1})
    for number in range(1, 4):
        add_case(folder / "dataset", f"P{number}", [volume(number), volume(-number)], label(number))
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def training(folder: Path) -> int:
    return json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["numTraining"]


# The register


def test_an_empty_study_has_no_cases(tmp_path):
    assert CaseRegister.read(tmp_path / "new").cases == ()
    create_dataset(tmp_path / "dataset", "empty", ["CT"], {"background": 0, "nodule": 1})
    assert CaseRegister.read(tmp_path).cases == ()


def test_cases_that_were_copied_in_are_found(study):
    register = CaseRegister.read(study)
    assert [(case.name, case.state, case.origin) for case in register.cases] == [
        (f"P{n}", CaseState.ANNOTATED, "found in the folder") for n in (1, 2, 3)
    ]
    assert not (study / "cases.json").exists()


def test_every_change_is_kept_with_its_time(study):
    register = CaseRegister.read(study, clock=Clock())
    register = register.with_added("P1", origin="scans/P1.nii.gz", by="Ana")
    register = register.with_change("P1", "label corrected", by="Ben", state=CaseState.CORRECTED)
    register.write()
    case = CaseRegister.read(study).case("P1")
    assert case == register.case("P1")
    assert (case.state, case.origin, case.fold) == (CaseState.CORRECTED, "scans/P1.nii.gz", None)
    assert case.changes == (
        Change("2026-03-01T14:05:09Z", "Ana", "added"),
        Change("2026-03-01T14:05:10Z", "Ben", "label corrected"),
    )
    # The raw dataset has nothing added.
    assert {path.name for path in (study / "dataset").iterdir()} == {"dataset.json", "imagesTr", "labelsTr"}
    with pytest.raises(InputError, match="has a case P1 already"):
        register.with_added("P1", origin="", by="Ana")
    with pytest.raises(InputError, match="has no case P9"):
        register.with_change("P9", "x", by="Ana")


def test_a_removed_case_keeps_its_history(study):
    register = CaseRegister.read(study, clock=Clock()).with_added("P2", origin="a.nrrd", by="Ana")
    remove_case(study / "dataset", "P2", study / "bin")
    register = register.with_change("P2", "removed", by="Ana", state=CaseState.REMOVED)
    register.write()
    read = CaseRegister.read(study, clock=Clock())
    assert read.case("P2").state is CaseState.REMOVED
    assert [case.name for case in read.active] == ["P1", "P3"] and read.missing == ()
    again = read.with_added("P2", origin="b.nrrd", by="Ben")
    assert [change.what for change in again.case("P2").changes] == ["added", "removed", "added"]
    assert [case.name for case in again.active] == ["P1", "P2", "P3"]


def test_files_that_went_or_came_without_the_register(study):
    register = CaseRegister.read(study).with_added("P3", origin="x", by="Ana")
    register.write()
    entry = remove_case(study / "dataset", "P3", study / "bin")
    gone = CaseRegister.read(study)
    assert gone.missing == ("P3",) and [case.name for case in gone.active] == ["P1", "P2"]
    gone.with_change("P3", "removed", by="Ana", state=CaseState.REMOVED).write()
    restore_case(study / "dataset", entry)
    back = CaseRegister.read(study)
    assert back.case("P3").state is CaseState.ANNOTATED and len(back.active) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is no register of cases"),
        ('{"cases": {}}', "has the format None"),
        ('{"format": 99, "cases": {}}', "reads up to 1"),
        ('{"format": 1, "cases": {"P1": {}}}', "nothing that can be read of the case P1"),
        ('{"format": 1, "cases": {"P1": {"state": "odd", "fold": null, "origin": "", "changes": []}}}', "'odd'"),
        ('{"format": 1, "cases": {"P1": {"state": "removed", "fold": true, "origin": "", "changes": []}}}', "fold"),
        ('{"format": 1, "cases": {"P1": {"state": "removed", "fold": null, "origin": "", "changes": [1]}}}', "P1"),
    ],
)
def test_a_damaged_register_answers_with_a_sentence(study, text, words):
    (study / "cases.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        CaseRegister.read(study)
    assert words in error.value.message and "cases.json" in error.value.message and error.value.hint


def test_a_foreign_dataset_folder_answers_with_a_sentence(study, tmp_path):
    other = tmp_path / "other"
    (other / "dataset" / "holiday").mkdir(parents=True)
    with pytest.raises(InputError, match=r"is no dataset: it has no dataset\.json"):
        CaseRegister.read(other)
    (study / "dataset" / "labelsTr" / "P1.nii.gz").rename(study / "P1.nii.gz")
    with pytest.raises(InputError, match="P1 has no label"):
        CaseRegister.read(study)


# Folds


def test_marked_cases_are_one_hold_out_split(study):
    register = CaseRegister.read(study, clock=Clock()).with_validation(["P2"], by="Ana")
    assert [case.fold for case in register.cases] == ["train", "validation", "train"]
    assert register.case("P2").changes[-1].what == "for validation"
    path = study / "splits_final.json"
    assert register.write_splits(path) == (Fold(("P1", "P3"), ("P2",)),)
    assert read_splits(path, ["P1", "P2", "P3"]) == (Fold(("P1", "P3"), ("P2",)),)
    # The same choice again is no change; a case that came later is trained on.
    assert register.with_validation(["P2"], by="Ana") == register
    add_case(study / "dataset", "P4", [volume(1), volume(2)], label(1))
    register.write()
    assert CaseRegister.read(study).folds() == (Fold(("P1", "P3", "P4"), ("P2",)),)
    with pytest.raises(InputError, match="has no case P7"):
        register.with_validation(["P7"], by="Ana")


def test_a_new_case_goes_with_its_patient(study):
    """Else the network would learn from the patient by whom it is judged."""
    register = CaseRegister.read(study).with_validation(["P2"], by="Ana")
    register.write()
    for name in ("P2_later", "P3_later", "P9_first"):
        add_case(study / "dataset", name, [volume(1), volume(2)], label(1))
    assert CaseRegister.read(study).case("P2_later").fold is None
    assert CaseRegister.read(study).folds() == (Fold(("P1", "P3", "P3_later", "P9_first"), ("P2", "P2_later")),)
    numbered = CaseRegister.read(study).with_folds(2, seed=0, by="Ana")
    numbered.write()
    add_case(study / "dataset", "P1_later", [volume(1), volume(2)], label(1))
    for fold in CaseRegister.read(study).folds():
        assert ("P1" in fold.train) == ("P1_later" in fold.train) and ("P1" in fold.train) != ("P1" in fold.validation)


def test_folds_hold_each_case_out_once(study):
    register = CaseRegister.read(study).with_folds(3, seed=0, by="Ana")
    register.write()
    folds = CaseRegister.read(study).folds()
    assert sorted(name for fold in folds for name in fold.validation) == ["P1", "P2", "P3"]
    assert all(len(fold.train) == 2 and not {*fold.train} & {*fold.validation} for fold in folds)
    assert {case.fold for case in register.cases} == {0, 1, 2}


def test_a_split_needs_both_parts(study):
    register = CaseRegister.read(study)
    with pytest.raises(InputError, match="No case is set aside"):
        register.folds()
    with pytest.raises(InputError, match="Every case is set aside"):
        register.with_validation(["P1", "P2", "P3"], by="Ana").folds()


# The bin


def test_a_removed_case_lies_in_the_bin_and_comes_back(study):
    dataset = study / "dataset"
    before = files_of(dataset)
    entry = remove_case(dataset, "P2", study / "bin", clock=Clock())
    assert entry.folder == study / "bin" / "20260301-140509-P2"
    assert (entry.name, entry.kind, entry.time) == ("P2", "case", "2026-03-01T14:05:09Z")
    assert training(dataset) == 2 and [case.name for case in open_dataset(dataset).cases] == ["P1", "P3"]
    moved = {name: content for name, content in before.items() if "P2" in name}
    assert len(moved) == 3
    assert moved.items() <= files_of(entry.folder).items()
    assert list_bin(study / "bin") == (entry,)
    assert restore_case(dataset, entry.folder) == "P2"
    assert files_of(dataset) == before
    assert list_bin(study / "bin") == () and not entry.folder.exists()


def test_two_removals_in_one_second_keep_both(study):
    clock = Clock()
    moment = clock()
    first = remove_case(study / "dataset", "P1", study / "bin", clock=lambda: moment)
    add_case(study / "dataset", "P1", [volume(7), volume(8)], label(5))
    second = remove_case(study / "dataset", "P1", study / "bin", clock=lambda: moment)
    assert first.folder != second.folder
    assert {entry.folder for entry in list_bin(study / "bin")} == {first.folder, second.folder}


def test_restoring_overwrites_nothing(study):
    dataset = study / "dataset"
    entry = remove_case(dataset, "P1", study / "bin")
    add_case(dataset, "P1", [volume(7), volume(8)], label(5))
    before = files_of(study)
    with pytest.raises(InputError, match=r"P1_0000\.nii\.gz exists already"):
        restore_case(dataset, entry)
    assert files_of(study) == before
    with pytest.raises(InputError, match="has no case P9"):
        remove_case(dataset, "P9", study / "bin")
    assert files_of(study) == before


def test_a_removal_that_was_cut_off_can_be_put_back(study, monkeypatch):
    dataset = study / "dataset"
    before = files_of(dataset)
    real, moves = bin.shutil.move, []

    def killed_at_the_second(source, target):
        moves.append(source)
        if len(moves) == 2:
            raise KeyboardInterrupt
        return real(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bin.shutil, "move", killed_at_the_second)
        remove_case(dataset, "P3", study / "bin")
    with pytest.raises(InputError, match="P3 lacks channel 0"):
        open_dataset(dataset)
    (entry,) = list_bin(study / "bin")
    restore_case(dataset, entry)
    assert files_of(dataset) == before


def test_a_move_that_fails_is_taken_back(study, monkeypatch):
    dataset = study / "dataset"
    before = files_of(dataset)
    real, moves = bin.shutil.move, []

    def full_at_the_second(source, target):
        moves.append(source)
        if len(moves) == 2:
            raise PermissionError(13, "denied")
        return real(source, target)

    monkeypatch.setattr(bin.shutil, "move", full_at_the_second)
    with pytest.raises(InputError, match="No permission"):
        remove_case(dataset, "P3", study / "bin")
    assert files_of(dataset) == before and list_bin(study / "bin") == ()


def test_a_replaced_label_is_kept(study):
    dataset = study / "dataset"
    path = dataset / "labelsTr" / "P1.nii.gz"
    former = path.read_bytes()
    entry = replace_label(dataset, "P1", label(9), study / "bin", clock=Clock())
    assert int(read_label(path).array.sum()) == 9
    assert (entry.folder / "labelsTr" / "P1.nii.gz").read_bytes() == former
    with pytest.raises(InputError, match="holds a label"):
        restore_case(dataset, entry)
    kept = restore_label(dataset, entry.folder, study / "bin")
    assert path.read_bytes() == former
    assert int(read_label(kept.folder / kept.files[0]).array.sum()) == 9
    assert training(dataset) == 3


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (Volume(np.zeros((2, 3, 4), np.uint8), Geometry((2, 3, 4), (1.0, 1.0, 2.0))), "another grid"),
        (Volume(np.full((2, 3, 4), 3, np.uint8), GEOMETRY), "label 3"),
        (Volume(np.full((2, 3, 4), -1, np.int16), GEOMETRY), "values that are no labels"),
    ],
)
def test_a_label_that_does_not_fit_changes_nothing(study, new, words):
    before = files_of(study)
    with pytest.raises(InputError, match=words):
        replace_label(study / "dataset", "P1", new, study / "bin")
    assert files_of(study) == before


def test_files_of_the_bin_lead_nowhere_else(study):
    entry = remove_case(study / "dataset", "P1", study / "bin")
    record = entry.folder / "bin.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps(content | {"files": ["../../evil"]}), encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        restore_case(study / "dataset", entry.folder)
    assert list_bin(study / "bin") == ()


def test_cases_copied_in_by_hand_are_counted(study, tmp_path):
    dataset = study / "dataset"
    for file in [*(dataset / "imagesTr").glob("P1_*"), dataset / "labelsTr" / "P1.nii.gz"]:
        file.with_name(file.name.replace("P1", "Q1")).write_bytes(file.read_bytes())
    assert CaseRegister.read(study).case("Q1").origin == "found in the folder"
    with pytest.raises(InputError, match="numTraining 3, but there are 4"):
        open_dataset(dataset)
    assert count_cases(dataset) == 4
    assert len(open_dataset(dataset).cases) == 4


# The history


def test_rounds_are_lines_of_the_history(tmp_path):
    assert read_rounds(tmp_path) == ()
    first = Round("2026-03-01T14:05:09Z", ("P1", "P2"), "models/a", scores={"dice": 0.5, "recall": None}, used=True)
    second = Round("2026-03-02T10:00:00Z", ("P1", "P2", "P3"), "models/b", "models/a", {"dice": float("nan")})
    append_round(tmp_path, first)
    append_round(tmp_path, second)
    assert read_rounds(tmp_path) == (first, Round(second.time, second.cases, "models/b", "models/a", {"dice": None}))
    decided = Round(second.time, second.cases, "models/b", "models/a", {"dice": None}, used=False)
    append_round(tmp_path, decided)
    assert read_rounds(tmp_path) == (first, decided)
    assert len((tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_half_a_line_is_no_round_and_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "history.jsonl"
    first = Round("2026-03-01T14:05:09Z", ("P1",), "models/a")
    append_round(tmp_path, first)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:30])
    assert read_rounds(tmp_path) == (first,)
    second = Round("2026-03-02T14:05:09Z", ("P1",), "models/b")
    append_round(tmp_path, second)
    assert read_rounds(tmp_path) == (first, second)
    path.write_bytes(whole.rstrip(b"\n"))
    append_round(tmp_path, second)
    assert read_rounds(tmp_path) == (first, second)


def test_a_line_that_is_no_round_is_named(tmp_path):
    path = tmp_path / "history.jsonl"
    append_round(tmp_path, Round("2026-03-01T14:05:09Z", ("P1",), "models/a"))
    for odd in ("{", "[]", '{"time": "t", "cases": "P1", "model": "m"}'):
        path.write_text(f"{odd}\n{path.read_text(encoding='utf-8').splitlines()[-1]}\n", encoding="utf-8")
        with pytest.raises(InputError, match="Line 1 of"):
            read_rounds(tmp_path)
