"""The rules of the house: which room may import which, what stays unimported, what CMake installs."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "SlicerLossSeg" / "lossseg"

# Ground floor first: a room imports only from rooms above it in this list, and from itself.
ROOMS = (
    "errors",
    "files",
    "locking",
    "reporting",
    "keeping",
    "images",
    "dataset",
    "phantoms",
    "components",
    "evaluation",
    "weights",
    "losses",
    "inspection",
    "networks",
    "preprocessing",
    "model",
    "exchange",
    "inference",
    "training",
    "studies",
    "jobs",
    "cli",
)
WITHOUT_TORCH = ("images", "dataset", "phantoms", "components", "evaluation", "preprocessing")
LIGHT = (
    "lossseg.cli.app",
    "lossseg.jobs.serve",
    "lossseg.losses",
    "lossseg.studies.presets",
    *(f"lossseg.{room}" for room in WITHOUT_TORCH),
)


def _script(name: str):
    specification = importlib.util.spec_from_file_location(name, ROOT / "Testing" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _sources() -> list[Path]:
    return sorted(ENGINE.rglob("*.py"))


def _room(path: Path) -> str:
    first = path.relative_to(ENGINE).parts[0]
    return first.removesuffix(".py")


def _imported(path: Path) -> set[str]:
    """Every module that a file imports anywhere, with dots; names imported from `lossseg` itself count as rooms."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ENGINE.parent)},
        timeout=600,
    )


def test_every_room_is_known():
    rooms = {_room(path) for path in _sources()} - {"__init__", "__main__"}
    assert rooms <= set(ROOMS), f"unknown rooms: {rooms - set(ROOMS)}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_rooms_above(room):
    allowed = set(ROOMS[: ROOMS.index(room) + 1]) | {"__version__"}
    for path in _sources():
        if _room(path) != room:
            continue
        for name in _imported(path):
            parts = name.split(".")
            if parts[0] == "lossseg" and len(parts) > 1:
                assert parts[1] in allowed, f"{path.relative_to(ROOT)} imports {name}, a room below its own"


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_rooms_for_the_slicer_side_never_import_torch(room):
    for path in _sources():
        if _room(path) == room:
            foreign = {name.split(".")[0] for name in _imported(path)}
            assert not foreign & {"torch", "monai"}, path


@pytest.mark.parametrize("module", ["lossseg", *LIGHT])
def test_importing_leaves_torch_out(module):
    answer = _run(f"import sys, {module}; print([n for n in ('torch', 'monai') if n in sys.modules])")
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr


def test_the_schema_of_events_needs_the_standard_library_only():
    code = "import sys, lossseg.jobs.events; print(sorted({'numpy', 'torch', 'SimpleITK', 'rich'} & set(sys.modules)))"
    assert _run(code).stdout.strip() == "[]"


def test_no_room_imports_the_slicer_side():
    rooms = ", ".join(f"lossseg.{room}" for room in ROOMS)
    answer = _run(f"import sys, {rooms}; print([n for n in ('slicer', 'qt', 'vtk', 'ctk') if n in sys.modules])")
    assert answer.stdout.strip() == "[]", answer.stderr


def test_files_stay_small():
    long = {
        str(path): lines for path in _sources() if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_cmake_lists_what_is_in_the_tree():
    files = _script("file_list")
    assert files.in_cmake() == files.in_tree(), "run: make file-list"


def test_cmake_installs_the_list(tmp_path):
    """A stand-in for Slicer's CMake package is enough to configure and install."""
    if not shutil.which("cmake") or not (shutil.which("cc") and shutil.which("c++")):
        pytest.skip("needs cmake and a compiler")
    fake = tmp_path / "slicer"
    fake.mkdir()
    (fake / "empty.cmake").write_text("")
    (fake / "SlicerConfig.cmake").write_text(
        f'set(Slicer_USE_FILE "{fake}/empty.cmake")\n'
        f'set(Slicer_EXTENSION_GENERATE_CONFIG "{fake}/empty.cmake")\n'
        f'set(Slicer_EXTENSION_CPACK "{fake}/empty.cmake")\n'
        'set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "modules")\n'
        'set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "modules")\n'
    )
    build, prefix = tmp_path / "build", tmp_path / "installed"
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(build), f"-DSlicer_DIR={fake}"],
        ["cmake", "--install", str(build), "--prefix", str(prefix)],
    ):
        answer = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert answer.returncode == 0, answer.stderr
    for folder in (prefix / "modules", build / "modules"):
        copied = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        assert copied == _script("file_list").in_tree()


def test_version_is_said_once():
    from lossseg import __version__

    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_requirements_are_pinned():
    """Every package that pyproject.toml names has one version in constraints.txt, torch excepted."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["report"],
        *project["optional-dependencies"]["test"],
    ]
    names = {re.split(r"[\[<>=~!]", text)[0].lower() for text in wanted} - {"torch", "lossseg"}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    assert names <= pinned, f"not pinned: {names - pinned}"


def test_the_source_is_there_for_every_make_target():
    """A target that calls a script calls one that exists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    scripts = set(re.findall(r"Testing/[\w/]+\.(?:py|sh)", makefile))
    assert scripts
    assert not [name for name in scripts if not (ROOT / name).exists()]


def test_the_page_of_losses_is_made_from_the_catalogue() -> None:
    made = _script("losses_page")
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "Run `make losses-page`."
