"""Which losses are suggested for which imbalance."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from lossseg.dataset import open_dataset
from lossseg.files import write_json
from lossseg.losses import normal_form
from lossseg.losses.advisor import Imbalance, advise
from lossseg.preprocessing import PlanSettings, imbalance, plan_dataset

MS = Imbalance(
    classes=2, cases=18, empty_cases=0, foreground=4e-3, lesions=900, lesions_per_patch=9.5, size_spread=60.0
)
ANEURYSMS = Imbalance(
    classes=2, cases=113, empty_cases=20, foreground=5e-5, lesions=160, lesions_per_patch=1.1, size_spread=40.0
)
MUSCLES = Imbalance(
    classes=4, cases=30, empty_cases=0, foreground=0.2, lesions=90, lesions_per_patch=2.4, size_spread=3.0
)


def expressions(data: Imbalance) -> list[str]:
    return [suggestion.expression for suggestion in advise(data)]


def test_many_lesions_of_uneven_size_call_for_inverse_weights() -> None:
    assert expressions(MS)[:3] == ["dice + ce + 0.1*iw(ce)", "dice + ce + cc(dice + ce)", "dice + ce"]
    assert "9.5 lesions" in advise(MS)[0].reason and "60 times" in advise(MS)[0].reason


def test_one_lesion_in_a_patch_does_not() -> None:
    assert not any("iw" in text or "cc" in text for text in expressions(ANEURYSMS))


def test_very_rare_foreground_calls_for_the_hardest_voxels() -> None:
    first = advise(ANEURYSMS)[0]
    assert first.expression == "dice + topk(k=0.1)"
    assert "1 in 20,000" in first.reason


def test_empty_cases_call_for_a_batch_wise_region() -> None:
    assert "dice(batch=True) + ce" in expressions(ANEURYSMS)
    assert "20 of 113 cases are empty" in next(s.reason for s in advise(ANEURYSMS) if "batch" in s.expression)
    assert "dice(batch=True) + ce" not in expressions(MS)


def test_large_structures_need_no_balance() -> None:
    assert expressions(MUSCLES)[0] == "dice + ce"
    assert "tversky(alpha=learn, beta=learn)" in expressions(MUSCLES)


@pytest.mark.parametrize("data", [MS, ANEURYSMS, MUSCLES])
def test_every_suggestion_is_a_loss_with_reason_and_source(data: Imbalance) -> None:
    suggestions = advise(data)
    assert len({suggestion.expression for suggestion in suggestions}) == len(suggestions)
    for suggestion in suggestions:
        assert normal_form(suggestion.expression) == suggestion.expression
        assert suggestion.reason.endswith(".") and suggestion.source


def test_data_without_any_lesion() -> None:
    nothing = dataclasses.replace(
        MS, empty_cases=18, lesions=0, foreground=float("nan"), lesions_per_patch=float("nan"), size_spread=float("nan")
    )
    assert expressions(nothing)[0] == "dice + ce"
    assert all("nan" not in suggestion.reason for suggestion in advise(nothing))


def test_imbalance_of_a_dataset(tmp_path: Path) -> None:
    labels = []
    for edges in ([2, 4, 10], [2]):
        array = np.zeros((40, 40, 40), np.uint8)
        for place, edge in enumerate(edges):
            array[12 * place : 12 * place + edge, :edge, :edge] = 1
        labels.append(array)
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    for number, array in enumerate([*labels, np.zeros_like(labels[0])]):
        noise = np.random.default_rng(number).normal(100, 10, array.shape).astype(np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(noise), tmp_path / "imagesTr" / f"P{number}_0000.nii.gz")
        sitk.WriteImage(sitk.GetImageFromArray(array), tmp_path / "labelsTr" / f"P{number}.nii.gz")
    description = {"channel_names": {"0": "MR"}, "labels": {"background": 0, "lesion": 1}}
    write_json(tmp_path / "dataset.json", {**description, "numTraining": 3, "file_ending": ".nii.gz"})
    facts, plan = plan_dataset(open_dataset(tmp_path), PlanSettings(patch=(20, 20, 20), batch=2))
    found = imbalance(facts, plan)
    assert (found.classes, found.cases, found.empty_cases, found.lesions) == (2, 3, 1, 4)
    assert found.foreground == pytest.approx(((8 + 64 + 1000) / 64000 + 8 / 64000) / 2)
    # Three lesions see two others in an eighth of their case; the fourth is alone.
    assert found.lesions_per_patch == pytest.approx((3 * (1 + 2 / 8) + 1) / 4)
    volumes = [8, 8, 64, 1000]
    assert found.size_spread == pytest.approx(np.percentile(volumes, 90) / np.percentile(volumes, 10))
