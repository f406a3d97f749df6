"""Losses that compare predicted and true regions by their overlap."""

from __future__ import annotations

from enum import StrEnum

from lossseg.losses.catalogue import Entry, Family, Parameter


class ClassWeight(StrEnum):
    """What a class weighs by its number of voxels; see `lossseg.losses.gdice.GeneralizedDice`."""

    SQUARE = "square"
    SIMPLE = "simple"
    UNIFORM = "uniform"
    OFFSET = "offset"


class LovaszForm(StrEnum):
    """What the error of a voxel is; see `lossseg.losses.lovasz.Lovasz`."""

    SOFTMAX = "softmax"
    HINGE = "hinge"


class UnifiedForm(StrEnum):
    """What the exponents of the unified focal loss work on; see `lossseg.losses.unified_focal.UnifiedFocal`."""

    ASYMMETRIC = "asymmetric"
    SYMMETRIC = "symmetric"


BATCH = Parameter("batch", False, "sums over the whole batch rather than each sample")
POOLED = Parameter("batch", True, "sums over the whole batch, as the authors; False: over each sample")
BACKGROUND = Parameter("background", False, "the background is a class too, as printed")
HELP_SMOOTH = "added above and below; 0 is the printed form; not used inside iw"


def smooth(default: float) -> Parameter:
    return Parameter("smooth", default, HELP_SMOOTH, low=0)


ENTRIES = (
    Entry(
        name="dice",
        title="Soft Dice",
        family=Family.REGION,
        formula="1 - mean_c (2 S(p y) + s) / (S(p) + S(y) + s), s = smooth; squared: S(p^2) + S(y^2) below",
        reference="Milletari et al., 3DV 2016 (squared); Drozdzal et al., DLMIA 2016 (linear); "
        "Isensee et al., Nature Methods 18 (2021) 203-211",
        advice="Independent of the number of background voxels, but large lesions drown small ones and empty patches "
        "teach almost nothing: pair it with ce or topk.",
        parameters=(
            Parameter("squared", False, "squares in the denominator, as V-Net"),
            Parameter("batch", False, "sums over the whole batch rather than each sample, as nnU-Net's batch Dice"),
            smooth(1e-5),
        ),
        voxel_sum=True,
    ),
    Entry(
        name="iou",
        title="Soft Jaccard (IoU)",
        family=Family.REGION,
        formula="1 - mean_c (TP + s) / (TP + FP + FN + s), TP = S(p y), FP = S(p (1-y)), FN = S((1-p) y), s = smooth",
        reference="Rahman & Wang, ISVC 2016",
        advice="Orders predictions as dice does, with a steeper slope where the overlap is nearly perfect and a "
        "flatter one where it is poor. Pair it with ce or topk.",
        parameters=(BATCH, smooth(1e-5)),
        voxel_sum=True,
    ),
    Entry(
        name="gdice",
        title="Generalised Dice",
        family=Family.REGION,
        formula="1 - 2 S_c w_c S(p y) / S_c w_c (S(p) + S(y)), c: all classes with the background; w_c: square 1/V^2, "
        "simple 1/V, uniform 1, offset 1/(1+V^2) for V voxels; squared: S(p^2) + S(y^2) below",
        reference="Sudre et al., DLMIA 2017; squared, offset: Shirokikh et al., MICCAI 2020",
        advice="Balances classes of unequal size, not lesions: a large lesion still drowns a small one of its class. "
        "Unlike dice it learns from empty patches. gdice(weight=offset, squared=True) is the inverse-weighting paper's "
        "code.",
        parameters=(
            Parameter(
                "weight",
                ClassWeight.SQUARE.value,
                "weight of a class by its volume",
                choices=tuple(weight.value for weight in ClassWeight),
            ),
            Parameter("squared", False, "squares in the denominator"),
            BATCH,
        ),
        voxel_sum=True,
    ),
    Entry(
        name="focal_tversky",
        title="Focal Tversky",
        family=Family.REGION,
        formula="mean_c (1 - (TP + s) / (TP + alpha FP + beta FN + s))^gamma, TP = S(p y), FP = S(p (1-y)), "
        "FN = S((1-p) y), s = smooth",
        reference="Abraham & Khan, ISBI 2019 (printed: exponent 1/gamma, gamma = 4/3)",
        advice="For small lesions: beta above alpha favours recall, and gamma below 1 keeps the gradient up when most "
        "of a lesion is already found. Pair it with ce or topk for empty patches.",
        parameters=(
            Parameter("alpha", 0.3, "weight of false positives", low=0, high=1),
            Parameter("beta", 0.7, "weight of false negatives", low=0, high=1),
            Parameter("gamma", 0.75, "the exponent itself; 1 is tversky", low=0, high=10, low_open=True),
            BATCH,
            smooth(5e-6),
        ),
        voxel_sum=True,
    ),
    Entry(
        name="asl",
        title="Asymmetric similarity",
        family=Family.REGION,
        formula="1 - mean_c ((1 + beta^2) S(p y) + s) / (beta^2 S(y) + S(p) + s), s = smooth; squared: S(p^2) for S(p)",
        reference="Hashemi et al., IEEE Access 7 (2019) 1721-1735; as in Shirokikh et al., MICCAI 2020 "
        "(printed linear, squared in their code)",
        advice="The F-beta score: beta above 1 asks for recall, 1 is dice. iw(asl) had the best recall of the "
        "inverse-weighting paper on metastases and liver tumours.",
        parameters=(
            Parameter("beta", 1.5, "how much more recall counts than precision", low=0, high=10, low_open=True),
            Parameter("squared", False, "squares in the denominator, as the paper's code"),
            BATCH,
            smooth(1e-5),
        ),
        voxel_sum=True,
    ),
    Entry(
        name="sensitivity_specificity",
        title="Sensitivity and specificity",
        family=Family.REGION,
        formula="mean_c [ r S(y (1-p)^2) / S(y) + (1-r) S((1-y) p^2) / S(1-y) ]",
        reference="Brosch et al., MICCAI 2015",
        advice="Both classes count the same whatever their size, so with rare lesions a small r is needed to keep "
        "false positives down. Learns from empty patches. Weaker than dice in Sudre et al., DLMIA 2017.",
        parameters=(
            Parameter("r", 0.1, "weight of the foreground's part (sensitivity), background has 1 - r", low=0, high=1),
        ),
        voxel_sum=True,
    ),
    Entry(
        name="lovasz",
        title="Lovász-Softmax and Lovász hinge",
        family=Family.REGION,
        formula="mean_c S_k e_k (J_k - J_(k-1)), errors e sorted from the largest, J_k: Jaccard loss when the first k "
        "voxels are wrong; e = |y - p| (softmax) or max(0, 1 - logit of the right answer) (hinge)",
        reference="Berman et al., CVPR 2018",
        advice="The Jaccard index itself rather than a soft version of it: for the last percent of overlap, usually "
        "after a training with dice_ce. Sorts the errors, so it is slower than other region losses.",
        parameters=(
            Parameter(
                "form",
                LovaszForm.SOFTMAX.value,
                "what an error is",
                choices=tuple(form.value for form in LovaszForm),
            ),
            BATCH,
            Parameter("present", False, "classes without foreground do not count, as the authors' Lovász-Softmax"),
        ),
    ),
    Entry(
        name="tvmf_dice",
        title="t-vMF Dice",
        family=Family.REGION,
        formula="mean_c (1 - phi_c)^2, phi = (1 + cos) / (1 + kappa (1 - cos)) - 1, "
        "cos = S(p y) / sqrt(S(p^2) S(y^2)); adaptive: kappa_c = kappa times the class's Dice in the last validation",
        reference="Kato & Hotta, Computers in Biology and Medicine (2023) 107695, arXiv:2207.07842",
        advice="Several classes of unequal difficulty. The cosine does not see how large the probabilities are, and "
        "empty patches teach nothing: pair it with ce.",
        parameters=(
            Parameter("kappa", 32.0, "how compact the similarity is; with adaptive its value for a Dice of 1", low=0),
            Parameter("adaptive", False, "kappa of each class follows its validation Dice, 0 before the first one"),
            POOLED,
            BACKGROUND,
        ),
        voxel_sum=True,
    ),
    Entry(
        name="explog",
        title="Exponential logarithmic",
        family=Family.COMPOUND,
        formula="share mean_c (-log Dice_c)^gamma_dice + (1 - share) mean_i w_i (-log p_i)^gamma_ce, "
        "Dice = (2 TP + s) / (2 TP + FP + FN + s), p_i: probability of the true class, w: weight on foreground, else 1",
        reference="Wong et al., MICCAI 2018 (gamma_ce=1: SegLoss, Ma et al., Medical Image Analysis 71 (2021) 102035)",
        advice="Many classes of very unequal size. The printed weight of a class is the root of N / V in the training "
        "set: for a foreground of 1 in 10,000 voxels that is weight=100.",
        parameters=(
            Parameter("gamma_dice", 0.3, "exponent of the Dice part", low=0, high=10, low_open=True),
            Parameter("gamma_ce", 0.3, "exponent of the cross-entropy; 1 as in SegLoss", low=0, high=10, low_open=True),
            Parameter("share", 0.8, "share of the Dice part", low=0, high=1),
            Parameter("weight", 1.0, "weight of foreground voxels in the cross-entropy, background has 1", low=0),
            BACKGROUND,
            smooth(1.0),
        ),
        voxel_sum=True,
    ),
    Entry(
        name="unified_focal",
        title="Unified focal",
        family=Family.COMPOUND,
        formula="weight mean_c (1 - TI_c)^e_c - (1 - weight) mean_i a_i (1 - p_i)^m_i log p_i, TI = (TP + s) / (TP + "
        "delta FN + (1 - delta) FP + s), c: all classes with the background, a: delta on foreground, else 1 - delta; "
        "symmetric: e = 1 - gamma, m = gamma; asymmetric: e = 1 on background, m = 0 on foreground",
        reference="Yeung et al., Computerized Medical Imaging and Graphics 95 (2022) 102026, arXiv:2102.04525",
        advice="One loss for imbalance in voxels and in regions with three parameters; asymmetric is for a rare "
        "foreground. The authors' values are the defaults.",
        parameters=(
            Parameter(
                "form",
                UnifiedForm.ASYMMETRIC.value,
                "what the exponents work on",
                choices=tuple(form.value for form in UnifiedForm),
            ),
            Parameter("delta", 0.6, "weight of foreground voxels and of false negatives", low=0, high=1),
            Parameter("gamma", 0.5, "how strongly easy voxels are turned down", low=0, high=1, high_open=True),
            Parameter("weight", 0.5, "share of the region part", low=0, high=1),
            smooth(1e-7),
        ),
        voxel_sum=True,
    ),
)
