"""What a MONAI bundle does with the network's results, as far as it matters to probabilities. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field

from lossseg.errors import InputError
from lossseg.exchange.monai_component import Component, chain
from lossseg.exchange.monai_values import Values

_WITHOUT_EFFECT = ("EnsureType", "ToTensor", "CastToType", "SaveImage", "Identity")
_CLEANING = ("KeepLargestConnectedComponent", "FillHoles", "RemoveSmallObjects")
_COMMON = ("keys", "allow_missing_keys", "lazy")


@dataclass
class Ending:
    """How probabilities become labels.

    Attributes:
        threshold: from which probability on a voxel is foreground; None for the most probable class.
        warnings: what is done otherwise here.
    """

    threshold: float | None = None
    warnings: list[str] = field(default_factory=list)


def read_ending(values: Values, outputs: int) -> Ending:
    """What `postprocessing` does with a network of `outputs` channels.

    Raises:
        InputError: labels that overlap, or a transform that is not known.
    """
    ending = Ending()
    done: list[str] = []
    sigmoid = decided = False
    for transform in chain(values, "postprocessing"):
        match transform.name:
            case "Activations":
                sigmoid = _sigmoid(transform, outputs)
                if "Invert" in done:
                    ending.warnings.append("The bundle resamples logits; here probabilities are.")
            case "AsDiscrete":
                decided = True
                ending.threshold = _threshold(transform, outputs)
            case "Invert":
                if decided:
                    ending.warnings.append("The bundle resamples labels; here probabilities are: borders are smoother.")
            case name if name in _CLEANING:
                ending.warnings.append(f"The bundle's {transform.target} is left out: predict has its own rules.")
            case name if name not in _WITHOUT_EFFECT:
                raise InputError(
                    f"{values.path}: the transform {transform.target} ({transform.key}) is not supported.",
                    f"Supported: Activations, AsDiscrete, Invert, {', '.join((*_WITHOUT_EFFECT, *_CLEANING))}.",
                )
        done.append(transform.name)
    if outputs == 1 and not (sigmoid and ending.threshold is not None):
        raise InputError(
            f"{values.path}: postprocessing has no sigmoid and threshold for the one output of the network.",
            "Import a bundle that says how its labels are made.",
        )
    return ending


def _sigmoid(transform: Component, outputs: int) -> bool:
    transform.check(("sigmoid", "softmax"), _COMMON, {"other": (None,)})
    sigmoid = transform.flag("sigmoid")
    if sigmoid and outputs > 1:
        raise transform.refused("sigmoid", True, "Its labels may overlap, which is not supported here.")
    return sigmoid


def _threshold(transform: Component, outputs: int) -> float | None:
    transform.check(
        ("argmax", "threshold"), _COMMON, {"to_onehot": (None,), "rounding": (None,), "dim": (0,), "keepdim": (True,)}
    )
    threshold = transform.maybe("threshold")
    if transform.flag("argmax"):
        if threshold is not None or outputs == 1:
            raise transform.refused("argmax", True, "It cannot stand with a threshold or a single output.")
        return None
    if threshold is None or outputs > 1:
        raise transform.refused("threshold", threshold, "Supported is argmax, or a threshold for a single output.")
    if not 0 < threshold <= 1:
        raise transform.refused("threshold", threshold, "It must be above 0 and up to 1.")
    return threshold
