"""What CMake installs into Slicer is what is in the tree."""

import json
import re
import shutil
import subprocess

import pytest
from engine_for_tests import REPOSITORY

MODULE = REPOSITORY / "SlicerLossSeg"


def listed(name):
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    found = re.search(rf"set\({name}\n(.*?)\)", text, re.DOTALL)
    return found.group(1).replace("${MODULE_NAME}", "SlicerLossSeg").split()


def files_below(folder, ending=""):
    paths = (path for path in (MODULE / folder).rglob(f"*{ending}") if path.is_file())
    return sorted(path.relative_to(MODULE).as_posix() for path in paths if "__pycache__" not in path.parts)


def test_every_script_is_listed():
    assert listed("MODULE_PYTHON_SCRIPTS") == ["SlicerLossSeg.py", *files_below("SlicerLossSegLib", ".py")]


def test_every_resource_is_listed():
    assert listed("MODULE_PYTHON_RESOURCES") == files_below("Resources")


def test_one_module_lies_in_the_modules_folder():
    """Slicer takes every .py there for a module."""
    assert [path.name for path in MODULE.glob("*.py")] == ["SlicerLossSeg.py"]


def test_the_catalogue_entry_fits_the_extension():
    entry = json.loads((REPOSITORY / "LossSeg.json").read_text())
    cmake = (REPOSITORY / "CMakeLists.txt").read_text()
    assert "project(LossSeg)" in cmake
    assert entry["category"] == "Segmentation"
    assert entry["build_dependencies"] == ["PyTorch"]
    assert "set(EXTENSION_DEPENDS PyTorch)" in cmake
    assert b"\r" not in (REPOSITORY / "LossSeg.json").read_bytes()


def test_cmake_hands_everything_to_slicer(tmp_path):
    """With a stand-in for Slicer's package that notes what its macros are given."""
    if not shutil.which("cmake") or not (shutil.which("cc") and shutil.which("c++")):
        pytest.skip("needs cmake and a compiler")
    fake = tmp_path / "slicer"
    fake.mkdir()
    (fake / "empty.cmake").write_text("")
    (fake / "use.cmake").write_text(
        "macro(slicerMacroBuildScriptedModule)\n"
        f'  file(APPEND "{tmp_path}/given.txt" "${{ARGN}}")\n'
        "endmacro()\n"
        f'macro(slicer_add_python_unittest)\n  file(APPEND "{tmp_path}/tests.txt" "${{ARGN}};")\nendmacro()\n'
    )
    (fake / "SlicerConfig.cmake").write_text(
        f'set(Slicer_USE_FILE "{fake}/use.cmake")\n'
        f'set(Slicer_EXTENSION_GENERATE_CONFIG "{fake}/empty.cmake")\n'
        f'set(Slicer_EXTENSION_CPACK "{fake}/empty.cmake")\n'
        'set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "modules")\n'
        'set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "modules")\n'
        "set(BUILD_TESTING ON)\n"
    )
    answer = subprocess.run(
        ["cmake", "-S", str(REPOSITORY), "-B", str(tmp_path / "build"), f"-DSlicer_DIR={fake}"],
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    given = (tmp_path / "given.txt").read_text().split(";")
    scripts = given[given.index("SCRIPTS") + 1 : given.index("RESOURCES")]
    resources = given[given.index("RESOURCES") + 1 : given.index("WITH_GENERIC_TESTS")]
    assert all((MODULE / name).is_file() for name in scripts + resources)
    assert (tmp_path / "tests.txt").read_text() == "SCRIPT;SlicerLossSeg.py;SCRIPT;test_in_slicer.py;"
