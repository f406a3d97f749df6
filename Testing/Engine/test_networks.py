"""The planned U-Net: parameters counted by hand, its path against MONAI's, and configs that are wrong."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from monai.networks.nets import DynUNet
from torch import nn
from torch.nn import functional

from lossseg.errors import InputError
from lossseg.losses import DeepSupervision
from lossseg.losses import build as build_loss
from lossseg.networks import build
from lossseg.networks.config import DynUNetConfig
from lossseg.networks.memory import estimate_memory_bytes


def config(**changes: Any) -> dict[str, Any]:
    plain = {
        "name": "DynUNet",
        "in_channels": 1,
        "out_channels": 2,
        "kernels": [[3, 3, 3], [3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [2, 2, 2], [2, 2, 2]],
        "filters": [4, 8, 16],
        "deep_supervision": True,
    }
    return plain | changes


DEEP = {
    "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2]],
    "filters": [4, 6, 8, 10],
    "in_channels": 2,
    "out_channels": 3,
}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_counted_by_hand() -> None:
    encoder = 27 * (1 * 4 + 4 * 4) + 2 * 8 + 27 * (4 * 8 + 8 * 8) + 2 * 16
    bottleneck = 27 * (8 * 16 + 16 * 16) + 2 * 32
    decoder = 8 * 16 * 8 + 27 * (16 * 8 + 8 * 8) + 2 * 16 + 8 * 8 * 4 + 27 * (8 * 4 + 4 * 4) + 2 * 8
    heads = (4 + 1) * 2 + (8 + 1) * 2
    assert encoder + bottleneck + decoder + heads == 21448
    assert parameters(build(config())) == 21448
    assert parameters(build(config(deep_supervision=False))) == 21448 - 18


@pytest.mark.parametrize("changes", [{}, DEEP, DEEP | {"deep_supervision": False}])
def test_parameter_count_without_building(changes: dict[str, Any]) -> None:
    plain = config(**changes)
    assert DynUNetConfig.from_json(plain).parameters == parameters(build(plain))


def test_outputs_in_training_have_their_own_resolution() -> None:
    network = build(config(**DEEP)).train()
    outputs = network(torch.zeros(2, 2, 8, 16, 24))
    assert [tuple(output.shape) for output in outputs] == [(2, 3, 8, 16, 24), (2, 3, 8, 8, 12), (2, 3, 4, 4, 6)]
    assert DynUNetConfig.from_json(config(**DEEP)).levels == 3
    assert tuple(network.eval()(torch.zeros(1, 2, 8, 16, 24)).shape) == (1, 3, 8, 16, 24)
    plain = build(config(deep_supervision=False)).train()
    assert tuple(plain(torch.zeros(2, 1, 8, 8, 8)).shape) == (2, 2, 8, 8, 8)


def test_path_is_that_of_monai() -> None:
    torch.manual_seed(0)
    ours = build(config(**DEEP))
    theirs = DynUNet(
        spatial_dims=3,
        in_channels=2,
        out_channels=3,
        kernel_size=DEEP["kernels"],
        strides=DEEP["strides"],
        upsample_kernel_size=DEEP["strides"][1:],
        filters=DEEP["filters"],
        norm_name=("INSTANCE", {"affine": True}),
        deep_supervision=True,
        deep_supr_num=2,
    )
    assert set(ours.state_dict()) <= set(theirs.state_dict())
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert all(name.startswith("skip_layers.") for name in missing) and not unexpected
    image = torch.randn(2, 2, 8, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(image), theirs.eval()(image))
        outputs, stacked = ours.train()(image), theirs.train()(image)
    for level, output in enumerate(outputs):
        torch.testing.assert_close(functional.interpolate(output, (8, 16, 16)), stacked[:, level])


def test_every_tensor_is_stored_once() -> None:
    state = build(config()).state_dict()
    assert len({tensor.data_ptr() for tensor in state.values()}) == len(state)
    assert sum(tensor.numel() for tensor in state.values()) == 21448


def test_a_network_can_be_copied_after_a_step() -> None:
    network = build(config()).train()
    target = torch.zeros(2, 1, 8, 8, 8, dtype=torch.uint8)
    target[:, :, 2:4, 2:4, 2:4] = 1
    image = torch.randn(2, 1, 8, 8, 8)
    DeepSupervision(build_loss("dice + ce"))(network(image), target).backward()
    twin = copy.deepcopy(network)
    assert torch.equal(twin.eval()(image), network.eval()(image))


def test_convolutions_start_from_kaiming() -> None:
    torch.manual_seed(0)
    network = build(config(filters=[32, 64, 64]))
    weight = network.get_parameter("downsamples.0.conv2.conv.weight")
    assert weight.std().item() == pytest.approx((2 / (1 + 0.01**2) / (64 * 27)) ** 0.5, rel=0.02)
    assert not network.get_parameter("output_block.conv.conv.bias").any()


@pytest.mark.parametrize("changes", [{}, DEEP])
def test_estimate_agrees_with_what_autograd_saves(changes: dict[str, Any]) -> None:
    plain, patch, batch = config(**changes), (16, 32, 32), 2
    network = build(plain).train()
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    saved: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(torch.randn(batch, plain["in_channels"], *patch))
    assert outputs[0].requires_grad
    measured = sum(saved.values())
    assert 4 * batch * DynUNetConfig.from_json(plain).maps(patch).saved == pytest.approx(measured, rel=0.02)
    estimate = estimate_memory_bytes(plain, patch, batch, True)
    assert measured < estimate < 2 * measured
    assert estimate_memory_bytes(plain, patch, batch, False) < estimate / 2


@pytest.mark.parametrize("shape", [(1, 1, 8, 8, 6), (1, 2, 8, 8, 8), (1, 8, 8, 8)])
def test_images_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"The network (got|cannot take) an image of"):
        build(config())(torch.zeros(shape))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "DynUnet"}, "There is no network 'DynUnet'. Did you mean 'DynUNet'?"),
        ({"name": "V"}, "There is no network 'V'. Known: AttentionUNet, DynUNet,"),
        ({"filter": [1]}, "DynUNet has no setting 'filter'. Did you mean 'filters'?"),
        ({"in_channels": 0}, "DynUNet: in_channels is 0. in_channels must be a whole number above 0."),
        ({"out_channels": 2.0}, "DynUNet: out_channels is 2.0."),
        ({"in_channels": True}, "DynUNet: in_channels is True."),
        ({"filters": [4, 8]}, "DynUNet: there are 3 kernels, 3 strides, 2 filters. Give one of each for every stage."),
        ({"filters": [4, 8, -1]}, "DynUNet: filters is -1."),
        ({"filters": 4}, "DynUNet: filters is 4. filters must be a list."),
        ({"kernels": [[3, 3], [3, 3], [3, 3]]}, "DynUNet: kernels holds [3, 3]. Each of kernels is [z, y, x]."),
        ({"kernels": [[3, 3, 3], [2, 3, 3], [3, 3, 3]]}, "kernel [2, 3, 3] with stride [2, 2, 2] is not possible"),
        ({"strides": [[1, 1, 1], [2, 2, 2], [2, 5, 2]]}, "kernel [3, 3, 3] with stride [2, 5, 2] is not possible"),
        (
            {"strides": [[2, 2, 2], [2, 2, 2], [2, 2, 2]]},
            "DynUNet: the first stride is [2, 2, 2]. It must be [1, 1, 1]",
        ),
        ({"deep_supervision": 1}, "DynUNet: deep_supervision is 1. It must be true or false."),
        (
            {"kernels": [[3, 3, 3]] * 2, "strides": [[1, 1, 1], [2, 2, 2]], "filters": [4, 8]},
            "DynUNet: 2 stage(s) are too few. Give at least 3.",
        ),
    ],
)
def test_wrong_configs(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        build(config(**changes))


def test_missing_settings() -> None:
    plain = config()
    del plain["strides"]
    with pytest.raises(InputError, match="DynUNet lacks the setting 'strides'"):
        build(plain)
    with pytest.raises(InputError, match="The network config has no 'name'"):
        build({})


def test_config_goes_through_json() -> None:
    assert DynUNetConfig.from_json(config(**DEEP)).to_json() == config(**DEEP)
    assert DynUNetConfig.from_json(config(**DEEP)).divisor == (4, 8, 8)
