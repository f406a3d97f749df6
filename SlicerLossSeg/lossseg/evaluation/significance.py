"""Tests of paired differences, and the correction for making many of them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

import numpy as np

Key = TypeVar("Key", bound=Hashable)


def wilcoxon(first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test over pairs; NaN without pairs.

    Pairs of equal values take part in the ranking and are then left out (Pratt, JASA 1959). Without any difference p is
    1. Of fewer than six pairs no difference can come out below 0.05.

    Args:
        first, second: (n,) values of the same cases, none NaN.
    """
    # A third of the time to import the whole room, for what only a comparison needs.
    from scipy import stats

    difference = np.round(np.asarray(first, float) - np.asarray(second, float), 12)
    if not len(difference):
        return math.nan
    if not difference.any():
        return 1.0
    return float(stats.wilcoxon(difference, zero_method="pratt", method="auto").pvalue)


def bootstrap_p(differences: np.ndarray) -> float:
    """Two-sided p from the difference of two figures in each of many bootstrap samples; NaN without a defined one.

    Twice the share of samples on the rarer side of zero, with one added to both counts so that it is never 0 (Davison
    and Hinkley, Bootstrap Methods and their Application, 1997, section 4.2). A sample without a difference is on both.
    """
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return math.nan
    rarer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(defined) + 1))


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """The p values adjusted for being one of several (Holm, Scand. J. Stat. 1979); NaN stays NaN and does not count.

    The chance of one or more adjusted values below alpha without any true difference is at most alpha.
    """
    known = sorted((p, place) for place, p in enumerate(p_values.values()) if not math.isnan(p))
    adjusted = list(p_values.values())
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = highest
    return dict(zip(p_values, adjusted, strict=True))
