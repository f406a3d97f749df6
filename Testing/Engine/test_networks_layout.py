"""Instance norm with the channels of a voxel side by side: what torch computes, without its copies."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lossseg import networks
from lossseg.inference.backend import TorchBackend
from lossseg.networks.layout import SampleNorm, _statistics, join, layout, with_sample_norms

CPU = torch.device("cpu")
CONFIG = {
    "name": "DynUNet",
    "in_channels": 2,
    "out_channels": 3,
    "filters": [4, 8, 8],
    "kernels": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [1, 2, 2]],
    "deep_supervision": True,
}


def pair(channels: int = 4, dtype: torch.dtype = torch.float64) -> tuple[nn.InstanceNorm3d, SampleNorm]:
    generator = torch.Generator().manual_seed(0)
    plain = nn.InstanceNorm3d(channels, affine=True, eps=1e-4).to(dtype)
    for parameter in plain.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=dtype)
    own = with_sample_norms(nn.Sequential(plain))[0]
    assert isinstance(own, SampleNorm) and own.eps == 1e-4
    return plain, own.to(dtype)


def values(batch: int = 2, channels: int = 4, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    made = torch.randn(batch, channels, 3, 5, 4, generator=generator, dtype=torch.float64) * 3 + 1
    return made.to(dtype).contiguous(memory_format=torch.channels_last_3d)


def by_formula(norm: nn.InstanceNorm3d, given: torch.Tensor) -> torch.Tensor:
    mean, variance = given.mean((2, 3, 4), keepdim=True), given.var((2, 3, 4), keepdim=True, unbiased=False)
    scale, offset = (parameter.reshape(-1, 1, 1, 1) for parameter in (norm.weight, norm.bias))
    return (given - mean) / torch.sqrt(variance + norm.eps) * scale + offset


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_values_and_gradients_equal_the_formula(batch: int) -> None:
    """Not torch's own: of one sample in this layout its gradient is wrong."""
    plain, own = pair()
    outputs, gradients = [], []
    weights = values(batch).flip(0)
    for norm, way in ((plain, lambda given: by_formula(plain, given)), (own, own)):
        leaf = values(batch).requires_grad_()
        result = way(leaf)
        found = torch.autograd.grad((result * weights).sum(), [leaf, *norm.parameters()])
        outputs.append(result)
        gradients.append(found)
    assert outputs[1].is_contiguous(memory_format=torch.channels_last_3d)
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-12, atol=1e-12)
    for mine, theirs in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_gradcheck() -> None:
    _, own = pair(2)
    leaf = values(2, 2)[:, :, :2, :2, :2].contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    assert torch.autograd.gradcheck(own, (leaf,))


def test_sixteen_bits() -> None:
    plain, own = pair(dtype=torch.float32)
    narrow = values(dtype=torch.bfloat16)
    assert own(narrow).dtype == torch.bfloat16
    torch.testing.assert_close(own(narrow).float(), plain(narrow.float()), rtol=0.02, atol=0.02)


def test_tensors_in_the_usual_layout_go_torchs_way() -> None:
    plain, own = pair()
    usual = values().contiguous()
    assert torch.equal(own(usual), plain(usual))


def test_one_voxel_cannot_be_normalised() -> None:
    _, own = pair()
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        own.train()(values()[:, :, :1, :1, :1].contiguous(memory_format=torch.channels_last_3d))


def test_a_network_computes_the_same_in_both_layouts() -> None:
    torch.manual_seed(0)
    network = networks.build(CONFIG)
    names = set(network.state_dict())
    assert any(isinstance(module, SampleNorm) for module in network.modules())
    assert not any(type(module) is nn.InstanceNorm3d for module in network.modules())
    image = torch.randn(2, 2, 8, 16, 16, generator=torch.Generator().manual_seed(3))
    expected = [output.detach().clone() for output in network.train()(image)]
    assert layout(network, CPU, training=True) is torch.channels_last_3d
    network = network.to(memory_format=torch.channels_last_3d)
    outputs = network(image.to(memory_format=torch.channels_last_3d))
    for mine, theirs in zip(outputs, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)
    assert set(network.state_dict()) == names
    result = TorchBackend(network.eval(), CPU).run(image)
    torch.testing.assert_close(result, expected[0], rtol=1e-4, atol=1e-4)


def test_other_norms_keep_the_usual_layout() -> None:
    grouped = nn.Sequential(nn.Conv3d(1, 4, 3), nn.GroupNorm(1, 4))
    assert layout(with_sample_norms(grouped), CPU, training=False) is torch.contiguous_format
    assert layout(grouped, torch.device("cuda"), training=False) is torch.channels_last_3d
    assert layout(grouped, torch.device("cuda"), training=True) is torch.contiguous_format
    assert layout(nn.Sequential(nn.BatchNorm3d(3)), CPU, training=True) is torch.channels_last_3d
    assert layout(with_sample_norms(nn.Sequential(nn.InstanceNorm3d(3))), CPU, training=True) is torch.contiguous_format


@pytest.mark.parametrize("width", [2, 4, 8])
def test_few_channels_are_folded_and_their_statistics_put_together(width: int) -> None:
    """Rows of several voxels give mean and variance of each channel, nearer to the exact ones than torch's own."""
    channels = 64 // width
    generator = torch.Generator().manual_seed(4)
    given = torch.randn(1, channels, 6, 10, 16, generator=generator) * 3 + 5
    narrow = given.bfloat16().contiguous(memory_format=torch.channels_last_3d)
    found = _statistics(narrow, torch.ones(channels))
    if channels >= 32:
        assert found is None
        return
    mean, variance = found
    assert mean.dtype == variance.dtype == torch.float32
    exact = narrow.double()
    torch.testing.assert_close(mean.double(), exact.mean((0, 2, 3, 4)), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(variance.double(), exact.var((0, 2, 3, 4), unbiased=False), rtol=1e-6, atol=1e-6)


def test_a_width_that_cannot_be_folded_goes_torchs_way() -> None:
    odd = torch.randn(1, 16, 4, 4, 5).bfloat16().contiguous(memory_format=torch.channels_last_3d)
    assert _statistics(odd, torch.ones(16)) is None


@pytest.mark.parametrize("memory_format", [torch.channels_last_3d, torch.contiguous_format])
def test_joined_channels_and_their_gradients_are_those_of_cat(memory_format: torch.memory_format) -> None:
    first, second = (values(channels=channels).contiguous(memory_format=memory_format) for channels in (4, 3))
    weights = torch.randn(2, 7, 3, 5, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    results, gradients = [], []
    for way in (join, lambda a, b: torch.cat((a, b), 1)):
        leaves = first.clone().requires_grad_(), second.clone().requires_grad_()
        joined = way(*leaves)
        results.append(joined)
        gradients.append(torch.autograd.grad((joined * weights).sum(), leaves))
    assert torch.equal(*results)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(*gradients, strict=True))
    if memory_format is torch.channels_last_3d:
        assert all(gradient.is_contiguous(memory_format=memory_format) for gradient in gradients[0])
        assert not any(gradient.is_contiguous(memory_format=memory_format) for gradient in gradients[1])
