"""GLO: expression trees by genetic programming, then their coefficients by CMA-ES (Gonzalez & Miikkulainen, CEC 2020).

The paper sums a tree over a classifier's classes. Here it also breeds trees for (p, y) alone, so that foreground and
background, which are far from equal in number, can get curves of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from lossseg.errors import InputError
from lossseg.losses.curves import CurveLoss
from lossseg.losses.found import read_found, write_found
from lossseg.losses.glo import curves_of
from lossseg.losses.trees import TREES, LossTree, nodes
from lossseg.studies.learned.breeding import crossed, mutated, random_tree, weighted
from lossseg.studies.learned.direction import teaches
from lossseg.studies.learned.evolution import minimise
from lossseg.studies.learned.log import Judge

LIBRARY_FILE, LIBRARY_SIZE = "library.json", 50
START = LossTree(
    (
        "subtract",
        0.0,
        (
            "add",
            ("multiply", "y", ("log", "p")),
            ("multiply", ("subtract", 1.0, "y"), ("log", ("subtract", 1.0, "p"))),
        ),
    )
)
"""The binary cross-entropy, from which the search starts beside random trees and the kept ones."""

_BREEDING, _ELITE, _TOURNAMENT, _CROSSOVER = 0.7, 2, 3, 0.5
_DEEPEST = 4
_SIGMA = 0.4
_MOST_ROUNDS = 1000


class TreeLoss(CurveLoss):
    """A tree as a loss without a file."""

    def __init__(self, tree: LossTree, classes: int) -> None:
        super().__init__(*curves_of(tree, "of the search"), classes=classes)
        self.expression = "glo"


class GloSearch:
    """Breeds trees until the judge's trials are spent; equal functions count as one tree.

    Args:
        library: trees to start from beside random ones.
    """

    def __init__(self, judge: Judge, population: int, seed: int, library: Sequence[LossTree] = ()) -> None:
        self._judge, self._size, self._seed = judge, population, seed
        self._random = np.random.default_rng(seed)
        self._known = [START, *TREES.values(), *library]
        self._by_shape: dict[bytes, LossTree] = {}
        self.fitness: dict[LossTree, float] = {}

    def run(self) -> LossTree:
        """The tree of the highest fitness, the smaller one on a tie; `START` is among those that were tried."""
        total = self._judge.left
        people = self._first()
        for _ in range(_MOST_ROUNDS):
            scored = {tree: self._score(tree) for tree in people}
            if self._judge.left <= (1 - _BREEDING) * total:
                break
            people = self._next(scored)
        self._tune(self._best())
        return self._best()

    def library(self) -> list[LossTree]:
        """The best trees of this search with their fitness, the best first."""
        ranked = sorted(self.fitness, key=lambda tree: -self.fitness[tree])
        return [
            LossTree(tree.root, tree.both, {"fitness": self.fitness[tree]})
            for tree in ranked[:LIBRARY_SIZE]
            if self.fitness[tree] > 0
        ]

    def _first(self) -> list[LossTree]:
        made = list(dict.fromkeys(self._known))
        number = len(made)
        while len(made) < max(self._size, len(self._known)):
            root = random_tree(self._random, 2 + number % (_DEEPEST - 1), full=bool(number % 2))
            made.append(LossTree(root, both=self._random.random() < 0.25))
            number += 1
        return made

    def _next(self, scored: Mapping[LossTree, float]) -> list[LossTree]:
        ranked = sorted(scored, key=lambda tree: -scored[tree])
        made = ranked[:_ELITE]
        while len(made) < self._size:
            parent = self._winner(ranked)
            if self._random.random() < _CROSSOVER:
                root = crossed(parent.root, self._winner(ranked).root, self._random)
            else:
                root = mutated(parent.root, self._random)
            made.append(LossTree(root, parent.both))
        return made

    def _winner(self, ranked: Sequence[LossTree]) -> LossTree:
        """The best of a few drawn ones."""
        return ranked[int(self._random.integers(len(ranked), size=_TOURNAMENT).min())]

    def _score(self, tree: LossTree) -> float:
        if tree in self.fitness:
            return self.fitness[tree]
        loss = self._loss(tree)
        if loss is None or self._judge.left <= 0:
            return 0.0
        error = torch.linspace(0, 1, 65)
        heights = torch.stack([loss.background.height(error), loss.foreground.height(error)])
        # To Adam the size of a loss does not matter, so two that differ in nothing else are the same.
        shape = (heights / heights.abs().max()).mul(1e4).round().numpy().tobytes()
        same = self._by_shape.setdefault(shape, tree)
        if same != tree:
            return self.fitness[same]
        key = json.dumps({"tree": tree.to_json()["tree"], "both": tree.both})
        self.fitness[tree] = self._judge(key, lambda: loss)
        return self.fitness[tree]

    def _loss(self, tree: LossTree) -> TreeLoss | None:
        """The loss; None where it is not finite or teaches the wrong direction, which costs no trial."""
        try:
            loss = TreeLoss(tree, self._judge.proxy.classes)
        except InputError:
            return None
        return loss if teaches(loss) else None

    def _tune(self, tree: LossTree) -> None:
        def cost(values: Sequence[float]) -> float:
            return -self._score(LossTree(weighted(tree.root, values), tree.both))

        ones = [1.0] * sum(1 for _ in nodes(tree.root))
        asked = iter(range(10 * self._judge.total))
        minimise(
            cost,
            ones if len(ones) > 1 else [*ones, 1.0],
            sigma=_SIGMA,
            population=max(4, min(self._size, 10)),
            seed=self._seed,
            more=lambda: self._judge.left > 0 and next(asked, None) is not None,
        )

    def _best(self) -> LossTree:
        return max(self.fitness, key=lambda tree: (self.fitness[tree], -sum(1 for _ in nodes(tree.root))))


def write_library(path: Path, trees: Sequence[LossTree]) -> None:
    """Write a library of trees, with how good each was."""
    write_found(path, "glo-library", {"trees": [tree.to_json() for tree in trees]})


def read_library(path: Path) -> list[LossTree]:
    """The trees of a library.

    Raises:
        InputError: the file cannot be read, or holds something else.
    """
    value = read_found(path, "glo-library")
    trees = value.get("trees")
    if not isinstance(trees, list):
        raise InputError(f"{path} holds no trees.", "Choose the file library.json of a search.")
    return [LossTree.from_json(tree, str(path)) for tree in trees]
