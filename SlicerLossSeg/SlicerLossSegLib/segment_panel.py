"""The tab Segment: choose volumes and models, segment, look at what was found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import sample_data
from SlicerLossSegLib import study as studies
from SlicerLossSegLib.case_list import loaded_cases
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.jobs import Job, State
from SlicerLossSegLib.lesion_table import summary_line
from SlicerLossSegLib.many_volumes import ManyVolumes
from SlicerLossSegLib.model_list import ModelList
from SlicerLossSegLib.parameters import MOST_CHANNELS, Parameters, SizeUnit
from SlicerLossSegLib.segment_task import CaseInput, Options, Result, SegmentTask, remaining_text
from SlicerLossSegLib.terminology import load_terms
from SlicerLossSegLib.views import show_volume

_MOST_LOG_LINES = 2000
_ALL_CASES = "cases"
"""The engine's stage that counts volumes."""


class SegmentPanel:
    """The widgets of SegmentPanel.ui and what they do.

    Args:
        ui: the widgets by name.
        on_review: called with a lesion table that the person wants to walk through.
        on_result: called with each new lesion table.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        interaction: Interaction,
        on_review: Callable[[Any], None],
        on_result: Callable[[Any], None] = lambda table: None,
    ) -> None:
        self.ui, self._logic, self._interaction = ui, logic, interaction
        self._on_review, self._on_result = on_review, on_result
        self._parameters: Parameters | None = None
        self._tag: int | None = None
        self._task: SegmentTask | None = None
        self._many = False
        self._volume = 1, 1
        self._last: Result | None = None
        self._log: list[str] = []
        self.models = ModelList(ui.modelTree, self._models_ticked)
        self.many = ManyVolumes(ui, lambda: max(1, len(self._channels())), lambda: self._task is not None, self._listed)
        self._channel_rows = [
            (getattr(ui, f"channel{n}Label"), getattr(ui, f"channel{n}Selector")) for n in range(1, MOST_CHANNELS + 1)
        ]
        self._set_up_widgets()
        self._connect()
        self.show_devices([("auto", _("Automatic")), ("cpu", _("Processor (CPU)"))])
        self.show_models([])

    # --- from outside ------------------------------------------------------------------------------------------

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Connect the widgets to other parameters; None takes them away."""
        if self._parameters is not None and self._tag is not None:
            self._parameters.disconnectGui(self._tag)
        self._parameters = None
        self.many.set_parameters(parameters)
        if parameters is not None:
            self._tag = parameters.connectGui(self.ui)
            self._parameters = parameters
            self.show_models(parameters.models.splitlines())
            self.ui.smallestUnitCombo.setCurrentIndex(list(SizeUnit).index(parameters.smallest_unit))
            self._choose_device(parameters.device)
            self.prefill()
        self.refresh()

    @property
    def is_connected(self) -> bool:
        return self._parameters is not None

    def show_models(self, names: list[str] | None = None) -> None:
        """List the study's models anew."""
        if names is None:
            names = [card.name for card in self.models.chosen]
        study = self._logic.study
        self.models.show(study, names)
        damaged = study.damaged()
        if damaged and self._task is None:
            self._show_error(damaged[0], _("Restore it from a copy or remove it."), "\n".join(damaged))
        self._show_channels()
        self.refresh()

    def show_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer these devices, as the engine calls them and as a person reads them."""
        combo = self.ui.deviceCombo
        before = combo.blockSignals(True)
        combo.clear()
        for name, title in devices:
            combo.addItem(title, name)
        combo.blockSignals(before)
        self._choose_device(self._parameters.device if self._parameters else "auto")

    def prefill(self) -> None:
        """Choose a volume for each channel that has none: by the channel's name, else the one that is shown."""
        if self._parameters is None:
            return
        nodes = [volume for case in loaded_cases(1) for volume in case.volumes]
        channels = self._channels()
        for place, (_label, selector) in enumerate(self._channel_rows[: len(channels) or 1]):
            if selector.currentNode() is not None:
                continue
            name = channels[place].lower() if channels else ""
            fitting = [node for node in nodes if name and name in node.GetName().lower()]
            if not fitting and len(channels) <= 1:
                fitting = _shown(nodes) or nodes
            if fitting:
                selector.setCurrentNode(fitting[0])

    def stop_for_scene(self) -> None:
        """The scene goes away, and what was found in it."""
        self._last = None
        self.many.clear()
        self._show_result("")

    def refresh(self) -> None:
        """Whether the buttons can be pressed, and if not, why."""
        running = self._task is not None
        for button, many, text in (
            (self.ui.segmentButton, False, _("Segment")),
            (self.ui.segmentAllButton, True, _("Segment all")),
        ):
            own = running and self._many == many
            reason = "" if own else self._reason(many)
            button.text = _("Cancel") if own else text
            button.enabled = not reason
            ready = _("Stop; what is done stays.") if own else _("Find the lesions.")
            button.toolTip = reason or ready
        cancelling = running and self._task.job.state is State.CANCELLING
        if cancelling:
            self.ui.segmentButton.enabled = self.ui.segmentAllButton.enabled = False
        self.ui.progressBar.visible = running
        self.ui.thresholdSlider.enabled = self.ui.ownThresholdCheck.checked
        self.ui.reviewButton.visible = self._last is not None

    def release(self) -> None:
        self.set_parameters(None)
        self.many.stop()

    # --- construction ------------------------------------------------------------------------------------------

    def _set_up_widgets(self) -> None:
        ui = self.ui
        ui.segmentButton.setMinimumWidth(1)
        ui.logText.setMaximumBlockCount(_MOST_LOG_LINES)
        for unit in SizeUnit:
            ui.smallestUnitCombo.addItem(_(unit.value), unit.name)
        self._show_result("")
        self._show_error("", "", "")

    def _connect(self) -> None:
        ui = self.ui
        ui.segmentButton.connect("clicked()", self.segment_or_cancel)
        ui.segmentAllButton.connect("clicked()", self.segment_all_or_stop)
        ui.reviewButton.connect("clicked()", self._review)
        ui.detailsButton.connect("clicked()", self._show_details)
        ui.addModelButton.connect("clicked()", self.add_model)
        ui.demoButton.connect("clicked()", self.add_demo)
        ui.sampleButton.connect("clicked()", self.load_sample)
        ui.ownThresholdCheck.connect("toggled(bool)", self._own_threshold)
        ui.deviceCombo.connect("currentIndexChanged(int)", self._device_chosen)
        ui.smallestUnitCombo.connect("currentIndexChanged(int)", self._unit_chosen)
        for _label, selector in self._channel_rows:
            selector.connect("currentNodeChanged(vtkMRMLNode*)", self._volume_chosen)
        self._log_timer = qt.QTimer()
        self._log_timer.setInterval(200)
        self._log_timer.connect("timeout()", self._write_log)

    # --- models, channels, options -----------------------------------------------------------------------------

    def add_model(self) -> None:
        folder = self._interaction.choose_folder(_("Folder of a trained model"), self._logic.study.folder)
        if folder is None:
            return
        try:
            card = self._logic.study.add_model(folder)
        except (InputError, OSError) as error:
            self._interaction.tell_error(str(error))
            return
        self.show_models([card.name])
        self._models_ticked()

    def add_demo(self) -> None:
        try:
            cards = self._logic.add_demo_ensemble()
        except (InputError, OSError) as error:
            self._interaction.tell_error(str(error))
            return
        self.show_models([])
        self.models.tick([card.folder for card in cards])

    def load_sample(self) -> None:
        """Make a phantom to try the module on."""
        self.ui.sampleButton.enabled = False
        sample_data.start_sample(self._logic.jobs, self._sample_loaded)

    def _sample_loaded(self, job: Job) -> None:
        self.ui.sampleButton.enabled = True
        if job.state is State.FINISHED:
            volume, _truth = job.collected
            show_volume(volume)
            self._channel_rows[0][1].setCurrentNode(volume)
        elif job.failure is not None:
            self._show_error(job.failure.message, job.failure.hint, job.log_tail)

    def options(self) -> Options:
        """What the widgets say."""
        values = self._parameters
        assert values is not None
        roi = values.roi
        bounds = [0.0] * 6
        if roi is not None:
            roi.GetRASBounds(bounds)
        return Options(
            device=values.device,
            mirror=values.mirror,
            overlap=values.overlap,
            threshold=values.threshold if values.own_threshold else None,
            smallest=values.smallest,
            smallest_unit=values.smallest_unit,
            roi=(bounds[0], bounds[1], bounds[2], bounds[3], bounds[4], bounds[5]) if roi is not None else None,
            keep_probability=values.keep_probability,
            keep_disagreement=values.keep_disagreement,
        )

    def _channels(self) -> tuple[str, ...]:
        chosen = self.models.chosen
        return chosen[0].channels if chosen else ()

    def _models_ticked(self) -> None:
        if self._parameters is not None:
            self._parameters.models = "\n".join(card.name for card in self.models.chosen)
        self._show_channels()
        self.prefill()
        self.refresh()

    def _show_channels(self) -> None:
        channels = self._channels()
        for place, (label, selector) in enumerate(self._channel_rows):
            label.visible = selector.visible = place < max(1, len(channels))
            label.text = f"{channels[place]}:" if place < len(channels) else _("Volume:")

    def _own_threshold(self, on: bool) -> None:
        self.ui.thresholdSlider.enabled = on

    def _device_chosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.device = str(self.ui.deviceCombo.itemData(index))

    def _choose_device(self, name: str) -> None:
        combo = self.ui.deviceCombo
        place = next((i for i in range(combo.count) if combo.itemData(i) == name), 0)
        combo.setCurrentIndex(place)

    def _unit_chosen(self, index: int) -> None:
        if self._parameters is not None and index >= 0:
            self._parameters.smallest_unit = list(SizeUnit)[index]

    def _volume_chosen(self, node: Any = None) -> None:
        self.refresh()

    # --- segmenting --------------------------------------------------------------------------------------------

    def segment_or_cancel(self) -> None:
        if self._task is not None:
            self._cancel()
            return
        count = max(1, len(self._channels()))
        volumes = tuple(selector.currentNode() for _label, selector in self._channel_rows[:count])
        show_volume(volumes[0])
        self._start([CaseInput(volumes[0].GetName(), volumes)], many=False)

    def segment_all_or_stop(self) -> None:
        if self._task is not None:
            self._cancel()
            return
        self._start(self.many.list.cases, many=True)

    def _start(self, cases: list[CaseInput], many: bool) -> None:
        self._show_error("", "", "")
        self._show_result("")
        self.ui.logText.clear()
        self._log.clear()
        self._last, self._many = None, many
        self._volume = 1, 1
        entry = self.models.chosen_ensemble
        load_terms()
        try:
            self._task = self._logic.start_segmenting(
                cases,
                entry.path if entry else self.models.chosen,
                self.options(),
                save_to=self.many.results_folder if many else None,
                on_case=self.many.list.update,
                on_result=self._found,
                on_change=self._job_changed,
                on_log=self._log.append,
                on_end=self._ended,
            )
        except InputError as error:
            self._show_error(error.message, error.hint, "")
        else:
            if self._task.job.state.is_over:
                self._task = None
        self._log_timer.start()
        self.refresh()

    def _cancel(self) -> None:
        assert self._task is not None
        self._logic.jobs.cancel(self._task.job)
        self.refresh()

    def _job_changed(self, job: Job) -> None:
        bar = self.ui.progressBar
        progress = job.progress
        if progress is not None and progress.stage == _ALL_CASES:
            self._volume = progress.done + 1, progress.total
        elif job.state is State.RUNNING and progress is not None and progress.total > 0:
            bar.value = int(1000 * progress.done / progress.total)
            left = remaining_text(progress.eta_s)
            words = [_(progress.stage), _("{done} of {total}").format(done=progress.done, total=progress.total)]
            place, count = self._volume
            volume = _("volume {n} of {all}").format(n=min(place, count), all=count) if count > 1 else ""
            bar.setFormat(", ".join(filter(None, (volume, " ".join(words), left))))
        elif not job.state.is_over:
            texts = {
                State.WAITING: _("Waiting for another job"),
                State.PREPARING: _("Writing the volume"),
                State.RUNNING: _("Starting the engine"),
                State.CANCELLING: _("Stopping"),
                State.COLLECTING: _("Measuring the lesions"),
            }
            bar.value = 0
            bar.setFormat(texts[job.state])
            self.refresh()

    def _found(self, result: Result) -> None:
        self._last = result
        show_volume(result.case.volumes[0] if result.case.volumes else None)
        self._show_result(summary_line(result.table))
        self._on_result(result.table)

    def _ended(self, task: SegmentTask) -> None:
        self._task = None
        self._write_log()
        self._log_timer.stop()
        job = task.job
        if job.state is State.FAILED and job.failure is not None:
            self._show_error(job.failure.message, job.failure.hint, job.log_tail)
        elif job.state is State.CANCELLED:
            self._show_result(_("Cancelled.") if not task.results else self.ui.resultLabel.text)
        elif job.warnings:
            self._show_error(job.warnings[-1].message, job.warnings[-1].hint, job.log_tail)
        if len(task.cases) > 1 and task.results:
            self._show_result(_("{n} of {all} volumes segmented.").format(n=len(task.results), all=len(task.cases)))
        self.refresh()

    def _write_log(self) -> None:
        if self._log:
            self.ui.logText.appendPlainText("\n".join(self._log))
            self._log.clear()

    def _reason(self, many: bool) -> str:
        """Why nothing can be segmented now; empty when it can."""
        chosen = self.models.chosen
        channels = self._channels()
        if not self._logic.set_up.is_ready:
            return _("Press Set up first: packages that the engine needs are missing.")
        if self._task is not None:
            return _("A job is running.")
        if not chosen:
            return _("Tick a model. Without one of your own, press Demo ensemble.")
        for card in chosen[1:]:
            try:
                studies.require_one_task([chosen[0], card])
            except InputError as error:
                return error.message
        if many:
            return "" if self.many.waiting else _("No volume waits.")
        if len(channels) > MOST_CHANNELS:
            return _("The model takes {n} channels; use it by script.").format(n=len(channels))
        for place, channel in enumerate(channels):
            if self._channel_rows[place][1].currentNode() is None:
                return _("Choose a volume for {channel}.").format(channel=channel)
        return ""

    def _show_error(self, sentence: str, hint: str, details: str) -> None:
        self.ui.errorLabel.text = f"{sentence} {hint}".strip()
        self.ui.errorLabel.visible = bool(sentence)
        self.ui.detailsButton.visible = bool(details)
        self._details = details

    def _show_details(self) -> None:
        self._interaction.tell_error(self.ui.errorLabel.text, "", self._details)

    def _show_result(self, text: str) -> None:
        self.ui.resultLabel.text = text
        self.ui.resultLabel.visible = bool(text)
        self.ui.reviewButton.visible = self._last is not None

    def _review(self) -> None:
        if self._last is not None:
            self._on_review(self._last.table)

    def _listed(self, problem: str) -> None:
        if problem:
            self._show_error(problem, "", "")
        self.refresh()


def _shown(nodes: list[Any]) -> list[Any]:
    """Those of the nodes that are in a slice view."""
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ids = {composite.GetBackgroundVolumeID() for composite in composites}
    return [node for node in nodes if node.GetID() in ids]
