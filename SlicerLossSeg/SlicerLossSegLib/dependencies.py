"""The packages that the engine needs: which are missing, and installing them after the person agreed.

Nothing here runs when the module is loaded or entered, except looking at the metadata of installed packages.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from lossseg.errors import MissingDependency
from SlicerLossSegLib import engine

REQUIREMENTS = Path(__file__).resolve().parents[1] / "Resources" / "requirements.txt"
TORCH = "torch>=2.6"
RECOMMENDED = "openvino>=2024.4"
"""Segments in half the time on many processors. The engine does without where it cannot be installed."""
PENDING = "LossSeg/SetUpPending"
"""Setting: the person agreed to the set-up and Slicer was restarted in its course."""
WHEELS = "LossSeg/WheelFolder"
"""Setting: a folder with wheels, for a computer without access to a package server."""

NEVER_TOUCHED = ("numpy", "scipy", "SimpleITK", "vtk", "Pillow", "requests", "packaging", "setuptools")
"""Slicer is built against these or runs on them: pip may not change their versions."""

SIZE_TEXT = "0.4 GB for a computer without graphics card, up to 3 GB with one"


class RestartNeeded(Exception):
    """The PyTorch extension was installed; Slicer must be started anew before torch can be."""


@dataclass(frozen=True)
class Installer:
    """How packages are looked for and installed. Each field is replaced by a test's own.

    Attributes:
        version_of: package name to the installed version, None where it is not.
        pip_ensure: installs requirement lines, holding to a file of constraints.
        pip_wheels: installs requirement lines from a folder of wheels only, holding to a file of constraints.
        install_torch: installs torch as the machine's graphics card wants it. Raises `RestartNeeded`.
        check: imports the engine's packages in its own process; returns what went wrong, "" when nothing did.
    """

    version_of: Callable[[str], str | None]
    pip_ensure: Callable[[Sequence[str], Path], None]
    pip_wheels: Callable[[Sequence[str], Path, Path], None]
    install_torch: Callable[[str], None]
    check: Callable[[], str]


def slicer_installer() -> Installer:
    """The installer for the Slicer that runs."""
    return Installer(_version_of, _pip_ensure, _pip_wheels, _install_torch, check_in_subprocess)


class SetUp:
    """The set-up of the engine's packages.

    Args:
        settings: a QSettings or what behaves like one.
    """

    def __init__(self, installer: Installer | None = None, settings: Any | None = None) -> None:
        self._installer = installer or slicer_installer()
        self._settings = settings or qt.QSettings()
        self._missing: list[str] | None = None

    def missing(self) -> list[str]:
        """The requirement lines that are not met, torch first. Looks at metadata only."""
        lines = [TORCH, *requirement_lines()]
        self._missing = [line for line in lines if not _is_met(line, self._installer.version_of)]
        return list(self._missing)

    def version_of(self, name: str) -> str | None:
        """The installed version of a package, None where it is not installed."""
        return self._installer.version_of(name)

    @property
    def is_ready(self) -> bool:
        """Whether nothing was missing when `missing` was asked last."""
        return not (self.missing() if self._missing is None else self._missing)

    @property
    def wheel_folder(self) -> Path | None:
        text = self._settings.value(WHEELS)
        return Path(text) if text else None

    @wheel_folder.setter
    def wheel_folder(self, folder: Path | None) -> None:
        self._settings.setValue(WHEELS, str(folder or ""))

    @property
    def is_pending(self) -> bool:
        """Whether a set-up that the person agreed to waits for its end after a restart of Slicer."""
        return str(self._settings.value(PENDING)) in ("1", "true", "True")

    def question(self) -> str:
        """What the person is asked before anything is installed."""
        source = self.wheel_folder
        where = _("from the folder {folder}").format(folder=source) if source else _("from the internet")
        return _(
            "Loss Segmentation needs additional Python packages.\n\n{packages}\n\nThey are installed into Slicer "
            "{where}, with {faster}, which makes it faster, where that is available; {size}. This takes some minutes."
        ).format(packages=", ".join(self.missing()), faster=RECOMMENDED, where=where, size=SIZE_TEXT)

    def install(self) -> None:
        """Install what is missing, then check it in a process of its own. The person has agreed.

        Raises:
            RestartNeeded: go on with `install` after Slicer was started anew; `is_pending` says so then.
            MissingDependency: something could not be installed or does not work; the hint says what to do.
        """
        missing = self.missing()
        others = [line for line in missing if line != TORCH]
        constraints = write_constraints(Path(slicer.app.temporaryPath) / "LossSeg-constraints.txt")
        self._settings.setValue(PENDING, "1")
        try:
            if self.wheel_folder is not None:
                if missing:
                    self._installer.pip_wheels(missing, self.wheel_folder, constraints)
            else:
                if TORCH in missing:
                    self._installer.install_torch(TORCH)
                if others:
                    self._installer.pip_ensure(others, constraints)
            if not _is_met(RECOMMENDED, self._installer.version_of):
                self._recommend(constraints)
            wrong = self._installer.check()
        except RestartNeeded:
            raise
        except Exception as error:
            self._settings.setValue(PENDING, "")
            raise MissingDependency(
                _("The packages could not be installed: {error}.").format(error=str(error).strip().rstrip(".")),
                _("Check the internet connection, or choose a folder with wheels, and press Set up again."),
            ) from error
        self._settings.setValue(PENDING, "")
        self._missing = None
        if wrong:
            raise MissingDependency(
                _("The packages are installed but do not work: {error}.").format(error=wrong.rstrip(".")),
                _("Start Slicer anew and press Set up again."),
            )

    def _recommend(self, constraints: Path) -> None:
        """Install what is only recommended; that it cannot be is no reason to stop."""
        try:
            if self.wheel_folder is not None:
                self._installer.pip_wheels([RECOMMENDED], self.wheel_folder, constraints)
            else:
                self._installer.pip_ensure([RECOMMENDED], constraints)
        except Exception as error:
            logging.warning("%s was not installed: %s", RECOMMENDED, error)


def requirement_lines() -> list[str]:
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def write_constraints(path: Path) -> Path:
    """A file of constraints that keeps the versions of what Slicer itself runs."""
    versions = {name: _version_of(name) for name in NEVER_TOUCHED}
    lines = [f"{name}=={version}" for name, version in versions.items() if version]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def check_in_subprocess() -> str:
    """Import the engine's packages in its own process; what went wrong in one line, "" when nothing did.

    In its own process because a broken torch takes down the one that imports it.
    """
    code = "import torch, monai, cc3d, edt, safetensors, psutil, typer, rich, SimpleITK, lossseg.inference, lossseg.cli"
    try:
        done = subprocess.run(
            [engine.interpreter(), "-c", code],
            env=engine.environment(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=300,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {done.returncode}"


def _is_met(line: str, version_of: Callable[[str], str | None]) -> bool:
    requirement = _requirement(line)
    installed = version_of(requirement.name)
    return installed is not None and requirement.specifier.contains(installed.partition("+")[0], prereleases=True)


def _requirement(line: str) -> Any:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        from pip._vendor.packaging.requirements import Requirement
    return Requirement(line)


def _version_of(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pip_ensure(lines: Sequence[str], constraints: Path) -> None:
    try:
        import slicer.packaging
    except ImportError:
        # Slicer 5.10 has no slicer.packaging; its pip_install takes pip's own words.
        slicer.util.pip_install(["-c", str(constraints), *lines])
        return
    # The person has agreed already, in words that also cover torch.
    slicer.packaging.pip_ensure(
        [_requirement(line) for line in lines],
        constraints=str(constraints),
        prompt_install=False,
        requester="Loss Segmentation",
        skip_in_testing=False,
    )


def _pip_wheels(lines: Sequence[str], folder: Path, constraints: Path) -> None:
    slicer.util.pip_install(["--no-index", "--find-links", str(folder), "-c", str(constraints), *lines])


def _install_torch(requirement: str) -> None:
    try:
        torch_utils = importlib.import_module("PyTorchUtils")
    except ImportError as error:
        _install_pytorch_extension()
        raise RestartNeeded(_("The PyTorch extension was installed.")) from error
    version = requirement.removeprefix("torch")
    if torch_utils.PyTorchUtilsLogic().installTorch(askConfirmation=False, torchVersionRequirement=version) is None:
        raise RuntimeError(_("PyTorch was not installed"))


def _install_pytorch_extension() -> None:
    manager = slicer.app.extensionsManagerModel()
    asks, manager.interactive = manager.interactive, False
    try:
        # False: Slicer is started anew when the person says so.
        if not manager.installExtensionFromServer("PyTorch", False):
            raise RuntimeError(_("the PyTorch extension could not be installed"))
    finally:
        manager.interactive = asks


def doctor_line(summary: Mapping[str, Any]) -> str:
    """Device and memory in a few words, from the summary of the engine's job `doctor`."""
    torch, machine = summary.get("torch"), summary.get("machine", {})
    memory = machine.get("memory_gb")
    parts = []
    for card in (torch or {}).get("cuda", []):
        parts.append(f"{card['name']} ({card['memory_gb']:.0f} GB)")
    if (torch or {}).get("mps"):
        parts.append(_("Apple GPU"))
    parts.append(_("{n} cores").format(n=machine.get("cores", "?")))
    if memory:
        parts.append(_("{gb:.0f} GB memory").format(gb=memory))
    return ", ".join(parts)


def devices(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The devices to choose from, as the engine calls them and as a person reads them."""
    torch = summary.get("torch") or {}
    found = [("auto", _("Automatic"))]
    found += [(f"cuda:{place}", card["name"]) for place, card in enumerate(torch.get("cuda", []))]
    if torch.get("mps"):
        found.append(("mps", _("Apple GPU")))
    return [*found, ("cpu", _("Processor (CPU)"))]
