"""The tab Review: walk through the lesions, judge them, correct them, compare with a reference, export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from lossseg.errors import LossSegError
from SlicerLossSegLib import frames, review, review_buttons, segmentation_io, views
from SlicerLossSegLib.correction import Correction
from SlicerLossSegLib.interaction import Interaction
from SlicerLossSegLib.lesion_list import Filter, LesionList
from SlicerLossSegLib.lesion_row import COLUMNS, LesionRow, Verdict
from SlicerLossSegLib.lesion_table import KIND, LesionTable, Role
from SlicerLossSegLib.parameters import Parameters
from SlicerLossSegLib.review_buttons import ReviewState
from SlicerLossSegLib.shown_table import ShownTable
from SlicerLossSegLib.upkeep import Upkeep


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
        self._shown = ShownTable(self.refresh, self._frame_changed)
        self._upkeep = Upkeep(logic, interaction, self._kept_up)
        self.correction = Correction(ui.editorPage.layout())
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

    @property
    def table(self) -> LesionTable | None:
        """The table that is shown; of a sequence that of the frame in its browser."""
        return self._shown.current

    @property
    def _busy(self) -> bool:
        return self._upkeep.busy

    def set_parameters(self, parameters: Parameters | None) -> None:
        """Connect the widgets to other parameters; None takes them away."""
        if self._parameters is not None and self._tag is not None:
            self._parameters.disconnectGui(self._tag)
        self._parameters = None
        if parameters is None:
            self._upkeep.forget()
            self._show_table(None)
            return
        self._tag = parameters.connectGui(self.ui)
        self._parameters = parameters
        self._show_table(self.ui.tableSelector.currentNode())

    def walk_through(self, table: LesionTable) -> None:
        """Show this table."""
        if self.table is not None and self.table.node is table.node:
            self._shown.adopt(table)
            self._upkeep.note(table)
            self.refresh()
            return
        self._show_table(table.node, table)
        self._switching = True
        self.ui.tableSelector.setCurrentNode(table.node)
        self._switching = False

    def catch_up(self) -> None:
        """Find and measure the lesions anew if the segmentation was changed elsewhere."""
        self._upkeep.catch_up(self.table)

    def take_keys(self) -> None:
        """The tab was opened: N, P, A and R work at once."""
        # For any other reason the view would make its first cell current: a lesion that the person did not go to.
        self.ui.lesionView.setFocus(qt.Qt.MouseFocusReason)

    def leave(self) -> None:
        """The module or the tab is left: the segment editor lets go of views and keys."""
        self.correction.leave()
        self.ui.reviewStack.setCurrentIndex(0)

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
        segmentation = table.shown(Role.SEGMENTATION) if table else None
        if table is None or segmentation is None:
            return
        row = self._row()
        self.correction.open(segmentation, table.shown(Role.VOLUME), row.segments if row else ())
        self.ui.reviewStack.setCurrentIndex(1)

    def done_correcting(self) -> None:
        self.leave()
        self.catch_up()
        self.take_keys()

    def export(self) -> None:
        if self.table is None:
            return
        start = self._logic.study.folder / f"{self.table.source_name}.csv"
        path = self._interaction.choose_file_to_write(_("Export the lesion table"), start, "CSV (*.csv);;JSON (*.json)")
        if path is None:
            return
        try:
            self._logic.export(self.table, path if path.suffix else path.with_suffix(".csv"))
        except (LossSegError, OSError) as error:
            self._interaction.tell_error(str(error))

    def add_to_training_set(self) -> None:
        if self.table is None or self._busy:
            return
        self._upkeep.add_to_training_set(self.table, self._added)

    def _added(self, name: str) -> None:
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
        listed, lesions = len(self.lesions.keys), sum(one.is_lesion for one in rows)
        if self._busy:
            ui.countLabel.text = _("Measuring…")
        elif table is None:
            ui.countLabel.text = ""
        else:
            ui.countLabel.text = _("{n} of {all}").format(n=min(listed, lesions), all=lesions)
        compared = table is not None and table.reference is not None
        ui.measuresLabel.text = review.measures_text(table.measures) if table and compared else ""
        ui.measuresLabel.visible = bool(ui.measuresLabel.text)
        sequence = table.sequence if table else None
        ui.frameLabel.visible = ui.frameText.visible = sequence is not None
        if table is not None and sequence is not None:
            ui.frameText.text = frames.describe(sequence, table.frame)
        self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        table, row = self.table, self._row()
        if table is None:
            lacking = _("Segment a volume first, or choose a result.")
        elif not table.is_segmented:
            lacking = _("This frame was not segmented.")
        elif table.linked(Role.SEGMENTATION) is None:
            lacking = _("The segmentation is not in the scene any more.")
        else:
            lacking = ""
        state = ReviewState(
            has_table=table is not None,
            listed=self.lesions.has_rows,
            can_judge=row is not None and row.can_be_judged,
            can_undo=table is not None and table.can_undo,
            lacking=lacking,
            busy=self._busy,
        )
        review_buttons.show(self.ui, state)

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
            self._upkeep.catch_up(self.table)

    def _show_table(self, node: Any | None, table: LesionTable | None = None) -> None:
        self._shown.open(node if self._parameters is not None else None, table)
        self._show_current()

    def _show_current(self) -> None:
        table = self.table
        if table is not None:
            self._switching = True
            self.ui.referenceSelector.setCurrentNode(table.reference)
            self._switching = False
            self._upkeep.begin(table)
        self.ui.reviewStack.setCurrentIndex(0)
        # A lesion of the same number elsewhere is not the one where the person is.
        self.lesions.show([])
        self._show_note("")
        self.refresh()

    def _frame_changed(self, before: LesionTable) -> None:
        """The browser shows another frame: what was painted in the one before is measured, too."""
        if self.ui.reviewStack.currentIndex == 1:
            self.leave()
        self._show_current()
        self._upkeep.catch_up(before)
        self._upkeep.catch_up(self.table)

    def _kept_up(self) -> None:
        # While one frame was measured the person may have gone to another one that needs it.
        if not self._upkeep.catch_up(self.table):
            self.refresh()

    def _reference_chosen(self, node: Any) -> None:
        if self.table is None or self._switching:
            return
        if node is not None and node is self.table.shown(Role.SEGMENTATION):
            self.ui.measuresLabel.text = _("This is the result itself; choose another segmentation.")
            self.ui.measuresLabel.visible = True
            return
        if node is not self.table.reference:
            review.compare_with(self.table, node)
            self._upkeep.recompute(self.table)

    def _filter_chosen(self, index: int) -> None:
        self.lesions.choose_filter(list(Filter)[max(0, index)])
        self.refresh()

    def _chosen(self, key: str | None) -> None:
        row = self._row()
        self._refresh_buttons()
        if row is None or not row.is_lesion or self.table is None:
            return
        views.show_volume(self.table.shown(Role.VOLUME))
        views.jump(row.centroid_ras)
        segmentation = self.table.shown(Role.SEGMENTATION)
        if segmentation is not None:
            segmentation_io.emphasize(segmentation, row.segments)

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
        if self.table is not None:
            self._upkeep.note(self.table)
            if self.table.reference is not None:
                self._upkeep.measure(self.table)
        self.refresh()
