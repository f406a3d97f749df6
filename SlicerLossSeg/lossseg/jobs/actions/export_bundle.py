"""Job `export_bundle`: a model as a MONAI bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lossseg.jobs.action import Action, Summary, argument
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class ExportParams:
    model: Path = argument("Model folder.")
    out: Path = argument("Folder of the new bundle; it must not exist.")


def run(params: ExportParams, reporter: Reporter) -> Summary:
    from lossseg.exchange import export_bundle

    bundle = export_bundle(params.model, params.out)
    reporter.artifact("bundle", bundle)
    return {"bundle": bundle}


ACTION = Action(
    kind="export_bundle",
    title="Write a model as a MONAI bundle, which `monai.bundle` runs.",
    params=ExportParams,
    run=run,
    details="Resampling and the placing of windows are MONAI's: results are like those of `lossseg predict`, not equal "
    "to them. Small and uncertain components are kept.",
    examples=("lossseg export-bundle models/first bundles/first",),
)
