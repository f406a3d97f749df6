"""Time of a training step against nnU-Net's and a plain MONAI loop in bf16, on the same network and patches.

    python Testing/Benchmarks/training_speed.py

The network is a planned one of 16-32-64-128-128 filters; a step is forward, loss, backward and update on two patches of
64 x 64 x 64 that lie in memory. Ours is the trainer itself, with its running average of the weights and its reports.
nnU-Net's step is the one of its trainer (Dice + CE with deep supervision, in 32 bits on a CPU); the MONAI loop is what
a tutorial would have one write, with autocast. Turns alternate; the quickest step of each counts, by wall clock.

Then a short training on phantoms says how long the network waited for patches. nnU-Net is left out where nnunetv2 is
not installed. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rows import Row, add_argument, keep, markdown, quickest

from lossseg import networks
from lossseg.files import read_json
from lossseg.inference.device import reduced_precision
from lossseg.losses import build
from lossseg.phantoms import make_dataset
from lossseg.reporting import Silent
from lossseg.training import TrainingSettings, train
from lossseg.training.budget import Clock, Steps
from lossseg.training.loop import Trainer

CPU = torch.device("cpu")
NNUNET_LIMIT, MONAI_LIMIT, WAITING_LIMIT = 0.33, 0.95, 0.03
Turn = Callable[[], float]


def network(deep_supervision: bool) -> torch.nn.Module:
    torch.manual_seed(0)
    return networks.build(
        {
            "name": "DynUNet",
            "in_channels": 1,
            "out_channels": 2,
            "filters": [16, 32, 64, 128, 128],
            "kernels": [[3, 3, 3]] * 5,
            "strides": [[1, 1, 1]] + [[2, 2, 2]] * 4,
            "deep_supervision": deep_supervision,
        }
    )


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    label = torch.zeros(2, 1, 64, 64, 64, dtype=torch.uint8)
    label[:, :, 20:30, 30:36, 40:48] = 1
    return {"image": torch.randn(2, 1, 64, 64, 64, generator=generator), "label": label}


def ours(deep_supervision: bool, folder: Path, steps: int) -> Turn:
    """Seconds of the quickest of some steps of the trainer, by the moments at which it asks for patches."""
    settings = TrainingSettings(epochs=1, iterations=steps)
    asked: list[float] = []

    def patches() -> Iterator[dict[str, Any]]:
        while True:
            asked.append(time.perf_counter())
            yield one

    one = batch()

    def turn() -> float:
        trainer = Trainer(
            network(deep_supervision),
            build("dice + ce"),
            settings,
            Steps(steps, Clock(), 0),
            None,
            folder,
            CPU,
            reduced_precision(CPU),
            Silent(),
        )
        asked.clear()
        trainer.run(patches())
        return min(later - earlier for earlier, later in itertools.pairwise(asked))

    return turn


def monai(steps: int) -> Turn:
    from monai.losses import DiceCELoss

    one, model, loss = batch(), network(False).train(), DiceCELoss(softmax=True, to_onehot_y=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.99, nesterov=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(model(one["image"]), one["label"])
        value.backward()
        optimizer.step()

    return lambda: min(_timed(step) for _ in range(steps))


def nnunet(steps: int) -> Turn:
    from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
    from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
    from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

    one, model = batch(), network(True).train()
    dice = {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False}
    single = DC_and_CE_loss(dice, {}, dice_class=MemoryEfficientSoftDiceLoss)
    levels = len(model(one["image"]))
    loss = DeepSupervisionWrapper(single, [*(0.5**level for level in range(levels - 1)), 0.0])
    targets = [one["label"][..., :: 2**n, :: 2**n, :: 2**n] for n in range(levels)]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, weight_decay=3e-5, momentum=0.99, nesterov=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        value = loss(model(one["image"]), targets)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 12)
        optimizer.step()

    return lambda: min(_timed(step) for _ in range(steps))


def _timed(step: Callable[[], None]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def race(peer: str, own: Turn, theirs: Turn, limit: float, turns: int) -> Row:
    """The quickest step of each; the turns that take part in it are those in which memory was measured, too."""
    best, peak = [float("inf")] * 2, [None, None]
    for _ in range(turns):
        for place, turn in enumerate((own, theirs)):
            seconds: list[float] = []
            _, memory = quickest(lambda turn=turn, seconds=seconds: seconds.append(turn()), 1)
            best[place] = min(best[place], *seconds)
            peak[place] = memory if peak[place] is None or memory is None else max(peak[place], memory)
    return Row("training", "a step on two patches of 64 x 64 x 64", best[0], "s", peer, best[1], limit, *peak)


def waiting(folder: Path, epochs: int) -> Row:
    """Train on phantoms and look how long the network waited."""
    dataset = make_dataset("tof", folder / "data", cases=6).folder
    filters = (16, 32, 64, 128)
    settings = TrainingSettings(epochs=epochs, iterations=25, patch=(64, 64, 64), batch=2, filters=filters, folds=3)
    record = read_json(train(dataset, folder / "model", settings, Silent()) / "model.json")["training"]
    share = record["waiting_for_data_seconds"] / record["seconds"]
    return Row(
        "training", f"waiting for patches in {record['seconds']:.0f} s", 100 * share, "%", aim=100 * WAITING_LIMIT
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="in a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4, help="of 25 steps, of the training on phantoms; 0: none")
    add_argument(parser)
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as name:
        steps, turns, folder = arguments.steps, arguments.turns, Path(name)
        if find_spec("nnunetv2"):
            deep = ours(True, folder / "deep", steps)
            found.append(race("nnU-Net's trainer, deep supervision", deep, nnunet(steps), NNUNET_LIMIT, turns))
        if reduced_precision(CPU) is not None:
            plain = ours(False, folder / "plain", steps)
            found.append(race("a plain MONAI loop in bf16", plain, monai(steps), MONAI_LIMIT, turns))
        if arguments.epochs:
            found.append(waiting(folder, arguments.epochs))
    print(markdown(found))
    return 0 if keep(found, arguments.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
