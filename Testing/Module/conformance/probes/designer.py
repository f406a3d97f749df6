"""Writing small Designer files."""

from probes.asking import TEMPORARY


def prop(name: str, kind: str, value: str, more: str = "") -> str:
    return f'<property name="{name}"{more}><{kind}>{value}</{kind}></property>'


def widget(class_name: str, name: str, inside: str = "") -> str:
    """An entry of the top widget's layout."""
    return f'<item><widget class="{class_name}" name="{name}">{inside}</widget></item>'


def connection(sender: str, signal: str, receiver: str, slot: str) -> str:
    parts = {"sender": sender, "signal": signal, "receiver": receiver, "slot": slot}
    text = "".join(f"<{key}>{value}</{key}>" for key, value in parts.items())
    return f"<connections><connection>{text}</connection></connections>"


def write_ui(body: str, custom=(), top: str = "QWidget", connections: str = "<connections/>") -> str:
    """Path of a new .ui file: the top widget T with a vertical layout l."""
    declared = "".join(
        f"<customwidget><class>{name}</class><extends>QWidget</extends><header>{name}.h</header></customwidget>"
        for name in custom
    )
    path = TEMPORARY / f"u{len(list(TEMPORARY.iterdir()))}.ui"
    layout = f'<layout class="QVBoxLayout" name="l">{body}</layout>'
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><ui version="4.0"><class>T</class>'
        f'<widget class="{top}" name="T">{layout}</widget>'
        f"<customwidgets>{declared}</customwidgets><resources/>{connections}</ui>",
        encoding="utf-8",
    )
    return str(path)
