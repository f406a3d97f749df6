"""An ensemble of an experiment's models, on the screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib.ensemble_maker import Choice, EnsembleRequest, suggested_score
from SlicerLossSegLib.experiment import Experiment
from SlicerLossSegLib.experiment_tables import ratio
from SlicerLossSegLib.jobs import Job, State

_KEY_ROLE = qt.Qt.UserRole + 1


class EnsemblePanel:
    """The section Make ensemble of ComparePanel.ui.

    Args:
        on_models: called when the study has a new ensemble.
    """

    def __init__(self, ui: Any, logic: Any, on_models: Callable[[], None]) -> None:
        self.ui, self._logic, self._on_models = ui, logic, on_models
        self._experiment: Experiment | None = None
        self._job: Job | None = None
        self._switching = False
        for choice in Choice:
            ui.choiceCombo.addItem(_(choice.value), choice.name)
        ui.bestSpin.setRange(1, 99)
        ui.bestSpin.value = 2
        ui.ensembleButton.setMinimumWidth(1)
        ui.ensembleBar.setRange(0, 0)
        self._say("")
        ui.choiceCombo.connect("currentIndexChanged(int)", self._changed)
        ui.scoreCombo.connect("currentIndexChanged(int)", self._changed)
        ui.ensembleNameEdit.connect("textChanged(QString)", self._changed)
        ui.memberList.connect("itemChanged(QListWidgetItem*)", self._changed)
        ui.ensembleButton.connect("clicked()", self.make_or_cancel)
        self.refresh()

    def show(self, experiment: Experiment | None) -> None:
        """Offer the finished runs of an experiment."""
        another = experiment != self._experiment
        self._experiment = experiment
        candidates = self._request().candidates if experiment is not None else []
        ticked = set() if another else set(self._ticked())
        self._switching = True
        self.ui.memberList.clear()
        for run in candidates:
            item = qt.QListWidgetItem(f"{run.loss}  ·  {_('fold')} {run.fold}", self.ui.memberList)
            item.setData(_KEY_ROLE, run.key)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Checked if run.key in ticked else qt.Qt.Unchecked)
            scores = (f"{name}: {ratio(value)}" for name, value in run.scores.items())
            item.setToolTip("<br>".join(scores))
        before = self.ui.scoreCombo.currentText
        self.ui.scoreCombo.clear()
        self.ui.scoreCombo.addItems(suggested_score(candidates))
        if self.ui.scoreCombo.findText(before) >= 0:
            self.ui.scoreCombo.setCurrentIndex(self.ui.scoreCombo.findText(before))
        if another:
            self.ui.ensembleNameEdit.text = self._logic.ensembles.free_name("best_folds")
            self._say("")
        self._switching = False
        self.refresh()

    def make_or_cancel(self) -> None:
        if self._job is not None:
            self._logic.jobs.cancel(self._job)
            return
        self._say("")
        try:
            self._job = self._logic.ensembles.start(self._request(), on_end=self._ended)
        except InputError as error:
            self._say(f"{error.message} {error.hint}")
        else:
            if self._job.state.is_over:
                self._job = None
        self.refresh()

    def refresh(self) -> None:
        """Whether the buttons can be pressed, and if not, why."""
        ui, choice = self.ui, self._choice
        running = self._job is not None
        reason = "" if running else self._reason()
        ui.ensembleButton.text = _("Cancel") if running else _("Make ensemble")
        ui.ensembleButton.enabled = not reason
        ui.ensembleButton.toolTip = reason or _("Copy the models into the study; the ensemble is listed in Segment.")
        ui.ensembleBar.visible = running
        ui.bestSpin.visible = choice is Choice.BEST
        count = self.ui.memberList.count
        ui.scoreLabel.visible = ui.scoreCombo.visible = count > 0 and choice in (Choice.WINNERS, Choice.BEST)
        ui.memberList.visible = count > 0 and choice is Choice.TICKED
        ui.ensembleFromLabel.text = (
            _("{n} models of the experiment above.").format(n=count)
            if count
            else _("Choose an experiment above; its finished runs are what can be chosen from.")
        )
        tips = {
            Choice.WINNERS: _("For each fold the loss that scored best on its held-out cases, as the ADAM winner did."),
            Choice.BEST: _("All folds of the losses with the highest mean validation scores."),
            Choice.GREEDY: _(
                "Loss after loss what helps the mean of the held-out cases most; often taken weighs more."
            ),
            Choice.TICKED: _("The models that you tick."),
        }
        ui.choiceCombo.toolTip = tips[choice]

    def release(self) -> None:
        self._experiment = None

    @property
    def _choice(self) -> Choice:
        return list(Choice)[max(0, self.ui.choiceCombo.currentIndex)]

    def _ticked(self) -> tuple[str, ...]:
        items = (self.ui.memberList.item(place) for place in range(self.ui.memberList.count))
        return tuple(str(item.data(_KEY_ROLE)) for item in items if item.checkState() == qt.Qt.Checked)

    def _request(self) -> EnsembleRequest:
        assert self._experiment is not None
        return EnsembleRequest(
            self._experiment,
            str(self.ui.ensembleNameEdit.text).strip(),
            self._choice,
            int(self.ui.bestSpin.value),
            str(self.ui.scoreCombo.currentText) or "dice",
            self._ticked(),
        )

    def _reason(self) -> str:
        """Why nothing can be made now; empty when it can."""
        if not self._logic.set_up.is_ready:
            return _("Press Set up first: packages that the engine needs are missing.")
        if self._experiment is None:
            return _("Choose an experiment above.")
        if self.ui.memberList.count == 0:
            return _("No run of the experiment is finished yet.")
        if self._choice is Choice.TICKED and not self._ticked():
            return _("Tick a model.")
        try:
            self._logic.ensembles.check_name(self._request().name)
        except InputError as error:
            return f"{error.message} {error.hint}"
        return ""

    def _ended(self, job: Job) -> None:
        self._job = None
        if job.state is State.FINISHED:
            entry = job.collected
            counted = _("{name}: {n} models, listed in Segment.").format(name=entry.name, n=len(entry.members))
            honest = (job.summary.get("held_out") or {}).get("sentence", "")
            self._say("<br>".join(filter(None, (counted, entry.chosen, honest))))
            self._switching = True
            self.ui.ensembleNameEdit.text = self._logic.ensembles.free_name(entry.name)
            self._switching = False
            self._on_models()
        elif job.failure is not None:
            self._say(f"{job.failure.message} {job.failure.hint}")
        self.refresh()

    def _changed(self, value: Any) -> None:
        if not self._switching:
            self.refresh()

    def _say(self, text: str) -> None:
        self.ui.ensembleNoteLabel.text = text.strip()
        self.ui.ensembleNoteLabel.visible = bool(text)
