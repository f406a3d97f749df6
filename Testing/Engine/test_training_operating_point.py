"""The operating point that a validation chooses."""

import numpy as np
import pytest

from lossseg.evaluation import Credit, operating_points
from lossseg.training.validation import balanced, operating_point


def around_all():
    """Eight lesions of 27 voxels, three of them likely, in one body that is likelier than not."""
    reference = np.zeros((12, 12, 12), np.uint8)
    probability = np.full(reference.shape, 0.1, np.float32)
    probability[:10, :10, :10] = 0.6
    corners = [(z, y, x) for z in (1, 6) for y in (1, 6) for x in (1, 6)]
    for number, (z, y, x) in enumerate(corners):
        part = np.s_[z : z + 3, y : y + 3, x : x + 3]
        reference[part] = 1
        if number < 3:
            probability[part] = 0.96
    return reference, probability


def test_one_component_around_all_lesions_is_not_taken_for_having_found_them():
    pair = around_all()
    touching = balanced(operating_points([pair], (0.5, 0.9), credit=Credit.ALL))
    assert (touching.threshold, touching.recall) == (0.5, 1.0)
    point = operating_point([pair])
    assert point.threshold >= 0.6
    assert point.recall == pytest.approx(3 / 8)
    assert point.false_positives_per_case == 0
    assert point.dice == pytest.approx(2 * 3 / (8 + 3))
