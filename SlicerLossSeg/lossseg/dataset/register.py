"""The register of a study's cases, `cases.json`: states, folds, origins and every change, beside the dataset.

The dataset folder itself stays nnU-Net's raw layout and nothing more. What is in it counts: a case that the register
does not know is annotated and "found in the folder".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lossseg.dataset.cases import training_cases
from lossseg.dataset.clock import Clock, iso, utc_now
from lossseg.dataset.description import FILE, read_description
from lossseg.dataset.patients import by_patient
from lossseg.dataset.records import CaseRecord, CaseState, Change, FoldOf, checked_fold, records_from_json
from lossseg.dataset.splits import Fold, make_folds, write_splits
from lossseg.errors import InputError
from lossseg.files import read_json, write_json

REGISTER = "cases.json"
DATASET = "dataset"
FOUND = "found in the folder"
_FORMAT = 1


@dataclass(frozen=True)
class CaseRegister:
    """The cases of a study. Changing gives a new register; `write` puts it on disk, whole or not at all.

    Attributes:
        study: the study folder.
        cases: sorted by name; those removed are among them.
        present: the names of the cases that the dataset holds.
        clock: tells the time that changes get.
    """

    study: Path
    cases: tuple[CaseRecord, ...] = ()
    present: frozenset[str] = frozenset()
    clock: Clock = field(default=utc_now, compare=False, repr=False)

    @classmethod
    def read(cls, study_folder: Path | str, *, clock: Clock = utc_now) -> CaseRegister:
        """The register of the study; an empty one where nothing is yet.

        Raises:
            InputError: cases.json is damaged or something else; the dataset folder is no dataset or a damaged one.
        """
        study = Path(study_folder)
        path = study / REGISTER
        records = records_from_json(read_json(path), path, _FORMAT) if path.exists() else {}
        present = _present(study / DATASET)
        for name in present:
            record = records.get(name)
            if record is None:
                records[name] = CaseRecord(name, CaseState.ANNOTATED, origin=FOUND)
            elif record.state is CaseState.REMOVED:
                # Its files were put back by hand.
                records[name] = replace(record, state=CaseState.ANNOTATED)
        return cls(study, _sorted(records.values()), frozenset(present), clock)

    def write(self) -> None:
        """Write cases.json.

        Raises:
            InputError: no permission.
            DiskFull: no room; the former file stays.
        """
        cases = {record.name: record.to_json() for record in self.cases}
        write_json(self.study / REGISTER, {"format": _FORMAT, "cases": cases})

    def case(self, name: str) -> CaseRecord:
        """The record of a case.

        Raises:
            InputError: there is none of that name.
        """
        for record in self.cases:
            if record.name == name:
                return record
        raise InputError(f"The study {self.study} has no case {name}.", "Check the name.")

    @property
    def active(self) -> tuple[CaseRecord, ...]:
        """The cases that can be trained on: not removed, and their files are there."""
        return tuple(one for one in self.cases if one.state is not CaseState.REMOVED and one.name in self.present)

    @property
    def missing(self) -> tuple[str, ...]:
        """Cases whose files are gone though nobody removed them here."""
        return tuple(
            one.name for one in self.cases if one.state is not CaseState.REMOVED and one.name not in self.present
        )

    def with_added(
        self,
        name: str,
        *,
        origin: str,
        by: str,
        what: str = "added",
        state: CaseState = CaseState.ANNOTATED,
        fold: FoldOf = None,
    ) -> CaseRegister:
        """With a case whose files are in the dataset by now; the changes of a removed one of that name are kept.

        Raises:
            InputError: the register has such a case already, other than removed or found in the folder.
        """
        known = {record.name: record for record in self.cases}
        former = known.get(name)
        if former is not None and former.state is not CaseState.REMOVED and former.changes:
            raise InputError(f"The study has a case {name} already.", "Choose another name for the case.")
        changes = (*(former.changes if former else ()), Change(iso(self.clock()), by, what))
        known[name] = CaseRecord(name, state, checked_fold(fold), origin, changes)
        return replace(self, cases=_sorted(known.values()), present=self.present | {name})

    def with_change(
        self, name: str, what: str, *, by: str, state: CaseState | None = None, fold: FoldOf | str = "as it is"
    ) -> CaseRegister:
        """With one more change of a case, and its new state or fold if given.

        Raises:
            InputError: there is no such case.
        """
        record = self.case(name)
        changed = replace(
            record,
            state=state or record.state,
            fold=record.fold if fold == "as it is" else checked_fold(fold),
            changes=(*record.changes, Change(iso(self.clock()), by, what)),
        )
        present = self.present
        if state is not None:
            present = present - {name} if state is CaseState.REMOVED else present | {name}
        return replace(self, cases=_sorted([*(one for one in self.cases if one != record), changed]), present=present)

    def with_validation(self, names: Iterable[str], *, by: str) -> CaseRegister:
        """With exactly these cases held out and all other active ones trained on.

        Raises:
            InputError: a name that is no active case.
        """
        chosen = set(names)
        unknown = sorted(chosen - {record.name for record in self.active})
        if unknown:
            raise InputError(f"The dataset has no case {unknown[0]}.", "Check the name.")
        return self._with_folds({one.name: "validation" if one.name in chosen else "train" for one in self.active}, by)

    def with_folds(self, folds: int, seed: int, *, by: str) -> CaseRegister:
        """With the active cases split into `folds` folds by patient; each is held out once.

        Raises:
            InputError: as `make_folds`.
        """
        parts = make_folds([record.name for record in self.active], folds, seed)
        return self._with_folds({name: n for n, part in enumerate(parts) for name in part.validation}, by)

    def folds(self) -> tuple[Fold, ...]:
        """The splits to train by: one hold-out split, or one for each number of a fold.

        A case of which nothing is said, such as one added after the split was made, goes with its patient, and is
        trained on in every split where the patient has no other case.

        Raises:
            InputError: no case is held out, or none is left to train on.
        """
        active = self.active
        said = {one.name: one.fold for one in active}
        for names in by_patient(list(said)).values():
            of_patient = [said[name] for name in names if said[name] is not None]
            said |= {name: of_patient[0] for name in names if said[name] is None and of_patient}
        numbers = sorted({fold for fold in said.values() if isinstance(fold, int)})
        held_out: Sequence[FoldOf] = numbers or ["validation"]
        folds = tuple(
            Fold(
                tuple(name for name, fold in said.items() if fold != held),
                tuple(name for name, fold in said.items() if fold == held),
            )
            for held in held_out
        )
        for fold in folds:
            if not fold.validation:
                raise InputError("No case is set aside for validation.", "Mark one or more, or train with folds.")
            if not fold.train:
                raise InputError("Every case is set aside for validation.", "Leave one or more to train on.")
        return folds

    def write_splits(self, path: Path | str) -> tuple[Fold, ...]:
        """Write `folds` as nnU-Net's `splits_final.json` and return them.

        Raises:
            InputError: as `folds`; no permission.
        """
        folds = self.folds()
        write_splits(path, folds)
        return folds

    def _with_folds(self, folds: dict[str, FoldOf], by: str) -> CaseRegister:
        register = self
        for name, fold in folds.items():
            if register.case(name).fold != fold:
                words = f"fold {fold}" if isinstance(fold, int) else f"for {'training' if fold == 'train' else fold}"
                register = register.with_change(name, words, by=by, fold=fold)
        return register


def _present(dataset: Path) -> list[str]:
    if not dataset.exists() or (dataset.is_dir() and not any(dataset.iterdir())):
        return []
    if not (dataset / FILE).exists():
        raise InputError(f"{dataset} is no dataset: it has no {FILE}.", "Move it away, or choose another study folder.")
    return [case.name for case in training_cases(dataset, read_description(dataset))]


def _sorted(records: Iterable[CaseRecord]) -> tuple[CaseRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.name))
