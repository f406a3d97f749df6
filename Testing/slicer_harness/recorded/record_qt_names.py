"""Writes qt_names.json: the classes and functions that PySide6 offers and PythonQt does not.

    PYTHONPATH=folder_with_PySide2 python record_qt_names.py PYTHONQT_CHECKOUT

PythonQt shows a Qt class through its generated wrapper (generated_cpp_515 in PythonQt's sources, Qt 5.15) and through
the class's meta-object, which PySide2 5.15 knows; a name that is in neither raises AttributeError in Slicer.
"""

import json
import re
import sys
import types
from pathlib import Path

import PySide2.QtCore
import PySide2.QtGui
import PySide2.QtWidgets
import PySide6.QtCore
import PySide6.QtGui
import PySide6.QtWidgets

DECORATED = {  # by PythonQt itself, on every QObject
    *("metaObject", "parent", "setParent", "children", "findChild", "findChildren", "setProperty", "property", "tr"),
    *("connect", "disconnect", "className", "delete", "inherits", "sender"),
}
WRAPPER = re.compile(r"class\s+PythonQtWrapper_(\w+)[^{;]*\{(.*?)\n\};", re.DOTALL)
FUNCTIONS = (types.MethodDescriptorType, types.BuiltinMethodType, types.ClassMethodDescriptorType, staticmethod)


def qt_classes(binding: types.ModuleType) -> dict[str, type]:
    modules = (binding.QtCore, binding.QtGui, binding.QtWidgets)
    found = {name: getattr(module, name) for module in modules for name in dir(module) if name.startswith("Q")}
    return {name: value for name, value in found.items() if isinstance(value, type)}


def wrapped(checkout: Path) -> dict[str, set[str]]:
    """Class -> functions of its generated wrapper."""
    names: dict[str, set[str]] = {}
    for header in sorted((checkout / "generated_cpp_515").rglob("*.h")):
        for cls, body in WRAPPER.findall(header.read_text(encoding="utf-8")):
            for line in body.splitlines():
                function = re.search(r"(\w+)\s*\(", line)
                if function:
                    name = function[1].removeprefix(f"static_{cls}_")
                    names.setdefault(cls, set()).add(re.sub(r"^py_(q|set|get)_", "", name))
    return names


def meta_object_names(cls: type) -> set[str]:
    """Properties, signals, public slots and invokable functions that the class itself declares."""
    meta = cls.staticMetaObject
    names = {meta.property(i).name() for i in range(meta.propertyOffset(), meta.propertyCount())}
    method_class = PySide2.QtCore.QMetaMethod
    for i in range(meta.methodOffset(), meta.methodCount()):
        method = meta.method(i)
        if method.access() == method_class.Public or method.methodType() == method_class.Signal:
            names.add(bytes(method.name().data()).decode())
    return names


def main(checkout: Path) -> None:
    known = wrapped(checkout)
    for name, cls in qt_classes(PySide2).items():
        if issubclass(cls, PySide2.QtCore.QObject):
            known.setdefault(name, set()).update(meta_object_names(cls))
    absent, members = [], {}
    for name, cls in qt_classes(PySide6).items():
        if name not in known:
            absent.append(name)
            continue
        visible = DECORATED.union(*(known.get(base.__name__, set()) for base in cls.__mro__))
        own = {key for key, value in vars(cls).items() if not key.startswith("_") and isinstance(value, FUNCTIONS)}
        unknown = {key for key in own if key not in visible and key.removesuffix("_") not in visible}  # exec_ is exec
        if unknown:
            members[name] = sorted(unknown)
    out = Path(__file__).with_name("qt_names.json")
    out.write_text(json.dumps({"classes": absent, "members": members}, indent=1) + "\n", encoding="utf-8")
    print(f"{len(absent)} classes and {sum(map(len, members.values()))} functions in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
