"""The loss inspector: what losses say of a prediction, and where they pull at it. Nothing is trained."""

from lossseg.inspection.inspector import Inspection, Inspector, LossReport
from lossseg.inspection.regions import Kind, Region
from lossseg.inspection.volumes import Scale

__all__ = ["Inspection", "Inspector", "Kind", "LossReport", "Region", "Scale"]
