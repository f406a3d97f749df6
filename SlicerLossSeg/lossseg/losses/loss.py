"""What every loss is, and the register of the classes behind the catalogue's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lossseg.losses.batch import Batch, Reduction
from lossseg.losses.checks import check_inputs


class Loss(nn.Module):
    """A loss built from an expression, by itself or inside another.

    A new loss overrides `value` and has an entry of its name in the catalogue; what it holds inside its parentheses
    comes as the positional arguments of its constructor, its parameters as keywords.

    Attributes:
        classes: number of classes with the background.
        expression: the normal form of the expression it was built from.
        own_maps: names of the maps that this very term needs, from its entry.
    """

    def __init__(self, *inside: Loss, classes: int) -> None:
        super().__init__()
        self.inside = nn.ModuleList(inside)
        self.classes = classes
        self.expression = ""
        self.own_maps: frozenset[str] = frozenset()

    def forward(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor] | None = None) -> Tensor:
        """The loss, a float32 (or float64) scalar.

        Args:
            logits: (B, C, *S), floating point, 2D or 3D. C = 1 is a foreground logit (sigmoid), C >= 2 are classes
                with background first (softmax). Half precision is computed in float32.
            target: (B, 1, *S), any integer type, class numbers from 0 to classes - 1.
            maps: what the loader made from the target, (B, 1, *S) each; see `required_maps`. A missing one is made
                here from the target, on the CPU, which costs time in every step.

        Raises:
            InputError: shapes or types do not fit; labels out of range (looked at on the CPU only).
        """
        maps = maps or {}
        check_inputs(self.expression or type(self).__name__, self.classes, logits, target, maps)
        with torch.autocast(logits.device.type, enabled=False):
            batch = Batch(logits, target, maps)
            return self.value(batch, Reduction(batch))

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        """The scalar for one batch; `reduction` says how voxels are summed."""
        raise NotImplementedError

    def children_inside(self) -> Iterator[Loss]:
        for inner in self.inside:
            assert isinstance(inner, Loss)
            yield inner

    def terms(self) -> Iterator[Loss]:
        """This loss and all inside it."""
        yield self
        for inner in self.children_inside():
            yield from inner.terms()

    @property
    def required_maps(self) -> frozenset[str]:
        """Names of the maps that the loader should bring (see `lossseg.weights.make_maps`)."""
        return frozenset().union(*(term.own_maps for term in self.terms()))

    def own_learned(self) -> dict[str, float]:
        """The parameters that this very term learns, by name."""
        return {}

    def learned(self) -> dict[str, float]:
        """Present value of every learned parameter, as `tversky.alpha`; a second such term counts as `tversky2`."""
        found: dict[str, float] = {}
        for term in self.terms():
            own, name, number = term.own_learned(), term.expression.partition("(")[0], 1
            while any(f"{_numbered(name, number)}.{key}" in found for key in own):
                number += 1
            found |= {f"{_numbered(name, number)}.{key}": value for key, value in own.items()}
        return found

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        """Tells every term that an epoch is over, with the epoch's validation measures by name."""
        for inner in self.children_inside():
            inner.end_epoch(metrics)

    def extra_repr(self) -> str:
        return self.expression


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}{number}"


LossClass = TypeVar("LossClass", bound=type[Loss])
_classes: dict[str, Callable[..., Loss]] = {}


def implements(name: str) -> Callable[[LossClass], LossClass]:
    """Class decorator: this class is the catalogue's term `name`."""

    def register(made: LossClass) -> LossClass:
        _classes[name] = made
        return made

    return register


def make_term(name: str, inside: tuple[Loss, ...], classes: int, parameters: Mapping[str, Any]) -> Loss:
    return _classes[name](*inside, classes=classes, **parameters)
