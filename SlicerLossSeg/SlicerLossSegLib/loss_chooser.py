"""Which loss? A list by family, what each one is, a form, and the expression, which can be edited as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import InputError
from lossseg.losses import CATALOGUE, parse
from lossseg.losses.advisor import Suggestion
from lossseg.losses.catalogue import Entry, Family
from lossseg.losses.tree import Sum
from SlicerLossSegLib.formula import rich
from SlicerLossSegLib.loss_expression import added, chosen, first_sentence
from SlicerLossSegLib.loss_form import LossForm

DEFAULT = "dice + ce"

_FAMILIES = {
    Family.COMPOUND: "Known sums",
    Family.REGION: "Region: how far predicted and true region overlap",
    Family.DISTRIBUTION: "Distribution: voxel by voxel",
    Family.BOUNDARY: "Boundary: how far the surfaces are apart",
    Family.INSTANCE: "Instance: each lesion by itself",
    Family.ADAPTIVE: "Adaptive: weights that follow the training",
    Family.LEARNED: "Learned: shapes that a search found",
    Family.TOPOLOGY: "Topology: whether thin structures stay connected",
}
"""The families in the order of the list; those without a loss are left out."""


class LossChooser:
    """The widgets for the loss in TrainPanel.ui.

    Args:
        ui: the widgets by name.
        on_change: called when the expression changed.
    """

    def __init__(self, ui: Any, on_change: Callable[[], None]) -> None:
        self._ui, self._on_change = ui, on_change
        self._quiet = False
        self._suggestion: Suggestion | None = None
        self._entries: list[tuple[Any, Entry]] = []
        self._selected: Entry | None = None
        self.problem = ""
        self.form = LossForm(ui.lossFormArea, self._form_changed)
        self._fill()
        ui.lossTree.connect("itemSelectionChanged()", self._described)
        ui.lossTree.connect("itemDoubleClicked(QTreeWidgetItem*,int)", lambda item, column: self.use())
        ui.lossUseButton.connect("clicked()", self.use)
        ui.lossAddButton.connect("clicked()", self.add)
        ui.expressionEdit.connect("textChanged(QString)", self._edited)
        ui.adviceButton.connect("clicked()", self._take_advice)
        self.show_advice(None, "")
        self._described()
        self.set_expression(DEFAULT)

    @property
    def expression(self) -> str:
        """As the person wrote it; `problem` says what is wrong with it, empty when it can be trained with."""
        return str(self._ui.expressionEdit.text).strip()

    def set_expression(self, expression: str) -> None:
        self._ui.expressionEdit.setText(expression)

    def show_advice(self, suggestion: Suggestion | None, note: str) -> None:
        """Propose a loss; without one, `note` says why there is none, and nothing is shown when that is empty."""
        self._suggestion = suggestion
        label, button = self._ui.adviceLabel, self._ui.adviceButton
        if suggestion is not None:
            label.text = _("Suggested: <b>{loss}</b>, because: {reason}").format(
                loss=suggestion.expression, reason=suggestion.reason
            )
            label.toolTip = suggestion.source
        else:
            label.text, label.toolTip = note, ""
        label.visible = suggestion is not None or bool(note)
        button.visible = suggestion is not None
        self._refresh_advice()

    def use(self) -> None:
        """Make the selected loss the expression; a weighting goes around what is there."""
        if self._selected is not None:
            self.set_expression(chosen(self._selected, self.expression))

    def add(self) -> None:
        """Add the selected loss to the expression."""
        if self._selected is not None:
            self.set_expression(added(self._selected, self.expression))

    def select(self, name: str) -> None:
        """Select a loss of the list by its name."""
        item = next(item for item, entry in self._entries if entry.name == name)
        self._ui.lossTree.setCurrentItem(item)

    # --- construction ------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        tree = self._ui.lossTree
        tree.setColumnCount(2)
        tree.setHeaderLabels([_("Loss"), _("Written")])
        for family, title in _FAMILIES.items():
            entries = [entry for entry in CATALOGUE.values() if entry.family is family]
            if not entries:
                continue
            head = qt.QTreeWidgetItem(tree)
            head.setText(0, _(title))
            head.setFirstColumnSpanned(True)
            head.setFlags(qt.Qt.ItemIsEnabled)
            head.setExpanded(family is Family.COMPOUND)
            for entry in entries:
                item = qt.QTreeWidgetItem(head)
                item.setText(0, entry.title)
                item.setText(1, entry.name)
                item.setData(0, qt.Qt.UserRole, entry.name)
                item.setToolTip(0, f"{entry.advice}<br>{entry.reference}")
                self._entries.append((item, entry))
        tree.setColumnWidth(0, 230)

    # --- what the widgets call ---------------------------------------------------------------------------------

    def _described(self) -> None:
        chosen_items = self._ui.lossTree.selectedItems()
        name = chosen_items[0].data(0, qt.Qt.UserRole) if chosen_items else None
        self._selected = CATALOGUE[name] if name else None
        ui, entry = self._ui, self._selected
        ui.lossTitleLabel.visible = ui.lossFormulaLabel.visible = entry is not None
        ui.lossUseButton.enabled = ui.lossAddButton.enabled = entry is not None
        around = entry is not None and entry.inside[0] > 0
        ui.lossUseButton.text = _("Put around") if around else _("Use")
        if entry is None:
            ui.lossUseButton.toolTip = ui.lossAddButton.toolTip = _("Select a loss in the list.")
            return
        ui.lossUseButton.toolTip = (
            _("Put it around the losses of the expression.") if around else _("Make it the loss.")
        )
        ui.lossAddButton.toolTip = _("Add it to the expression.")
        ui.lossTitleLabel.text = f"<b>{entry.title}</b>: {first_sentence(entry.advice)}"
        ui.lossTitleLabel.toolTip = f"{entry.advice}<br>{entry.reference}"
        ui.lossFormulaLabel.text = rich(entry.formula)

    def _edited(self, text: str) -> None:
        if self._quiet:
            return
        try:
            tree = parse(text)
        except InputError as error:
            self._show_problem(f"{error.message} {error.hint}".strip())
        else:
            self._show_problem("")
            self.form.show(tree)
        self._refresh_advice()
        self._on_change()

    def _form_changed(self, tree: Sum) -> None:
        self._quiet = True
        self._ui.expressionEdit.setText(str(tree))
        self._quiet = False
        self._show_problem("")
        self._refresh_advice()
        self._on_change()

    def _show_problem(self, sentence: str) -> None:
        self.problem = sentence
        self._ui.expressionError.text = sentence
        self._ui.expressionError.visible = bool(sentence)
        self.form.enabled = not sentence

    def _take_advice(self) -> None:
        if self._suggestion is not None:
            self.set_expression(self._suggestion.expression)

    def _refresh_advice(self) -> None:
        if self._suggestion is None:
            return
        used = self.expression == self._suggestion.expression
        self._ui.adviceButton.enabled = not used
        self._ui.adviceButton.toolTip = _("It is the loss already.") if used else _("Make it the loss.")
