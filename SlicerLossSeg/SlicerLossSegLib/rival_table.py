"""Old and new model side by side, lesion by lesion, and the person's word about which one to use."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from slicer.i18n import tr as _

from SlicerLossSegLib import views
from SlicerLossSegLib.dataset_view import short
from SlicerLossSegLib.text_table import TextRow, TextTable

_TITLES = ("Case", "No.", "mm³", "Old", "New", "Old p", "New p")
_TIPS = {
    1: "Number of the lesion in its case.",
    2: "Volume of the lesion.",
    3: "Whether the old model found it.",
    4: "Whether the new model found it.",
    5: "Highest probability of the old model in the lesion.",
    6: "Highest probability of the new model in the lesion.",
}
_MEASURES = (
    ("dice", "Dice"),
    ("recall", "recall"),
    ("small_recall", "small lesions"),
    ("precision", "precision"),
    ("false_positives", "false positives per case"),
)


class RivalTable:
    """The widgets of `outcomeBox` in TrainPanel.ui that show a comparison.

    Args:
        volumes_of: returns the volumes of a case that is open in the scene; a click then jumps to the lesion.
    """

    def __init__(self, ui: Any, volumes_of: Callable[[str], list[Any]]) -> None:
        self._ui, self._volumes_of = ui, volumes_of
        self._rows: list[Mapping[str, Any]] = []
        self._table = TextTable(ui.rivalTable, _TITLES, _TIPS, numbers=(1, 2, 5, 6))
        ui.rivalTable.connect("itemSelectionChanged()", self._jump)
        ui.changedCheck.connect("toggled(bool)", lambda on: self._fill())
        self.show(None)

    def show(self, comparison: Mapping[str, Any] | None) -> None:
        """Show the summary of the engine's job `compare`; None takes it away."""
        ui = self._ui
        lesions = comparison["lesions"] if comparison else []
        # What changed comes first, then the small ones: they are what a new model is trained for.
        self._rows = sorted(lesions, key=lambda one: (one["old"] == one["new"], one["volume_mm3"]))
        for widget in (ui.rivalTable, ui.changedCheck):
            widget.visible = bool(lesions)
        ui.outcomeMeasures.text = measures_line(comparison["measures"]) if comparison else ""
        ui.outcomeMeasures.visible = comparison is not None
        warning = warning_line(comparison) if comparison else ""
        ui.outcomeWarning.text = f"<b>{warning}</b>" if warning else ""
        ui.outcomeWarning.visible = bool(warning)
        self._fill()

    def _shown(self) -> list[Mapping[str, Any]]:
        changed_only = bool(self._ui.changedCheck.checked)
        return [one for one in self._rows if not changed_only or one["old"] != one["new"]]

    def _fill(self) -> None:
        self._table.show([_text_row(one) for one in self._shown()])

    def _jump(self) -> None:
        place = self._table.selected
        if place is None:
            return
        one = self._shown()[place]
        volumes = self._volumes_of(str(one["case"]))
        if volumes:
            views.show_volume(volumes[0])
            views.jump(one["centroid_ras"])


def _text_row(one: Mapping[str, Any]) -> TextRow:
    texts = (
        str(one["case"]),
        str(one["number"]),
        short(float(one["volume_mm3"])),
        _(one["old"]),
        _(one["new"]),
        _ratio(one.get("old_confidence")),
        _ratio(one.get("new_confidence")),
    )
    return TextRow(texts, bold=one["old"] != one["new"])


def headline(comparison: Mapping[str, Any]) -> str:
    """What was gained and lost, in a sentence."""
    lesions = comparison["lesions"]
    gained, lost = int(comparison["gained"]), int(comparison["lost"])
    new_false = sum(one["model"] == "new" for one in comparison["false_positives"])
    old_false = len(comparison["false_positives"]) - new_false
    return _(
        "Of {all} lesions in {cases} cases the new model finds {gained} that the old one missed and misses {lost} that "
        "the old one found. False positives: {old} before, {new} now."
    ).format(all=len(lesions), cases=len(comparison["cases"]), gained=gained, lost=lost, old=old_false, new=new_false)


def measures_line(measures: Mapping[str, Mapping[str, float | None]]) -> str:
    """Old → new for each measure, the new one alone where there is no old model; undefined is "n/a"."""
    old, new = measures.get("old", {}), measures.get("new", {})
    words = []
    for name, title in _MEASURES:
        if name in old or name in new:
            before = f"{_ratio(old.get(name))} → " if old else ""
            words.append(f"{_(title)} {before}{_ratio(new.get(name))}")
    text = ", ".join(words)
    return text[:1].upper() + text[1:]


def warning_line(comparison: Mapping[str, Any]) -> str:
    """Says plainly when a model was trained on the cases that it is judged by; empty when none was."""
    sentences = []
    for model, key in ((_("The old model"), "seen_by_old"), (_("The new model"), "seen_by_new")):
        seen = list(comparison.get(key) or [])
        if seen:
            names = ", ".join(seen[:3]) + (" …" if len(seen) > 3 else "")
            sentences.append(
                _("{model} was trained on {n} of these cases ({names}), so it looks better than it is.").format(
                    model=model, n=len(seen), names=names
                )
            )
    return " ".join(sentences)


def _ratio(value: float | None) -> str:
    return f"{value:.2f}" if value is not None and math.isfinite(value) else _("n/a")
