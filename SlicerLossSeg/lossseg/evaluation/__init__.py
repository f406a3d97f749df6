"""Lesion by lesion: what was found, missed and invented, how sure the model was, and what that adds up to.

Needs numpy, scipy, SimpleITK and cc3d only.
"""

from lossseg.evaluation.bootstrap import Bootstrap
from lossseg.evaluation.calibration import Reliability, reliability
from lossseg.evaluation.case import CaseResult, evaluate_case
from lossseg.evaluation.case_source import folder_source
from lossseg.evaluation.cohort import Average, Cohort, Failure, summarise
from lossseg.evaluation.comparison import ComparedMeasure, Comparison, Mark, PairedTest, compare
from lossseg.evaluation.criteria import MATCHINGS, Assignment, Credit, Criterion, Duplicates, Matching
from lossseg.evaluation.detections import ImageDetections, detections_from_case
from lossseg.evaluation.folders import evaluate_folders
from lossseg.evaluation.froc_curve import RATES, Froc, froc
from lossseg.evaluation.groups import Grouping, SizeGroup, diameter_groups, size_groups, tertile_edges
from lossseg.evaluation.lesions import Lesion, Outcome, Relation
from lossseg.evaluation.measures import MEASURES, Measure
from lossseg.evaluation.operating import OperatingPoint, best_point, operating_points
from lossseg.evaluation.precision_recall_curve import PrecisionRecall, precision_recall
from lossseg.evaluation.report import write_report
from lossseg.evaluation.report_compare import write_comparison_report
from lossseg.evaluation.scored import Scored, score_components
from lossseg.evaluation.table import (
    write_cases_csv,
    write_cohort_json,
    write_comparison_csv,
    write_comparison_json,
    write_lesions_csv,
    write_lesions_json,
)
from lossseg.evaluation.voxel_tally import VoxelTally, tally

__all__ = [
    "MATCHINGS",
    "MEASURES",
    "RATES",
    "Assignment",
    "Average",
    "Bootstrap",
    "CaseResult",
    "Cohort",
    "ComparedMeasure",
    "Comparison",
    "Credit",
    "Criterion",
    "Duplicates",
    "Failure",
    "Froc",
    "Grouping",
    "ImageDetections",
    "Lesion",
    "Mark",
    "Matching",
    "Measure",
    "OperatingPoint",
    "Outcome",
    "PairedTest",
    "PrecisionRecall",
    "Relation",
    "Reliability",
    "Scored",
    "SizeGroup",
    "VoxelTally",
    "best_point",
    "compare",
    "detections_from_case",
    "diameter_groups",
    "evaluate_case",
    "evaluate_folders",
    "folder_source",
    "froc",
    "operating_points",
    "precision_recall",
    "reliability",
    "score_components",
    "size_groups",
    "summarise",
    "tally",
    "tertile_edges",
    "write_cases_csv",
    "write_cohort_json",
    "write_comparison_csv",
    "write_comparison_json",
    "write_comparison_report",
    "write_lesions_csv",
    "write_lesions_json",
    "write_report",
]
