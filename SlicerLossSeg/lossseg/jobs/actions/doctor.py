"""Job `doctor`: what this machine has, and what is missing."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from lossseg import __version__
from lossseg.jobs.action import Action, Summary, option
from lossseg.jobs.failure import install_hint
from lossseg.reporting import Reporter

# Package name and the name it is imported by.
REQUIRED = (
    ("torch", "torch"),
    ("monai", "monai"),
    ("numpy", "numpy"),
    ("scipy", "scipy"),
    ("SimpleITK", "SimpleITK"),
    ("connected-components-3d", "cc3d"),
    ("edt", "edt"),
    ("safetensors", "safetensors"),
    ("psutil", "psutil"),
    ("typer", "typer"),
    ("rich", "rich"),
)
OPTIONAL = (
    ("matplotlib", "matplotlib", "figures in reports"),
    ("openvino", "openvino", "faster prediction on processors"),
    ("ray", "ray", "studies on several machines"),
    ("cma", "learn", "searching for losses"),
)


@dataclass(frozen=True)
class DoctorParams:
    measure: bool = option(True, "Measure what runs networks faster on the CPU; takes some seconds.")


def run(params: DoctorParams, reporter: Reporter) -> Summary:
    missing = [name for name, module in REQUIRED if find_spec(module) is None]
    for name in missing:
        reporter.warning(f"{name} is not installed; most jobs need it.", f"Install it: pip install {name}")
    return {
        "engine": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "packages": {name: _version(name, module) for name, module in REQUIRED},
        "optional": [
            {"name": name, "version": _version(name, module), "for": use, "install": install_hint(module)}
            for name, module, use in OPTIONAL
        ],
        "missing": missing,
        "machine": _machine(),
        "torch": _torch(params.measure),
    }


def _version(name: str, module: str) -> str | None:
    if find_spec(module) is None:
        return None
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _machine() -> dict[str, Any]:
    from lossseg.jobs.machine import available_memory_gb, processor, total_memory_gb, usable_cores

    return {
        "processor": processor(),
        "cores": usable_cores(),
        "memory_gb": total_memory_gb(),
        "memory_free_gb": available_memory_gb(),
    }


def _torch(measure: bool) -> dict[str, Any] | None:
    """What torch says of the devices; None when it cannot be imported."""
    try:
        import torch

        from lossseg.inference.backend_choice import of_this_machine
        from lossseg.inference.device import choose_device, cpu_has_bf16
    except ImportError:
        return None
    device, reason = choose_device("auto")
    backend, why = of_this_machine(device) if measure else (None, "not measured")
    cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return {
        "device": str(device),
        "reason": reason,
        "backend": None if backend is None else str(backend),
        "backend_reason": why,
        "threads": torch.get_num_threads(),
        "cpu_bf16": cpu_has_bf16(),
        "cuda_build": torch.version.cuda,
        "cuda": [{"name": card.name, "memory_gb": round(card.total_memory / 2**30, 1)} for card in cards],
        "mps": torch.backends.mps.is_available(),
    }


ACTION = Action(
    kind="doctor",
    title="Show versions, devices, memory, and what is missing.",
    params=DoctorParams,
    run=run,
    examples=("lossseg doctor", "lossseg doctor --json"),
)
