"""How wide the convex outlines of many groups of pixels are."""

from __future__ import annotations

import numpy as np

_SIDES = np.array([(0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)])


def widest(points: np.ndarray, first: np.ndarray, sides: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(groups,) float64: the longest segment perpendicular to a direction in the convex hull of the pixels of a group.

    The hull is that of the middles of the pixels' sides.

    Args:
        points: (n, 2): the middles of the pixels, group by group; at least one in each.
        first: (groups,): where each group begins.
        sides: (2,): lengths of a pixel's sides.
        direction: (groups, 2): of length 1.
    """
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(points))) * len(_SIDES))
    around = (points[:, None] + _SIDES * sides).reshape(-1, 2)
    towards = direction[group]
    along = (around * towards).sum(axis=1)
    across = around[:, 1] * towards[:, 0] - around[:, 0] * towards[:, 1]
    order = np.lexsort((across, along, group))
    group, along, across = group[order], along[order], across[order]
    upper, lower = _chain(group, along, across), _chain(group, along, -across)
    width = np.zeros(len(first))
    # The distance between both chains is greatest at a corner of one of them.
    for corners, others, sign in ((upper, lower, 1.0), (lower, upper, -1.0)):
        opposite = _at(group[corners], along[corners], group[others], along[others], across[others])
        np.maximum.at(width, group[corners], sign * (across[corners] - opposite))
    return width


def _chain(group: np.ndarray, along: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Places of the points that make the upper side of the convex hull of each group, in the order of `along`.

    A point not above the line between its neighbours is no corner of the hull. Points are left out until all are.
    """
    chain = np.arange(len(group))
    while True:
        inner = np.zeros(len(chain), bool)
        inner[1:-1] = (group[chain[:-2]] == group[chain[1:-1]]) & (group[chain[2:]] == group[chain[1:-1]])
        before, here, after = chain[np.flatnonzero(inner) - 1], chain[inner], chain[np.flatnonzero(inner) + 1]
        turn = (along[here] - along[before]) * (height[after] - height[before])
        turn -= (height[here] - height[before]) * (along[after] - along[before])
        if not (turn >= 0).any():
            return chain
        inner[inner] = turn >= 0
        chain = chain[~inner]


def _at(
    group: np.ndarray, along: np.ndarray, of_group: np.ndarray, corner: np.ndarray, height: np.ndarray
) -> np.ndarray:
    """The height of each group's chain at places along it, linear between its corners."""
    span = max(float(np.ptp(corner)), 1e-300) * 2
    lowest = corner.min()
    place = np.searchsorted(of_group + (corner - lowest) / span, group + (along - lowest) / span, "right") - 1
    last = np.searchsorted(of_group, group, "right") - 1
    place = np.clip(place, np.searchsorted(of_group, group), last)
    following = np.minimum(place + 1, last)
    run = corner[following] - corner[place]
    share = np.divide(along - corner[place], run, out=np.zeros(len(along)), where=run > 0)
    heights: np.ndarray = height[place] + np.clip(share, 0, 1) * (height[following] - height[place])
    return heights
