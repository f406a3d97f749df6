"""What later losses rest on: terms inside terms, learned parameters, epochs, shared work, checks of what comes in."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from types import MappingProxyType

import pytest
import torch
from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses import CATALOGUE, Loss, build
from lossseg.losses import loss as loss_room
from lossseg.losses.batch import Batch, Reduction
from lossseg.losses.catalogue import Entry, Family, Parameter
from lossseg.losses.expression import assemble
from lossseg.losses.parser import parse


class Halving(Loss):
    """Stands for adaptive losses: a learned weight for several losses inside, changed at the end of an epoch."""

    def __init__(self, *inside: Loss, classes: int, start: float) -> None:
        super().__init__(*inside, classes=classes)
        self.weight = torch.nn.Parameter(torch.tensor(start))

    def value(self, batch: Batch, reduction: Reduction) -> Tensor:
        return self.weight * sum(inner.value(batch, reduction) for inner in self.children_inside())

    def own_learned(self) -> dict[str, float]:
        return {"weight": float(self.weight.detach())}

    def end_epoch(self, metrics: Mapping[str, float]) -> None:
        super().end_epoch(metrics)
        self.weight.data *= metrics["shrink"]


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Entry]:
    entry = Entry(
        "halving",
        "Halving",
        Family.ADAPTIVE,
        "w S(losses)",
        "none",
        "none",
        parameters=(Parameter("start", 1.0, "first weight", low=0),),
        inside=(1, None),
    )
    monkeypatch.setattr(loss_room, "_classes", dict(loss_room._classes))
    loss_room.implements("halving")(Halving)
    return MappingProxyType({**CATALOGUE, "halving": entry})


def data(channels: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, channels, 4, 4, 4, generator=generator)
    return logits, torch.randint(0, max(channels, 2), (2, 1, 4, 4, 4), generator=generator)


def test_a_new_loss_is_one_class_and_one_entry(catalogue: Mapping[str, Entry]) -> None:
    tree = parse("ce + 2*halving(dice, iw(bce), start=0.5) + halving(ce)", catalogue)
    assert str(tree) == "ce + 2*halving(dice, iw(bce), start=0.5) + halving(ce)"
    assert parse(str(tree), catalogue) == tree
    loss = assemble(tree, catalogue, 2)
    logits, target = data()
    expected = 2 * build("ce")(logits, target) + build("dice")(logits, target) + build("iw(bce)")(logits, target)
    torch.testing.assert_close(loss(logits, target), expected)
    assert loss.required_maps == {"inverse_weights"}
    assert loss.learned() == {"halving.weight": 0.5, "halving2.weight": 1.0}
    loss.end_epoch({"shrink": 0.5})
    assert loss.learned() == {"halving.weight": 0.25, "halving2.weight": 0.5}
    assert len(list(loss.parameters())) == 2
    with pytest.raises(InputError, match=re.escape("halving takes at least 1 losses in its parentheses, not 0")):
        parse("halving(start=1)", catalogue)


def test_plain_losses_learn_nothing() -> None:
    loss = build("dice + iw(focal)")
    assert loss.learned() == {}
    assert list(loss.parameters()) == []
    loss.end_epoch({})


def test_a_loss_can_be_copied() -> None:
    logits, target = data()
    loss = build("dice + 0.5*iw(focal)")
    twin = copy.deepcopy(loss)
    assert twin.expression == "dice + 0.5*iw(focal)"
    assert twin(logits, target).item() == loss(logits, target).item()


LOGITS, TARGET = torch.zeros(2, 2, 4, 4, 4), torch.zeros(2, 1, 4, 4, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("logits", "target", "sentence"),
    [
        (LOGITS[0], TARGET[0], "the logits have shape (2, 4, 4, 4) and type"),
        (LOGITS.long(), TARGET, "type int64. They must be floating-point (B, C, y, x) or (B, C, z, y, x)."),
        (LOGITS.repeat(1, 2, 1, 1, 1), TARGET, "the logits have 4 channel(s) for 2 classes."),
        (LOGITS, TARGET[:, 0], "the target has shape (2, 4, 4, 4) against logits (2, 2, 4, 4, 4)."),
        (LOGITS, TARGET[:1], "the target has shape (1, 1, 4, 4, 4)"),
        (LOGITS, TARGET[..., :3], "the target has shape (2, 1, 4, 4, 3)"),
        (LOGITS, TARGET.float(), "the target has type float32. It must be an integer type"),
        (LOGITS, TARGET + 2, "the target holds labels from 2 to 2. With 2 classes they must lie between 0 and 1."),
        (LOGITS, TARGET.long() - 1, "the target holds labels from -1 to -1."),
        (LOGITS[:0], TARGET[:0], "at least one voxel"),
    ],
)
def test_inputs_that_do_not_fit(logits: Tensor, target: Tensor, sentence: str) -> None:
    if logits.ndim == 4:
        sentence = "dice + ce: the logits have 4 channel(s)"
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        build("dice + ce")(logits, target)
    assert isinstance(caught.value, InputError)
    assert caught.value.message.startswith("dice + ce:")


def test_channels_must_be_the_classes() -> None:
    with pytest.raises(InputError, match=re.escape("the logits have 1 channel(s) for 3 classes.")):
        build("ce", classes=3)(LOGITS[:, :1], TARGET)


@pytest.mark.parametrize("weights", [torch.ones(2, 1, 4, 4, 3), torch.ones(2, 1, 4, 4, 4, dtype=torch.int64)])
def test_maps_must_fit_the_target(weights: Tensor) -> None:
    with pytest.raises(InputError, match=r"iw\(ce\): the map 'inverse_weights' has shape .* and type"):
        build("iw(ce)")(LOGITS, TARGET, {"inverse_weights": weights})
