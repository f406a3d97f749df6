"""The module's self-test: what Slicer runs with Reload and Test and from ctest."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import slicer

from SlicerLossSegLib.assessment import assess
from SlicerLossSegLib.dependencies import SetUp
from SlicerLossSegLib.lesion_row import Verdict
from SlicerLossSegLib.logic import SlicerLossSegLogic
from SlicerLossSegLib.sample_data import load_sample
from SlicerLossSegLib.segment_case import CaseInput
from SlicerLossSegLib.segment_result import Collected, show_result
from SlicerLossSegLib.segmentation_io import segment_ids
from SlicerLossSegLib.study import demo_study
from SlicerLossSegLib.volumes import Grid, add_scalar_volume


def run_self_test() -> None:
    """Check what can be checked with the packages that are there.

    Raises:
        AssertionError: something is not as it must be.
    """
    opening_imports_no_torch()
    if SetUp().version_of("connected-components-3d"):
        lesions_come_and_go()
    if SetUp().is_ready:
        sample_is_segmented()


def opening_imports_no_torch() -> None:
    slicer.util.getModuleWidget("SlicerLossSeg")
    assert "torch" not in sys.modules or SetUp().is_ready, "The module has imported torch."


def lesions_come_and_go() -> None:
    """Two made-up lesions: table, rejection, undo."""
    array = np.zeros((20, 24, 28), np.uint8)
    array[4:8, 5:9, 6:10] = 1
    array[12:14, 15:18, 20:23] = 1
    grid = Grid((20, 24, 28), np.diag([1.0, 1.5, 2.0, 1.0]))
    volume = add_scalar_volume("SelfTest", array.astype(np.int16) * 100, grid)
    seen = assess(array, grid, {"background": 0, "nodule": 1})
    result = show_result(CaseInput("SelfTest", (volume,)), Collected(seen, None, None))
    rows = result.table.rows
    assert [round(row.volume_mm3) for row in rows] == [192, 54], rows
    assert result.table.judge(rows[1].key, Verdict.REJECTED)
    assert len(segment_ids(result.segmentation)) == 1
    result.table.undo()
    assert len(segment_ids(result.segmentation)) == 2


def sample_is_segmented() -> None:
    """The phantom through the demo ensemble, in the engine's own process."""
    volume, truth = load_sample()
    logic = SlicerLossSegLogic()
    with tempfile.TemporaryDirectory() as name:
        # The engine keeps what it prepares beside the models, which the installed ones are to be spared.
        copied = Path(shutil.copytree(demo_study(), Path(name) / "demo"))
        (ensemble,) = sorted((copied / "ensembles").glob("*.json"))
        result = logic.segment(volume, ensemble)
    measures = logic.compare(result.table, truth)
    assert measures["recall"] > 0.5, measures
    logic.close()
