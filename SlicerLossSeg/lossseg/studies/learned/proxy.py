"""The small task on which losses are judged: partial trainings of a small network on a few patches."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lossseg.errors import InputError
from lossseg.losses import Loss

_LARGEST_GRADIENT = 12.0
_SOFT = 0.01


@dataclass(frozen=True)
class Patches:
    """Images (N, C, *S) with their labels (N, 1, *S)."""

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Patches:
        return Patches(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Proxy:
    """What all losses are judged on, and how.

    Attributes:
        network: makes the network, with random weights.
        training: what partial trainings learn from.
        validation: what a search goes by.
        test: what no search sees.
        classes: with the background.
        steps, batch, rate: of a partial training, by Adam, to which the size of a loss does not matter.
        beta: of the F-measure that judges; 1 is Dice, above 1 missed voxels count more.
        ignore: label whose voxels do not count.
        spacing: mm along the axes of the voxels.
    """

    network: Callable[[], nn.Module]
    training: Patches
    validation: Patches
    test: Patches
    classes: int = 2
    steps: int = 200
    batch: int = 4
    rate: float = 1e-3
    beta: float = 1.0
    seed: int = 0
    ignore: int | None = None
    spacing: tuple[float, ...] | None = None

    def fresh(self, seed: int) -> nn.Module:
        """A network whose weights follow from the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.network().to(self.training.images.device)

    def drawn(self, seed: int, step: int) -> tuple[Tensor, Tensor]:
        """The images and labels of a step; they follow from the seed and the step alone."""
        generator = np.random.default_rng((seed, step))
        places = generator.integers(len(self.training.images), size=self.batch)
        return self.training.images[places], self.training.labels[places]

    def fit(self, loss: Loss) -> Loss:
        """The loss, told what it has to know of the data."""
        loss.ignore, loss.spacing = self.ignore, self.spacing
        return loss.to(self.training.images.device)


class Learner:
    """A network in the course of a partial training."""

    def __init__(self, proxy: Proxy, seed: int) -> None:
        self.proxy, self.seed, self.step = proxy, seed, 0
        self.network = proxy.fresh(seed)
        self._adam = torch.optim.Adam(self.network.parameters(), lr=proxy.rate)

    def train(self, loss: Loss, steps: int, check: Callable[[], None]) -> bool:
        """Train on for so many steps; False when the loss is not finite any more. `check` is called in each step."""
        self.proxy.fit(loss)
        self.network.train()
        for _ in range(steps):
            check()
            images, labels = self.proxy.drawn(self.seed, self.step)
            value = loss(self.network(images), labels)
            self._adam.zero_grad(set_to_none=True)
            if not torch.isfinite(value.detach()):
                return False
            value.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
            self._adam.step()
            self.step += 1
        return True

    def copy(self) -> Learner:
        """Another one in the same state."""
        twin = Learner(self.proxy, self.seed)
        twin.step = self.step
        twin.network.load_state_dict(self.network.state_dict())
        twin._adam.load_state_dict(copy.deepcopy(self._adam.state_dict()))
        return twin

    def score(self, patches: Patches) -> float:
        """The F-measure of its predictions, see `f_measure`."""
        return f_measure(decided(self._logits(patches)), patches.labels, self.proxy.beta)

    def fitness(self) -> float:
        """What a search goes by: the validation measure, and a hundredth of that of the probabilities.

        The latter tells losses apart after which nothing is predicted yet, as is usual with rare foreground.
        """
        patches, beta = self.proxy.validation, self.proxy.beta
        logits = self._logits(patches)
        soft = f_measure(probabilities(logits), patches.labels, beta)
        return f_measure(decided(logits), patches.labels, beta) + _SOFT * soft

    def _logits(self, patches: Patches) -> Tensor:
        self.network.eval()
        with torch.no_grad():
            # Counted on the CPU: not every device knows float64.
            return torch.cat([self.network(images).cpu() for images in patches.images.split(self.proxy.batch)])


def probabilities(logits: Tensor) -> Tensor:
    """(N, C, *S) of the foreground classes, from logits of one channel, or with the background first."""
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, 1)[:, 1:]


def decided(logits: Tensor) -> Tensor:
    """The same with 1 for the class of each voxel and 0 for all others."""
    if logits.shape[1] == 1:
        return (logits > 0).float()
    classes = logits.argmax(1, keepdim=True)
    return torch.cat([classes == number for number in range(1, logits.shape[1])], 1).float()


def f_measure(predicted: Tensor, labels: Tensor, beta: float) -> float:
    """Mean over the foreground classes of (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP), over all voxels together.

    Args:
        predicted: (N, C, *S), 0 to 1, of the foreground classes.
        labels: (N, 1, *S); voxels of labels that are no class do not count.

    Returns:
        0 to 1; classes that are neither there nor predicted are left out, and without any it is 0.
    """
    truth = labels[:, 0].to(predicted.device)
    counted = (truth <= predicted.shape[1]).double()
    found = []
    for number, said in enumerate(predicted.unbind(1), start=1):
        there, said = (truth == number).double(), said.double() * counted
        right = float((there * said).sum()) * (1 + beta**2)
        wrong = beta**2 * float((there * (1 - said)).sum()) + float(((1 - there) * said).sum())
        if right + wrong:
            found.append(right / (right + wrong))
    return math.fsum(found) / len(found) if found else 0.0


def fitness(proxy: Proxy, loss: Loss, check: Callable[[], None]) -> float:
    """`Learner.fitness` after one partial training with the loss; 0 when it breaks down."""
    learner = Learner(proxy, proxy.seed)
    return learner.fitness() if learner.train(loss, proxy.steps, check) else 0.0


def check_proxy(proxy: Proxy) -> None:
    """Raises InputError where nothing could be learned or judged."""
    for name, part in (("training", proxy.training), ("validation", proxy.validation), ("test", proxy.test)):
        if not ((part.labels > 0) & (part.labels < proxy.classes)).any():
            raise InputError(
                f"The {name} patches hold no foreground.", "Take more or larger patches, or annotate more cases."
            )
