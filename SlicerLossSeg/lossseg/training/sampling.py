"""Which patch comes next: a lesion uniformly, then a voxel of it, so that a small lesion is seen as often as a large.

Uniform over voxels, a 20-voxel lesion beside one of 4000 voxels would be centred 0.5 % of the time; uniform over
lesions, half of the time (Shirokikh et al. 2020, public code; the patient follows from the lesion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.preprocessing import CachedCase


@dataclass(frozen=True)
class Patch:
    """Where a patch lies.

    Attributes:
        case: index into the sampler's cases.
        start: (z, y, x) of its first voxel; negative where it reaches over the border.
    """

    case: int
    start: tuple[int, int, int]


class LesionSampler:
    """Draws patches of a fixed size from preprocessed cases.

    Args:
        cases: the training cases.
        patch: (z, y, x) voxels.
        oversampling: share of a batch's patches that are centred on a lesion, in [0, 1]; the last ones of the batch.
        batch: patches per batch.
    """

    def __init__(
        self, cases: Sequence[CachedCase], patch: tuple[int, int, int], *, oversampling: float, batch: int
    ) -> None:
        self._cases, self._patch = list(cases), patch
        self._oversampling, self._batch = oversampling, batch
        self._lesion_counts = np.cumsum([case.lesions for case in self._cases])
        self._shapes = [case.label().shape for case in self._cases]

    @property
    def lesions(self) -> int:
        """Number of lesions in all cases."""
        return int(self._lesion_counts[-1])

    def draw(self, index: int, generator: np.random.Generator) -> Patch:
        """The `index`-th patch of a run; centred on a lesion when its place in the batch says so."""
        wanted = self._oversampling * self._batch
        centred = int(wanted) + (generator.random() < wanted % 1)
        if self.lesions and index % self._batch >= self._batch - centred:
            return self.draw_lesion(generator)
        return self.draw_anywhere(generator)

    def draw_lesion(self, generator: np.random.Generator) -> Patch:
        lesion = int(generator.integers(self.lesions))
        case = int(np.searchsorted(self._lesion_counts, lesion, side="right"))
        before = int(self._lesion_counts[case - 1]) if case else 0
        voxels = self._cases[case].lesion_voxels(lesion - before)
        centre = np.unravel_index(int(voxels[generator.integers(len(voxels))]), self._shapes[case])
        return Patch(case, self._clamped([int(c) - n // 2 for c, n in zip(centre, self._patch, strict=True)], case))

    def draw_anywhere(self, generator: np.random.Generator) -> Patch:
        case = int(generator.integers(len(self._cases)))
        spans = zip(self._shapes[case], self._patch, strict=True)
        return Patch(case, self._clamped([int(generator.integers(max(n - p, 0) + 1)) for n, p in spans], case))

    def _clamped(self, start: list[int], case: int) -> tuple[int, int, int]:
        """Inside the volume where it is large enough, else with the volume in the patch's middle."""
        z, y, x = (
            min(max(s, 0), n - p) if n >= p else -((p - n) // 2)
            for s, n, p in zip(start, self._shapes[case], self._patch, strict=True)
        )
        return z, y, x


def cut(array: np.ndarray, start: tuple[int, int, int], patch: tuple[int, int, int], fill: float) -> np.ndarray:
    """A copy of the patch of `array` (z, y, x) that begins at `start`; `fill` beyond the border."""
    inside = tuple(slice(max(s, 0), min(s + p, n)) for s, p, n in zip(start, patch, array.shape, strict=True))
    part = array[inside]
    if part.shape == patch:
        return np.array(part)
    result = np.full(patch, fill, array.dtype)
    result[tuple(slice(i.start - s, i.stop - s) for i, s in zip(inside, start, strict=True))] = part
    return result
