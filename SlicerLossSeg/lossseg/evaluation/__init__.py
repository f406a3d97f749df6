"""Lesion by lesion: what was found, missed and invented, how sure the model was, and what that adds up to.

Needs numpy, scipy, SimpleITK and cc3d only.
"""

from lossseg.evaluation.case import CaseResult, evaluate_case
from lossseg.evaluation.cohort import Average, Cohort, Failure, summarise
from lossseg.evaluation.detections import ImageDetections, detections_from_case
from lossseg.evaluation.folders import evaluate_folders
from lossseg.evaluation.froc_curve import RATES, Bootstrap, Froc, froc
from lossseg.evaluation.groups import SizeGroup, size_groups, tertile_edges
from lossseg.evaluation.lesions import Lesion, Outcome
from lossseg.evaluation.matching import Credit
from lossseg.evaluation.measures import MEASURES, Measure
from lossseg.evaluation.operating import OperatingPoint, best_point, operating_points
from lossseg.evaluation.report import write_report
from lossseg.evaluation.table import (
    write_cases_csv,
    write_cohort_json,
    write_lesions_csv,
    write_lesions_json,
)

__all__ = [
    "MEASURES",
    "RATES",
    "Average",
    "Bootstrap",
    "CaseResult",
    "Cohort",
    "Credit",
    "Failure",
    "Froc",
    "ImageDetections",
    "Lesion",
    "Measure",
    "OperatingPoint",
    "Outcome",
    "SizeGroup",
    "best_point",
    "detections_from_case",
    "evaluate_case",
    "evaluate_folders",
    "froc",
    "operating_points",
    "size_groups",
    "summarise",
    "tertile_edges",
    "write_cases_csv",
    "write_cohort_json",
    "write_lesions_csv",
    "write_lesions_json",
    "write_report",
]
