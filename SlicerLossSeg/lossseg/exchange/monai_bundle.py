"""A model of ours as a MONAI bundle, which `monai.bundle` runs."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossseg.errors import InputError
from lossseg.exchange.monai_config import inference_config, metadata
from lossseg.files import whole_folder, write_json, write_text
from lossseg.model import Model, load
from lossseg.networks.config import DynUNetConfig

if TYPE_CHECKING:
    import torch

_README = """# {name}

Segments {labels} in {channels}. Exported from a model of lossseg; research only, not a medical device.

    python -m monai.bundle run --config_file configs/inference.json --bundle_root . --dataset_dir FOLDER

FOLDER holds CASE_0000.nii.gz{more}. Results are written to eval/CASE_0000_seg.nii.gz.

Resampling and the placing of windows are MONAI's: results are like those of `lossseg predict`, not equal to them. Small
and uncertain components are kept.{needs}
"""


def export_bundle(folder: Path, out: Path) -> Path:
    """Write the model in `folder` as a MONAI bundle to the new folder `out`, complete or not at all.

    Networks that MONAI has not (all but DynUNet) are built by lossseg when the bundle runs.

    Raises:
        InputError: no model there, one that a bundle cannot hold, or `out` exists already.
        DiskFull: no room.
    """
    import torch

    model, out = load(folder), Path(out)
    if out.exists():
        raise InputError(f"{out} already exists.", "Choose another name; bundles are never overwritten.")
    config, facts = inference_config(model), metadata(model)
    weights = _weights(model)
    with whole_folder(out) as beside:
        write_json(beside / "configs" / "inference.json", config)
        write_json(beside / "configs" / "metadata.json", facts)
        written = hashlib.sha256((beside / "configs" / "inference.json").read_bytes()).hexdigest()
        write_json(beside / "configs" / "lossseg.json", {"model": _card(model), "inference": written})
        write_text(beside / "docs" / "README.md", _readme(model))
        write_text(beside / "LICENSE", f"{model.licence or 'Its maker named no licence for these weights.'}\n")
        (beside / "models").mkdir()
        torch.save(weights, beside / "models" / "model.pt")
    return out


def _card(model: Model) -> dict[str, Any]:
    """What makes the bundle the same model again; without the training's record, which names cases."""
    point = model.operating_point
    return {
        "plan": model.plan.to_json(),
        "loss": model.loss,
        "scores": model.scores,
        "operating_point": asdict(point) if point else None,
        "licence": model.licence,
    }


def _weights(model: Model) -> dict[str, torch.Tensor]:
    """The parameters by the names of the bundle's network; MONAI's DynUNet names every block twice."""
    network = model.network()
    if model.network_config["name"] != DynUNetConfig.name:
        return dict(network.state_dict())
    from monai.networks.nets import DynUNet

    settings = {key: value for key, value in inference_config(model)["network_def"].items() if key != "_target_"}
    monais = DynUNet(**settings)
    wanted = monais.state_dict().keys()
    fitting = {name: value for name, value in network.state_dict().items() if name in wanted}
    left = monais.load_state_dict(fitting, strict=False)
    assert all(name.startswith("skip_layers.") for name in left.missing_keys), left
    return dict(monais.state_dict())


def _readme(model: Model) -> str:
    channels, monais = model.channels, model.network_config["name"] == DynUNetConfig.name
    names = ", ".join(f"_{number:04d} ({name})" for number, name in enumerate(channels))
    return _README.format(
        name=model.name,
        labels=", ".join(list(model.labels)[1:]),
        channels=", ".join(channels),
        more=f" and so on: {names}" if len(channels) > 1 else "",
        needs="" if monais else " The package lossseg must be installed: it builds the network.",
    )
