"""What it does to the loss that a training starts as in a paper, and the line that says what it means."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from SlicerLossSegLib.loss_chooser import LossChooser
from SlicerLossSegLib.papers import Paper


class PaperStart:
    """The loss follows the paper that is chosen. One that the person wrote is never lost by looking at papers.

    Args:
        label: gets the line.
        loss: where the loss is chosen.
    """

    def __init__(self, label: Any, loss: LossChooser) -> None:
        self._label, self._loss = label, loss
        self._paper: Paper | None = None
        self._own = ""

    def choose(self, paper: Paper | None) -> None:
        """The person chose a paper, or something else.

        A paper's loss becomes the loss. When the next choice is made and it still stands there, what stood there before
        comes back.
        """
        is_own = self._paper is None or self._loss.expression != self._paper.loss
        if is_own:
            self._own = self._loss.expression
        self._paper = paper
        wanted = paper.loss if paper is not None else self._own
        if wanted != self._loss.expression:
            self._loss.set_expression(wanted)

    def show(self, paper: Paper | None) -> None:
        """Say what training as in `paper` means with the present loss; None: something else is started from."""
        if paper is None:
            # Not by the person: a model was put to use, and its loss may well be that of the next training too.
            self._paper = None
        self._label.visible = paper is not None
        self._label.text = line(paper, self._loss.expression) if paper is not None else ""
        self._label.toolTip = paper.tip if paper is not None else ""


def line(paper: Paper, loss: str) -> str:
    """What of a paper is taken over, in a sentence."""
    if loss == paper.loss:
        text = _("{network}, {optimizer} and the loss {loss} as for the paper. Patch and length follow your data.")
    else:
        text = _(
            "{network} and {optimizer} as for the paper, whose loss was {loss}. Patch and length follow your data."
        )
    return text.format(network=paper.network, optimizer=paper.optimizer, loss=paper.loss_name)
