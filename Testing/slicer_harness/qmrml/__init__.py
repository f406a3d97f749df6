"""Stand-ins for Slicer's own widgets over the real MRML classes of slicer-core; no others than the module uses."""

import slicer


def install() -> None:
    """Put the widget classes into the module `slicer`."""
    from . import node_combo_box, plot, scene_widgets, segment_editor, table_view

    for part in (node_combo_box, plot, scene_widgets, segment_editor, table_view):
        for name, value in vars(part).items():
            if name.startswith(("qMRML", "qSlicer")):
                setattr(slicer, name, value)
