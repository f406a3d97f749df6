"""Names for sums that papers made known."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family

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
        name="dice_topk",
        title="Dice and top-k cross-entropy (ADAM 2020 winner)",
        family=Family.COMPOUND,
        formula="dice + topk(k=0.1)",
        reference="Ma, Loss Ensembles for Extremely Imbalanced Segmentation, ADAM 2020",
        advice="For very rare foreground; its models complement those of dice_ce in an ensemble.",
        stands_for="dice + topk(k=0.1)",
    ),
)
