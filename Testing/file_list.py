"""Writes the engine's files into SlicerLossSeg/CMakeLists.txt, which lists all that Slicer installs."""

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


def write() -> None:
    lines = "".join(f"  {name}\n" for name in in_tree())
    text = CMAKE.read_text(encoding="utf-8")
    CMAKE.write_text(_LIST.sub(lambda found: found.group(1) + lines + found.group(3), text), encoding="utf-8")


if __name__ == "__main__":
    write()
    print(f"{len(in_tree())} files listed in {CMAKE}.")
