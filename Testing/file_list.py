"""Writes the lists of files into SlicerLossSeg/CMakeLists.txt, which names all that Slicer installs."""

from __future__ import annotations

import re
from pathlib import Path

MODULE = Path(__file__).parents[1] / "SlicerLossSeg"
CMAKE = MODULE / "CMakeLists.txt"
_LIST = re.compile(r"(set\(LOSSSEG_ENGINE_FILES\n)(.*?)(^\))", re.DOTALL | re.MULTILINE)
_ENDINGS = {".py", ".json", ".html", ".typed"}


def in_tree() -> list[str]:
    """The engine's files relative to the module folder, sorted."""
    files = (path for path in (MODULE / "lossseg").rglob("*") if path.suffix in _ENDINGS)
    return sorted(path.relative_to(MODULE).as_posix() for path in files if "__pycache__" not in path.parts)


def in_cmake() -> list[str]:
    """The files that CMake lists, in its order."""
    found = _LIST.search(CMAKE.read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f"{CMAKE} has no list LOSSSEG_ENGINE_FILES.")
    return found.group(2).split()


def of_slicer_side() -> dict[str, list[str]]:
    """What the other lists of CMake must hold, by their names."""
    scripts = [path for path in (MODULE / "SlicerLossSegLib").rglob("*.py") if "__pycache__" not in path.parts]
    resources = [path for path in (MODULE / "Resources").rglob("*") if path.is_file()]
    return {
        "MODULE_PYTHON_SCRIPTS": ["${MODULE_NAME}.py", *_relative(scripts)],
        "MODULE_PYTHON_RESOURCES": _relative(resources),
    }


def _relative(paths: list[Path]) -> list[str]:
    return sorted(path.relative_to(MODULE).as_posix() for path in paths)


def write() -> None:
    text = CMAKE.read_text(encoding="utf-8")
    for name, files in {"LOSSSEG_ENGINE_FILES": in_tree(), **of_slicer_side()}.items():
        lines = "".join(f"  {file}\n" for file in files)
        pattern = re.compile(rf"(set\({name}\n)(.*?)(^\))", re.DOTALL | re.MULTILINE)
        text = pattern.sub(lambda found, lines=lines: found.group(1) + lines + found.group(3), text)
    CMAKE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
    print(f"{len(in_tree())} files of the engine and all of the Slicer side listed in {CMAKE}.")
