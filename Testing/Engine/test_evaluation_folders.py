import math
import os

import numpy as np
import pytest

from lossseg.errors import Cancelled, InputError, OutOfMemory
from lossseg.evaluation import Outcome, evaluate_folders, folder_source
from lossseg.evaluation.parallel import in_order
from lossseg.images import Geometry, write_volume
from lossseg.reporting import Silent

SHAPE = (6, 8, 10)
GEOMETRY = Geometry(SHAPE, (2.0, 1.0, 0.5), (5.0, -3.0, 7.0))


def blocks(*boxes: tuple[int, int, int, int], value: int = 1, shape=SHAPE) -> np.ndarray:
    """Boxes of one slice: z, y, x from, x to."""
    array = np.zeros(shape, np.uint8)
    for z, y, low, high in boxes:
        array[z, y, low:high] = value
    return array


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
    assert done.settings["matching"] == "any overlap"
    assert done.curve.average_recall == 0.5
    # Of six lesion voxels three have 0.75, the others 0; nothing else has anything.
    assert done.precision_recall.average_precision == pytest.approx(0.5 * 1 + 0.5 * 6 / 960)
    assert done.reliability.voxels.sum() == 960
    assert done.notes == (
        "1 case without any lesion in reference and prediction (two): overlap is undefined there and left out of the "
        "means; as images without a false positive they count.",
    )


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
    write(reference, "bare.nii.gz", blocks((1, 1, 1, 2)))
    write(prediction, "bare.nii.gz", blocks((1, 1, 1, 2)))
    for name in ("alone", "stray", "shifted", "torn"):
        write(probability, f"{name}.nii.gz", np.zeros(SHAPE, np.float32))
    done = evaluate_folders(prediction, reference, probability_dir=probability)
    assert [case.name for case in done.cases] == ["one"]
    said = dict(done.failures)
    assert sorted(said) == ["alone", "bare", "loud", "shifted", "stray", "torn", "two"]
    assert said["alone"].startswith("Case alone has no prediction.")
    assert said["stray"].startswith("Case stray has no reference.")
    assert said["bare"].startswith("Case bare has no volume of probabilities.")
    assert "two.mha and" in said["two"]
    assert "origin" in said["shifted"]
    assert "--resample" in said["shifted"]
    assert "torn.nii.gz" in said["torn"]
    assert said["loud"].startswith("Case loud: Probability has to lie in [0, 1]")


def test_another_grid_is_resampled_when_asked_for(tmp_path):
    reference, prediction, probability = (tmp_path / name for name in ("truth", "found", "prob"))
    write(reference, "one.nii.gz", blocks((2, 2, 2, 6)))
    # Every second voxel in x, and one slice less: the same place in space.
    coarse = Geometry((5, 8, 5), (2.0, 1.0, 1.0), (5.25, -3.0, 7.0))
    half = np.zeros(coarse.size, np.uint8)
    half[2, 2, 1:3] = 1
    write(prediction, "one.nii.gz", half, coarse)
    write(probability, "one.nii.gz", (half * np.float32(0.8)), coarse)
    refused = evaluate_folders(prediction, reference)
    assert refused.cases == ()
    assert "size 5x8x5 against 6x8x10" in refused.failures[0].message
    done = evaluate_folders(prediction, reference, probability_dir=probability, resample=True)
    assert done.failures == ()
    assert done.cases[0].measures["dice"] == 1
    assert done.cases[0].lesions[0].confidence_max == pytest.approx(0.8)
    # Linear between 0.8 and 0 at the ends of the lesion.
    assert done.cases[0].lesions[0].confidence_mean == pytest.approx((0.6 + 0.8 + 0.8 + 0.6) / 4)
    assert done.notes == ("1 case resampled to the grid of the reference.",)


class Listener(Silent):
    def __init__(self, cancel_after=None):
        super().__init__(lambda: cancel_after is not None and len(self.steps) > cancel_after)
        self.steps, self.warnings = [], []

    def progress(self, stage, done, total, eta_s=None):
        self.steps.append((stage, done, total))


def test_progress_is_told_and_cancelling_stops(folders):
    prediction, reference, _ = folders
    listener = Listener()
    evaluate_folders(prediction, reference, reporter=listener, stage="evaluate one")
    assert listener.steps == [("evaluate one", 0, 2), ("evaluate one", 1, 2), ("evaluate one", 2, 2)]
    listener = Listener(cancel_after=1)
    with pytest.raises(Cancelled):
        evaluate_folders(prediction, reference, reporter=listener)
    assert listener.steps[-1] == ("evaluate", 1, 2)


def test_what_a_prediction_writes_beside_its_labels_is_no_label(folders):
    prediction, reference, _ = folders
    write(prediction, "one_probability.nii.gz", np.where(blocks((1, 1, 0, 3)) > 0, 0.75, 0).astype(np.float32))
    write(prediction, "two_probability.nii.gz", np.zeros(SHAPE, np.float32))
    write(prediction, "two_disagreement.nii.gz", np.zeros(SHAPE, np.float32))
    write(prediction, "two_logit.nii.gz", np.zeros(SHAPE, np.float32))
    done = evaluate_folders(prediction, reference, probability_dir=prediction)
    assert [case.name for case in done.cases] == ["one", "two"]
    assert done.failures == ()
    assert done.cases[0].lesions[0].confidence_max == pytest.approx(0.75)


def test_a_value_that_no_reference_has_is_a_mistake_in_files(folders):
    prediction, reference, _ = folders
    write(prediction, "one.nrrd", blocks((1, 1, 0, 3), value=255))
    write(reference, "three.nii.gz", blocks((1, 1, 0, 4)))
    write(prediction, "three.nii.gz", blocks((1, 1, 0, 4)))
    done = evaluate_folders(prediction, reference)
    assert [case.name for case in done.cases] == ["three", "two"]
    assert done.failures[0].message.startswith(
        "Case one: the prediction has the label value 255, which no reference has (they have 1)."
    )
    strict = evaluate_folders(prediction, reference, labels={"background": 0, "lesion": 1})
    assert "Label value 255 is none of the classes (lesion = 1)" in dict(strict.failures)["one"]
    named = evaluate_folders(prediction, reference, labels={"lesion": 1, "mark": 255})
    assert named.failures == ()


def test_without_any_lesion_in_the_references_nothing_is_strange(tmp_path):
    write(tmp_path / "truth", "one.nii.gz", blocks())
    write(tmp_path / "found", "one.nii.gz", blocks((1, 1, 0, 2), value=3))
    done = evaluate_folders(tmp_path / "found", tmp_path / "truth")
    assert done.cases[0].measures["false_positives"] == 1


def saturated(folder):
    """Two sure detections, the lesion with the higher logit; as float32 probabilities both are 1."""
    reference = blocks((1, 1, 0, 2))
    logit = np.where(blocks((1, 1, 0, 2)) > 0, 40, np.where(blocks((4, 4, 6, 8)) > 0, 30, -8)).astype(np.float32)
    write(folder / "truth", "one.nii.gz", reference)
    write(folder / "found", "one.nii.gz", (logit > 0).astype(np.uint8))
    write(folder / "logits", "one_logit.nii.gz", logit)
    write(folder / "prob", "one.nii.gz", (1 / (1 + np.exp(-logit))).astype(np.float32))


def test_logits_tell_apart_what_probabilities_do_not(tmp_path):
    saturated(tmp_path)
    found, truth = tmp_path / "found", tmp_path / "truth"
    by_probability = evaluate_folders(found, truth, probability_dir=tmp_path / "prob")
    assert by_probability.curve.recall_at(0.5) == 0
    by_logit = evaluate_folders(found, truth, logit_dir=tmp_path / "logits")
    assert by_logit.curve.recall_at(0.5) == 1
    assert by_logit.curve.thresholds.tolist() == [math.inf, 40.0, 30.0]
    assert by_logit.cases[0].lesions[0].confidence_max == 1
    assert by_logit.settings["logits"] == str(tmp_path / "logits")
    assert by_logit.voxels.lesion.sum() == 2
    with pytest.raises(InputError, match="probabilities and logits"):
        evaluate_folders(found, truth, probability_dir=tmp_path / "prob", logit_dir=tmp_path / "logits")


def test_a_lower_threshold_makes_the_curve_longer_and_merges_lesions(tmp_path):
    reference = blocks((1, 1, 0, 2), (1, 1, 6, 8), (4, 4, 0, 2))
    probability = np.zeros(SHAPE, np.float32)
    probability[1, 1, 0:8] = 0.9, 0.9, 0.3, 0.3, 0.3, 0.3, 0.2, 0.2
    probability[4, 4, 0:2] = 0.25
    write(tmp_path / "truth", "one.nii.gz", reference)
    write(tmp_path / "found", "one.nii.gz", (probability > 0.5).astype(np.uint8))
    write(tmp_path / "prob", "one.nii.gz", probability)

    def curve(**more):
        return evaluate_folders(tmp_path / "found", tmp_path / "truth", probability_dir=tmp_path / "prob", **more).curve

    assert (curve().average_recall, curve().merged) == (pytest.approx(1 / 3), 0)
    low = curve(froc_threshold=0.1)
    # One component over two lesions: all credit is two lesions at the score of the surer one.
    assert low.thresholds.tolist() == pytest.approx([math.inf, 0.9, 0.25])
    assert low.recall.tolist() == pytest.approx([0, 2 / 3, 1])
    assert low.merged == 2
    best = curve(froc_threshold=0.1, credit="best")
    assert best.recall.tolist() == pytest.approx([0, 1 / 3, 2 / 3])
    assert best.merged == 2
    for threshold in (-0.1, 1.0):
        with pytest.raises(InputError, match="cannot begin at the probability"):
            curve(froc_threshold=threshold)
    with pytest.raises(InputError, match="cannot begin at the probability"):
        evaluate_folders(tmp_path / "found", tmp_path / "truth", froc_threshold=0.1)


def test_ignored_voxels_count_nowhere(tmp_path):
    reference = blocks((1, 1, 0, 2)) + blocks((4, 4, 0, 5), value=2)
    probability = np.where(blocks((1, 1, 0, 2), (4, 4, 1, 4)) > 0, 0.9, 0).astype(np.float32)
    write(tmp_path / "truth", "one.nii.gz", reference)
    write(tmp_path / "found", "one.nii.gz", (probability > 0.5).astype(np.uint8))
    write(tmp_path / "prob", "one.nii.gz", probability)
    for threshold in (None, 0.5):
        done = evaluate_folders(
            tmp_path / "found",
            tmp_path / "truth",
            probability_dir=tmp_path / "prob",
            ignore_label=2,
            froc_threshold=threshold,
        )
        assert done.count(Outcome.FALSE_POSITIVE) == 0
        assert done.curve.fp_per_image.tolist() == [0, 0]
        assert done.voxels.voxels.sum() == 480 - 5
        assert done.precision_recall.average_precision == 1


def test_settings_of_the_matching_reach_the_cases(folders):
    prediction, reference, _ = folders
    done = evaluate_folders(prediction, reference, matching="panoptic", surface=False)
    assert done.settings["matching"] == "IoU of at least 0.5, one to one, duplicates are false positives"
    assert "hd95" not in done.cases[0].measures
    with pytest.raises(InputError, match="no matching 'near'"):
        evaluate_folders(prediction, reference, matching="near")


def test_folders_that_are_none_are_refused(folders, tmp_path):
    prediction, reference, _ = folders
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"references .* does not exist"):
        evaluate_folders(prediction, tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"predictions .* holds no image"):
        evaluate_folders(tmp_path / "empty", reference)


def test_pictures_come_from_the_folders(folders, tmp_path):
    prediction, reference, _ = folders
    image, geometry, truth, found = folder_source(prediction, reference)("one")
    assert not image.any()
    assert geometry.matches(GEOMETRY)
    assert (truth.sum(), found.sum()) == (6, 3)
    images = tmp_path / "images"
    write(images, "one_0000.nii.gz", np.full(SHAPE, 5, np.float32))
    write(images, "two_0000.nii.gz", np.zeros(SHAPE, np.float32), Geometry(SHAPE, (3.0, 1.0, 0.5)))
    source = folder_source(prediction, reference, images)
    assert (source("one")[0] == 5).all()
    with pytest.raises(InputError, match="another grid than its labels"):
        source("two")
    with pytest.raises(InputError, match="no image of three"):
        write(reference, "three.nii.gz", blocks())
        write(prediction, "three.nii.gz", blocks())
        folder_source(prediction, reference, images)("three")
    resampled = folder_source(prediction, reference, images, resample=True)("two")
    assert resampled[2].shape == resampled[0].shape == SHAPE


def test_results_come_in_the_order_of_the_items():
    checks = []
    assert list(in_order(abs, [-3, 1, -2], 1, lambda: checks.append(1))) == [3, 1, 2]
    assert len(checks) == 3
    assert list(in_order(abs, [], 4, list)) == []


def test_a_killed_worker_is_said_to_lack_memory():
    with pytest.raises(OutOfMemory, match="A worker process was killed"):
        list(in_order(os._exit, [9, 9], 2, lambda: None))
