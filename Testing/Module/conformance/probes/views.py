"""Views on models, delegates."""

import qt

from probes.asking import probe, until
from probes.models_of_items import make_model


@probe
def view_selection_signal():
    v, m, got = (qt.QTableView(), make_model(), [])
    v.setModel(m)
    v.selectionBehavior = qt.QAbstractItemView.SelectRows
    v.selectionModel().connect(
        "selectionChanged(QItemSelection,QItemSelection)", lambda a, b: got.append([len(a.indexes()), len(b.indexes())])
    )
    v.selectRow(1)
    return got


@probe
def view_current_signal():
    v, m, got = (qt.QTableView(), make_model(), [])
    v.setModel(m)
    v.selectionModel().connect(
        "currentRowChanged(QModelIndex,QModelIndex)", lambda a, b: got.append([a.row(), b.row()])
    )
    v.selectRow(1)
    v.setCurrentIndex(m.index(2, 0))
    return got


@probe
def view_current_attr():
    v, m, got = (qt.QTableView(), make_model(), [])
    v.setModel(m)
    v.selectionModel().currentChanged.connect(lambda a, b: got.append([a.row(), b.row()]))
    v.setCurrentIndex(m.index(2, 0))
    return got


@probe
def view_selectedRows():
    v, m = (qt.QTableView(), make_model())
    v.setModel(m)
    v.selectionBehavior = qt.QAbstractItemView.SelectRows
    v.selectRow(1)
    return [[i.row() for i in v.selectionModel().selectedRows()], v.currentIndex().row(), v.currentIndex().isValid()]


@probe
def view_currentIndex_property():
    v, m = (qt.QTableView(), make_model())
    v.setModel(m)
    return v.currentIndex.row()


@probe
def view_select_flags():
    v, m = (qt.QTableView(), make_model())
    v.setModel(m)
    v.selectionModel().select(m.index(1, 0), qt.QItemSelectionModel.ClearAndSelect | qt.QItemSelectionModel.Rows)
    return [i.row() for i in v.selectionModel().selectedRows()]


@probe
def view_scrollTo():
    v, m = (qt.QTableView(), make_model())
    v.setModel(m)
    v.scrollTo(m.index(2, 0))
    v.scrollTo(m.index(2, 0), qt.QAbstractItemView.PositionAtCenter)
    v.resizeColumnsToContents()
    v.setColumnHidden(1, True)
    v.setColumnWidth(0, 50)
    return [v.isColumnHidden(1), v.columnWidth(0)]


@probe
def view_sortByColumn():
    v, m, p = (qt.QTableView(), make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    v.setModel(p)
    v.sortingEnabled = True
    v.sortByColumn(0, qt.Qt.AscendingOrder)
    return [p.index(r, 0).data() for r in range(3)]


@probe
def view_contextMenu():
    v, got = (qt.QTableView(), [])
    v.contextMenuPolicy = qt.Qt.CustomContextMenu
    v.connect("customContextMenuRequested(QPoint)", lambda p: got.append([p.x(), p.y()]))
    v.customContextMenuRequested(qt.QPoint(3, 4))
    return got


@probe
def delegate_displayText():

    class D(qt.QStyledItemDelegate):
        def displayText(self, value, locale):
            return f"<{value}>"

    d, v, m = (D(), qt.QTableView(), make_model())
    v.setModel(m)
    v.setItemDelegateForColumn(0, d)
    return d.displayText(3, qt.QLocale())


@probe
def delegate_paint_called():
    hit = []

    class D(qt.QStyledItemDelegate):
        def paint(self, painter, option, index):
            hit.append(index.row())
            painter.fillRect(option.rect, qt.QColor("red"))

    d, v, m = (D(), qt.QTableView(), make_model())
    v.setModel(m)
    v.setItemDelegate(d)
    v.resize(200, 200)
    v.show()
    until(lambda: hit, 500)
    v.hide()
    return sorted(set(hit))


@probe
def delegate_displayText_called():
    hit = []

    class D(qt.QStyledItemDelegate):
        def displayText(self, value, locale):
            hit.append(value)
            return "z"

    d, v, m = (D(), qt.QTableView(), make_model())
    v.setModel(m)
    v.setItemDelegateForColumn(0, d)
    v.resize(200, 200)
    v.show()
    until(lambda: hit, 500)
    v.hide()
    return sorted(set(hit))
