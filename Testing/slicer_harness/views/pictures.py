"""Pictures of a panel and of the whole application, as a person would see them."""

import slicer

from ..binding import QtCore, QtGui
from .four_up import SLICE_VIEWS, THREE_D_VIEW
from .pixels import to_qimage

PANEL_WIDTH = 420
BAR = 18  # height of the coloured bar above a view
GAP = 2
ORDER = (SLICE_VIEWS[0], THREE_D_VIEW, *SLICE_VIEWS[1:])  # row by row, as in Slicer's four-up layout


def panel_picture(widget, width: int = PANEL_WIDTH, height: int | None = None) -> QtGui.QImage:
    """The module's panel in a dock of this width; as high as it wants to be, or cut like a dock of that height."""
    parent = widget.parent
    parent.resize(width, height or parent.sizeHint.height())
    parent.show()
    slicer.app.processEvents()
    picture = parent.grab().toImage()
    return picture.copy(0, 0, width, height) if height else picture


def application_picture(widget, width: int = 1500, height: int = 900, fit: bool = False) -> QtGui.QImage:
    """The panel at the left and the four views beside it; fit: show the whole background volume in each."""
    picture = QtGui.QImage(width, height, QtGui.QImage.Format.Format_RGB888)
    picture.fill(QtGui.QColor("#303030"))
    painter = QtGui.QPainter(picture)
    painter.drawImage(0, 0, panel_picture(widget, PANEL_WIDTH, height))
    cell = QtCore.QSize((width - PANEL_WIDTH) // 2, height // 2)
    for place, name in enumerate(ORDER):
        corner = QtCore.QPoint(PANEL_WIDTH + cell.width() * (place % 2), cell.height() * (place // 2))
        _draw_view(painter, slicer.app.layoutManager()._views[name], QtCore.QRect(corner, cell), fit)
    painter.end()
    return picture


def _draw_view(painter: QtGui.QPainter, view, cell: QtCore.QRect, fit: bool) -> None:
    inside = cell.adjusted(GAP, 0, 0, -GAP)
    bar = QtCore.QRect(inside.x(), inside.y(), inside.width(), BAR)
    painter.fillRect(bar, QtGui.QColor.fromRgbF(*view.node.GetLayoutColor()))
    painter.drawText(bar.adjusted(GAP * 2, 0, 0, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, view.node.GetLayoutLabel())
    view.resize(inside.width(), inside.height() - BAR)
    if fit:
        view.fit()
    painter.drawImage(inside.x(), inside.y() + BAR, to_qimage(view.render()))
