"""The networks that can be planned by name: what is known of each, and how its config is made. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from lossseg.errors import InputError
from lossseg.networks.attention_config import AttentionUNetConfig
from lossseg.networks.config import DynUNetConfig, check_choice, plain
from lossseg.networks.dilation_config import SharedDilationConfig, same_reach
from lossseg.networks.residual_config import ResidualUNetConfig
from lossseg.networks.residual_encoder_config import ResidualEncoderConfig, blocks_of
from lossseg.networks.topology import Topology

NetworkName: TypeAlias = Literal[
    "unet", "residual_encoder", "residual_unet", "shared_dilation", "learned_dilation", "attention_unet"
]
DEFAULT: NetworkName = "unet"
DILATIONS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Wishes:
    """What a network is planned with, apart from patch and topology.

    Attributes:
        spacing: (z, y, x) mm.
        filters: of each stage.
        dilations: rates of the dilated filters in voxels of the finest axis.
    """

    in_channels: int
    out_channels: int
    spacing: tuple[float, float, float]
    filters: tuple[int, ...]
    deep_supervision: bool
    dilations: tuple[int, ...]


@dataclass(frozen=True)
class NetworkEntry:
    """One network that can be planned.

    Attributes:
        name: as `--network` names it.
        title: as shown to a person.
        advice: what it is good for and what to beware of.
        reference: the paper it comes from.
        base_filters: filters of the first stage where none are wished.
        factors: filters of each stage as multiples of the first; every further stage doubles the one before.
        stages: fixed number of stages, or None for as many as the patch allows; at most `most_stages`.
        pooled_last: the last stage of the topology is a pooling without filters of its own.
        make: the config of a topology.
    """

    name: str
    title: str
    advice: str
    reference: str
    base_filters: int
    make: Callable[[Wishes, Topology], dict[str, Any]]
    factors: tuple[int, ...] = (1,)
    stages: int | None = None
    most_stages: int | None = None
    pooled_last: bool = False
    deep_supervision: bool = False
    dilated: bool = False

    def widths(self, count: int, base: int | None, most: int) -> tuple[int, ...]:
        """Filters of `count` stages from `base` (None: `base_filters`) up to `most`."""
        factors = list(self.factors)
        while len(factors) < count:
            factors.append(2 * factors[-1])
        return tuple(min((base or self.base_filters) * factor, most) for factor in factors[:count])


def _config(name: str, wishes: Wishes, **rest: Any) -> dict[str, Any]:
    common = {"name": name, "in_channels": wishes.in_channels, "out_channels": wishes.out_channels}
    return common | {key: plain(value) for key, value in rest.items()}


def _unet(wishes: Wishes, topology: Topology) -> dict[str, Any]:
    return _config(
        DynUNetConfig.name,
        wishes,
        kernels=topology.kernels,
        strides=topology.strides,
        filters=wishes.filters,
        deep_supervision=wishes.deep_supervision,
    )


def _residual(wishes: Wishes, topology: Topology) -> dict[str, Any]:
    return _config(
        ResidualUNetConfig.name, wishes, kernels=topology.kernels, strides=topology.strides, filters=wishes.filters
    )


def _dilated(shared: bool) -> Callable[[Wishes, Topology], dict[str, Any]]:
    def make(wishes: Wishes, topology: Topology) -> dict[str, Any]:
        return _config(
            SharedDilationConfig.name,
            wishes,
            shared=shared,
            filters=wishes.filters,
            dilations=[same_reach(rate, wishes.spacing) for rate in wishes.dilations],
            strides=topology.strides[1:],
            skips=True,
            norm="layer",
        )

    return make


def _attention(wishes: Wishes, topology: Topology) -> dict[str, Any]:
    return _config(AttentionUNetConfig.name, wishes, strides=topology.strides, filters=wishes.filters)


def _residual_encoder(wishes: Wishes, topology: Topology) -> dict[str, Any]:
    return _config(
        ResidualEncoderConfig.name,
        wishes,
        kernels=topology.kernels,
        strides=topology.strides,
        filters=wishes.filters,
        blocks=blocks_of(len(wishes.filters)),
        decoder_convolutions=[1] * (len(wishes.filters) - 1),
        bias=True,
        deep_supervision=wishes.deep_supervision,
    )


_REUSE = "Al Chanti et al., Efficient strategies for better imbalance image segmentation, 2021"

_ENTRIES = (
    NetworkEntry(
        name="unet",
        title="Planned U-Net",
        advice="The default: kernels, strides and depth follow spacing and patch. The aneurysm challenge ADAM 2020 was "
        "won with at most 360 filters (--max-filters 360).",
        reference="Isensee et al., nnU-Net, Nature Methods 2021",
        base_filters=32,
        make=_unet,
        deep_supervision=True,
    ),
    NetworkEntry(
        name="residual_encoder",
        title="U-Net with a residual encoder",
        advice="nnU-Net's present recommendation, better than the plain U-Net on most of its datasets. A step "
        "took 1.6 times as long on a CPU, and there are three times as many parameters to hold.",
        reference="Isensee et al., nnU-Net revisited, MICCAI 2024",
        base_filters=32,
        make=_residual_encoder,
        deep_supervision=True,
    ),
    NetworkEntry(
        name="residual_unet",
        title="Residual U-Net with added skips",
        advice="Of the inverse-weighting paper, to compare losses as it did. Batch norm: results depend on the batch, "
        "two patches or more. The paper trained it with patches of 128 x 128 x 128.",
        reference="Shirokikh et al., Universal loss reweighting to balance lesion size inequality, MICCAI 2020",
        base_filters=16,
        factors=(1, 4, 8, 16),
        make=_residual,
        stages=4,
    ),
    NetworkEntry(
        name="shared_dilation",
        title="Filter reuse: shared dilated filters",
        advice="Few parameters, for few annotated cases: filters are learned once and used at four dilations. Saves "
        "parameters, no time.",
        reference=_REUSE,
        base_filters=4,
        make=_dilated(shared=True),
        stages=6,
        pooled_last=True,
        dilated=True,
    ),
    NetworkEntry(
        name="learned_dilation",
        title="Learned dilated filters",
        advice="The twin of shared_dilation with filters of its own for each dilation and four times the parameters; "
        "to compare the two.",
        reference=_REUSE,
        base_filters=4,
        make=_dilated(shared=False),
        stages=6,
        pooled_last=True,
        dilated=True,
    ),
    NetworkEntry(
        name="attention_unet",
        title="Attention U-Net",
        advice="Skips pass gates that learn where to look; published together with the focal Tversky loss. Batch norm: "
        "results depend on the batch, two patches or more.",
        reference="Oktay et al., Attention U-Net, 2018; with focal Tversky: Abraham and Khan, ISBI 2019",
        base_filters=16,
        make=_attention,
        most_stages=5,
    ),
)

NETWORKS: Mapping[str, NetworkEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def entry_of(name: str) -> NetworkEntry:
    """The entry called `name`.

    Raises:
        InputError: there is none; the nearest is named.
    """
    check_choice("network", name, NETWORKS)
    return NETWORKS[name]


def rates_of(entry: NetworkEntry, dilations: Sequence[int] | None) -> tuple[int, ...]:
    """The dilation rates that are wished for, or the default; empty where the network has none.

    Raises:
        InputError: the network has no dilated filters, or a rate is not above 0.
    """
    if dilations is None:
        return DILATIONS if entry.dilated else ()
    if not entry.dilated:
        fitting = ", ".join(other.name for other in NETWORKS.values() if other.dilated)
        raise InputError(
            f"The network {entry.name} has no dilated filters.", f"Leave out the dilations or choose one of: {fitting}."
        )
    if not dilations or any(rate < 1 for rate in dilations):
        raise InputError(f"The dilations are {list(dilations)}.", "Give whole numbers above 0, such as 1, 2, 3 and 4.")
    return tuple(dilations)
