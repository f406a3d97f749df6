"""The model folder and the ensemble file: JSON and safetensors only, so that loading executes nothing from them."""

from lossseg.model.ensemble import Ensemble, Member, load_any, load_ensemble, save_ensemble
from lossseg.model.folder import FORMAT, Model, OperatingChoice, load, save

__all__ = [
    "FORMAT",
    "Ensemble",
    "Member",
    "Model",
    "OperatingChoice",
    "load",
    "load_any",
    "load_ensemble",
    "save",
    "save_ensemble",
]
