"""From a volume to what the network sees, and back: fingerprint, plan, intensity scheme, resampling, cache."""

from lossseg.preprocessing.cache import CachedCase, PreparedCases, counted, prepare_dataset
from lossseg.preprocessing.case import Prepared, prepare, prepare_label, restore
from lossseg.preprocessing.fingerprint import CaseFingerprint, Fingerprint, fingerprint
from lossseg.preprocessing.imbalance import imbalance
from lossseg.preprocessing.maps import prepare_maps
from lossseg.preprocessing.monai_grid import MonaiGrid, MonaiStep, StepKind
from lossseg.preprocessing.plan import ChannelKind, ChannelScheme, NnUNetGrid, Plan
from lossseg.preprocessing.planning import PlanSettings, plan_dataset, read_plan

__all__ = [
    "CachedCase",
    "CaseFingerprint",
    "ChannelKind",
    "ChannelScheme",
    "Fingerprint",
    "MonaiGrid",
    "MonaiStep",
    "NnUNetGrid",
    "Plan",
    "PlanSettings",
    "Prepared",
    "PreparedCases",
    "StepKind",
    "counted",
    "fingerprint",
    "imbalance",
    "plan_dataset",
    "prepare",
    "prepare_dataset",
    "prepare_label",
    "prepare_maps",
    "read_plan",
    "restore",
]
