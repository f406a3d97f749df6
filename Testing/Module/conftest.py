"""Boots the harness before any module code is imported.

What Slicer would print and pass over (an exception in a slot or an observer, an error of VTK, a warning of Qt) fails
the test in which it happened; a test that provokes one takes it from the fixture `errors` and clears it.
"""

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Testing"))

import slicer_harness  # noqa: E402

app = slicer_harness.boot()

import slicer  # noqa: E402

from slicer_harness import errors as recorded_errors  # noqa: E402


@pytest.fixture(autouse=True)
def clean_scene():
    """An empty scene and four-up layout before each test; nothing unseen after it."""
    slicer.mrmlScene.Clear(0)
    app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    app.processEvents()
    recorded_errors.clear()
    yield
    app.processEvents()
    assert not recorded_errors.unseen(), recorded_errors.unseen()


@pytest.fixture
def errors():
    """The recorder: `exceptions`, `vtk_errors`, `qt_warnings`, `clear()`."""
    return recorded_errors


@pytest.fixture(scope="session")
def module():
    """(Python module, instance of its module class) of SlicerLossSeg, loaded as the application does."""
    return slicer_harness.load_module(REPOSITORY / "SlicerLossSeg" / "SlicerLossSeg.py")


@pytest.fixture
def widget(module):
    """The module's panel, set up and entered; left, cleaned up and deleted after the test."""
    made = slicer_harness.create_widget(module[0])
    yield made
    slicer_harness.close_widget(made)
