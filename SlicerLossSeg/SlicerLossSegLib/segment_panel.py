"""The tab Segment: choose volumes and models, segment, look at what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import study as studies
from SlicerLossSegLib.channel_selectors import ChannelSelectors
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.job_display import JobDisplay
from SlicerLossSegLib.jobs import Job, State
from SlicerLossSegLib.lesion_table import Role, summary_line
from SlicerLossSegLib.many_volumes import ManyVolumes
from SlicerLossSegLib.model_list import ModelList
from SlicerLossSegLib.model_row import ModelRow
from SlicerLossSegLib.parameters import Parameters
from SlicerLossSegLib.segment_case import CaseInput
from SlicerLossSegLib.segment_options import SegmentOptions
from SlicerLossSegLib.segment_result import Result
from SlicerLossSegLib.segment_task import SegmentTask
from SlicerLossSegLib.terminology import load_terms
from SlicerLossSegLib.views import show_volume


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
        self.ui, self._logic = ui, logic
        self._on_review, self._on_result = on_review, on_result
        self._parameters: Parameters | None = None
        self._tag: int | None = None
        self._task: SegmentTask | None = None
        self._many = False
        self._last: Result | None = None
        ui.segmentButton.setMinimumWidth(1)
        self.display = JobDisplay(ui, interaction)
        self.options = SegmentOptions(ui, lambda: logic.set_up.version_of("openvino") is not None)
        self.channels = ChannelSelectors(ui, self.refresh)
        self.models = ModelList(ui.modelTree, self._models_ticked)
        self.sources = ModelRow(
            ui, logic, interaction, self.models, self.display, self.take_models, self._sample_came, self._importing
        )
        self.many = ManyVolumes(
            ui, lambda: max(1, len(self.channels.names)), lambda: self._task is not None, self._listed
        )
        ui.segmentButton.connect("clicked()", self.segment_or_cancel)
        ui.segmentAllButton.connect("clicked()", self.segment_all_or_stop)
        ui.reviewButton.connect("clicked()", self._review)
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
        self.channels.set_parameters(parameters)
        self.options.set_parameters(parameters)
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
            self.display.show_error(damaged[0], _("Restore it from a copy or remove it."), "\n".join(damaged))
        self._show_channels()
        self.refresh()

    def show_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer these devices, as the engine calls them and as a person reads them."""
        self.options.show_devices(devices)

    def prefill(self) -> None:
        """Choose a volume for each channel that has none."""
        if self._parameters is not None:
            self.channels.prefill()

    def take_models(self, names: list[str]) -> None:
        """Tick just these models of the study."""
        self.show_models(names)
        self._models_ticked()

    def take_volumes(self, volumes: Sequence[Any]) -> None:
        """Choose volumes, one per channel; those beyond the channels are left out."""
        for place, volume in enumerate(volumes[: len(self.channels.volumes)]):
            self.channels.choose(place, volume)

    def stop_for_scene(self) -> None:
        """The scene goes away, and what was found in it."""
        self._last = None
        self.many.clear()
        self.display.show_result("")
        self.refresh()

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
        if self._task is not None and self._task.job.state is State.CANCELLING:
            self.ui.segmentButton.enabled = self.ui.segmentAllButton.enabled = False
        self.sources.refresh(self._not_ready() or (_("A job is running.") if running else ""))
        self.ui.progressBar.visible = running or self.sources.is_importing
        self.options.refresh()
        self.ui.reviewButton.visible = self._last is not None

    def release(self) -> None:
        self.set_parameters(None)
        self.channels.release()
        self.many.stop()
        self.display.stop()

    # --- models and channels -----------------------------------------------------------------------------------

    def _sample_came(self, volume: Any) -> None:
        self.channels.choose(0, volume)

    def _importing(self) -> None:
        # The result line tells of the import now.
        self._last = None
        self.refresh()

    def _models_ticked(self) -> None:
        if self._parameters is not None:
            self._parameters.models = "\n".join(card.name for card in self.models.chosen)
        self._show_channels()
        self.prefill()
        self.refresh()

    def _show_channels(self) -> None:
        chosen = self.models.chosen
        self.channels.show(chosen[0].channels if chosen else ())

    # --- segmenting --------------------------------------------------------------------------------------------

    def segment_or_cancel(self) -> None:
        if self._task is not None:
            self._cancel()
            return
        volumes = self.channels.volumes
        show_volume(volumes[0])
        self._start([CaseInput(volumes[0].GetName(), volumes)], many=False)

    def segment_all_or_stop(self) -> None:
        if self._task is not None:
            self._cancel()
            return
        self._start(self.many.list.cases, many=True)

    def _start(self, cases: list[CaseInput], many: bool) -> None:
        self.display.begin()
        self._last, self._many = None, many
        entry = self.models.chosen_ensemble
        load_terms()
        try:
            self._task = self._logic.start_segmenting(
                cases,
                entry.path if entry else self.models.chosen,
                self.options.read(),
                save_to=self.many.results_folder if many else None,
                on_case=self.many.list.update,
                on_result=self._found,
                on_change=self._job_changed,
                on_log=self.display.log,
                on_end=self._ended,
            )
        except InputError as error:
            self.display.stop()
            self.display.show_error(error.message, error.hint)
        else:
            if self._task.job.state.is_over:
                self._task = None
        self.refresh()

    def _cancel(self) -> None:
        assert self._task is not None
        self._logic.jobs.cancel(self._task.job)
        self.refresh()

    def _job_changed(self, job: Job) -> None:
        self.display.progress(job, {})
        if job.state is not State.RUNNING and not job.state.is_over:
            self.refresh()

    def _found(self, result: Result) -> None:
        self._last = result
        show_volume(result.table.shown(Role.VOLUME))
        self._show_result(summary_line(result.table))
        self._on_result(result.table)

    def _ended(self, task: SegmentTask) -> None:
        self._task = None
        self.display.end(task.job)
        if task.job.state is State.CANCELLED and not task.results:
            self._show_result(_("Cancelled."))
        elif len(task.cases) > 1 and task.results:
            self._show_result(_("{n} of {all} volumes segmented.").format(n=len(task.results), all=len(task.cases)))
        elif task.results and (looked_at := task.job.summary.get("coarse_to_fine")):
            share = next(iter(looked_at.values()))["looked_at_in_full"]
            note = _("Approximation: {share:.0f} % of it was looked at in full.").format(share=100 * share)
            self._show_result(f"{summary_line(task.results[0].table)} {note}")
        self.refresh()

    def _not_ready(self) -> str:
        ready = self._logic.set_up.is_ready
        return "" if ready else _("Press Set up first: packages that the engine needs are missing.")

    def _reason(self, many: bool) -> str:
        """Why nothing can be segmented now; empty when it can."""
        chosen = self.models.chosen
        if reason := self._not_ready():
            return reason
        if self._task is not None:
            return _("A job is running.")
        if self.sources.is_importing:
            return _("A model is being imported.")
        if not chosen:
            return _("Tick a model. Without one of your own, press Demo ensemble.")
        for card in chosen[1:]:
            try:
                studies.require_one_task([chosen[0], card])
            except InputError as error:
                return error.message
        if many:
            return self.many.lacking
        for channel, volume in zip(self.channels.names, self.channels.volumes, strict=True):
            if volume is None:
                return _("Choose a volume for {channel}.").format(channel=channel)
        return ""

    def _show_result(self, text: str) -> None:
        self.display.show_result(text)
        self.ui.reviewButton.visible = self._last is not None

    def _review(self) -> None:
        if self._last is not None:
            self._on_review(self._last.table)

    def _listed(self, problem: str) -> None:
        if problem:
            self.display.show_error(problem)
        self.refresh()
