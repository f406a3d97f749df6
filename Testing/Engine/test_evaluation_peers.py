"""The measures of a case against independent tools. Those that are no dependency are asked where they are installed."""

import math

import numpy as np
import pytest
import SimpleITK as sitk
from lesion_masks import blob_pair, sparse_pair
from scipy import ndimage

from lossseg.evaluation import Outcome, evaluate_case
from lossseg.evaluation.criteria import Matching

SPACING = (2.5, 0.6, 0.8)
PAIRS = [blob_pair(seed) for seed in range(8)] + [sparse_pair(seed, (6, 12, 14)) for seed in range(8)]
EVERY = pytest.mark.parametrize("pair", range(len(PAIRS)))


def counts(result) -> tuple[int, int, int]:
    """Found, false positive and missed."""
    return tuple(len(result.of(outcome)) for outcome in (Outcome.FOUND, Outcome.FALSE_POSITIVE, Outcome.MISSED))


@EVERY
def test_voxel_measures_equal_simpleitk(pair):
    """SimpleITK's LabelOverlapMeasures, relative tolerance 1e-12; its volume similarity is signed and twice as much."""
    reference, prediction = PAIRS[pair]
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (reference, prediction)))
    measures = evaluate_case(reference, prediction, SPACING).measures
    assert measures["dice"] == pytest.approx(overlap.GetDiceCoefficient(), rel=1e-12)
    similarity = 1 - abs(overlap.GetVolumeSimilarity()) / 2
    assert measures["volumetric_similarity"] == pytest.approx(similarity, rel=1e-12)


@EVERY
def test_the_longest_distance_equals_simpleitk(pair):
    """SimpleITK's Hausdorff distance of the masks is the highest of our distances from outside, tolerance 1e-6.

    It has no percentile; the 95th is compared with MONAI and the definition of ADAM in `test_evaluation_surface`.
    """
    from lossseg.components import find
    from lossseg.evaluation.surface import Surface

    reference, prediction = PAIRS[pair]
    images = []
    for mask in (reference, prediction):
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing(SPACING[::-1])
        images.append(image)
    distance = sitk.HausdorffDistanceImageFilter()
    distance.Execute(*images)
    one, other = (Surface(find(mask), SPACING) for mask in (reference, prediction))
    outside = [
        side.distances(against)[0][~inside[side.plain]].max(initial=0.0)
        for side, against, inside in (
            (one, other, prediction.ravel()[one.voxels]),
            (other, one, reference.ravel()[other.voxels]),
        )
    ]
    assert max(outside) == pytest.approx(distance.GetHausdorffDistance(), rel=1e-6)


@EVERY
def test_counts_equal_picai_eval(pair):
    """picai_eval: TP, FP and FN exactly, overlaps within 1e-6."""
    picai = pytest.importorskip("picai_eval.eval")
    reference, prediction = PAIRS[pair]
    components, count = ndimage.label(prediction, np.ones((3, 3, 3)))
    confidence = np.append(0, np.random.default_rng(pair).uniform(0.1, 1, count)).astype(np.float32)
    for least in (0.1, 0.3):
        rows, *_ = picai.evaluate_case(confidence[components], reference.astype(np.int32), min_overlap=least)
        result = evaluate_case(
            reference,
            prediction,
            SPACING,
            confidence[components],
            matching=Matching("iou", threshold=least, assignment="one_to_one"),
        )
        # Rounded, for equal overlaps that differ in the last place would be ordered differently.
        theirs = [(round(overlap, 6), score) for lesion, score, overlap in rows if lesion and overlap]
        false = [score for lesion, score, _ in rows if not lesion]
        missed = len([lesion for lesion, _, overlap in rows if lesion and not overlap])
        assert counts(result) == (len(theirs), len(false), missed)
        ours = [
            (round(lesion.overlap / (2 - lesion.overlap), 6), lesion.confidence_max)
            for lesion in result.of(Outcome.FOUND)
        ]
        assert np.array(sorted(ours)).ravel() == pytest.approx(np.array(sorted(theirs)).ravel(), rel=1e-6)
        assert sorted(lesion.confidence_max for lesion in result.of(Outcome.FALSE_POSITIVE)) == pytest.approx(
            sorted(false)
        )


@EVERY
def test_instances_equal_panoptica(pair):
    """panoptica: counts exactly; recognition, segmentation and panoptic quality and Dice by instance within 1e-9."""
    panoptica = pytest.importorskip("panoptica")
    reference, prediction = PAIRS[pair]
    evaluator = panoptica.Panoptica_Evaluator(
        expected_input=panoptica.InputType.SEMANTIC,
        instance_approximator=panoptica.ConnectedComponentsInstanceApproximator(),
        instance_matcher=panoptica.NaiveThresholdMatching(matching_threshold=0.5, strict_threshold=True),
    )
    answer = evaluator.evaluate(prediction.astype(np.uint8), reference.astype(np.uint8), verbose=False)
    theirs = next(iter(answer.values()))
    # One voxel more than half of the union, so that an IoU of one half is none for us either.
    how = Matching("iou", 0.5 + 1e-9, assignment="one_to_one", duplicates="false_positive")
    result = evaluate_case(reference, prediction, (1, 1, 1), matching=how)
    assert counts(result) == (theirs.tp, theirs.fp, theirs.fn)
    measures = result.measures
    expected = {
        "dice": theirs.global_bin_dsc,
        "recognition_quality": theirs.rq,
        "segmentation_quality": theirs.sq if theirs.tp else math.nan,
        "panoptic_quality": theirs.pq if theirs.tp else 0.0,
        "object_dice": theirs.sq_dsc if theirs.tp else math.nan,
    }
    assert {key: measures[key] for key in expected} == pytest.approx(expected, rel=1e-9, nan_ok=True)
