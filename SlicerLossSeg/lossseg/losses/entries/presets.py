"""Names for sums that papers made known."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family

SHIROKIKH = "Shirokikh et al., MICCAI 2020"
INVERSE_WEIGHTS = frozenset({"inverse_weights"})

ENTRIES = (
    Entry(
        name="dice_ce",
        title="Dice and cross-entropy (nnU-Net)",
        family=Family.COMPOUND,
        formula="dice + ce",
        reference="Isensee et al., Nature Methods 18 (2021) 203-211",
        advice="The robust default.",
        stands_for="dice + ce",
    ),
    Entry(
        name="dice_bce",
        title="Dice and binary cross-entropy",
        family=Family.COMPOUND,
        formula="dice + bce",
        reference="Isensee et al., Nature Methods 18 (2021) 203-211 (region-based training)",
        advice="dice_ce for several foreground classes that are each told from all the rest; the same for one.",
        stands_for="dice + bce",
    ),
    Entry(
        name="dice_topk",
        title="Dice and top-k cross-entropy (ADAM 2020 winner)",
        family=Family.COMPOUND,
        formula="dice + topk(k=0.1)",
        reference="Ma, Loss Ensembles for Extremely Imbalanced Segmentation, ADAM 2020",
        advice="For very rare foreground; its models complement those of dice_ce in an ensemble.",
        stands_for="dice + topk(k=0.1)",
    ),
    Entry(
        name="dice_focal",
        title="Dice and focal loss (HECKTOR 2020 winner)",
        family=Family.COMPOUND,
        formula="dice(squared=True, smooth=1) - mean_i (1 - p_i)^2 log p_i, p_i: probability of the true class",
        reference="Iantsen et al., HECKTOR 2020, LNCS 12603 (2021) 37-43",
        advice="For one tumour of a patch against much background. Their code keeps the focal part's probabilities "
        "within [0.001, 0.999], where they get no gradient; here they are not clipped.",
        stands_for="dice(squared=True, smooth=1) + 2*focal(gamma=2, alpha=0.5)",
    ),
    Entry(
        name="combo",
        title="Combo loss",
        family=Family.COMPOUND,
        formula="0.5 (0.5 ce) + 0.5 dice(smooth=1)",
        reference="Taghanaki et al., Computerized Medical Imaging and Graphics 75 (2019) 24-33",
        advice="alpha = beta = 0.5 of the paper, which subtracts half the Dice instead of adding half of 1 - Dice: its "
        "values are 0.5 lower, its gradients the same. Another alpha A and beta B are "
        "A*focal(gamma=0, alpha=B) + (1-A)*dice(smooth=1), written with numbers.",
        stands_for="0.25*ce + 0.5*dice(smooth=1)",
    ),
    Entry(
        name="gdice_bce",
        title="Generalised Dice and binary cross-entropy",
        family=Family.COMPOUND,
        formula="gdice + bce",
        reference="Sudre et al., DLMIA 2017 (gdice)",
        advice="For several classes of very unequal size, where dice_ce neglects the small ones.",
        stands_for="gdice + bce",
    ),
    Entry(
        name="gdice_boundary",
        title="Generalised Dice and boundary loss",
        family=Family.COMPOUND,
        formula="gdice + w boundary, w: 0.01 in the first epoch, then 0.01 more in each, at most 1",
        reference="Kervadec et al., MIDL 2019, Medical Image Analysis 67 (2021) 101851",
        advice="Adds the distance of errors to the overlap, which helps where contours matter. The authors take from "
        "the weight of gdice what they give to the boundary.",
        maps=frozenset({"signed_distance"}),
        stands_for="gdice + schedule(boundary, start=0.01, step=0.01)",
    ),
    Entry(
        name="iw_bce",
        title="Inversely weighted binary cross-entropy (iwBCE)",
        family=Family.INSTANCE,
        formula="iw(bce)",
        reference=SHIROKIKH,
        advice="Found more lesions than bce on all three data sets of the paper, with outlines a little looser.",
        maps=INVERSE_WEIGHTS,
        stands_for="iw(bce)",
    ),
    Entry(
        name="iw_focal",
        title="Inversely weighted focal loss (iwFL)",
        family=Family.INSTANCE,
        formula="iw(focal(gamma=2, alpha=0.75))",
        reference=SHIROKIKH,
        advice="Found more lesions than focal on all three data sets of the paper.",
        maps=INVERSE_WEIGHTS,
        stands_for="iw(focal(gamma=2, alpha=0.75))",
    ),
    Entry(
        name="iw_dice",
        title="Inversely weighted Dice (iwDL)",
        family=Family.INSTANCE,
        formula="iw(dice(squared=True))",
        reference=SHIROKIKH,
        advice="The highest or nearly the highest recall of the paper on all three data sets. Teaches nothing from "
        "empty patches: sample lesions often, or add ce.",
        maps=INVERSE_WEIGHTS,
        stands_for="iw(dice(squared=True))",
    ),
    Entry(
        name="iw_asl",
        title="Inversely weighted asymmetric similarity (iwASL)",
        family=Family.INSTANCE,
        formula="iw(asl(beta=1.5))",
        reference=SHIROKIKH,
        advice="The highest recall of the paper on metastases and liver tumours. As printed; the paper's code is "
        "iw(asl(squared=True)).",
        maps=INVERSE_WEIGHTS,
        stands_for="iw(asl(beta=1.5))",
    ),
)
