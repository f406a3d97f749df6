"""The module's own code, read and not run: names that exist in Slicer, also on the lines that no test reaches."""

import ast
import re
from pathlib import Path

import ctk
import pytest
import qt
import slicer
import vtk

from slicer_harness.recorded import class_record

MODULE = Path(__file__).resolve().parents[3] / "SlicerLossSeg"
ENTRY = MODULE / "SlicerLossSeg.py"
FILES = [ENTRY, *sorted((MODULE / "SlicerLossSegLib").rglob("*.py"))]
UI_FILES = sorted((MODULE / "Resources").rglob("*.ui"))
FORBIDDEN = {
    r"\bPySide\d?\b|\bPyQt\d?\b": "Slicer has `qt`",
    r"\btrue_property\b": "PythonQt needs no such switch",
    r"\bQRegExp\b|\bQDesktopWidget\b": "Qt 5 only",
    r"\bint\(qt\.": "compare enumerations by name",
}
LATE = {"packaging"}  # imported where it is used
NAME_SPACES = {"qt": qt, "ctk": ctk, "vtk": vtk, "slicer": slicer, "slicer.util": slicer.util}


def trees() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text(encoding="utf-8"), str(path))) for path in FILES]


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(MODULE)}:{node.lineno}"


def dotted(node: ast.AST) -> str:
    """ "slicer.util.getNode" of such an expression, "" of any other."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def test_entry_file_can_be_read_by_older_slicer():
    """Slicer 5.8 (Python 3.9) must be able to say that it is too old."""
    ast.parse(ENTRY.read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_forbidden_names(pattern):
    found = [
        f"{path.name}:{number}: {FORBIDDEN[pattern]}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found


def test_names_of_the_libraries_exist():
    """qt.X, ctk.X, vtk.X, slicer.X and slicer.util.X."""
    missing = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute):
                continue
            space = NAME_SPACES.get(dotted(node.value))
            if space is not None and not hasattr(space, node.attr) and node.attr not in LATE:
                missing.append(f"{place(path, node)}: {dotted(node)}")
    assert not missing


def test_names_of_the_application_exist():
    """slicer.app.X, from Slicer's own header files."""
    known = class_record("qSlicerApplication").public | set(dir(qt.QApplication))
    missing = [
        f"{place(path, node)}: {dotted(node)}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node.value) == "slicer.app" and node.attr not in known
    ]
    assert not missing


def test_qt_functions_get_no_keywords():
    """PythonQt: "called slot does not support kwargs"."""
    classes = [value for value in vars(qt).values() if isinstance(value, type)]
    functions = {name for cls in classes for name in vars(cls) if re.fullmatch(r"[a-z]+[A-Z]\w*", name)}
    parsed = trees()
    own = {node.name for _path, tree in parsed for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found = [
        f"{place(path, node)}: {node.func.attr}({', '.join(keyword.arg or '**' for keyword in node.keywords)}=...)"
        for path, tree in parsed
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.keywords and isinstance(node.func, ast.Attribute)
        if node.func.attr in functions - own
    ]
    assert not found


@pytest.mark.parametrize("path", UI_FILES, ids=lambda path: path.name)
def test_designer_files_load(path):
    top = slicer.util.loadUI(str(path))
    assert vars(slicer.util.childWidgetVariables(top))
    if hasattr(top, "setMRMLScene"):
        top.setMRMLScene(None)
