"""From annotated cases to a trained model: sampling, augmentation, the loop, checkpoints, cross-validation."""

from lossseg.training.run import cross_validate, train
from lossseg.training.settings import ALL_CASES, Optimizer, Schedule, TrainingSettings

__all__ = ["ALL_CASES", "Optimizer", "Schedule", "TrainingSettings", "cross_validate", "train"]
