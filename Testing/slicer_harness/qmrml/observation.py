"""Observations of VTK objects that end with the widget that made them."""


class Observations:
    """What one widget observes."""

    def __init__(self):
        self._tags = []

    def add(self, obj, event, callback) -> None:
        self._tags.append((obj, obj.AddObserver(event, callback)))

    def clear(self) -> None:
        for obj, tag in self._tags:
            obj.RemoveObserver(tag)
        self._tags = []


def is_alive(widget) -> bool:
    """False once the C++ part of a widget is deleted; a scene may outlive it."""
    try:
        widget.objectName  # noqa: B018 (the access is the question)
    except RuntimeError:
        return False
    return True
