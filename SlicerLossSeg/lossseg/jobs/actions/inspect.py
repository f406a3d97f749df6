"""Job `inspect`: which lesions each loss hears, and which it drowns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lossseg.errors import InputError, MissingDependency
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.keeping import Keeper
from lossseg.reporting import Reporter

if TYPE_CHECKING:
    from lossseg.inspection import Inspection, Inspector


@dataclass(frozen=True)
class InspectParams:
    prediction: Path = argument("Predicted probabilities, logits or labels.", name="PRED")
    reference: Path = argument("Reference labels on the same grid.", name="REF")
    losses: tuple[str, ...] = option(
        (), "A loss expression; may be repeated.", flags=("--loss",), metavar="EXPRESSION", shown="at least one"
    )
    scale: Literal["auto", "probability", "logit", "label"] = option(
        "auto", "What PRED holds; auto: labels if they are whole numbers, probabilities if within 0 and 1, else logits."
    )
    shift: float = option(0.0, "Added to every foreground logit.", low=-50, high=50)
    label: int | None = option(
        None, "The class in question, in REF and in predicted labels.", low=1, shown="all classes as one"
    )
    gradient_of: str | None = option(
        None,
        "A loss whose gradient is written as a volume, FOLDER/gradient.nrrd: dL/dz of each logit, with its sign.",
        metavar="EXPRESSION",
        shown="none",
    )
    out: Path | None = option(
        None,
        "Folder for inspect.csv, inspect.json, inspect.png and gradient.nrrd.",
        metavar="FOLDER",
        shown="the summary is printed only",
    )
    figure: bool = option(True, "Draw inspect.png; needs matplotlib.")


def run(params: InspectParams, reporter: Reporter, keeper: Keeper | None = None) -> Summary:
    """`keeper` holds what the questions before this one have read and made."""
    from lossseg.inspection import Inspector, Scale
    from lossseg.inspection.tables import inspection_json

    began = time.perf_counter()
    if params.gradient_of is not None and params.out is None:
        raise InputError("There is no folder for the gradient volume.", "Give one with --out.")
    inspector = Inspector(
        params.prediction, params.reference, scale=Scale(params.scale), label=params.label, keeper=keeper
    )
    inspection = inspector.inspect(params.losses, shift=params.shift, reporter=reporter)
    if params.label is not None and params.label not in inspection.labels:
        known = ", ".join(map(str, inspection.labels)) or "none"
        reporter.warning(f"{params.reference} has no voxel of label {params.label}; labels in it: {known}.")
    summary = inspection_json(inspection) | {"gradient": None, "gradient_range": None}
    if params.out is not None:
        summary |= _write(params, params.out, inspector, inspection, reporter)
    return summary | {"seconds": time.perf_counter() - began}


def _write(
    params: InspectParams, out: Path, inspector: Inspector, inspection: Inspection, reporter: Reporter
) -> dict[str, Any]:
    from lossseg.evaluation.figure_style import write_figures
    from lossseg.inspection.tables import write_inspection_csv, write_inspection_json

    write_inspection_csv(out / "inspect.csv", inspection)
    write_inspection_json(out / "inspect.json", inspection)
    written = [("inspection", out / "inspect.csv"), ("inspection", out / "inspect.json")]
    if params.figure:
        from lossseg.inspection.figure import inspection_figure

        try:
            (picture,) = write_figures(out, {"inspect": inspection_figure(inspection)}, ("png",))
            written.append(("figure", picture))
        except MissingDependency as error:
            reporter.warning(error.message, error.hint)
    gradient = _gradient(params, out / "gradient.nrrd", inspector, reporter)
    if gradient["gradient"] is not None:
        written.append(("gradient", gradient["gradient"]))
    for kind, path in written:
        reporter.artifact(kind, path)
    return gradient


def _gradient(params: InspectParams, path: Path, inspector: Inspector, reporter: Reporter) -> dict[str, Any]:
    from lossseg.images import write_volume

    nothing = {"gradient": None, "gradient_range": None}
    if params.gradient_of is None:
        return nothing
    try:
        slopes = inspector.gradient(params.gradient_of.strip(), shift=params.shift)
    except InputError as error:
        reporter.warning(f"There is no gradient volume of {params.gradient_of}. {error.message}", error.hint)
        return nothing
    # Somebody waits for it, and packing it would take longer than all the rest.
    write_volume(path, slopes, inspector.geometry, compress=False)
    return {"gradient": path, "gradient_range": [float(slopes.min()), float(slopes.max())]}


ACTION = Action(
    kind="inspect",
    title="See which lesions each loss hears, and which it drowns.",
    params=InspectParams,
    run=run,
    keeping=run,
    details=(
        "For each loss its value, and the share of the sum of |dL/dz| (z: foreground logit) that falls on each lesion "
        "of the reference, on each false positive, which is a predicted component without a voxel of a lesion, and on "
        "all the rest, the background. Components are 26-connected and those of PRED as it is, at probability 1/2, "
        "whatever the shift. Probabilities are clipped to 0.000001 to 0.999999; predicted labels stand for "
        "probabilities of 0.999 and 0.001. One class at a time: all classes as one, or that of --label. Adaptive and "
        "learned losses are as training begins. A loss that cannot be computed gets a sentence, the others go on; the "
        "exit code is 1 then."
    ),
    examples=(
        'lossseg inspect results/case_probability.nii.gz labelsTr/case.nii.gz --loss dice --loss "iw(dice)"',
        'lossseg inspect logits.nrrd truth.nrrd --loss "dice + ce" --loss focal --shift -2 --out inspection',
        'lossseg inspect probability.nrrd truth.nrrd --loss dice --gradient-of "iw(dice)" --out inspection',
    ),
    failed=lambda summary: any(loss["error"] is not None for loss in summary["losses"]),
)
