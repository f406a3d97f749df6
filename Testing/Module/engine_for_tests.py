"""The engine and the set-up as the tests of the module use them: the real engine process, nothing installed."""

import sys
import time
from functools import cache
from pathlib import Path

import qt
import slicer

REPOSITORY = Path(__file__).resolve().parents[2]
ENGINE_PYTHON = REPOSITORY / ".venv" / "bin" / "python"
DEMO_STUDY = REPOSITORY / "SlicerLossSeg" / "Resources" / "DemoStudy"
FAKE_ENGINE = Path(__file__).with_name("fake_engine.py")


def use_engine(monkeypatch, study: Path) -> None:
    """The engine's own Python; its packages count as installed; an empty study folder."""
    from SlicerLossSegLib import dependencies, engine
    from SlicerLossSegLib.logic import STUDY_SETTING

    monkeypatch.setattr(engine, "interpreter", lambda: str(ENGINE_PYTHON))
    monkeypatch.setattr(dependencies, "slicer_installer", all_installed)
    qt.QSettings().setValue(STUDY_SETTING, str(study))


def all_installed():
    """An installer that finds every package and would install none."""
    from SlicerLossSegLib.dependencies import Installer

    def refuse(*unused):
        raise AssertionError("Nothing may be installed.")

    return Installer(
        lambda name: {"torch": "2.13.0+cpu", "monai": "1.6.1"}.get(name, "99.0"), refuse, refuse, refuse, lambda: ""
    )


def use_fake_engine(monkeypatch, mode: str) -> None:
    """A program that behaves like an engine in trouble, see fake_engine.py."""
    from SlicerLossSegLib import engine

    def command(job_file: Path) -> engine.Command:
        return engine.Command(sys.executable, (str(FAKE_ENGINE), mode, str(job_file)), engine.environment())

    monkeypatch.setattr(engine, "command", command)


def wait_until(condition, seconds: float = 600.0) -> None:
    """Let Qt work until `condition()` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        slicer.app.processEvents()
        time.sleep(0.002)


@cache
def phantom_files() -> tuple[Path, Path]:
    """Image and truth of a CT phantom with nodules, made by the engine once per session."""
    import subprocess
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="lossseg-phantom-")) / "dataset"
    size = ["--cases", "1", "--size", "40", "64", "64", "--seed", "4"]
    subprocess.run(
        [str(ENGINE_PYTHON), "-m", "lossseg", "phantom", "ct", str(folder), *size],
        env={"PYTHONPATH": str(REPOSITORY / "SlicerLossSeg"), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    return folder / "imagesTr" / "CT_001_0000.nii.gz", folder / "labelsTr" / "CT_001.nii.gz"


def load_phantom(name: str = "CT"):
    """The phantom as a volume node."""
    return slicer.util.loadVolume(str(phantom_files()[0]), {"name": name})


def load_truth():
    """The phantom's true nodules as a segmentation node."""
    labels = slicer.util.loadLabelVolume(str(phantom_files()[1]), {"name": "truth labels"})
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "truth")
    node.CreateDefaultDisplayNodes()
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, node)
    slicer.mrmlScene.RemoveNode(labels)
    return node
