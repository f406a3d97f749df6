"""Which losses are worth trying first on data of a given imbalance, and why.

The rules are those of the papers named with each suggestion; they rank what to compare, and compare no losses by
themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

# Foreground shares below which foreground is rare, and so rare that an average over voxels hardly sees it.
RARE, VERY_RARE = 1e-2, 1e-3
# Volumes of the 90th and the 10th percentile lesion this many times apart: the large ones drown the small ones.
UNEVEN = 10.0
# With fewer lesions in a patch there is nothing to balance between them.
SEVERAL = 1.5
EMPTY = 0.1


@dataclass(frozen=True)
class Imbalance:
    """What a loss has to cope with.

    Attributes:
        classes: number of classes with the background.
        cases: number of annotated cases.
        empty_cases: how many of them have no foreground.
        foreground: median share of foreground voxels over the other cases, in [0, 1]; NaN if all are empty.
        lesions: number of connected components over all cases.
        lesions_per_patch: lesions that a patch around a lesion holds in the mean, that one included; NaN without any.
        size_spread: volume of the 90th over that of the 10th percentile lesion, at least 1; NaN without any.
    """

    classes: int
    cases: int
    empty_cases: int
    foreground: float
    lesions: int
    lesions_per_patch: float
    size_spread: float


@dataclass(frozen=True)
class Suggestion:
    """A loss expression worth trying, why on these data, and where that is known from."""

    expression: str
    reason: str
    source: str


def advise(data: Imbalance) -> tuple[Suggestion, ...]:
    """Suggestions for data of that imbalance, the best first, at least one; none is named twice."""
    found: dict[str, Suggestion] = {}
    for suggestion in (*_first(data), *_default(data), *_others(data)):
        found.setdefault(suggestion.expression, suggestion)
    return tuple(found.values())


def _first(data: Imbalance) -> Iterator[Suggestion]:
    """What is better than the default where the data ask for it."""
    uneven = data.size_spread >= UNEVEN and data.lesions_per_patch >= SEVERAL
    if uneven:
        yield Suggestion(
            "dice + ce + 0.1*iw(ce)",
            f"A patch holds {data.lesions_per_patch:.1f} lesions and their volumes are {_times(data.size_spread)} "
            "apart, so large lesions drown small ones. The inverse weights give each the same pull; a tenth of them "
            "keeps false positives in bounds. Use the operating point that validation chooses.",
            "Shirokikh et al., MICCAI 2020; docs/results.md",
        )
    if data.foreground < VERY_RARE:
        yield Suggestion(
            "dice + topk(k=0.1)",
            f"Only {_share(data.foreground)} of the voxels are foreground. Top-k learns from the hardest tenth of the "
            "voxels, and its models complement those of dice + ce in an ensemble.",
            "Ma, ADAM 2020 winner",
        )
    if uneven and data.lesions_per_patch >= 3:
        yield Suggestion(
            "dice + ce + cc(dice + ce)",
            f"With {data.lesions_per_patch:.1f} lesions in a patch, an overlap of each lesion's own region counts "
            "small ones as much as large ones: more recall at some more false positives.",
            "CC-DiceCE, arXiv:2511.17146",
        )


def _default(data: Imbalance) -> Iterator[Suggestion]:
    rare = data.foreground < RARE
    yield Suggestion(
        "dice + ce",
        "The robust default: no single loss was better over many tasks"
        + (", and a yardstick for the others." if rare else "; the foreground here is not rare."),
        "Isensee et al., Nature Methods 2021; Ma et al., Loss Odyssey, Medical Image Analysis 2021",
    )


def _others(data: Imbalance) -> Iterator[Suggestion]:
    if data.cases and data.empty_cases / data.cases > EMPTY:
        yield Suggestion(
            "dice(batch=True) + ce",
            f"{data.empty_cases} of {data.cases} cases are empty. A region loss learns nothing from an empty patch; "
            "summed over the batch it is less often empty, and cross-entropy learns from every patch.",
            "Isensee et al., Nature Methods 2021",
        )
    if data.foreground < RARE:
        yield Suggestion(
            "tversky(alpha=0.3, beta=0.7) + ce",
            "Weighs missed foreground more than false alarms, where a missed lesion costs most.",
            "Salehi et al., MLMI 2017",
        )
        yield Suggestion(
            "dice + focal",
            "Turns down the many background voxels that are already right.",
            "Iantsen et al., HECKTOR 2020 winner",
        )
    else:
        yield Suggestion(
            "tversky(alpha=learn, beta=learn)",
            "For large structures such as muscles: the balance of false and missed foreground is learned.",
            "Chanti et al., IEEE TMI 2021",
        )
        yield Suggestion(
            "dice + ce + schedule(boundary)",
            "Where the outline matters more than finding: distances to the true surface enter slowly.",
            "Kervadec et al., MIDL 2019",
        )


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times" if math.isfinite(ratio) else "far"


def _share(share: float) -> str:
    return f"1 in {1 / share:,.0f}" if share > 0 else "none"
