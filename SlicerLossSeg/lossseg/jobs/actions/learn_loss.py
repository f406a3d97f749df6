"""Job `learn_loss`: search for a loss on patches of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lossseg.errors import InputError
from lossseg.jobs.action import Action, Summary, argument, option
from lossseg.reporting import Reporter


@dataclass(frozen=True)
class LearnLossParams:
    method: Literal["glo", "taylor", "ml3", "adapt"] = argument(
        "glo: expression trees; taylor: a polynomial; ml3: a small network; adapt: the parameters of known losses."
    )
    dataset: Path = argument("Dataset folder with at least three annotated patients.")
    out: Path = argument("Folder for the found loss; a search that was cancelled there goes on.")
    loss: str | None = option(
        None,
        "adapt: the expression to adapt; ml3: the loss that tells how good a step was.",
        metavar="EXPRESSION",
        shown="tversky + focal for adapt, dice + bce for ml3",
    )
    trials: int = option(60, "Partial trainings of glo and taylor; stretches of training of adapt.", low=2, high=10**5)
    population: int = option(20, "Trees or points per generation of glo and taylor.", low=4, high=1000)
    iterations: int = option(500, "Outer steps of ml3.", low=1, high=10**6)
    rounds: int = option(10, "Stretches that adapt divides one training into.", low=1, high=1000)
    steps: int = option(200, "Steps of a partial training.", low=1, high=10**6)
    seeds: int = option(3, "Trainings of each loss in the test at the end.", low=1, high=100)
    beta: float = option(1.0, "Of the F-measure that judges: 1 is Dice, 2 wants recall.", low=0.1, high=10)
    patches: int = option(96, "Training patches; half as many to choose by, and to test on.", low=2, high=10**5)
    patch: tuple[int, int, int] = option((24, 24, 24), "Size of a patch in voxels, along z, y and x.", metavar="Z Y X")
    batch: int = option(2, "Patches per step.", low=1, high=1000)
    filters: int = option(8, "Filters of the network's first stage.", low=1, high=512)
    learning_rate: float = option(3e-3, "Of partial trainings, by Adam.", low=1e-8, high=10)
    library: Path | None = option(
        None, "Trees for glo to start from: library.json of an earlier search.", metavar="FILE", shown="the kept trees"
    )
    estimate: bool = option(False, "Only tell how long it would take.")
    seed: int = option(0, "Of the search, the networks and the patches.", low=0)
    device: str = option("auto", "auto, cpu, cuda, cuda:1 or mps.")
    cache: Path | None = option(
        None, "Folder for preprocessed cases.", metavar="FOLDER", shown="the folder cache beside OUT"
    )


def run(params: LearnLossParams, reporter: Reporter) -> Summary:
    from lossseg.studies.learned import Method, SearchSettings, learn_loss
    from lossseg.studies.learned.data import ProxySettings, proxy_of

    method = Method(params.method)
    if params.loss is not None and method in (Method.GLO, Method.TAYLOR):
        raise InputError(f"{method} begins with no given loss.", "Leave out --loss.")
    if params.library is not None and method is not Method.GLO:
        raise InputError(f"{method} has no use for a library of trees.", "Leave out --library.")
    chosen = {name: getattr(params, name) for name in ("patches", "filters", "steps", "batch", "beta", "seed")}
    settings = SearchSettings(
        method=method,
        start=params.loss,
        trials=params.trials,
        population=params.population,
        iterations=params.iterations,
        rounds=params.rounds,
        seeds=params.seeds,
        library=params.library,
        estimate=params.estimate,
        conditions={
            "dataset": str(Path(params.dataset).absolute()),
            "patch": list(params.patch),
            "learning_rate": params.learning_rate,
            **chosen,
        },
    )
    proxy_settings = ProxySettings(**chosen, patch=params.patch, rate=params.learning_rate, device=params.device)
    proxy = proxy_of(params.dataset, params.cache or params.out.parent / "cache", proxy_settings, reporter)
    return learn_loss(proxy, params.out, settings, reporter)


ACTION = Action(
    kind="learn_loss",
    title="Search for a loss that does better than known ones.",
    params=LearnLossParams,
    run=run,
    device=lambda params: params.device,
    details="Losses are judged by short trainings of a small network on patches: some cases to learn from, some to "
    "choose by, some for a test that no search sees. How long it takes is told first. Ctrl-C keeps what was tried; "
    "the same command goes on. What is found there is a proposal: compare it in a study before you use it.",
    examples=(
        "lossseg learn-loss taylor data/aneurysms losses/taylor --trials 100",
        "lossseg learn-loss glo data/aneurysms losses/glo --estimate",
        'lossseg learn-loss adapt data/aneurysms losses/adapted --loss "tversky + focal" --beta 2',
        "lossseg learn-loss ml3 data/aneurysms losses/ml3 --iterations 1000",
    ),
)
