"""The tab Review: walk through the lesions, judge them, correct them, compare with a reference, export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import LossSegError
from SlicerLossSegLib import review, segmentation_io, views
from SlicerLossSegLib.correction import Correction
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.lesion_list import Filter, LesionList
from SlicerLossSegLib.lesion_row import COLUMNS, LesionRow, Verdict
from SlicerLossSegLib.lesion_table import KIND, LesionTable, Role
from SlicerLossSegLib.parameters import Parameters


class ReviewPanel:
    """The widgets of ReviewPanel.ui and what they do.

    Args:
        ui: the widgets by name.
        page: the tab's page: keys work within it.
    """

    def __init__(self, ui: Any, page: Any, logic: Any, interaction: Interaction) -> None:
        self.ui, self._logic, self._interaction = ui, logic, interaction
        self._parameters: Parameters | None = None
        self._tag: int | None = None
        self.table: LesionTable | None = None
        self.correction = Correction(ui.editorPage.layout())
        self._seen: Any = None
        self._busy = False
        self._switching = False
        self.lesions = LesionList(ui.lesionView, self._chosen)
        ui.tableSelector.addAttribute("vtkMRMLTableNode", KIND, "detections")
        for kind in Filter:
            ui.filterCombo.addItem(_(kind.value))
        self._make_column_menu()
        self._connect()
        self._shortcuts = [
            self._shortcut(ui.tablePage, keys, act)
            for keys, act in (
                ("N", self.next),
                ("P", self.previous),
                ("A", self.accept),
                ("R", self.reject),
                ("Ctrl+Z", self.undo),
            )
        ]
        self.refresh()

    # --- from outside ------------------------------------------------------------------------------------------

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Connect the widgets to other parameters; None takes them away."""
        if self._parameters is not None and self._tag is not None:
            self._parameters.disconnectGui(self._tag)
        self._parameters = None
        if parameters is None:
            self._busy = False
            self._show_table(None)
            return
        self._tag = parameters.connectGui(self.ui)
        self._parameters = parameters
        self._show_table(self.ui.tableSelector.currentNode())

    def walk_through(self, table: LesionTable) -> None:
        """Show this table."""
        if self.table is not None and self.table.node is table.node:
            self.refresh()
            return
        self._show_table(table.node, table)
        self._switching = True
        self.ui.tableSelector.setCurrentNode(table.node)
        self._switching = False

    def catch_up(self) -> None:
        """Find and measure the lesions anew if the segmentation was changed elsewhere."""
        if self._is_stale():
            self._recompute()

    def leave(self) -> None:
        """The module or the tab is left: the segment editor lets go of views and keys."""
        self.correction.leave()

    def release(self) -> None:
        self.set_parameters(None)
        self.correction.release()

    # --- the person walks --------------------------------------------------------------------------------------

    def next(self) -> None:
        self.lesions.step(1)

    def previous(self) -> None:
        self.lesions.step(-1)

    def accept(self) -> None:
        self._judge(Verdict.ACCEPTED)

    def reject(self) -> None:
        self._judge(Verdict.REJECTED)

    def undo(self) -> None:
        if self.table is None or self._busy:
            return
        key = self.table.undo()
        if key is not None:
            self.lesions.go_to(key)
            self._judged()

    def correct(self) -> None:
        """Open Slicer's segment editor on the segmentation."""
        table = self.table
        segmentation = table.linked(Role.SEGMENTATION) if table else None
        if table is None or segmentation is None:
            return
        row = self._row()
        self.correction.open(segmentation, table.linked(Role.VOLUME), row.segments if row else ())
        self.ui.reviewStack.setCurrentIndex(1)

    def done_correcting(self) -> None:
        self.leave()
        self.ui.reviewStack.setCurrentIndex(0)
        self.catch_up()

    def export(self) -> None:
        if self.table is None:
            return
        volume = self.table.linked(Role.VOLUME)
        name = volume.GetName() if volume is not None else "lesions"
        path = self._interaction.choose_file_to_write(
            _("Export the lesion table"), self._logic.study.folder / f"{name}.csv", "CSV (*.csv);;JSON (*.json)"
        )
        if path is None:
            return
        try:
            self._logic.export(self.table, path if path.suffix else path.with_suffix(".csv"))
        except (LossSegError, OSError) as error:
            self._interaction.tell_error(str(error))

    def add_to_training_set(self) -> None:
        if self.table is None or self._busy:
            return
        self._busy = True
        self.refresh()
        try:
            self._logic.start_adding(self.table, self._added, self._not_recomputed)
        except (LossSegError, ImportError) as error:
            self._not_recomputed(error)

    def _added(self, name: str) -> None:
        self._busy = False
        self._show_note(_("Added to the training set as case {name}. Nothing was trained.").format(name=name))
        self.refresh()

    def _show_note(self, text: str) -> None:
        self.ui.noteLabel.text = text
        self.ui.noteLabel.visible = bool(text)

    def refresh(self) -> None:
        """Bring the widgets up to date with the table."""
        table, ui = self.table, self.ui
        rows = table.rows if table else []
        self.lesions.show(rows)
        self.lesions.show_outcomes(any(one.outcome for one in rows))
        row = self._row()
        can_judge = row is not None and row.can_be_judged and not self._busy
        has_segmentation = table is not None and table.linked(Role.SEGMENTATION) is not None
        listed = len(self.lesions.keys)
        lesions = sum(one.is_lesion for one in rows)
        nothing = _("Segment a volume first, or choose a result.")
        at_none = _("Choose a lesion that is in the result.")
        for button, on, tip, reason in (
            (ui.previousButton, listed > 0, _("Previous lesion (P)"), nothing),
            (ui.nextButton, listed > 0, _("Next lesion (N)"), nothing),
            (ui.acceptButton, can_judge, _("Accept this lesion and go on (A)"), at_none),
            (ui.rejectButton, can_judge, _("Take this lesion out of the result and go on (R)"), at_none),
            (
                ui.undoButton,
                table is not None and table.can_undo and not self._busy,
                _("Take back the last verdict (Ctrl+Z)"),
                _("There is no verdict to take back."),
            ),
            (
                ui.correctButton,
                has_segmentation and not self._busy,
                _("Correct the segmentation by hand; the table follows."),
                nothing,
            ),
            (ui.exportButton, table is not None, _("Write the table as CSV or JSON."), nothing),
            (
                ui.trainingSetButton,
                has_segmentation and not self._busy,
                _("Write volume and segmentation as a case of the study's dataset. Nothing is trained by this."),
                nothing,
            ),
        ):
            button.enabled = bool(on)
            button.toolTip = tip if on else reason
        ui.referenceSelector.enabled = has_segmentation and not self._busy
        if self._busy:
            ui.countLabel.text = _("Measuring…")
        else:
            ui.countLabel.text = _("{n} of {all}").format(n=min(listed, lesions), all=lesions) if table else ""
        ui.measuresLabel.text = review.measures_text(table.measures) if table and table.linked(Role.REFERENCE) else ""
        ui.measuresLabel.visible = bool(ui.measuresLabel.text)

    # --- construction ------------------------------------------------------------------------------------------

    def _make_column_menu(self) -> None:
        self._menu = qt.QMenu(self.ui.columnsButton)
        for column in COLUMNS:
            action = self._menu.addAction(f"{_(column.title)}: {_(column.tip)}")
            action.setCheckable(True)
            action.setChecked(column.shown)
            action.connect("toggled(bool)", lambda on, key=column.key: self.lesions.show_column(key, on))
        self.ui.columnsButton.setMenu(self._menu)
        self.ui.columnsButton.setPopupMode(qt.QToolButton.InstantPopup)

    def _connect(self) -> None:
        ui = self.ui
        ui.tableSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._table_chosen)
        ui.referenceSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._reference_chosen)
        ui.filterCombo.connect("currentIndexChanged(int)", self._filter_chosen)
        ui.previousButton.connect("clicked()", self.previous)
        ui.nextButton.connect("clicked()", self.next)
        ui.acceptButton.connect("clicked()", self.accept)
        ui.rejectButton.connect("clicked()", self.reject)
        ui.undoButton.connect("clicked()", self.undo)
        ui.correctButton.connect("clicked()", self.correct)
        ui.exportButton.connect("clicked()", self.export)
        ui.doneButton.connect("clicked()", self.done_correcting)
        ui.trainingSetButton.connect("clicked()", self.add_to_training_set)

    def _shortcut(self, page: Any, keys: str, act: Callable[[], None]) -> Any:
        shortcut = qt.QShortcut(qt.QKeySequence(keys), page)
        shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        shortcut.connect("activated()", act)
        return shortcut

    # --- what the widgets call ---------------------------------------------------------------------------------

    def _table_chosen(self, node: Any) -> None:
        if not self._switching:
            self._show_table(node)

    def _show_table(self, node: Any | None, table: LesionTable | None = None) -> None:
        if self.table is not None:
            self.table.on_change = lambda: None
        self.table = None
        if node is not None and self._parameters is not None:
            self.table = table or LesionTable(node)
            self.table.on_change = self.refresh
            self._switching = True
            self.ui.referenceSelector.setCurrentNode(self.table.linked(Role.REFERENCE))
            self._switching = False
        self.ui.reviewStack.setCurrentIndex(0)
        self._show_note("")
        self._note_state()
        self.refresh()

    def _reference_chosen(self, node: Any) -> None:
        if self.table is None or self._switching:
            return
        if node is not None and node is self.table.linked(Role.SEGMENTATION):
            self.ui.measuresLabel.text = _("This is the result itself; choose another segmentation.")
            self.ui.measuresLabel.visible = True
            return
        if node is not self.table.linked(Role.REFERENCE):
            review.compare_with(self.table, node)
            self._recompute()

    def _filter_chosen(self, index: int) -> None:
        self.lesions.choose_filter(list(Filter)[max(0, index)])
        self.refresh()

    def _chosen(self, key: str | None) -> None:
        row = self._row()
        self._refresh_verdicts()
        if row is None or not row.is_lesion or self.table is None:
            return
        views.show_volume(self.table.linked(Role.VOLUME))
        views.jump(row.centroid_ras)
        segmentation = self.table.linked(Role.SEGMENTATION)
        if segmentation is not None:
            segmentation_io.emphasize(segmentation, row.segments)

    def _refresh_verdicts(self) -> None:
        """The buttons depend on the lesion where the person is."""
        row = self._row()
        on = row is not None and row.can_be_judged and not self._busy
        self.ui.acceptButton.enabled = self.ui.rejectButton.enabled = on

    def _row(self) -> LesionRow | None:
        key = self.lesions.current
        return self.table.row(key) if self.table is not None and key is not None else None

    def _judge(self, verdict: Verdict) -> None:
        row = self._row()
        if self.table is None or row is None or self._busy:
            return
        keys = self.lesions.keys
        after = keys[keys.index(row.key) + 1 :]
        if not self.table.judge(row.key, verdict):
            return
        # A filter may have taken the row away; the next one in the old order is where to go on.
        listed = set(self.lesions.keys)
        following = next((key for key in after if key in listed), None)
        if following is not None:
            self.lesions.go_to(following)
        self._judged()

    def _judged(self) -> None:
        self._note_state()
        if self.table is not None and self.table.linked(Role.REFERENCE) is not None:
            self._measure_case()
        self.refresh()

    # --- up to date --------------------------------------------------------------------------------------------

    def _note_state(self) -> None:
        segmentation = self.table.linked(Role.SEGMENTATION) if self.table else None
        self._seen = segmentation_io.state(segmentation) if segmentation is not None else None

    def _is_stale(self) -> bool:
        segmentation = self.table.linked(Role.SEGMENTATION) if self.table else None
        return segmentation is not None and not self._busy and segmentation_io.state(segmentation) != self._seen

    def _recompute(self) -> None:
        assert self.table is not None
        self._busy = True
        self.refresh()
        try:
            self._logic.start_recomputing(self.table, self._recomputed, self._not_recomputed)
        except (LossSegError, ImportError) as error:
            self._not_recomputed(error)

    def _measure_case(self) -> None:
        assert self.table is not None
        try:
            self._logic.start_measuring(self.table, self.refresh, self._not_recomputed)
        except (LossSegError, ImportError) as error:
            self._not_recomputed(error)

    def _recomputed(self) -> None:
        self._busy = False
        self._note_state()
        self.refresh()

    def _not_recomputed(self, error: Exception) -> None:
        self._busy = False
        self._note_state()
        self.refresh()
        if isinstance(error, ImportError):
            self._interaction.tell_error(_("Packages that measure lesions are missing."), _("Press Set up."))
        else:
            self._interaction.tell_error(str(error))
