"""The loss family: losses written as expressions such as `dice + 0.5*iw(focal(gamma=2))`.

`CATALOGUE`, `parse` and `normal_form` need no torch; it is loaded by `build` or by naming `Loss` or `DeepSupervision`.

>>> normal_form("dice+.5 * ( ce )")
'dice + 0.5*ce'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossseg.losses import parser
from lossseg.losses.entries import CATALOGUE
from lossseg.losses.tree import Sum

if TYPE_CHECKING:
    from lossseg.losses.deep_supervision import DeepSupervision
    from lossseg.losses.loss import Loss

__all__ = ["CATALOGUE", "DeepSupervision", "Loss", "build", "normal_form", "parse"]


def parse(expression: str) -> Sum:
    """The tree of a loss expression.

    Raises:
        InputError: the text is no expression, or the catalogue does not have or allow what it names.
    """
    return parser.parse(expression, CATALOGUE)


def normal_form(expression: str) -> str:
    """The expression in one way of writing: presets and sums written out, parameters as given, in catalogue order.

    Raises:
        InputError: as `parse`.
    """
    return str(parse(expression))


def build(expression: str, *, classes: int = 2) -> Loss:
    """The loss that `expression` describes, for `classes` classes with the background.

    Returns:
        A module: `loss(logits (B, C, *S), target (B, 1, *S), maps=None) -> scalar`.

    Raises:
        InputError: as `parse`, or fewer than two classes.
    """
    from lossseg.losses.expression import assemble

    return assemble(parse(expression), CATALOGUE, classes)


def __getattr__(name: str) -> Any:
    if name == "Loss":
        from lossseg.losses.loss import Loss

        return Loss
    if name == "DeepSupervision":
        from lossseg.losses.deep_supervision import DeepSupervision

        return DeepSupervision
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
