"""Attributes of labels, fields, spin boxes, progress bars."""

import pathlib

import numpy as np
import qt

from probes.asking import probe
from probes.receiver import Receiver


@probe
def label_text_int():
    w = qt.QLabel()
    w.text = 5
    return w.text


@probe
def label_text_float():
    w = qt.QLabel()
    w.text = 1.5
    return w.text


@probe
def label_text_none():
    w = qt.QLabel("x")
    w.text = None
    return w.text


@probe
def label_setText_int():
    w = qt.QLabel()
    w.setText(5)
    return w.text


@probe
def label_text_call():
    w = qt.QLabel("a")
    return w.text()


@probe
def label_text_list():
    w = qt.QLabel("a")
    w.text = ["a", "b"]
    return w.text


@probe
def label_text_path():
    w = qt.QLabel("a")
    w.text = pathlib.Path("/a")
    return w.text


@probe
def label_typo_write():
    w = qt.QLabel()
    w.txt = "x"
    return w.txt


@probe
def label_typo_read():
    return qt.QLabel().txt


@probe
def label_wordWrap():
    w = qt.QLabel()
    w.wordWrap = 1
    return w.wordWrap


@probe
def label_alignment():
    w = qt.QLabel()
    w.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
    return int(w.alignment) == int(qt.Qt.AlignRight | qt.Qt.AlignVCenter)


@probe
def label_ctor_parent():
    p = qt.QWidget()
    w = qt.QLabel("a", p)
    return [w.text, w.parent() is p, w.parentWidget() is p]


@probe
def label_ctor_kwargs():
    return qt.QLabel(text="a").text


@probe
def lineedit_text_int():
    w = qt.QLineEdit()
    w.text = 5
    return w.text


@probe
def lineedit_placeholder():
    w = qt.QLineEdit()
    w.placeholderText = "p"
    w.readOnly = True
    w.clearButtonEnabled = True
    return [w.placeholderText, w.readOnly, w.clearButtonEnabled]


@probe
def lineedit_hasAcceptableInput():
    w = qt.QLineEdit()
    w.setValidator(qt.QIntValidator(0, 9, w))
    w.text = "12"
    return w.acceptableInput


@probe
def lineedit_hasAcceptableInput_call():
    return qt.QLineEdit().hasAcceptableInput()


@probe
def spin_float_assign():
    w = qt.QSpinBox()
    w.value = 3.7
    return w.value


@probe
def spin_str_assign():
    w = qt.QSpinBox()
    w.value = "7"
    return w.value


@probe
def spin_setValue_float():
    w = qt.QSpinBox()
    w.setValue(3.7)
    return w.value


@probe
def spin_numpy_int():
    w = qt.QSpinBox()
    w.value = np.int64(7)
    return w.value


@probe
def spin_setValue_numpy():
    w = qt.QSpinBox()
    w.setValue(np.int64(7))
    return w.value


@probe
def doublespin_numpy_float():
    w = qt.QDoubleSpinBox()
    w.value = np.float32(1.5)
    return w.value


@probe
def doublespin_setValue_numpy():
    w = qt.QDoubleSpinBox()
    w.setValue(np.float64(1.5))
    return w.value


@probe
def doublespin_int():
    w = qt.QDoubleSpinBox()
    w.value = 3
    return w.value


@probe
def spin_properties():
    w = qt.QSpinBox()
    w.minimum = 2
    w.maximum = 9
    w.singleStep = 2
    w.suffix = " px"
    w.specialValueText = "auto"
    w.value = 99
    return [w.value, w.text, w.cleanText, w.suffix]


@probe
def spin_setRange():
    w = qt.QSpinBox()
    w.setRange(1, 5)
    return [w.minimum, w.maximum]


@probe
def progress_float():
    w = qt.QProgressBar()
    w.maximum = 100
    w.value = 3.6
    return w.value


@probe
def progress_numpy():
    w = qt.QProgressBar()
    w.value = np.int64(3)
    return w.value


@probe
def progress_setValue_float():
    w = qt.QProgressBar()
    w.setValue(3.6)
    return w.value


@probe
def progress_busy_and_format():
    w = qt.QProgressBar()
    w.minimum = 0
    w.maximum = 0
    w.format = "%v of %m"
    w.textVisible = True
    return [w.value, w.text, w.format, w.minimum, w.maximum]


@probe
def progress_text_after_value():
    w = qt.QProgressBar()
    w.setRange(0, 10)
    w.value = 5
    w.format = "%p% done"
    return w.text


@probe
def progress_big_range():
    w = qt.QProgressBar()
    w.setRange(0, 2**40)
    return w.maximum


@probe
def plaintext():
    w = qt.QPlainTextEdit()
    w.plainText = "a"
    w.appendPlainText("b")
    w.readOnly = True
    w.maximumBlockCount = 100
    return [w.plainText, w.toPlainText(), w.blockCount]


@probe
def plaintext_setPlainText_int():
    w = qt.QPlainTextEdit()
    w.setPlainText(5)
    return w.plainText


@probe
def plaintext_scroll_to_end():
    w = qt.QPlainTextEdit()
    w.plainText = "\n".join("x" * 50)
    w.verticalScrollBar().value = w.verticalScrollBar().maximum
    w.moveCursor(qt.QTextCursor.End)
    w.ensureCursorVisible()
    return True


@probe
def color_ctor():
    return [
        qt.QColor(255, 0, 0).name(),
        qt.QColor("#00ff00").green(),
        qt.QColor.fromRgbF(1, 0, 0).name(),
        qt.QColor(255, 0, 0).redF(),
    ]


@probe
def color_float():
    return qt.QColor(255.0, 0.0, 0.0).name()


@probe
def formula_rich_text():
    w = qt.QLabel()
    w.setText("1 − <i>2TP</i>/(<i>2TP</i>+<i>FP</i>+<i>FN</i>) &nbsp; β<sub>1</sub> x<sup>2</sup>")
    w.textFormat = qt.Qt.RichText
    return w.sizeHint.width() > 50


@probe
def tooltip_contains():
    w = qt.QPushButton()
    w.toolTip = "why <b>not</b>"
    a = w.toolTip
    w.setToolTip("plain")
    return ["why" in a, "plain" in w.toolTip]


@probe
def tooltip_empty():
    w = qt.QPushButton()
    w.toolTip = "x"
    w.toolTip = ""
    return w.toolTip


@probe
def label_link_signal():
    w = qt.QLabel("<a href='u'>x</a>")
    r = Receiver()
    w.connect("linkActivated(QString)", r.one)
    w.linkActivated.emit("u")
    return r.got
