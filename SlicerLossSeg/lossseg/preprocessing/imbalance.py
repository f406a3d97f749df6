"""How unevenly the foreground of a dataset is spread, as the advisor of losses wants to know it."""

from __future__ import annotations

import numpy as np

from lossseg.losses.advisor import Imbalance
from lossseg.preprocessing.fingerprint import Fingerprint
from lossseg.preprocessing.plan import Plan


def imbalance(facts: Fingerprint, plan: Plan) -> Imbalance:
    """The imbalance of the fingerprint's cases in patches of the plan."""
    volumes = facts.lesions_mm3
    return Imbalance(
        classes=plan.classes,
        cases=len(facts.cases),
        empty_cases=facts.empty_cases,
        foreground=facts.foreground,
        lesions=len(volumes),
        lesions_per_patch=_lesions_per_patch(facts, plan),
        size_spread=float(np.percentile(volumes, 90) / np.percentile(volumes, 10)) if len(volumes) else float("nan"),
    )


def _lesions_per_patch(facts: Fingerprint, plan: Plan) -> float:
    """Lesions in a patch around a lesion, the others being spread evenly over their case; averaged over lesions."""
    patch = float(np.prod(plan.patch)) * float(np.prod(plan.spacing))
    counts = np.array([len(case.lesions_mm3) for case in facts.cases], float)
    cases = np.array([np.prod(case.shape) * np.prod(case.spacing) for case in facts.cases], float)
    if not counts.sum():
        return float("nan")
    others = np.maximum(counts - 1, 0) * np.minimum(patch / cases, 1)
    return float(np.average(1 + others, weights=counts))
