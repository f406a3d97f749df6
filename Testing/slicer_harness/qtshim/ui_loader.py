"""qt.QUiLoader for Designer files: an unknown class, property, signal or slot is an error.

Slicer makes a plain QWidget of an unknown class, a dynamic property of an unknown one and ignores a wrong connection,
all without a word.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from .. import stand_ins
from ..binding import Property, QtCore, QtUiTools, QtWidgets
from .classes import find_attribute
from .guards import open_attributes
from .properties import StaticOrProperty
from .signals import split

# Slicer has no Designer plugin for these and makes a bare QWidget.
WITHOUT_PLUGIN = {"qMRMLPlotView": "qMRMLPlotWidget", "qMRMLTableWidget": "qMRMLTableView", "ctkMessageBox": "code"}

PROPERTY_KINDS = (property, StaticOrProperty, Property)


class QUiLoader(QtUiTools.QUiLoader):
    def load(self, source, parent=None):
        """The top widget of a .ui file (an open QFile or a path)."""
        from_device = any(base is QtCore.QIODevice for base in type(source).__mro__)
        root = ElementTree.fromstring(bytes(source.readAll().data()) if from_device else Path(source).read_bytes())
        for widget in root.iter("widget"):
            self._check_class(widget.get("class"))
            _check_properties(widget)
        connections = _take_connections(root)
        buffer = QtCore.QBuffer()
        buffer.setData(QtCore.QByteArray(ElementTree.tostring(root)))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        with open_attributes():
            made = super().load(buffer, parent)
        if made is None:
            raise RuntimeError(f"QUiLoader: {self.errorString()}")
        _connect_all(made, connections)
        return made

    def _check_class(self, name: str) -> None:
        if name in WITHOUT_PLUGIN:
            raise RuntimeError(
                f"Slicer cannot create {name} from a .ui file, it makes a plain QWidget: use {WITHOUT_PLUGIN[name]}"
            )
        if name in stand_ins.classes:
            self.registerCustomWidget(stand_ins.classes[name])
        elif name not in self.availableWidgets():
            raise RuntimeError(f"the harness has no stand-in for widget class {name}")


def _check_properties(widget: ElementTree.Element) -> None:
    name = widget.get("class")
    cls = stand_ins.classes.get(name) or getattr(QtWidgets, name)
    for prop in widget.findall("property"):
        known = isinstance(find_attribute(cls, prop.get("name")), PROPERTY_KINDS)
        if not known and prop.get("stdset") != "0":
            raise RuntimeError(
                f"{name} '{widget.get('name')}' has no property '{prop.get('name')}' (stdset=\"0\" makes a dynamic one)"
            )


def _take_connections(root: ElementTree.Element) -> list[tuple[str, str, str, str]]:
    """(sender, signal, receiver, slot) of each connection, taken out: PySide cannot make those of stand-ins."""
    found = []
    for group in root.findall("connections"):
        found += [tuple(c.findtext(key) for key in ("sender", "signal", "receiver", "slot")) for c in group]
        root.remove(group)
    return found


def _connect_all(top, connections: list[tuple[str, str, str, str]]) -> None:
    named = {obj.objectName: obj for obj in (top, *top.findChildren(QtCore.QObject)) if obj.objectName}
    for sender, signal, receiver, slot in connections:
        named[sender].connect(signal, getattr(named[receiver], split(slot)[0]))
