"""The two ways of summing voxels, rows of lesions and regions, voxels to ignore."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lossseg.errors import InputError
from lossseg.losses import batch as batch_module
from lossseg.losses import build
from lossseg.losses.batch import Batch
from lossseg.losses.fused import fused_sums
from lossseg.losses.quantities import Errors, Workspace
from lossseg.losses.rows import lesion_rows, region_rows, sample_rows
from lossseg.losses.sparse import BLOCK, SparseTarget
from lossseg.losses.voxel_functions import (
    CROSS_ENTROPY,
    ERROR,
    SQUARED_ERROR,
    SQUARED_TRUTH,
    TRUTH,
    FocalError,
    PoweredCrossEntropy,
    VoxelFunction,
    apply,
)

FUNCTIONS = [ERROR, SQUARED_ERROR, TRUTH, SQUARED_TRUTH, CROSS_ENTROPY, FocalError(0.5), FocalError(2.0)]
EXPRESSIONS = [
    "dice",
    "ce",
    "focal(gamma=0.5)",
    "dice + ce + iw(ce)",
    "iw(dice(squared=True)) + 0.3*tversky",
    "dice(batch=True) + bce",
]


def case(channels: int = 1, seed: int = 0, scale: float = 4.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(2, channels, 7, 9, 11, generator=generator, dtype=torch.float64)
    target = torch.zeros(2, 1, 7, 9, 11, dtype=torch.uint8)
    target[0, 0, 1:3, 2:4, 5], target[0, 0, 5, 7, 9:], target[1, 0, 3, 3, 3] = 1, 1, 1
    return logits, target


def value_and_gradient(
    expression: str, logits: Tensor, target: Tensor, ignore: int | None = None
) -> tuple[float, Tensor]:
    loss = build(expression)
    loss.ignore = ignore
    leaf = logits.clone().requires_grad_()
    value = loss(leaf, target)
    value.backward()
    assert leaf.grad is not None
    return float(value.detach()), leaf.grad


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("margin", [-120.0, -30.0, -3.0, 0.0, 0.7, 40.0, 120.0])
def test_voxel_functions_in_closed_form(function: VoxelFunction, margin: float) -> None:
    wrong, right = 1 / (1 + math.exp(-margin)), 1 / (1 + math.exp(margin))
    surplus = max(margin, 0) + math.log1p(math.exp(-abs(margin)))
    gamma = getattr(function, "gamma", 0.0)
    expected = {
        "Error": wrong,
        "SquaredError": wrong**2,
        "Truth": right,
        "SquaredTruth": right**2,
        "CrossEntropyError": surplus,
        "FocalError": wrong**gamma * surplus,
    }[type(function).__name__]
    e = torch.tensor([margin], dtype=torch.float64)
    assert float(function.value(Errors(e))) == pytest.approx(expected, rel=1e-12, abs=1e-50)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_slopes_are_derivatives(function: VoxelFunction) -> None:
    e = torch.linspace(-8, 8, 33, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: apply(function, x), (e,))


@pytest.mark.parametrize("voxels", [1, 2, 3, 4, 5, 1001])
def test_total_cross_entropy_is_the_sum(voxels: int) -> None:
    e = 20 * torch.randn(voxels, generator=torch.Generator().manual_seed(voxels), dtype=torch.float64)
    total = float(CROSS_ENTROPY.total(Errors(e)))
    assert total == pytest.approx(float(torch.nn.functional.softplus(e, threshold=50).sum()), rel=1e-13)


def test_total_cross_entropy_of_small_errors_in_float32() -> None:
    e = torch.full((100_000,), -18.0)
    exact = 100_000 * math.log1p(math.exp(-18))
    assert float(CROSS_ENTROPY.total(Errors(e))) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("wrong", [0, 3, 60, 700])
@pytest.mark.parametrize("function", [CROSS_ENTROPY, FocalError(2.0), PoweredCrossEntropy(0.7)])
def test_a_block_with_few_or_many_wrong_voxels(function: VoxelFunction, wrong: int) -> None:
    """Few are done one by one, beside the others; many all alike. Extreme margins are among both."""
    e = -10 * torch.rand(1001, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    e[torch.randperm(1001, generator=torch.Generator().manual_seed(2))[:wrong]] *= -12
    before = torch.sigmoid(e)
    at = Errors(e, space=Workspace(e, 2000), error=before.clone())
    expected = function.value(Errors(e))
    assert float(function.total(at)) == pytest.approx(float(expected.sum()), rel=1e-12)
    torch.testing.assert_close(at.error, before, rtol=0, atol=0)
    torch.testing.assert_close(function.value(at), expected, rtol=1e-11, atol=1e-300)
    torch.testing.assert_close(function.slope(at), function.slope(Errors(e)), rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_fused_sums_equal_the_plain_ones(expression: str, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = case(channels)
    assert Batch(logits, target, {}).sparse is not None
    fused, fused_gradient = value_and_gradient(expression, logits, target)
    monkeypatch.setattr(batch_module, "SPARSE", -1.0)
    assert Batch(logits, target, {}).sparse is None
    plain, plain_gradient = value_and_gradient(expression, logits, target)
    assert fused == pytest.approx(plain, rel=1e-12)
    torch.testing.assert_close(fused_gradient, plain_gradient, rtol=1e-10, atol=1e-15)


def test_samples_longer_than_a_block() -> None:
    generator = torch.Generator().manual_seed(1)
    voxels = BLOCK + 4099
    margin = 3 * torch.randn(2, voxels, generator=generator, dtype=torch.float64)
    labels = torch.zeros(2, voxels, dtype=torch.uint8)
    labels[0, BLOCK - 1 : BLOCK + 2], labels[1, -1] = 1, 1
    target = SparseTarget.of(labels, None)
    margin.requires_grad_()
    batch = Batch(margin[:, None], labels[:, None], {})
    ours = batch.plain.per_class(CROSS_ENTROPY)
    direct = torch.nn.functional.binary_cross_entropy_with_logits(margin, labels.double(), reduction="none")
    assert target.foreground.tolist() == [BLOCK - 1, BLOCK, BLOCK + 1, 2 * voxels - 1]
    torch.testing.assert_close(ours.foreground[:, 0], (direct * labels).sum(1))
    torch.testing.assert_close(ours.background[:, 0], (direct * (1 - labels.double())).sum(1))
    (first,) = torch.autograd.grad(ours.total.sum(), margin, retain_graph=True)
    (second,) = torch.autograd.grad(direct.sum(), margin)
    torch.testing.assert_close(first, second, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_second_backward_pass_gives_the_same_gradient(expression: str) -> None:
    logits, target = case()
    leaf = logits.requires_grad_()
    value = build(expression)(leaf, target)
    (first,) = torch.autograd.grad(value, leaf, retain_graph=True)
    (second,) = torch.autograd.grad(value, leaf)
    assert first.abs().max() > 0
    torch.testing.assert_close(second, first, rtol=1e-12, atol=0)


def test_what_terms_share_is_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []

    def counted(margin: Tensor, target: SparseTarget, requests: list[object]) -> object:
        passes.append(len(requests))
        return fused_sums(margin, target, requests)  # type: ignore[arg-type]

    monkeypatch.setattr(batch_module, "fused_sums", counted)
    logits, target = case()
    build("dice + ce + iw(dice) + iw(bce) + tversky + dice(squared=True) + softadapt(ce, dice)")(logits, target)
    assert passes == [5 + 3]


def test_the_gradient_is_the_only_large_tensor_that_is_kept() -> None:
    logits = torch.randn(1, 1, 64, 64, 64, requires_grad=True)
    target = torch.zeros(1, 1, 64, 64, 64, dtype=torch.uint8)
    target[0, 0, 10:14, 10:14, 10:14] = 1
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        build("dice + ce")(logits, target)
    large = {tensor.untyped_storage().data_ptr() for tensor in kept if tensor.numel() >= logits.numel()}
    assert large == {logits.untyped_storage().data_ptr()}


class TestRows:
    def test_samples(self) -> None:
        values = torch.arange(12.0).reshape(2, 2, 3)
        assert sample_rows(2, values.device).sum(values).tolist() == [15, 51]

    def test_lesions_hold_their_voxels_and_the_background(self) -> None:
        lesions = torch.tensor([[0, 1, 1, 0, 2], [0, 0, 0, 0, 0]])
        values = torch.tensor([[1.0, 10, 20, 2, 100], [1, 2, 3, 4, 5]])
        rows = lesion_rows(lesions, torch.tensor([1, 2, 4]))
        assert rows.sample.tolist() == [0, 0, 1]
        assert rows.sum(values).tolist() == [33, 103, 15]

    def test_regions_hold_their_voxels(self) -> None:
        nearest = torch.tensor([[1, 1, 1, 2, 2], [0, 0, 0, 0, 0]])
        values = torch.tensor([[1.0, 10, 20, 2, 100], [1, 2, 3, 4, 5]])
        assert region_rows(nearest).sum(values).tolist() == [31, 102, 15]

    def test_lesions_are_averaged_within_their_sample_first(self) -> None:
        target = torch.zeros(2, 1, 5, 5, 5, dtype=torch.uint8)
        target[0, 0, 0, 0, 0], target[0, 0, 4, 4, 4], target[1, 0, 2, 2, 2] = 1, 1, 1
        reduction = Batch(torch.zeros(2, 1, 5, 5, 5), target, {}).by_lesion()
        assert float(reduction.average(torch.tensor([[1.0], [3.0], [10.0]]))) == pytest.approx((2 + 10) / 2)

    def test_a_class_that_a_lesion_lacks_does_not_count(self) -> None:
        target = torch.zeros(1, 1, 5, 5, 5, dtype=torch.uint8)
        target[0, 0, 0, 0, 0], target[0, 0, 4, 4, 4] = 1, 2
        reduction = Batch(torch.zeros(1, 3, 5, 5, 5), target, {}).by_lesion()
        assert float(reduction.average(torch.tensor([[1.0, 100.0], [100.0, 3.0]]))) == pytest.approx(2)


class TestIgnoredVoxels:
    @pytest.mark.parametrize("expression", ["dice", "ce", "bce", "topk(k=0.2)", "focal", "tversky", "dice + ce"])
    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("dense", [False, True])
    def test_count_neither_in_value_nor_gradient(self, expression: str, channels: int, dense: bool) -> None:
        logits, target = case(channels)
        if dense:
            target[:, :, :, :5] = 1
        target[..., 8:] = 2
        value, gradient = value_and_gradient(expression, logits, target, ignore=2)
        cut_value, cut_gradient = value_and_gradient(expression, logits[..., :8].clone(), target[..., :8].clone())
        assert value == pytest.approx(cut_value, rel=1e-12)
        assert not gradient[..., 8:].any()
        torch.testing.assert_close(gradient[..., :8], cut_gradient, rtol=1e-10, atol=1e-15)

    @pytest.mark.parametrize("expression", EXPRESSIONS)
    def test_the_fused_sums_leave_them_out_too(self, expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
        logits, target = case()
        target[0, 0, 6, :3, :3], target[1, 0, 3, 3, 3] = 2, 2
        assert Batch(logits, target, {}, ignore=2).sparse is not None
        fused, fused_gradient = value_and_gradient(expression, logits, target, ignore=2)
        monkeypatch.setattr(batch_module, "SPARSE", -1.0)
        plain, plain_gradient = value_and_gradient(expression, logits, target, ignore=2)
        assert fused == pytest.approx(plain, rel=1e-12)
        torch.testing.assert_close(fused_gradient, plain_gradient, rtol=1e-10, atol=1e-15)
        assert not fused_gradient[0, 0, 6, :3, :3].any()

    def test_other_labels_are_still_refused(self) -> None:
        logits, target = case()
        target[0, 0, 0, 0, 0] = 5
        loss = build("dice")
        loss.ignore = 2
        with pytest.raises(InputError, match="labels from 0 to 5"):
            loss(logits, target)

    def test_nothing_but_ignored_voxels(self) -> None:
        logits, target = case()
        value, gradient = value_and_gradient("dice + ce", logits, torch.full_like(target, 2), ignore=2)
        assert np.isfinite(value) and not gradient.any()
