"""Presets: losses of the spine, parts of a dataset, and what is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from preset_fakes import RUN, rows, run, shown, shrink
from training_fakes import blobs

from lossseg.files import read_json
from lossseg.jobs.actions.preset import PresetParams
from lossseg.losses import CATALOGUE, build
from lossseg.losses.catalogue import Family
from lossseg.reporting import Silent
from lossseg.studies import presets
from lossseg.studies.presets import preset
from lossseg.studies.presets.measures import MEASURES, Judged
from lossseg.studies.presets.some_cases import folds_of_some


class TestSpinalLosses:
    def test_has_every_family_of_the_expose(self):
        entries = preset("spinal_losses").entries
        assert {entry.family for entry in entries} == {
            "distribution",
            "region",
            "boundary",
            "compound",
            "adaptive parameters",
            "adaptive weights",
            "learned",
        }
        used = {name for entry in entries for name in names_in(entry.loss)}
        assert {"focal", "tversky", "asl", "hausdorff", "focal_tversky", "softadapt", "cov", "glo", "ml3"} <= used
        families = {CATALOGUE[name].family for name in used}
        assert {Family.DISTRIBUTION, Family.REGION, Family.BOUNDARY, Family.ADAPTIVE, Family.LEARNED} <= families
        learned = [entry for entry in entries if "=learn" in entry.loss]
        assert len(learned) == 2 and all(build(entry.loss, classes=4).learned() for entry in learned)

    def test_one_table_of_all_folds_seeds_and_a_loss_of_ones_own(self, tmp_path, monkeypatch):
        phantoms = {"kind": "us", "cases": 4, "size": [24, 24, 24], "seed": 3}
        shrink(monkeypatch, "spinal_losses", losses=("softadapt(dice, ce)",), filters=[2, 4, 4], phantoms=phantoms)
        summary = run("spinal_losses", tmp_path, losses=("dice + topk(k=0.2)",), repeats=2)
        assert len(summary["runs"]) == 2 * 2 * 2
        made = {row["loss"]: row for row in summary["rows"]}
        assert [(row["name"], row["family"]) for row in made.values()] == [
            ("SoftAdapt", "adaptive weights"),
            ("", ""),
        ]
        results = read_json(tmp_path / "unet" / "results.json")
        for loss, row in made.items():
            assert (row["cases"], row["seeds"]) == (4, 2)
            seeds = [each["means"]["dice"]["mean"] for each in results["losses"] if each["loss"] == loss]
            figure = row["figures"][0]
            assert figure["value"] == pytest.approx(np.mean(seeds)) and len(seeds) == 2
            assert figure["seeds_std"] == pytest.approx(np.std(seeds, ddof=1))
        table = rows(tmp_path / "preset.csv")
        assert [row["loss"] for row in table] == list(made) and "dice + topk(k=0.2)" in shown(summary)


def names_in(expression: str) -> set[str]:
    return {
        name for name in CATALOGUE if name in expression.replace("(", " ").replace(",", " ").replace("*", " ").split()
    }


def test_some_cases_are_whole_patients_and_the_same_again():
    names = [f"LIDC{number:04d}N{nodule}" for number in range(10) for nodule in (1, 2)]
    assert folds_of_some(names, 20, 2, 0) is None
    folds = folds_of_some(names, 7, 2, 0)
    assert folds == folds_of_some(list(reversed(names)), 7, 2, 0) != folds_of_some(names, 7, 2, 1)
    used = {*folds[0].train, *folds[0].validation}
    assert len(used) == 8 and {name[:-1] for name in used} == {name[:-1] for name in used if name.endswith("2")}
    assert set(folds[0].validation) == set(folds[1].train) and len(folds) == 2


def test_of_a_given_dataset_a_small_scale_takes_some_cases(tmp_path, monkeypatch):
    chosen = shrink(monkeypatch, "spinal_losses", losses=("dice",), filters=[2, 4, 4])
    few = replace(chosen, scales={"small": replace(chosen.scale("small"), cases=4)})
    monkeypatch.setattr(presets, "preset", lambda _: few)
    dataset = blobs(tmp_path / "blobs")
    summary = run("spinal_losses", tmp_path / "out", dataset=dataset, minutes=0.02)
    assert summary["rows"][0]["cases"] == 4
    assert read_json(tmp_path / "out" / "unet" / "study.json")["conditions"]["minutes"] == 0.02
    splits = read_json(tmp_path / "out" / "some_cases.json")
    assert splits == read_json(tmp_path / "out" / "unet" / "splits_final.json")
    assert [len(fold["val"]) for fold in splits] == [2, 2]


@pytest.mark.parametrize("name", presets.presets())
def test_show_prints_all_of_it(name):
    chosen = preset(name)
    text = shown(RUN(PresetParams("show", name), Silent()))
    assert chosen.question in text and all(line[:60] in text for line in (*chosen.told, *chosen.assumed))
    assert all(entry.loss in text and entry.name in text for entry in chosen.entries)
    for figure in chosen.published:
        assert f"{figure.value:.3f}" in text and figure.data in text


def test_measures_without_value_are_not_zero(tmp_path):
    (tmp_path / "lesions.csv").write_text("case,outcome,overlap_dice\nA,missed,n/a\n", encoding="utf-8")
    record = {"loss": "ce", "means": {}, "summary": {"object_dice": None}, "size_groups": [], "froc": None}
    judged = Judged(record, tmp_path, None)
    assert all(measure.read(judged) == (None, None) for measure in MEASURES.values())
