"""parameterNodeWrapper: a class whose annotated members live in a parameter node."""

import itertools

from .annotations import Default
from .fields import Field, NodeField, PackField, collect_fields
from .gui import Connection


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator."""
    fields = collect_fields(cls)
    cls.allParameters = fields
    for name in fields:
        setattr(cls, name, _member(name))
    for name, function in vars(_Wrapper).items():
        if callable(function):
            setattr(cls, name, function)
    return cls


def _member(name: str) -> property:
    return property(lambda self: self.getValue(name), lambda self, value: self.setValue(name, value))


class _Wrapper:
    """The functions that every wrapped class is given."""

    def __init__(self, parameterNode, prefix=None):
        self.parameterNode, self._connections, self._tags = parameterNode, {}, itertools.count(1)
        self._prefix = f"{prefix}." if prefix else ""
        for name, field in self.allParameters.items():
            key = self._prefix + name
            if isinstance(field, NodeField):
                if not parameterNode.HasParameter(key):
                    parameterNode.SetParameter(key, "")
            elif not field.exists(parameterNode, key):
                field.write(parameterNode, key, field.default)

    def _field(self, name: str) -> Field:
        """The field of that name; "pack.member" reaches into a parameterPack."""
        first, *rest = name.split(".")
        field = self.allParameters.get(first)
        for part in rest:
            field = field.type.allParameters.get(part) if isinstance(field, PackField) else None
        if field is None:
            known = list(self.allParameters)
            raise ValueError(f"Cannot find a param with the given name: {name}\n  Found parameters {known}")
        return field

    def dataType(self, name):
        return self._field(name).type

    def default(self, name):
        return Default(self._field(name).default)

    def isCached(self, name):
        return False

    def getValue(self, name):
        field, key = self._field(name), self._prefix + name
        return field.read(self.parameterNode, key) if field.exists(self.parameterNode, key) else field.default

    def setValue(self, name, value):
        self._field(name).write(self.parameterNode, self._prefix + name, value)

    def connectGui(self, gui):
        """Connects every widget of gui whose dynamic property SlicerParameterName names a field; a tag to disconnect.

        Every member of gui is asked: AttributeError when one is no widget.
        """
        names = {widget: widget.property("SlicerParameterName") for widget in vars(gui).values()}
        return self._connect([(name, widget) for widget, name in names.items() if name])

    def connectParametersToGui(self, mapping):
        return self._connect(list(mapping.items()))

    def _connect(self, pairs):
        tag = next(self._tags)
        self._connections[tag] = Connection(self, pairs)
        return tag

    def disconnectGui(self, tag):
        self._connections.pop(tag).stop()

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, was):
        return self.parameterNode.EndModify(was)

    def Modified(self):
        return self.parameterNode.Modified()

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        return self.parameterNode.RemoveObserver(tag)
