"""The plan: all that turns a volume into what a network sees, as plain data that a model folder carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from lossseg.errors import InputError
from lossseg.preprocessing.monai_grid import MonaiGrid

Triple = tuple[int, int, int]


class ChannelKind(StrEnum):
    """How the voxels of a channel become network input."""

    ZSCORE = "zscore"
    """Each volume by its own mean and standard deviation (MR, ultrasound)."""
    CT = "ct"
    """Clipped to the training foreground's 0.5 and 99.5 percentiles, then the training foreground's mean and SD."""
    WINDOW = "window"
    """Clipped to [low, high] and scaled to [0, 1] (Shirokikh et al. 2020, section 4.1)."""
    RESCALE = "rescale"
    """Each volume's own lowest and highest value to 0 and 1."""
    NONE = "none"
    """As it is."""
    ORGAN_MASK = "organ_mask"
    """No network input: voxels where this channel is 0 are given the lowest value of the other channels' window."""


@dataclass(frozen=True)
class ChannelScheme:
    """The intensity scheme of one channel.

    Attributes:
        low, high: clipping range in the image's units (CT: HU).
        mean, std: of the training foreground, in the image's units (`CT` only).
        nonzero: mean and SD of `ZSCORE` are taken over the voxels that are not 0, and the others become 0.
    """

    name: str
    kind: ChannelKind
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = None
    nonzero: bool = False


@dataclass(frozen=True)
class NnUNetGrid:
    """How nnU-Net brings a case onto the network's grid, for models that it trained.

    The axes stay those of the file, the resampling and the blending of windows are nnU-Net's, and logits rather than
    probabilities go back to the file's grid.

    Attributes:
        transpose: for each axis of the network's grid, the axis (z, y, x) of the file.
        mirror: axes of the network's grid that were mirrored in training, and may be in prediction.
        image_order, logit_order: of the spline that resamples the image, and the logits on the way back.
        canonical: the volume is turned to the patient's S, A and R axes first.
    """

    transpose: Triple = (0, 1, 2)
    mirror: tuple[int, ...] = (0, 1, 2)
    image_order: int = 3
    logit_order: int = 1
    canonical: bool = False


@dataclass(frozen=True)
class Plan:
    """What preprocessing, training and prediction agree on.

    Attributes:
        channels: one scheme per image channel, in file order.
        spacing: (z, y, x) mm of the network's grid, whose axes follow the patient's S, P and L directions.
        patch: (z, y, x) voxels of a training patch and of an inference window.
        batch: patches per training step.
        labels: name to value, background 0 first.
        network: config for `lossseg.networks.build`.
        nnunet: set for a model that nnU-Net trained: its axes and its resampling instead of the house's.
        monai: set for a model that comes from a MONAI bundle: its steps instead of the house's and of the schemes.
            Spacing and patch follow the bundle's axes then.
    """

    channels: tuple[ChannelScheme, ...]
    spacing: tuple[float, float, float]
    patch: Triple
    batch: int
    labels: dict[str, int]
    network: dict[str, Any]
    nnunet: NnUNetGrid | None = None
    monai: MonaiGrid | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether another framework made the model, whose way of preprocessing holds."""
        return self.nnunet is not None or self.monai is not None

    @property
    def inputs(self) -> int:
        """Number of channels that the network sees."""
        return sum(scheme.kind is not ChannelKind.ORGAN_MASK for scheme in self.channels)

    @property
    def classes(self) -> int:
        return len(self.labels)

    def grid(self) -> dict[str, Any]:
        """The part that decides the preprocessed voxels: equal grids can share them."""
        grid = {"channels": [asdict(scheme) for scheme in self.channels], "spacing": list(self.spacing)}
        grid |= {"nnunet": _lists(asdict(self.nnunet))} if self.nnunet else {}
        return grid | ({"monai": self.monai.to_json()} if self.monai else {})

    def to_json(self) -> dict[str, Any]:
        rest = {"patch": list(self.patch), "batch": self.batch, "labels": self.labels, "network": self.network}
        return self.grid() | rest

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote.

        Raises:
            InputError: a field is missing or has the wrong form.
        """
        try:
            known = {field.name for field in fields(ChannelScheme)}
            channels = tuple(
                ChannelScheme(**({k: v for k, v in entry.items() if k in known} | {"kind": ChannelKind(entry["kind"])}))
                for entry in value["channels"]
            )
            z, y, x = (float(v) for v in value["spacing"])
            depth, height, width = (int(v) for v in value["patch"])
            return cls(
                channels=channels,
                spacing=(z, y, x),
                patch=(depth, height, width),
                batch=int(value["batch"]),
                labels={str(k): int(v) for k, v in value["labels"].items()},
                network=dict(value["network"]),
                nnunet=_nnunet_grid(value["nnunet"]) if value.get("nnunet") else None,
                monai=MonaiGrid.from_json(value["monai"]) if value.get("monai") else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"The plan cannot be read ({error!r}).", "Restore the model folder from a copy."
            ) from error


def _nnunet_grid(value: Mapping[str, Any]) -> NnUNetGrid:
    a, b, c = (int(axis) for axis in value["transpose"])
    mirror = tuple(int(axis) for axis in value["mirror"])
    if sorted((a, b, c)) != [0, 1, 2] or not set(mirror) <= {0, 1, 2}:
        raise ValueError(f"axes {value['transpose']} and {value['mirror']}")
    return NnUNetGrid(
        transpose=(a, b, c),
        mirror=mirror,
        image_order=int(value["image_order"]),
        logit_order=int(value["logit_order"]),
        canonical=bool(value["canonical"]),
    )


def _lists(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(entry) if isinstance(entry, tuple) else entry for key, entry in value.items()}
