"""The set-up of the engine's packages: asked before, checked after, resumed after a restart, never by itself."""

import sys

import pytest
from engine_for_tests import ENGINE_PYTHON

from lossseg.errors import MissingDependency


@pytest.fixture(autouse=True)
def _module(module):
    """The module's packages can be imported."""


class Settings:
    """What QSettings does, without a file."""

    def __init__(self):
        self.values = {}

    def value(self, name):
        return self.values.get(name)

    def setValue(self, name, value):
        self.values[name] = value


class Machine:
    """A Slicer whose packages are a dictionary."""

    def __init__(self, installed, wrong="", fails=None, restart=False):
        self.installed, self.wrong, self.fails, self.restart = dict(installed), wrong, fails, restart
        self.calls = []

    def installer(self):
        from SlicerLossSegLib.dependencies import Installer

        return Installer(self.installed.get, self.pip, self.wheels, self.torch, self.check)

    def pip(self, lines, constraints):
        self.calls.append(("pip", list(lines)))
        if self.fails:
            raise self.fails
        self.installed.update({name: READY[name] for name in (line.partition(">")[0] for line in lines)})
        self.constraints = constraints.read_text()

    def wheels(self, lines, folder, constraints):
        self.calls.append(("wheels", list(lines), folder))

    def torch(self, line):
        from SlicerLossSegLib.dependencies import RestartNeeded

        self.calls.append(("torch", line))
        if self.restart:
            self.restart = False
            raise RestartNeeded("")
        self.installed["torch"] = "2.13.0+cu128"

    def check(self):
        self.calls.append(("check",))
        return self.wrong


READY = {
    "torch": "2.13.0+cpu",
    "monai": "1.6.1",
    "connected-components-3d": "3.23",
    "edt": "3.1.2",
    "safetensors": "0.5",
    "psutil": "6",
    "typer": "0.16",
    "rich": "14",
    "openvino": "2026.4.1",
}


def set_up_of(machine, settings=None):
    from SlicerLossSegLib.dependencies import SetUp

    return SetUp(machine.installer(), settings or Settings())


def test_what_is_missing_is_found_in_metadata_only():
    assert set_up_of(Machine(READY)).is_ready
    set_up = set_up_of(Machine({**READY, "monai": "1.4.0", "torch": None}))
    assert set_up.missing() == ["torch>=2.6", "monai>=1.5,<2"]
    assert "torch" not in sys.modules
    assert "monai" not in sys.modules


def test_slicers_own_packages_are_never_asked_for():
    from SlicerLossSegLib.dependencies import NEVER_TOUCHED, TORCH, requirement_lines

    asked = {line.partition(">")[0].partition("<")[0].lower() for line in [TORCH, *requirement_lines()]}
    assert asked == {"torch", "monai", "connected-components-3d", "edt", "safetensors", "psutil", "typer", "rich"}
    assert not asked & {name.lower() for name in NEVER_TOUCHED}


def test_torch_goes_first_then_the_rest_with_constraints_then_the_check():
    machine = Machine({})
    set_up = set_up_of(machine)
    set_up.install()
    assert [call[0] for call in machine.calls] == ["torch", "pip", "pip", "check"]
    assert set_up.is_ready
    assert not set_up.is_pending
    import numpy

    assert f"numpy=={numpy.__version__}" in machine.constraints.splitlines()
    assert "SimpleITK==" in machine.constraints


def test_what_is_only_recommended_stops_nothing(caplog):
    machine = Machine({**READY, "openvino": None}, fails=OSError("no wheel for this system"))
    set_up = set_up_of(machine)
    assert set_up.is_ready
    set_up.install()
    assert machine.calls == [("pip", ["openvino>=2024.4"]), ("check",)]
    assert "openvino>=2024.4 was not installed: no wheel for this system" in caplog.text
    assert "openvino" in set_up.question()


def test_what_is_there_is_not_installed_again():
    machine = Machine({**READY, "rich": None})
    set_up_of(machine).install()
    assert machine.calls == [("pip", ["rich>=13.7"]), ("check",)]


def test_a_folder_of_wheels_needs_no_internet(tmp_path):
    machine = Machine({})
    set_up = set_up_of(machine)
    set_up.wheel_folder = tmp_path
    assert str(tmp_path) in set_up.question()
    set_up.install()
    assert machine.calls[0][0] == "wheels"
    assert machine.calls[0][1][0] == "torch>=2.6"
    assert machine.calls[0][2] == tmp_path


def test_a_restart_is_remembered_and_the_set_up_goes_on():
    from SlicerLossSegLib.dependencies import RestartNeeded

    machine, settings = Machine({}, restart=True), Settings()
    with pytest.raises(RestartNeeded):
        set_up_of(machine, settings).install()
    after = set_up_of(machine, settings)
    assert after.is_pending
    after.install()
    assert not after.is_pending
    assert after.is_ready


def test_a_failed_installation_is_told_in_words():
    machine = Machine({}, fails=RuntimeError("no network"))
    set_up = set_up_of(machine)
    with pytest.raises(MissingDependency, match="no network") as caught:
        set_up.install()
    assert "wheels" in caught.value.hint
    assert not set_up.is_pending


def test_packages_that_do_not_work_are_found_out():
    machine = Machine({}, wrong="ImportError: DLL load failed")
    with pytest.raises(MissingDependency, match="DLL load failed"):
        set_up_of(machine).install()


def test_the_check_is_a_process_of_its_own(monkeypatch):
    from SlicerLossSegLib import dependencies, engine

    monkeypatch.setattr(engine, "interpreter", lambda: str(ENGINE_PYTHON))
    assert dependencies.check_in_subprocess() == ""
    monkeypatch.setattr(engine, "interpreter", lambda: "/nowhere/python")
    assert "/nowhere/python" in dependencies.check_in_subprocess()
    assert "torch" not in sys.modules


@pytest.fixture
def opened(module, monkeypatch):
    """(panel, machine) of a Slicer without packages; `answer` is what the person says."""
    from slicer_harness import close_widget, create_widget
    from SlicerLossSegLib import dependencies
    from SlicerLossSegLib.interaction import Interaction

    machine = Machine({})
    machine.answer, machine.asked, machine.told = False, [], []
    monkeypatch.setattr(dependencies, "slicer_installer", machine.installer)

    def confirm(self, text, details=""):
        machine.asked.append(text)
        return machine.answer

    monkeypatch.setattr(Interaction, "confirm", confirm)
    monkeypatch.setattr(Interaction, "tell_error", lambda self, *words: machine.told.append(words))
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    yield widget.panel, machine
    close_widget(widget)


def test_nothing_is_installed_or_asked_on_entry(opened):
    panel, machine = opened
    panel.enter()
    assert machine.calls == []
    assert machine.asked == []
    assert "8 packages are missing" in panel.ui.statusLabel.text
    assert panel.ui.setUpButton.isVisibleTo(panel._whole)
    assert "Press Set up first" in panel.segment.ui.segmentButton.toolTip


def test_a_declined_installation_changes_nothing(opened):
    panel, machine = opened
    panel.ui.setUpButton.click()
    assert len(machine.asked) == 1
    assert "torch" in machine.asked[0]
    assert "GB" in machine.asked[0]
    assert machine.calls == []
    assert not panel.segment.ui.segmentButton.enabled


def test_after_the_set_up_the_module_is_ready(opened):
    panel, machine = opened
    machine.answer = True
    panel.ui.setUpButton.click()
    assert [call[0] for call in machine.calls] == ["torch", "pip", "pip", "check"]
    assert panel.ui.statusLabel.text == "Ready."
    assert not panel.ui.setUpButton.isVisibleTo(panel._whole)
    assert "Tick a model" in panel.segment.ui.segmentButton.toolTip


def test_after_a_restart_the_set_up_goes_on_by_itself(opened):
    """The person agreed before Slicer was started anew, and is not asked again."""
    panel, machine = opened
    panel._logic.set_up._settings = Settings()
    panel._logic.set_up._settings.setValue("LossSeg/SetUpPending", "1")
    panel.enter()
    assert machine.asked == []
    assert [call[0] for call in machine.calls] == ["torch", "pip", "pip", "check"]
    panel.enter()
    assert len(machine.calls) == 4


def test_offline_the_wheels_come_from_a_folder(opened, tmp_path):
    panel, machine = opened
    machine.answer = True
    panel.header._interaction.choose_folder = lambda title, start: tmp_path
    panel.ui.wheelsButton.click()
    assert str(tmp_path) in machine.asked[0]
    assert [call[0] for call in machine.calls] == ["wheels", "wheels", "check"]


def test_an_error_of_the_set_up_is_one_sentence(opened):
    panel, machine = opened
    machine.answer, machine.fails = True, OSError("disk full")
    panel.ui.setUpButton.click()
    assert "disk full" in machine.told[0][0]
    assert panel.ui.setUpButton.enabled
