"""Live curves of a training in Slicer's plots."""

import json

import numpy as np
import pytest
import slicer


@pytest.fixture
def curves(module):
    from SlicerLossSegLib.training_curves import TrainingCurves

    made = TrainingCurves()
    made.start()
    yield made
    made.remove()


def metric(name, step, value, series):
    from lossseg.jobs.events import Metric

    return Metric(name, step, value, series)


def points(name):
    """Steps and values of a curve, from its table node."""
    (table,) = [node for node in slicer.util.getNodesByClass("vtkMRMLTableNode") if node.GetName().endswith(name)]
    return slicer.util.arrayFromTableColumn(table, "step"), slicer.util.arrayFromTableColumn(table, name)


def test_one_chart_per_unit_and_one_series_per_curve(curves):
    from SlicerLossSegLib.training_curves import Chart

    for step in range(1, 31):
        curves.add(metric("loss", step, 2.0 / step, "training"))
        curves.add(metric("learning_rate", step, 0.01, "schedule"))
    curves.add(metric("dice", 20, 0.5, "validation (averaged)"))
    curves.add(metric("small_recall", 20, 0.25, "validation (averaged)"))
    curves.add(metric("dice", 20, 0.4, "validation (raw)"))
    curves.add(metric("tversky.alpha", 30, 0.31, "learned"))
    curves.add(metric("small_recall", 30, None, "validation (averaged)"))
    # Nothing is written before the timer's next tick: points come by the hundred.
    assert slicer.util.getNodesByClass("vtkMRMLPlotChartNode") == []
    curves.write()
    assert curves.charts == [Chart.LOSS, Chart.SCORES, Chart.LEARNED]
    counts = [curves.node(chart).GetNumberOfPlotSeriesNodes() for chart in curves.charts]
    assert counts == [1, 2, 1]
    steps, values = points("training loss")
    assert list(steps) == list(range(1, 31))
    assert values[-1] == pytest.approx(2 / 30)
    assert [column.tolist() for column in points("recall of small lesions")] == [[20.0], [0.25]]
    assert [column.tolist() for column in points("tversky.alpha")] == [[30.0], [0.31]]


def test_the_timer_writes_a_few_times_per_second_at_most(curves):
    from engine_for_tests import wait_until

    from SlicerLossSegLib.training_curves import INTERVAL_MS

    assert INTERVAL_MS >= 250
    curves.add(metric("loss", 1, 1.0, "training"))
    curves.write()
    (table,) = slicer.util.getNodesByClass("vtkMRMLTableNode")
    written = []
    tag = table.AddObserver("ModifiedEvent", lambda *event: written.append(event))
    for step in range(2, 302):
        curves.add(metric("loss", step, 1.0, "training"))
    assert written == []
    wait_until(lambda: written, 10)
    assert len(written) <= 2
    assert len(points("training loss")[0]) == 301
    table.RemoveObserver(tag)


def test_a_long_training_keeps_a_bounded_number_of_points(curves):
    for step in range(50_000):
        curves.add(metric("loss", step, float(step), "training"))
    curves.write()
    steps, values = points("training loss")
    assert 250 <= len(steps) <= 1000
    assert np.array_equal(steps, values)
    assert steps[0] == 0
    assert steps[-1] > 49_000


def test_each_fold_has_its_own_curve(curves):
    for _fold in range(3):
        for step in (10, 20, 30):
            curves.add(metric("loss", step, 1.0, "training"))
    curves.write()
    for name in ("training loss", "training loss (2)", "training loss (3)"):
        assert points(name)[0].tolist() == [10.0, 20.0, 30.0]


def test_shown_when_asked_and_the_former_layout_comes_back(curves):
    from SlicerLossSegLib.training_curves import Chart

    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    curves.add(metric("loss", 1, 1.0, "training"))
    curves.write()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
    curves.show(Chart.LOSS)
    assert curves.is_shown
    assert manager.layout != slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
    curves.hide()
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
    curves.remove()
    for kind in ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode"):
        assert slicer.util.getNodesByClass(kind) == []


def test_points_before_an_interruption_are_read_from_the_run(module, tmp_path):
    from SlicerLossSegLib.training_curves import past

    lines = [json.dumps({"name": "loss", "step": step, "value": 1.0 / step, "series": "training"}) for step in (10, 20)]
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "history.jsonl").write_text("\n".join([*lines, '{"name": "loss", "st']) + "\n")
    found = past(folder)
    assert [(one.name, one.step, one.value, one.series) for one in found] == [
        ("loss", 10, 0.1, "training"),
        ("loss", 20, 0.05, "training"),
    ]
    assert past(tmp_path / "nothing") == []
