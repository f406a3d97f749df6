"""`qt` with the rules of PythonQt, on PySide.

PythonQt's rules, each one held to what Slicer 5.12 answered (Testing/Module/conformance):

- every Q_PROPERTY is an attribute (`w.text`, `w.enabled = False`); a setter or a getter of another name stays callable;
- `obj.connect("clicked(bool)", f)` and `obj.disconnect("clicked(bool)", f)`;
- a name that is not there cannot be assigned on a C++ object, C++ classes do not inherit from one another in Python and
  take no keywords;
- names that PySide has and PythonQt has not are taken away.
"""

import sys

from ..errors import exceptions as errors

_facade = None

__all__ = ["errors", "install"]


def install():
    """Patch PySide in place, once, and register the module `qt`; returns it."""
    global _facade
    if _facade is None:
        from . import (
            arguments,
            children,
            classes,
            dialogs,
            facade,
            guards,
            missing_names,
            object_methods,
            properties,
            refusals,
            signals,
            timers,
        )

        qobject_classes = classes.qobject_classes()
        arguments.install()
        for cls in qobject_classes:
            properties.install(cls)
        object_methods.install()
        signals.install(qobject_classes)
        timers.install()
        children.install()
        guards.install(qobject_classes)
        dialogs.install()
        refusals.install()
        missing_names.install()
        _facade = facade.make()
        sys.modules["qt"] = _facade
    return _facade
