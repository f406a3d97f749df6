"""The preset of ADAM 2020: what it prints, and the ensemble of the winners of its folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from preset_fakes import rows, run, shown, shrink, training

from lossseg.files import read_json
from lossseg.inference import PredictSettings
from lossseg.model import load_ensemble
from lossseg.studies.best_folds import FoldTable
from lossseg.studies.presets import BEST_OF_FOLDS, Preset, preset
from lossseg.studies.presets.best_of_folds import _best_elsewhere


class TestAdam:
    def test_is_that_of_the_paper(self):
        params, settings = training(preset("adam_2020"))
        assert params.losses == ("dice + ce", "dice + topk(k=0.1)") and params.only_folds is None
        assert (settings.network, settings.max_filters, settings.folds) == ("unet", 360, 5)
        assert (settings.patch, settings.batch, settings.epochs) == ((56, 224, 256), 2, 1000)
        assert (settings.rate, settings.momentum_or_default, settings.schedule) == (0.01, 0.99, "poly")
        # What a study predicts with: no test-time augmentation, components under 11 voxels removed.
        assert (PredictSettings().mirror, PredictSettings().min_voxels) == (False, 11)

    def test_table_1_and_its_means(self):
        chosen = preset("adam_2020")
        folds = {loss: [self.printed(chosen, loss, fold) for fold in range(5)] for loss in chosen.losses}
        assert folds["dice + ce"] == [0.4370, 0.5476, 0.5108, 0.6173, 0.4404]
        assert folds["dice + topk(k=0.1)"] == [0.4921, 0.4888, 0.4926, 0.5998, 0.5240]
        for loss, values in folds.items():
            assert self.printed(chosen, loss) == pytest.approx(np.mean(values), abs=5e-5)
        best = np.mean([max(pair) for pair in zip(*folds.values(), strict=True)])
        ours, test = chosen.figures("nnunet", BEST_OF_FOLDS, "dice")
        assert (ours.value, test.value) == (pytest.approx(best, abs=5e-5), 0.41)
        assert chosen.figures("nnunet", BEST_OF_FOLDS, "hd95")[0].value == 8.96
        assert chosen.figures("nnunet", BEST_OF_FOLDS, "volumetric_similarity")[0].value == 0.50

    @staticmethod
    def printed(chosen: Preset, loss: str, fold: int | None = None) -> float:
        (figure,) = chosen.figures("nnunet", loss, "dice", fold)
        return figure.value

    def test_best_elsewhere_does_not_look_at_the_fold(self):
        table = FoldTable("dice", ("a", "b"), ((0.9, 0.1), (0.2, 0.3), (0.2, 0.3)), (0, 1, 1), ())
        # Over folds 1 and 2 b is better, over 0 and 1 as over 0 and 2 a.
        assert [_best_elsewhere(table, fold) for fold in range(3)] == [1, 0, 0]

    def test_a_run_has_the_ensemble_of_the_winners_of_its_folds(self, tmp_path, monkeypatch):
        phantoms = {"kind": "tof", "cases": 4, "size": [32, 32, 32], "seed": 0}
        shrink(monkeypatch, "adam_2020", iterations=6, filters=[4, 8, 8], phantoms=phantoms, folds=3)
        summary = run("adam_2020", tmp_path)
        assert len(summary["runs"]) == 6 and {each["fold"] for each in summary["runs"]} == set(range(3))
        made = summary["ensembles"]["nnunet"]
        self.check_folds(summary, made, tmp_path)
        text = shown(summary)
        assert "★" in text and "(0.4370)" in text and "paper, test set of ADAM" in text and "too high" in text
        assert str(tmp_path / "ensemble_nnunet.json") in text
        before = (tmp_path / "ensemble_nnunet.json").read_bytes()
        assert run("adam_2020", tmp_path)["ensembles"]["nnunet"] == made
        assert (tmp_path / "ensemble_nnunet.json").read_bytes() == before

    def check_folds(self, summary: dict, made: dict, out: Path) -> None:
        ensemble = load_ensemble(Path(made["file"]))
        assert len(ensemble.members) == 3
        best = [row for row in made["folds"] if row["best"]]
        assert [row["fold"] for row in best] == list(range(3))
        study_rows = {
            (each["fold"], loss): value
            for each in read_json(out / "nnunet" / "results.json")["winners"]["folds"]
            for loss, value in each["values"].items()
        }
        names = {"dice + ce": "dice_ce", "dice + topk(k=0.1)": "dice_topk_k_0.1"}
        for row, member in zip(best, ensemble.members, strict=True):
            rivals = [value for (fold, _), value in study_rows.items() if fold == row["fold"] and value is not None]
            assert row["score"] == study_rows[row["fold"], row["loss"]] == max(rivals)
            assert member.model.folder.parent.name == names[row["loss"]]
            assert member.model.folder.name == f"fold_{row['fold']}"
        # Every case counts once, as the winner that had not seen it segmented it.
        assert made["best"]["cases"] == made["best_elsewhere"]["cases"] == 4
        assert sum(row["cases"] for row in best) == 4
        dice = {}
        for row in best:
            evaluated = rows(out / "nnunet" / names[row["loss"]] / "evaluation" / "cases.csv")
            held_out = read_json(out / "nnunet" / "splits_final.json")[row["fold"]]["val"]
            dice |= {each["case"]: each["dice"] for each in evaluated if each["case"] in held_out}
        defined = [float(value) for value in dice.values() if value != "n/a"]
        assert len(dice) == 4 and defined
        assert made["best"]["figures"]["dice"]["value"] == pytest.approx(np.mean(defined))
        assert made["mean_score"] == pytest.approx(np.mean([row["score"] for row in best]))
        table = rows(out / "folds_nnunet.csv")
        assert [row["best"] for row in table].count("yes") == 3
        assert [row["dice in the paper"] for row in table[:2]] == ["0.4370", "0.4921"]
        (header, *_) = rows(out / "preset.csv")
        assert {"dice", "hd95", "volumetric_similarity", "dice in the paper, mean of the folds"} <= header.keys()

    def test_without_all_folds_there_is_no_ensemble_but_a_sentence(self, tmp_path, monkeypatch):
        phantoms = {"kind": "tof", "cases": 4, "size": [32, 32, 32], "seed": 0}
        shrink(monkeypatch, "adam_2020", filters=[4, 8, 8], folds=2, only_folds=[1], phantoms=phantoms)
        summary = run("adam_2020", tmp_path)
        made = summary["ensembles"]["nnunet"]
        assert made["file"] is None and not list(tmp_path.glob("ensemble_*"))
        assert "There is no ensemble. dice + ce has 1 of 2 folds." in shown(summary)
