"""Genetic operators on expression trees: random trees, crossover, mutation, coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossseg.losses.trees import BINARY, PREDICTION, TRUTH, UNARY, Node, depth, nodes

MAX_DEPTH, MAX_NODES = 5, 15
_LEAVES: tuple[Node, ...] = (PREDICTION, TRUTH, 1.0, -1.0)


def random_tree(generator: np.random.Generator, deepest: int, *, full: bool = False) -> Node:
    """A tree of at most `deepest` levels; every branch reaches them if `full`."""
    if deepest <= 1 or (not full and generator.random() < 0.25):
        return _LEAVES[int(generator.integers(len(_LEAVES)))]
    if generator.random() < 0.35:
        return (_one(UNARY, generator), random_tree(generator, deepest - 1, full=full))
    first = random_tree(generator, deepest - 1, full=full)
    return (_one(BINARY, generator), first, random_tree(generator, deepest - 1, full=full))


def crossed(one: Node, other: Node, generator: np.random.Generator) -> Node:
    """`one` with one of its branches taken from `other`; unchanged where it would grow too large."""
    branches = list(nodes(other))
    return _fitting(replaced(one, _place(one, generator), branches[_place(other, generator)]), one)


def mutated(one: Node, generator: np.random.Generator) -> Node:
    """The tree with a new branch, another operation of the same kind, or a shifted number."""
    place = _place(one, generator)
    node = list(nodes(one))[place]
    new: Node
    if isinstance(node, float) and generator.random() < 0.5:
        new = round(float(node + generator.normal(0, 0.5)), 3)
    elif isinstance(node, tuple) and generator.random() < 0.5:
        new = (_one(UNARY if len(node) == 2 else BINARY, generator), *node[1:])
    else:
        new = random_tree(generator, 3)
    return _fitting(replaced(one, place, new), one)


def replaced(root: Node, place: int, new: Node) -> Node:
    """The tree with its node number `place` (as `nodes` counts them) replaced."""
    if place == 0:
        return new
    assert isinstance(root, tuple)
    children, before = list(root[1:]), 1
    for number, child in enumerate(children):
        size = sum(1 for _ in nodes(child))
        if place < before + size:
            children[number] = replaced(child, place - before, new)
            break
        before += size
    return (root[0], *children)


def weighted(root: Node, coefficients: Sequence[float]) -> Node:
    """The tree with each node times its coefficient, in the order of `nodes`; a number becomes their product."""
    remaining = iter(coefficients)

    def visit(node: Node) -> Node:
        factor = round(float(next(remaining)), 4)
        if isinstance(node, float):
            return round(factor * node, 4)
        inner: Node = (node[0], *(visit(child) for child in node[1:])) if isinstance(node, tuple) else node
        return ("multiply", factor, inner)

    return visit(root)


def _fitting(tree: Node, otherwise: Node) -> Node:
    small = depth(tree) <= MAX_DEPTH and sum(1 for _ in nodes(tree)) <= MAX_NODES
    return tree if small else otherwise


def _place(tree: Node, generator: np.random.Generator) -> int:
    return int(generator.integers(sum(1 for _ in nodes(tree))))


def _one(names: Sequence[str], generator: np.random.Generator) -> str:
    return names[int(generator.integers(len(names)))]
