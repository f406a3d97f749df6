"""connect and disconnect with PythonQt's rules.

A stand-in declares `_signals_ = {"currentNodeChanged(bool)": "_valid_changed"}`: C++ signature -> its Python signal.
"""

import functools
import inspect
import sys

from ..binding import QtCore

native_connect = QtCore.QObject.connect  # the static function, before it is wrapped
native_getattribute = QtCore.QObject.__getattribute__

# Qt 5 lists the signal with one argument first, Qt 6 has no such signal.
FIRST_SIGNATURES = {"finished": ("finished(int)", "finished()")}


def install(qobject_classes: list[type]) -> None:
    """Wrap attribute access: Shiboken answers `instance.connect` itself, setting the class's function is not enough.

    Several classes (QFile, QProcess) carry an access function of their own, which tells a static function from the
    instance's; each is wrapped around its own, sharing one calls the static function on an instance and crashes.
    """
    for cls, original in [(cls, cls.__dict__.get("__getattribute__")) for cls in qobject_classes]:
        if original is not None:
            cls.__getattribute__ = _access(original)


def _access(original):
    wrapped = {"connect": connect, "disconnect": disconnect}

    def access(self, name):
        if name in wrapped:

            def call(*arguments):
                if _from_the_binding(arguments):
                    return original(self, name)(*arguments)
                return wrapped[name](self, *arguments)

            return call
        value = original(self, name)
        return Signal(self, name, value) if type(value) is QtCore.SignalInstance else value

    return access


def _from_the_binding(arguments: tuple) -> bool:
    """PySide's own signal.connect() arrives as connect(source, "2signature()", ...)."""
    return not (arguments and isinstance(arguments[0], str)) or arguments[0][:1] in "12"


# ---------------------------------------------------------------------------------------------------- signatures
def split(signature: str) -> tuple[str, list[str]]:
    """("clicked", ["bool"]) of "clicked(bool)"; ValueError without parentheses."""
    name, opening, rest = signature.strip().partition("(")
    if not opening:
        raise ValueError(f"'{signature}' is not a signal signature: write {name}() with its argument types")
    return name.strip(), [part.strip() for part in rest.rstrip(")").split(",") if part.strip()]


def declared_signals(cls: type) -> dict[str, str]:
    """Signatures of a stand-in's own signals -> their Python names, base classes included."""
    merged: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        merged.update(base.__dict__.get("_signals_", {}))
    return merged


def _native_signals(obj) -> list[str]:
    meta = obj.metaObject()
    methods = [meta.method(i) for i in range(meta.methodCount())]
    return [
        bytes(method.methodSignature().data()).decode()
        for method in methods
        if method.methodType() == QtCore.QMetaMethod.Signal
    ]


def _find(obj, signature: str):
    """(bound Python signal or None, exact C++ signature or None, number of arguments)."""
    name, types = split(signature)
    declared = declared_signals(type(obj))
    key = f"{name}({','.join(types)})".replace(" ", "")
    if key in declared:
        return native_getattribute(obj, declared[key]), None, len(types)
    alike = [known for known in declared if known.startswith(name + "(")]
    normalized = QtCore.QMetaObject.normalizedSignature(f"{name}({','.join(types)})")
    exact = normalized if isinstance(normalized, str) else bytes(normalized.data()).decode()
    if alike or obj.metaObject().indexOfSignal(exact) < 0:
        candidates = alike or [known for known in _native_signals(obj) if known.startswith(name)]
        raise ValueError(f"{type(obj).__name__} has no signal {signature}; candidates: {candidates}")
    return None, exact, len(types)


# ---------------------------------------------------------------------------------------------------- slots
class Slot:
    """A connected callable, kept alive as PythonQt does, given no more arguments than it takes."""

    def __init__(self, function, arguments: int):
        self.function, self.arguments = function, arguments

    def stop(self) -> None:
        self.function = None

    def __call__(self, *arguments):
        if self.function is None:
            return
        arguments = arguments[: self.arguments]
        try:
            self.function(*arguments[: _accepted(self.function)])
        except Exception:  # PythonQt prints it and calls the next slot; errors.py keeps it for the test
            sys.excepthook(*sys.exc_info())


def _accepted(function) -> int | None:
    """Positional arguments that PythonQt passes: it counts those of functions and bound methods only."""
    if inspect.ismethod(function) and inspect.isfunction(function.__func__):
        code, bound = function.__func__.__code__, 1
    elif inspect.isfunction(function):
        code, bound = function.__code__, 0
    else:
        return None
    return None if code.co_flags & inspect.CO_VARARGS else code.co_argcount - bound


def _receiver(function, slot: tuple[str, ...]):
    """The callable of connect(signal, function) or of connect(signal, object, "slot()")."""
    if not slot:
        return function
    found = getattr(function, split(slot[0])[0])
    if type(found) is Signal:
        raise ValueError(f"connecting a signal to the signal {slot[0]} does nothing in Slicer: connect a function")
    return found


def connect(self, signature: str, function=None, *slot) -> bool:
    function = _receiver(function, slot)
    signal, exact, arguments = _find(self, signature)
    receiver = Slot(function, arguments)
    # plain functions with *arguments: the binding would count a bound method's and a partial's arguments itself
    if signal is not None:
        call = functools.partial(Slot.__call__, receiver)
        signal.connect(call)
        undo = functools.partial(signal.disconnect, call)
    else:
        native_connect(self, "2" + exact, lambda *values: receiver(*values))
        undo = receiver.stop  # PySide2 gives no handle to a connection by name: silence the slot
    self.__dict__.setdefault("_connections", []).append((signature.replace(" ", ""), function, undo))
    return True


def disconnect(self, signature: str, function=None, *slot) -> bool:
    connections = self.__dict__.get("_connections", [])
    if slot:
        function = getattr(function, split(slot[0])[0])
    key = signature.replace(" ", "")
    found = [entry for entry in connections if entry[0] == key and function in (None, entry[1])]
    for entry in found if function is None else found[:1]:
        entry[2]()
        connections.remove(entry)
    return bool(found)


class Signal:
    """`button.clicked`: connects with the rules of connect("clicked(bool)", ...)."""

    def __init__(self, owner, name: str, bound):
        self._owner, self._name, self._bound = owner, name, bound

    def _signatures(self) -> list[str]:
        declared = [
            key for key, python_name in declared_signals(type(self._owner)).items() if python_name == self._name
        ]
        native = [key for key in _native_signals(self._owner) if key.startswith(self._name + "(")]
        return declared or [key for key in FIRST_SIGNATURES.get(self._name, ()) if key in native] or native

    def connect(self, function):
        return connect(self._owner, self._signatures()[0], function)

    def disconnect(self, function=None):
        found = [disconnect(self._owner, signature, function) for signature in self._signatures()]
        return any(found)

    def emit(self, *arguments):
        for signature in self._signatures():
            types = split(signature)[1]
            if len(types) == len(arguments):
                try:
                    return self._bound[tuple(types) if len(types) > 1 else "".join(types)].emit(*arguments)
                except (IndexError, KeyError):
                    break
        return self._bound.emit(*arguments)

    def __call__(self, *arguments):
        try:
            return self._bound(*arguments)  # a function of the same name (QProcess.error in Qt 5)
        except TypeError:
            return self.emit(*arguments)

    def __getitem__(self, types):
        return self._bound[types]
