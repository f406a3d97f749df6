"""Takes away the functions that PySide has and PythonQt has not (recorded/qt_names.json)."""

from ..recorded import qt_names
from .classes import MODULES

# Looked up by the binding itself: virtual functions on every call from C++, `emit` when a signal is sent.
KEPT = {
    "clearItemData", "clone", "connectNotify", "disconnectNotify", "emit", "initStyleOptionForIndex",
    "initViewItemOption", "itemDelegateForIndex", "resetInternalData", "skipData",
}  # fmt: skip


class NotInSlicer:
    """A class attribute whose every use says that Slicer does not have it."""

    def __init__(self, message: str):
        self.message = message

    def __get__(self, obj, owner=None):
        raise AttributeError(self.message)

    def __set__(self, obj, value):
        raise AttributeError(self.message)


def install() -> None:
    for class_name, functions in qt_names()["members"].items():
        cls = next((getattr(module, class_name) for module in MODULES if hasattr(module, class_name)), None)
        if cls is None:
            continue
        for name in functions:
            if name in cls.__dict__ and name not in KEPT:
                setattr(cls, name, NotInSlicer(f"{class_name} has no attribute named '{name}' in Slicer"))
