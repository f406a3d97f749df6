"""Parameters of known losses that follow a validation measure while the network trains.

The aim is that of Seo, Bassenne & Xing (IEEE TMI, 2020, doi:10.1109/TMI.2020.3031913): functional
parameters of a loss that training adapts so that the loss comes nearer to the measure that counts. Their formula is not
to be had, so the rule is one of our own: after each stretch of training several neighbours of the present parameters
train on from the same state, and the one with the highest validation measure goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossseg.errors import InputError
from lossseg.losses import Loss, build, normal_form
from lossseg.reporting import Reporter
from lossseg.studies.learned.knobs import knobs, turned
from lossseg.studies.learned.log import SearchLog, Trial
from lossseg.studies.learned.proxy import Learner, Proxy


@dataclass(frozen=True)
class Adapted:
    """What an adaptation found.

    Attributes:
        expression: the parameters at its end.
        course: the expression of each stretch.
        learner: the network that was trained along.
    """

    expression: str
    course: tuple[str, ...]
    learner: Learner


class Adaptation:
    """Trains one network in `rounds` stretches, each with the best of `neighbours` + 1 parameter sets."""

    def __init__(
        self, proxy: Proxy, start: str, log: SearchLog, reporter: Reporter, *, rounds: int, neighbours: int
    ) -> None:
        knobs(start)
        self._proxy, self._start, self._log, self._reporter = proxy, normal_form(start), log, reporter
        self._rounds, self._neighbours = rounds, neighbours

    def run(self) -> Adapted:
        proxy, generator = self._proxy, np.random.default_rng(self._proxy.seed)
        learner, expression, course = Learner(proxy, proxy.seed), self._start, []
        for number in range(self._rounds):
            stretch = proxy.steps * (number + 1) // self._rounds - proxy.steps * number // self._rounds
            candidates = [expression]
            for _ in range(self._neighbours):
                near = turned(expression, generator)
                if _buildable(near, proxy.classes):
                    candidates.append(near)
            trained: dict[str, Learner] = {}
            values = {}
            for place, candidate in enumerate(candidates):
                values[candidate] = self._try(number, candidate, learner, stretch, trained)
                done = number * (self._neighbours + 1) + place + 1
                self._reporter.progress("search", done, self._rounds * (self._neighbours + 1), None)
            # On a tie the present parameters stay.
            expression = max(values, key=lambda one: values[one])
            learner = trained.get(expression) or self._trained(learner, expression, stretch)
            course.append(expression)
            self._reporter.metric("validation", number + 1, values[expression], "search")
        return Adapted(expression, tuple(course), learner)

    def _try(self, number: int, candidate: str, learner: Learner, stretch: int, trained: dict[str, Learner]) -> float:
        key = f"{number}: {candidate}"
        known = self._log.trials.get(key)
        if known is None:
            trained[candidate] = self._trained(learner, candidate, stretch)
            known = Trial(key, trained[candidate].fitness(), 0.0)
            self._log.add(known)
        return known.fitness

    def _trained(self, learner: Learner, expression: str, stretch: int) -> Learner:
        twin = learner.copy()
        twin.train(self._loss(expression), stretch, self._reporter.check)
        return twin

    def _loss(self, expression: str) -> Loss:
        return build(expression, classes=self._proxy.classes)


def _buildable(expression: str, classes: int) -> bool:
    try:
        build(expression, classes=classes)
    except InputError:
        return False
    return True
