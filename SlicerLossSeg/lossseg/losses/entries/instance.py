"""Losses that know the single lesions of a target."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family, Parameter

ENTRIES = (
    Entry(
        name="iw",
        title="Inverse weighting",
        family=Family.INSTANCE,
        formula="the loss inside with voxel weights w_j = N / ((K+1) |L_j|) in lesion L_j (L_0: background)",
        reference="Shirokikh et al., MICCAI 2020, Eq. (1) and Table 1",
        advice="Every lesion of a patch, however small, counts as much as any other. Finds more small lesions at the "
        "price of false positives: mix it with an unweighted loss, as 0.5*dice + 0.5*iw(bce).",
        parameters=(
            Parameter("volume", False, "weights of the whole volume, as the published code; else of each patch"),
            Parameter("clip", False, "weights kept within [1, 2e5], as the published code"),
        ),
        inside=(1, 1),
        voxel_sums_only=True,
        maps=frozenset({"inverse_weights"}),
    ),
    Entry(
        name="blob",
        title="Blob loss",
        family=Family.INSTANCE,
        formula="mean over lesions n of the loss inside, on the background and lesion n without the other lesions",
        reference="Kofler et al., blob loss, IPMI 2023 (arXiv:2205.08209)",
        advice="For many lesions of unequal size: each is a target of its own. Add it to a loss of the whole, as the "
        "authors do: 2*dice_ce + blob(dice + ce).",
        inside=(1, 1),
        voxel_sums_only=True,
        maps=frozenset({"lesions"}),
    ),
    Entry(
        name="cc",
        title="Connected-component loss",
        family=Family.INSTANCE,
        formula="mean over lesions n of the loss inside, on the voxels whose nearest lesion is n",
        reference="Bouteille et al., Learning to look closer (CC-DiceCE), arXiv:2511.17146",
        advice="Raises the recall of small lesions at the price of some false positives; each false alarm counts for "
        "one lesion only. As published: dice_ce + cc(dice + ce).",
        inside=(1, 1),
        voxel_sums_only=True,
        maps=frozenset({"nearest_lesion"}),
    ),
)
