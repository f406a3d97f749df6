"""Losses that a search found (`lossseg learn-loss`)."""

from __future__ import annotations

from lossseg.losses.catalogue import Entry, Family, Parameter

_LOW, _HIGH = -100.0, 100.0

ENTRIES = (
    Entry(
        name="taylor",
        title="Taylor polynomial (TaylorGLO)",
        family=Family.LEARNED,
        formula="-mean_i,c [ t2 u + t3/2 u^2 + t4/6 u^3 + t5 v u + t6/2 v u^2 + t7/2 v^2 u ], u = p - t1, v = y - t0, "
        "c: foreground classes; less its value for a right prediction",
        reference="Gonzalez & Miikkulainen, GECCO 2021, arXiv:2002.00059",
        advice="What `lossseg learn-loss taylor` finds. The defaults are the expansion of bce about (1/2, 1/2), which "
        "is the squared error. Surely wrong voxels teach little, as with dice: pair it with ce when in doubt.",
        parameters=(
            Parameter("t0", 0.5, "where the truth is expanded", low=_LOW, high=_HIGH),
            Parameter("t1", 0.5, "where the prediction is expanded", low=_LOW, high=_HIGH),
            Parameter("t2", 0.0, "of u", low=_LOW, high=_HIGH),
            Parameter("t3", -4.0, "of u^2", low=_LOW, high=_HIGH),
            Parameter("t4", 0.0, "of u^3", low=_LOW, high=_HIGH),
            Parameter("t5", 4.0, "of v u", low=_LOW, high=_HIGH),
            Parameter("t6", 0.0, "of v u^2", low=_LOW, high=_HIGH),
            Parameter("t7", 0.0, "of v^2 u", low=_LOW, high=_HIGH),
        ),
        voxel_sum=True,
    ),
    Entry(
        name="glo",
        title="Expression tree (GLO)",
        family=Family.LEARNED,
        formula="mean_i,c f(p_ic, y_ic), f: the tree, p drawn in to [0.001, 0.999], c: foreground classes; less its "
        "value for a right prediction",
        reference="Gonzalez & Miikkulainen, CEC 2020, arXiv:1905.11528 (Baikal: f = y/p - log p, over both outcomes)",
        advice="What `lossseg learn-loss glo` finds, or a kept tree: baikal is the paper's, found on handwritten "
        "digits. Baikal is least at p = 0.71, not at 1, which keeps predictions unsure.",
        parameters=(Parameter("tree", "baikal", "the tree", choices=("baikal", "cross_entropy"), file=True),),
        voxel_sum=True,
    ),
    Entry(
        name="ml3",
        title="Learned loss network (ML3)",
        family=Family.LEARNED,
        formula="mean_i,c [ f(p_ic, y_ic) - f(y_ic, y_ic) ], f: a small network with a softplus at its end, "
        "c: foreground classes",
        reference="Bechtle et al., Meta-learning via learned loss, ICPR 2020, arXiv:1906.05374",
        advice="What `lossseg learn-loss ml3` finds. phantoms was learned on made-up TOF volumes with rare, small "
        "lesions: an example that does worse than the Dice + BCE which it was learned from. It computes a "
        "network at every voxel, so it is slower than others.",
        parameters=(Parameter("net", "phantoms", "the network", choices=("phantoms",), file=True),),
        voxel_sum=True,
    ),
)
