"""Losses whose parameters can be given, or found by training."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family, Parameter

RATE = Parameter("lr", 1e-4, "learning rate of what is learned, by Adam", low=0, high=1, low_open=True)

ENTRIES = (
    Entry(
        name="focal",
        title="Focal loss",
        family=Family.DISTRIBUTION,
        formula="-mean_i a_i (1 - p_i)^gamma log p_i, p_i: probability of the true class; "
        "a_i: alpha on foreground, 1 - alpha on background",
        reference="Lin et al., ICCV 2017; as in Shirokikh et al., MICCAI 2020",
        advice="Turns down voxels that are already right. 2*focal(alpha=0.5) is the form without class weights.",
        parameters=(
            Parameter(
                "gamma",
                2.0,
                "how strongly easy voxels are turned down; 0 is weighted ce; learn: found in training",
                low=0,
                high=10,
                learnable=True,
            ),
            Parameter("alpha", 0.75, "weight of foreground voxels, background has 1 - alpha", low=0, high=1),
            RATE,
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
        advice="beta above alpha trades false positives for recall. alpha = beta = 0.5 is dice. "
        "alpha=learn, beta=learn is the parametric Tversky loss (Chanti et al., IEEE TMI 2021), which moves weight to "
        "the smaller of the two errors; low=0 is the published form, which can collapse to all foreground.",
        parameters=(
            Parameter("alpha", 0.3, "weight of false positives", low=0, high=1, learnable=True),
            Parameter("beta", 0.7, "weight of false negatives", low=0, high=1, learnable=True),
            RATE,
            Parameter("low", 0.1, "least value of a learned weight; 0 as published", low=0, high=0.5, high_open=True),
        ),
        voxel_sum=True,
    ),
)
