"""The loss inspector without its widgets: which lesion is heard by a loss, and which one is drowned."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.jobs.events import Failed, Progress
from SlicerLossSegLib import failures
from SlicerLossSegLib.inspected_files import InspectedFiles, state_of
from SlicerLossSegLib.parameters import Scale
from SlicerLossSegLib.volumes import Grid
from SlicerLossSegLib.warm_engine import Question, WarmEngine
from SlicerLossSegLib.worker import Worker


class Kind(Enum):
    """What a part of the gradient belongs to."""

    LESION = "lesion"
    BACKGROUND = "background"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, eq=False)
class LossQuestion:
    """What is asked.

    Attributes:
        prediction: node of a scalar volume, or of a segmentation, whose segments together are the foreground.
        reference: segmentation node.
        losses: expressions.
        scale: of a predicted volume; a segmentation is taken as labels.
        shift: added to every logit.
        gradient_of: the expression whose gradient map is wanted.
    """

    prediction: Any
    reference: Any
    losses: tuple[str, ...]
    scale: Scale = Scale.AUTO
    shift: float = 0.0
    gradient_of: str | None = None


@dataclass(frozen=True)
class LossFigures:
    """One loss: NaN and a sentence in `error` where it could not be computed.

    Attributes:
        gradient: sum of the magnitudes of its derivatives by the logits.
    """

    expression: str
    value: float
    gradient: float
    error: str
    seconds: float


@dataclass(frozen=True)
class Component:
    """A lesion of the reference, a false positive of the prediction, or all the rest.

    Attributes:
        shares: of each loss's gradient, 0 to 1, by expression; a loss that could not be computed is missing.
    """

    kind: Kind
    number: int
    voxels: int
    volume_mm3: float
    centroid_ras: tuple[float, float, float] | None
    shares: Mapping[str, float]

    @property
    def title(self) -> str:
        if self.kind is Kind.BACKGROUND:
            return _("Background")
        words = _("Lesion {n}") if self.kind is Kind.LESION else _("False {n}")
        return words.format(n=self.number)


@dataclass(frozen=True, eq=False)
class GradientMap:
    """Derivative of one loss by the logits.

    Attributes:
        array: (z, y, x) float32; training lowers the logit where it is above 0.
    """

    expression: str
    array: np.ndarray
    grid: Grid


@dataclass(frozen=True, eq=False)
class LossAnswer:
    """What the engine said."""

    losses: tuple[LossFigures, ...]
    components: tuple[Component, ...]
    shift: float
    seconds: float
    gradient: GradientMap | None = None

    @property
    def usable(self) -> tuple[str, ...]:
        """The expressions of the losses that could be computed."""
        return tuple(loss.expression for loss in self.losses if not loss.error)

    @classmethod
    def read(cls, summary: Mapping[str, Any], gradient: GradientMap | None = None) -> LossAnswer:
        """From the summary of the job `inspect`."""
        return cls(
            losses=tuple(
                LossFigures(
                    str(one["expression"]),
                    _number(one["value"]),
                    _number(one["gradient"]),
                    str(one["error"] or ""),
                    _number(one["seconds"]),
                )
                for one in summary["losses"]
            ),
            components=tuple(
                Component(
                    Kind(one["kind"]),
                    int(one["number"]),
                    int(one["voxels"]),
                    float(one["volume_mm3"]),
                    _position(one["centroid_ras"]),
                    {name: float(share) for name, share in one["shares"].items() if share is not None},
                )
                for one in summary["components"]
            ),
            shift=float(summary["shift"]),
            seconds=float(summary["seconds"]),
            gradient=gradient,
        )


class Inspector:
    """Asks the engine about losses; the newest question wins.

    Args:
        engine: that stays warm between questions.
    """

    def __init__(self, engine: WarmEngine) -> None:
        self._engine = engine
        self._files = InspectedFiles()
        self._worker: Worker | None = None
        self._answers = 0

    def ask(
        self,
        question: LossQuestion,
        answered: Callable[[LossAnswer], None],
        failed: Callable[[Failed], None],
        progressed: Callable[[Progress | None], None] = lambda progress: None,
    ) -> None:
        """Ask, and forget what was asked before. The callbacks are called in the GUI thread.

        Raises:
            InputError: no loss, or nodes that cannot be used.
        """
        if not question.losses:
            raise InputError(_("No loss is ticked."), _("Tick one or more."))
        self.forget()
        files = self._files.of(question.prediction, question.reference)
        self._answers += 1
        out = self._files.folder / f"answer{self._answers}" if question.gradient_of else None
        parameters = {
            "prediction": files.prediction,
            "reference": files.reference,
            "losses": question.losses,
            "scale": "label" if files.is_label else question.scale.name.lower(),
            "shift": question.shift,
            "gradient_of": question.gradient_of,
            "out": out,
            "figure": False,
        }

        def written(nothing: None) -> None:
            self._worker = None
            self._engine.ask(Question("inspect", parameters, take, failed, progressed))

        def take(summary: dict[str, Any]) -> None:
            if out is None or not summary.get("gradient"):
                answered(LossAnswer.read(summary))
                return
            expression = str(question.gradient_of)
            self._work(lambda: _read_gradient(summary, expression, out, files.grid), answered, failed)

        self._work(files.write, written, failed)

    def answer(self, question: LossQuestion) -> LossAnswer:
        """As `ask`, and wait; Slicer's window stays alive meanwhile.

        Raises:
            LossSegError: of the kind that the engine reported, with a sentence and a hint.
        """
        loop = qt.QEventLoop()
        answers: list[LossAnswer] = []
        problems: list[Failed] = []

        def over(found: list[Any], value: Any) -> None:
            found.append(value)
            loop.quit()

        self.ask(question, lambda answer: over(answers, answer), lambda failure: over(problems, failure))
        while not answers and not problems:
            loop.exec_()
        if problems:
            raise failures.as_error(problems[0])
        return answers[0]

    def state(self, prediction: Any, reference: Any) -> tuple[Any, ...]:
        """Equal as long as the nodes are the same and no voxel of theirs was changed."""
        return tuple((node.GetID(), state_of(node)) for node in (prediction, reference) if node is not None)

    @property
    def is_busy(self) -> bool:
        return self._worker is not None or self._engine.is_busy

    def forget(self) -> None:
        """Nobody wants the answer any more."""
        if self._worker is not None:
            self._worker.drop()
            self._worker = None
        self._engine.forget()

    def close(self) -> None:
        """Forget everything, and remove the files that were written for the engine."""
        self.forget()
        self._files.remove()

    def _work(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Failed], None]) -> None:
        def over(value: Any) -> None:
            self._worker = None
            done(value)

        def broke(error: Exception) -> None:
            self._worker = None
            failed(failures.from_exception(error))

        self._worker = Worker(work, over, broke)
        self._worker.start()


def _read_gradient(summary: Mapping[str, Any], expression: str, out: Path, grid: Grid) -> LossAnswer:
    from lossseg.images import read_volume

    array = read_volume(Path(summary["gradient"])).array.astype(np.float32)
    shutil.rmtree(out, ignore_errors=True)
    return LossAnswer.read(summary, GradientMap(expression, array, grid))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _position(value: Any) -> tuple[float, float, float] | None:
    if value is None:
        return None
    right, anterior, superior = (float(one) for one in value)
    return right, anterior, superior
