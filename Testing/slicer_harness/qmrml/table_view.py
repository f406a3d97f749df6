"""qMRMLTableView over a real vtkMRMLTableNode."""

import vtk

from ..binding import QtCore, QtWidgets, Signal
from ..stand_ins import stand_in, stored
from .observation import Observations, is_alive
from .scene_widgets import WithScene


class _Model(QtCore.QAbstractTableModel):
    """Letters as header and the column names in row 0, unless the node says that a title or name is the header."""

    def __init__(self, node, parent=None):
        super().__init__(parent)
        self._node = node
        titled = node and (node.GetUseColumnTitleAsColumnHeader() or node.GetUseColumnNameAsColumnHeader())
        self._name_rows = 0 if node is None or titled else 1

    def rowCount(self, parent=None) -> int:
        return self._node.GetTable().GetNumberOfRows() + self._name_rows if self._node else 0

    def columnCount(self, parent=None) -> int:
        return self._node.GetTable().GetNumberOfColumns() if self._node else 0

    def data(self, index, role=QtCore.Qt.ItemDataRole.DisplayRole):
        if role != QtCore.Qt.ItemDataRole.DisplayRole:
            return None
        table, row = self._node.GetTable(), index.row() - self._name_rows
        return table.GetColumnName(index.column()) if row < 0 else table.GetValue(row, index.column()).ToString()

    def headerData(self, section, orientation, role=QtCore.Qt.ItemDataRole.DisplayRole):
        if role != QtCore.Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == QtCore.Qt.Orientation.Vertical:
            return str(section + 1)
        if self._name_rows:
            return chr(ord("A") + section)
        name = self._node.GetTable().GetColumnName(section)
        if not self._node.GetUseColumnTitleAsColumnHeader():
            return name
        unit = self._node.GetColumnUnitLabel(name)
        return (self._node.GetColumnTitle(name) or name) + (f" [{unit}]" if unit else "")


@stand_in
class qMRMLTableView(WithScene, QtWidgets.QTableView):
    """Cells are text: sorting puts 10 and 100 before 9."""

    _rows_selected = Signal()
    mrmlSceneChanged = Signal(object)
    _signals_ = {"selectionChanged()": "_rows_selected", "mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    transposed = stored(bool, "transposed", False)
    firstRowLocked = stored(bool, "firstRowLocked", False)
    firstColumnLocked = stored(bool, "firstColumnLocked", False)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node, self._proxy, self._observed = None, None, Observations()

    def mrmlTableNode(self):
        return self._node

    def setMRMLTableNode(self, node) -> None:
        self._observed.clear()
        self._node = node
        if node is not None:
            self._observed.add(node, vtk.vtkCommand.ModifiedEvent, lambda *event: is_alive(self) and self._reset())
        self._reset()

    def _reset(self) -> None:
        self._proxy = QtCore.QSortFilterProxyModel(self)
        self._proxy.setSourceModel(_Model(self._node, self))
        self.setModel(self._proxy)
        selection = self.selectionModel()
        selection.connect("selectionChanged(QItemSelection,QItemSelection)", lambda: self._rows_selected.emit())
