"""Networks of MONAI's own, built from a `MonaiConfig`; and what can be known of one without computing anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import monai.networks.nets
import torch
from torch import Tensor, nn

from lossseg.errors import InputError
from lossseg.networks.config import Maps
from lossseg.networks.monai_config import MonaiConfig

# What MONAI and torch raise for arguments that do not fit each other.
_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Trace(NamedTuple):
    """What a pass without numbers shows: the shape (1, K, a, b, c) of the result and the sizes of the maps."""

    shape: tuple[int, ...]
    maps: Maps


def monai_network(config: MonaiConfig) -> nn.Module:
    """The network with fresh random weights.

    Raises:
        InputError: MONAI refuses the arguments.
    """
    try:
        made: nn.Module = getattr(monai.networks.nets, config.network)(
            spatial_dims=3, in_channels=config.in_channels, out_channels=config.out_channels, **config.arguments
        )
    except _ERRORS as error:
        raise _refused(config, error) from error
    return made


def count(config: MonaiConfig) -> int:
    """Number of parameters; nothing is allocated."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in {*monai_network(config).parameters()})


@torch.no_grad()
def trace(config: MonaiConfig, patch: Sequence[int]) -> Trace:
    """What becomes of a window of `patch` voxels; nothing is computed or allocated.

    Raises:
        InputError: the network cannot take such a window, or gives several results.
    """
    sizes: list[int] = []

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and not [*module.children()]:
            sizes.append(output[0].numel())

    with torch.device("meta"):
        network = monai_network(config).eval()
        for module in network.modules():
            module.register_forward_hook(note)
        try:
            result = network(torch.empty(1, config.in_channels, *patch))
        except _ERRORS as error:
            raise _refused(config, error) from error
    if not isinstance(result, Tensor):
        raise InputError(f"{config.network} gives several results.", "Import a network that gives one.")
    return Trace(tuple(result.shape), Maps(sum(sizes), sum(sizes) // 2, max(sizes)))


def _refused(config: MonaiConfig, error: Exception) -> InputError:
    reason = (str(error) or repr(error)).splitlines()[0]
    return InputError(f"MONAI's {config.network} refuses its arguments ({reason}).", "Restore the file from a copy.")
