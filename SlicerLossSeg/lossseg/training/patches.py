"""The stream of training patches: patch i depends on the seed and on i alone, so that a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose
from torch.utils.data import DataLoader, Dataset, Sampler

from lossseg.preprocessing import CachedCase, Plan, counted
from lossseg.training.sampling import LesionSampler, cut
from lossseg.weights import VoxelMap, make_maps, voxel_map


class Patches(Dataset[dict[str, Any]]):
    """Patch i as {"image": (C, z, y, x) float32, "label": (1, z, y, x) uint8, "maps": {name: (channels, z, y, x)}}.

    Maps of the whole volume are cut where the image is and moved with the label; beyond the volume's border they have
    the value of background far from any lesion (`VoxelMap.beyond`: the largest distance of the volume, 1 for the
    region-wise map, the background's weight for inverse weights), as the label is background there. Distances stay
    those of the volume, in mm, when a patch is rotated or scaled. All other maps are made from the finished patch.

    Args:
        plan: the patch's size, and the spacing and number of classes that maps are made with.
        augment: transforms of the sample, among them the volumes' maps under their keys from `map_keys`.
        maps: names of the maps that the loss needs from the target; see `lossseg.preprocessing.prepare_maps`.
    """

    def __init__(
        self,
        cases: Sequence[CachedCase],
        sampler: LesionSampler,
        plan: Plan,
        augment: Compose | None,
        *,
        seed: int,
        maps: Iterable[str] = (),
    ) -> None:
        self._cases, self._sampler, self._plan = list(cases), sampler, plan
        self._augment, self._seed = augment, seed
        # Names only: workers that do not begin as a copy of this process get all this as data.
        names = sorted(maps)
        self._volume_maps = [name for name in names if voxel_map(name).whole_volume]
        self._patch_maps = [name for name in names if not voxel_map(name).whole_volume]

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = np.random.default_rng((self._seed, index))
        where = self._sampler.draw(index, generator)
        case, patch = self._cases[where.case], self._plan.patch
        channels = zip(case.image(), case.padding, strict=True)
        image = np.stack([cut(channel, where.start, patch, fill) for channel, fill in channels])
        label = cut(case.label(), where.start, patch, 0)[None].astype(np.uint8)
        sample = {"image": torch.from_numpy(image), "label": torch.from_numpy(label)}
        for name in self._volume_maps:
            sample[_key(name)] = torch.from_numpy(cut_map(case.map(name), where.start, patch, voxel_map(name)))
        if self._augment is not None:
            self._augment.set_random_state(seed=int(generator.integers(2**31)))
            # MONAI gives tensors of its own kind and labels as floating point.
            sample = {k: v.as_subclass(torch.Tensor).contiguous() for k, v in self._augment(sample).items()}
            sample["label"] = sample["label"].to(torch.uint8)
        maps = {name: sample.pop(_key(name)) for name in self._volume_maps}
        target = counted(sample["label"][0].numpy(), self._plan.classes)
        made = make_maps(self._patch_maps, target, spacing=self._plan.spacing, classes=self._plan.classes)
        maps |= {name: torch.from_numpy(values) for name, values in made.items()}
        return {**sample, "maps": maps} if maps else sample


def map_keys(names: Iterable[str]) -> tuple[str, ...]:
    """The keys under which a sample holds those maps of `names` that are moved with the label."""
    return tuple(_key(name) for name in sorted(names) if voxel_map(name).whole_volume)


def _key(name: str) -> str:
    return f"map {name}"


def cut_map(values: np.ndarray, start: tuple[int, int, int], patch: tuple[int, int, int], kind: VoxelMap) -> np.ndarray:
    """A copy of the patch of a volume's map (channels, z, y, x) that begins at `start`."""
    inside = all(s >= 0 and s + p <= n for s, p, n in zip(start, patch, values.shape[1:], strict=True))
    return np.stack([cut(channel, start, patch, 0.0 if inside else kind.beyond(channel)) for channel in values])


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
