"""Items of tables, lists and trees."""

import numpy as np
import qt

from probes.asking import probe


@probe
def listwidget():
    w = qt.QListWidget()
    w.addItem("a")
    i = qt.QListWidgetItem("b")
    i.setCheckState(qt.Qt.Checked)
    i.setData(qt.Qt.UserRole, {"k": [1, 2]})
    w.addItem(i)
    return [w.count, w.item(1).text(), w.item(1).data(qt.Qt.UserRole), w.item(1).checkState() == qt.Qt.Checked]


@probe
def listwidget_item_property():
    return qt.QListWidgetItem("b").text


@probe
def listwidget_flags():
    i = qt.QListWidgetItem("b")
    i.setFlags(i.flags() | qt.Qt.ItemIsUserCheckable)
    i.setFlags(i.flags() & ~qt.Qt.ItemIsEnabled)
    return True


@probe
def treewidget():
    w = qt.QTreeWidget()
    w.columnCount = 2
    w.setHeaderLabels(["a", "b"])
    t = qt.QTreeWidgetItem(w, ["x", "1"])
    c = qt.QTreeWidgetItem(t)
    c.setText(0, "y")
    c.setCheckState(0, qt.Qt.Checked)
    t.setExpanded(True)
    return [w.topLevelItemCount, t.childCount(), t.text(0), c.parent() is t]


@probe
def treewidget_iterate():
    w = qt.QTreeWidget()
    t = qt.QTreeWidgetItem(w)
    t.setText(0, "x")
    t.setData(0, qt.Qt.UserRole, "u")
    return [w.topLevelItem(0).text(0), w.topLevelItem(0).data(0, qt.Qt.UserRole), w.invisibleRootItem().childCount()]


@probe
def table_rowCount_call():
    return qt.QTableWidget(2, 2).rowCount()


@probe
def table_item_text_property():
    return qt.QTableWidgetItem("x").text


@probe
def table_item_data_types():
    i = qt.QTableWidgetItem()
    out = []
    for v in ("s", 3, 1.5, True, None, [1, 2], {"a": 1}, (1, 2)):
        i.setData(qt.Qt.UserRole, v)
        out.append(i.data(qt.Qt.UserRole))
    return out


@probe
def table_item_display_numpy():
    i = qt.QTableWidgetItem()
    i.setData(qt.Qt.DisplayRole, np.float32(1.5))
    return [i.text(), i.data(qt.Qt.DisplayRole)]


@probe
def table_item_display_numpy_int():
    i = qt.QTableWidgetItem()
    i.setData(qt.Qt.DisplayRole, np.int64(15))
    return [i.text(), i.data(qt.Qt.DisplayRole)]


@probe
def table_sort_numeric():
    t = qt.QTableWidget(3, 1)
    for r, v in enumerate((10, 9, 100)):
        i = qt.QTableWidgetItem()
        i.setData(qt.Qt.DisplayRole, v)
        t.setItem(r, 0, i)
    t.sortItems(0, qt.Qt.AscendingOrder)
    return [t.item(r, 0).text() for r in range(3)]


@probe
def table_item_lt_override():

    class N(qt.QTableWidgetItem):
        def __init__(self, v):
            qt.QTableWidgetItem.__init__(self, str(v))
            self.v = v

        def __lt__(self, other):
            return self.v < other.v

    t = qt.QTableWidget(3, 1)
    keep = [N(v) for v in (10, 9, 100)]
    for r, i in enumerate(keep):
        t.setItem(r, 0, i)
    t.sortItems(0)
    return [t.item(r, 0).text() for r in range(3)]


@probe
def table_currentRow_property():
    return qt.QTableWidget(1, 1).currentRow


@probe
def table_flags_int_and():
    i = qt.QTableWidgetItem("x")
    return int(i.flags()) & 2


@probe
def check_role_data():
    i = qt.QStandardItem()
    i.setCheckable(True)
    i.setCheckState(qt.Qt.Checked)
    return [i.checkState() == qt.Qt.Checked, i.isCheckable()]
