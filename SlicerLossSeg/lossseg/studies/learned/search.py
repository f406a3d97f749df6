"""A search for a loss from beginning to end: its cost, the search, the file, the test, the figure."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lossseg.errors import InputError, MissingDependency
from lossseg.files import write_json
from lossseg.locking import only_one
from lossseg.losses import Loss, build, normal_form
from lossseg.losses.found import write_found
from lossseg.losses.ml3 import write_network
from lossseg.losses.trees import LossTree
from lossseg.reporting import Reporter
from lossseg.studies.learned.adapt import Adaptation
from lossseg.studies.learned.figure import write_curves
from lossseg.studies.learned.glo import LIBRARY_FILE, GloSearch, read_library, write_library
from lossseg.studies.learned.log import Judge, SearchLog, Trial
from lossseg.studies.learned.ml3 import MetaTraining
from lossseg.studies.learned.proxy import Learner, Proxy, fitness
from lossseg.studies.learned.taylor import START as TAYLOR_START
from lossseg.studies.learned.taylor import search_taylor

LOSS_FILE, RESULT_FILE, FIGURE = "loss.json", "result.json", "curves"
ALWAYS_COMPARED = ("bce", "dice")
_ADAPTED = "tversky + focal"
# Dice alone rewards the first steps of a network most for marking everything.
_TASK = "dice + bce"
_STEPS_TO_TIME = 4
_FOLDERS = ("dataset", "library")


class Method(StrEnum):
    """How a loss is looked for."""

    GLO = "glo"
    TAYLOR = "taylor"
    ML3 = "ml3"
    ADAPT = "adapt"


@dataclass(frozen=True)
class SearchSettings:
    """Settings of a search.

    Attributes:
        start: adapt: the expression to adapt; ml3: the task's loss that judges a step; else None.
        trials: partial trainings of glo and taylor; of adapt the stretches of training, over all rounds.
        population: trees or points per generation.
        iterations: outer steps of ml3.
        rounds: stretches that adapt divides a training into.
        seeds: trainings of each loss in the test at the end.
        library: trees for glo to start from, as an earlier search wrote them.
        estimate: only tell the cost.
        conditions: whatever else must be the same for a search to go on, as JSON data.
    """

    method: Method
    start: str | None = None
    trials: int = 60
    population: int = 20
    iterations: int = 500
    rounds: int = 10
    seeds: int = 3
    library: Path | None = None
    estimate: bool = False
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The expression that the search begins with, or that judges its steps."""
        if self.method is Method.TAYLOR:
            return TAYLOR_START
        if self.method is Method.GLO:
            return "bce"
        return normal_form(self.start or (_TASK if self.method is Method.ML3 else _ADAPTED))

    def to_json(self) -> dict[str, Any]:
        """What a search that goes on must have in common with its beginning."""
        return {
            "method": self.method.value,
            "start": self.first,
            "trials": self.trials,
            "population": self.population,
            "iterations": self.iterations,
            "rounds": self.rounds,
            "library": None if self.library is None else str(self.library),
            **self.conditions,
        }

    def told(self) -> dict[str, Any]:
        """The settings for the file of the found loss; of folders their names alone, for the file may be handed on."""
        folders = {name: Path(value).name for name, value in self.to_json().items() if name in _FOLDERS and value}
        return {**self.to_json(), **folders}


def learn_loss(proxy: Proxy, out: Path, settings: SearchSettings, reporter: Reporter) -> dict[str, Any]:
    """Search for a loss on a proxy, test what was found, and write both to `out`.

    A search that was cancelled goes on when it is called again with the same settings.

    Returns:
        A summary: the expression of the found loss, its file, the cost in minutes, and the held-out scores of the
        found loss, the start and the usual losses after trainings of the same length. With `settings.estimate` the
        cost alone.

    Raises:
        InputError: the folder holds a finished search, one with other settings, or another process works in it.
        MissingDependency: the method needs a package that is not there.
        Cancelled: the person stopped it; what was tried is kept.
    """
    out = Path(out).absolute()
    if (out / RESULT_FILE).exists():
        raise InputError(f"{out} holds the result of a search.", "Choose another folder; results are not overwritten.")
    _expression(settings.method, out)
    with only_one(out):
        log = SearchLog(out, settings.to_json())
        minutes = _minutes(proxy, out, settings, reporter)
        told = f"The search takes about {_about(minutes)} on this machine."
        if settings.estimate:
            return {"method": settings.method.value, "minutes": minutes, "sentence": told}
        reporter.warning(told, "It can be cancelled at any time; the same command goes on with it.")
        expression, more = _search(proxy, out, settings, log, reporter)
        compared = _compare(proxy, expression, settings, log, reporter)
        result = {
            "method": settings.method.value,
            "expression": expression,
            "start": settings.first,
            "file": str(out / LOSS_FILE) if (out / LOSS_FILE).exists() else None,
            "minutes": minutes,
            "comparison": compared + more,
            "sentence": _sentence(compared),
            "figure": _figure(expression, proxy, out, reporter),
        }
        write_json(out / RESULT_FILE, result)
    reporter.artifact("loss", out / RESULT_FILE)
    return result


def _expression(method: Method, out: Path) -> str:
    """How the file of a found loss is written in an expression; checked before the search, not after it."""
    if method not in (Method.GLO, Method.ML3):
        return ""
    name = "tree" if method is Method.GLO else "net"
    try:
        return normal_form(f"{method.value}({name}='{(out / LOSS_FILE).as_posix()}')")
    except InputError as error:
        raise InputError(
            f"The path {out} cannot stand in a loss expression.", "Choose one without quotes, # or double spaces."
        ) from error


def _minutes(proxy: Proxy, out: Path, settings: SearchSettings, reporter: Reporter) -> float:
    """Minutes that the whole search will take, from one partial training, or from some steps of ml3."""
    # The first steps of a process take far longer than all others.
    Learner(proxy, proxy.seed).train(build(settings.first, classes=proxy.classes), _STEPS_TO_TIME, reporter.check)
    started = time.monotonic()
    fitness(proxy, build(settings.first, classes=proxy.classes), reporter.check)
    each = time.monotonic() - started
    tests = each * settings.seeds * (2 + len(ALWAYS_COMPARED))
    if settings.method is Method.ADAPT:
        return (each * settings.trials / settings.rounds + tests) / 60
    if settings.method is not Method.ML3:
        return (each * settings.trials + tests) / 60
    meta = _meta_training(proxy, out, settings)
    if meta.iteration >= settings.iterations:
        return tests / 60
    started, before = time.monotonic(), meta.iteration
    while meta.iteration < min(before + _STEPS_TO_TIME, settings.iterations):
        reporter.check()
        meta.step()
    each = (time.monotonic() - started) / (meta.iteration - before)
    return (each * (settings.iterations - before) + tests) / 60


def _meta_training(proxy: Proxy, out: Path, settings: SearchSettings) -> MetaTraining:
    return MetaTraining(proxy, build(settings.first, classes=proxy.classes), out)


def _search(
    proxy: Proxy, out: Path, settings: SearchSettings, log: SearchLog, reporter: Reporter
) -> tuple[str, list[dict[str, Any]]]:
    """The expression of what was found, and further rows for the comparison."""
    judge = Judge(proxy, log, reporter, settings.trials)
    match settings.method:
        case Method.TAYLOR:
            return search_taylor(judge, settings.population, proxy.seed), []
        case Method.GLO:
            library = read_library(settings.library) if settings.library else []
            search = GloSearch(judge, settings.population, proxy.seed, library)
            best = search.run()
            facts = {"formula": best.formula, "fitness": search.fitness[best], "trials": len(log.trials)}
            facts["search"] = settings.told()
            write_library(out / LIBRARY_FILE, search.library())
            write_found(out / LOSS_FILE, "glo", LossTree(best.root, best.both, facts).to_json())
        case Method.ML3:
            meta = _meta_training(proxy, out, settings)
            network = meta.run(settings.iterations, reporter)
            write_network(out / LOSS_FILE, network, {"task": settings.first, "search": settings.told()})
        case Method.ADAPT:
            neighbours = max(settings.trials // settings.rounds - 1, 1)
            adapted = Adaptation(
                proxy, settings.first, log, reporter, rounds=settings.rounds, neighbours=neighbours
            ).run()
            write_json(out / "course.json", list(adapted.course))
            return adapted.expression, [_row("adapted in training", [adapted.learner.score(proxy.test)])]
    return _expression(settings.method, out), []


def _compare(
    proxy: Proxy, expression: str, settings: SearchSettings, log: SearchLog, reporter: Reporter
) -> list[dict[str, Any]]:
    """Held-out scores of the found loss (first), the start (second) and others, from seeds that no search used."""
    names = dict.fromkeys((expression, settings.first, *ALWAYS_COMPARED))
    total, done, rows = len(names) * settings.seeds, 0, []
    for name in names:
        scores = []
        for number in range(1, settings.seeds + 1):
            key = f"test {number}: {name}"
            if key not in log.trials:
                started = time.monotonic()
                score = _held_out(proxy, build(name, classes=proxy.classes), number, reporter)
                log.add(Trial(key, score, time.monotonic() - started))
            scores.append(log.trials[key].fitness)
            done += 1
            reporter.progress("test", done, total, None)
        rows.append(_row(name, scores))
    return rows


def _held_out(proxy: Proxy, loss: Loss, number: int, reporter: Reporter) -> float:
    learner = Learner(proxy, proxy.seed + number)
    return learner.score(proxy.test) if learner.train(loss, proxy.steps, reporter.check) else 0.0


def _row(name: str, scores: list[float]) -> dict[str, Any]:
    return {"expression": name, "mean": math.fsum(scores) / len(scores), "scores": scores}


def _sentence(compared: list[dict[str, Any]]) -> str:
    found, start = compared[0], compared[min(1, len(compared) - 1)]
    better = "better than" if found["mean"] > start["mean"] else "not better than"
    return (
        f"On held-out patches the found loss reaches {found['mean']:.3f}, which is {better} "
        f"{start['expression']} with {start['mean']:.3f}, after trainings of the same length."
    )


def _about(minutes: float) -> str:
    if minutes < 1:
        return f"{max(round(minutes * 60), 1)} seconds"
    return f"{round(minutes)} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def _figure(expression: str, proxy: Proxy, out: Path, reporter: Reporter) -> str | None:
    try:
        path = write_curves(out / f"{FIGURE}.png", {"found": expression, "BCE": "bce", "Dice": "dice"}, proxy.spacing)
    except MissingDependency as error:
        reporter.warning(error.message, error.hint)
        return None
    reporter.artifact("figure", path)
    return str(path)
