"""One class per kind of field: what it accepts and how a parameter node keeps it."""

import enum
import inspect
import pathlib
import typing
from collections.abc import MutableSequence

import slicer

from .annotations import Choice, Default, Validator


class Field:
    """`type`, `default` and the annotations `extras` of one field."""

    blank = None

    def __init__(self, kind, extras: tuple):
        self.type, self.extras = kind, extras
        default = self.extra(Default)
        self.default = default.value if default else self.initial()

    def initial(self):
        choice = self.extra(Choice)
        return choice.choices[0] if choice else self.blank

    def extra(self, annotation: type):
        return next((e for e in self.extras if isinstance(e, annotation)), None)

    def check(self, value):
        """The value as it is kept; TypeError or ValueError when the field does not take it."""
        if value is None:
            raise ValueError("Value must not be None")
        if not self.accepts(value):
            raise TypeError(f"Value must be of type '{self.type}', is type '{type(value)}' value '{value}'")
        for annotation in self.extras:
            if isinstance(annotation, Validator):
                annotation.check(value)
        return self.convert(value)

    def accepts(self, value) -> bool:
        return isinstance(value, self.type)

    def convert(self, value):
        return value

    def encode(self, value) -> str:
        return str(value)

    def decode(self, text: str):
        return self.type(text)

    def exists(self, node, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node, name: str, value) -> None:
        node.SetParameter(name, self.encode(self.check(value)))

    def read(self, node, name: str):
        return self.decode(node.GetParameter(name))


class StrField(Field):
    blank = ""


class IntField(Field):
    blank = 0

    def accepts(self, value) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)


class FloatField(Field):
    blank = 0.0

    def accepts(self, value) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    def convert(self, value) -> float:
        return float(value)


class BoolField(Field):
    blank = False

    def decode(self, text: str) -> bool:
        return text == "True"


class EnumField(Field):
    def initial(self):
        return next(iter(self.type))

    def encode(self, value) -> str:
        return value.name

    def decode(self, text: str):
        return self.type[text]


class PathField(Field):
    blank = pathlib.Path()

    def accepts(self, value) -> bool:
        return isinstance(value, pathlib.PurePath)


class NodeField(Field):
    """A node reference whose role is the field's name, beside an empty parameter."""

    def check(self, value):
        return None if value is None else super().check(value)

    def exists(self, node, name: str) -> bool:
        return True

    def read(self, node, name: str):
        return node.GetNodeReference(name)

    def write(self, node, name: str, value) -> None:
        value = self.check(value)
        was = node.StartModify()
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
        node.EndModify(was)


class ListField(Field):
    """Parameters name.0, name.1 ... and name.len."""

    blank = ()

    def __init__(self, kind, extras: tuple):
        self.item = make_field(typing.get_args(kind)[0])
        super().__init__(list, extras)

    def accepts(self, value) -> bool:
        return isinstance(value, list | tuple | BoundList)

    def convert(self, value) -> list:
        return [self.item.check(v) for v in value]

    def exists(self, node, name: str) -> bool:
        return bool(node.HasParameter(f"{name}.len"))

    def read(self, node, name: str):
        return BoundList(self, node, name)

    def write(self, node, name: str, value) -> None:
        value = self.check(value)
        was = node.StartModify()
        for i, v in enumerate(value):
            self.item.write(node, f"{name}.{i}", v)
        for i in range(len(value), int(node.GetParameter(f"{name}.len") or 0)):
            node.UnsetParameter(f"{name}.{i}")
        node.SetParameter(f"{name}.len", str(len(value)))
        node.EndModify(was)


class BoundList(MutableSequence):
    """A list whose changes go to the node at once."""

    def __init__(self, field: ListField, node, name: str):
        self._field, self._node, self._name = field, node, name

    def _values(self) -> list:
        return [self._field.item.read(self._node, f"{self._name}.{i}") for i in range(len(self))]

    def _write(self, values: list) -> None:
        self._field.write(self._node, self._name, values)

    def __len__(self):
        return int(self._node.GetParameter(f"{self._name}.len") or 0)

    def __getitem__(self, index):
        return self._values()[index]

    def __eq__(self, other):
        return self._values() == list(other)

    def __repr__(self):
        return repr(self._values())

    def __setitem__(self, index, value):
        values = self._values()
        values[index] = value
        self._write(values)

    def __delitem__(self, index):
        values = self._values()
        del values[index]
        self._write(values)

    def insert(self, index, value):
        values = self._values()
        values.insert(index, value)
        self._write(values)


class PackField(Field):
    """The members of a parameterPack as parameters name.member."""

    def initial(self):
        return self.type()

    def exists(self, node, name: str) -> bool:
        return all(field.exists(node, f"{name}.{key}") for key, field in self.type.allParameters.items())

    def read(self, node, name: str):
        return self.type._bound(node, f"{name}.")

    def write(self, node, name: str, value) -> None:
        self.check(value)
        was = node.StartModify()
        for key, field in self.type.allParameters.items():
            field.write(node, f"{name}.{key}", getattr(value, key))
        node.EndModify(was)


PLAIN = {str: StrField, int: IntField, float: FloatField, bool: BoolField, pathlib.Path: PathField}


def make_field(annotation, extras: tuple = ()) -> Field | None:
    """The field of an annotation, None for a type that the harness does not have."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *more = typing.get_args(annotation)
        return make_field(annotation, (*extras, *more))
    if typing.get_origin(annotation) is list:
        return ListField(annotation, extras)
    if not isinstance(annotation, type):
        return None
    if "_is_pack_" in vars(annotation):
        return PackField(annotation, extras)
    if issubclass(annotation, slicer.vtkMRMLNode):
        return NodeField(annotation, extras)
    if issubclass(annotation, enum.Enum):
        return EnumField(annotation, extras)
    plain = PLAIN.get(annotation)
    return plain(annotation, extras) if plain else None


def collect_fields(cls: type) -> dict[str, Field]:
    """The annotated members of a class; a class attribute is the default."""
    fields = {}
    for name, annotation in inspect.get_annotations(cls, eval_str=True).items():
        extras = (Default(cls.__dict__[name]),) if name in cls.__dict__ else ()
        field = make_field(annotation, extras)
        if field is None:
            raise TypeError(f"Unable to create serializer for {cls} member {name}")
        if not isinstance(field, NodeField):
            field.check(field.default)
        fields[name] = field
    return fields
