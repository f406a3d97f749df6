"""Voxel maps on their way from the cached volume to the loss."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import Compose, RandFlipd
from training_fakes import TINY, Leaning, blobs

from lossseg.errors import InputError
from lossseg.losses import Loss
from lossseg.model import load
from lossseg.preprocessing import CachedCase, ChannelKind, ChannelScheme, Plan, prepare_maps
from lossseg.preprocessing.cache import lesion_index
from lossseg.reporting import Silent
from lossseg.training import TrainingSettings, train
from lossseg.training import run as runs
from lossseg.training.augmentation import augmentation
from lossseg.training.patches import Patches, map_keys, stream
from lossseg.training.sampling import LesionSampler
from lossseg.weights import MAPS, make_maps

VOLUME_MAPS = ("distance", "inverse_weights_volume", "region_wise", "signed_distance")
PATCH_MAPS = ("inverse_weights", "lesions", "nearest_lesion")
SPACING = (2.0, 1.0, 0.5)


def plan(patch: tuple[int, int, int] = (8, 8, 8), classes: int = 3) -> Plan:
    labels = {name: value for value, name in enumerate(("background", "core", "rim")[:classes])}
    return Plan((ChannelScheme("MR", ChannelKind.NONE),), SPACING, patch, 2, labels, {})


def volume(shape: tuple[int, int, int] = (14, 16, 18)) -> np.ndarray:
    label = np.zeros(shape, np.uint8)
    label[2:6, 2:6, 2:6], label[3:5, 3:5, 3:5], label[10, 12, 14] = 2, 1, 1
    return label


def cached(folder: Path, label: np.ndarray) -> CachedCase:
    folder.mkdir(parents=True)
    voxels, offsets = lesion_index(label)
    np.save(folder / "image.npy", np.arange(label.size, dtype=np.float32).reshape(1, *label.shape))
    np.save(folder / "label.npy", label)
    np.save(folder / "voxels.npy", voxels)
    np.save(folder / "offsets.npy", offsets)
    return CachedCase(folder.name, folder, len(offsets) - 1, (0.0,))


def patches(case: CachedCase, maps: tuple[str, ...], augment: Compose | None, chosen: Plan | None = None) -> Patches:
    chosen = chosen or plan()
    sampler = LesionSampler([case], chosen.patch, oversampling=0.5, batch=2)
    return Patches([case], sampler, chosen, augment, seed=4, maps=maps)


def test_maps_of_volumes_are_made_once_and_read_by_memory_map(tmp_path):
    case = cached(tmp_path / "A", volume())
    prepare_maps([case], [*VOLUME_MAPS, *PATCH_MAPS], plan())
    assert sorted(path.name for path in case.folder.glob("map_*")) == [f"map_{name}.npy" for name in VOLUME_MAPS]
    expected = make_maps(VOLUME_MAPS, volume(), spacing=SPACING, classes=3)
    for name in VOLUME_MAPS:
        values = case.map(name)
        assert isinstance(values, np.memmap) and values.dtype == np.float32
        assert np.array_equal(values, expected[name])
    before = case.map_file("distance").stat().st_mtime_ns
    case.map_file("region_wise").unlink()
    prepare_maps([case], VOLUME_MAPS, plan())
    assert case.map_file("region_wise").exists()
    assert case.map_file("distance").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="no voxel map 'distances'"):
        prepare_maps([case], ["distances"], plan())


def test_a_patch_of_a_volumes_map_is_its_crop(tmp_path):
    case = cached(tmp_path / "A", volume())
    prepare_maps([case], VOLUME_MAPS, plan())
    for index in range(6):
        sample = patches(case, VOLUME_MAPS, None)[index]
        corner = np.unravel_index(int(sample["image"][0, 0, 0, 0]), volume().shape)
        where = (slice(None), *(slice(start, start + 8) for start in corner))
        assert sorted(sample["maps"]) == list(VOLUME_MAPS)
        for name, values in sample["maps"].items():
            assert values.dtype == torch.float32
            assert np.array_equal(values.numpy(), case.map(name)[where]), name


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_a_flipped_patch_has_its_map_flipped(tmp_path, axes):
    case = cached(tmp_path / "A", volume())
    prepare_maps([case], VOLUME_MAPS, plan())
    keys = ("image", "label", *map_keys(VOLUME_MAPS))
    flips = Compose([RandFlipd(keys, prob=1.0, spatial_axis=axis) for axis in axes])
    for index in range(4):
        plain, flipped = patches(case, VOLUME_MAPS, None)[index], patches(case, VOLUME_MAPS, flips)[index]
        turned = [axis + 1 for axis in axes]
        assert torch.equal(flipped["image"], plain["image"].flip(turned))
        for name in VOLUME_MAPS:
            assert torch.equal(flipped["maps"][name], plain["maps"][name].flip(turned)), name


def test_augmentation_takes_the_map_from_where_it_takes_the_label(tmp_path):
    """A map of the labels themselves stays equal to the label through flips, rotations and scaling."""
    label = np.random.default_rng(0).integers(0, 256, (14, 16, 18)).astype(np.uint8)
    case = cached(tmp_path / "A", label)
    np.save(case.map_file("distance"), np.stack([label, 255 - label]).astype(np.float32))
    augment = augmentation((8, 8, 8), SPACING, map_keys(["distance", "lesions"]))
    moved = 0
    plain = patches(case, ("distance",), None)
    for index in range(40):
        sample = patches(case, ("distance",), augment)[index]
        same = sample["label"].to(torch.float32)
        assert torch.equal(sample["maps"]["distance"], torch.cat([same, 255 - same]))
        moved += not torch.equal(sample["label"], plain[index]["label"])
    assert moved > 20


def test_maps_do_not_change_what_a_patch_shows(tmp_path):
    case = cached(tmp_path / "A", volume())
    prepare_maps([case], VOLUME_MAPS, plan())
    names = (*VOLUME_MAPS, *PATCH_MAPS)
    with_maps = patches(case, names, augmentation((8, 8, 8), SPACING, map_keys(names)))
    without = patches(case, (), augmentation((8, 8, 8), SPACING))
    for index in range(12):
        assert torch.equal(with_maps[index]["image"], without[index]["image"])
        assert torch.equal(with_maps[index]["label"], without[index]["label"])
        assert "maps" not in without[index]


def test_maps_of_patches_are_made_of_the_augmented_patch(tmp_path):
    case, whole = cached(tmp_path / "A", volume()), plan((14, 16, 18))
    made = patches(case, PATCH_MAPS, augmentation(whole.patch, SPACING), whole)
    spaced = 0
    for index in range(8):
        sample = made[index]
        label = sample["label"][0].numpy()
        expected = make_maps(PATCH_MAPS, label, spacing=SPACING, classes=3)
        assert sorted(sample["maps"]) == list(PATCH_MAPS)
        for name, values in expected.items():
            assert np.array_equal(sample["maps"][name].numpy(), values), name
        spaced += not np.array_equal(expected["nearest_lesion"], make_maps(PATCH_MAPS, label)["nearest_lesion"])
    assert spaced > 4


def test_beyond_the_border_there_is_background(tmp_path):
    chosen = plan((8, 20, 8))
    label = np.ascontiguousarray(volume()[:, :14])
    label[0, 0, 0] = 1
    case = cached(tmp_path / "A", label)
    prepare_maps([case], VOLUME_MAPS, chosen)
    beyond = {
        "distance": case.map("distance").max((1, 2, 3)),
        "signed_distance": case.map("signed_distance").max((1, 2, 3)),
        "region_wise": np.ones(2),
        "inverse_weights_volume": case.map("inverse_weights_volume")[:, label == 0].min(1),
    }
    for index in range(4):
        sample = patches(case, VOLUME_MAPS, None, chosen)[index]
        # 20 voxels of patch around 14 of volume
        z, _, x = np.unravel_index(int(sample["image"][0, 0, 3, 0]), label.shape)
        for name, values in sample["maps"].items():
            inside, outside = values[:, :, 3:17], torch.cat([values[:, :, :3], values[:, :, 17:]], 2)
            assert np.array_equal(inside.numpy(), case.map(name)[:, z : z + 8, :, x : x + 8]), name
            expected = torch.from_numpy(np.float32(beyond[name])).reshape(-1, 1, 1, 1).expand_as(outside)
            assert torch.equal(outside, expected), name


def test_batches_stack_the_maps_of_their_patches(tmp_path):
    case = cached(tmp_path / "A", volume())
    prepare_maps([case], VOLUME_MAPS, plan())
    names = (*VOLUME_MAPS, *PATCH_MAPS)
    made = patches(case, names, augmentation((8, 8, 8), SPACING, map_keys(names)))
    inside, by_worker = (next(stream(made, batch=2, start=1, workers=workers, pin=False)) for workers in (0, 1))
    assert sorted(inside["maps"]) == sorted(names)
    for name, values in inside["maps"].items():
        assert values.shape == (2, 2 if MAPS[name].per_class else 1, 8, 8, 8)
        assert torch.equal(values, by_worker["maps"][name])
        assert torch.equal(values[1], made[3]["maps"][name])
    sent = pickle.loads(pickle.dumps(made))[3]
    assert all(torch.equal(values, made[3]["maps"][name]) for name, values in sent["maps"].items())


def test_a_loss_that_needs_maps_gets_all_of_them(tmp_path, monkeypatch):
    class Needing(Leaning):
        def forward(self, logits, target, maps=None):
            assert sorted(maps) == sorted(MAPS)
            for name, values in maps.items():
                assert values.shape == target.shape and values.dtype == torch.float32
                if not MAPS[name].whole_volume:
                    for sample, made in zip(target, values, strict=True):
                        expected = make_maps([name], sample[0].numpy(), spacing=(1.0, 1.0, 1.0))[name]
                        assert np.array_equal(made.numpy(), expected)
            # The volume knows where the class is, whichever way the patch was turned.
            assert torch.equal(maps["region_wise"] < 0, target > 0)
            assert torch.equal(maps["signed_distance"] <= 0, target > 0)
            return super().forward(logits, target, maps)

    loss = Needing(needs=frozenset(MAPS))
    monkeypatch.setattr(runs.losses, "build", lambda expression, *, classes: loss)
    settings = TrainingSettings(epochs=1, iterations=4, fold="all", deep_supervision=False, **TINY)
    train(blobs(tmp_path / "data"), tmp_path / "run", settings, Silent())
    assert len(loss.values) == 4


def test_no_loss_has_to_make_its_maps_itself(tmp_path, monkeypatch):
    seen = []
    forward = Loss.forward

    def checked(self, logits, target, maps=None):
        seen.append(self.required_maps)
        assert self.required_maps <= (maps or {}).keys()
        return forward(self, logits, target, maps)

    monkeypatch.setattr(Loss, "forward", checked)
    settings = TrainingSettings(
        loss="dice + iw(ce)", epochs=1, iterations=4, fold="all", deep_supervision=False, **TINY
    )
    folder = train(blobs(tmp_path / "data"), tmp_path / "run", settings, Silent())
    assert load(folder).loss == "dice + iw(ce)"
    assert seen == [frozenset({"inverse_weights"})] * 4
