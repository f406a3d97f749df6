"""TaylorGLO: the parameters of `taylor` by CMA-ES (Gonzalez & Miikkulainen, GECCO 2021, arXiv:2002.00059)."""

from __future__ import annotations

from collections.abc import Sequence

from lossseg.losses import CATALOGUE, build
from lossseg.losses.catalogue import show
from lossseg.studies.learned.direction import teaches
from lossseg.studies.learned.evolution import minimise
from lossseg.studies.learned.log import Judge

_SIGMA = 1.2
START = "taylor"
"""The expansion of bce; the paper starts where all parameters are 0, which teaches nothing."""

_HIGH = 100.0
# Points that teach the wrong direction cost no trial, but there is an end to them too.
_ASKED = 20


def search_taylor(judge: Judge, population: int, seed: int) -> str:
    """The best expression of all trials; that of `START` is among them."""
    parameters = CATALOGUE["taylor"].defaults
    found = {START: judge(START, lambda: build(START, classes=judge.proxy.classes))}

    def cost(values: Sequence[float]) -> float:
        if max(map(abs, values)) > _HIGH:
            return 1.0
        pairs = zip(parameters, values, strict=True)
        expression = f"taylor({', '.join(f'{name}={show(value)}' for name, value in pairs)})"
        loss = build(expression, classes=judge.proxy.classes)
        if not teaches(loss):
            return 1.0
        found[expression] = judge(expression, lambda: loss)
        return -found[expression]

    start = [float(value) for value in parameters.values()]
    asked = iter(range(_ASKED * judge.total))
    minimise(
        cost,
        start,
        sigma=_SIGMA,
        population=population,
        seed=seed,
        more=lambda: judge.left > 0 and next(asked, None) is not None,
    )
    return max(found, key=lambda expression: found[expression])
