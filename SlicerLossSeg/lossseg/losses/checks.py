"""Whether logits, target and maps fit each other. Shapes and types always; values only where that costs no wait."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lossseg.errors import InputError

INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def check_inputs(
    loss: str, classes: int, logits: Tensor, target: Tensor, maps: Mapping[str, Tensor], ignore: int | None = None
) -> None:
    """Raises InputError with a sentence that names the loss, what was given and what is allowed.

    Labels out of range are looked for on the CPU only: on a GPU each step would have to wait for the answer.
    """
    if logits.ndim not in (4, 5) or not logits.is_floating_point():
        raise InputError(
            f"{loss}: the logits have shape {tuple(logits.shape)} and type {_name(logits)}.",
            "They must be floating-point (B, C, y, x) or (B, C, z, y, x).",
        )
    if logits.shape[1] != classes and not (logits.shape[1] == 1 and classes == 2):
        allowed = "1 channel (a foreground logit) or 2 channels" if classes == 2 else f"{classes} channels"
        raise InputError(
            f"{loss}: the logits have {logits.shape[1]} channel(s) for {classes} classes.",
            f"With background that is {allowed}.",
        )
    if target.shape != (logits.shape[0], 1, *logits.shape[2:]) or not target.numel():
        raise InputError(
            f"{loss}: the target has shape {tuple(target.shape)} against logits {tuple(logits.shape)}.",
            "It must have one channel, the same batch and spatial size, and at least one voxel.",
        )
    if target.dtype not in INTEGERS:
        raise InputError(
            f"{loss}: the target has type {_name(target)}.", "It must be an integer type with class numbers."
        )
    for name, values in maps.items():
        fits = values.ndim == target.ndim and values.shape[1] in (1, classes - 1)
        if not fits or values[:, :1].shape != target.shape or not values.is_floating_point():
            raise InputError(
                f"{loss}: the map '{name}' has shape {tuple(values.shape)} and type {_name(values)}.",
                f"It must be floating-point of the target's shape {tuple(target.shape)}, or with a channel for each "
                "foreground class.",
            )
    if target.device.type == "cpu" and target.dtype is not torch.bool:
        counted = target if ignore is None else target[target != ignore]
        lowest, highest = (int(value) for value in torch.aminmax(counted)) if counted.numel() else (0, 0)
        if lowest < 0 or highest >= classes:
            besides = "" if ignore is None else f", besides {ignore} for voxels to ignore"
            raise InputError(
                f"{loss}: the target holds labels from {lowest} to {highest}.",
                f"With {classes} classes they must lie between 0 and {classes - 1}{besides}.",
            )


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
