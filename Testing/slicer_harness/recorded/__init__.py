"""What Slicer 5.12 offers to Python, recorded from its sources: the harness offers no more.

`slicer_classes.json`: properties, signals and methods of the classes of CTK and Slicer (`record_slicer_classes.py`).
`qt_names.json`: what PySide6 has and PythonQt has not (`record_qt_names.py`).
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
VTK_WIDGETS = {"QVTKOpenGLNativeWidget": "QWidget"}  # VTK's class between Slicer's and Qt's


@dataclass(frozen=True)
class ClassRecord:
    """A C++ class as PythonQt shows it, inherited members of CTK and Slicer classes included.

    qt_base: the Qt class that it is made from.
    properties: name -> whether it can be assigned.
    signals: normalized signatures.
    names: methods (slots and Q_INVOKABLE) and enumeration members.
    """

    name: str
    qt_base: str
    properties: dict[str, bool]
    signals: frozenset[str]
    names: frozenset[str]

    @property
    def public(self) -> frozenset[str]:
        """Every name that Python finds on an object of the class, those of its Qt base aside."""
        return self.names | self.properties.keys() | {signature.partition("(")[0] for signature in self.signals}


@functools.cache
def _classes() -> dict[str, dict]:
    return json.loads((HERE / "slicer_classes.json").read_text(encoding="utf-8"))


@functools.cache
def class_record(name: str) -> ClassRecord:
    """The record of a class; KeyError when it was not recorded."""
    own = _classes()[name]
    properties, signals, names, qt_base = dict(own["properties"]), set(own["signals"]), set(own["names"]), own["base"]
    if qt_base in _classes():
        inherited = class_record(qt_base)
        properties = {**inherited.properties, **properties}
        signals |= inherited.signals
        names |= inherited.names
        qt_base = inherited.qt_base
    qt_base = VTK_WIDGETS.get(qt_base, qt_base)
    return ClassRecord(name, qt_base, properties, frozenset(signals), frozenset(names))


@functools.cache
def qt_names() -> dict:
    """`classes`: Qt classes unknown to PythonQt; `members`: class -> functions of PySide6 that PythonQt has not."""
    return json.loads((HERE / "qt_names.json").read_text(encoding="utf-8"))
