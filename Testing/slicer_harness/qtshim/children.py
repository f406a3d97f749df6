"""findChild and findChildren by class or by class name."""

from collections.abc import Iterator

from ..binding import QtCore, shiboken


def install() -> None:
    QtCore.QObject.findChildren = _find_children
    QtCore.QObject.findChild = _find_child


def _descendants(obj) -> Iterator:
    for child in _children(obj):
        yield child
        yield from _descendants(child)


def _children(obj) -> list:
    """The binding takes an object at the address of a deleted table item for that item, until it forgets the item."""
    found = obj.children()
    stale = [child for child in found if QtCore.QObject not in type(child).__mro__]
    for item in stale:
        shiboken.invalidate(item)
    return obj.children() if stale else found


def _matches(obj, wanted: type | str) -> bool:
    if isinstance(wanted, str):
        return obj.inherits(wanted) or any(cls.__name__ == wanted for cls in type(obj).__mro__)
    return wanted in type(obj).__mro__


def _find_children(self, wanted: type | str, name: str | None = None) -> list:
    return [c for c in _descendants(self) if _matches(c, wanted) and (name is None or c.objectName == name)]


def _find_child(self, wanted: type | str, name: str | None = None):
    return next(iter(_find_children(self, wanted, name)), None)
