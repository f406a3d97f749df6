"""Job `preset`: the experiment of a paper by its name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.jobs.typed import parse
from lossseg.reporting import Reporter

if TYPE_CHECKING:
    from lossseg.dataset import Dataset
    from lossseg.studies.presets import Arm, Preset, Scale
    from lossseg.studies.presets.parts import Part


@dataclass(frozen=True)
class PresetParams:
    what: Literal["list", "show", "run"] = argument("list all, show one, or run one.")
    name: str | None = argument("Name of the preset, to show or run it.", default=None)
    out: Path | None = argument(
        "Folder for what comes of a run: new, or that of the same run, which then goes on.", default=None
    )
    dataset: Path | None = option(
        None, "Dataset folder in nnU-Net v2's raw layout.", metavar="FOLDER", shown="phantoms, where the scale has them"
    )
    scale: str = option("small", "small for minutes on phantoms, paper for what the paper did.")
    minutes: float | None = option(
        None, "Budget of each training in minutes, instead of the scale's.", low=0.01, high=1e6, shown="by the scale"
    )
    epochs: int | None = option(
        None, "Budget of each training in epochs, instead of the scale's.", low=1, high=10**6, shown="by the scale"
    )
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.")
    workers: int | None = option(None, "Processes that cut and augment patches.", low=0, high=64, shown="by the device")
    losses: tuple[str, ...] = option(
        (), "A further loss to compare, such as one that was learned. Repeat it for each.", flags=("--loss",)
    )
    windows: dict[str, tuple[float, float]] = option(
        {},
        "Fixed intensity window of a channel instead of the preset's, such as CT=-300:300.",
        flags=("--window",),
        metavar="CHANNEL=LOW:HIGH",
        shown="the preset's",
    )
    seed: int = option(0, "Of weights, patches and splits.", low=0)
    repeats: int = option(1, "Trainings of each loss and fold, with the seeds SEED, SEED + 1, ...", low=1, high=1000)


def run(params: PresetParams, reporter: Reporter) -> Summary:
    from lossseg.studies.presets import preset, presets

    if params.what == "list":
        return {
            "presets": [{"name": each.name, "title": each.title, "paper": each.paper} for each in presets().values()]
        }
    if params.name is None:
        raise InputError("No preset was named.", f"Known: {', '.join(presets())}.")
    chosen = preset(params.name)
    if params.what == "show":
        return {"preset": asdict(chosen)}
    if params.out is None:
        raise InputError("No folder was named for what comes of the run.", "Give it after the name of the preset.")
    return _run(chosen, params, params.out, reporter)


def _run(chosen: Preset, params: PresetParams, out: Path, reporter: Reporter) -> Summary:
    from lossseg.dataset import open_dataset
    from lossseg.jobs.actions import study
    from lossseg.studies.presets.best_of_folds import make_ensembles
    from lossseg.studies.presets.parts import parts
    from lossseg.studies.presets.report import write_report
    from lossseg.studies.presets.table import check_same, rows, write_table

    scale = chosen.scale(params.scale)
    check_same(chosen, params.scale, out)
    if params.dataset is None and scale.phantoms is None:
        raise InputError(f"The scale {params.scale} of {chosen.name} has no data of its own.", "Give --dataset FOLDER.")
    dataset = params.dataset or out / "phantoms"
    given = open_dataset(params.dataset) if params.dataset else None
    common = _order(chosen, scale, params, given, reporter)

    def ordered(arm: Arm, **where: str) -> Any:
        record = chosen.study(arm, scale) | common | where
        return parse(study.StudyParams, record, f"preset `{chosen.name}`")

    # What cannot be done is said before phantoms are made.
    arms = {arm.name: arm for arm in chosen.arms}
    for arm in arms.values():
        ordered(arm, dataset=str(dataset), out=str(out / arm.name))
    if params.dataset is None:
        _make_phantoms(scale, dataset, reporter)
    data = given or open_dataset(dataset)
    studies = parts(chosen, tuple(data.foreground))
    runs: list[dict[str, Any]] = []
    for part in studies:
        source = _label_alone(data, part, out, reporter) if part.label else dataset
        # One cache, so that an image is preprocessed and stored once for all arms and labels.
        where = {"dataset": str(source), "out": str(part.folder(out)), "cache": str(out / "cache")}
        done = study.run(ordered(arms[part.arm], **where), reporter)
        runs += [{"arm": part.arm, "label": part.label, **each} for each in done["runs"]]
    made, curves = rows(chosen, out, studies, reporter)
    ensembles = make_ensembles(chosen, out) if chosen.best_of_folds else {}
    table = write_table(chosen, params.scale, out, made, curves, ensembles)
    reporter.artifact("results", out / "preset.csv")
    report = write_report(chosen, params.scale, out, studies, made, curves, ensembles, reporter)
    return {"out": out, "dataset": dataset, "question": chosen.question, **table, "runs": runs, "report": report}


def _label_alone(data: Dataset, part: Part, out: Path, reporter: Reporter) -> Path:
    """The dataset of the label of a study."""
    from lossseg.dataset.one_label import of_one_label

    return of_one_label(data, part.label, out / part.dataset, reporter).folder


def _order(
    chosen: Preset, scale: Scale, params: PresetParams, given: Dataset | None, reporter: Reporter
) -> dict[str, Any]:
    """The parameters of every study that the person chose, or the data demands, in place of the preset's.

    Windows of the preset are those of its paper's channels, and go where the data has no such channel.
    """
    record: dict[str, Any] = {
        "device": params.device,
        "seed": params.seed,
        "repeats": params.repeats,
        "losses": [*chosen.losses, *params.losses],
    }
    if params.workers is not None:
        record["workers"] = params.workers
    if params.minutes is not None or params.epochs is not None:
        record |= {"minutes": params.minutes, "epochs": params.epochs}
    windows = {**chosen.settings, **scale.settings}.get("windows", {})
    known = {name: window for name, window in windows.items() if given is None or name in given.channels}
    record["windows"] = known | {name: list(window) for name, window in params.windows.items()}
    splits = _splits(chosen, scale, params, given, reporter)
    return record | ({} if splits is None else {"splits": str(splits)})


def _splits(
    chosen: Preset, scale: Scale, params: PresetParams, given: Dataset | None, reporter: Reporter
) -> Path | None:
    """The file of the folds of some cases where the scale takes no more; written once."""
    from lossseg.dataset import write_splits
    from lossseg.studies.presets.some_cases import folds_of_some

    assert params.out is not None
    path = (params.out / "some_cases.json").absolute()
    if given is None or scale.cases is None:
        return None
    if not path.exists():
        names = [case.name for case in given.cases if case.label is not None]
        folds = int({**chosen.settings, **scale.settings}["folds"])
        made = folds_of_some(names, scale.cases, folds, params.seed)
        if made is None:
            return None
        used = len(made[0].train) + len(made[0].validation)
        reporter.warning(
            f"At the scale {params.scale} {used} of {len(names)} cases are used.", "--scale paper uses them all."
        )
        write_splits(path, made)
    return path


def _make_phantoms(scale: Scale, folder: Path, reporter: Reporter) -> None:
    """Make the scale's phantoms in `folder` unless they are there."""
    from lossseg.phantoms import make_dataset

    if not (folder / "dataset.json").exists():
        assert scale.phantoms is not None
        wanted = scale.phantoms
        z, y, x = wanted["size"]
        make_dataset(wanted["kind"], folder, wanted["cases"], (z, y, x), wanted["seed"], reporter)


ACTION = Action(
    kind="preset",
    title="Do the experiment of a paper again: list, show or run it.",
    params=PresetParams,
    run=run,
    device=lambda params: params.device,
    details="Ctrl-C pauses a run, the same command goes on. Each arm is a study with its own report.",
    examples=(
        "lossseg preset list",
        "lossseg preset show filter_reuse",
        "lossseg preset run filter_reuse studies/reuse --scale small",
        "lossseg preset run adam_2020 studies/adam --scale paper --dataset data/aneurysms",
        "lossseg preset run inverse_weighting studies/liver --scale paper --dataset data/liver --window CT=-300:300",
    ),
    failed=lambda summary: any(run["state"] == "failed" for run in summary.get("runs", ())),
)
