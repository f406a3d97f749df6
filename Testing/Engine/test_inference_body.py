"""Windows on nothing are not computed, and nothing is found there."""

from __future__ import annotations

import numpy as np
import pytest
from inference_fakes import linear, model, volume
from scipy import ndimage

from lossseg.images import Geometry, Volume
from lossseg.inference import Predictor
from lossseg.inference.body import body_on_plan_grid
from lossseg.inference.case import Case
from lossseg.preprocessing import Prepared, prepare

IDENTITY = (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
TURNED = (0.0, 0, -1, 1, 0, 0, 0, -1, 0)


def ball(size: int = 96, radius: float = 25) -> np.ndarray:
    """A ball, and two opposite corners so that the box of non-zero voxels is the whole volume."""
    grid = np.indices((size,) * 3) - (size - 1) / 2
    array = ((grid**2).sum(0) <= radius**2).astype(np.float32)
    array[0, 0, 0] = array[-1, -1, -1] = 1
    return array


def prepared_of(array: np.ndarray, direction: tuple[float, ...], spacing: float = 1.0) -> tuple[list[Volume], Prepared]:
    z, y, x = array.shape
    one = Volume(array, Geometry((z, y, x), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), direction))
    return [one], prepare([one], model(linear(1.0), spacing=(spacing,) * 3).plan)


@pytest.mark.parametrize("direction", [IDENTITY, TURNED])
@pytest.mark.parametrize("spacing", [1.0, 0.7, 1.6])
def test_all_of_the_body_counts_and_little_else(direction: tuple[float, ...], spacing: float) -> None:
    array = ball()
    array[40:, 50:, :60] = 0
    volumes, prepared = prepared_of(array, direction, spacing)
    found = body_on_plan_grid(volumes, prepared)
    assert found is not None and found.shape == prepared.image.shape[1:]
    body = prepared.image[0] > 0.5
    assert body.any() and found[body].all()
    far = ndimage.distance_transform_edt(~body) * spacing > 28
    assert far.any() and not found[far].any()


def test_zeros_within_a_body_count() -> None:
    array = ball()
    array[36:60, 36:60, 36:60] = 0
    volumes, prepared = prepared_of(array, IDENTITY)
    found = body_on_plan_grid(volumes, prepared)
    assert found is not None and found[36:60, 36:60, 36:60].all()


def test_a_full_image_has_nothing_to_leave_out() -> None:
    assert body_on_plan_grid(*prepared_of(np.ones((40, 41, 42), np.float32), TURNED)) is None


def test_another_channel_counts_as_well() -> None:
    array, other = np.zeros((40, 40, 80), np.float32), np.zeros((40, 40, 80), np.float32)
    array[:, :, :4], array[:, :, -1], other[:, :, 40:44] = 1, 1, 1
    both = [Volume(one, Geometry((40, 40, 80), (1.0,) * 3, (0.0,) * 3, IDENTITY)) for one in (array, other)]
    prepared = prepare(both, model(linear(1.0), channels=("A", "B")).plan)
    found = body_on_plan_grid(both, prepared)
    assert found is not None
    assert np.flatnonzero(found.any((0, 1))).tolist() == [*range(16), *range(32, 56), *range(64, 80)]


def test_the_result_in_the_body_is_the_same_and_far_from_it_there_is_none() -> None:
    """The network calls everything foreground: what is not computed shows."""
    array = ball()
    computed: list[int] = []

    class Counting:
        def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
            if stage.startswith("segment") or "window" in stage:
                computed.append(total)

        def __getattr__(self, name: str) -> object:
            return lambda *arguments, **named: None

    whole = model(linear(0.0, shift=3.0), patch=(16, 16, 16))
    result = Predictor([whole], "cpu", min_voxels=0, reporter=Counting()).predict([volume(array)])  # type: ignore[arg-type]
    assert result.label[array > 0].all()
    far = ndimage.distance_transform_edt(array == 0) > 28
    assert far.sum() > 1000 and not result.label[far].any()
    assert computed and max(computed) < 0.7 * 11**3


def test_a_region_of_interest_is_taken_out_of_the_body() -> None:
    array = ball()
    one = volume(array)
    case = Case.of([one], (-40.0, -4.0, -40.0, -4.0, 4.0, 60.0))
    assert case.box is not None
    whole = model(linear(1.0), patch=(16, 16, 16))
    inside = Predictor([whole], "cpu", min_voxels=0, roi=(-40.0, -4.0, -40.0, -4.0, 4.0, 60.0)).predict([one]).label
    everything = Predictor([whole], "cpu", min_voxels=0).predict([one]).label
    box = tuple(case.box)
    assert np.array_equal(inside[box], everything[box])
    assert inside.sum() == inside[box].sum()
