"""TaylorGLO's losses: a polynomial of third order in prediction and truth."""

from __future__ import annotations

from lossseg.losses.curves import Cubic, CurveLoss
from lossseg.losses.loss import implements


@implements("taylor")
class Taylor(CurveLoss):
    """-S[t2 u + t3/2 u^2 + t4/6 u^3 + t5 v u + t6/2 v u^2 + t7/2 v^2 u], u = p - t1, v = y - t0, of third order.

    The parameters of Gonzalez & Miikkulainen (GECCO 2021, arXiv:2002.00059), which leave out what does not depend on
    the prediction; here it is 0 where the prediction is right. The sum runs over foreground classes as that of `bce`,
    so that foreground and background get curves of their own. The defaults are the expansion of `bce` about (1/2, 1/2).
    """

    def __init__(
        self,
        *,
        classes: int,
        t0: float,
        t1: float,
        t2: float,
        t3: float,
        t4: float,
        t5: float,
        t6: float,
        t7: float,
    ) -> None:
        rest = (t1, t2, t3, t4, t5, t6, t7)
        super().__init__(_curve(0.0, t0, *rest), _curve(1.0, t0, *rest), classes=classes)


def _curve(
    truth: float, t0: float, t1: float, t2: float, t3: float, t4: float, t5: float, t6: float, t7: float
) -> Cubic:
    """The polynomial in q for one truth: u = q - t1 on background, where p = q, and 1 - t1 - q on foreground."""
    v = truth - t0
    linear, square, cube = -(t2 + t5 * v + t7 / 2 * v**2), -(t3 + t6 * v) / 2, -t4 / 6
    sign, start = (1.0, -t1) if truth == 0 else (-1.0, 1 - t1)
    return Cubic(
        sign * (linear + 2 * start * square + 3 * start**2 * cube),
        square + 3 * start * cube,
        sign * cube,
    )
