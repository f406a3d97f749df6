"""Losses that compare predicted and true regions by their overlap."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family, Parameter

ENTRIES = (
    Entry(
        name="dice",
        title="Soft Dice",
        family=Family.REGION,
        formula="1 - mean_c (2 S(p y) + s) / (S(p) + S(y) + s), s = 1e-5; squared: S(p^2) + S(y^2) below",
        reference="Milletari et al., 3DV 2016 (squared); Drozdzal et al., DLMIA 2016 (linear); "
        "Isensee et al., Nature Methods 18 (2021) 203-211",
        advice="Independent of the number of background voxels, but large lesions drown small ones and empty patches "
        "teach almost nothing: pair it with ce or topk.",
        parameters=(
            Parameter("squared", False, "squares in the denominator, as V-Net"),
            Parameter("batch", False, "sums over the whole batch rather than each sample, as nnU-Net's batch Dice"),
        ),
        voxel_sum=True,
    ),
    Entry(
        name="tversky",
        title="Tversky",
        family=Family.REGION,
        formula="1 - mean_c (TP + s) / (TP + alpha FP + beta FN + s), TP = S(p y), FP = S(p (1-y)), "
        "FN = S((1-p) y), s = 5e-6",
        reference="Salehi et al., MLMI 2017",
        advice="beta above alpha trades false positives for recall. alpha = beta = 0.5 is dice.",
        parameters=(
            Parameter("alpha", 0.3, "weight of false positives", low=0, high=1),
            Parameter("beta", 0.7, "weight of false negatives", low=0, high=1),
        ),
        voxel_sum=True,
    ),
)
