"""Searching for losses on a made-up task: what is found does better on data that no search saw."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from learned_toy import toy
from torch import nn

from lossseg.errors import Cancelled, InputError, MissingDependency
from lossseg.losses import build
from lossseg.losses.ml3 import LossNetwork
from lossseg.losses.trees import TREES, LossTree, depth, nodes
from lossseg.reporting import Silent
from lossseg.studies.learned import Method, SearchSettings, learn_loss
from lossseg.studies.learned.breeding import MAX_DEPTH, MAX_NODES, crossed, mutated, random_tree, replaced, weighted
from lossseg.studies.learned.data import ProxySettings, proxy_of
from lossseg.studies.learned.glo import START, read_library, write_library
from lossseg.studies.learned.knobs import knobs, turned, with_values
from lossseg.studies.learned.ml3 import MetaTraining, inner_step
from lossseg.studies.learned.proxy import Learner, decided, f_measure, probabilities


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Told(Silent):
    """Keeps what it is told, and asks to stop at the n-th step of a search."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self.stages: list[tuple[str, int, int]] = []
        self._stop_at = stop_at

    def warning(self, message: str, hint: str = "") -> None:
        self.warnings.append(message)

    def progress(self, stage: str, done: int, total: int, eta_s: float | None = None) -> None:
        self.stages.append((stage, done, total))
        if stage == "search" and done == self._stop_at:
            raise Cancelled


SMALL = {
    Method.GLO: SearchSettings(Method.GLO, trials=30, population=12, seeds=2),
    Method.TAYLOR: SearchSettings(Method.TAYLOR, trials=50, population=10, seeds=2),
    Method.ADAPT: SearchSettings(Method.ADAPT, start="focal(alpha=0.5)", trials=20, rounds=4, seeds=2),
}


@pytest.mark.parametrize("method", SMALL, ids=str)
def test_what_is_found_beats_its_start_on_held_out_data(method, tmp_path):
    told, proxy = Told(), toy()
    result = learn_loss(proxy, tmp_path / "found", SMALL[method], told)
    rows = {row["expression"]: row["mean"] for row in result["comparison"]}
    # Rare squares, half learned, whose labels are partly missing keep the probabilities below 1/2.
    assert rows["bce"] < 0.1
    assert rows[result["start"]] < 0.5
    assert rows[result["expression"]] > rows[result["start"]] + 0.15
    assert "which is better than" in result["sentence"]
    assert told.warnings[0].startswith("The search takes about ")
    assert [done for stage, done, _ in told.stages if stage == "test"][-1] == 2 * len(
        set(rows) - {"adapted in training"}
    )

    # It is used as any other loss is.
    learner = Learner(proxy, 7)
    before = learner.score(proxy.test)
    assert learner.train(build(result["expression"]), proxy.steps, lambda: None)
    assert learner.score(proxy.test) > before + 0.1
    assert Path(result["figure"]).stat().st_size > 10_000
    with pytest.raises(InputError, match="holds the result of a search"):
        learn_loss(proxy, tmp_path / "found", SMALL[method], told)


@pytest.mark.parametrize("method", SMALL, ids=str)
def test_a_cancelled_search_goes_on_to_the_same_end(method, tmp_path):
    settings = SMALL[method].__class__(**{**SMALL[method].__dict__, "trials": 9, "rounds": 3, "seeds": 1})
    proxy = toy(steps=6)
    whole = learn_loss(proxy, tmp_path / "whole", settings, Silent())
    with pytest.raises(Cancelled):
        learn_loss(proxy, tmp_path / "parts", settings, Told(stop_at=4))
    tried = json.loads((tmp_path / "parts" / "search.json").read_text())["trials"]
    assert len(tried) == 4
    result = learn_loss(proxy, tmp_path / "parts", settings, Silent())
    again = json.loads((tmp_path / "parts" / "search.json").read_text())["trials"]
    assert again[:4] == tried
    scores = [[row["scores"] for row in one["comparison"]] for one in (whole, result)]
    assert scores[0] == scores[1]
    names = [one["expression"].replace("/whole/", "/parts/") for one in (whole, result)]
    assert names[0] == names[1]


def test_a_search_goes_on_with_its_own_settings_only(tmp_path):
    proxy = toy(steps=3)
    with pytest.raises(Cancelled):
        learn_loss(proxy, tmp_path, SMALL[Method.TAYLOR], Told(stop_at=1))
    changed = SearchSettings(Method.TAYLOR, trials=27, population=8)
    with pytest.raises(InputError, match=re.escape("had trials = 50, now it is 27.")):
        learn_loss(proxy, tmp_path, changed, Silent())
    (tmp_path / "search.json").write_text('{"format": "lossseg-learn-loss", "version": 1, "settings": {}, "trials": 3}')
    with pytest.raises(InputError, match="is damaged"):
        learn_loss(proxy, tmp_path, changed, Silent())


def test_the_cost_is_told_and_nothing_is_searched(tmp_path):
    told = Told()
    settings = SearchSettings(Method.ML3, iterations=1000, estimate=True)
    answer = learn_loss(toy(steps=5), tmp_path / "out", settings, told)
    assert answer["minutes"] > 0
    assert answer["sentence"].startswith("The search takes about ")
    assert not told.stages and not (tmp_path / "out").exists()


def test_a_path_that_no_expression_can_hold_is_refused_before_the_search(tmp_path):
    told = Told()
    with pytest.raises(InputError, match="cannot stand in a loss expression"):
        learn_loss(toy(steps=5), tmp_path / "it's", SMALL[Method.GLO], told)
    assert not told.stages


def test_without_cma_a_sentence_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cma", None)
    with pytest.raises(MissingDependency, match=re.escape("lossseg[learn]")):
        learn_loss(toy(steps=2), tmp_path, SMALL[Method.TAYLOR], Silent())


# ML3


def test_the_inner_step_is_that_written_by_hand():
    """A logistic model of one weight and bias, its gradient and that of the outer loss written out."""
    torch.manual_seed(0)
    network, loss_network = nn.Conv2d(1, 1, 1).double(), LossNetwork((4,)).double()
    images, labels = torch.randn(2, 1, 5, 5, dtype=torch.float64), torch.randint(0, 2, (2, 1, 5, 5))
    theta, phi = dict(network.named_parameters()), dict(loss_network.named_parameters())
    moved = inner_step(network, theta, loss_network, phi, images, labels, rate=0.7)

    first, last = loss_network.layers
    p = torch.sigmoid(network.weight.view(()) * images + network.bias)
    inputs = torch.stack([p, labels.double()], -1)
    hidden = inputs @ first.T
    output = hidden.relu() @ last.T
    # d softplus(o) / dp = sigmoid(o) * last . (hidden > 0) * first[:, 0]
    slope = torch.sigmoid(output[..., 0]) * ((hidden > 0).double() * last[0] * first[:, 0]).sum(-1)
    dz = slope * p * (1 - p) / p.numel()
    weight = network.weight.view(()) - 0.7 * (dz * images).sum()
    bias = network.bias - 0.7 * dz.sum()
    torch.testing.assert_close(moved["weight"].view(()), weight, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(moved["bias"], bias.view(1), rtol=1e-12, atol=1e-14)

    # The outer gradient runs through the step in the same way.
    def task(weight, bias):
        return nn.functional.binary_cross_entropy_with_logits(weight * images + bias, labels.double())

    ours = torch.autograd.grad(task(moved["weight"].view(()), moved["bias"]), list(phi.values()))
    hand = torch.autograd.grad(task(weight, bias), list(phi.values()))
    assert any(one.abs().max() > 1e-6 for one in ours)
    for one, other in zip(ours, hand, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_a_learned_network_trains_where_bce_does_not(tmp_path):
    settings = SearchSettings(Method.ML3, iterations=400, seeds=2)
    result = learn_loss(toy(), tmp_path, settings, Silent())
    rows = {row["expression"]: row["mean"] for row in result["comparison"]}
    assert result["start"] == "dice + bce"
    assert rows["bce"] < 0.1
    assert rows[result["expression"]] > 0.4


def test_meta_training_goes_on_to_the_same_network(tmp_path):
    proxy, task = toy(), build("dice")
    whole = MetaTraining(proxy, task, tmp_path / "whole", (6,)).run(50, Silent())
    with pytest.raises(Cancelled):
        MetaTraining(proxy, task, tmp_path / "parts", (6,)).run(50, Told(stop_at=40))
    going_on = MetaTraining(proxy, task, tmp_path / "parts", (6,))
    assert going_on.iteration == 40
    resumed = going_on.run(50, Silent())
    for one, other in zip(whole.layers, resumed.layers, strict=True):
        assert torch.equal(one, other)
    (tmp_path / "parts" / "ml3.safetensors").write_bytes(b"\x80\x04}")
    with pytest.raises(InputError, match="is damaged"):
        MetaTraining(proxy, task, tmp_path / "parts", (6,))


# Trees


def test_bred_trees_stay_small_and_whole():
    generator = np.random.default_rng(0)
    people = [random_tree(generator, 4, full=bool(number % 2)) for number in range(40)]
    for number in range(400):
        one, other = (people[int(generator.integers(len(people)))] for _ in range(2))
        people[number % 40] = crossed(one, other, generator) if number % 2 else mutated(one, generator)
    assert len(set(people)) > 15
    for root in people:
        assert depth(root) <= MAX_DEPTH and sum(1 for _ in nodes(root)) <= MAX_NODES
        assert LossTree.from_json(json.loads(json.dumps(LossTree(root).to_json())), "a tree") == LossTree(root)
        heavy = weighted(root, [1.0] * MAX_NODES)
        assert LossTree.from_json(LossTree(heavy).to_json(), "a tree").root == heavy


def test_branches_are_replaced_where_they_stand():
    root = ("add", ("log", "p"), ("multiply", "y", 2.0))
    assert [replaced(root, place, 0.0) for place in range(6)] == [
        0.0,
        ("add", 0.0, ("multiply", "y", 2.0)),
        ("add", ("log", 0.0), ("multiply", "y", 2.0)),
        ("add", ("log", "p"), 0.0),
        ("add", ("log", "p"), ("multiply", 0.0, 2.0)),
        ("add", ("log", "p"), ("multiply", "y", 0.0)),
    ]
    assert weighted(("log", "p"), [2.0, 3.0]) == ("multiply", 2.0, ("log", ("multiply", 3.0, "p")))


def test_a_library_is_read_by_the_next_search(tmp_path):
    path = tmp_path / "library.json"
    write_library(path, [START, TREES["baikal"]])
    assert read_library(path) == [START, TREES["baikal"]]
    good = ("add", ("square", "p"), ("multiply", 40.0, ("multiply", "y", ("square", ("subtract", 1.0, "p")))))
    write_library(path, [LossTree(good)])
    settings = SearchSettings(Method.GLO, trials=4, population=4, seeds=1, library=path)
    result = learn_loss(toy(), tmp_path / "next", settings, Silent())
    assert result["comparison"][0]["mean"] > 0.3
    kept = read_library(tmp_path / "next" / "library.json")
    assert LossTree(good) in kept
    assert [tree.facts["fitness"] for tree in kept] == sorted((tree.facts["fitness"] for tree in kept), reverse=True)


# Parameters of known losses


def test_knobs_are_the_numbers_that_say_what_a_loss_is():
    expression = "0.5*tversky(alpha=0.3) + iw(focal(gamma=learn) + dice)"
    assert [(knob.name, knob.value) for knob in knobs(expression)] == [
        ("factor", 0.5),
        ("alpha", 0.3),
        ("beta", 0.7),
        ("factor", 1.0),
        ("factor", 1.0),
        ("alpha", 0.75),
        ("factor", 1.0),
    ]
    written = with_values(expression, [2, 0.1, 0.2, 3, 4, 0.6, 5])
    assert written == "2*tversky(alpha=0.1, beta=0.2) + 3*iw(4*focal(gamma=learn, alpha=0.6) + 5*dice)"
    with pytest.raises(InputError, match="has no number to adapt"):
        knobs("dice")


def test_turned_knobs_stay_in_range():
    generator = np.random.default_rng(1)
    expressions = {
        turned("tversky(alpha=0.01, beta=0.99) + focal(gamma=0.1) + topk(k=0.99)", generator) for _ in range(60)
    }
    assert len(expressions) > 50
    values = [knob for expression in expressions for knob in knobs(expression)]
    for knob in values:
        assert knob.parameter is None or knob.parameter.check("it", knob.value) == knob.value
    assert min(knob.value for knob in values if knob.name == "alpha") == 0
    assert max(knob.value for knob in values if knob.name == "k") <= 1


# The measure and the proxy


def test_the_f_measure_counts_voxels_of_all_patches_together():
    labels = torch.zeros(2, 1, 2, 3, dtype=torch.uint8)
    labels[0, 0, 0, 0], labels[0, 0, 0, 1], labels[1, 0, 1, 2] = 1, 1, 2
    logits = torch.full((2, 1, 2, 3), -1.0)
    logits[0, 0, 0, 0], logits[1, 0, 0, 0], logits[1, 0, 1, 2] = 1, 1, 1
    # 1 right, 1 missed, 1 false; the voxel of label 2 is no class and does not count.
    assert f_measure(decided(logits), labels, 1.0) == pytest.approx(0.5)
    assert f_measure(decided(logits), labels, 2.0) == pytest.approx(5 / (5 + 4 + 1))
    assert f_measure(decided(torch.full_like(logits, -1)), torch.zeros_like(labels), 1.0) == 0
    p = probabilities(logits).double()
    there, counted = (labels == 1).double(), (labels < 2).double()
    expected = 2 * (p * there).sum() / ((p * counted).sum() + there.sum())
    assert f_measure(probabilities(logits), labels, 1.0) == pytest.approx(float(expected))


def test_a_class_that_is_neither_there_nor_predicted_is_left_out():
    labels = torch.tensor([0, 1, 3, 3]).view(1, 1, 2, 2)
    logits = torch.zeros(1, 4, 2, 2)
    logits[0, [0, 1, 3, 0], [0, 0, 1, 1], [0, 1, 0, 1]] = 5
    assert decided(logits).sum((0, 2, 3)).tolist() == [1, 0, 1]
    assert f_measure(decided(logits), labels, 1.0) == pytest.approx((1 + 2 / 3) / 2)


def test_partial_trainings_repeat_themselves():
    proxy = toy(steps=5)
    one, other = Learner(proxy, 3), Learner(proxy, 3)
    for learner in (one, other):
        assert learner.train(build("dice"), 5, lambda: None)
    twin = Learner(proxy, 3)
    assert twin.train(build("dice"), 2, lambda: None)
    twin = twin.copy()
    assert twin.train(build("dice"), 3, lambda: None)
    for learner in (other, twin):
        assert torch.equal(learner.network.weight, one.network.weight)


def test_a_proxy_keeps_patients_apart(tmp_path):
    from lossseg.phantoms import make_dataset

    make_dataset("ct", tmp_path / "ct", 4, size=(24, 32, 32), seed=0)
    settings = ProxySettings(patches=6, patch=(16, 16, 16), filters=4, batch=2, steps=2)
    proxy = proxy_of(tmp_path / "ct", tmp_path / "cache", settings, Silent())
    assert proxy.training.images.shape == (6, 1, 16, 16, 16)
    assert proxy.test.labels.shape == proxy.validation.labels.shape == (3, 1, 16, 16, 16)
    assert Learner(proxy, 0).train(build("dice + ce"), 2, lambda: None)
    for part in (proxy.validation, proxy.test):
        assert not any(torch.equal(image, other) for image in part.images for other in proxy.training.images)
    make_dataset("ct", tmp_path / "two", 2, size=(24, 32, 32), seed=0)
    with pytest.raises(InputError, match="has 2 annotated patients. A search needs three"):
        proxy_of(tmp_path / "two", tmp_path / "cache", settings, Silent())


def test_the_command_searches_and_tells_what_it_found(tmp_path, capsys):
    from rich.console import Console

    from lossseg.cli.show import show
    from lossseg.jobs.actions.learn_loss import ACTION, LearnLossParams
    from lossseg.phantoms import make_dataset

    make_dataset("ct", tmp_path / "ct", 3, size=(24, 32, 32), seed=0)
    small = {"steps": 2, "patches": 4, "patch": (16, 16, 16), "filters": 4, "batch": 2, "seeds": 1, "trials": 3}
    params = LearnLossParams("taylor", tmp_path / "ct", tmp_path / "found", population=4, **small)
    summary = ACTION.run(params, Silent())
    assert build(summary["expression"]).expression == summary["expression"]
    assert [len(row["scores"]) for row in summary["comparison"]] == [1] * len(summary["comparison"])
    show("learn_loss", summary, Console(width=200))
    said = capsys.readouterr().out
    assert "held-out measure" in said and f'Use it: --loss "{summary["expression"]}"' in said
    wrong = LearnLossParams("taylor", tmp_path / "ct", tmp_path / "other", loss="dice", **small)
    with pytest.raises(InputError, match="taylor begins with no given loss"):
        ACTION.run(wrong, Silent())
