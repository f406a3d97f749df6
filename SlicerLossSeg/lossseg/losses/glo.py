"""GLO's losses: expression trees, by name or from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses.curves import CurveLoss, TracedCurve
from lossseg.losses.found import read_found
from lossseg.losses.loss import implements
from lossseg.losses.trees import PREDICTION, TREES, LossTree, Node

# Probabilities are drawn in to this distance of 0 and 1, smoothly, so that a surely wrong voxel is still taught.
MARGIN = 1e-3
# Nearer to 0 no logarithm, root or quotient goes.
_FLOOR = 1e-6
_LARGEST = 1e12


@dataclass(frozen=True, eq=False)
class TreeCurve(TracedCurve):
    """The tree for voxels of one truth.

    Attributes:
        foreground: the truth of the voxels.
    """

    tree: LossTree
    foreground: bool

    def raw(self, error: Tensor) -> Tensor:
        near = MARGIN + (1 - 2 * MARGIN) * error
        p = 1 - near if self.foreground else near
        value = _evaluate(self.tree.root, p, float(self.foreground))
        if self.tree.both:
            value = value + _evaluate(self.tree.root, 1 - p, 1.0 - float(self.foreground))
        return value.expand_as(error)


@implements("glo")
class Glo(CurveLoss):
    """Mean over voxels and foreground classes of a tree over p and y (Gonzalez & Miikkulainen, CEC 2020).

    A tree that is summed over both outcomes is one curve for all voxels.

    Raises:
        InputError: no such file, or it holds no tree, or one that is not finite for every prediction.
    """

    def __init__(self, *, classes: int, tree: str) -> None:
        found = TREES[tree] if tree in TREES else read_tree(Path(tree))
        super().__init__(*curves_of(found, tree), classes=classes)


def read_tree(path: Path) -> LossTree:
    """The tree in a file that the search wrote.

    Raises:
        InputError: see `read_found` and `LossTree.from_json`.
    """
    return LossTree.from_json(read_found(path, "glo"), str(path))


def curves_of(tree: LossTree, where: str) -> tuple[TreeCurve, TreeCurve]:
    """The curves for background and foreground.

    Raises:
        InputError: value or slope are not finite for some prediction; `where` names the tree.
    """
    background = TreeCurve(tree, False)
    foreground = background if tree.both else TreeCurve(tree, True)
    error = torch.linspace(0, 1, 257)
    for curve in (background, foreground):
        for values in (curve.height(error), curve.steepness(error)):
            if not (values.abs() <= _LARGEST).all():
                raise InputError(
                    f"The loss tree {where}, {tree.formula}, is not finite for every prediction.",
                    "Choose another one.",
                )
    return background, foreground


def _evaluate(node: Node, p: Tensor, y: float) -> Tensor:
    if not isinstance(node, tuple):
        return p if node == PREDICTION else p.new_tensor(y if isinstance(node, str) else node)
    first, *others = (_evaluate(child, p, y) for child in node[1:])
    match node[0]:
        case "log":
            return first.abs().clamp_min(_FLOOR).log()
        case "root":
            return first.abs().clamp_min(_FLOOR).sqrt()
        case "square":
            return first.square()
        case "add":
            return first + others[0]
        case "subtract":
            return first - others[0]
        case "multiply":
            return first * others[0]
    divisor = others[0]
    floor = torch.where(divisor < 0, -_FLOOR, _FLOOR).to(divisor)
    return first / torch.where(divisor.abs() < _FLOOR, floor, divisor)
