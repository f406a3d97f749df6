"""The preset of inverse weighting: what the paper prints, and a run with recall, bands and sizes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from preset_fakes import rows, run, shown, shrink, training
from training_fakes import blobs

from lossseg.errors import InputError
from lossseg.files import read_json
from lossseg.losses import CATALOGUE, build
from lossseg.preprocessing import CachedCase
from lossseg.preprocessing.cache import lesion_index
from lossseg.studies.presets import preset
from lossseg.training.sampling import LesionSampler

NAMED = {
    "iw(bce)": "iw_bce",
    "iw(focal(gamma=2, alpha=0.75))": "iw_focal",
    "iw(dice(squared=True))": "iw_dice",
    "iw(asl(beta=1.5))": "iw_asl",
}


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
