"""Losses that know the single lesions of a target."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family

ENTRIES = (
    Entry(
        name="iw",
        title="Inverse weighting",
        family=Family.INSTANCE,
        formula="the loss inside with voxel weights w_j = N / ((K+1) |L_j|) in lesion L_j (L_0: background)",
        reference="Shirokikh et al., MICCAI 2020, Eq. (1) and Table 1",
        advice="Every lesion of a patch, however small, counts as much as any other. Finds more small lesions at the "
        "price of false positives: mix it with an unweighted loss, as 0.5*dice + 0.5*iw(bce).",
        inside=(1, 1),
        voxel_sums_only=True,
        maps=frozenset({"inverse_weights"}),
    ),
)
