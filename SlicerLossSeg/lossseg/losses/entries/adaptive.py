"""Sums of losses whose weights follow the course of training."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family, Parameter

ENTRIES = (
    Entry(
        name="softadapt",
        title="SoftAdapt",
        family=Family.ADAPTIVE,
        formula="n sum_k w_k L_k, w_k = exp(beta s_k) / sum_j exp(beta s_j), s_k: recent slope of L_k",
        reference="Heydari et al., SoftAdapt, arXiv:1912.12355",
        advice="Turns to the loss that falls least. Normalized slopes make it independent of the losses' scales.",
        parameters=(
            Parameter("beta", 0.1, "how strongly slopes count; below 0 prefers the loss that falls most"),
            Parameter(
                "variant",
                "normalized",
                "slopes as they are, times the mean loss, or relative to all slopes",
                choices=("plain", "weighted", "normalized"),
            ),
            Parameter("history", 5, "steps that a slope is taken over", low=2, high=10, whole=True),
            Parameter("every", 5, "steps between two updates", low=1, high=100000, whole=True),
        ),
        inside=(2, None),
    ),
    Entry(
        name="cov",
        title="CoV-weighting",
        family=Family.ADAPTIVE,
        formula="n sum_k w_k L_k, w_k = c_k / sum_j c_j, c_k: standard deviation over mean of L_k / mean(L_k)",
        reference="Groenendijk et al., Multi-Loss Weighting with Coefficient of Variations, WACV 2021",
        advice="Gives weight to what still varies, without a parameter to choose; needs some hundred steps to settle.",
        inside=(2, None),
    ),
    Entry(
        name="uncertainty",
        title="Uncertainty weighting",
        family=Family.ADAPTIVE,
        formula="sum_k exp(-s_k) L_k + s_k / 2, s_k = log sigma_k^2 learned",
        reference="Kendall et al., CVPR 2018",
        advice="Learns one weight per loss. A loss with small values gets a large weight: the balance follows the "
        "scales of the losses.",
        parameters=(Parameter("lr", 1e-3, "learning rate of the weights, by Adam", low=0, high=1, low_open=True),),
        inside=(2, None),
    ),
    Entry(
        name="schedule",
        title="Scheduled weight",
        family=Family.ADAPTIVE,
        formula="(start + step e) L, kept between start and stop, e: finished epochs",
        reference="Kervadec et al., MIDL 2019 (boundary loss)",
        advice="Brings a loss in late, such as boundary, which alone cannot begin a training: "
        "gdice + schedule(boundary).",
        parameters=(
            Parameter("start", 0.01, "weight in the first epoch", low=0),
            Parameter("step", 0.01, "change of the weight after each epoch"),
            Parameter("stop", 1.0, "weight that is not passed", low=0),
        ),
        inside=(1, 1),
    ),
)
