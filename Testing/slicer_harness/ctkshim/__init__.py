"""`ctk`: stand-ins for the widgets of CTK that the module uses, and no others."""

import sys
import types


def install() -> types.ModuleType:
    """Register the module `ctk`."""
    from . import buttons, choices, collapsible, message_box, numbers, paths

    ctk = types.ModuleType("ctk", "Stand-ins for CTK's widgets, for tests")
    for part in (buttons, choices, collapsible, message_box, numbers, paths):
        for name, value in vars(part).items():
            if name.startswith("ctk"):
                setattr(ctk, name, value)
    sys.modules["ctk"] = ctk
    return ctk
