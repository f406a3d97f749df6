"""Branching vessel trees, grown as random walks and drawn as signed distances to their walls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossseg.phantoms.phantom import Grid

_FAR = np.float32(1e3)
_MOST_SEGMENTS = 1500
_TAPER = 0.996


@dataclass(frozen=True)
class Site:
    """A place on a vessel where a sac can sit: `point` (z, y, x) mm on the centreline, the unit vector `outward`."""

    point: np.ndarray
    outward: np.ndarray
    radius: float


@dataclass(frozen=True)
class Segment:
    """A piece of vessel between two points (z, y, x) mm with a radius in mm at each."""

    start: np.ndarray
    end: np.ndarray
    radius: float
    end_radius: float


@dataclass(frozen=True)
class Tree:
    """The pieces of a vessel tree, its bifurcations (outward: on along the parent) and places on its walls."""

    segments: list[Segment]
    bifurcations: list[Site]
    walls: list[Site]


@dataclass(frozen=True)
class Ellipsoid:
    """Where vessels may grow: centre and semi-axes (z, y, x) in mm."""

    centre: np.ndarray
    semiaxes: np.ndarray

    def depth(self, point: np.ndarray) -> float:
        """0 in the centre, 1 on the surface."""
        return float(np.linalg.norm((point - self.centre) / self.semiaxes))


@dataclass(frozen=True)
class Root:
    """Where a tree begins, with its direction and its radius in mm."""

    point: np.ndarray
    direction: np.ndarray
    radius: float


def grow(rng: np.random.Generator, root: Root, region: Ellipsoid, thinnest: float) -> Tree:
    """Grows a tree from `root` until its branches are thinner than `thinnest` mm or leave `region`.

    Radii at a bifurcation follow Murray's law (Proc Natl Acad Sci USA 1926;12:207-214): the cube of the parent's radius
    is the sum of the cubes of the children's.
    """
    tree = Tree([], [], [])
    branches = [(root.point, _unit(root.direction), root.radius)]
    while branches and len(tree.segments) < _MOST_SEGMENTS:
        # The thickest branch first: when the number of segments runs out, only twigs are missing.
        point, heading, radius = branches.pop(int(np.argmax([branch[2] for branch in branches])))
        branches += _grow_branch(rng, tree, (point, heading, radius), region, thinnest)
    return tree


def _grow_branch(
    rng: np.random.Generator,
    tree: Tree,
    branch: tuple[np.ndarray, np.ndarray, float],
    region: Ellipsoid,
    thinnest: float,
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    point, heading, radius = branch
    bend = np.zeros(3)
    left = radius * rng.uniform(4, 10) + region.semiaxes.min() * rng.uniform(0.08, 0.3)
    while left > 0:
        if radius < thinnest or region.depth(point) > 1:
            return []
        bend = 0.75 * bend + rng.normal(0, 0.07, 3)
        inward = -(point - region.centre) / region.semiaxes**2
        pull = max(region.depth(point) - 0.8, 0) * 2.5
        heading = _unit(heading + bend + pull * _unit(inward))
        step = max(0.7 * radius, 0.4)
        after = point + step * heading
        tree.segments.append(Segment(point, after, radius, radius * _TAPER))
        if rng.random() < 0.15:
            tree.walls.append(Site(after, _across(rng, heading), radius))
        point, radius, left = after, radius * _TAPER, left - step
    ratio = rng.uniform(0.45, 1)
    larger = radius / (1 + ratio**3) ** (1 / 3)
    side = _across(rng, heading)
    tree.bifurcations.append(Site(point, heading, radius))
    small_turn, large_turn = np.deg2rad(rng.uniform(15, 40)), np.deg2rad(rng.uniform(40, 75))
    return [
        (point, _unit(np.cos(small_turn) * heading + np.sin(small_turn) * side), larger),
        (point, _unit(np.cos(large_turn) * heading - np.sin(large_turn) * side), larger * ratio),
    ]


def draw(grid: Grid, segments: Sequence[Segment]) -> tuple[np.ndarray, np.ndarray]:
    """Draws tubes.

    Returns:
        Two arrays (z, y, x) float32: the signed distance in mm to the nearest wall (negative inside; exact up to about
        a voxel from the wall, then 1000), and the radius in mm of the tube that is nearest there.
    """
    distance = np.full(grid.size, _FAR, np.float32)
    calibre = np.zeros(grid.size, np.float32)
    for segment in segments:
        reach = max(segment.radius, segment.end_radius)
        ends = np.stack([segment.start, segment.end])
        box = grid.box(ends.min(axis=0) - reach, ends.max(axis=0) + reach, margin=2)
        if any(span.stop <= span.start for span in box):
            continue
        found = _tube_distance(grid, segment, box)
        nearer = found < distance[box]
        distance[box][nearer] = found[nearer]
        calibre[box][nearer] = segment.radius
    return distance, calibre


def _tube_distance(grid: Grid, segment: Segment, box: tuple[slice, slice, slice]) -> np.ndarray:
    along = segment.end - segment.start
    offsets = [axis - np.float32(start) for axis, start in zip(grid.axes(box), segment.start, strict=True)]
    dot = sum(offset * np.float32(step) for offset, step in zip(offsets, along, strict=True))
    part = np.clip(dot / np.float32(along @ along), 0, 1)
    square = sum((offset - part * np.float32(step)) ** 2 for offset, step in zip(offsets, along, strict=True))
    radius = np.float32(segment.radius) + part * np.float32(segment.end_radius - segment.radius)
    return np.asarray(np.sqrt(square) - radius, np.float32)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _across(rng: np.random.Generator, heading: np.ndarray) -> np.ndarray:
    """A random unit vector at right angles to `heading`."""
    vector = rng.normal(size=3)
    return _unit(vector - (vector @ heading) * heading)
