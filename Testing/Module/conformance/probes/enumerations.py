"""Enumerations, plain values, the names in qt."""

import numpy as np
import qt
import slicer

from probes.asking import TEMPORARY, probe


def png():
    import struct
    import zlib

    raw = b"".join(b"\x00" + b"\xff\x00\x00" * 5 for _ in range(3))

    def chunk(t, d):
        return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 3, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


@probe
def enum_int():
    return int(qt.Qt.Checked)


@probe
def enum_eq_int():
    return qt.Qt.Checked == 2


@probe
def enum_or():
    return int(qt.Qt.AlignLeft | qt.Qt.AlignVCenter)


@probe
def enum_scoped_access():
    return qt.Qt.CheckState.Checked == qt.Qt.Checked


@probe
def enum_int_argument():
    w = qt.QLabel()
    w.setAlignment(1)
    return True


@probe
def enum_messagebox_or():
    flags = qt.QMessageBox.Yes | qt.QMessageBox.No
    return flags == qt.QMessageBox.No | qt.QMessageBox.Yes


@probe
def enum_str():
    return str(qt.QProcess.NotRunning)


@probe
def enum_role_arithmetic():
    return int(qt.Qt.UserRole + 1)


@probe
def qt_names():
    return {
        n: hasattr(qt, n)
        for n in (
            "Signal",
            "Slot",
            "Property",
            "QRegExp",
            "QRegularExpression",
            "QDesktopWidget",
            "QThread",
            "QtCore",
            "Qt",
            "QSignalBlocker",
            "QElapsedTimer",
            "QChart",
            "QChartView",
            "QMutex",
            "QEventLoop",
            "QStandardItemModel",
            "QAbstractTableModel",
            "QSortFilterProxyModel",
            "QItemSelectionModel",
            "QModelIndex",
            "QVariant",
            "QByteArray",
            "QProcess",
            "QProcessEnvironment",
            "QFileSystemWatcher",
            "QSvgRenderer",
            "QSvgWidget",
            "QWebEngineView",
            "QDesktopServices",
            "QUrl",
            "QTextCursor",
            "QSyntaxHighlighter",
            "QStyledItemDelegate",
            "QHeaderView",
            "QCompleter",
            "QShortcut",
            "QUndoStack",
            "QUndoCommand",
            "QLocale",
            "QTranslator",
            "QStorageInfo",
            "QRunnable",
            "QThreadPool",
            "QTemporaryDir",
            "QLockFile",
            "QFutureWatcher",
            "QMetaObject",
            "QPersistentModelIndex",
            "QWidgetAction",
            "QInputDialog",
            "QErrorMessage",
            "QWizard",
            "QDockWidget",
            "QGraphicsView",
            "QOpenGLWidget",
            "QJsonDocument",
        )
    }


@probe
def image_from_numpy_bytes():
    a = np.zeros((4, 6, 3), np.uint8)
    a[..., 0] = 255
    i = qt.QImage(a.tobytes(), 6, 4, 18, qt.QImage.Format_RGB888)
    return [i.width(), i.height(), i.pixelColor(0, 0).name()]


@probe
def icon_file():
    (TEMPORARY / "i.png").write_bytes(png())
    f = str(TEMPORARY / "i.png")
    i = qt.QIcon(f)
    j = qt.QIcon(qt.QPixmap(f))
    return [i.isNull(), j.isNull(), i.pixmap(16, 16).width() > 0]


@probe
def size_float():
    return qt.QSize(1.5, 2.5).width()


@probe
def bytearray_forms():
    b = qt.QByteArray(b"abc")
    return [type(b.data()).__name__, b.size(), b.length(), len(b)]


@probe
def bytearray_from_str():
    return bytes(qt.QByteArray("abc").data()).decode()


@probe
def enum_process_state_name_compare():
    p = qt.QProcess()
    return [
        p.state() == qt.QProcess.NotRunning,
        p.state() != qt.QProcess.Running,
        p.state() in (qt.QProcess.NotRunning,),
    ]


@probe
def image_from_numpy_ppm():
    a = np.zeros((4, 6, 3), np.uint8)
    a[..., 0] = 255
    i = qt.QImage()
    ok = i.loadFromData(b"P6\n6 4\n255\n" + a.tobytes())
    return [ok, i.width(), i.height(), i.pixelColor(0, 0).name()]


@probe
def list_of_int_argument():
    w = qt.QSplitter()
    w.addWidget(qt.QLabel())
    w.setSizes((10,))
    return len(w.sizes())


@probe
def static_on_instance():
    return slicer.app.processEvents() is None
