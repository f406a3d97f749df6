"""Losses that a search found: their formulas, their files, and files that are none."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch
from loss_cases import case, one_hot
from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses import build, normal_form
from lossseg.losses.found import MAX_BYTES, write_found
from lossseg.losses.glo import MARGIN, read_tree
from lossseg.losses.ml3 import LossNetwork, read_network, write_network
from lossseg.losses.trees import MAX_DEPTH, TREES, LossTree

THETA = {"t0": 0.3, "t1": -0.4, "t2": 0.5, "t3": -1.5, "t4": 2.0, "t5": 0.7, "t6": -0.6, "t7": 1.1}


def polynomial(y: Tensor, p: Tensor) -> Tensor:
    """The published form, written out."""
    t = list(THETA.values())
    u, v = p - t[1], y - t[0]
    terms = t[2] * u + t[3] * u**2 / 2 + t[4] * u**3 / 6 + t[5] * v * u + t[6] * v * u**2 / 2 + t[7] * v**2 * u / 2
    return -terms


@pytest.mark.parametrize("share", [0.01, 0.5], ids=["sparse", "dense"])
@pytest.mark.parametrize("channels", [1, 2, 3])
class TestTaylor:
    def test_is_the_published_polynomial(self, channels: int, share: float) -> None:
        logits, target = case(channels, share=share)
        p, y = (values[:, 1:] for values in one_hot(logits, target))
        expected = (polynomial(y, p) - polynomial(y, y)).mean()
        written = ", ".join(f"{name}={value}" for name, value in THETA.items())
        found = build(f"taylor({written})", classes=max(channels, 2))(logits, target)
        assert float(found) == pytest.approx(float(expected), rel=1e-9)

    def test_by_default_is_twice_the_squared_error(self, channels: int, share: float) -> None:
        logits, target = case(channels, share=share)
        p, y = (values[:, 1:] for values in one_hot(logits, target))
        found = build("taylor", classes=max(channels, 2))(logits, target)
        assert float(found) == pytest.approx(float(2 * (p - y).square().mean()), rel=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3])
class TestGlo:
    def test_baikal_is_as_published_but_for_the_margin(self, channels: int) -> None:
        logits, target = case(channels, share=0.2)
        p, y = (values[:, 1:] for values in one_hot(logits, target))
        near = MARGIN + (1 - 2 * MARGIN) * p

        def baikal(y: Tensor, p: Tensor) -> Tensor:
            return -(p.log() - y / p) - ((1 - p).log() - (1 - y) / (1 - p))

        right = torch.where(y > 0, 1 - MARGIN, MARGIN).double()
        expected = (baikal(y, near) - baikal(y, right)).mean()
        found = build("glo", classes=max(channels, 2))(logits, target)
        assert float(found) == pytest.approx(float(expected), rel=1e-6)

    def test_cross_entropy_is_that_but_for_the_margin(self, channels: int) -> None:
        logits, target = case(channels, share=0.2)
        classes = max(channels, 2)
        p, y = (values[:, 1:] for values in one_hot(logits, target))
        near = MARGIN + (1 - 2 * MARGIN) * torch.where(y > 0, p, 1 - p)
        expected = (math.log(1 - MARGIN) - near.log()).mean()
        found = build("glo(tree=cross_entropy)", classes=classes)(logits, target)
        assert float(found) == pytest.approx(float(expected), rel=1e-6)

    def test_a_tree_with_curves_of_its_own_for_both_truths(self, channels: int, tmp_path: Path) -> None:
        """f = p + 3 y (1 - p)^2 sums p over background, and p + 3 (1 - p)^2 over foreground."""
        root = ("add", "p", ("multiply", 3.0, ("multiply", "y", ("square", ("subtract", 1.0, "p")))))
        path = tmp_path / "tree.json"
        write_found(path, "glo", LossTree(root).to_json())
        logits, target = case(channels, share=0.2)
        p, y = (values[:, 1:] for values in one_hot(logits, target))
        p, right = (MARGIN + (1 - 2 * MARGIN) * values for values in (p, y))
        expected = (p + 3 * y * (1 - p) ** 2 - right - 3 * y * (1 - right) ** 2).mean()
        expression = f"glo(tree='{path.as_posix()}')"
        found = build(expression, classes=max(channels, 2))(logits, target)
        assert float(found) == pytest.approx(float(expected), rel=1e-9)
        assert normal_form(expression) == expression


def test_ml3_is_the_network_less_its_output_where_right(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network, path = LossNetwork((7, 5)), tmp_path / "net.json"
    write_network(path, network, {"task": "dice"})
    for weight, same in zip(network.layers, read_network(path).layers, strict=True):
        assert torch.equal(weight, same)
    logits, target = case(3, share=0.2)
    p, y = (values[:, 1:] for values in one_hot(logits, target))
    network = network.double()
    expected = (network(p, y) - network(y, y)).mean()
    loss = build(f"ml3(net='{path.as_posix()}')", classes=3)
    assert float(loss(logits, target)) == pytest.approx(float(expected.detach()), rel=1e-9)
    assert not list(loss.parameters()) and not loss.state_dict()


def test_a_tree_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    for tree in TREES.values():
        write_found(path, "glo", tree.to_json())
        assert read_tree(path) == tree
    assert TREES["baikal"].formula == "(y / p) - log(p)"


def nested(levels: int) -> list:
    node: list = ["multiply", 1e6, "p"]
    for _ in range(levels):
        node = ["square", node]
    return node


GLO, ML3 = {"format": "lossseg-glo", "version": 1}, {"format": "lossseg-ml3", "version": 1}


@pytest.mark.parametrize(
    ("term", "content", "sentence"),
    [
        ("glo(tree", None, "does not exist. Check the path of the found loss"),
        ("glo(tree", b"\x80\x04}q", "is not valid JSON (UnicodeDecodeError)"),
        ("glo(tree", b"{", "is not valid JSON (JSONDecodeError)"),
        ("glo(tree", b"[" * 100_000, "is not valid JSON (RecursionError)"),
        ("glo(tree", b'{"tree": ' + b"9" * 5000 + b"}", "is not valid JSON (ValueError)"),
        ("glo(tree", b" " * (MAX_BYTES + 1), "is too large for a found loss"),
        ("glo(tree", b"[]", "is not the file of a loss found by glo"),
        ("glo(tree", ML3, "is not the file of a loss found by glo"),
        ("glo(tree", {**GLO, "version": 2, "tree": "p"}, "was written by a newer engine"),
        ("glo(tree", {**GLO, "version": "1", "tree": "p"}, "was written by a newer engine"),
        ("glo(tree", GLO, "a node of its tree is no leaf"),
        ("glo(tree", {**GLO, "tree": "p", "both": "yes"}, "it lacks the tree"),
        ("glo(tree", {**GLO, "tree": "__import__('os')"}, "its tree holds \"__import__('os')\""),
        ("glo(tree", {**GLO, "tree": ["eval", "p"]}, "its tree holds the operation 'eval'"),
        ("glo(tree", {**GLO, "tree": ["log", "p", "y"]}, "no operation with its operands"),
        ("glo(tree", {**GLO, "tree": True}, "a node of its tree is no leaf"),
        ("glo(tree", {**GLO, "tree": float("nan")}, "its tree holds a number outside"),
        ("glo(tree", {**GLO, "tree": 10**400}, "its tree holds a number outside"),
        ("glo(tree", {**GLO, "tree": nested(MAX_DEPTH - 1)}, "its tree is more than 12 levels deep"),
        ("glo(tree", {**GLO, "tree": nested(6)}, "is not finite for every prediction"),
        ("ml3(net", {**ML3, "weights": "x"}, "it must have 2 to 6 layers"),
        ("ml3(net", {**ML3, "weights": [[[1, 1]]]}, "it must have 2 to 6 layers"),
        ("ml3(net", {**ML3, "weights": [[[1, 1]], [[1], [1]]]}, "its last layer must have one row"),
        ("ml3(net", {**ML3, "weights": [[[1, 1]], [[1, 2]]]}, "a row must have 1 numbers"),
        ("ml3(net", {**ML3, "weights": [[[1, 1, 1]], [[1]]]}, "a row must have 2 numbers"),
        ("ml3(net", {**ML3, "weights": [[[1, float("inf")]], [[1]]]}, "a row must have 2 numbers"),
        ("ml3(net", {**ML3, "weights": [[[1, "a"]], [[1]]]}, "a row must have 2 numbers"),
        ("ml3(net", {**ML3, "weights": [[[1, 10**400]], [[1]]]}, "a row must have 2 numbers"),
        ("ml3(net", {**ML3, "weights": [[[1, 1]] * 300, [[1] * 300]]}, "a layer must have 1 to 256 rows"),
    ],
)
def test_files_that_hold_no_loss_get_a_sentence(tmp_path: Path, term: str, content: object, sentence: str) -> None:
    path = tmp_path / "loss.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=re.escape(sentence)) as caught:
        build(f"{term}='{path.as_posix()}')")
    assert str(path) in caught.value.message and caught.value.hint
