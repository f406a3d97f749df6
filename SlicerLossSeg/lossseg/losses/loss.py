"""What every loss is, and the register of the classes behind the catalogue's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lossseg.losses.batch import Batch
from lossseg.losses.checks import check_inputs
from lossseg.losses.reduction import Reduction
from lossseg.losses.voxel_functions import VoxelFunction


class Loss(nn.Module):
    """A loss built from an expression, by itself or inside another.

    A new loss overrides `value` and has an entry of its name in the catalogue; what it holds inside its parentheses
    comes as the positional arguments of its constructor, its parameters as keywords.

    Attributes:
        classes: number of classes with the background.
        expression: the normal form of the expression it was built from.
        entry_maps: names of the maps that its entry states.
        ignore: label whose voxels do not count, or None.
        spacing: mm along the axes of the voxels, for terms that measure distances in each step; None takes 1.
        observing: adaptive terms learn from the values they compute; off for all but the finest resolution.
    """

    def __init__(self, *inside: Loss, classes: int) -> None:
        super().__init__()
        self.inside = nn.ModuleList(inside)
        self.classes = classes
        self.expression = ""
        self.entry_maps: frozenset[str] = frozenset()
        self.ignore: int | None = None
        self.spacing: tuple[float, ...] | None = None
        self.observing = True

    def forward(self, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor] | None = None) -> Tensor:
        """The loss, a float32 (or float64) scalar.

        Args:
            logits: (B, C, *S), floating point, 2D or 3D. C = 1 is a foreground logit (sigmoid), C >= 2 are classes
                with background first (softmax). Half precision is computed in float32.
            target: (B, 1, *S), any integer type, class numbers from 0 to classes - 1, and the ignore label.
            maps: what the loader made from the target, (B, channels, *S) each; see `required_maps`. A missing one is
                made here from the target, on the CPU, which costs time in every step.

        Raises:
            InputError: shapes or types do not fit; labels out of range (looked at on the CPU only).
        """
        maps = maps or {}
        check_inputs(self.expression or type(self).__name__, self.classes, logits, target, maps, self.ignore)
        with torch.autocast(logits.device.type, enabled=False):
            batch = Batch(logits, target, maps, ignore=self.ignore, spacing=self.spacing)
            self.announce(batch, batch.plain)
            return self.value(batch, batch.plain)

    def own_sums(self) -> tuple[VoxelFunction, ...]:
        """The voxel functions whose sums `value` will ask its reduction for; an unannounced one costs a pass more."""
        return ()

    def announce(self, batch: Batch, reduction: Reduction) -> None:
        """Announces the sums of this term and those inside it; a term that reduces otherwise says so here too."""
        reduction.want(*self.own_sums())
        for inner in self.children_inside():
            inner.announce(batch, reduction)

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
    def own_maps(self) -> frozenset[str]:
        """Names of the maps that this very term needs; one whose parameters decide that overrides this."""
        return self.entry_maps

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

    def own_parameters(self) -> list[dict[str, Any]]:
        """Optimizer groups of the parameters that this very term learns: "params" and their own "lr"."""
        return []

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimizer groups of all learned parameters, each with the learning rate that its term asks for."""
        return [group for term in self.terms() for group in term.own_parameters()]

    @contextmanager
    def unobserved(self) -> Iterator[None]:
        """Within it, adaptive terms keep their weights and take no notice of the values they compute."""
        terms = [term for term in self.terms() if term.observing]
        try:
            for term in terms:
                term.observing = False
            yield
        finally:
            for term in terms:
                term.observing = True

    @contextmanager
    def coarser(self, factors: Sequence[float]) -> Iterator[None]:
        """Within it, voxels are larger by those factors along the axes."""
        known = self.spacing
        finest = known or (1.0,) * len(factors)
        self.spacing = tuple(side * factor for side, factor in zip(finest, factors, strict=True))
        try:
            yield
        finally:
            self.spacing = known

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
