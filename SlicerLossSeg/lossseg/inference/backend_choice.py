"""Which backend runs a network: a short measurement decides, and its result is kept beside the model."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import torch

from lossseg import networks
from lossseg.dataset import Case
from lossseg.errors import InputError
from lossseg.files import read_json, write_json
from lossseg.inference import openvino_backend as openvino
from lossseg.inference.backend import Backend, BackendFactory, Precision, TorchBackend, torch_backend
from lossseg.inference.device import cpu_has_bf16, reduced_precision
from lossseg.inference.int8_backend import int8_backend
from lossseg.model import Model
from lossseg.reporting import Reporter, Silent

_RECORD = "measured.json"
_TYPICAL = {
    "name": "DynUNet",
    "in_channels": 1,
    "out_channels": 2,
    "filters": [16, 32, 64],
    "kernels": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
    "deep_supervision": False,
}
# Root mean square of the difference, relative to the logits' standard deviation, in 32 bits and in 16.
_TOLERANCE, _TOLERANCE_16 = 1e-3, 0.1


class BackendName(StrEnum):
    AUTO = "auto"
    """OpenVINO on a CPU where it is installed and measures faster, else torch."""
    TORCH = "torch"
    OPENVINO = "openvino"


@dataclass(frozen=True)
class Measured:
    """What one window took on this machine, in seconds, and how far the results lie apart.

    The difference is the root mean square over the logits, relative to their standard deviation.
    """

    torch: float
    openvino: float
    difference: float

    @property
    def sentence(self) -> str:
        faster, slower = sorted((self.torch, self.openvino))
        first, second = ("OpenVINO", "torch") if self.openvino < self.torch else ("torch", "OpenVINO")
        return f"{first} takes {faster:.3g} s for a window, {second} {slower:.3g} s"


def backend_factory(
    name: BackendName | str, reporter: Reporter | None = None, cases: Sequence[Case] = ()
) -> BackendFactory:
    """What makes the backends of that name. 8 bits are computed by OpenVINO on the CPU or refused.

    Args:
        reporter: hears when OpenVINO cannot run a network, which torch then runs.
        cases: what 8 bits are calibrated on where the model was not yet.

    Raises:
        InputError: the name is unknown, or OpenVINO was asked for and is not installed.
    """
    try:
        chosen = BackendName(name)
    except ValueError as error:
        known = ", ".join(BackendName)
        raise InputError(f"Unknown backend {name!r}.", f"Use one of {known}.") from error
    if chosen is BackendName.OPENVINO and not openvino.is_installed():
        raise InputError("OpenVINO is not installed.", "Install it (pip install openvino) or use --backend torch.")
    teller = reporter or Silent()

    def make(model: Model, device: torch.device, precision: Precision) -> Backend:
        if precision is Precision.INT8:
            _check_int8(chosen, device)
            return int8_backend(model, cases, teller)
        if chosen is BackendName.TORCH:
            return torch_backend(model, device, precision)
        if device.type != "cpu" or not openvino.is_installed():
            if chosen is BackendName.OPENVINO:
                teller.warning(f"OpenVINO computes on the CPU only; {device} is run by torch.", "Choose --device cpu.")
            return torch_backend(model, device, precision)
        if not openvino.can_be_kept(model):
            return torch_backend(model, device, precision)
        try:
            if chosen is BackendName.OPENVINO:
                return openvino.openvino_backend(model, device, precision)
            return _faster(model, device, precision, teller)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            teller.warning(
                f"OpenVINO cannot run {model.name} ({reason}).", "It is run by torch; nothing is to be done."
            )
            return torch_backend(model, device, precision)

    return make


def _check_int8(name: BackendName, device: torch.device) -> None:
    if not openvino.is_installed():
        raise InputError("8 bits are computed by OpenVINO, which is not installed.", "Install it: pip install openvino")
    if name is BackendName.TORCH:
        raise InputError("8 bits are computed by OpenVINO, and torch was asked for.", "Leave out one of the two.")
    if device.type != "cpu":
        raise InputError(
            f"8 bits are computed on the CPU, not on {device}.", "Choose --device cpu or another precision."
        )


def _faster(model: Model, device: torch.device, precision: Precision, reporter: Reporter) -> Backend:
    folder = openvino.cache_folder(model)
    known = _known(folder, model, precision)
    if known is not None and not _prefers_openvino(known, precision):
        return torch_backend(model, device, precision)
    translated = openvino.openvino_backend(model, device, precision)
    if known is not None:
        return translated
    plain = torch_backend(model, device, precision)
    found = measure(plain, translated, (1, model.plan.inputs, *model.plan.patch))
    _remember(folder, model, precision, found)
    if found.difference > _tolerance(precision):
        reporter.warning(
            f"OpenVINO's result for {model.name} differs from torch's by {found.difference:.2g} of its spread.",
            "It is run by torch; nothing is to be done.",
        )
    return translated if _prefers_openvino(found, precision) else plain


def of_this_machine(device: torch.device) -> tuple[BackendName, str]:
    """Which backend a typical small network would get here, and why; its own model is measured when it is used."""
    if device.type != "cpu":
        return BackendName.TORCH, f"OpenVINO computes on the CPU only, {device} is run by torch"
    if not openvino.is_installed():
        return BackendName.TORCH, "OpenVINO is not installed"
    network, shape = networks.build(_TYPICAL).eval(), (1, 1, 64, 64, 64)
    plain = TorchBackend(network, device, reduced_precision(device))
    try:
        translated = openvino.OpenVinoBackend(openvino.translate(networks.build(_TYPICAL), shape), Precision.AUTO)
        found = measure(plain, translated, shape)
    except RuntimeError as error:
        return BackendName.TORCH, f"OpenVINO does not work here ({str(error).strip().splitlines()[-1]})"
    return (BackendName.OPENVINO if found.openvino < found.torch else BackendName.TORCH), found.sentence


def measure(
    plain: Backend, translated: Backend, shape: tuple[int, ...], clock: Callable[[], float] = time.perf_counter
) -> Measured:
    """Run the same window of noise through both, each once to warm up and once by the clock."""
    window = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    seconds, results = [], []
    for backend in (plain, translated):
        backend.run(window)
        started = clock()
        logits = backend.run(window).float()
        seconds.append(clock() - started)
        results.append(logits[:, 1:2] - logits[:, 0:1] if logits.shape[1] == 2 else logits)
    spread = float(results[0].std())
    difference = float((results[1] - results[0]).square().mean().sqrt())
    return Measured(seconds[0], seconds[1], difference / spread if spread > 0 else difference)


def _prefers_openvino(found: Measured, precision: Precision) -> bool:
    return found.difference <= _tolerance(precision) and found.openvino < found.torch


def _tolerance(precision: Precision) -> float:
    return _TOLERANCE_16 if _narrow(precision) else _TOLERANCE


def _narrow(precision: Precision) -> bool:
    return precision is Precision.AUTO and cpu_has_bf16()


def _machine(model: Model, precision: Precision) -> str:
    bf16 = "bf16" if _narrow(precision) else "f32"
    patch = "x".join(map(str, model.plan.patch))
    processor = platform.processor() or platform.machine()
    return f"{processor}, {torch.get_num_threads()} threads, {bf16}, {patch}, torch {torch.__version__}"


def _known(folder: Path, model: Model, precision: Precision) -> Measured | None:
    # Whatever is wrong with the record, measuring anew mends it.
    with suppress(InputError, KeyError, TypeError, ValueError):
        return Measured(**read_json(folder / _RECORD)[_machine(model, precision)])
    return None


def _remember(folder: Path, model: Model, precision: Precision, found: Measured) -> None:
    if not folder.is_dir():
        return
    record: dict[str, object] = {}
    with suppress(InputError):
        record = dict(read_json(folder / _RECORD))
    # A folder that may not be written to only costs the measurement another time.
    with suppress(InputError):
        write_json(folder / _RECORD, {**record, _machine(model, precision): asdict(found)})
