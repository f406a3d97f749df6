"""A model with numbers beside texts."""

import qt


def make_model(rows=((10, "b"), (9, "a"), (100, "c"))):
    m = qt.QStandardItemModel(0, 2)
    for number, text in rows:
        a, b = qt.QStandardItem(), qt.QStandardItem(text)
        a.setData(number, qt.Qt.DisplayRole)
        a.setData(number * 2, qt.Qt.UserRole + 1)
        m.appendRow([a, b])
    return m
