"""A model run partly in 8 bits: calibrated once on images, and from then on the same network for every case.

What it was calibrated on is written beside it, in `openvino/KEY/int8-VERSION/calibration.json` of the model folder;
without that folder it is calibrated anew, on the first cases of the next prediction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from lossseg.dataset import Case
from lossseg.errors import InputError
from lossseg.files import write_json
from lossseg.images import read_volume
from lossseg.inference import openvino_backend as openvino
from lossseg.inference.backend import Precision
from lossseg.inference.body import body_on_plan_grid
from lossseg.inference.int8 import channel_ranges, quantised
from lossseg.inference.ladder import is_out_of_memory
from lossseg.inference.sliding_window import Windows, place_windows
from lossseg.model import Model
from lossseg.preprocessing import prepare
from lossseg.reporting import Reporter, Stage

CASES, WINDOWS = 4, 12
# Goes up when the same images would give another network.
_VERSION = 1
_GRAPH, _RECORD = "network.xml", "calibration.json"


def int8_backend(model: Model, cases: Sequence[Case], reporter: Reporter) -> openvino.OpenVinoBackend:
    """The model's network with its larger convolutions in 8 bits, the rest as in `Precision.AUTO`.

    Args:
        cases: the first of them are what a model is calibrated on that was not yet; that takes as long as `WINDOWS`
            windows in 32 bits.

    Raises:
        InputError: nothing to calibrate on, or OpenVINO cannot run the network.
    """
    if not openvino.can_be_kept(model):
        raise InputError(f"{model.name} is no model folder, which 8 bits need.", "Use another precision.")
    folder = openvino.cache_folder(model) / f"int8-{_VERSION}"
    core = openvino.core()
    if (folder / _GRAPH).exists():
        # A damaged one is calibrated anew.
        with suppress(RuntimeError):
            return openvino.OpenVinoBackend(core.read_model(folder / _GRAPH), Precision.INT8)
    if not cases:
        raise InputError(
            f"{model.name} was not calibrated for 8 bits yet.",
            "Segment images with --precision int8 once (lossseg predict), which calibrates it on the first of them.",
        )
    try:
        graph = openvino.graph_of(model)
        windows = _windows(model, cases, reporter)
        ranges = channel_ranges(graph, [window for found in windows.values() for window in found], core)
        made = quantised(graph, ranges)
        backend = openvino.OpenVinoBackend(made, Precision.INT8)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"OpenVINO cannot run {model.name} in 8 bits ({reason}).", "Use another precision.") from error
    _keep(made, folder, windows, len(ranges))
    return backend


def calibration_windows(model: Model, case: Case, count: int) -> list[np.ndarray]:
    """Up to `count` windows (1, C, z, y, x) float32 as the network would see them, evenly spread over the body.

    Raises:
        InputError: the case does not fit the model.
    """
    volumes = [read_volume(path) for path in case.images]
    prepared = prepare(volumes, model.plan)
    windows = place_windows(prepared.image.shape[1:], model.plan.patch, 0.5)
    corners = windows.corners(body_on_plan_grid(volumes, prepared))
    places = (np.arange(count) + 0.5) * len(corners) / count
    return [
        _window(prepared.image, windows, corners[place], prepared.padding) for place in np.unique(places.astype(int))
    ]


def _windows(model: Model, cases: Sequence[Case], reporter: Reporter) -> dict[str, list[np.ndarray]]:
    """Of each case that can be read, by its name."""
    chosen, found = cases[:CASES], {}
    stage = Stage(reporter, "calibrate", len(chosen))
    failure: InputError | None = None
    for case in chosen:
        try:
            found[case.name] = calibration_windows(model, case, -(-WINDOWS // len(chosen)))
        except InputError as error:
            failure = error
        stage.advance()
    if failure is not None and not found:
        raise failure
    return found


def _window(image: np.ndarray, windows: Windows, corner: tuple[int, int, int], padding: Sequence[float]) -> np.ndarray:
    window = np.empty((1, len(image), *windows.patch), np.float32)
    window[:] = np.reshape(tuple(padding) or (0.0,) * len(image), (1, -1, 1, 1, 1))
    window[(0, slice(None), *windows.covered(corner))] = image[(slice(None), *windows.inside(corner))]
    return window


def _keep(graph: Any, folder: Path, windows: Mapping[str, Sequence[np.ndarray]], tensors: int) -> None:
    record = {"windows": {case: len(found) for case, found in windows.items()}, "tensors_in_8_bits": tensors}
    # A folder that may not be written to only costs the calibration another time.
    with suppress(OSError, RuntimeError, InputError), openvino.kept_whole(folder) as beside:
        openvino.save(graph, beside / _GRAPH)
        write_json(beside / _RECORD, record)
