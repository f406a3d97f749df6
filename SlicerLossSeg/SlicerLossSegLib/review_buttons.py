"""Which buttons of the tab Review can be pressed, and what they say when they cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _


@dataclass(frozen=True)
class ReviewState:
    """What the buttons depend on.

    Attributes:
        listed: whether the list of lesions has a row.
        can_judge: whether the person is at a lesion that can be accepted or rejected.
        lacking: why there is no segmentation to work on; empty when there is one.
        busy: whether the lesions are being measured.
    """

    has_table: bool
    listed: bool
    can_judge: bool
    can_undo: bool
    lacking: str
    busy: bool


def show(ui: Any, state: ReviewState) -> None:
    """Enable the buttons that can be pressed; the tooltip of the others says why not."""
    measuring = _("The lesions are being measured.") if state.busy else ""
    missing = measuring or state.lacking
    no_row = "" if state.listed else state.lacking or _("No lesion is listed; choose All above the table.")
    at_none = measuring or ("" if state.can_judge else state.lacking or _("Choose a lesion that is in the result."))
    no_undo = measuring or ("" if state.can_undo else _("There is no verdict to take back."))
    no_table = "" if state.has_table else state.lacking
    for button, reason, tip in (
        (ui.previousButton, no_row, _("Previous lesion (P)")),
        (ui.nextButton, no_row, _("Next lesion (N)")),
        (ui.acceptButton, at_none, _("Accept this lesion and go on (A)")),
        (ui.rejectButton, at_none, _("Take this lesion out of the result and go on (R)")),
        (ui.undoButton, no_undo, _("Take back the last verdict (Ctrl+Z)")),
        (ui.correctButton, missing, _("Correct the segmentation by hand; the table follows.")),
        (ui.exportButton, no_table, _("Write the table as CSV or JSON.")),
        (
            ui.trainingSetButton,
            missing,
            _("Write volume and segmentation as a case of the study's dataset. Nothing is trained by this."),
        ),
    ):
        button.enabled = not reason
        button.toolTip = reason or tip
    ui.referenceSelector.enabled = not missing
    ui.referenceSelector.toolTip = missing or _("A segmentation to compare with, such as a person's.")
