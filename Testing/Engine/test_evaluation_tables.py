import csv
import json

import numpy as np
import pytest

from lossseg.evaluation import (
    Failure,
    compare,
    evaluate_case,
    summarise,
    write_cases_csv,
    write_cohort_json,
    write_comparison_csv,
    write_comparison_json,
    write_lesions_csv,
    write_lesions_json,
)
from lossseg.evaluation.table import LESION_COLUMNS


@pytest.fixture
def cohort():
    reference, prediction = np.zeros((2, 4, 6, 8), np.uint8)
    reference[1, 1, 1:4] = 1
    reference[3, 5, 7] = 1
    prediction[1, 1, 1:3] = prediction[3, 0, 0] = 1
    probability = np.where(prediction > 0, 0.123456, 0)
    first = evaluate_case(reference, prediction, (3.0, 0.5, 0.7), probability, name='a, "b"')
    empty = np.zeros_like(reference)
    return summarise(
        [first, evaluate_case(empty, empty, (1, 1, 1), name="empty"), Failure("torn", "Torn.")], {"threshold": 0.5}
    )


def test_lesions_as_csv(cohort, tmp_path):
    write_lesions_csv(tmp_path / "lesions.csv", cohort.cases)
    text = (tmp_path / "lesions.csv").read_text(encoding="utf-8")
    head = text.splitlines()[0]
    assert head.startswith(
        "case,number,outcome,label,voxels,volume_mm3,diameter_mm,r_mm,a_mm,s_mm,confidence_mean,confidence_max,"
        "overlap_dice,"
    )
    assert set(LESION_COLUMNS) == set(head.split(","))
    found, missed, false, nothing = csv.DictReader(text.splitlines())
    named = {
        "case": 'a, "b"',
        "number": "1",
        "outcome": "found",
        "label": "1",
        "voxels": "3",
        "volume_mm3": "3.150",
        "diameter_mm": "3.31",
        "r_mm": "-1.40",
        "a_mm": "-0.50",
        "s_mm": "3.00",
        "confidence_mean": "0.1235",
        "confidence_max": "0.1235",
        "overlap_dice": "0.8000",
        "box_first_z": "1",
        "box_first_y": "1",
        "box_first_x": "1",
        "box_last_x": "3",
        "at_border": "no",
        "relation": "single",
        "parts": "1",
        "merged_with": "",
    }
    assert {name: found[name] for name in named} == named
    assert (missed["outcome"], missed["confidence_max"], missed["overlap_dice"]) == ("missed", "n/a", "0.0000")
    assert (false["outcome"], false["number"], false["r_mm"]) == ("false_positive", "3", "0.00")
    assert (nothing["case"], nothing["outcome"], nothing["voxels"]) == ("empty", "no_lesion", "0")
    assert nothing["volume_mm3"] == "n/a"


def test_lesions_as_json_keep_full_precision(cohort, tmp_path):
    write_lesions_json(tmp_path / "lesions.json", cohort.cases)
    value = json.loads((tmp_path / "lesions.json").read_text(encoding="utf-8"))
    first, empty = value["cases"]
    assert value["format"] == "lossseg-evaluation"
    assert first["lesions"][0]["confidence_max"] == pytest.approx(0.123456, abs=1e-12)
    assert first["lesions"][0]["outcome"] == "found"
    assert first["lesions"][1]["confidence_max"] is None
    assert first["measures"]["recall"] == 0.5
    assert empty["lesions"] == []
    assert empty["measures"]["dice"] is None


def test_measures_as_csv(cohort, tmp_path):
    write_cases_csv(tmp_path / "cases.csv", cohort)
    first, empty = csv.DictReader((tmp_path / "cases.csv").read_text(encoding="utf-8").splitlines())
    assert (first["dice"], first["false_positives"], first["volume_ml_reference"]) == ("0.571", "1", "0.004")
    assert (empty["dice"], empty["false_positives"]) == ("n/a", "0")


def test_the_whole_evaluation_as_json(cohort, tmp_path):
    write_cohort_json(tmp_path / "new" / "evaluation.json", cohort)
    value = json.loads((tmp_path / "new" / "evaluation.json").read_text(encoding="utf-8"))
    assert value["settings"] == {"threshold": 0.5}
    assert value["summary"]["lesion_recall"] == 0.5
    assert value["means"]["dice"] == {"mean": pytest.approx(4 / 7), "std": 0.0, "cases": 1}
    assert [group["high"] for group in value["size_groups"]] == [pytest.approx(1.05), pytest.approx(3.15), None]
    assert value["failures"] == [{"name": "torn", "message": "Torn."}]
    # The lesion and the false positive have the same score: 1/2 false positive per image.
    assert value["froc"]["at"][1] == {"false_positives_per_image": 0.25, "recall": 0.0}
    assert value["froc"]["at"][2] == {"false_positives_per_image": 0.5, "recall": 0.5}
    assert value["froc"]["thresholds"][0] is None
    assert value["froc"]["merged_lesions"] == 0
    assert value["froc"]["bootstrap_80_percent"]["samples"] == 100
    assert value["froc"]["bootstrap"]["interval_95"][0] <= value["froc"]["average_recall"]
    assert value["precision_recall"] is None
    assert value["notes"] == []


def test_lesions_that_one_component_merges_are_named(tmp_path):
    reference, prediction = np.zeros((2, 3, 4, 9), np.uint8)
    reference[1, 1, 1:3] = reference[1, 1, 5:7] = 1
    prediction[1, 1, 1:7] = 1
    write_lesions_csv(tmp_path / "lesions.csv", [evaluate_case(reference, prediction, (1, 1, 1), name="one")])
    first, second = csv.DictReader((tmp_path / "lesions.csv").read_text(encoding="utf-8").splitlines())
    assert (first["relation"], first["merged_with"]) == ("merged", "2")
    assert (second["relation"], second["merged_with"]) == ("merged", "1")


@pytest.fixture
def comparison():
    def results(grown: int):
        for number in range(8):
            reference, prediction = np.zeros((2, 4, 8, 8), np.uint8)
            reference[1:3, 2 : 4 + number % 3, 2:5] = 1
            prediction[1:3, 2 : 4 + grown, 2:5] = 1
            yield evaluate_case(reference, prediction, (1, 1, 1), name=f"P{number}")

    return compare({"good": summarise(results(1)), "poor": summarise(results(3))}, samples=200)


def test_a_comparison_as_csv(comparison, tmp_path):
    write_comparison_csv(tmp_path / "comparison.csv", comparison)
    rows = list(csv.DictReader((tmp_path / "comparison.csv").read_text(encoding="utf-8").splitlines()))
    good, poor = (row for row in rows if row["measure"] == "dice")
    means = [np.mean([2 * min(2 + n % 3, size) / (2 + n % 3 + size) for n in range(8)]) for size in (3, 5)]
    assert [float(row["value"]) for row in (good, poor)] == pytest.approx(means, abs=1e-4)
    assert (good["standing"], poor["standing"]) == ("best", "worse than the best")
    assert (good["p_to_best"], good["better"], good["cases"]) == ("n/a", "higher", "8")
    assert float(poor["p_to_best"]) < 0.05
    assert float(good["low"]) <= float(good["value"]) <= float(good["high"])
    distance = next(row for row in rows if row["measure"] == "hd95")
    assert (distance["better"], distance["unit"]) == ("lower", "mm")


def test_a_comparison_as_json(comparison, tmp_path):
    write_comparison_json(tmp_path / "comparison.json", comparison)
    value = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    assert value["models"] == ["good", "poor"]
    assert value["sentences"] == ["8 cases of 8 patients are compared, the same for every model."]
    dice = next(measure for measure in value["measures"] if measure["key"] == "dice")
    assert dice["standing"] == {"good": "best", "poor": "worse than the best"}
    assert dice["adjusted_p"][0]["models"] == ["good", "poor"]
    assert (value["test"], value["alpha"], value["bootstrap_samples"]) == ("wilcoxon", 0.05, 200)
