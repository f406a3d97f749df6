"""Item models and proxies."""

import qt

from probes.asking import probe, spin
from probes.models_of_items import make_model


@probe
def model_standard():
    m = make_model()
    return [
        m.rowCount(),
        m.columnCount(),
        m.item(0, 1).text(),
        m.item(0, 0).data(qt.Qt.DisplayRole),
        m.index(1, 0).data(),
        m.data(m.index(2, 1)),
    ]


@probe
def model_rowCount_property():
    return make_model().rowCount


@probe
def model_setHeader():
    m = make_model()
    m.setHorizontalHeaderLabels(["n", "s"])
    m.setHeaderData(0, qt.Qt.Horizontal, "N")
    return [m.headerData(0, qt.Qt.Horizontal), m.headerData(1, qt.Qt.Horizontal)]


@probe
def model_setData_role():
    m = make_model()
    ok = m.setData(m.index(0, 0), {"a": 1}, qt.Qt.UserRole)
    return [ok, m.data(m.index(0, 0), qt.Qt.UserRole)]


@probe
def model_item_text_property():
    return qt.QStandardItem("x").text


@probe
def model_item_local_reference():
    m = qt.QStandardItemModel(0, 1)
    m.appendRow(qt.QStandardItem("x"))
    import gc

    gc.collect()
    return m.item(0, 0).text()


@probe
def proxy_sort_default_role():
    m, p = (make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    p.sort(0, qt.Qt.AscendingOrder)
    return [p.index(r, 0).data() for r in range(3)]


@probe
def proxy_sort_user_role():
    m, p = (make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    p.sortRole = qt.Qt.UserRole + 1
    p.sort(0, qt.Qt.DescendingOrder)
    return [p.index(r, 0).data() for r in range(3)]


@probe
def proxy_sort_text_numbers():
    m = qt.QStandardItemModel(0, 1)
    [m.appendRow(qt.QStandardItem(s)) for s in ("10", "9", "100")]
    p = qt.QSortFilterProxyModel()
    p.setSourceModel(m)
    p.sort(0)
    return [p.index(r, 0).data() for r in range(3)]


@probe
def proxy_filter_fixed():
    m, p = (make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    p.filterKeyColumn = 1
    p.setFilterFixedString("b")
    a = p.rowCount()
    p.setFilterFixedString("")
    return [a, p.rowCount()]


@probe
def proxy_filter_regexp():
    m, p = (make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    p.filterKeyColumn = 1
    p.setFilterRegExp("a|b")
    return p.rowCount()


@probe
def proxy_filter_regularexpression():
    m, p = (make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    p.filterKeyColumn = 1
    p.setFilterRegularExpression("a|b")
    return p.rowCount()


@probe
def proxy_filter_override():

    class F(qt.QSortFilterProxyModel):
        def filterAcceptsRow(self, row, parent):
            return self.sourceModel().index(row, 0, parent).data() > 9

    m, p = (make_model(), F())
    p.setSourceModel(m)
    return p.rowCount()


@probe
def proxy_filter_override_default_parent():

    class F(qt.QSortFilterProxyModel):
        def filterAcceptsRow(self, row, parent):
            return self.sourceModel().data(self.sourceModel().index(row, 0)) > 9

    m, p = (make_model(), F())
    p.setSourceModel(m)
    return p.rowCount()


@probe
def proxy_invalidateFilter():

    class F(qt.QSortFilterProxyModel):
        limit = 9

        def filterAcceptsRow(self, row, parent):
            return self.sourceModel().index(row, 0).data() > self.limit

    m, p = (make_model(), F())
    p.setSourceModel(m)
    a = p.rowCount()
    p.limit = 50
    p.invalidateFilter()
    return [a, p.rowCount()]


@probe
def proxy_invalidate():

    class F(qt.QSortFilterProxyModel):
        limit = 9

        def filterAcceptsRow(self, row, parent):
            return self.sourceModel().index(row, 0).data() > self.limit

    m, p = (make_model(), F())
    p.setSourceModel(m)
    a = p.rowCount()
    p.limit = 50
    p.invalidate()
    return [a, p.rowCount()]


@probe
def proxy_lessThan_override():

    class F(qt.QSortFilterProxyModel):
        def lessThan(self, a, b):
            return a.data() > b.data()

    m, p = (make_model(), F())
    p.setSourceModel(m)
    p.sort(0, qt.Qt.AscendingOrder)
    return [p.index(r, 0).data() for r in range(3)]


@probe
def proxy_override_exception():

    class F(qt.QSortFilterProxyModel):
        def filterAcceptsRow(self, row, parent):
            raise ValueError("boom")

    m, p = (make_model(), F())
    p.setSourceModel(m)
    return p.rowCount()


@probe
def proxy_mapToSource():
    m, p = (make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    p.sort(0, qt.Qt.DescendingOrder)
    return [p.mapToSource(p.index(0, 0)).row(), p.mapFromSource(m.index(0, 0)).row()]


@probe
def proxy_dynamic():
    m, p = (make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    p.dynamicSortFilter = True
    p.sort(0, qt.Qt.AscendingOrder)
    m.item(0, 0).setData(1, qt.Qt.DisplayRole)
    return [p.index(r, 0).data() for r in range(3)]


@probe
def abstract_table_model_python():

    class M(qt.QAbstractTableModel):
        def rowCount(self, parent=None):
            return 3

        def columnCount(self, parent=None):
            return 2

        def data(self, index, role=0):
            return f"{index.row()},{index.column()}" if role == qt.Qt.DisplayRole else None

    m = M()
    return [m.rowCount(), m.data(m.index(1, 1), qt.Qt.DisplayRole), m.index(1, 1).data()]


@probe
def abstract_table_model_python_in_view():

    class M(qt.QAbstractTableModel):
        def rowCount(self, parent=None):
            return 3

        def columnCount(self, parent=None):
            return 2

        def data(self, index, role=0):
            return f"{index.row()},{index.column()}" if role == qt.Qt.DisplayRole else None

    m, p, v = (M(), qt.QSortFilterProxyModel(), qt.QTableView())
    p.setSourceModel(m)
    v.setModel(p)
    v.show()
    spin(30)
    v.hide()
    return [p.rowCount(), p.index(2, 1).data()]


@probe
def proxy_sourceModel_is_property():
    m, p = (make_model(), qt.QSortFilterProxyModel())
    p.setSourceModel(m)
    return p.sourceModel == m


@probe
def proxy_filter_override_property():

    class F(qt.QSortFilterProxyModel):
        def filterAcceptsRow(self, row, parent):
            return self.sourceModel.index(row, 0, parent).data() > 9

    m, p = (make_model(), F())
    p.setSourceModel(m)
    return p.rowCount()


@probe
def proxy_filter_override_own_reference():

    class F(qt.QSortFilterProxyModel):
        limit = 9

        def filterAcceptsRow(self, row, parent):
            return self.m.item(row, 0).data(qt.Qt.DisplayRole) > self.limit

    m, p = (make_model(), F())
    p.m = m
    p.setSourceModel(m)
    a = p.rowCount()
    p.limit = 50
    p.invalidateFilter()
    return [a, p.rowCount()]


@probe
def proxy_filter_override_invalidate():

    class F(qt.QSortFilterProxyModel):
        limit = 9

        def filterAcceptsRow(self, row, parent):
            return self.m.item(row, 0).data(qt.Qt.DisplayRole) > self.limit

    m, p = (make_model(), F())
    p.m = m
    p.setSourceModel(m)
    a = p.rowCount()
    p.limit = 50
    p.invalidate()
    return [a, p.rowCount()]


@probe
def proxy_filter_item_data_default_role():
    return qt.QStandardItem("x").data()
