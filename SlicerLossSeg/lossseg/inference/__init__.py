"""From a trained model or an ensemble to labels, probabilities and lesion tables of new cases."""

from lossseg.inference.backend import Backend, BackendFactory, Precision, TorchBackend, torch_backend
from lossseg.inference.device import choose_device
from lossseg.inference.folder import Predicted, PredictSettings, lesion_table, predict_cases
from lossseg.inference.postprocess import SmallRule
from lossseg.inference.predictor import Prediction, Predictor

__all__ = [
    "Backend",
    "BackendFactory",
    "Precision",
    "PredictSettings",
    "Predicted",
    "Prediction",
    "Predictor",
    "SmallRule",
    "TorchBackend",
    "choose_device",
    "lesion_table",
    "predict_cases",
    "torch_backend",
]
