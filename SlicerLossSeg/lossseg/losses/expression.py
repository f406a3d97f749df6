"""From the tree of an expression to the module that computes it."""

from __future__ import annotations

from torch import Tensor

from lossseg.errors import InputError

# Importing the rooms of terms registers their classes.
from lossseg.losses import (  # noqa: F401
    adaptive,
    asymmetric,
    boundary,
    distribution,
    explog,
    focal,
    focal_tversky,
    gdice,
    glo,
    hausdorff,
    instance,
    inverse,
    lovasz,
    ml3,
    region,
    taylor,
    topk,
    topology,
    tversky,
    tvmf,
    unified_focal,
    weighted_ce,
)
from lossseg.losses.batch import Batch
from lossseg.losses.catalogue import Catalogue
from lossseg.losses.loss import Loss, make_term
from lossseg.losses.reduction import Reduction
from lossseg.losses.tree import Sum, Term


class WeightedSum(Loss):
    """The sum of losses, each times its factor; what they share of a batch is computed once."""

    def __init__(self, *parts: Loss, factors: tuple[float, ...], classes: int) -> None:
        super().__init__(*parts, classes=classes)
        self.factors = factors

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        values = [
            factor * part.value(batch, reduction)
            for factor, part in zip(self.factors, self.children_inside(), strict=True)
        ]
        return sum(values[1:], start=values[0])


def assemble(tree: Sum, catalogue: Catalogue, classes: int) -> Loss:
    """The module for `tree`, for `classes` classes with the background.

    Raises:
        InputError: fewer than two classes, or parameters that do not fit each other.
    """
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise InputError(
            f"A loss cannot be built for {classes} classes.",
            "Count the background: one foreground class makes 2, also with a single logit channel.",
        )
    parts = tuple(_assemble_term(part.term, catalogue, classes) for part in tree.parts)
    if len(parts) == 1 and tree.parts[0].factor == 1:
        return parts[0]
    whole = WeightedSum(*parts, factors=tuple(part.factor for part in tree.parts), classes=classes)
    whole.expression = str(tree)
    return whole


def _assemble_term(term: Term, catalogue: Catalogue, classes: int) -> Loss:
    inside = tuple(assemble(inner, catalogue, classes) for inner in term.inside)
    entry = catalogue[term.name]
    made = make_term(term.name, inside, classes, entry.defaults | dict(term.parameters))
    made.expression, made.entry_maps = str(term), entry.maps
    return made
