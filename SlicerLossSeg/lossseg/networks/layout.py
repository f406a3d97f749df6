"""How a network's tensors lie in memory: with the channels of a voxel side by side where that computes faster.

Convolutions of oneDNN (CPU) and cuDNN want channels last, but torch's instance norm copies such tensors back and
forth, which costs more than the convolutions gain, and its gradient of a single sample in that layout is wrong (2.13).
Its batch norm does neither, and the instance norm of a batch is the batch norm of each of its samples.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# Batch norm goes over memory in rows of one voxel's channels; rows of this many are as wide as its vectors.
_ROW = 64


class SampleNorm(nn.InstanceNorm3d):
    """Instance norm that leaves tensors on the CPU in the layout in which they come; else the same as torch's."""

    def forward(self, input: Tensor) -> Tensor:
        one_voxel = input[0, 0].numel() < 2  # which torch refuses with a sentence
        if not _on_cpu_channels_last(input) or not self.affine or one_voxel:
            return super().forward(input)
        result: Tensor = _PerSample.apply(input, self.weight, self.bias, self.eps)
        return result


class _PerSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        result, statistics = torch.empty_like(values), []
        for number in range(len(values)):
            one = slice(number, number + 1)
            known = _statistics(values[one], weight)
            _, mean, inverse = torch.ops.aten.native_batch_norm.out(
                values[one],
                weight,
                bias,
                *(known or (None, None)),
                known is None,
                0.0,
                eps,
                out=result[one],
                save_mean=weight.new_empty(0),
                save_invstd=weight.new_empty(0),
            )
            statistics += [mean, inverse] if known is None else [known[0], torch.rsqrt(known[1] + eps)]
        ctx.save_for_backward(values, weight, *statistics)
        ctx.eps = eps
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        values, weight, *statistics = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last_3d)
        of_values = torch.empty_like(values)
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(weight)
        for number in range(len(values)):
            one = slice(number, number + 1)
            mean, inverse = statistics[2 * number], statistics[2 * number + 1]
            inward, scale, offset = torch.ops.aten.native_batch_norm_backward(
                gradient[one], values[one], weight, None, None, mean, inverse, True, ctx.eps, [True, True, True]
            )
            of_values[one] = inward
            of_weight += scale
            of_bias += offset
        return of_values, of_weight, of_bias, None


def _statistics(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor] | None:
    """Mean and variance of each channel of one sample with few channels; None where batch norm is as fast itself.

    Neighbouring voxels are taken as one row with more channels, and their statistics put together (Chan et al. 1983).
    That takes half the time and comes nearer to the exact values, as each sum has fewer summands.
    """
    channels, (z, y, x) = values.shape[1], values.shape[2:]
    fold = next((fold for fold in (8, 4, 2) if channels * fold <= _ROW and not x % fold), 1)
    if fold == 1 or channels * values.element_size() >= _ROW:
        return None
    rows = values.permute(0, 2, 3, 4, 1).view(1, z, y, x // fold, fold * channels).permute(0, 4, 1, 2, 3)
    # Where they are to be kept says in which precision they are made; with a momentum of 0 nothing is kept.
    kept = weight.new_zeros(2, fold * channels)
    means, variances = torch.ops.aten.batch_norm_update_stats(rows, kept[0], kept[1], 0.0)
    means, variances = means.view(fold, channels), variances.view(fold, channels)
    mean = means.mean(0)
    return mean, variances.mean(0) + (means - mean).square().mean(0)


def join(first: Tensor, second: Tensor) -> Tensor:
    """The channels of both, one after the other: `torch.cat`, whose gradients are not views of one tensor.

    A view of some of the channels is no longer channels last: what adds to it or goes over it afterwards takes several
    times as long as one copy.
    """
    if first.requires_grad and _on_cpu_channels_last(first) and _on_cpu_channels_last(second):
        result: Tensor = _Join.apply(first, second)
        return result
    return torch.cat((first, second), 1)


class _Join(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.channels = [first.shape[1], second.shape[1]]
        return torch.cat((first, second), 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        parts = gradient.split(ctx.channels, 1)
        return tuple(part.contiguous(memory_format=torch.channels_last_3d) for part in parts)


def with_sample_norms(network: nn.Module) -> nn.Module:
    """The network with a `SampleNorm` in the place of each instance norm; parameters and their names stay."""
    for name, child in network.named_children():
        if type(child) is nn.InstanceNorm3d and not child.track_running_stats:
            norm = SampleNorm(child.num_features, child.eps, affine=child.affine)
            norm.weight, norm.bias = child.weight, child.bias
            setattr(network, name, norm)
        else:
            with_sample_norms(child)
    return network


def layout(network: nn.Module, device: torch.device, *, training: bool) -> torch.memory_format:
    """The layout in which the network computes fastest on the device, and correctly."""
    if device.type == "cuda":
        return torch.contiguous_format if training else torch.channels_last_3d
    norms = [module for module in network.modules() if isinstance(module, SampleNorm | nn.BatchNorm3d)]
    suited = all(norm.affine for norm in norms)
    return torch.channels_last_3d if device.type == "cpu" and norms and suited else torch.contiguous_format


def _on_cpu_channels_last(values: Tensor) -> bool:
    last = values.is_contiguous(memory_format=torch.channels_last_3d) and not values.is_contiguous()
    return last and values.device.type == "cpu"
