"""Losses that compare the predicted and the true class voxel by voxel."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family, Parameter

ENTRIES = (
    Entry(
        name="ce",
        title="Cross-entropy",
        family=Family.DISTRIBUTION,
        formula="-mean_i log p_i(class of voxel i)",
        reference="Isensee et al., nnU-Net, Nature Methods 18 (2021) 203-211",
        advice="Steady gradients everywhere, also from patches without a lesion. Alone it misses small lesions: "
        "pair it with a region loss or put iw(...) around it.",
        voxel_sum=True,
    ),
    Entry(
        name="bce",
        title="Binary cross-entropy",
        family=Family.DISTRIBUTION,
        formula="-mean_i,c [ y_ic log p_ic + (1 - y_ic) log(1 - p_ic) ], c: foreground classes",
        reference="Shirokikh et al., MICCAI 2020, Table 1",
        advice="Each foreground class against all others. Equal to ce for a single foreground class.",
        voxel_sum=True,
    ),
    Entry(
        name="wce",
        title="Weighted cross-entropy",
        family=Family.DISTRIBUTION,
        formula="-mean_i,c [ w_c y_ic log p_ic + (1 - y_ic) log(1 - p_ic) ], w = weight; "
        "adaptive: w_c = weight (N - S(p_c)) / S(p_c) over the whole batch, with its gradient",
        reference="Ronneberger et al., MICCAI 2015 (given weights); Shirokikh et al., MICCAI 2020, Table 1 (adaptive)",
        advice="Write wce(weight=10), or wce(adaptive=True) for the paper's form; without either it is bce. Gives "
        "recall for false positives and loose outlines: in the paper the adaptive form found most nodules of LUNA16, "
        "where a patch seldom has two, and had the lowest object Dice on all three data sets.",
        parameters=(
            Parameter(
                "weight",
                1.0,
                "weight of foreground voxels, background has 1; with adaptive a factor of that weight",
                low=0,
                low_open=True,
            ),
            Parameter("adaptive", False, "the weight is the ratio of predicted background to predicted foreground"),
        ),
        voxel_sum=True,
    ),
    Entry(
        name="topk",
        title="Top-k cross-entropy",
        family=Family.DISTRIBUTION,
        formula="mean of the floor(k N) largest -log p_i(class of voxel i), N: voxels of the batch",
        reference="Wu et al., arXiv:1605.06885; Ma, Loss Ensembles for Extremely Imbalanced Segmentation, ADAM 2020",
        advice="Learns from the hardest voxels only, which with rare lesions are mostly theirs. With dice it won "
        "ADAM 2020.",
        parameters=(Parameter("k", 0.1, "fraction of the voxels of a batch that count", low=0, high=1, low_open=True),),
    ),
    Entry(
        name="ohem",
        title="Online bootstrapped cross-entropy (OHEM)",
        family=Family.DISTRIBUTION,
        formula="mean of -log p_i over the voxels with p_i < threshold, p_i: probability of the true class; at least "
        "over the floor(k N) hardest of the N voxels of the batch",
        reference="Wu et al., arXiv:1605.06885",
        advice="topk with a number of voxels that follows how much is still wrong. Voxels that are right by a margin "
        "teach nothing, so probabilities stay less extreme than with ce.",
        parameters=(
            Parameter(
                "threshold",
                0.7,
                "probability of the true class from which on a voxel counts as learned",
                low=0,
                high=1,
                low_open=True,
            ),
            Parameter("k", 0.001, "least fraction of the voxels of a batch that count", low=0, high=1),
        ),
    ),
)
