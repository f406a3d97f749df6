"""Losses by distance: closed forms, MONAI, the public ports, spacing and voxels to ignore."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from monai.losses import BoundaryLoss, HausdorffDTLoss
from scipy import ndimage
from torch import Tensor

from lossseg.losses import DeepSupervision, Loss, build
from lossseg.losses.batch import Batch
from lossseg.losses.erosion import eroded_sums
from lossseg.losses.predicted_distance import PredictedDistance
from lossseg.weights import make_maps

SHAPES = [(7, 8, 9), (14, 16)]
TERMS = [
    "boundary",
    "region_wise",
    "region_wise(background=True)",
    "hausdorff",
    "hausdorff(form=one_sided, alpha=1)",
    "hausdorff(form=erosion, rescale=False)",
]


def case(channels: int, shape: tuple[int, ...] = (7, 8, 9), *, dense: bool = False) -> tuple[Tensor, Tensor]:
    """Logits (2, C, *S) in float64 with solid errors and a target, rare or of about a third of the voxels."""
    classes = max(channels, 2)
    generator = torch.Generator().manual_seed(channels)
    target = torch.zeros(2, 1, *shape, dtype=torch.uint8)
    target[(0, 0, slice(2, 4), slice(2, 4))] = 1
    if len(shape) == 3:
        target[0, 0, :, :, 4:] = 0
    if dense:
        target[..., : shape[-1] // 3] = 1
    target[(1, 0, *(side // 2 for side in shape))] = classes - 1
    logits = torch.randn(2, channels, *shape, generator=generator, dtype=torch.float64)
    logits[:, -1] -= 2
    logits[(slice(None), -1, slice(3, 7), slice(3, 8))] += 6
    return logits, target


def parts(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """p and y of all classes, (2, C, *S), for at least two channels."""
    if logits.shape[1] == 1:
        p = torch.sigmoid(logits)
        p = torch.cat([1 - p, p], 1)
    else:
        p = torch.softmax(logits, 1)
    return p, torch.cat([target == number for number in range(p.shape[1])], 1).double()


def by_class(masks: Tensor, make: object) -> Tensor:
    """A map (2, K, *S) from masks (2, K, *S), made one by one."""
    made = [[make(mask.numpy() > 0.5) for mask in sample] for sample in masks]  # type: ignore[operator]
    return torch.from_numpy(np.array(made))


def signed(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    if mask.all() or not mask.any():
        return np.zeros(mask.shape)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    return ndimage.distance_transform_edt(~mask, sampling=spacing) - mask * (inside - 1)


def unsigned(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    if mask.all() or not mask.any():
        return np.zeros(mask.shape)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    return inside + ndimage.distance_transform_edt(~mask, sampling=spacing)


def rectified(mask: np.ndarray) -> np.ndarray:
    if mask.all() or not mask.any():
        return np.where(mask, -1.0, 1.0)
    depth = ndimage.distance_transform_edt(mask)
    return np.where(mask, -depth / depth.max(), 1.0)


def value_and_gradient(loss: Loss, logits: Tensor, target: Tensor, maps: dict[str, Tensor]) -> tuple[float, Tensor]:
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target, maps)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.item(), gradient


def check(expression: str, logits: Tensor, target: Tensor, expected: object, spacing: tuple[float, ...] | None) -> None:
    """Value and gradient against `expected`, a function of p and y, with the loader's maps and without."""
    loss = build(expression, classes=max(logits.shape[1], 2))
    loss.spacing = spacing
    leaf = logits.clone().requires_grad_()
    right = expected(*parts(leaf, target))  # type: ignore[operator]
    (slope,) = torch.autograd.grad(right, leaf)
    made = [
        make_maps(loss.required_maps, sample[0].numpy(), spacing=spacing, classes=loss.classes) for sample in target
    ]
    given = {name: torch.from_numpy(np.stack([one[name] for one in made])) for name in loss.required_maps}
    for maps in (given, {}):
        value, gradient = value_and_gradient(loss, logits, target, maps)
        assert value == pytest.approx(right.item(), rel=1e-6)
        torch.testing.assert_close(gradient, slope, rtol=1e-6, atol=1e-9)


cases = pytest.mark.parametrize(
    ("channels", "shape", "dense"), list(itertools.product([1, 2, 3], SHAPES, [False, True]))
)


class TestClosedForms:
    @pytest.mark.parametrize("side", [1.0, 0.7])
    @cases
    def test_boundary(self, channels: int, shape: tuple[int, ...], dense: bool, side: float) -> None:
        logits, target = case(channels, shape, dense=dense)
        spacing = (side, *(1.0,) * (len(shape) - 1))

        def expected(p: Tensor, y: Tensor) -> Tensor:
            return (p[:, 1:] * by_class(y[:, 1:], lambda mask: signed(mask, spacing))).mean()

        check("boundary", logits, target, expected, spacing)

    @pytest.mark.parametrize(("alpha", "side"), [(2.0, 1.0), (1.5, 0.5)])
    @cases
    def test_hausdorff(self, channels: int, shape: tuple[int, ...], dense: bool, alpha: float, side: float) -> None:
        logits, target = case(channels, shape, dense=dense)
        spacing = (side, *(1.0,) * (len(shape) - 1))

        def fields(masks: Tensor) -> Tensor:
            return by_class(masks, lambda mask: unsigned(mask, spacing)) ** alpha

        def two_sided(p: Tensor, y: Tensor) -> Tensor:
            return ((p - y) ** 2 * (fields(y) + fields(p.detach())))[:, 1:].mean()

        def one_sided(p: Tensor, y: Tensor) -> Tensor:
            return ((p - y) ** 2 * fields(y))[:, 1:].mean()

        check(f"hausdorff(alpha={alpha})", logits, target, two_sided, spacing)
        check(f"hausdorff(form=one_sided, alpha={alpha})", logits, target, one_sided, spacing)

    @cases
    def test_region_wise(self, channels: int, shape: tuple[int, ...], dense: bool) -> None:
        logits, target = case(channels, shape, dense=dense)

        def expected(p: Tensor, y: Tensor) -> Tensor:
            return (p * by_class(y, rectified)).mean()

        def foreground(p: Tensor, y: Tensor) -> Tensor:
            return expected(p[:, 1:], y[:, 1:])

        check("region_wise", logits, target, foreground, None)
        check("region_wise(background=True)", logits, target, expected, None)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
class TestAgainstMonai:
    def settings(self, channels: int) -> dict[str, bool]:
        several = channels > 1
        return {"sigmoid": not several, "softmax": several, "to_onehot_y": several, "include_background": not several}

    def test_boundary(self, channels: int, shape: tuple[int, ...]) -> None:
        logits, target = case(channels, shape)
        theirs = BoundaryLoss(**self.settings(channels))(logits, target.double()).item()
        assert build("boundary", classes=max(channels, 2))(logits, target).item() == pytest.approx(theirs, abs=1e-6)

    def test_hausdorff(self, channels: int, shape: tuple[int, ...]) -> None:
        logits, target = case(channels, shape)
        theirs = HausdorffDTLoss(**self.settings(channels))(logits, target.double()).item()
        assert build("hausdorff", classes=max(channels, 2))(logits, target).item() == pytest.approx(theirs, abs=1e-6)


def ported_erosions(p: np.ndarray, y: np.ndarray, erosions: int, alpha: float, rescale: bool) -> float:
    """One sample of one class as the ports have it."""
    bound, total = (p - y) ** 2, 0.0
    kernel = ndimage.generate_binary_structure(bound.ndim, 1) / (2 * bound.ndim + 1)
    for k in range(1, erosions + 1):
        bound = np.maximum(ndimage.convolve(bound, kernel, mode="constant") - 0.5, 0)
        if rescale and np.ptp(bound):
            bound = (bound - bound.min()) / np.ptp(bound)
        total += bound.sum() * k**alpha
    return total


def differentiable_erosions(squared: Tensor, erosions: int, alpha: float) -> Tensor:
    """The same of one 2D map by what torch differentiates itself."""
    kernel = torch.tensor([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=squared.dtype)[None, None] / 5
    bound, total = squared[None, None], torch.zeros((), dtype=squared.dtype)
    for k in range(1, erosions + 1):
        bound = torch.relu(torch.nn.functional.conv2d(bound, kernel, padding=1) - 0.5)
        low, high = bound.amin(), bound.amax()
        bound = (bound - low) / (high - low) if high > low else bound
        total = total + bound.sum() * k**alpha
    return total


class TestErosion:
    @pytest.mark.parametrize("rescale", [True, False])
    @cases
    def test_values_are_those_of_the_ports(
        self, channels: int, shape: tuple[int, ...], dense: bool, rescale: bool
    ) -> None:
        logits, target = case(channels, shape, dense=dense)
        p, y = (part[:, 1:].numpy() for part in parts(logits, target))
        sums = [[ported_erosions(p[b, c], y[b, c], 10, 2.0, rescale) for c in range(p.shape[1])] for b in range(2)]
        expected = np.mean(sums) / p[0, 0].size
        loss = build(f"hausdorff(form=erosion, rescale={rescale})", classes=max(channels, 2))
        assert expected > 0
        assert loss(logits, target).item() == pytest.approx(expected, rel=1e-9)
        assert loss.required_maps == frozenset()

    @pytest.mark.parametrize("everywhere", [False, True])
    def test_gradients_are_those_of_torch(self, everywhere: bool) -> None:
        """With errors everywhere no voxel falls to 0, so that the lowest one has a gradient too."""
        generator = torch.Generator().manual_seed(0)
        errors = torch.randn(2, 9, 11, generator=generator, dtype=torch.float64) - 3
        errors[:, 2:8, 1:9] += 8
        if everywhere:
            errors = errors.abs() + 3
        errors.requires_grad_()
        expected = torch.stack([differentiable_erosions(torch.sigmoid(one) ** 2, 6, 2.0) for one in errors])
        factors = torch.tensor([1.0, 3.0], dtype=torch.float64)
        (slope,) = torch.autograd.grad((factors * expected).sum(), errors)
        sums = eroded_sums(errors, 6, 2.0, True)
        (gradient,) = torch.autograd.grad((factors * sums).sum(), errors)
        torch.testing.assert_close(sums, expected)
        torch.testing.assert_close(gradient, slope)
        assert int((slope != 0).sum()) > 40

    @pytest.mark.parametrize("rescale", [True, False])
    def test_gradcheck(self, rescale: bool) -> None:
        generator = torch.Generator().manual_seed(1)
        errors = torch.randn(2, 4, 5, 5, generator=generator, dtype=torch.float64) - 2
        errors[0, 1:, 1:, :4] += 6
        errors[1, :, 1:4, 1:] += 6
        errors.requires_grad_()
        assert torch.autograd.gradcheck(lambda e: eroded_sums(e, 3, 1.5, rescale), (errors,), atol=1e-6)

    def test_rescaling_pushes_the_deepest_errors_up_against_all_others(self) -> None:
        errors = torch.full((1, 9, 9), -9.0, dtype=torch.float64)
        errors[0, 2:7, 2:7] = 3
        errors.requires_grad_()
        (gradient,) = torch.autograd.grad(eroded_sums(errors, 1, 2.0, True).sum(), errors)
        assert gradient[0, 4, 4] < 0 < gradient[0, 2, 4]
        (gradient,) = torch.autograd.grad(eroded_sums(errors, 1, 2.0, False).sum(), errors)
        assert bool((gradient >= 0).all())

    def test_single_voxels_do_not_survive(self) -> None:
        logits = torch.full((1, 1, 9, 9, 9), -20.0)
        logits[0, 0, 4, 4, 4] = 20
        assert build("hausdorff(form=erosion)")(logits, torch.zeros(1, 1, 9, 9, 9, dtype=torch.uint8)).item() == 0


class TestSpacing:
    @pytest.mark.parametrize(
        ("expression", "factor"), [("hausdorff", 4.0), ("hausdorff(alpha=1)", 2.0), ("hausdorff(form=one_sided)", 4.0)]
    )
    def test_distances_scale_with_it(self, expression: str, factor: float) -> None:
        logits, target = case(1)
        loss = build(expression)
        value = loss(logits, target).item()
        loss.spacing = (2.0, 2.0, 2.0)
        assert loss(logits, target).item() == pytest.approx(factor * value, rel=1e-6)

    @pytest.mark.parametrize("expression", ["region_wise", "hausdorff(form=erosion)"])
    def test_what_is_relative_does_not(self, expression: str) -> None:
        logits, target = case(1)
        loss = build(expression)
        value = loss(logits, target).item()
        loss.spacing = (2.0, 2.0, 2.0)
        assert loss(logits, target).item() == pytest.approx(value, rel=1e-6)

    def test_coarser_levels_have_larger_voxels(self) -> None:
        logits, target = case(1, (8, 12, 10))
        coarse = logits[:, :, ::2, ::2, ::2]
        loss = build("hausdorff")
        loss.spacing = (2.0, 1.0, 1.0)
        made = [make_maps(["distance"], sample[0].numpy(), spacing=loss.spacing) for sample in target]
        maps = {"distance": torch.from_numpy(np.stack([one["distance"] for one in made]))}
        value = DeepSupervision(loss)([logits, coarse, coarse[:, :, ::2]], target, maps).item()
        assert loss.spacing == (2.0, 1.0, 1.0)
        finest = loss(logits, target, maps)
        loss.spacing = (4.0, 2.0, 2.0)
        centres = (..., slice(1, None, 2), slice(1, None, 2), slice(1, None, 2))
        second = loss(coarse, target[centres], {"distance": maps["distance"][centres]})
        assert value == pytest.approx(((2 * finest + second) / 3).item(), rel=1e-9)


@pytest.mark.parametrize("expression", TERMS)
class TestEdges:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_ignored_voxels_do_not_count(self, expression: str, channels: int) -> None:
        logits, target = case(channels, (7, 8, 12))
        logits[:, min(channels - 1, 1) :, ..., 8:] = -9
        target[..., 9:] = channels
        loss = build(expression, classes=max(channels, 2))
        maps = {
            name: torch.stack(
                [
                    torch.from_numpy(make_maps([name], (sample[0] % channels).numpy(), classes=loss.classes)[name])
                    for sample in target
                ]
            )
            for name in loss.required_maps
        }
        if channels == 1:
            target[..., 9:] = 2
            maps = {}
        loss.ignore = int(target[0, 0, 0, 0, 11])
        value, gradient = value_and_gradient(loss, logits, target, maps)
        assert not gradient[..., 9:].any()
        cut_loss = build(expression, classes=max(channels, 2))
        # The background's map is made of what is left of the target, and the nearest foreground is.
        cut_maps = {name: values[..., :9] for name, values in maps.items()}
        cut_value, cut_gradient = value_and_gradient(cut_loss, logits[..., :9], target[..., :9], cut_maps)
        if expression != "region_wise(background=True)":
            assert value == pytest.approx(cut_value, rel=1e-6)
            torch.testing.assert_close(gradient[..., :9], cut_gradient, rtol=1e-6, atol=1e-10)
        logits[..., 9:] = 30
        again, _ = value_and_gradient(loss, logits, target, maps)
        assert again == pytest.approx(value, rel=1e-9)

    def test_what_an_empty_patch_teaches(self, expression: str) -> None:
        logits = torch.full((1, 1, 6, 7, 8), -3.0, dtype=torch.float64)
        target = torch.zeros(1, 1, 6, 7, 8, dtype=torch.uint8)
        value, gradient = value_and_gradient(build(expression), logits, target, {})
        p = torch.sigmoid(logits)
        if expression == "region_wise":
            assert value == pytest.approx(p.mean().item())
            torch.testing.assert_close(gradient, p * (1 - p) / p.numel())
        elif expression == "region_wise(background=True)":
            assert value == pytest.approx((2 * p - 1).mean().item() / 2)
            torch.testing.assert_close(gradient, p * (1 - p) / p.numel())
        else:
            assert value == 0 and not gradient.any()
        logits[0, 0, 1:5, 1:6, 2:7] = 3
        value, gradient = value_and_gradient(build(expression), logits, target, {})
        teaches = expression.startswith(("region_wise", "hausdorff")) and "one_sided" not in expression
        assert bool((gradient[0, 0, 2:4, 2:5, 3:6] > 0).all()) == teaches


def test_a_class_that_is_absent_has_no_distance() -> None:
    logits, target = case(3)
    target[target == 2] = 0
    p, _ = parts(logits, target)
    phi = by_class(target == 1, lambda mask: signed(mask, (1.0, 1.0, 1.0)))
    expected = (p[:, 1:2] * phi).sum() / p[:, 1:].numel()
    assert build("boundary", classes=3)(logits, target).item() == pytest.approx(expected.item(), rel=1e-6)


class TestPredictedDistance:
    """Squared distances are kept as whole numbers of 16 bits where they are such numbers."""

    @pytest.mark.parametrize("spacing", [None, (0.4, 0.4, 0.4), (3.0, 1.0, 0.5)])
    @pytest.mark.parametrize("shape", [(1, 20, 250), (2, 3, 400)])
    def test_weights_are_those_of_exact_distances(
        self, shape: tuple[int, ...], spacing: tuple[float, ...] | None
    ) -> None:
        logits = torch.full((2, 1, *shape), -1.0, dtype=torch.float64)
        logits[0, 0, 0, 1, 2], logits[1, 0, 0, 2, -1] = 1, 1
        batch = Batch(logits, torch.zeros(2, 1, *shape, dtype=torch.uint8), {}, spacing=spacing)
        kept = PredictedDistance.of(batch, batch.margins[0])
        assert (kept.squared.dtype == torch.int16) == (spacing != (3.0, 1.0, 0.5) and shape[2] == 250)
        target = torch.full((2, *shape), 2.0, dtype=torch.float64)
        fields = [ndimage.distance_transform_edt(one[0] <= 0, sampling=spacing) for one in logits.numpy()]
        nearest = np.array(fields) + [
            ndimage.distance_transform_edt(one[0] > 0, sampling=spacing) for one in logits.numpy()
        ]
        for alpha in (2.0, 1.5):
            expected = torch.from_numpy(nearest**alpha + 2**alpha)
            torch.testing.assert_close(kept.beside(target, alpha)[...], expected, rtol=1e-6, atol=0)


def test_the_background_of_region_wise_has_a_map_of_the_loader() -> None:
    loss = build("region_wise(background=True)", classes=3)
    assert loss.required_maps == {"region_wise", "region_wise_background"}
    assert build("region_wise").required_maps == {"region_wise"}
    made = make_maps(loss.required_maps, np.array([[0, 0, 0, 1], [0, 0, 2, 1], [0, 0, 0, 1]], np.uint8), classes=3)
    assert made["region_wise_background"].shape == (1, 3, 4)
    depths = ndimage.distance_transform_edt(np.array([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0]]))
    expected = np.where(depths > 0, -depths / depths.max(), 1)
    np.testing.assert_allclose(made["region_wise_background"][0], expected, atol=1e-6)
