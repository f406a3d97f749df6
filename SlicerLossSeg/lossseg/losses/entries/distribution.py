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
        name="focal",
        title="Focal loss",
        family=Family.DISTRIBUTION,
        formula="-mean_i a_i (1 - p_i)^gamma log p_i, p_i: probability of the true class; "
        "a_i: alpha on foreground, 1 - alpha on background",
        reference="Lin et al., ICCV 2017; as in Shirokikh et al., MICCAI 2020",
        advice="Turns down voxels that are already right. 2*focal(alpha=0.5) is the form without class weights.",
        parameters=(
            Parameter("gamma", 2.0, "how strongly easy voxels are turned down; 0 is weighted ce", low=0, high=10),
            Parameter("alpha", 0.75, "weight of foreground voxels, background has 1 - alpha", low=0, high=1),
        ),
        voxel_sum=True,
    ),
)
