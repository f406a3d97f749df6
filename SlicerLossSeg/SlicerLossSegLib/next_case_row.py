"""The row that proposes which volume of a folder to correct next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import LossSegError
from SlicerLossSegLib import views
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.jobs import Job, State
from SlicerLossSegLib.next_case import ORDER_TITLES, NextCase, Order
from SlicerLossSegLib.segment_task import remaining_text
from SlicerLossSegLib.study import ModelCard


class NextCaseRow:
    """The widgets of `nextRow` in TrainPanel.ui.

    Args:
        models: returns the models that are ticked in the tab Segment.
        is_ready: returns why nothing can be computed; empty when it can.
        on_loaded: called with a volume that was loaded to be segmented and corrected.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        interaction: Interaction,
        models: Callable[[], Sequence[ModelCard]],
        is_ready: Callable[[], str],
        on_loaded: Callable[[Any], None],
    ) -> None:
        self._ui, self._logic, self._interaction = ui, logic, interaction
        self._models, self._is_ready, self._on_loaded = models, is_ready, on_loaded
        self._job: Job | None = None
        self._folder: Path | None = None
        for order in Order:
            ui.nextOrderCombo.addItem(_(ORDER_TITLES[order]), order.name)
        ui.nextOrderCombo.connect("currentIndexChanged(int)", lambda index: self.refresh())
        ui.nextCaseButton.connect("clicked()", self.propose_or_cancel)
        self.say("")
        self.refresh()

    def propose_or_cancel(self) -> None:
        if self._job is not None:
            self._logic.jobs.cancel(self._job)
            return
        start = self._folder or Path.home()
        folder = self._interaction.choose_folder(_("Folder with volumes to choose from"), start)
        if folder is not None:
            self.propose(folder)

    def propose(self, folder: Path) -> None:
        """Ask for the next volume of a folder."""
        self._folder = folder
        self.say(_("Looking through the folder…"))
        try:
            job = self._logic.start_next_case(
                folder, self._models(), self._chosen, self._failed, by=self._order(), on_change=self._progress
            )
        except (LossSegError, OSError) as error:
            self._failed(error)
            return
        self._job = None if job.state.is_over else job
        self.refresh()

    def refresh(self) -> None:
        button, running = self._ui.nextCaseButton, self._job is not None
        button.text = _("Cancel") if running else _("Next case…")
        reason = "" if running else self._is_ready()
        if not reason and not running and not self._models():
            reason = _("Tick a model in the tab Segment; it tells which volume is worth correcting.")
        if not reason and not running and self._order() is Order.DISAGREEMENT and len(self._models()) == 1:
            reason = _("One model has no other to disagree with. Tick a second one in the tab Segment.")
        button.enabled = not reason
        ready = _("Choose a folder; the volume that is worth correcting next is loaded. Nothing is trained.")
        button.toolTip = _("Stop looking.") if running else reason or ready
        self._ui.nextOrderCombo.enabled = not running

    def forget_scene(self) -> None:
        self._job = None
        self.say("")
        self.refresh()

    def say(self, text: str) -> None:
        self._ui.nextLabel.text = text
        self._ui.nextLabel.visible = bool(text)

    def _order(self) -> Order:
        return list(Order)[max(0, self._ui.nextOrderCombo.currentIndex)]

    def _progress(self, job: Job) -> None:
        progress = job.progress
        if job.state is State.RUNNING and progress is not None and progress.total:
            left = remaining_text(progress.eta_s)
            count = _("{stage}, {done} of {total}").format(
                stage=progress.stage, done=progress.done, total=progress.total
            )
            self.say(", ".join(filter(None, (count, left))))

    def _chosen(self, chosen: NextCase) -> None:
        self._job = None
        self.say(chosen.sentence)
        self.refresh()
        if chosen.volumes:
            views.show_volume(chosen.volumes[0])
            self._on_loaded(chosen.volumes)

    def _failed(self, error: Exception) -> None:
        self._job = None
        self.say(str(error))
        self.refresh()
