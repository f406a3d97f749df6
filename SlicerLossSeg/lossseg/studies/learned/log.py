"""What a search has tried so far, kept in a file after each trial: a search that goes on trains nothing twice.

A search follows from its seed and from the fitness of what it tried. Going on means to begin anew and to take the
fitness of what was tried before from here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossseg.errors import InputError
from lossseg.files import read_json, write_json
from lossseg.losses import Loss
from lossseg.reporting import Reporter
from lossseg.studies.learned.proxy import Proxy, fitness

STATE_FILE = "search.json"
_FORMAT, _VERSION = "lossseg-learn-loss", 1


@dataclass(frozen=True)
class Trial:
    """A candidate, its fitness after a partial training (see `Learner.fitness`), and how long that took."""

    candidate: str
    fitness: float
    seconds: float


class SearchLog:
    """The trials of a search, in OUT/search.json.

    Args:
        folder: of the search.
        settings: what must be the same for a search to go on, as JSON data.

    Raises:
        InputError: the file is damaged, or the search in the folder had other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.path = Path(folder) / STATE_FILE
        self.settings = dict(settings)
        self.trials: dict[str, Trial] = {}
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        value = read_json(self.path)
        if not isinstance(value, dict) or value.get("format") != _FORMAT or value.get("version") != _VERSION:
            raise InputError(f"{self.path} is not the file of a search.", "Choose another folder.")
        try:
            before, trials = dict(value["settings"]), [Trial(**trial) for trial in value["trials"]]
            self.trials = {trial.candidate: trial for trial in trials}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path} is damaged ({error!r}).", "Restore it from a copy.") from error
        for name, now in self.settings.items():
            if before.get(name) != now:
                raise InputError(
                    f"The search in {self.path.parent} had {name} = {before.get(name)}, now it is {now}.",
                    "Go on with the same settings, or choose another folder.",
                )

    def add(self, trial: Trial) -> None:
        """Take in a trial and write the file, complete or not at all."""
        self.trials[trial.candidate] = trial
        write_json(
            self.path,
            {
                "format": _FORMAT,
                "version": _VERSION,
                "settings": self.settings,
                "trials": [trial.__dict__ for trial in self.trials.values()],
            },
        )


class Judge:
    """Gives candidates their fitness, by a partial training or from the log, and tells how far the search is.

    Args:
        total: how many trials the search may make.
    """

    def __init__(self, proxy: Proxy, log: SearchLog, reporter: Reporter, total: int) -> None:
        self.proxy, self.log, self.reporter, self.total = proxy, log, reporter, total
        self._asked: dict[str, float] = {}
        self._spent, self._trained = 0.0, 0

    @property
    def left(self) -> int:
        """Number of trials that may still be made."""
        return self.total - len(self._asked)

    @property
    def best(self) -> float:
        return max(self._asked.values(), default=0.0)

    def __call__(self, candidate: str, build: Callable[[], Loss]) -> float:
        """The fitness of a candidate, at least 0."""
        if candidate in self._asked:
            return self._asked[candidate]
        trial = self.log.trials.get(candidate)
        if trial is None:
            started = time.monotonic()
            value = fitness(self.proxy, build(), self.reporter.check)
            trial = Trial(candidate, value, time.monotonic() - started)
            self.log.add(trial)
            self._spent, self._trained = self._spent + trial.seconds, self._trained + 1
        self._asked[candidate] = trial.fitness
        self.reporter.check()
        number = len(self._asked)
        eta = self._spent / self._trained * self.left if self._trained else None
        self.reporter.progress("search", min(number, self.total), self.total, eta)
        self.reporter.metric("best fitness", number, self.best, "search")
        return trial.fitness
