"""Which patient a case belongs to, as far as its name says so."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_BIDS = re.compile(r"sub-[A-Za-z0-9]+")
_STEM = re.compile(r"((?:[A-Za-z]+[-_])*?[A-Za-z]+[-_]?\d+)(?=[-_.]?[A-Za-z])")


def patient_of(case_name: str) -> str:
    """The patient's part of a case name; the whole name where no rule applies.

    1. BIDS: "sub-07_ses-2" is of "sub-07".
    2. A stem of letters and a number, followed by a suffix that begins with a letter, is the patient and the suffix
       says which lesion or visit: "LIDC0003N2" is of "LIDC0003", "PAT012_visit2" of "PAT012", "case_0012_left" of
       "case_0012".
    3. A number after the separator counts the cases of a collection: "PAINTED_01", "ISLES22_0009" and "PAT12_3" are
       whole names.

    >>> patient_of("LIDC0003N2"), patient_of("PAINTED_01")
    ('LIDC0003', 'PAINTED_01')
    """
    match = _BIDS.match(case_name) or _STEM.match(case_name)
    return match[0] if match else case_name


def by_patient(names: Sequence[str]) -> dict[str, list[str]]:
    """Patient → case names. A stem that all names share ("BraTS20_Training_001") names the collection, no patient."""
    grouped: dict[str, list[str]] = {}
    for name in names:
        grouped.setdefault(patient_of(name), []).append(name)
    if len(grouped) == 1 and len(names) > 1 and not _BIDS.match(names[0]):
        return {name: [name] for name in names}
    return grouped


def shared_patients(names: Sequence[str], others: Collection[str]) -> frozenset[str]:
    """Those of `names`, the cases of one dataset, that are among `others` or of a patient who has a case there.

    >>> sorted(shared_patients(["PAT01_left", "PAT01_right", "PAT02_left"], ["PAT01_right"]))
    ['PAT01_left', 'PAT01_right']
    """
    known = {patient_of(other) for other in others} | set(others)
    return frozenset(
        name for patient, cases in by_patient(names).items() for name in cases if patient in known or name in known
    )
