"""Several processes that preprocess the same cases into one cache at the same time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training_fakes import TINY, blobs

from lossseg.dataset import open_dataset
from lossseg.preprocessing import Plan, PlanSettings, cache, plan_dataset, prepare_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(blobs(tmp_path_factory.mktemp("data") / "blobs"))


@pytest.fixture(scope="module")
def plan(dataset) -> Plan:
    settings = PlanSettings(filters=TINY["filters"], patch=TINY["patch"], batch=TINY["batch"])
    return plan_dataset(dataset, settings)[1]


def test_the_one_that_comes_second_leaves_the_other_ones_case_in_place(dataset, plan, tmp_path, monkeypatch):
    real, first = cache.read_label, []

    def read_label(path: Path):
        if not first:
            first.append(None)
            # The other process is faster, and reads what it has made.
            other = prepare_dataset(dataset, plan, tmp_path, names=["case_0"])["case_0"]
            first[:] = [other, other.folder.stat().st_ino, other.image()]
        return real(path)

    monkeypatch.setattr(cache, "read_label", read_label)
    case = prepare_dataset(dataset, plan, tmp_path, names=["case_0"])["case_0"]
    other, number, image = first
    assert case == other and case.folder.stat().st_ino == number
    assert np.array_equal(image, case.image())
    assert [path.name for path in case.folder.parent.iterdir()] == ["case_0"]


def test_a_stale_case_is_replaced(dataset, plan, tmp_path):
    case = prepare_dataset(dataset, plan, tmp_path, names=["case_0"])["case_0"]
    (case.folder / "case.json").write_text('{"format": 1, "source": [], "lesions": 7, "padding": [0.0]}')
    (case.folder / "image.npy").write_bytes(b"old")
    again = prepare_dataset(dataset, plan, tmp_path, names=["case_0"])["case_0"]
    assert again.lesions == case.lesions == 3 and again.image().shape[1:] == case.label().shape
    assert [path.name for path in Path(case.folder).parent.iterdir()] == ["case_0"]
