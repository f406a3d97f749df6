"""One run of a study, wherever it is done: training, then the prediction of the cases that it was validated on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

from lossseg.dataset import open_dataset
from lossseg.errors import Cancelled, DiskFull, LossSegError
from lossseg.inference import PredictSettings, predict_cases
from lossseg.inference.ladder import is_out_of_memory, release_memory
from lossseg.locking import wait_until_free
from lossseg.model import Ensemble, Member, load
from lossseg.reporting import Reporter
from lossseg.training import TrainingSettings, train


@dataclass(frozen=True)
class RunOrder:
    """A run to be done.

    Attributes:
        key: of the run in its study.
        dataset: folder of the dataset.
        folder: the model folder to write.
        predictions: folder for CASE and CASE_probability of its validation cases.
        settings: of the training.
    """

    key: str
    dataset: Path
    folder: Path
    predictions: Path
    settings: TrainingSettings


@dataclass(frozen=True)
class RunOutcome:
    """What came of a run: scores and steps, or in `sentence` why it failed."""

    key: str
    seconds: float | None = None
    steps: int | None = None
    scores: dict[str, float | None] = field(default_factory=dict)
    sentence: str = ""


def attempt(order: RunOrder, reporter: Reporter) -> RunOutcome:
    """Do the run; an error of its own becomes an outcome, so that the other runs go on.

    Raises:
        Cancelled: the person asked to stop; a checkpoint was saved.
        DiskFull: the other runs would have no room either.
    """
    try:
        return do_run(order, reporter)
    except (Cancelled, DiskFull, BrokenPipeError):
        raise
    except Exception as error:
        return RunOutcome(order.key, sentence=_sentence(error))
    finally:
        release_memory()


def do_run(order: RunOrder, reporter: Reporter) -> RunOutcome:
    """Train, from the last checkpoint where there is one, and segment the validation cases with the model.

    What is there already is not made again. Threshold and lowest confidence are those that the validation chose.

    Raises:
        Cancelled, InputError, OutOfMemory, DiskFull: as `train` and `predict_cases`.
    """
    # The process that had the run before may be ending only now, or its machine may be lost without a word.
    wait_until_free(order.folder, reporter.check)
    trained = (order.folder / "model.json").exists()
    if not trained:
        train(order.dataset, order.folder, replace(order.settings, resume=_can_go_on(order.folder)), reporter)
    model = load(order.folder)
    held_out = set(model.training["validation"])
    cases = [case for case in open_dataset(order.dataset).cases if case.name in held_out]
    # Predictions of another model, which was removed, must not pass for this one's.
    settings = PredictSettings(
        device=order.settings.device, keep_probability=True, resume=trained, overwrite=not trained
    )
    written = predict_cases(Ensemble(model.name, (Member(model),)), cases, order.predictions, settings, reporter)
    for failure in written.failures.values():
        raise failure
    return RunOutcome(order.key, model.training.get("seconds"), model.training.get("steps"), dict(model.scores))


def _can_go_on(folder: Path) -> bool:
    """Whether there is a checkpoint; what a training left that was killed before its first one is removed."""
    checkpoints = folder / "checkpoints"
    if (checkpoints / "last.safetensors").exists():
        return True
    if checkpoints.exists():
        shutil.rmtree(checkpoints)
    return False


def _sentence(error: Exception) -> str:
    if isinstance(error, LossSegError):
        return str(error)
    if isinstance(error, MemoryError) or is_out_of_memory(error):
        return "Out of memory. Use a smaller batch or patch, or a machine with more memory."
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"Something unexpected happened ({type(error).__name__}): {lines[0] if lines else 'no reason was given'}"
