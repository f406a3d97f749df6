"""Random samples of cases: how sure a figure over a set of cases is."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.errors import InputError

_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Average recall, and the FROC curve, of random samples of the images.

    Without replacement and with 80 % of the images, as the inverse-weighting paper has it, samples share most of their
    images: `std` is then about half of the standard error, for a mean exactly sqrt(1/0.8 - 1) = 0.5 of it. With
    replacement and all of the images, the usual bootstrap, `std` estimates the standard error and `interval` is the
    percentile confidence interval.

    Attributes:
        samples: (n,) average recall of each sample; NaN for a sample without any lesion.
        recall: (n, rates) recall of each sample at each rate.
        grid: (g,) false positives per image at which the curves are read, ascending.
        curves: (n, g) recall of each sample there.
    """

    samples: np.ndarray
    recall: np.ndarray
    grid: np.ndarray
    curves: np.ndarray

    @property
    def mean(self) -> float:
        """Over the samples with lesions; NaN when none has any."""
        return over_defined(self.samples, np.mean)

    @property
    def std(self) -> float:
        """Standard deviation (of the population) over the samples with lesions."""
        return over_defined(self.samples, np.std)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The quantiles that hold the middle `level` of the samples."""
        return interval(self.samples, level)

    def band(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """(g,) lowest and highest recall of the middle `level` of the samples at each point of `grid`.

        It holds at each point by itself, not for the whole curve at once.
        """
        ends = [interval(self.curves[:, place], level) for place in range(len(self.grid))]
        low, high = np.array(ends, float).reshape(-1, 2).T
        return low, high


def draw(units: int, fraction: float = 1.0, n: int = 1000, seed: int = 42, *, replacement: bool = True) -> np.ndarray:
    """(n, units) float64: how often each unit is in each of `n` random samples.

    Args:
        units: how many there are to choose from.
        fraction: of the units in a sample, in (0, 1], rounded down but at least one.
        n: samples.
        seed: of the random choice; the same seed gives the same samples.
        replacement: a unit may be drawn more than once.

    Raises:
        InputError: another fraction, or no sample.
    """
    return np.concatenate(list(drawn(units, fraction, n, seed, replacement=replacement)))


def drawn(
    units: int, fraction: float = 1.0, n: int = 1000, seed: int = 42, *, replacement: bool = True
) -> Iterator[np.ndarray]:
    """As `draw`, in blocks of samples, so that memory does not grow with their number."""
    size = sample_size(units, fraction, n)
    random = np.random.default_rng(seed)
    for start in range(0, n, _BLOCK):
        rows = min(_BLOCK, n - start)
        if not units:
            yield np.zeros((rows, 0))
        elif replacement:
            yield random.multinomial(size, np.full(units, 1 / units), rows).astype(float)
        else:
            places = np.argpartition(random.random((rows, units)), size - 1, axis=1)[:, :size]
            sample = np.zeros((rows, units))
            np.put_along_axis(sample, places, 1.0, axis=1)
            yield sample


def sample_size(units: int, fraction: float, n: int) -> int:
    """How many of the units are in a sample.

    Raises:
        InputError: a fraction outside (0, 1], or fewer than one sample.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"The bootstrap fraction {fraction} is not in (0, 1].", "Give a share such as 0.8.")
    if n < 1:
        raise InputError(f"There cannot be {n} bootstrap samples.", "Give a number such as 1000.")
    return min(units, max(1, int(units * fraction)))


def numbered(groups: Sequence[Hashable]) -> tuple[np.ndarray, int]:
    """(len(groups),) the number of each entry's group, 0, 1, ... by first occurrence, and how many groups there are."""
    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return np.array([number[group] for group in groups], int), len(number)


def interval(samples: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The quantiles that hold the middle `level` of the samples that are not NaN; NaN when all are.

    Raises:
        InputError: a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"The confidence level {level} is not between 0 and 1.", "Give a share such as 0.95.")
    low, high = 0.5 - level / 2, 0.5 + level / 2
    return (
        over_defined(samples, lambda values: np.quantile(values, low)),
        over_defined(samples, lambda values: np.quantile(values, high)),
    )


def over_defined(values: np.ndarray, summary: Callable[[np.ndarray], np.floating]) -> float:
    """`summary` of the values that are not NaN; NaN when all are."""
    defined = values[~np.isnan(values)]
    return float(summary(defined)) if len(defined) else math.nan
