"""The figures that a preset may have, by their names in its file. Nothing here draws: that needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "learning": "Training loss over the steps, the mean of the folds; the band reaches from the lowest to the "
        "highest of them.",
        "validation": "Dice of the validation cases over the steps, the mean of the folds; the band reaches from the "
        "lowest to the highest.",
        "cases": "Dice of each held-out case; the box holds the middle half, its line is the median, the cross the "
        "mean, the black bar the paper's.",
        "precision_recall": "Precision of the voxels of the held-out cases against their recall, over all thresholds; "
        "in brackets the area (average precision).",
        "learned": "Parameters that the loss learned, over the steps, the mean of the folds; the band reaches from the "
        "lowest to the highest.",
        "folds": "Dice of each fold's cases with each loss, and what the paper prints for the fold.",
        "sizes": "Recall and object Dice by thirds of the lesions' volumes.",
        "froc": "Recall of lesions against false positives per image, as the paper counts; the point is the one with "
        "all components.",
    }
)
"""Name to what is seen."""
