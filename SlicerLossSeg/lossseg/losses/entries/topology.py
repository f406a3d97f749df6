"""Losses that keep the shape of thin structures in one piece."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family, Parameter

ENTRIES = (
    Entry(
        name="cldice",
        title="Centreline Dice",
        family=Family.TOPOLOGY,
        formula="1 - mean_c 2 T_p T_s / (T_p + T_s), T_p = (S(s(p) y) + s) / (S(s(p)) + s), "
        "T_s = (S(s(y) p) + s) / (S(s(y)) + s), s(): soft skeleton",
        reference="Shit et al., clDice - a novel topology-preserving loss function for tubular structure segmentation, "
        "CVPR 2021",
        advice="For vessels, airways and nerves that must not break; of no use for compact lesions. Pair it: "
        "dice + cldice. Its gradient needs memory for some sixty maps of the size of the logits.",
        parameters=(
            Parameter(
                "iterations", 3, "soft erosions; at least the largest radius in voxels", low=1, high=50, whole=True
            ),
            Parameter("smooth", 1.0, "added above and below", low=0, low_open=True),
        ),
    ),
)
