"""The loss inspector on the screen: what each loss says to a prediction, lesion by lesion."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.jobs.events import Failed, Progress
from SlicerLossSegLib import views
from SlicerLossSegLib.gradient_panel import GradientPanel
from SlicerLossSegLib.inspector import Component, Kind, LossAnswer, LossQuestion
from SlicerLossSegLib.lesion_table import Role, open_table, tables
from SlicerLossSegLib.loss_ticks import LossTicks
from SlicerLossSegLib.parameters import Parameters, Scale
from SlicerLossSegLib.share_chart import ShareChart, note
from SlicerLossSegLib.share_table import ShareTable

PATIENCE_MS = 1000
"""An answer that takes longer shows its progress and can be cancelled."""


class InspectorPanel:
    """The section Loss inspector of ComparePanel.ui.

    The first question is asked by the button; from then on the table follows every change.
    """

    def __init__(self, ui: Any, logic: Any) -> None:
        self.ui, self._logic = ui, logic
        self._parameters: Parameters | None = None
        self._follows = self._slow = self._switching = False
        self._asked: tuple[Any, ...] = ()
        self.shares = ShareTable(ui.shareView, self._chosen)
        self.chart = ShareChart(ui.shareChartLayout)
        self.gradient = GradientPanel(ui, self.ask)
        self.losses = LossTicks(
            ui.inspectLossList, ui.inspectOwnEdit, ui.inspectAddButton, ui.inspectOwnLabel, self._losses_changed
        )
        for scale in Scale:
            ui.scaleCombo.addItem(_(scale.value), scale.name)
        self._slow_timer = qt.QTimer()
        self._slow_timer.setSingleShot(True)
        self._slow_timer.setInterval(PATIENCE_MS)
        self._slow_timer.connect("timeout()", self._grows_slow)
        ui.inspectButton.setMinimumWidth(1)
        ui.inspectBar.setRange(0, 1000)
        self._connect()
        self._show_error("")
        self._show_answer(None)

    # --- from outside ------------------------------------------------------------------------------------------

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Follow other parameters, whose own widgets are connected already; None while there is no scene."""
        self._parameters = None
        if parameters is None:
            self.forget()
            return
        self.losses.tick(parameters.inspect_losses.splitlines())
        self._switching = True
        self.ui.predictionSelector.setCurrentNode(parameters.inspected_volume or parameters.inspected_segmentation)
        self.ui.scaleCombo.setCurrentIndex(list(Scale).index(parameters.inspect_scale))
        self._switching = False
        self._parameters = parameters
        self.prefill()
        self.refresh()

    def prefill(self) -> None:
        """Choose the probability of the newest result and its reference, where nothing is chosen."""
        if self._parameters is None:
            return
        prediction, reference = self.ui.predictionSelector, self.ui.inspectReferenceSelector
        for node in reversed(tables()):
            table = open_table(node)
            own = table.linked(Role.PROBABILITY) or table.linked(Role.SEGMENTATION)
            if prediction.currentNode() is None and own is not None:
                prediction.setCurrentNode(own)
            known = table.linked(Role.REFERENCE) or self._parameters.reference
            if own is prediction.currentNode() and reference.currentNode() is None and known is not None:
                reference.setCurrentNode(known)

    def catch_up(self) -> None:
        """The tab is shown: fill in what is missing, and ask anew if a voxel was changed meanwhile."""
        self.prefill()
        if self._follows and self._asked and self._state() != self._asked:
            self.ask()
        self.refresh()

    def forget(self) -> None:
        """The scene goes away, and the answer with it."""
        self._logic.inspector.close()
        self._follows = False
        self._asked = ()
        self._stop_waiting()
        self._show_error("")
        self._show_answer(None)
        self.chart.clear()

    def release(self) -> None:
        self.set_parameters(None)
        self.chart.release()

    # --- asking ------------------------------------------------------------------------------------------------

    def ask_or_cancel(self) -> None:
        if self._slow:
            self._logic.inspector.forget()
            self._stop_waiting()
            self.refresh()
            return
        self.ask()

    def ask(self) -> None:
        """Ask what the widgets say."""
        if self._reason():
            self.refresh()
            return
        self._show_error("")
        self._asked = self._state()
        try:
            self._logic.inspector.ask(self._question(), self._answered, self._failed, self._progressed)
        except InputError as error:
            self._show_error(f"{error.message} {error.hint}")
            self._stop_waiting()
        else:
            if not self._slow_timer.active and not self._slow:
                self._slow_timer.start()
        self.refresh()

    def refresh(self) -> None:
        """Whether the buttons can be pressed, and if not, why."""
        ui = self.ui
        reason = "" if self._slow else self._reason()
        ui.inspectButton.text = _("Cancel") if self._slow else _("Inspect")
        ui.inspectButton.enabled = not reason
        ask = _("Ask each ticked loss for its gradient. Nothing is trained.")
        ui.inspectButton.toolTip = reason or (_("Forget this question.") if self._slow else ask)
        ui.inspectBar.visible = self._slow
        prediction = ui.predictionSelector.currentNode()
        is_label = prediction is not None and prediction.IsA("vtkMRMLSegmentationNode")
        ui.scaleCombo.enabled = not is_label
        ui.scaleCombo.toolTip = (
            _("A segmentation holds labels.")
            if is_label
            else _("What the voxels are. Automatic: probabilities if all lie between 0 and 1, else logits.")
        )

    def _question(self) -> LossQuestion:
        ui = self.ui
        return LossQuestion(
            prediction=ui.predictionSelector.currentNode(),
            reference=ui.inspectReferenceSelector.currentNode(),
            losses=self.losses.ticked,
            scale=list(Scale)[max(0, ui.scaleCombo.currentIndex)],
            shift=round(float(ui.shiftSlider.value), 3),
            gradient_of=self.gradient.wanted(self.losses.ticked),
        )

    def _state(self) -> tuple[Any, ...]:
        question = self._question()
        return self._logic.inspector.state(question.prediction, question.reference)

    def _reason(self) -> str:
        """Why nothing can be asked now; empty when it can."""
        ui = self.ui
        prediction, reference = ui.predictionSelector.currentNode(), ui.inspectReferenceSelector.currentNode()
        if not self._logic.set_up.is_ready:
            return _("Press Set up first: packages that the engine needs are missing.")
        if self._parameters is None or prediction is None:
            return _("Choose a prediction: a probability volume, logits or a segmentation.")
        if reference is None:
            return _("Choose a reference segmentation.")
        if prediction is reference:
            return _("Prediction and reference are the same segmentation; choose another one.")
        if not self.losses.ticked:
            return _("Tick a loss.")
        return ""

    # --- what the engine says ----------------------------------------------------------------------------------

    def _answered(self, answer: LossAnswer) -> None:
        self._stop_waiting()
        self._follows = True
        self._show_answer(answer)
        if answer.gradient is not None:
            self.gradient.show(answer.gradient)
        self.refresh()

    def _failed(self, failure: Failed) -> None:
        self._stop_waiting()
        self._follows = False
        self._show_error(f"{failure.message} {failure.hint}")
        self.refresh()

    def _progressed(self, progress: Progress | None) -> None:
        bar = self.ui.inspectBar
        if progress is None or progress.total <= 0:
            bar.value = 0
            bar.setFormat(_("Starting the engine"))
            return
        bar.value = int(1000 * progress.done / progress.total)
        count = _("{done} of {total}").format(done=progress.done, total=progress.total)
        bar.setFormat(f"{_(progress.stage)} {count}")

    def _grows_slow(self) -> None:
        self._slow = self._logic.inspector.is_busy
        self.refresh()

    def _stop_waiting(self) -> None:
        self._slow_timer.stop()
        self._slow = False

    def _show_answer(self, answer: LossAnswer | None) -> None:
        ui = self.ui
        self.shares.show(answer)
        ui.shareView.visible = ui.inspectNoteLabel.visible = answer is not None
        self.gradient.offer(answer.usable if answer is not None else ())
        if answer is not None:
            ui.inspectNoteLabel.text = note(answer)
            self.chart.show(answer)

    def _show_error(self, sentence: str) -> None:
        self.ui.inspectErrorLabel.text = sentence.strip()
        self.ui.inspectErrorLabel.visible = bool(sentence)

    # --- what the person does ----------------------------------------------------------------------------------

    def _connect(self) -> None:
        ui = self.ui
        ui.inspectButton.connect("clicked()", self.ask_or_cancel)
        ui.predictionSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._prediction_chosen)
        ui.inspectReferenceSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._reference_chosen)
        ui.scaleCombo.connect("currentIndexChanged(int)", self._scale_chosen)
        ui.shiftSlider.connect("valueChanged(double)", self._shifted)

    def _prediction_chosen(self, node: Any) -> None:
        if self._switching or self._parameters is None:
            return
        is_segmentation = node is not None and node.IsA("vtkMRMLSegmentationNode")
        self._parameters.inspected_volume = None if is_segmentation else node
        self._parameters.inspected_segmentation = node if is_segmentation else None
        self._other_pair()

    def _reference_chosen(self, node: Any) -> None:
        if self._parameters is not None:
            self._other_pair()

    def _other_pair(self) -> None:
        """What was answered was about other voxels."""
        follows = self._follows
        self._logic.inspector.forget()
        self._stop_waiting()
        self._show_answer(None)
        self.chart.clear()
        if follows:
            self.ask()
        self.refresh()

    def _scale_chosen(self, index: int) -> None:
        if self._parameters is not None and not self._switching and index >= 0:
            self._parameters.inspect_scale = list(Scale)[index]
            self._changed()

    def _losses_changed(self) -> None:
        if self._parameters is not None:
            self._parameters.inspect_losses = "\n".join(self.losses.ticked)
        self._changed()

    def _shifted(self, value: float) -> None:
        self._changed()

    def _changed(self) -> None:
        if self._follows and self._parameters is not None:
            self.ask()
        self.refresh()

    def _chosen(self, component: Component) -> None:
        if component.centroid_ras is not None and component.kind is not Kind.BACKGROUND:
            views.jump(component.centroid_ras)
