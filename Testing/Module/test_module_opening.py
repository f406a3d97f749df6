"""Opening the module: quickly, without torch, narrow enough, and what it registers."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import slicer
from engine_for_tests import REPOSITORY, use_engine

MODULE = REPOSITORY / "SlicerLossSeg"
CODE = [MODULE / "SlicerLossSeg.py", *sorted((MODULE / "SlicerLossSegLib").glob("*.py"))]


def test_opening_takes_under_half_a_second_and_imports_no_torch(tmp_path):
    """In a process of its own: what other tests imported does not count."""
    script = textwrap.dedent(
        f"""
        import sys, time
        sys.path.insert(0, {str(REPOSITORY / "Testing")!r})
        import slicer_harness
        slicer_harness.boot()
        module, instance = slicer_harness.load_module({str(MODULE / "SlicerLossSeg.py")!r})
        start, cpu = time.perf_counter(), time.process_time()
        widget = slicer_harness.create_widget(module)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        heavy = [name for name in ("torch", "monai", "scipy", "SimpleITK", "cc3d") if name in sys.modules]
        print("RESULT", cpu, wall, ",".join(heavy))
        slicer_harness.close_widget(widget)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    _word, cpu, wall, *heavy = next(line for line in done.stdout.splitlines() if line.startswith("RESULT")).split()
    print(f"opened in {float(cpu):.2f} s of processor time, {float(wall):.2f} s in all")
    assert heavy == []
    # Processor time: the machine may be busy with other things.
    assert float(cpu) < 0.5


def test_no_file_of_the_slicer_side_imports_torch_or_monai():
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] not in ("torch", "monai", "PySide6", "PySide2", "psutil"), path
                # What plans and lists networks needs no torch.
                if name not in ("lossseg.networks.catalogue", "lossseg.networks.planning"):
                    assert not name.startswith(("lossseg.inference", "lossseg.training", "lossseg.networks")), path


@pytest.mark.parametrize("name", ["qt.Signal", "true_property", "QRegExp", "setMargin(", "int(qt.", "processEvents()"])
def test_forbidden_in_production_code(name):
    allowed = {"processEvents()": ["header_panel.py"]}
    found = [path.name for path in CODE if name in path.read_text(encoding="utf-8")]
    assert found == allowed.get(name, [])


def test_the_panel_fits_into_slicers_dock(widget):
    assert widget.panel._whole.minimumSizeHint.width() < 400
    widget.panel.review.correction.editor()
    for place in range(widget.panel.ui.tabs.count):
        widget.panel.ui.tabs.setCurrentIndex(place)
        assert widget.panel._whole.minimumSizeHint.width() < 400


def test_only_finished_tabs_are_shown(widget):
    tabs = widget.panel.ui.tabs
    assert [tabs.tabText(place) for place in range(tabs.count)] == ["Segment", "Review", "Train", "Compare"]


def test_what_slicer_shows_of_the_module(module):
    instance = module[1]
    assert instance.parent.title == "Loss Segmentation"
    assert instance.parent.categories == ["Segmentation"]
    assert "Not a medical device" in instance.parent.helpText
    assert Path(instance.resourcePath("Icons/SlicerLossSeg.png")).exists()


def test_each_button_and_field_says_what_it_does(widget):
    import xml.etree.ElementTree as ET

    told = ("QPushButton", "QToolButton", "QCheckBox", "QComboBox", "ctkSliderWidget", "qMRMLNodeComboBox")
    for path in sorted((MODULE / "Resources" / "UI").glob("*.ui")):
        for described in ET.parse(path).iter("widget"):
            if described.get("class") in told:
                (part,) = [one for one in widget.panel._parts if one.objectName == path.stem]
                found = part.findChild("QWidget", described.get("name"))
                assert found.toolTip, (path.name, described.get("name"))


def test_leaving_and_closing_leave_nothing_connected(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path)
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    widget = create_widget(module[0])
    widget.exit()
    slicer.mrmlScene.Clear(0)
    widget.enter()
    slicer.mrmlScene.Clear(0)
    assert widget.panel.segment._parameters is not None
    close_widget(widget)
    slicer.mrmlScene.Clear(0)


def test_reload_takes_the_packages_anew_and_the_panel_works(module, monkeypatch, tmp_path):
    from slicer_harness import close_widget, create_widget

    use_engine(monkeypatch, tmp_path)
    monkeypatch.setattr("SlicerLossSegLib.header_panel.HeaderPanel.ask_machine", lambda self: None)
    before = {
        name: one for name, one in sys.modules.items() if name.partition(".")[0] in ("SlicerLossSegLib", "lossseg")
    }
    entry = sys.modules["SlicerLossSeg"]
    widget = create_widget(module[0])
    try:
        widget.onReload()
        assert sys.modules["SlicerLossSegLib.jobs"] is not before["SlicerLossSegLib.jobs"]
        assert sys.modules["lossseg.jobs.events"] is not before["lossseg.jobs.events"]
        again = slicer.modules.SlicerLossSegWidget
        assert again is not widget
        assert again.panel.segment.is_connected
        assert again.panel.segment.ui.segmentButton.toolTip
        close_widget(again)
    finally:
        # The other tests of this process know the modules that were there before.
        for name in [name for name in sys.modules if is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(before)
        sys.modules["SlicerLossSeg"] = entry


def is_ours(name):
    return name.partition(".")[0] in ("SlicerLossSegLib", "lossseg")


def test_the_self_test_that_slicer_runs(module, monkeypatch, tmp_path):
    from SlicerLossSegLib import module_test

    use_engine(monkeypatch, tmp_path)
    module_test.lesions_come_and_go()
