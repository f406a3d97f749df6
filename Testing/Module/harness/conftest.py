"""A small module's panel."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sample_module import write_module

import slicer_harness


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """The small module, loaded."""
    return slicer_harness.load_module(write_module(tmp_path_factory.mktemp("sample module"), "Sample"))[0]


@pytest.fixture
def panel(sample):
    """Its panel, set up and entered."""
    sample.CALLS.clear()
    made = slicer_harness.create_widget(sample)
    yield made
    slicer_harness.close_widget(made)
