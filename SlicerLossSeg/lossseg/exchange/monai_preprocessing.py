"""The preprocessing and the windows of a MONAI bundle, as a grid of ours. No torch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lossseg.errors import InputError
from lossseg.exchange.monai_component import Component, chain, component
from lossseg.exchange.monai_values import Values
from lossseg.preprocessing import MonaiGrid, MonaiStep, StepKind
from lossseg.preprocessing.monai_grid import OUTSIDE, check_axcodes

Spacing = tuple[float, float, float]

_COMMON = ("keys", "allow_missing_keys", "lazy", "meta_keys", "meta_key_postfix")
_USUAL_LABELS = [["L", "R"], ["P", "A"], ["I", "S"]]
_ABOVE_ZERO = re.compile(r"\$lambda (\w+): ?\1 ?> ?0(\.0*)?")
_NOT_ZERO = re.compile(r"\$lambda (\w+): ?\1 ?!= ?0(\.0*)?")
_TYPES = ("EnsureType", "ToTensor", "CastToType", "Identity")


@dataclass(frozen=True)
class Windows:
    """What an inferer says: the window in voxels along the axes of the network's grid, and the rest as `MonaiGrid`."""

    patch: tuple[int, int, int]
    overlap: Spacing
    sigma: float
    outside: str
    fill: float


def read_grid(values: Values, windows: Windows) -> tuple[MonaiGrid, Spacing]:
    """The grid that `preprocessing` brings an image onto, and its spacing in mm (1 where nothing is resampled).

    Raises:
        InputError: a transform that is not known or does what cannot be done here.
    """
    axcodes, steps = "", list[MonaiStep]()
    spacing: Spacing | None = None
    image = ""
    for transform in chain(values, "preprocessing"):
        read = _STEPS.get(transform.name)
        if transform.name not in ("LoadImage", "EnsureChannelFirst", "Orientation", "Spacing", *_TYPES) and not read:
            raise InputError(
                f"{values.path}: the transform {transform.target} ({transform.key}) is not supported.",
                f"Supported: {', '.join(('LoadImage', 'EnsureChannelFirst', 'Orientation', 'Spacing', *_STEPS))}.",
            )
        if transform.name == "LoadImage":
            image = image or _image_key(transform)
        if image not in transform.entries():
            continue
        match transform.name:
            case "LoadImage":
                without_effect = ("image_only", "reader", "ensure_channel_first", "simple_keys", "overwriting")
                transform.check(without_effect=(*_COMMON, *without_effect))
            case "EnsureChannelFirst":
                transform.check((), (*_COMMON, "strict_check"), {"channel_dim": (None, "no_channel")})
            case "Orientation":
                if axcodes or spacing is not None:
                    raise transform.refused("axcodes", transform.constant("axcodes"), "Turn once, before resampling.")
                axcodes = _axcodes(transform)
            case "Spacing":
                if spacing is not None:
                    raise transform.refused("pixdim", transform.constant("pixdim"), "Resample once.")
                spacing = _pixdim(transform, image)
                steps.append(MonaiStep(StepKind.RESAMPLE))
            case _ if read is not None:
                steps.append(read(transform))
            case _:
                transform.check(without_effect=(*_COMMON, "data_type", "device", "track_meta", "wrap_sequence"))
    if not image:
        raise InputError(
            f"{values.path}: preprocessing loads no image.", "Import a bundle that begins with LoadImaged."
        )
    grid = MonaiGrid(axcodes, tuple(steps), windows.overlap, windows.sigma, windows.outside, windows.fill)
    return grid, spacing or (1.0, 1.0, 1.0)


def read_windows(values: Values) -> Windows:
    """The windows of `inferer`.

    Raises:
        InputError: no sliding windows, or such that cannot be had here.
    """
    inferer = component(values, values.raw("inferer"), "inferer")
    if inferer is None or inferer.name not in ("SlidingWindowInferer", "SlidingWindowInfererAdapt"):
        raise InputError(
            f"{values.path}: the inferer is {inferer.target if inferer else 'switched off'}.",
            "Supported is SlidingWindowInferer.",
        )
    inferer.check(
        ("roi_size", "overlap", "mode", "sigma_scale", "padding_mode", "cval"),
        ("sw_batch_size", "sw_device", "device", "progress", "cache_roi_weight_map", "cpu_thresh"),
        {"buffer_steps": (None,), "with_coord": (False,)},
    )
    mode, outside = inferer.constant("mode", "constant"), inferer.constant("padding_mode", "constant")
    if mode not in ("constant", "gaussian"):
        raise inferer.refused("mode", mode, "Supported are constant and gaussian.")
    if outside not in OUTSIDE:
        raise inferer.refused("padding_mode", outside, f"Supported are {', '.join(OUTSIDE)}.")
    a, b, c = _three(inferer, "roi_size", None)
    if not all(edge >= 1 and edge == int(edge) for edge in (a, b, c)):
        raise inferer.refused("roi_size", inferer.constant("roi_size"), "Three whole numbers above 0 are needed.")
    overlap = _three(inferer, "overlap", 0.25)
    if not all(0 <= share < 1 for share in overlap):
        raise inferer.refused("overlap", inferer.constant("overlap"), "It must be from 0 to below 1.")
    sigma = inferer.number("sigma_scale", 0.125)
    if sigma <= 0:
        raise inferer.refused("sigma_scale", sigma, "It must be above 0.")
    fill = inferer.number("cval", 0.0)
    return Windows((int(a), int(b), int(c)), overlap, sigma if mode == "gaussian" else 0.0, outside, fill)


def _three(part: Component, argument: str, default: float | None) -> Spacing:
    value = part.constant(argument, default)
    entries = value if isinstance(value, list) else [value] * 3
    if len(entries) != 3 or not all(type(n) in (int, float) and math.isfinite(n) for n in entries):
        raise part.refused(argument, value, "One number or three are needed.")
    return float(entries[0]), float(entries[1]), float(entries[2])


def _image_key(transform: Component) -> str:
    keys = transform.entries()
    if len(keys) != 1 and "image" not in keys:
        raise transform.refused("keys", keys, "Import a bundle that loads all channels as one image.")
    return keys[0] if len(keys) == 1 else "image"


def _axcodes(transform: Component) -> str:
    transform.check(("axcodes", "as_closest_canonical"), _COMMON, {"labels": (None, _USUAL_LABELS)})
    if transform.flag("as_closest_canonical"):
        return "RAS"
    axcodes = transform.constant("axcodes")
    try:
        return check_axcodes("".join(axcodes)) or _nothing(axcodes)
    except (TypeError, ValueError) as error:
        raise transform.refused("axcodes", axcodes, "Three letters such as RAS are needed.") from error


def _nothing(axcodes: object) -> str:
    raise ValueError(axcodes)


def _pixdim(transform: Component, image: str) -> Spacing:
    transform.check(
        ("pixdim", "mode"),
        (*_COMMON, "align_corners", "dtype", "ensure_same_shape"),
        {
            "padding_mode": ("border", ["border"]),
            "scale_extent": (False,),
            "diagonal": (False,),
            "recompute_affine": (False,),
            "min_pixdim": (None,),
            "max_pixdim": (None,),
        },
    )
    mode = transform.constant("mode", "bilinear")
    if isinstance(mode, list):
        mode = mode[min(transform.entries().index(image), len(mode) - 1)] if mode else None
    if mode != "bilinear":
        raise transform.refused("mode", mode, "Supported is bilinear.")
    spacing = _three(transform, "pixdim", None)
    if min(spacing) <= 0:
        raise transform.refused("pixdim", list(spacing), "Three lengths in mm above 0 are needed.")
    return spacing


def _range(transform: Component) -> MonaiStep:
    transform.check(("a_min", "a_max", "b_min", "b_max", "clip"), _COMMON)
    return MonaiStep(
        StepKind.RANGE,
        low=transform.number("a_min"),
        high=transform.number("a_max"),
        to_low=transform.maybe("b_min"),
        to_high=transform.maybe("b_max"),
        clip=transform.flag("clip"),
    )


def _percentiles(transform: Component) -> MonaiStep:
    transform.check(("lower", "upper", "b_min", "b_max", "clip", "channel_wise"), _COMMON, {"relative": (False,)})
    low, high = transform.number("lower"), transform.number("upper")
    for argument, share in (("lower", low), ("upper", high)):
        if not 0 <= share <= 100:
            raise transform.refused(argument, share, "It must be from 0 to 100.")
    return MonaiStep(
        StepKind.PERCENTILES,
        low=low,
        high=high,
        to_low=transform.maybe("b_min"),
        to_high=transform.maybe("b_max"),
        clip=transform.flag("clip"),
        channel_wise=transform.flag("channel_wise"),
    )


def _scale(transform: Component) -> MonaiStep:
    transform.check(("minv", "maxv", "channel_wise"), _COMMON, {"factor": (None,)})
    return MonaiStep(
        StepKind.SCALE,
        to_low=transform.number("minv", 0.0),
        to_high=transform.number("maxv", 1.0),
        channel_wise=transform.flag("channel_wise"),
    )


def _normalise(transform: Component) -> MonaiStep:
    transform.check(("subtrahend", "divisor", "nonzero", "channel_wise"), _COMMON)
    mean, std = transform.maybe("subtrahend"), transform.maybe("divisor")
    channel_wise = transform.flag("channel_wise")
    if channel_wise and not mean is std is None:
        raise transform.refused("channel_wise", True, "Supported without subtrahend and divisor.")
    return MonaiStep(
        StepKind.NORMALISE, mean=mean, std=std, nonzero=transform.flag("nonzero"), channel_wise=channel_wise
    )


def _crop(transform: Component) -> MonaiStep:
    transform.check(
        ("select_fn", "source_key"),
        (*_COMMON, "allow_smaller", "mode", "start_coord_key", "end_coord_key", "constant_values"),
        {"margin": (0, [0, 0, 0]), "k_divisible": (1, [1, 1, 1]), "channel_indices": (None,)},
    )
    source = transform.constant("source_key")
    if source not in transform.entries():
        raise transform.refused("source_key", source, "The image itself is needed there.")
    chosen: Any = transform.arguments.get("select_fn", "$lambda x: x > 0")
    if not isinstance(chosen, str) or not (_ABOVE_ZERO.fullmatch(chosen) or _NOT_ZERO.fullmatch(chosen)):
        raise transform.refused("select_fn", chosen, 'Supported are "$lambda x: x > 0" and "$lambda x: x != 0".')
    return MonaiStep(StepKind.CROP, nonzero=_NOT_ZERO.fullmatch(chosen) is not None)


_STEPS: dict[str, Callable[[Component], MonaiStep]] = {
    "ScaleIntensityRange": _range,
    "ScaleIntensityRangePercentiles": _percentiles,
    "ScaleIntensity": _scale,
    "NormalizeIntensity": _normalise,
    "CropForeground": _crop,
}
