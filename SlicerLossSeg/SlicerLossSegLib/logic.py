"""Everything that the module does, without its panel: for scripts, for other modules, and for the panel itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from lossseg.errors import Cancelled, InputError
from SlicerLossSegLib import failures, review, study, training_set
from SlicerLossSegLib.dependencies import SetUp
from SlicerLossSegLib.ensemble_maker import EnsembleMaker
from SlicerLossSegLib.experiment_logic import ExperimentLogic
from SlicerLossSegLib.inspector import Inspector
from SlicerLossSegLib.jobs import Job, JobQueue, State
from SlicerLossSegLib.lesion_table import LesionTable, open_table, table_of
from SlicerLossSegLib.model_import import Imported, start_import
from SlicerLossSegLib.parameters import Parameters
from SlicerLossSegLib.segment_case import CaseInput, Options
from SlicerLossSegLib.segment_result import Result
from SlicerLossSegLib.segment_task import SegmentTask
from SlicerLossSegLib.study import ModelCard, Study
from SlicerLossSegLib.training_logic import TrainingLogic
from SlicerLossSegLib.volumes import short_folder
from SlicerLossSegLib.warm_engine import WarmEngine
from SlicerLossSegLib.worker import Worker

STUDY_SETTING = "LossSeg/StudyFolder"

Listener = Callable[[Any], None]


class SlicerLossSegLogic(ScriptedLoadableModuleLogic):
    """Segments volumes, and keeps the lesion tables of the results.

    Each step exists twice: with a callback, while Slicer stays alive, and blocking, for scripts.

    Args:
        set_up: how the engine's packages are looked for; tests give their own.
    """

    def __init__(self, parent: Any = None, *, set_up: SetUp | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self, parent)
        self.jobs = JobQueue()
        # A question about the machine must not keep a segmentation waiting.
        self._questions = JobQueue()
        self.set_up = set_up or SetUp()
        self.warm_engine = WarmEngine()
        self.inspector = Inspector(self.warm_engine)
        self.ensembles = EnsembleMaker(lambda: self.study, self.jobs)
        self._tasks: list[SegmentTask] = []
        self._workers: list[Worker] = []
        self._latest_question: review.Question | None = None
        self.training = TrainingLogic(lambda: self.study)
        self.experiments = ExperimentLogic(lambda: self.study, self.training.jobs)

    def getParameterNode(self) -> Parameters:
        return Parameters(super().getParameterNode())

    # --- study -------------------------------------------------------------------------------------------------

    @property
    def study(self) -> Study:
        """The study folder that the person chose, or the one below the documents."""
        chosen = qt.QSettings().value(STUDY_SETTING)
        return Study(Path(chosen) if chosen else study.default_folder(_documents()))

    def choose_study(self, folder: Path) -> None:
        qt.QSettings().setValue(STUDY_SETTING, str(folder))

    def add_demo_ensemble(self) -> list[ModelCard]:
        """Put the small ensemble that comes with the extension into the study. It is not for patients.

        Raises:
            InputError: this installation has none.
        """
        files = sorted((study.demo_study() / "ensembles").glob("*.json"))
        if not files:
            raise InputError(
                _("The demo ensemble is not part of this installation."), _("Train one: Testing/demo_ensemble.sh.")
            )
        return [card for file in files for card in self.study.add_ensemble(file)]

    def import_model(self, source: Path | str) -> Imported:
        """Translate the result of an nnU-Net v2 training into models of the study. Waits.

        Args:
            source: the folder with dataset.json, plans.json and fold_0, fold_1, ...

        Raises:
            LossSegError: it is no such folder, or a network that cannot be translated.
        """
        loop = qt.QEventLoop()
        job = self.start_importing(Path(source), on_end=lambda ended: loop.quit())
        if not job.state.is_over:
            loop.exec_()
        _raise_unless_finished(job)
        return job.collected

    def start_importing(
        self,
        source: Path,
        *,
        on_change: Listener = lambda job: None,
        on_log: Listener = lambda line: None,
        on_end: Listener = lambda job: None,
    ) -> Job:
        """As `import_model`, and come back at once; after success `job.collected` is an `Imported`."""
        return start_import(self.jobs, self.study, source, on_change, on_log, on_end)

    # --- segmenting --------------------------------------------------------------------------------------------

    def segment(
        self,
        volumes: Any,
        model: Path | str | Sequence[ModelCard],
        options: Options | None = None,
    ) -> Result:
        """Segment one volume and wait for the result; Slicer's window stays alive meanwhile.

        Args:
            volumes: a scalar volume node, or a list of them, one per channel of the model.
            model: a model folder, an ensemble file, or the cards of models whose probabilities are averaged.

        Raises:
            LossSegError: of the kind that the engine reported, with a sentence and a hint.
        """
        channels = tuple(volumes) if isinstance(volumes, list | tuple) else (volumes,)
        loop = qt.QEventLoop()
        task = self.start_segmenting(
            [CaseInput(channels[0].GetName(), channels)], model, options, on_end=lambda ended: loop.quit()
        )
        if not task.job.state.is_over:
            loop.exec_()
        _raise_unless_finished(task.job)
        return task.results[0]

    def start_segmenting(
        self,
        cases: Sequence[CaseInput],
        model: Path | str | Sequence[ModelCard],
        options: Options | None = None,
        *,
        save_to: Path | None = None,
        on_case: Listener = lambda case: None,
        on_result: Listener = lambda result: None,
        on_change: Listener = lambda job: None,
        on_log: Listener = lambda line: None,
        on_end: Listener = lambda task: None,
    ) -> SegmentTask:
        """Segment cases one after the other in one engine process, and come back at once.

        Args:
            save_to: folder for the results of cases that are files.
            on_case, on_result, on_change, on_log, on_end: see `SegmentTask`.

        Raises:
            InputError: nothing to segment, a volume that cannot be used, models that do not fit together.
        """
        path, ensemble, channels = _model(model)

        def ended(task: SegmentTask) -> None:
            if task in self._tasks:
                self._tasks.remove(task)
            on_end(task)

        task = SegmentTask(
            cases,
            path,
            options or Options(),
            channels,
            ensemble,
            save_to,
            on_case,
            on_result,
            on_change,
            on_log,
            ended,
        )
        self._tasks.append(task)
        try:
            return task.start(self.jobs)
        except InputError:
            self._tasks.remove(task)
            raise

    def start_doctor(self, on_end: Callable[[dict[str, Any]], None]) -> Job:
        """Ask the engine what the machine has; `on_end` gets the summary, empty when it could not answer."""
        folder = short_folder("doctor")

        def ended(job: Job) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            on_end(job.summary if job.state is State.FINISHED else {})

        return self._questions.add(Job("doctor", {"measure": False}, folder, on_end=ended))

    # --- reviewing ---------------------------------------------------------------------------------------------

    def table_of(self, segmentation: Any) -> LesionTable | None:
        """The lesion table of a result; of a sequence, that of the frame that its browser shows."""
        node = table_of(segmentation)
        return None if node is None else open_table(node)

    def recompute(self, table: LesionTable) -> None:
        """Find and measure the lesions anew after the segmentation was changed by hand. Waits.

        Raises:
            InputError: the segmentation is gone.
        """
        question = review.ask(table)
        review.apply(table, question, question.answer())

    def start_recomputing(
        self, table: LesionTable, done: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        """As `recompute`, beside the GUI thread.

        Raises:
            InputError: the segmentation is gone.
        """
        question = review.ask(table)

        def answered(answer: review.Answer) -> None:
            if table.node.GetScene() is not None:
                review.apply(table, question, answer)
                done()

        self._work(question.answer, answered, failed)

    def start_measuring(
        self, table: LesionTable, done: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        """Bring the measures of the case up to date after a verdict, beside the GUI thread; the rows stay.

        Raises:
            InputError: the segmentation is gone.
        """
        question = review.ask(table)

        self._latest_question = question

        def answered(answer: review.Answer) -> None:
            # Verdicts come faster than answers: an answer to an earlier question is out of date.
            if question is self._latest_question and table.node.GetScene() is not None:
                table.set_measures(answer.seen.measures)
                done()

        self._work(question.answer, answered, failed)

    def compare(self, table: LesionTable, reference: Any | None) -> dict[str, float]:
        """Compare a result with a reference segmentation; None takes the reference away. Waits.

        Returns:
            The case's measures, NaN where undefined, see `lossseg.evaluation.MEASURES`.
        """
        review.compare_with(table, reference)
        self.recompute(table)
        return table.measures

    def add_to_training_set(self, table: LesionTable) -> str:
        """Write volumes and corrected segmentation as a case of the study's dataset; starts no training. Waits.

        Returns:
            The name of the case.

        Raises:
            InputError: a volume or the segmentation is gone, or the dataset has other channels or labels.
        """
        return training_set.gather(table).add_to(self.study.folder)

    def start_adding(
        self, table: LesionTable, done: Callable[[str], None], failed: Callable[[Exception], None]
    ) -> None:
        """As `add_to_training_set`, beside the GUI thread.

        Raises:
            InputError: a volume or the segmentation is gone.
        """
        case, folder = training_set.gather(table), self.study.folder
        self._work(lambda: case.add_to(folder), done, failed)

    def export(self, table: LesionTable, path: Path | str) -> None:
        """Write the table as CSV, or as JSON when the path ends in .json."""
        path = Path(path)
        (review.write_json_file if path.suffix.lower() == ".json" else review.write_csv)(table, path)

    def _work(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        def over(tell: Callable[[Any], None], value: Any) -> None:
            self._workers.remove(worker)
            tell(value)

        worker = Worker(work, lambda value: over(done, value), lambda error: over(failed, error))
        self._workers.append(worker)
        worker.start()

    # --- life cycle --------------------------------------------------------------------------------------------

    def scene_closes(self) -> None:
        """Stop what works for a scene that goes away; nothing of it may come into the next one."""
        self.training.scene_closes()
        for task in list(self._tasks):
            task.forget_scene()
            self.jobs.cancel(task.job)
        for worker in self._workers:
            worker.drop()
        self._workers.clear()
        self.inspector.close()

    def close(self) -> None:
        """The module or the application goes away: everything ends at once."""
        self.training.close()
        self.jobs.close()
        self._questions.close()
        self.inspector.close()
        self.warm_engine.end()
        for worker in self._workers:
            worker.drop()
        self._workers.clear()
        for task in self._tasks:
            task.abandon()
        self._tasks.clear()


def _model(
    model: Path | str | Sequence[ModelCard],
) -> tuple[Path | None, Callable[[Path], Path] | None, tuple[str, ...]]:
    """Path of a model or ensemble, or what writes an ensemble file; and the names of the channels."""
    if isinstance(model, Path | str):
        path = Path(model)
        if not path.exists():
            raise InputError(_("{path} does not exist.").format(path=path), _("Choose a model folder or an ensemble."))
        first = path if path.is_dir() else study.first_member(path)
        return path.resolve(), None, ModelCard.read(first, first.name).channels
    cards = list(model)
    if not cards:
        raise InputError(_("No model is ticked."), _("Tick one or more models."))
    if len(cards) == 1:
        return cards[0].folder.resolve(), None, cards[0].channels
    study.require_one_task(cards)
    return None, lambda path: study.ensemble_file(cards, path), cards[0].channels


def _raise_unless_finished(job: Job) -> None:
    if job.state is State.FINISHED:
        return
    if job.state is State.CANCELLED:
        raise Cancelled()
    failure = job.failure
    assert failure is not None
    raise failures.as_error(failure)


def _documents() -> Path:
    documents = Path.home() / "Documents"
    return documents if documents.is_dir() else Path.home()
