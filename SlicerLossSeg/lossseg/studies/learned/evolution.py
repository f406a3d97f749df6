"""CMA-ES, by the package cma, with a random stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lossseg.errors import MissingDependency


def minimise(
    function: Callable[[Sequence[float]], float],
    start: Sequence[float],
    *,
    sigma: float,
    population: int,
    seed: int,
    more: Callable[[], bool],
    digits: int = 4,
) -> None:
    """Ask `function` for points of lower values, generation by generation, as long as there is `more` to spend.

    Points are rounded to so many digits, so that their text is the point. The course follows from the seed and the
    values alone (Hansen, The CMA evolution strategy: a tutorial, arXiv:1604.00772).

    Raises:
        MissingDependency: cma is not installed.
    """
    try:
        import cma
    except ImportError as error:
        raise MissingDependency(
            "The search for coefficients needs the package cma.", 'Install it with: pip install "lossseg[learn]"'
        ) from error
    stream = np.random.RandomState(seed)
    options = {"popsize": population, "seed": float("nan"), "randn": stream.randn, "verbose": -9, "verb_log": 0}
    strategy = cma.CMAEvolutionStrategy(list(start), sigma, options)
    while more() and not strategy.stop():
        points = strategy.ask()
        values = []
        for point in points:
            if not more():
                return
            values.append(function([round(float(number), digits) for number in point]))
        strategy.tell(points, values)
