"""The stream of training patches: patch i depends on the seed and on i alone, so that a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose
from torch.utils.data import DataLoader, Dataset, Sampler

from lossseg.preprocessing import CachedCase
from lossseg.training.sampling import LesionSampler, cut
from lossseg.weights import make_maps


class Patches(Dataset[dict[str, Any]]):
    """Patch i as {"image": (C, z, y, x) float32, "label": (1, z, y, x) uint8, "maps": {name: (1, z, y, x)}}.

    Args:
        maps: names of the maps that the loss needs from the target.
    """

    def __init__(
        self,
        cases: Sequence[CachedCase],
        sampler: LesionSampler,
        patch: tuple[int, int, int],
        augment: Compose | None,
        *,
        seed: int,
        maps: frozenset[str] = frozenset(),
    ) -> None:
        self._cases, self._sampler, self._patch = list(cases), sampler, patch
        self._augment, self._seed, self._maps = augment, seed, maps

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = np.random.default_rng((self._seed, index))
        where = self._sampler.draw(index, generator)
        case = self._cases[where.case]
        channels = zip(case.image(), case.padding, strict=True)
        image = np.stack([cut(channel, where.start, self._patch, fill) for channel, fill in channels])
        label = cut(case.label(), where.start, self._patch, 0)[None].astype(np.uint8)
        sample: dict[str, Any] = {"image": torch.from_numpy(image), "label": torch.from_numpy(label)}
        if self._augment is not None:
            self._augment.set_random_state(seed=int(generator.integers(2**31)))
            # MONAI gives tensors of its own kind and labels as floating point.
            sample = {k: v.as_subclass(torch.Tensor).contiguous() for k, v in self._augment(sample).items()}
            sample["label"] = sample["label"].to(torch.uint8)
        if self._maps:
            made = make_maps(self._maps, sample["label"][0].numpy())
            sample["maps"] = {name: torch.from_numpy(values)[None] for name, values in made.items()}
        return sample


class _From(Sampler[int]):
    """Indices from `start` on, without end."""

    def __init__(self, start: int) -> None:
        self._start = start

    def __iter__(self) -> Iterator[int]:
        index = self._start
        while True:
            yield index
            index += 1


def stream(patches: Patches, *, batch: int, start: int, workers: int, pin: bool) -> Iterator[dict[str, Any]]:
    """Batches of patches from the `start`-th batch on, without end."""
    loader = DataLoader(
        patches,
        batch_size=batch,
        sampler=_From(start * batch),
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)
