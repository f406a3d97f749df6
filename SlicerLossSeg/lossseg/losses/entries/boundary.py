"""Losses that weigh voxels with how far they lie from the target's surface."""

from __future__ import annotations

from enum import StrEnum

from lossseg.losses.catalogue import Entry, Family, Parameter


class HausdorffForm(StrEnum):
    """How the Hausdorff distance is estimated; see `lossseg.losses.hausdorff.Hausdorff`."""

    TWO_SIDED = "two_sided"
    ONE_SIDED = "one_sided"
    EROSION = "erosion"


ENTRIES = (
    Entry(
        name="boundary",
        title="Boundary loss",
        family=Family.BOUNDARY,
        formula="mean_i,c p_ic phi_ic, phi: distance to class c outside it, -(depth - 1) inside, in mm",
        reference="Kervadec et al., Boundary loss for highly unbalanced segmentation, MIDL 2019, MedIA 67 (2021)",
        advice="Pulls surfaces into place once the network finds the target; alone it leads to an empty prediction. "
        "As published: gdice + schedule(boundary). Its values grow with distances in mm.",
        maps=frozenset({"signed_distance"}),
    ),
    Entry(
        name="hausdorff",
        title="Hausdorff distance loss",
        family=Family.BOUNDARY,
        formula="mean_i,c (p - y)^2 (d_y^alpha + d_p^alpha), d: distance to the surface in mm; one_sided: without d_p; "
        "erosion: mean_i,c S_k k^alpha E_k, E_k: (p - y)^2 eroded k times",
        reference="Karimi & Salcudean, Reducing the Hausdorff Distance in Medical Image Segmentation with "
        "Convolutional Neural Networks, IEEE TMI 39 (2020) 499-513",
        advice="Against few but far errors. two_sided transforms the prediction on the CPU in each step; one_sided "
        "costs as much as dice. Values are large: dice + 0.001*hausdorff(form=one_sided).",
        parameters=(
            Parameter(
                "form",
                HausdorffForm.TWO_SIDED.value,
                "distances to both surfaces, to the target's only, or repeated erosion",
                choices=tuple(form.value for form in HausdorffForm),
            ),
            Parameter(
                "alpha", 2.0, "power of the distance, or of the number of erosions", low=0, high=4, low_open=True
            ),
            Parameter("erosions", 10, "how often the erosion form erodes", low=1, high=50, whole=True),
            Parameter("rescale", True, "eroded maps are brought to [0, 1], as ports do; False: as printed"),
        ),
        maps=frozenset({"distance"}),
    ),
    Entry(
        name="region_wise",
        title="Region-wise loss with rectified maps",
        family=Family.BOUNDARY,
        formula="mean_i,c p_ic z_ic, z: 1 outside class c, -depth / (largest depth) inside",
        reference="Valverde & Tohka, Region-wise loss for biomedical image segmentation, "
        "Pattern Recognition 136 (2023) 109208",
        advice="A boundary loss that can train alone: outside the target every voxel counts the same. "
        "background=True is the printed form, over all classes.",
        parameters=(Parameter("background", False, "background is one of the classes, as printed"),),
        maps=frozenset({"region_wise"}),
    ),
)
