"""Q_PROPERTYs as Python attributes."""

import inspect
import re
import types

from ..binding import QtCore
from .classes import find_attribute

GETTER_PREFIXES = ("is", "has")


class StaticOrProperty:
    """QApplication.windowIcon and the like: a static function of the class, a property of an instance."""

    def __init__(self, static, prop: property):
        self.static, self.prop = static, prop

    def __get__(self, obj, owner=None):
        return self.static if obj is None else self.prop.__get__(obj, owner)

    def __set__(self, obj, value):
        self.prop.__set__(obj, value)


def install(cls: type) -> None:
    """Turn Q_PROPERTYs into Python properties: those that the class declares, and those whose getter it overrides."""
    meta = cls.staticMetaObject
    made = {}
    for i in range(meta.propertyCount()):
        prop = meta.property(i)
        if i >= meta.propertyOffset() or isinstance(cls.__dict__.get(prop.name()), types.MethodDescriptorType):
            made[prop.name()] = _make(cls, prop)
    if cls is QtCore.QTimer:
        del made["singleShot"]  # the static function wins in PythonQt; setSingleShot() sets the property
    for name, prop in made.items():
        own = cls.__dict__.get(name)
        setattr(cls, name, StaticOrProperty(getattr(cls, name), prop) if isinstance(own, staticmethod) else prop)


def _make(cls: type, meta) -> property:
    name = meta.name()
    get, put = _getter(cls, name), _setter(cls, meta)
    if name == "toolTip":
        get = _rich_tool_tip(get)
    return property(get, put, doc=f"Q_PROPERTY {meta.typeName()} {name}")


def _getter(cls: type, name: str):
    capital = name[0].upper() + name[1:]
    for candidate in (name, *(prefix + capital for prefix in GETTER_PREFIXES)):
        found = find_attribute(cls, candidate)
        if callable(found) and not isinstance(found, property | StaticOrProperty | QtCore.Signal):
            return _unbound(found)
    return lambda self: self.property(name)


def _setter(cls: type, meta):
    if not meta.isWritable():
        return None
    name = meta.name()
    found = find_attribute(cls, "set" + name[0].upper() + name[1:])
    assign = _unbound(found) if found is not None else lambda self, value: self.setProperty(name, value)
    if meta.typeName() == "QString":  # a text takes anything: label.text = 5
        return lambda self, value: assign(self, str(value))
    return assign


def _unbound(function):
    """The function called with an instance first; a static function of the application is called without it."""
    if isinstance(function, types.MethodDescriptorType) or inspect.isfunction(function):
        return function
    static = function.__func__ if isinstance(function, staticmethod) else function
    return lambda self, *arguments: static(*arguments)


def _rich_tool_tip(get):
    """CTK's application makes plain tool tips rich, so that long ones wrap."""

    def rich(self):
        tip = get(self)
        return f"<p>{tip}</p>" if tip and not re.search(r"<[a-zA-Z/!][^>]*>", tip) else tip

    return rich
