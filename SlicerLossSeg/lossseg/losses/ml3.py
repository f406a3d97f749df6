"""ML3's losses: a small network that maps prediction and truth of a voxel to its loss, from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lossseg.errors import InputError
from lossseg.losses.curves import CurveLoss, TracedCurve
from lossseg.losses.found import read_found, write_found
from lossseg.losses.loss import implements

HIDDEN = (50, 50)
MAX_LAYERS, MAX_WIDTH, _LARGEST = 6, 256, 1e6
NETWORKS = {"phantoms": Path(__file__).parent / "kept" / "ml3_phantoms.json"}
"""The kept networks by name."""


class LossNetwork(nn.Module):
    """(p, y) -> loss of a voxel: linear layers without bias and ReLU between them, then softplus.

    The form of Bechtle et al., Meta-learning via learned loss, ICPR 2020 (arXiv:1906.05374).
    """

    def __init__(self, hidden: Sequence[int] = HIDDEN) -> None:
        super().__init__()
        widths = (2, *hidden, 1)
        self.layers = nn.ParameterList(
            nn.init.xavier_uniform_(torch.empty(after, before)) for before, after in pairwise(widths)
        )

    def forward(self, p: Tensor, y: Tensor) -> Tensor:
        """The loss of each voxel, of the shape of p and y (any, and equal)."""
        values = torch.stack([p, y], -1)
        *hidden, last = self.layers
        for weight in hidden:
            values = functional.relu(values @ weight.T)
        return functional.softplus(values @ last.T)[..., 0]


@dataclass(frozen=True, eq=False)
class NetworkCurve(TracedCurve):
    """The network for voxels of one truth."""

    network: LossNetwork
    foreground: bool

    def raw(self, error: Tensor) -> Tensor:
        p = 1 - error if self.foreground else error
        weights = {name: value.detach().to(error) for name, value in self.network.named_parameters()}
        truth = torch.full_like(p, float(self.foreground))
        return torch.func.functional_call(self.network, weights, (p, truth))


@implements("ml3")
class Ml3(CurveLoss):
    """Mean over voxels and foreground classes of a meta-learned network's output, less that of a right prediction.

    Raises:
        InputError: no such file, or it holds no loss network.
    """

    def __init__(self, *, classes: int, net: str) -> None:
        network = read_network(NETWORKS.get(net, Path(net)))
        # No module of its own: what was learned before is neither trained nor kept in checkpoints.
        super().__init__(NetworkCurve(network, False), NetworkCurve(network, True), classes=classes)


def write_network(path: Path, network: LossNetwork, facts: dict[str, Any]) -> None:
    """Write a loss network with how it was found."""
    weights = [weight.detach().cpu().tolist() for weight in network.layers]
    write_found(path, "ml3", {"weights": weights, "facts": facts})


def read_network(path: Path) -> LossNetwork:
    """The loss network in a file.

    Raises:
        InputError: see `read_found`; its weights are missing, of shapes that do not fit or not finite.
    """
    weights = read_found(path, "ml3").get("weights")
    if not isinstance(weights, list) or not 2 <= len(weights) <= MAX_LAYERS:
        raise _damaged(path, f"it must have 2 to {MAX_LAYERS} layers")
    before, layers = 2, []
    for rows in weights:
        if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_WIDTH:
            raise _damaged(path, f"a layer must have 1 to {MAX_WIDTH} rows")
        for row in rows:
            if not isinstance(row, list) or len(row) != before or not all(map(_is_weight, row)):
                raise _damaged(path, f"a row must have {before} numbers of at most {_LARGEST:g}")
        before = len(rows)
        layers.append(torch.tensor(rows, dtype=torch.float32))
    if before != 1:
        raise _damaged(path, "its last layer must have one row")
    network = LossNetwork([len(layer) for layer in layers[:-1]])
    with torch.no_grad():
        for weight, values in zip(network.layers, layers, strict=True):
            weight.copy_(values)
    return network.requires_grad_(False)


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is no loss network: {reason}.", "Restore it from a copy or search for a loss anew.")
