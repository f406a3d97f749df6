"""Stand-ins for C++ classes of CTK and Slicer, held to what PythonQt shows of the real ones (recorded/).

A stand-in may have less than the class it stands for, never more: a name without an underscore that Slicer does not
have is an error when the harness is imported.
"""

from .binding import Property
from .qtshim.classes import find_attribute, is_stand_in
from .recorded import class_record

classes: dict[str, type] = {}


def stand_in(cls: type) -> type:
    """Class decorator: checks the class against its record and makes it known to the .ui loader.

    A class that Designer has no plugin for says `_in_designer_ = False`.

    AttributeError: a property, signal or function that Slicer does not have, or another Qt base class.
    """
    record = class_record(cls.__name__)
    qt_base = next(base.__name__ for base in cls.__mro__ if base.__module__.startswith("PySide"))
    if qt_base != record.qt_base:
        raise AttributeError(f"{cls.__name__} is made from {record.qt_base} in Slicer, not from {qt_base}")
    for base in cls.__mro__:
        if is_stand_in(base):
            _check(cls, base, record)
    for name, prop in [(n, p) for base in cls.__mro__ for n, p in base.__dict__.items() if isinstance(p, Property)]:
        _give_setter(cls, name, prop, record)
    if getattr(cls, "_in_designer_", True):
        classes[cls.__name__] = cls
    return cls


def _check(cls: type, part: type, record) -> None:
    """part is cls, or a base class of it in the harness."""
    name = cls.__name__
    public = {key for key in part.__dict__ if not key.startswith("_") and key != "staticMetaObject"}
    overridden = {key for base in cls.__mro__ if not is_stand_in(base) for key in public & base.__dict__.keys()}
    unknown = public - record.public - overridden
    unknown |= set(part.__dict__.get("_signals_", {})) - record.signals
    if unknown:
        raise AttributeError(f"Slicer's {name} has no {', '.join(sorted(unknown))}")
    for key in public:
        prop = part.__dict__[key]
        if isinstance(prop, Property) and key in record.properties and not record.properties[key] and prop.fset:
            raise AttributeError(f"Slicer's {name}.{key} cannot be assigned")


def _give_setter(cls: type, name: str, prop, record) -> None:
    """setX(value) for the property x, where it is a slot in Slicer."""
    setter = "set" + name[0].upper() + name[1:]
    if setter in record.names and find_attribute(cls, setter) is None:
        setattr(cls, setter, lambda self, value: setattr(self, name, value))


def stored(kind, name: str, default=None, changed=None):
    """A Q_PROPERTY kept on the instance; `changed(self)` runs after a new value."""
    attribute = f"_{name}"

    def get(self):
        return getattr(self, attribute, default)

    def put(self, value):
        if get(self) != value:
            setattr(self, attribute, value)
            if changed is not None:
                changed(self)

    return Property(kind, get, put)
