"""How a network's tensors lie in memory: with the channels of a voxel side by side where that computes faster.

Convolutions of oneDNN (CPU) and cuDNN want channels last, but torch's instance norm copies such tensors back and
forth, which costs more than the convolutions gain, and its gradient of a single sample in that layout is wrong (2.13).
Its batch norm does neither, and the instance norm of a batch is the batch norm of each of its samples.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class SampleNorm(nn.InstanceNorm3d):
    """Instance norm that leaves tensors on the CPU in the layout in which they come; else the same as torch's."""

    def forward(self, input: Tensor) -> Tensor:
        one_voxel = input[0, 0].numel() < 2  # which torch refuses with a sentence
        if input.device.type != "cpu" or not _is_channels_last(input) or not self.affine or one_voxel:
            return super().forward(input)
        result: Tensor = _PerSample.apply(input, self.weight, self.bias, self.eps)
        return result


class _PerSample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        result, statistics = torch.empty_like(values), []
        for number in range(len(values)):
            one = slice(number, number + 1)
            _, mean, inverse = torch.ops.aten.native_batch_norm.out(
                values[one],
                weight,
                bias,
                None,
                None,
                True,
                0.0,
                eps,
                out=result[one],
                save_mean=weight.new_empty(0),
                save_invstd=weight.new_empty(0),
            )
            statistics += [mean, inverse]
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


def _is_channels_last(values: Tensor) -> bool:
    return values.is_contiguous(memory_format=torch.channels_last_3d) and not values.is_contiguous()
