"""The presets of three papers: what they print, and the experiments on tiny phantoms."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from training_fakes import blobs

from lossseg.cli.show_preset import show_preset
from lossseg.errors import InputError
from lossseg.files import read_json
from lossseg.inference import PredictSettings
from lossseg.jobs.actions import ACTIONS, study
from lossseg.jobs.actions.preset import PresetParams
from lossseg.jobs.typed import parse
from lossseg.losses import CATALOGUE, build
from lossseg.losses.catalogue import Family
from lossseg.model import load_ensemble
from lossseg.preprocessing import CachedCase
from lossseg.preprocessing.cache import lesion_index
from lossseg.reporting import Silent
from lossseg.studies import presets
from lossseg.studies.best_folds import FoldTable
from lossseg.studies.presets import BEST_OF_FOLDS, Preset, Scale, preset
from lossseg.studies.presets.best_of_folds import _best_elsewhere
from lossseg.studies.presets.measures import MEASURES, Judged
from lossseg.studies.presets.some_cases import folds_of_some
from lossseg.training import TrainingSettings
from lossseg.training.sampling import LesionSampler

RUN = ACTIONS["preset"].run
TINY = {
    "epochs": 1,
    "iterations": 2,
    "validations": 1,
    "patch": [16, 16, 16],
    "batch": 2,
    "pictures": 0,
    "ema_decay": 0.0,
}


NAMED = {
    "iw(bce)": "iw_bce",
    "iw(focal(gamma=2, alpha=0.75))": "iw_focal",
    "iw(dice(squared=True))": "iw_dice",
    "iw(asl(beta=1.5))": "iw_asl",
}


def shrink(monkeypatch: pytest.MonkeyPatch, name: str, **changes) -> Preset:
    """The preset with a scale of seconds in place of small; losses may be fewer."""
    chosen = preset(name)
    kept = changes.pop("losses", chosen.losses)
    phantoms = changes.pop("phantoms", chosen.scale("small").phantoms)
    scale = Scale({**chosen.scale("small").settings, **TINY, **changes}, phantoms)
    entries = tuple(entry for entry in chosen.entries if entry.loss in kept)
    published = tuple(each for each in chosen.published if each.loss in (*kept, BEST_OF_FOLDS))
    made = replace(chosen, entries=entries, published=published, scales={"small": scale})
    monkeypatch.setattr(presets, "preset", lambda _: made)
    return made


def run(name: str, out: Path, **chosen) -> dict:
    return RUN(PresetParams("run", name, out, device="cpu", workers=0, **chosen), Silent())


def shown(summary: dict) -> str:
    console = Console(file=io.StringIO(), width=200)
    show_preset(summary, console)
    return console.file.getvalue()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def training(chosen: Preset, scale: str = "paper"):
    record = chosen.study(chosen.arms[0], chosen.scale(scale)) | {"dataset": "data", "out": "out"}
    params = parse(study.StudyParams, record, chosen.name)
    settings = TrainingSettings(**{name: getattr(params, name) for name in study.TRAINING})
    return params, settings


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


class TestInverseWeighting:
    def test_is_that_of_the_paper(self):
        params, settings = training(preset("inverse_weighting"))
        assert len(params.losses) == 10 and params.only_folds == (0,)
        assert (settings.network, settings.patch, settings.batch) == ("residual_unet", (128, 128, 128), 2)
        assert (settings.epochs, settings.iterations, settings.oversampling) == (100, 100, 0.5)
        assert (settings.optimizer, settings.momentum_or_default) == ("sgd", 0.9)
        assert settings.windows == {"CT": (-1000.0, 300.0)}
        fell = [settings.rate_at(step / 10000) for step in range(10000)]
        assert fell == pytest.approx([1e-2] * 8000 + [1e-3] * 2000)
        # No running average, one validation: the weights are the last ones.
        assert (settings.ema_decay, settings.validations) == (0, 1)

    def test_the_catalogue_has_its_losses_by_name(self):
        losses = preset("inverse_weighting").losses
        for expression, name in NAMED.items():
            assert expression in losses
            assert CATALOGUE[name].stands_for == expression

    def test_table_2(self):
        chosen = preset("inverse_weighting")
        recall = {loss: chosen.figures("residual_unet", loss, "average_recall") for loss in chosen.losses}
        assert all([each.data for each in row] == ["LUNA16", "metastases", "LiTS"] for row in recall.values())
        values = np.array([[each.value for each in row] for row in recall.values()])
        # Weights raise recall in each of the four losses on each data set.
        plain, weighted = values[[0, 2, 5, 7]], values[[1, 3, 6, 8]]
        assert (weighted > plain).all()
        assert values.sum(0) == pytest.approx([6.24, 5.24, 6.12])
        overlap = [[each.value for each in chosen.figures("residual_unet", loss, "object_dice")] for loss in recall]
        assert np.sum(overlap, 0) == pytest.approx([6.47, 6.43, 5.49])
        assert values.argmax(0).tolist() == [4, 8, 8]

    def test_each_component_counts_the_same_in_weighted_bce(self):
        """Eq. 1: with equal probabilities each lesion and the background have the same share of the loss."""
        label = torch.zeros(1, 1, 12, 12, 12, dtype=torch.uint8)
        places = [(slice(1, 2),) * 3, (slice(4, 6),) * 3, (slice(8, 11),) * 3]
        for place in places:
            label[(0, 0, *place)] = 1
        logits = torch.zeros(1, 1, 12, 12, 12, dtype=torch.float64, requires_grad=True)
        build("iw(bce)")(logits, label).backward()
        slope = logits.grad[0, 0].abs()
        shares = [float(slope[place].sum()) for place in places] + [float(slope[label[0, 0] == 0].sum())]
        # Half the weight of each of K + 1 = 4 components, as a mean over voxels whose weights have the mean 1.
        assert shares == pytest.approx([0.5 / 4] * 4, rel=1e-6)

    def test_half_of_the_patches_are_centred_and_lesions_then_voxels_are_even(self, tmp_path):
        label = np.zeros((40, 40, 40), np.uint8)
        label[10:12, 10:12, 10:12] = 1  # 8 voxels
        label[30, 30, 30] = 1
        voxels, offsets = lesion_index(label)
        for name, array in (("label", label), ("image", label[None].astype(np.float32))):
            np.save(tmp_path / f"{name}.npy", array)
        np.save(tmp_path / "voxels.npy", voxels)
        np.save(tmp_path / "offsets.npy", offsets)
        settings = preset("inverse_weighting").settings
        sampler = LesionSampler(
            [CachedCase("A", tmp_path, 2, (0.0,))],
            (8, 8, 8),
            oversampling=settings["oversampling"],
            batch=settings["batch"],
        )
        generator = np.random.default_rng(0)
        centres = [tuple(place + 4 for place in sampler.draw(index, generator).start) for index in range(8000)]
        lesions = [label[centre] > 0 for centre in centres]
        # The patches from anywhere seldom hit the nine voxels of 64000 by chance.
        assert np.mean(lesions) == pytest.approx(0.5, abs=0.005)
        single = centres.count((30, 30, 30)) / 4000
        assert single == pytest.approx(0.5, abs=0.025)
        first = centres.count((10, 10, 10)) / 4000
        assert first == pytest.approx(0.5 / 8, abs=0.012)

    def test_a_run_has_recall_with_bands_object_dice_and_groups_by_size(self, tmp_path, monkeypatch):
        phantoms = {"kind": "ct", "cases": 4, "size": [32, 32, 32], "seed": 1}
        kept = ("bce", "iw(bce)")
        shrink(monkeypatch, "inverse_weighting", losses=kept, filters=[4, 4, 4, 4], phantoms=phantoms, iterations=6)
        summary = run("inverse_weighting", tmp_path)
        assert [(each["loss"], each["fold"]) for each in summary["runs"]] == [(loss, 0) for loss in kept]
        names = list(preset("inverse_weighting").measures)
        saved = read_json(tmp_path / "preset.json")
        for row in summary["rows"]:
            assert row["cases"] == 2
            figures = {each["measure"]: each for each in row["figures"]}
            assert list(figures) == names
            recall = figures["average_recall"]
            assert 0 <= recall["value"] <= 1 and recall["std"] >= 0
            assert [each["data"] for each in recall["paper"]] == ["LUNA16", "metastases", "LiTS"]
            assert 0 <= figures["recall_small"]["value"] <= 1
            # One component around all of it counts as found; the tables say how many lesions share one.
            assert 0 <= figures["merged"]["value"] <= 1 and 0 <= figures["average_recall_predicted"]["value"] <= 1
        for folder in ("bce", "iw_bce"):
            curve = saved["froc"][f"residual_unet/{folder}"]
            assert curve["recall"][0] == 0 and len(curve["band_95"]["low"]) == 121
            found = rows(tmp_path / "residual_unet" / folder / "evaluation" / "lesions.csv")
            overlaps = [float(row["overlap_dice"]) for row in found if row["outcome"] == "found"]
            own = next(each for each in summary["rows"] if each["loss"].replace("(", "_").strip(")") == folder)
            figure = next(each for each in own["figures"] if each["measure"] == "object_dice")
            assert (
                figure["value"] is None
                if not overlaps
                else figure["value"] == pytest.approx(np.mean(overlaps), abs=1e-4)
            )
            assert figure["std"] is None if not overlaps else figure["std"] == pytest.approx(np.std(overlaps))
        cards = [read_json(path) for path in sorted((tmp_path / "residual_unet").glob("*/fold_0/model.json"))]
        assert [card["plan"]["channels"][0]["kind"] for card in cards] == ["window"] * 2
        assert [card["training"]["settings"]["schedule"] for card in cards] == ["step"] * 2
        text = shown(summary)
        assert "Average recall" in text
        assert re.search(r"LUNA16 +0.420 \(0.020\), 0.570 \(0.280\) +0.670 \(0.010\), 0.560 \(0.200\)", text)

    def test_the_window_goes_where_the_data_has_no_ct_unless_asked_for(self, tmp_path, monkeypatch):
        shrink(monkeypatch, "inverse_weighting", losses=("bce",), filters=[4, 4, 4, 4])
        dataset = blobs(tmp_path / "blobs")
        with pytest.raises(InputError, match="No channel is called CT"):
            run("inverse_weighting", tmp_path / "asked", dataset=dataset, windows={"CT": (0.0, 1.0)})
        run("inverse_weighting", tmp_path / "left", dataset=dataset)
        plan = read_json(tmp_path / "left" / "residual_unet" / "plan.json")
        assert plan["channels"][0]["kind"] == "zscore"
        run("inverse_weighting", tmp_path / "other", dataset=dataset, windows={"MR": (0.0, 200.0)})
        plan = read_json(tmp_path / "other" / "residual_unet" / "plan.json")
        assert (plan["channels"][0]["kind"], plan["channels"][0]["high"]) == ("window", 200.0)


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
