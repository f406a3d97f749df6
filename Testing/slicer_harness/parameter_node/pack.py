"""parameterPack: several fields that are one field of a parameter node."""

from .fields import Field, collect_fields


def isParameterPack(cls: type) -> bool:
    return "_is_pack_" in vars(cls)


def parameterPack(cls: type) -> type:
    """Class decorator; an instance keeps its values itself until it is a field of a node."""
    fields = collect_fields(cls)

    def initialize(self, *arguments, **keywords):
        values = dict(zip(fields, arguments, strict=False)) | keywords
        for name in values:
            if name not in fields:
                raise TypeError(f"{cls.__name__} has no member {name}")
        vars(self)["_node"] = None
        vars(self)["_values"] = {name: field.check(values.get(name, field.default)) for name, field in fields.items()}

    def bound(node, prefix: str):
        pack = cls.__new__(cls)
        vars(pack).update(_node=node, _prefix=prefix)
        return pack

    cls._is_pack_, cls.allParameters = True, fields
    cls.__init__, cls._bound = initialize, staticmethod(bound)
    for name, field in fields.items():
        setattr(cls, name, _member(name, field))
    return cls


def _member(name: str, field: Field) -> property:
    def get(self):
        return field.read(self._node, self._prefix + name) if self._node is not None else self._values[name]

    def put(self, value):
        if self._node is not None:
            field.write(self._node, self._prefix + name, value)
        else:
            self._values[name] = field.check(value)

    return property(get, put)
