"""What the tab Segment shows of a job: progress, result, error with details, log."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.jobs import Job, State
from SlicerLossSegLib.segment_task import remaining_text

_MOST_LOG_LINES = 2000
_ALL_CASES = "cases"
"""The engine's stage that counts volumes."""


class JobDisplay:
    """Progress bar, result line, error line and log of SegmentPanel.ui."""

    def __init__(self, ui: Any, interaction: Interaction) -> None:
        self._ui, self._interaction = ui, interaction
        self._volume = 1, 1
        self._lines: list[str] = []
        self._details = ""
        ui.logText.setMaximumBlockCount(_MOST_LOG_LINES)
        ui.detailsButton.connect("clicked()", self._show_details)
        self._timer = qt.QTimer()
        self._timer.setInterval(200)
        self._timer.connect("timeout()", self._write_log)
        self.show_result("")
        self.show_error("")

    def begin(self) -> None:
        """A job is about to start."""
        self.show_error("")
        self.show_result("")
        self._ui.logText.clear()
        self._lines.clear()
        self._volume = 1, 1
        self._timer.start()

    def log(self, line: str) -> None:
        self._lines.append(line)

    def progress(self, job: Job, waiting_texts: dict[State, str]) -> None:
        """The job's state or progress changed; `waiting_texts` say what it does while nothing can be counted."""
        bar, progress = self._ui.progressBar, job.progress
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
            bar.value = 0
            bar.setFormat(waiting_texts.get(job.state) or _texts()[job.state])

    def end(self, job: Job) -> None:
        """The job is over: what remains of the log, and the error or the last warning."""
        self._write_log()
        self._timer.stop()
        if job.state is State.FAILED and job.failure is not None:
            self.show_error(job.failure.message, job.failure.hint, job.log_tail)
        elif job.state is not State.CANCELLED and job.warnings:
            self.show_error(job.warnings[-1].message, job.warnings[-1].hint, job.log_tail)

    def show_error(self, sentence: str, hint: str = "", details: str = "") -> None:
        self._ui.errorLabel.text = f"{sentence} {hint}".strip()
        self._ui.errorLabel.visible = bool(sentence)
        self._ui.detailsButton.visible = bool(details)
        self._details = details

    def show_result(self, text: str) -> None:
        self._ui.resultLabel.text = text
        self._ui.resultLabel.visible = bool(text)

    def stop(self) -> None:
        self._timer.stop()

    def _show_details(self) -> None:
        self._interaction.tell_error(self._ui.errorLabel.text, "", self._details)

    def _write_log(self) -> None:
        if self._lines:
            self._ui.logText.appendPlainText("\n".join(self._lines))
            self._lines.clear()


def _texts() -> dict[State, str]:
    return {
        State.WAITING: _("Waiting for another job"),
        State.PREPARING: _("Writing the volume"),
        State.RUNNING: _("Starting the engine"),
        State.CANCELLING: _("Stopping"),
        State.COLLECTING: _("Measuring the lesions"),
    }
