"""Windows as MONAI places, fills and blends them, for models that come from a MONAI bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from monai.data.utils import dense_patch_slices
from monai.inferers.utils import sliding_window_inference

from lossseg.inference.sliding_window import BACKGROUND_LOGIT, Triple
from lossseg.preprocessing import MonaiGrid


class MonaiWindows:
    """The windows of `patch` voxels over a grid of `size`, as the bundle's inferer has them.

    Args:
        size: of the image in voxels.
        needed: bool, of `size`; windows that touch no True voxel are left out.
    """

    def __init__(self, size: Sequence[int], patch: Triple, grid: MonaiGrid, needed: np.ndarray | None = None) -> None:
        self._patch, self._grid, self._needed = patch, grid, needed
        self._before = [max(length - n, 0) // 2 for n, length in zip(size, patch, strict=True)]
        padded = [max(n, length) for n, length in zip(size, patch, strict=True)]
        steps = [
            n if n == length else max(int(length * (1 - overlap)), 1)
            for n, length, overlap in zip(padded, patch, grid.overlap, strict=True)
        ]
        self.count = sum(map(self._is_needed, dense_patch_slices(padded, patch, steps)))

    @torch.no_grad()
    def logits(
        self,
        image: torch.Tensor,
        forward: Callable[[torch.Tensor], torch.Tensor],
        outputs: int,
        *,
        batch: int = 1,
        after_windows: Callable[[int], None] = lambda count: None,
    ) -> torch.Tensor:
        """Blended logits of `image` (C, a, b, c) float32, summed on its device.

        Args:
            forward: windows (n, C, *patch) float32 -> logits (n, K, *patch) of any floating type, on any device; for
                two classes also their difference alone.
            outputs: K.
            batch: windows per call of `forward`.
            after_windows: called with the number of windows done since the last call; may raise to stop.

        Returns:
            float32 (1, a, b, c): the foreground's logit, for K = 1 or 2; else (K, a, b, c). What is not needed is
            background.
        """
        channels = 1 if outputs == 2 else outputs

        def predict(windows: torch.Tensor, places: Sequence[Sequence[slice]]) -> torch.Tensor:
            chosen = [number for number, place in enumerate(places) if self._is_needed(place[2:])]
            result = torch.zeros((len(windows), channels, *self._patch), device=image.device)
            if chosen:
                found = forward(windows[chosen]).to(image.device, torch.float32)
                result[chosen] = found[:, 1:2] - found[:, :1] if found.shape[1] == 2 else found
                after_windows(len(chosen))
            return result

        grid = self._grid
        settings: dict[str, Any] = {"mode": "gaussian", "sigma_scale": grid.sigma} if grid.sigma else {}
        logits = sliding_window_inference(
            image[None],
            self._patch,
            batch,
            predict,
            overlap=grid.overlap,
            padding_mode=grid.outside,
            cval=grid.fill,
            with_coord=True,
            **settings,
        )
        assert isinstance(logits, torch.Tensor)
        logits = logits[0]
        if self._needed is not None:
            away = torch.from_numpy(~self._needed).to(image.device)
            (logits if channels == 1 else logits[1:]).masked_fill_(away, BACKGROUND_LOGIT)
            if channels > 1:
                logits[0].masked_fill_(away, 0.0)
        return logits

    def _is_needed(self, place: Sequence[slice]) -> bool:
        if self._needed is None:
            return True
        inside = tuple(
            slice(max(part.start - before, 0), max(part.stop - before, 0))
            for part, before in zip(place, self._before, strict=True)
        )
        return bool(self._needed[inside].any())
