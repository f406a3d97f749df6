"""Losses of single lesions against loops over lesions, as the papers describe them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from lossseg.losses import build, fused, sparse
from lossseg.weights import make_maps

Part = tuple[Tensor, Tensor, Tensor]
"""Logits (C, N) and labels (N,) of the voxels of a part, and the classes that count for it."""

INNER = ["dice", "dice(squared=True)", "tversky", "ce", "bce", "focal", "dice + 0.5*ce"]


def case(channels: int, *, flat: bool = False, dense: bool = False) -> tuple[Tensor, Tensor]:
    """Logits (2, C, *S) in float64; lesions of 1 to 60 voxels, with several classes also touching ones."""
    shape = (24, 20) if flat else (8, 12, 13)
    target = torch.zeros(2, 1, *shape, dtype=torch.uint8)
    if flat:
        target[0, 0, 1:3, 1:3], target[0, 0, 10, 10], target[1, 0, 20:22, 5], target[1, 0, 3, 15:] = 1, 1, 1, 1
    else:
        target[0, 0, 1:3, 1:3, 1:3], target[0, 0, 5, 10, 11], target[1, 0, 2, 2, 2:7], target[1, 0, 6, 9:, 9:] = (
            1,
            1,
            1,
            1,
        )
    if dense:
        target[0, 0, ..., 6:9] = 1
    if channels > 2:
        target[target.shape[0] - 1, 0, ..., 4:6] *= 2
        target[0, 0, -1, 3] = 2
    generator = torch.Generator().manual_seed(channels)
    return 2 * torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64), target


def label(mask: np.ndarray) -> np.ndarray:
    return ndimage.label(mask, np.ones((3,) * mask.ndim))[0]


def as_classes(logits: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(logits), logits], 0) if logits.shape[0] == 1 else logits


def parts_of(logits: Tensor, target: Tensor, kept: Callable[[np.ndarray, int], np.ndarray]) -> Iterator[list[Part]]:
    """For each sample its parts; `kept` says which voxels belong to the lesion of that number."""
    for one, labels in zip(logits, target[:, 0], strict=True):
        flat = as_classes(one).flatten(1)
        numbers = label(labels.numpy() > 0)
        found = []
        for number in range(1, numbers.max() + 1):
            inside = torch.from_numpy(kept(numbers, number)).flatten()
            own = torch.from_numpy(numbers == number)
            found.append((flat[:, inside], labels.flatten()[inside].long(), labels[own].unique()))
        everything = torch.arange(1, len(flat))
        yield found or [(flat, labels.flatten().long(), everything)]


def background_and_lesion(numbers: np.ndarray, number: int) -> np.ndarray:
    return (numbers == 0) | (numbers == number)


def nearest(numbers: np.ndarray) -> np.ndarray:
    distances = [ndimage.distance_transform_edt(numbers != number) for number in range(1, numbers.max() + 1)]
    return 1 + np.argmin(distances, 0) if distances else np.zeros(numbers.shape)


def region(numbers: np.ndarray, number: int) -> np.ndarray:
    return nearest(numbers) == number


def overlap_loss(part: Part, alpha: float, beta: float, smooth: float, squared: bool) -> list[Tensor]:
    logits, labels, classes = part
    p = torch.softmax(logits, 0)
    values = []
    for number in classes.tolist():
        y = (labels == number).double()
        hit = (p[number] * y).sum()
        if squared:
            values.append(1 - (2 * hit + 2 * smooth) / ((p[number] ** 2 + y).sum() + 2 * smooth))
        else:
            false, missed = (p[number] * (1 - y)).sum(), ((1 - p[number]) * y).sum()
            values.append(1 - (hit + smooth) / (hit + alpha * false + beta * missed + smooth))
    return values


def voxel_loss(part: Part, name: str) -> list[Tensor]:
    logits, labels, classes = part
    ce = functional.cross_entropy(logits.T, labels, reduction="none")
    if name == "ce":
        return [ce.mean()]
    if name == "focal":
        return [(torch.where(labels > 0, 0.75, 0.25) * (1 - torch.exp(-ce)) ** 2 * ce).mean()]
    p = torch.softmax(logits, 0)
    return [functional.binary_cross_entropy(p[number], (labels == number).double()) for number in classes.tolist()]


def looped(inner: str, samples: Iterator[list[Part]]) -> Tensor:
    """The mean over samples of the mean over their parts (for each class that a part holds) of the loss."""

    def values(name: str, part: Part) -> list[Tensor]:
        match name:
            case "dice":
                return overlap_loss(part, 0.5, 0.5, 5e-6, False)
            case "dice(squared=True)":
                return overlap_loss(part, 0.5, 0.5, 5e-6, True)
            case "tversky":
                return overlap_loss(part, 0.3, 0.7, 5e-6, False)
        return voxel_loss(part, name)

    def whole(name: str, sample: list[Part]) -> Tensor:
        return torch.stack([value for part in sample for value in values(name, part)]).mean()

    known = list(samples)
    names = {"dice + 0.5*ce": (("dice", 1.0), ("ce", 0.5))}.get(inner, ((inner, 1.0),))
    return sum(
        (factor * torch.stack([whole(name, sample) for sample in known]).mean() for name, factor in names),
        start=torch.zeros((), dtype=torch.float64),
    )


def loader_maps(target: Tensor, names: frozenset[str]) -> dict[str, Tensor]:
    made = [make_maps(names, sample[0].numpy()) for sample in target]
    return {name: torch.from_numpy(np.stack([one[name] for one in made])) for name in names}


cases = pytest.mark.parametrize(
    ("channels", "flat", "dense"), list(itertools.product([1, 2, 3], [False, True], [False, True]))
)


def check(expression: str, expected: Tensor, leaf: Tensor, target: Tensor, maps: dict[str, Tensor]) -> None:
    (slope,) = torch.autograd.grad(expected, leaf)
    value = build(expression, classes=max(leaf.shape[1], 2))(leaf, target, maps)
    (gradient,) = torch.autograd.grad(value, leaf)
    assert value.item() == pytest.approx(expected.item(), rel=1e-12, abs=1e-12)
    torch.testing.assert_close(gradient, slope, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("inner", INNER)
@cases
class TestAgainstLoops:
    def test_blob(self, inner: str, channels: int, flat: bool, dense: bool) -> None:
        logits, target = case(channels, flat=flat, dense=dense)
        leaf = logits.requires_grad_()
        expected = looped(inner, parts_of(leaf, target, background_and_lesion))
        check(f"blob({inner})", expected, leaf, target, loader_maps(target, frozenset({"lesions"})))

    def test_cc(self, inner: str, channels: int, flat: bool, dense: bool) -> None:
        logits, target = case(channels, flat=flat, dense=dense)
        leaf = logits.requires_grad_()
        expected = looped(inner, parts_of(leaf, target, region))
        # A voxel as near to two lesions may be given to either, so the map is that of the loop.
        made = [nearest(label(sample[0].numpy() > 0)) for sample in target]
        maps = {"nearest_lesion": torch.from_numpy(np.stack(made)[:, None].astype(np.float32))}
        check(f"cc({inner})", expected, leaf, target, maps)


@pytest.mark.parametrize("around", ["blob", "cc"])
class TestBoth:
    @pytest.mark.parametrize("inner", INNER)
    def test_of_one_lesion_they_are_the_loss_inside(self, around: str, inner: str) -> None:
        logits, target = case(1)
        target[:] = 0
        target[:, 0, 2:4, 5:8, 6] = 1
        alone = build(inner)(logits, target).item()
        assert build(f"{around}({inner})")(logits, target).item() == pytest.approx(alone, rel=1e-12)

    @pytest.mark.parametrize("inner", INNER)
    @pytest.mark.parametrize("channels", [1, 3])
    def test_without_lesions_they_are_the_loss_inside(self, around: str, inner: str, channels: int) -> None:
        logits, target = case(channels)
        target[:] = 0
        classes = max(channels, 2)
        alone = build(inner, classes=classes)(logits, target).item()
        assert build(f"{around}({inner})", classes=classes)(logits, target).item() == pytest.approx(alone, rel=1e-12)

    @pytest.mark.parametrize("dense", [False, True])
    def test_samples_count_the_same_however_many_lesions_they_have(self, around: str, dense: bool) -> None:
        logits, target = case(1, dense=dense)
        loss = build(f"{around}(dice + ce)")
        alone = [loss(logits[n : n + 1], target[n : n + 1]).item() for n in range(2)]
        assert loss(logits, target).item() == pytest.approx(np.mean(alone), rel=1e-12)

    def test_the_map_of_the_loader_is_used_and_else_made(self, around: str) -> None:
        logits, target = case(1)
        loss = build(f"{around}(dice)")
        maps = loader_maps(target, loss.required_maps)
        given = loss(logits, target, maps).item()
        assert loss(logits, target).item() == pytest.approx(given, rel=1e-12)
        joined = {name: values.clamp_max(1) for name, values in maps.items()}
        assert loss(logits, target, joined).item() == pytest.approx(build("dice")(logits, target).item(), rel=1e-12)

    @pytest.mark.parametrize("dense", [False, True])
    @pytest.mark.parametrize("inner", ["dice", "ce"])
    def test_ignored_voxels_do_not_count(self, around: str, inner: str, dense: bool) -> None:
        logits, target = case(1, dense=dense)
        maps = loader_maps(target, frozenset({"lesions", "nearest_lesion"}))
        target[..., 10:] = 2
        loss = build(f"{around}({inner})")
        loss.ignore = 2
        leaf = logits.requires_grad_()
        value = loss(leaf, target, maps)
        (gradient,) = torch.autograd.grad(value, leaf)
        assert not gradient[..., 10:].any()
        # The lesion that lies in ignored voxels only is gone from blob; in cc its region stays, without a lesion.
        target[target == 2] = 0
        cut = {name: values[..., :10].contiguous() for name, values in maps.items()}
        expected = build(f"{around}({inner})")(leaf[..., :10], target[..., :10], cut)
        (slope,) = torch.autograd.grad(expected, leaf)
        assert value.item() == pytest.approx(expected.item(), rel=1e-12)
        torch.testing.assert_close(gradient, slope, rtol=1e-10, atol=1e-13)

    def test_small_lesions_pull_as_much_as_large_ones(self, around: str) -> None:
        target = torch.zeros(1, 1, 12, 12, 24, dtype=torch.uint8)
        target[0, 0, 5, 5, 5], target[0, 0, 2:9, 2:9, 15:22] = 1, 1
        small, large = (0, 0, 5, 5, 5), (0, 0, slice(2, 9), slice(2, 9), slice(15, 22))

        def pulls(expression: str) -> float:
            logits = torch.full(target.shape, -6.0, dtype=torch.float64, requires_grad=True)
            (gradient,) = torch.autograd.grad(build(expression)(logits, target), logits)
            return (gradient[small] / gradient[large].sum()).item()

        assert pulls("dice") == pytest.approx(1 / 343, rel=1e-3)
        assert pulls(f"{around}(dice)") > 0.1


@pytest.mark.parametrize("expression", ["cc(dice + ce)", "blob(dice + ce)", "iw(ce, clip=True)"])
def test_blocks_may_cut_rows_anywhere(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = case(1)
    leaf = logits.requires_grad_()
    expected = build(expression)(leaf, target)
    for room in (sparse, fused):
        monkeypatch.setattr(room, "BLOCK", 97)
    check(expression, expected, leaf, target, {})


def test_blob_loss_of_the_authors_for_criteria_of_probabilities() -> None:
    """With probabilities times the mask, as their code has it for sigmoid=True, the other lesions drop out of Dice."""
    logits, target = case(1)
    leaf = logits.requires_grad_()
    samples = []
    for one, labels in zip(torch.sigmoid(leaf[:, 0]), target[:, 0], strict=True):
        numbers = torch.from_numpy(label(labels.numpy()))
        values = []
        for number in range(1, int(numbers.max()) + 1):
            own = numbers == number
            masked = one * ((numbers == 0) | own)
            values.append(1 - (2 * (masked * own).sum() + 1e-5) / (masked.sum() + own.sum() + 1e-5))
        samples.append(torch.stack(values).mean())
    check("blob(dice)", torch.stack(samples).mean(), leaf, target, {})


def test_a_lesion_of_two_classes_counts_for_both() -> None:
    target = torch.zeros(1, 1, 6, 6, 6, dtype=torch.uint8)
    target[0, 0, 1:3, 1:3, 1:3], target[0, 0, 3, 1:3, 1:3], target[0, 0, 5, 5, 5] = 1, 2, 1
    generator = torch.Generator().manual_seed(4)
    leaf = torch.randn(1, 3, 6, 6, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    (sample,) = parts_of(leaf, target, background_and_lesion)
    assert [part[2].tolist() for part in sample] == [[1, 2], [1]]
    pairs = [overlap_loss(part, 0.5, 0.5, 5e-6, False) for part in sample]
    expected = (pairs[0][0] + pairs[0][1] + pairs[1][0]) / 3
    check("blob(dice)", expected, leaf, target, {})


def test_regions_follow_the_spacing() -> None:
    target = torch.zeros(1, 1, 1, 9, 9, dtype=torch.uint8)
    target[0, 0, 0, 0, 4], target[0, 0, 0, 8, 8] = 1, 1
    logits = torch.linspace(-3, 3, 81, dtype=torch.float64).reshape(target.shape)
    loss = build("cc(dice)")
    values = []
    for spacing in ((1.0, 1.0, 1.0), (1.0, 0.1, 1.0)):
        loss.spacing = spacing
        maps = {
            "nearest_lesion": torch.from_numpy(
                make_maps(["nearest_lesion"], target[0, 0].numpy(), spacing=spacing)["nearest_lesion"]
            )[None]
        }
        values.append(loss(logits, target, maps).item())
        assert loss(logits, target).item() == values[-1]
    assert values[0] != pytest.approx(values[1], rel=1e-3)
