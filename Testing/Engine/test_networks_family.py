"""Every network of the catalogue: parameters, outputs, gradients, memory, and what each refuses."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
import torch
from monai.networks.nets import AttentionUnet
from torch import nn
from torch.nn import functional

from lossseg.errors import InputError
from lossseg.jobs.actions import ACTIONS
from lossseg.jobs.actions.networks import NetworksParams
from lossseg.networks import build, read_config
from lossseg.networks.catalogue import NETWORKS, NetworkName
from lossseg.networks.dilation_config import SharedDilationConfig, same_reach
from lossseg.networks.memory import estimate_memory_bytes
from lossseg.networks.planning import Design, fit_patch, plan_network
from lossseg.networks.shared_dilation import SharedDilationNet
from lossseg.reporting import Silent

SMALL = {"shared_dilation": (2, 2, 4), "learned_dilation": (2, 2, 4)}
ISOTROPIC: dict[str, Any] = {"spacing": (1, 1, 1), "patch": (16, 16, 16), "in_channels": 1, "out_channels": 2}
ANISOTROPIC: dict[str, Any] = {"spacing": (5, 1, 1), "patch": (5, 32, 24), "in_channels": 2, "out_channels": 4}
MIB = 2**20


def small(name: str, data: dict[str, Any] = ISOTROPIC, **design: Any) -> dict[str, Any]:
    """The config of the network `name` with few filters."""
    return plan_network(design=Design(network=name, filters=SMALL.get(name, (4, 6, 8)), **design), **data)[0]


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def paper(**changes: Any) -> dict[str, Any]:
    """The filter-reuse network as published; the dilation rates and the pooling are not told."""
    plain = {
        "name": "SharedDilationNet",
        "in_channels": 1,
        "out_channels": 2,
        "shared": True,
        "filters": [4, 8, 16, 32, 64],
        "dilations": [[1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4]],
        "strides": [[2, 2, 2]] * 5,
        "skips": True,
        "norm": "layer",
    }
    return plain | changes


@pytest.mark.parametrize(("shared", "first", "everything"), [(True, 120, 1_031_606), (False, 480, 4_123_826)])
@pytest.mark.parametrize("norm", ["layer", "instance", "batch"])
@pytest.mark.parametrize("skips", [True, False])
def test_filter_reuse_has_the_published_number_of_parameters(shared, first, everything, norm, skips):
    network = build(paper(shared=shared, norm=norm, skips=skips))
    assert isinstance(network, SharedDilationNet)
    assert parameters(network.encoder[0]) == first == network.config.layer_parameters(0)
    assert parameters(network) == everything == network.config.parameters


@pytest.mark.parametrize("name", ["shared_dilation", "learned_dilation"])
def test_filter_reuse_is_planned_as_published(name):
    config, _ = plan_network((1, 1, 1), (128, 128, 128), Design(network=name), in_channels=1, out_channels=2)
    assert config == paper(shared=name == "shared_dilation")


def test_residual_unet_counted_by_hand():
    """Stem; two blocks down, one skip and two blocks up per level; three blocks of the bridge; the head."""

    def block(a: int, b: int, size: int = 27) -> int:
        return 2 * a + size * a * b + 2 * b + size * b * b + (a * b if a != b else 0)

    def skip(a: int) -> int:
        return 2 * a + a * a + a

    stem = 27 * 16 + 2 * 16 + 27 * 16 * 16 + 16
    finest = 2 * block(16, 16) + skip(16) + 2 * block(16, 16)
    second = block(16, 64) + block(64, 64) + skip(64) + block(64, 64) + block(64, 16)
    third = block(64, 128) + block(128, 128) + skip(128) + block(128, 128) + block(128, 64)
    bridge = block(128, 256) + block(256, 256) + block(256, 128)
    head = block(16, 16, 1) + 2 * 16 + 16 * 2 + 2 * 2
    config, patch = plan_network(
        (1, 1, 1), (128, 128, 128), Design(network="residual_unet"), in_channels=1, out_channels=2
    )
    assert config["filters"] == [16, 64, 128, 256] and patch == (128, 128, 128)
    assert stem + finest + second + third + bridge + head == 11_074_324 == parameters(build(config))


def test_residual_encoder_is_nnunets_preset():
    config, _ = plan_network(
        (1, 1, 1), (128, 128, 128), Design(network="residual_encoder"), in_channels=1, out_channels=2
    )
    assert config["filters"] == [32, 64, 128, 256, 320, 320]
    assert config["blocks"] == [1, 3, 4, 6, 6, 6] and config["decoder_convolutions"] == [1] * 5
    names = build(small("residual_encoder")).state_dict()
    assert "encoder.stem.convs.0.conv.weight" in names
    assert "encoder.stages.2.blocks.3.conv2.norm.bias" in names
    assert "encoder.stages.1.blocks.0.skip.1.conv.weight" in names
    assert {"decoder.transpconvs.1.bias", "decoder.stages.0.convs.0.norm.weight"} <= names.keys()
    assert {"decoder.seg_layers.0.weight", "decoder.seg_layers.1.weight"} <= names.keys()
    alone = build(small("residual_encoder", deep_supervision=False)).state_dict()
    assert names.keys() - alone.keys() == {"decoder.seg_layers.0.weight", "decoder.seg_layers.0.bias"}


def test_residual_blocks_begin_as_their_shortcut():
    torch.manual_seed(0)
    block = build(small("residual_encoder")).encoder.stages[2].blocks[1]
    features = torch.randn(1, 8, 4, 4, 4)
    torch.testing.assert_close(block(features.clone()), functional.leaky_relu(features, 0.01))


def test_attention_unet_is_monais():
    config = small("attention_unet")
    torch.manual_seed(0)
    theirs = AttentionUnet(3, 1, 2, channels=config["filters"], strides=config["strides"][1:])
    torch.manual_seed(0)
    ours = build(config)
    image = torch.randn(1, 1, 16, 16, 16)
    assert torch.equal(ours.eval()(image), theirs.eval()(image))


@pytest.mark.parametrize("data", [ISOTROPIC, ANISOTROPIC], ids=["isotropic", "anisotropic"])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs(name, data):
    config, patch = plan_network(design=Design(network=name, filters=SMALL.get(name, (4, 6, 8))), **data)
    network, plan = build(config), read_config(config)
    assert all(edge % step == 0 for edge, step in zip(patch, plan.divisor, strict=True))
    image = torch.randn(2, data["in_channels"], *patch)
    outputs = network.train()(image)
    if NETWORKS[name].deep_supervision:
        assert isinstance(outputs, list) and len(outputs) == plan.levels == 2
        assert [output.shape[1] for output in outputs] == [data["out_channels"]] * 2
    else:
        assert plan.levels == 1 and isinstance(outputs, torch.Tensor)
        outputs = [outputs]
    shape = (2, data["out_channels"], *patch)
    assert tuple(outputs[0].shape) == shape == tuple(network.eval()(image).shape)
    assert parameters(network) == plan.parameters
    assert read_config(plan.to_json()) == plan and plan.to_json() == config


# A bias that a norm takes away again without anything between them that depends on it: the published networks have
# such, and they change nothing.
WITHOUT_EFFECT = {
    "unet": None,
    "shared_dilation": None,
    "learned_dilation": None,
    "residual_unet": r"stem\.1\.2\.bias|skips\.\d\.2\.bias",
    "attention_unet": r"model\.(?!2\.).*conv\.bias",
    "residual_encoder": r"(encoder|decoder\.stages)\..*conv\.bias",
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns(name):
    """In the third step, for blocks that begin as their shortcut pass nothing on in the first."""
    torch.manual_seed(0)
    network = build(small(name)).double().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    image = torch.randn(2, 1, 16, 16, 16, dtype=torch.float64)
    target = (image[:, 0] > 0.5).long()
    for _ in range(3):
        outputs = network(image)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        optimizer.zero_grad()
        sum(
            functional.cross_entropy(o, target[:, :: 16 // o.shape[2], :: 16 // o.shape[3], :: 16 // o.shape[4]])
            for o in outputs
        ).backward()
        optimizer.step()
    largest = max(float(p.grad.abs().max()) for p in network.parameters() if p.grad is not None)
    still = {n for n, p in network.named_parameters() if p.grad is None or float(p.grad.abs().max()) < 1e-12 * largest}
    pattern = WITHOUT_EFFECT[name]
    assert still == {n for n, _ in network.named_parameters() if pattern and re.fullmatch(pattern, n)}


def test_shared_filters_are_the_learned_ones_made_equal():
    """The twin with four equal sets of filters gives the same maps, and a shared filter gets the sum of gradients."""
    torch.manual_seed(0)
    shared = build(paper(filters=[2, 4], strides=[[2, 2, 2], [1, 2, 1]]))
    learned = build(paper(filters=[2, 4], strides=[[2, 2, 2], [1, 2, 1]], shared=False))
    repeated = {
        name: torch.cat([value] * 4) if name.split(".")[0] in ("encoder", "decoder") else value
        for name, value in shared.state_dict().items()
    }
    learned.load_state_dict(repeated)
    image = torch.randn(1, 1, 8, 8, 8)
    ours, theirs = shared(image), learned(image)
    torch.testing.assert_close(ours, theirs)
    ours.square().mean().backward()
    theirs.square().mean().backward()
    for name in ("encoder.0.weight", "encoder.1.bias", "decoder.0.scale", "decoder.1.offset"):
        summed = sum(learned.get_parameter(name).grad.chunk(4))
        torch.testing.assert_close(shared.get_parameter(name).grad, summed, rtol=1e-4, atol=1e-7)


def test_a_dilated_filter_reaches_as_far_as_it_says():
    config = paper(filters=[1], strides=[[1, 1, 1]], dilations=[[1, 2, 3]], norm="batch", skips=False)
    layer = build(config).encoder[0].eval()
    with torch.no_grad():
        layer.weight.fill_(1.0)
    point = torch.zeros(1, 1, 9, 9, 9)
    point[0, 0, 4, 4, 4] = 1
    lit = layer(point)[0, 0].nonzero()
    assert {tuple(v) for v in lit.tolist()} == {(z, y, x) for z in (3, 4, 5) for y in (2, 4, 6) for x in (1, 4, 7)}


def test_dilations_follow_the_spacing():
    assert same_reach(4, (1, 1, 1)) == (4, 4, 4)
    assert same_reach(4, (5.0, 0.5, 1.0)) == (1, 4, 2)
    config, _ = plan_network(
        (3, 1, 1), (32, 64, 64), Design(network="shared_dilation", dilations=(1, 6)), in_channels=1, out_channels=2
    )
    assert config["dilations"] == [[1, 1, 1], [2, 6, 6]]
    assert config["strides"][0] == [1, 2, 2] and len(config["strides"]) == 5


@pytest.mark.parametrize("data", [ISOTROPIC, ANISOTROPIC], ids=["isotropic", "anisotropic"])
@pytest.mark.parametrize("name", NETWORKS)
def test_saved_maps_are_what_autograd_saves(name, data):
    config, patch = plan_network(design=Design(network=name, filters=SMALL.get(name, (4, 6, 8))), **data)
    network = build(config).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in [*network.parameters(), *network.buffers()]}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(torch.randn(2, data["in_channels"], *patch))
    measured = sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
    assert 2 * 4 * read_config(config).maps(patch).saved == pytest.approx(measured, rel=0.02)
    assert measured < estimate_memory_bytes(config, patch, 2, True)


@pytest.mark.parametrize("name", NETWORKS)
def test_patch_and_batch_fit_the_memory(name):
    fitted = fit_patch((1, 1, 1), (120, 140, 130), 600 * MIB, Design(network=name), in_channels=1, out_channels=2)
    need = estimate_memory_bytes(fitted.config, fitted.patch, fitted.batch, True)
    assert need <= 600 * MIB < estimate_memory_bytes(fitted.config, fitted.patch, fitted.batch + 2, True)
    divisor = read_config(fitted.config).divisor
    assert all(edge % step == 0 for edge, step in zip(fitted.patch, divisor, strict=True))


def test_widths():
    made = {name: entry.widths(4, None, 320) for name, entry in NETWORKS.items()}
    assert made["unet"] == made["residual_encoder"] == (32, 64, 128, 256)
    assert made["residual_unet"] == (16, 64, 128, 256) and made["attention_unet"] == (16, 32, 64, 128)
    assert NETWORKS["residual_unet"].widths(5, 8, 200) == (8, 32, 64, 128, 200)
    assert NETWORKS["unet"].widths(6, None, 360) == (32, 64, 128, 256, 360, 360)


@pytest.mark.parametrize(
    ("design", "sentence"),
    [
        (Design(network="unnet"), "There is no network 'unnet'. Did you mean 'unet'?"),
        (Design(dilations=(1, 2)), "The network unet has no dilated filters. Leave out the dilations or choose one of"),
        (Design(network="shared_dilation", dilations=(0,)), "The dilations are [0]."),
        (Design(network="attention_unet", base_filters=3), "AttentionUNet: filters is 3. Give even numbers"),
    ],
)
def test_designs_that_are_not_possible(design, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        plan_network((1, 1, 1), (32, 32, 32), design, in_channels=1, out_channels=2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"norm": "bach"}, "There is no norm 'bach'. Did you mean 'batch'?"),
        ({"shared": 1}, "SharedDilationNet: shared is 1. It must be true or false."),
        ({"strides": [[2, 2, 2]] * 4}, "SharedDilationNet: there are 5 filters, 4 strides. Give one of each"),
        ({"dilations": []}, "SharedDilationNet: there are no dilations."),
        ({"dilations": [[1, 1, 0]]}, "SharedDilationNet: dilations is 0."),
        ({"dilation": [1]}, "SharedDilationNet has no setting 'dilation'. Did you mean 'dilations'?"),
    ],
)
def test_wrong_configs_of_filter_reuse(changes, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        build(paper(**changes))


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("residual_encoder", {"blocks": [1, 3]}, "there are 3 stages, 2 blocks and 2 decoder_convolutions."),
        ("residual_encoder", {"bias": None}, "ResidualEncoderUNet: bias is None. It must be true or false."),
        ("residual_unet", {"strides": [[1, 1, 1]]}, "ResidualUNet: there are 3 kernels, 1 strides, 3 filters."),
        ("attention_unet", {"filters": [4, 8]}, "AttentionUNet: there are 3 strides, 2 filters."),
        ("attention_unet", {"filters": [4, 8, 7]}, "AttentionUNet: filters is 7. Give even numbers"),
    ],
)
def test_wrong_configs(name, changes, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        build(small(name) | changes)


@pytest.mark.parametrize("name", NETWORKS)
def test_images_that_do_not_fit(name):
    network = build(small(name))
    with pytest.raises(InputError, match=r"cannot take an image of \(16, 16, 17\) .* multiples of"):
        network(torch.zeros(1, 1, 16, 16, 17))
    with pytest.raises(InputError, match=r"got an image of shape \(1, 3, 16, 16, 16\)"):
        network(torch.zeros(1, 3, 16, 16, 16))


def test_the_job_lists_the_networks():
    listed = ACTIONS["networks"].run(NetworksParams(), Silent())["networks"]
    assert [network["name"] for network in listed] == list(NETWORKS) == list(get_args(NetworkName))
    counted = {network["name"]: network["parameters"] for network in listed}
    assert counted["shared_dilation"] == 1_031_606 and counted["residual_unet"] == 11_074_324
    assert {network["name"]: network["patch_multiple"] for network in listed}["residual_unet"] == (8, 8, 8)
    alone = ACTIONS["networks"].run(NetworksParams("learned_dilation"), Silent())["networks"]
    assert len(alone) == 1 and alone[0]["parameters"] == 4_123_826 and "--dilations" in alone[0]["options"]
    with pytest.raises(InputError, match="Did you mean 'attention_unet'"):
        ACTIONS["networks"].run(NetworksParams("attention"), Silent())


def test_a_config_tells_without_torch():
    config = SharedDilationConfig.from_json(paper())
    assert config.divisor == (32, 32, 32) and config.widths == (16, 32, 64, 128, 256)
    assert config.layers[0] == (1, 4) and config.layers[5:7] == ((256, 64), (256, 32))
