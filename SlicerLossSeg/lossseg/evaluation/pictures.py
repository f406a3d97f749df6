"""A picture of one lesion: three planes through it, with the outlines of reference and prediction."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, generate_binary_structure, map_coordinates

from lossseg.errors import InputError
from lossseg.evaluation import png
from lossseg.evaluation.lesions import Lesion, Outcome
from lossseg.images import Geometry

REFERENCE_COLOUR = "#56b4e9"
PREDICTION_COLOUR = "#e69f00"
"""Sky blue and orange of Okabe and Ito: told apart with every kind of colour vision, and by brightness on paper."""

_GREYS = 96
_REFERENCE, _PREDICTION, _PAPER = _GREYS, _GREYS + 1, _GREYS + 2
_GAP = 6

# RAS direction of each plane's columns from left to right and of its rows from top to bottom: the patient's right is on
# the left, anterior or superior is up, and anterior is on the left of the sagittal plane.
_PLANES = {
    "axial": ((-1, 0, 0), (0, -1, 0)),
    "coronal": ((-1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, -1, 0), (0, 0, -1)),
}


def lesion_picture(
    image: np.ndarray,
    geometry: Geometry,
    reference: np.ndarray | None,
    prediction: np.ndarray,
    lesion: Lesion,
    *,
    width_mm: float = 48.0,
    pixels: int = 224,
) -> bytes:
    """A PNG file with an axial, a coronal and a sagittal plane through a lesion, side by side and true to scale.

    The planes are those of the patient (RAS), however the volume lies, and pass through the voxel of the lesion nearest
    to its centroid, which ticks at the border point to. Grey values reach from the 1st to the 99.5th percentile of what
    is shown. The outline of the reference is blue, that of the prediction orange; both run outside of the lesion.

    Args:
        image: (z, y, x).
        geometry: of all arrays.
        reference: (z, y, x) labels, or None.
        prediction: (z, y, x) labels.
        lesion: what to show; outlines are of its class.
        width_mm: side of each plane; more for a lesion that needs it.
        pixels: side of each plane.

    Raises:
        InputError: an array is not of the geometry's size.
    """
    for what, array in (("image", image), ("reference", reference), ("prediction", prediction)):
        if array is not None and array.shape != tuple(geometry.size):
            sizes = f"{'x'.join(map(str, array.shape))}, not {'x'.join(map(str, geometry.size))}"
            raise InputError(f"The {what} to draw has the size {sizes}.", "Give arrays (z, y, x) of one case.")
    inverse = np.linalg.inv(geometry.affine)
    own = reference if reference is not None and lesion.outcome is Outcome.MISSED else prediction
    centre = (geometry.affine @ np.append(_focus(own, geometry, inverse, lesion)[::-1], 1))[:3]
    width_mm = max(width_mm, 1.5 * lesion.diameter_mm)
    grids = [_grid(centre, inverse, columns, rows, width_mm, pixels) for columns, rows in _PLANES.values()]

    shown = [_sample(image, grid, np.nan, order=1) for grid in grids]
    low, high = _window(np.stack(shown))
    panels = []
    for grid, grey in zip(grids, shown, strict=True):
        panel = np.nan_to_num((grey - low) / (high - low)).clip(0, 1) * (_GREYS - 1)
        panel = panel.round().astype(np.uint8)
        _tick(panel)
        _outline(panel, _inside(reference, grid, lesion.label), _inside(prediction, grid, lesion.label))
        panels += [panel, np.full((pixels, _GAP), _PAPER, np.uint8)]
    return png.encode(np.hstack(panels[:-1]), _palette())


def _focus(own: np.ndarray, geometry: Geometry, inverse: np.ndarray, lesion: Lesion) -> np.ndarray:
    """The voxel (z, y, x) of the lesion's class nearest to its centroid."""
    centroid = (inverse @ np.append(lesion.centroid_ras, 1))[2::-1]
    nearest = np.clip(np.rint(centroid), 0, np.array(geometry.size) - 1).astype(int)
    if own[tuple(nearest)] == lesion.label:
        return nearest
    reach = np.ceil(lesion.diameter_mm / np.array(geometry.spacing)).astype(int) + 1
    first = np.maximum(nearest - reach, 0)
    box = own[tuple(slice(low, high) for low, high in zip(first, nearest + reach + 1, strict=True))]
    voxels = np.argwhere(box == lesion.label) + first
    if not len(voxels):
        return nearest
    distance = np.linalg.norm((voxels - centroid) * geometry.spacing, axis=1)
    closest: np.ndarray = voxels[distance.argmin()]
    return closest


def _grid(
    centre: np.ndarray,
    inverse: np.ndarray,
    columns: tuple[int, int, int],
    rows: tuple[int, int, int],
    width_mm: float,
    pixels: int,
) -> np.ndarray:
    """(3, pixels, pixels) voxel positions z, y, x of a plane's pixels."""
    offset = (np.arange(pixels) - (pixels - 1) / 2) * (width_mm / pixels)
    position = centre + offset[None, :, None] * np.array(columns) + offset[:, None, None] * np.array(rows)
    index = position @ inverse[:3, :3].T + inverse[:3, 3]
    return np.moveaxis(index[..., ::-1], -1, 0)


def _window(values: np.ndarray) -> tuple[float, float]:
    inside = values[np.isfinite(values)]
    low, high = np.percentile(inside, (1, 99.5)) if len(inside) else (0.0, 0.0)
    return float(low), float(high if high > low else low + 1)


def _inside(labels: np.ndarray | None, grid: np.ndarray, label: int) -> np.ndarray:
    if labels is None:
        return np.zeros(grid.shape[1:], bool)
    inside: np.ndarray = _sample(labels, grid, 0, order=0) == label
    return inside


def _sample(array: np.ndarray, grid: np.ndarray, outside: float, order: int) -> np.ndarray:
    """float32 values at the positions of `grid`; `outside` beyond the outer faces of the border voxels."""
    values: np.ndarray = map_coordinates(array, grid, np.float32, order=order, mode="nearest")
    ends = np.array(array.shape)[:, None, None] - 0.5
    values[((grid < -0.5) | (grid > ends)).any(axis=0)] = outside
    return values


def _outline(panel: np.ndarray, reference: np.ndarray, prediction: np.ndarray) -> None:
    """Two pixels around each; where both run together the reference keeps the outer one."""
    square = generate_binary_structure(2, 2)
    (near, far), (_, around) = ([binary_dilation(mask, square, n) for n in (1, 2)] for mask in (reference, prediction))
    panel[far & ~reference] = _REFERENCE
    panel[around & ~prediction & ~(far & ~near)] = _PREDICTION


def _tick(panel: np.ndarray) -> None:
    length, middle = len(panel) // 16, len(panel) // 2
    for side in (panel, panel.T, panel[::-1], panel.T[::-1]):
        side[:length, middle - 1 : middle + 1] = _GREYS - 1


def _palette() -> np.ndarray:
    greys = np.linspace(0, 255, _GREYS).round().astype(np.uint8)
    colours = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (REFERENCE_COLOUR, PREDICTION_COLOUR)]
    return np.vstack([np.column_stack([greys] * 3), colours, [[255, 255, 255]]]).astype(np.uint8)
