import math

import numpy as np
import pytest

from lossseg.errors import Cancelled, InputError
from lossseg.evaluation import (
    CaseResult,
    Cohort,
    Failure,
    Lesion,
    Outcome,
    evaluate_case,
    evaluate_folders,
    size_groups,
    summarise,
    tertile_edges,
)
from lossseg.images import Geometry, write_volume
from lossseg.reporting import Silent

SHAPE = (6, 8, 10)
GEOMETRY = Geometry(SHAPE, (2.0, 1.0, 0.5), (5.0, -3.0, 7.0))


def blocks(*boxes: tuple[int, int, int, int], value: int = 1) -> np.ndarray:
    """Boxes of one slice: z, y, x from, x to."""
    array = np.zeros(SHAPE, np.uint8)
    for z, y, low, high in boxes:
        array[z, y, low:high] = value
    return array


def lesion(volume: float, outcome: Outcome = Outcome.FOUND, overlap: float = 0.5) -> Lesion:
    return Lesion(1, outcome, 1, volume, 1.0, (0.0, 0.0, 0.0), 0.9, 0.95, overlap)


@pytest.fixture
def cohort():
    def results():
        yield evaluate_case(blocks((1, 1, 0, 4), (4, 4, 0, 2)), blocks((1, 1, 0, 3)), (1, 1, 1), name="a")
        yield evaluate_case(blocks(), blocks((2, 2, 2, 4), (5, 5, 5, 6)), (1, 1, 1), name="b")
        yield evaluate_case(blocks(), blocks(), (1, 1, 1), name="c")
        yield Failure("d", "Broken.")
        yield evaluate_case(blocks((1, 1, 0, 6)), blocks((1, 1, 0, 6), (4, 4, 4, 5)), (1, 1, 1), name="e")

    return summarise(results(), {"threshold": 0.5})


def test_means_tell_how_many_cases_define_them(cohort):
    dice = cohort.measures["dice"]
    values = [2 * 3 / (6 + 3), 0, 2 * 6 / (6 + 7)]
    assert dice.cases == 3
    assert dice.mean == pytest.approx(np.mean(values))
    assert dice.std == pytest.approx(np.std(values))
    assert cohort.measures["recall"] == (0.75, 0.25, 2)


def test_lesions_are_pooled_over_the_cases(cohort):
    assert cohort.recall == pytest.approx(2 / 3)
    assert cohort.object_dice == pytest.approx((2 * 3 / (4 + 3) + 1) / 2)
    assert cohort.false_positives_per_case == pytest.approx(3 / 4)
    assert (cohort.count(Outcome.MISSED), cohort.count(Outcome.FALSE_POSITIVE)) == (1, 3)
    assert [name for name, _ in cohort.lesions] == ["a", "a", "b", "b", "e", "e"]
    assert cohort.failures == (("d", "Broken."),)
    assert cohort.summary() == pytest.approx(
        {
            "cases": 4,
            "failed_cases": 1,
            "lesion_recall": 2 / 3,
            "lesions_found": 2,
            "lesions_missed": 1,
            "false_positives_per_case": 0.75,
            "object_dice": (6 / 7 + 1) / 2,
        }
    )


def test_recall_by_tertile_of_size(cohort):
    small, middle, large = cohort.size_groups()
    assert [group.name for group in (small, middle, large)] == ["smallest third", "middle third", "largest third"]
    assert [(group.above_mm3, group.up_to_mm3) for group in (small, middle, large)] == [(0, 2), (2, 4), (4, math.inf)]
    assert [(group.lesions, group.found, group.recall) for group in (small, middle, large)] == [
        (1, 0, 0),
        (1, 1, 1),
        (1, 1, 1),
    ]
    assert math.isnan(small.object_dice)
    assert middle.object_dice == pytest.approx(6 / 7)
    assert [group.range_text for group in (small, middle, large)] == ["to 2 mm³", "2 to 4 mm³", "over 4 mm³"]


def test_lesions_of_equal_size_stay_in_one_group():
    assert tertile_edges([3, 1, 2, 5, 4, 6]) == (2, 4)
    assert tertile_edges([1, 2, 3, 4, 5]) == (2, 4)
    assert tertile_edges([7]) == (7, 7)
    assert tertile_edges([]) is None
    # 0.1 + 0.2 is not 0.3 in binary, yet the same volume.
    small, middle, large = size_groups([lesion(0.3), lesion(0.1 + 0.2), lesion(0.3, Outcome.MISSED, 0.0), lesion(9.0)])
    assert [group.lesions for group in (small, middle, large)] == [3, 0, 1]
    assert small.recall == pytest.approx(2 / 3)
    assert math.isnan(middle.recall)


def test_groups_leave_out_what_is_not_in_the_reference():
    rows = [lesion(1.0, Outcome.FALSE_POSITIVE), lesion(5.0), lesion(20.0, Outcome.MISSED, 0.0)]
    below, above = size_groups(rows, [10.0], ["small", "large"])
    assert (below.name, below.lesions, below.recall, below.object_dice) == ("small", 1, 1.0, 0.5)
    assert (above.name, above.lesions, above.recall) == ("large", 1, 0.0)
    assert size_groups(rows[:1]) == ()
    assert size_groups(rows, [])[0].range_text == "all"


def test_an_empty_cohort_is_undefined():
    empty = Cohort(())
    assert math.isnan(empty.recall)
    assert math.isnan(empty.false_positives_per_case)
    assert math.isnan(empty.object_dice)
    assert empty.froc() is None
    assert empty.size_groups() == ()


def test_a_name_counts_once(cohort):
    twice = summarise([*cohort.cases, cohort.cases[0]])
    assert len(twice.cases) == 4
    assert twice.failures[0].name == "a"


def test_froc_needs_probabilities_and_references(cohort):
    assert cohort.froc() is None
    reference, prediction = blocks((1, 1, 0, 2), (4, 4, 0, 2)), blocks((1, 1, 0, 2), (4, 4, 6, 8))
    probability = np.where(prediction > 0, 0.8, 0.1)
    probability[4, 4, 7] = 0.9
    done = summarise([evaluate_case(reference, prediction, (1, 1, 1), probability, name="x")])
    assert done.froc(rates=(0.5, 1)).recall.tolist() == [0, 0, 0.5]
    assert done.froc(rates=(0.5, 1)).average_recall == 0.25
    assert done.summary()["froc_average_recall"] == pytest.approx(0.5 * 4 / 7)
    assert summarise([evaluate_case(None, prediction, (1, 1, 1), probability)]).froc() is None


def write(folder, name, array, geometry=GEOMETRY):
    folder.mkdir(exist_ok=True)
    write_volume(folder / name, array, geometry)


@pytest.fixture
def folders(tmp_path):
    prediction, reference, probability = (tmp_path / name for name in ("préd ictions", "reference", "probability"))
    write(reference, "one.nii.gz", blocks((1, 1, 0, 4), (4, 4, 0, 2)))
    write(prediction, "one.nrrd", blocks((1, 1, 0, 3)))
    write(probability, "one.mha", np.where(blocks((1, 1, 0, 3)) > 0, 0.75, 0).astype(np.float32))
    write(reference, "two.nii.gz", blocks())
    write(prediction, "two.nii.gz", blocks())
    write(probability, "two.nii.gz", np.zeros(SHAPE, np.float32))
    return prediction, reference, probability


@pytest.mark.parametrize("workers", [1, 2])
def test_folders_are_paired_by_case_name(folders, workers):
    prediction, reference, probability = folders
    (prediction / "notes.txt").write_text("no image")
    done = evaluate_folders(prediction, reference, probability_dir=probability, workers=workers)
    assert [case.name for case in done.cases] == ["one", "two"]
    assert done.failures == ()
    found, missed = done.cases[0].lesions
    assert (found.outcome, missed.outcome) == (Outcome.FOUND, Outcome.MISSED)
    assert found.volume_mm3 == pytest.approx(4.0)
    assert found.overlap == pytest.approx(6 / 7)
    assert found.confidence_max == pytest.approx(0.75)
    # LPS origin (5, -3, 7), voxels x 0 to 3 of 0.5 mm, y 1 of 1 mm, z 1 of 2 mm.
    assert found.centroid_ras == pytest.approx((-(5 + 1.5 * 0.5), -(-3 + 1.0), 7 + 2.0))
    assert done.settings["credit"] == "all"
    assert done.froc().average_recall == 0.5


def test_one_broken_case_does_not_stop_the_others(folders):
    prediction, reference, probability = folders
    write(reference, "alone.nii.gz", blocks())
    write(prediction, "stray.nii.gz", blocks())
    write(prediction, "two.mha", blocks())
    write(reference, "shifted.nii.gz", blocks())
    write(prediction, "shifted.nii.gz", blocks(), Geometry(SHAPE, (2.0, 1.0, 0.5), (9.0, -3.0, 7.0)))
    (prediction / "torn.nii.gz").write_bytes((prediction / "one.nrrd").read_bytes()[:50])
    write(reference, "torn.nii.gz", blocks())
    write(reference, "loud.nii.gz", blocks((1, 1, 1, 2)))
    write(prediction, "loud.nii.gz", blocks((1, 1, 1, 2)))
    write(probability, "loud.nii.gz", np.full(SHAPE, 7, np.float32))
    for name in ("alone", "stray", "shifted", "torn"):
        write(probability, f"{name}.nii.gz", np.zeros(SHAPE, np.float32))
    done = evaluate_folders(prediction, reference, probability_dir=probability)
    assert [case.name for case in done.cases] == ["one"]
    said = dict(done.failures)
    assert sorted(said) == ["alone", "loud", "shifted", "stray", "torn", "two"]
    assert said["alone"].startswith("Case alone has no prediction.")
    assert said["stray"].startswith("Case stray has no reference.")
    assert "two.mha and" in said["two"]
    assert "origin" in said["shifted"]
    assert "torn.nii.gz" in said["torn"]
    assert said["loud"].startswith("Case loud: Probability has to lie in [0, 1]")


class Listener(Silent):
    def __init__(self, cancelled=False):
        super().__init__(lambda: cancelled)
        self.steps, self.warnings = [], []

    def progress(self, stage, done, total, eta_s=None):
        self.steps.append((stage, done, total))

    def warning(self, message, hint=""):
        self.warnings.append(message)


def test_progress_is_told_and_cancelling_stops(folders):
    prediction, reference, _ = folders
    listener = Listener()
    evaluate_folders(prediction, reference, reporter=listener)
    assert listener.steps == [("evaluate", 0, 2), ("evaluate", 1, 2), ("evaluate", 2, 2)]
    assert listener.warnings == []
    with pytest.raises(Cancelled):
        evaluate_folders(prediction, reference, reporter=Listener(cancelled=True))


def test_what_a_prediction_writes_beside_its_labels_is_no_label(folders):
    prediction, reference, _ = folders
    write(prediction, "one_probability.nii.gz", np.where(blocks((1, 1, 0, 3)) > 0, 0.75, 0).astype(np.float32))
    write(prediction, "two_probability.nii.gz", np.zeros(SHAPE, np.float32))
    write(prediction, "two_disagreement.nii.gz", np.zeros(SHAPE, np.float32))
    done = evaluate_folders(prediction, reference, probability_dir=prediction)
    assert [case.name for case in done.cases] == ["one", "two"]
    assert done.failures == ()
    assert done.cases[0].lesions[0].confidence_max == pytest.approx(0.75)


def test_values_of_predictions_alone_are_pointed_out(folders):
    prediction, reference, _ = folders
    write(prediction, "one.nrrd", blocks((1, 1, 0, 3), value=255))
    listener = Listener()
    done = evaluate_folders(prediction, reference, reporter=listener)
    assert listener.warnings == ["Label value 255 occurs in predictions and in no reference."]
    assert done.cases[0].measures["dice"] == 0
    strict = evaluate_folders(prediction, reference, labels={"background": 0, "lesion": 1})
    assert "Label value 255 is none of the classes (lesion = 1)" in dict(strict.failures)["one"]


def test_folders_that_are_none_are_refused(folders, tmp_path):
    prediction, reference, _ = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"references .* does not exist"):
        evaluate_folders(prediction, tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"predictions .* holds no image"):
        evaluate_folders(tmp_path / "empty", reference)


def test_a_case_result_needs_no_lesions():
    assert CaseResult((), {}).detections.lesion_scores == ()
