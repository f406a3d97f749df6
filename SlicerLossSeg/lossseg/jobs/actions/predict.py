"""Job `predict`: from images to labels and lesion tables."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class PredictParams:
    model: Path = argument("Model folder or ensemble file.")
    input: tuple[Path, ...] | Path = argument(
        "Image, folder of images (nnU-Net's names), folder of a DICOM series, or the channels of one case in order."
    )
    out: Path = argument("Folder for the labels and the lesion tables.")
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.")
    threshold: float | None = option(
        None,
        "Foreground from this probability on, above 0 to 1.",
        low=0,
        high=1,
        shown="the models' own, else the most probable class",
    )
    min_voxels: int = option(11, "Components of fewer voxels are removed; 0 keeps all.", low=0)
    min_volume_mm3: float | None = option(
        None, "The same limit in mm3, instead of voxels.", low=0, shown="by --min-voxels"
    )
    min_confidence: float | None = option(
        None,
        "Components whose highest probability is lower are removed, 0 to 1.",
        low=0,
        high=1,
        shown="the models' own, else none is",
    )
    small_rule: Literal["component", "case"] = option(
        "component", "Whether the limit holds for each component or for the case as a whole."
    )
    roi: tuple[float, float, float, float, float, float] | None = option(
        None, "Region of interest in RAS mm; outside is background.", metavar="R0 R1 A0 A1 S0 S1", shown="all"
    )
    overlap: float = option(
        0.5, "Overlap of neighbouring windows, 0 to below 1; a MONAI bundle's model has its own.", low=0, high=0.95
    )
    mirror: bool = option(False, "Average over all eight mirrorings; takes eight times as long.")
    coarse_to_fine: bool = option(
        False,
        "An approximation: run in full only where a quick first pass of one model finds something. Saves time in large "
        "volumes with few lesions only; what the first pass overlooks is lost.",
    )
    precision: Literal["auto", "full", "int8"] = option(
        "auto",
        "auto computes in 16 bits where the device is fast in them, full in 32, int8 on a CPU partly in 8, which is "
        "faster and less exact.",
    )
    backend: Literal["auto", "torch", "openvino"] = option(
        "auto", "What runs the networks; auto takes OpenVINO on a CPU where it is installed and measures faster."
    )
    keep_probability: bool = option(
        False, "Write CASE_probability too: of any foreground, 0 to 1.", flags=("--probability",)
    )
    keep_disagreement: bool = option(
        False, "Write CASE_disagreement too: the standard deviation over the models.", flags=("--disagreement",)
    )
    file_ending: Literal[".nii.gz", ".nii", ".nrrd", ".mha"] = option(".nii.gz", "Format of the written volumes.")
    resume: bool = option(False, "Leave cases alone that are complete already.")
    overwrite: bool = option(False, "Replace results that are there already.")


_NO_SETTINGS = {"model", "input", "out"}


def run(params: PredictParams, reporter: Reporter) -> Summary:
    from lossseg.dataset import find_images
    from lossseg.inference import PredictSettings, predict_cases
    from lossseg.model import load_any

    ensemble = load_any(params.model)
    cases = find_images(params.input, len(ensemble.channels))
    chosen = {field.name: getattr(params, field.name) for field in fields(params) if field.name not in _NO_SETTINGS}
    written = predict_cases(ensemble, cases, params.out, PredictSettings(**chosen), reporter)
    looked_at = {case: seen.record for case, seen in written.looked_at.items()}
    return {
        "out": params.out,
        "models": len(ensemble.members),
        "labels": list(written),
        "failures": {case: str(error) for case, error in written.failures.items()},
        **({"coarse_to_fine": looked_at} if looked_at else {}),
    }


ACTION = Action(
    kind="predict",
    title="Segment images with a model or an ensemble.",
    params=PredictParams,
    run=run,
    device=lambda params: params.device,
    details="Each case gets its labels and its lesion table, CASE.lesions.csv and CASE.lesions.json.",
    examples=(
        "lossseg predict models/first scan.nii.gz results",
        "lossseg predict ensembles/best.json data/unseen/imagesTr results --probability",
        "lossseg predict models/ms flair.nii.gz t1.nii.gz results --threshold 0.4 --min-volume-mm3 3",
        "lossseg predict models/first dicom/series1 results --roi -60 60 -40 80 -30 50",
    ),
)
