"""Writes slicer_classes.json from checkouts of Slicer and CTK: what PythonQt shows of the classes that the harness has.

    python record_slicer_classes.py SLICER_CHECKOUT CTK_COMMIT_CHECKOUT

PythonQt has no generated wrapper for these classes, so Python sees their meta-object only: properties, signals, public
slots, Q_INVOKABLE functions, the members of their enumerations, and what a decorator adds. Use the tag of the Slicer
release, and the commit of CTK that Slicer's SuperBuild/External_CTK.cmake names.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

CLASSES = """
ctkCollapsibleButton ctkCollapsibleGroupBox ctkComboBox ctkDirectoryButton ctkDoubleSpinBox ctkPathLineEdit ctkSearchBox
ctkSliderWidget ctkMessageBox
qMRMLWidget qMRMLNodeComboBox qMRMLTableView qMRMLPlotWidget qMRMLPlotView qMRMLPlotViewControllerWidget
qMRMLSegmentEditorWidget qSlicerSegmentEditorAbstractEffect
qMRMLSliceWidget qMRMLSliceView qMRMLThreeDWidget qMRMLThreeDView
qSlicerApplication qSlicerLayoutManager qSlicerModuleManager qSlicerWidget qSlicerScriptedLoadableModule
qSlicerScriptedLoadableModuleWidget qSlicerLoadableModule
"""
SECTION = re.compile(r"\b(public|protected|private|signals|Q_SIGNALS)\s*(slots|Q_SLOTS)?\s*:(?!:)")
PROPERTY = re.compile(r"Q_PROPERTY\s*\(\s*[\w:<>,*& ]+?[\s*&](\w+)\s+((?:READ|MEMBER)[^)]*)\)")
ENUM = re.compile(r"\benum\s+(?:class\s+)?(\w+)[^{;]*\{([^}]*)\}")
DECLARED = re.compile(r"(?:Q_ENUMS?|Q_FLAGS?)\s*\(([^)]*)\)|Q_DECLARE_FLAGS\s*\((\w+)\s*,\s*(\w+)\)")
FUNCTION = re.compile(r"(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")


def headers(checkouts: list[Path]) -> dict[str, Path]:
    """Class name -> its header, found by name; the first checkout wins."""
    found: dict[str, Path] = {}
    for root in checkouts:
        for path in root.rglob("*.h"):
            found.setdefault(path.stem, path)
    return found


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))


def class_body(text: str, name: str) -> tuple[str, str]:
    """(base class, text between the braces) of `class name : public Base {...}`."""
    head = re.search(rf"class\s+(?:\w+\s+)?{name}\s*(?:final\s*)?:\s*(?:public\s+)?(\w+)[^{{;]*\{{", text)
    if head is None:
        raise SystemExit(f"no definition of {name} found")
    return head[1], text[head.end() : text.index("\n};", head.end())]


def sections(body: str) -> Iterator[tuple[str, str]]:
    """("public", "public slots", "signals" ..., text) of each part of a class; a class begins private."""
    kind, start = "private", 0
    for mark in [*SECTION.finditer(body), None]:
        yield kind, body[start : mark.start() if mark else len(body)]
        if mark:
            kind = "signals" if "signals" in mark[1].lower() else " ".join([mark[1], *(["slots"] if mark[2] else [])])
            start = mark.end()


def statements(text: str) -> list[str]:
    """Declarations of a section, bodies of inline functions removed."""
    while re.search(r"\{[^{}]*\}", text):
        text = re.sub(r"\{[^{}]*\}", ";", text)
    return [" ".join(part.split()) for part in text.split(";") if "(" in part]


def normalized(name: str, arguments: str) -> str:
    """`f(int,const QString&)` -> `f(int,QString)`: Qt's normalized signature, argument names and defaults dropped."""
    types = []
    for argument in filter(None, (part.strip() for part in arguments.split(","))):
        argument = argument.partition("=")[0].strip()
        argument = re.sub(r"^const\s+(.*?)\s*&\s*(\w*)$", r"\1 \2", argument)
        argument = re.sub(r"\s*([*&])\s*", r"\1 ", argument).strip()
        words = argument.split(" ")
        types.append(
            " ".join(words[:-1] if len(words) > 1 and re.fullmatch(r"\w+", words[-1]) else words).replace(" *", "*")
        )
    return f"{name}({','.join(types)})"


def members(body: str) -> dict[str, object]:
    signals, names = set(), set()
    for kind, text in sections(body):
        for statement in statements(text):
            function = FUNCTION.search(statement.replace("Q_INVOKABLE", " "))
            if function is None or function[1].startswith("Q_"):
                continue
            if kind == "signals":
                signals.add(normalized(function[1], function[2]))
            elif kind == "public slots" or (kind == "public" and "Q_INVOKABLE" in statement):
                names.add(function[1])
    declared = {word for groups in DECLARED.findall(body) for group in groups for word in group.split()}
    for enum, values in ENUM.findall(body):
        if enum in declared:
            names |= {enum, *(value.partition("=")[0].strip() for value in values.split(",") if value.strip())}
    return {
        "properties": {name: "WRITE" in rest or "MEMBER" in rest for name, rest in PROPERTY.findall(body)},
        "signals": sorted(signals),
        "names": sorted(names),
    }


def decorations(paths: Iterable[Path]) -> dict[str, set[str]]:
    """Class -> functions that the *PythonQtDecorators.h files add to it for Python."""
    added: dict[str, set[str]] = {}
    for path in paths:
        text = without_comments(path.read_text(encoding="utf-8"))
        for name, first in re.findall(r"\b(\w+)\(\s*(?:const\s+)?(\w+)\s*\*\s*\w+", text):
            added.setdefault(first, set()).add(name)
        for name, function in re.findall(r"\bstatic_([A-Za-z]+)_(\w+)\(", text):
            added.setdefault(name, set()).add(function)
    return added


def main(checkouts: list[Path]) -> None:
    found = headers(checkouts)
    wanted, records = CLASSES.split(), {}
    added = decorations(path for name, path in found.items() if name.endswith("PythonQtDecorators"))
    while wanted:
        name = wanted.pop()
        if name in records or name not in found:
            continue
        base, body = class_body(without_comments(found[name].read_text(encoding="utf-8")), name)
        records[name] = {"base": base, **members(body)}
        records[name]["names"] = sorted({*records[name]["names"], *added.get(name, ())})
        wanted.append(base)
    out = Path(__file__).with_name("slicer_classes.json")
    out.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(records)} classes in {out}")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
