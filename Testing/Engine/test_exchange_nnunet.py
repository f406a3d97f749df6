"""Result folders of nnU-Net v2 become models of ours: names, weights, plans, and what cannot be trusted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import nnunet_results as made_up
import pytest
import torch

from lossseg import networks
from lossseg.errors import InputError
from lossseg.exchange import import_nnunet
from lossseg.model import load, load_any
from lossseg.networks import read_config
from lossseg.networks.config import DynUNetConfig
from lossseg.preprocessing import ChannelKind, NnUNetGrid, Plan
from lossseg.reporting import Silent

PLAIN = made_up.CONFIGURATION
RESIDUAL = PLAIN | {"architecture": made_up.residual()}


def changed(**arch: Any) -> dict[str, Any]:
    """Plans whose network has other settings."""
    made = copy.deepcopy(PLAIN["architecture"])
    made["arch_kwargs"] |= arch
    return made_up.plans(architecture=made)


def refused(folder: Path, out: Path, message: str, **options: Any) -> InputError:
    """The error of an import that must leave nothing behind."""
    with pytest.raises(InputError, match=message) as caught:
        import_nnunet(folder, out, **options)
    assert not out.exists() or not list(out.iterdir())
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("configuration", [PLAIN, RESIDUAL, made_up.old(PLAIN)], ids=["plain", "residual", "old"])
def test_an_imported_network_computes_what_the_checkpoint_holds(tmp_path, configuration):
    content = made_up.plans() | {"configurations": {"3d_fullres": configuration}}
    source = made_up.write(tmp_path / "result", content, labels={"background": 0, "a": 1, "b": 2})
    imported = import_nnunet(source, tmp_path / "models")
    assert imported.models == (tmp_path / "models" / "Dataset900_MadeUp_3d_fullres" / "fold_0",)
    assert (imported.ensemble, imported.warnings) == (None, ())
    expected = made_up.network(configuration, 1, 3, 0)
    named = made_up.checkpoint_weights(configuration, 1, 3, 0)
    expected.load_state_dict({name: named[name] for name in expected.state_dict()})
    image = torch.randn(1, 1, 8, 16, 12, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        result = load(imported.models[0]).network()(image)
        assert result.shape == (1, 3, 8, 16, 12)
        assert torch.equal(result, expected.eval()(image))
    stored = len(load(imported.models[0]).network().state_dict())
    assert stored == len(expected.state_dict()) < len(named) / 3


def test_the_plan_says_what_nnunets_does(tmp_path):
    content = made_up.plans(
        normalization_schemes=["CTNormalization", "ZScoreNormalization"], use_mask_for_norm=[False, True]
    ) | {"transpose_forward": [2, 0, 1]}
    source = made_up.write(tmp_path / "r", content, channels=("CT", "PET"), mirror=(0, 2))
    model = load(import_nnunet(source, tmp_path / "m", name="mine").models[0])
    ct, pet = model.plan.channels
    assert (ct.name, ct.kind, ct.low, ct.high, ct.mean, ct.std) == ("CT", ChannelKind.CT, -10.0, 90.0, 40.0, 20.0)
    assert (pet.name, pet.kind, pet.nonzero) == ("PET", ChannelKind.ZSCORE, True)
    assert (model.plan.spacing, model.plan.patch, model.plan.batch) == ((2.0, 1.0, 0.8), (8, 16, 12), 2)
    assert model.plan.nnunet == NnUNetGrid((2, 0, 1), (0, 2), 3, 1, False)
    assert Plan.from_json(json.loads(json.dumps(model.plan.to_json()))) == model.plan
    assert (model.loss, model.training["trainer"], model.training["epochs"]) == ("dice_ce", "nnUNetTrainer", 7)
    assert model.plan.network["decoder_convolutions"] == [2, 1]


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [
        ("NoNormalization", ChannelKind.NONE),
        ("RescaleTo01Normalization", ChannelKind.RESCALE),
        ("RGBTo01Normalization", ChannelKind.WINDOW),
    ],
)
def test_other_normalisations(tmp_path, scheme, kind):
    source = made_up.write(tmp_path / "r", made_up.plans(normalization_schemes=[scheme]))
    assert load(import_nnunet(source, tmp_path / "m").models[0]).plan.channels[0].kind is kind


def test_settings_can_be_inherited_and_the_ignore_label_has_no_output(tmp_path):
    content = made_up.plans() | {
        "configurations": {"mine": {"inherits_from": "3d_fullres", "batch_size": 5}, "3d_fullres": PLAIN}
    }
    labels = {"background": 0, "lesion": [1], "ignore": 2}
    source = made_up.write(tmp_path / "r", made_up.plans(), labels=labels, outputs=2)
    weights = made_up.checkpoint_weights(PLAIN, 1, 2, 0)
    torch.save(made_up.checkpoint(weights, "mine", None), source / "fold_0" / "checkpoint_final.pth")
    (source / "plans.json").write_text(json.dumps(content))
    model = load(import_nnunet(source, tmp_path / "m").models[0])
    assert (model.plan.batch, model.labels, model.plan.nnunet.mirror) == (5, {"background": 0, "lesion": 1}, ())


def test_folds_become_an_ensemble(tmp_path):
    source = made_up.write(tmp_path / "r", folds=(0, 2, 10, "all"))
    (source / "fold_3").mkdir()
    made = import_nnunet(source, tmp_path / "m", ensembles=tmp_path / "e")
    assert [path.name for path in made.models] == ["fold_0", "fold_2", "fold_10", "fold_all"]
    assert made.warnings == ("fold_3 has no checkpoint and was left out.",)
    assert [member.model.name for member in load_any(made.ensemble).members] == [path.name for path in made.models]
    first, second = (load(path).network().state_dict() for path in made.models[:2])
    assert not torch.equal(
        first["encoder.stages.0.0.convs.0.conv.weight"], second["encoder.stages.0.0.convs.0.conv.weight"]
    )
    some = import_nnunet(source, tmp_path / "m", name="some", folds=(2,))
    assert [path.name for path in some.models] == ["fold_2"]
    with pytest.raises(InputError, match="has no fold_7"):
        import_nnunet(source, tmp_path / "m", name="others", folds=(7,))


def test_the_best_epochs_checkpoint(tmp_path):
    source = made_up.write(tmp_path / "r", file="checkpoint_best.pth")
    fallback = import_nnunet(source, tmp_path / "m", name="a")
    assert fallback.warnings == ("fold_0 has no checkpoint_final.pth; checkpoint_best.pth was taken.",)
    assert import_nnunet(source, tmp_path / "m", name="b", best=True).warnings == ()


def test_validation_scores_come_along(tmp_path):
    source = made_up.write(tmp_path / "r")
    (source / "fold_0" / "validation").mkdir()
    cases = [{"prediction_file": f"/some/where/{name}.nii.gz"} for name in ("b", "a")]
    summary = {"foreground_mean": {"Dice": 0.625}, "metric_per_case": cases}
    (source / "fold_0" / "validation" / "summary.json").write_text(json.dumps(summary))
    model = load(import_nnunet(source, tmp_path / "m").models[0])
    assert (model.scores, model.training["validation"]) == ({"dice": 0.625}, ["a", "b"])


def test_a_pickle_that_would_execute_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    source = made_up.write(tmp_path / "r")
    path = source / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    torch.save(content | {"extra": Trap()}, path)
    error = refused(source, tmp_path / "m", "holds objects other than tensors, numbers and words")
    assert "checkpoint_final.pth" in error.message and "execute anything" in error.hint
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("cut", [-200, 1000, 0])
def test_a_damaged_checkpoint_is_named(tmp_path, cut):
    source = made_up.write(tmp_path / "r")
    path = source / "fold_0" / "checkpoint_final.pth"
    path.write_bytes(path.read_bytes()[:cut])
    refused(source, tmp_path / "m", r"checkpoint_final\.pth (is damaged|holds objects)")


def test_a_checkpoint_of_something_else_is_named(tmp_path):
    source = made_up.write(tmp_path / "r")
    torch.save({"state_dict": {}}, source / "fold_0" / "checkpoint_final.pth")
    refused(source, tmp_path / "m", "is no checkpoint of nnU-Net v2")


def test_weights_must_fit_the_plans(tmp_path):
    source = made_up.write(tmp_path / "r")
    (source / "plans.json").write_text(json.dumps(changed(features_per_stage=[4, 6, 10])))
    error = refused(source, tmp_path / "m", r"transpconvs\.0\.weight is 8 x 6 x 2 x 2 x 2, not 10 x 6 x 2 x 2 x 2")
    assert "nnUNetTrainer" in error.hint


def test_weights_that_are_not_finite_are_refused(tmp_path):
    source = made_up.write(tmp_path / "r", folds=(0, 1))
    weights = made_up.checkpoint_weights(PLAIN, 1, 2, 0)
    weights["decoder.transpconvs.0.bias"][0] = float("nan")
    torch.save(made_up.checkpoint(weights, "3d_fullres", None), source / "fold_1" / "checkpoint_final.pth")
    refused(source, tmp_path / "m", r"decoder\.transpconvs\.0\.bias is not finite")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (made_up.plans("2d", patch_size=[16, 16]), "2d segments slice by slice"),
        (made_up.plans("3d_cascade_fullres", previous_stage="3d_lowres"), "needs the result of 3d_lowres"),
        (made_up.plans(preprocessor_name="Mine"), "the preprocessor_name 'Mine'"),
        (made_up.plans() | {"image_reader_writer": "Tiff3DIO"}, "the image_reader_writer 'Tiff3DIO'"),
        (made_up.plans() | {"label_manager": "Mine"}, "the label_manager 'Mine'"),
        (made_up.plans(normalization_schemes=["Mine"]), "the normalisation Mine"),
        (made_up.plans(normalization_schemes=["CTNormalization"] * 2), "2 normalisations are given for 1 channels"),
        (made_up.plans(resampling_fn_data="resample_torch_fornnunet"), "the resampling resample_torch_fornnunet"),
        (
            made_up.plans(resampling_fn_probabilities_kwargs=made_up.RESAMPLING | {"order_z": 1}),
            "the resampling resample_data_or_seg_to_shape .*'order_z': 1",
        ),
        (made_up.plans(spacing=[1.0]), "cannot be read .IndexError"),
        (changed(norm_op="torch.nn.modules.batchnorm.BatchNorm3d"), "norm_op = 'torch.*BatchNorm3d' is not supported"),
        (changed(norm_op_kwargs={"eps": 1e-5}), "norm_op_kwargs = .* is not supported"),
        (changed(nonlin_kwargs={"negative_slope": 0.2}), "nonlin_kwargs = .* is not supported"),
        (changed(nonlin_first=True), "nonlin_first = True is not supported"),
        (changed(kernel_sizes=[[2, 2, 2]] * 3), r"kernel \[2, 2, 2\] with stride"),
        (made_up.plans(architecture=PLAIN["architecture"] | {"network_class_name": "a.b.Primus"}), "network Primus"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(tmp_path, content, message):
    source = made_up.write(tmp_path / "r", made_up.plans(next(iter(content["configurations"]))))
    (source / "plans.json").write_text(json.dumps(content))
    error = refused(source, tmp_path / "m", message)
    assert "plans.json" in error.message


def test_regions_are_refused(tmp_path):
    source = made_up.write(tmp_path / "r", labels={"background": 0, "whole": [1, 2], "core": 2})
    refused(source, tmp_path / "m", "region-based labels")


def test_nothing_is_overwritten_and_names_stay_inside(tmp_path):
    source = made_up.write(tmp_path / "r", made_up.plans() | {"dataset_name": "../../up and away"})
    made = import_nnunet(source, tmp_path / "m")
    assert made.models[0].parent == tmp_path / "m" / "up_and_away_3d_fullres"
    before = made.models[0].joinpath("model.json").read_bytes()
    with pytest.raises(InputError, match="already exists"):
        import_nnunet(source, tmp_path / "m")
    assert made.models[0].joinpath("model.json").read_bytes() == before
    with pytest.raises(InputError, match="cannot be the name of a folder"):
        import_nnunet(source, tmp_path / "m", name="../x")
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["up_and_away_3d_fullres"]


def test_a_cancelled_import_leaves_nothing(tmp_path):
    from lossseg.errors import Cancelled

    answers = iter([False, True])
    source = made_up.write(tmp_path / "r", folds=(0, 1))
    with pytest.raises(Cancelled):
        import_nnunet(source, tmp_path / "m", reporter=Silent(lambda: next(answers)))
    assert not list((tmp_path / "m").iterdir())


def test_folders_that_are_none(tmp_path):
    made_up.write(tmp_path / "set" / "nnUNetTrainer__nnUNetPlans__3d_fullres")
    error = refused(tmp_path / "set", tmp_path / "m", r"no result folder of nnU-Net v2: it has no dataset\.json")
    assert "nnUNetTrainer__nnUNetPlans__3d_fullres" in error.hint
    refused(tmp_path / "nowhere", tmp_path / "m", "no result folder")
    empty = made_up.write(tmp_path / "r", folds=())
    refused(empty, tmp_path / "m", "holds no fold with")


def test_plain_convolutions_compute_what_dynunet_does():
    """The same weights in MONAI's DynUNet, which has two convolutions a stage and no biases."""
    shared = {
        "in_channels": 2,
        "out_channels": 3,
        "kernels": [[3, 3, 3]] * 3,
        "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
        "filters": [4, 6, 8],
        "deep_supervision": False,
    }
    own = {"name": "PlainConvUNet", "blocks": [2] * 3, "decoder_convolutions": [2] * 2, "bias": False}
    torch.manual_seed(1)
    network, peer = networks.build(shared | own).eval(), networks.build(shared | {"name": DynUNetConfig.name}).eval()
    state = network.state_dict()
    groups = {
        "input_block": "encoder.stages.0.0",
        "downsamples.0": "encoder.stages.1.0",
        "bottleneck": "encoder.stages.2.0",
        "upsamples.0.conv_block": "decoder.stages.0",
        "upsamples.1.conv_block": "decoder.stages.1",
    }
    layers = {
        "conv1.conv": "convs.0.conv",
        "norm1": "convs.0.norm",
        "conv2.conv": "convs.1.conv",
        "norm2": "convs.1.norm",
    }
    renamed = {}
    for theirs, ours in groups.items():
        for layer, place in layers.items():
            for kind in ("weight", "bias") if "norm" in layer else ("weight",):
                renamed[f"{theirs}.{layer}.{kind}"] = state[f"{ours}.{place}.{kind}"]
    for index in (0, 1):
        renamed[f"upsamples.{index}.transp_conv.conv.weight"] = state[f"decoder.transpconvs.{index}.weight"]
    for kind in ("weight", "bias"):
        renamed[f"output_block.conv.conv.{kind}"] = state[f"decoder.seg_layers.1.{kind}"]
    peer.load_state_dict(renamed)
    image = torch.randn(2, 2, 4, 8, 12)
    with torch.no_grad():
        torch.testing.assert_close(network(image), peer(image), rtol=1e-5, atol=1e-5)
    assert read_config(shared | own).parameters == sum(value.numel() for value in network.parameters())


@pytest.mark.parametrize("configuration", [PLAIN, made_up.old(PLAIN)])
def test_parameters_are_counted_without_building(configuration):
    network = made_up.network(configuration, 2, 3, 0)
    assert network.config.parameters == sum(value.numel() for value in network.parameters())
