"""The buttons below the list of models: where models come from, and a volume to try them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from lossseg.errors import InputError
from SlicerLossSegLib import sample_data
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.job_display import JobDisplay
from SlicerLossSegLib.jobs import Job, State
from SlicerLossSegLib.model_list import ModelList
from SlicerLossSegLib.views import show_volume


class ModelRow:
    """The widgets of `modelRow` in SegmentPanel.ui.

    Args:
        models: the list of models.
        display: where progress and errors are shown.
        on_models: called when the study has other models.
        on_sample: called with the volume of the sample.
        on_busy: called when an import begins or ends.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        interaction: Interaction,
        models: ModelList,
        display: JobDisplay,
        on_models: Callable[[list[str]], None],
        on_sample: Callable[[Any], None],
        on_busy: Callable[[], None],
    ) -> None:
        self._ui, self._logic, self._interaction = ui, logic, interaction
        self._models, self._display = models, display
        self._on_models, self._on_sample, self._on_busy = on_models, on_sample, on_busy
        self._job: Job | None = None
        ui.addModelButton.connect("clicked()", self.add_model)
        ui.importModelButton.connect("clicked()", self.import_or_cancel)
        ui.demoButton.connect("clicked()", self.add_demo)
        ui.sampleButton.connect("clicked()", self.load_sample)

    @property
    def is_importing(self) -> bool:
        return self._job is not None

    def refresh(self, reason: str) -> None:
        """Whether a model can be imported; `reason` says why not, empty when it can."""
        button, job = self._ui.importModelButton, self._job
        button.text = _("Cancel import") if job is not None else _("Import model…")
        button.enabled = job.state is not State.CANCELLING if job is not None else not reason
        ready = _(
            "Translate the result of an nnU-Net v2 training (the folder with plans.json and fold_0, fold_1, …) or a "
            "MONAI bundle (the folder with configs and models) into models of the study. The original stays as it is."
        )
        button.toolTip = _("Stop; nothing is added.") if job is not None else reason or ready

    def add_model(self) -> None:
        folder = self._interaction.choose_folder(_("Folder of a trained model"), self._logic.study.folder)
        if folder is None:
            return
        try:
            card = self._logic.study.add_model(folder)
        except (InputError, OSError) as error:
            self._interaction.tell_error(str(error))
            return
        self._on_models([card.name])

    def add_demo(self) -> None:
        try:
            cards = self._logic.add_demo_ensemble()
        except (InputError, OSError) as error:
            self._interaction.tell_error(str(error))
            return
        self._on_models([])
        self._models.tick([card.folder for card in cards])

    def import_or_cancel(self) -> None:
        if self._job is not None:
            self._logic.jobs.cancel(self._job)
            self._on_busy()
            return
        folder = self._interaction.choose_folder(
            _("Result folder of an nnU-Net training, or a MONAI bundle"), self._logic.study.folder
        )
        if folder is None:
            return
        self._display.begin()
        job = self._logic.start_importing(
            folder, on_change=self._import_changed, on_log=self._display.log, on_end=self._imported
        )
        self._job = None if job.state.is_over else job
        self._on_busy()

    def load_sample(self) -> None:
        """Make a phantom to try the module on."""
        self._ui.sampleButton.enabled = False
        sample_data.start_sample(self._logic.jobs, self._sample_loaded)

    def _import_changed(self, job: Job) -> None:
        self._display.progress(job, {State.RUNNING: _("Reading the model")})
        if job.state is State.CANCELLING:
            self._on_busy()

    def _imported(self, job: Job) -> None:
        self._job = None
        self._display.end(job)
        if job.state is State.CANCELLED:
            self._display.show_result(_("Cancelled."))
        elif job.state is State.FINISHED:
            found = job.collected
            self._on_models([])
            self._models.tick(list(found.models))
            count = len(found.models)
            self._display.show_result(
                _("1 model imported.") if count == 1 else _("{n} models imported.").format(n=count)
            )
            if found.warnings:
                self._display.show_error(found.warnings[0], "", "\n".join(found.warnings))
        self._on_busy()

    def _sample_loaded(self, job: Job) -> None:
        self._ui.sampleButton.enabled = True
        if job.state is State.FINISHED:
            volume, _truth = job.collected
            show_volume(volume)
            self._on_sample(volume)
        elif job.failure is not None:
            self._display.show_error(job.failure.message, job.failure.hint, job.log_tail)
