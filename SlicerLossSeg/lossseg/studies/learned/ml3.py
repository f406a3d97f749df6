"""ML3: a loss network that is learned by what a step along its gradient does to the task (Bechtle et al., ICPR 2020).

The inner step trains the network by the learned loss, plainly: theta' = theta - rate dL/dtheta. The outer step changes
the loss network so that the task's loss at theta' falls; its gradient runs through the inner step.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lossseg.errors import Cancelled, InputError
from lossseg.files import atomic
from lossseg.losses import Loss
from lossseg.losses.ml3 import HIDDEN, LossNetwork
from lossseg.reporting import Reporter
from lossseg.studies.learned.proxy import Proxy

CHECKPOINT = "ml3.safetensors"
# A rate of 1 without momentum moves as far as nnU-Net's 0.01 with its momentum of 0.99.
INNER_RATE, OUTER_RATE, HORIZON = 1.0, 1e-2, 30
_SAVE_EVERY_S = 30.0

Parameters = Mapping[str, Tensor]


def learned_value(loss_network: nn.Module, phi: Parameters, logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over voxels and foreground classes of the loss network's output, for logits (B, C, *S).

    The probability of a class is that against all others, as for `ml3(...)`.
    """
    if logits.shape[1] == 1:
        p = torch.sigmoid(logits)
        y = (labels == 1).to(p)
    else:
        p = torch.softmax(logits, 1)[:, 1:]
        y = torch.cat([labels == number for number in range(1, logits.shape[1])], 1).to(p)
    return torch.func.functional_call(loss_network, dict(phi), (p, y)).mean()


def inner_step(
    network: nn.Module,
    theta: Parameters,
    loss_network: nn.Module,
    phi: Parameters,
    images: Tensor,
    labels: Tensor,
    rate: float,
) -> dict[str, Tensor]:
    """theta after one plain gradient step by the learned loss; differentiable in phi and theta."""
    logits = torch.func.functional_call(network, dict(theta), (images,))
    value = learned_value(loss_network, phi, logits, labels)
    slopes = torch.autograd.grad(value, list(theta.values()), create_graph=True)
    return {name: one - rate * slope for (name, one), slope in zip(theta.items(), slopes, strict=True)}


class MetaTraining:
    """Learns the loss network; the task's network starts anew after every `HORIZON` inner steps.

    Args:
        task: the loss that tells how good the network is after a step, on other patches than those of the step.
        folder: where its state is kept.
    """

    def __init__(self, proxy: Proxy, task: Loss, folder: Path, hidden: tuple[int, ...] = HIDDEN) -> None:
        self._proxy, self._task, self._path = proxy, proxy.fit(task), Path(folder) / CHECKPOINT
        device = proxy.training.images.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(proxy.seed)
            self.loss_network = LossNetwork(hidden).to(device)
        self._adam = torch.optim.Adam(self.loss_network.parameters(), lr=OUTER_RATE)
        self.iteration = 0
        self._theta: dict[str, Tensor] = {}
        self._network = proxy.fresh(proxy.seed)
        if self._path.exists():
            self._restore()

    def run(self, iterations: int, reporter: Reporter) -> LossNetwork:
        """Meta-train up to so many iterations in all; on `Cancelled` the state is saved first."""
        started, before, saved = time.monotonic(), self.iteration, time.monotonic()
        try:
            while self.iteration < iterations:
                reporter.check()
                value = self.step()
                if self.iteration % 10 == 0 or self.iteration == iterations:
                    each = (time.monotonic() - started) / (self.iteration - before)
                    reporter.progress("search", self.iteration, iterations, each * (iterations - self.iteration))
                    reporter.metric("task loss", self.iteration, value, "search")
                if time.monotonic() - saved > _SAVE_EVERY_S:
                    self.save()
                    saved = time.monotonic()
        except Cancelled:
            self.save()
            raise
        self.save()
        return self.loss_network

    def step(self) -> float:
        """One inner and one outer step; the task's loss after the inner one."""
        proxy, number = self._proxy, self.iteration
        if number % HORIZON == 0:
            fresh = proxy.fresh(proxy.seed + number // HORIZON)
            self._theta = {name: value.detach().clone() for name, value in fresh.named_parameters()}
        theta = {name: value.requires_grad_() for name, value in self._theta.items()}
        phi = dict(self.loss_network.named_parameters())
        moved = inner_step(
            self._network, theta, self.loss_network, phi, *proxy.drawn(proxy.seed, 2 * number), INNER_RATE
        )
        images, labels = proxy.drawn(proxy.seed, 2 * number + 1)
        value = self._task(torch.func.functional_call(self._network, moved, (images,)), labels)
        self._adam.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.loss_network.parameters(), 1.0)
        self._adam.step()
        self._theta = {name: value.detach() for name, value in moved.items()}
        self.iteration += 1
        return float(value.detach())

    def save(self) -> None:
        tensors = {f"phi.{name}": value.detach() for name, value in self.loss_network.named_parameters()}
        tensors |= {f"theta.{name}": value.detach() for name, value in self._theta.items()}
        for number, state in self._adam.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": value for name, value in state.items()}
        with atomic(self._path) as beside:
            save_file(
                {name: value.cpu().contiguous() for name, value in tensors.items()},
                beside,
                {"iteration": str(self.iteration)},
            )

    def _restore(self) -> None:
        try:
            tensors = load_file(self._path, device=str(self._proxy.training.images.device))
            phi, theta, adam = (_below(tensors, part) for part in ("phi", "theta", "adam"))
            self.loss_network.load_state_dict(phi)
            self._theta = theta
            state = self._adam.state_dict()
            numbers = {int(name.partition(".")[0]) for name in adam}
            state["state"] = {number: _below(adam, str(number)) for number in sorted(numbers)}
            for moments in state["state"].values():
                moments["step"] = moments["step"].cpu()
            self._adam.load_state_dict(state)
            self.iteration = round(float(adam["0.step"]))
        except (OSError, SafetensorError, RuntimeError, KeyError, ValueError) as error:
            raise InputError(f"{self._path} is damaged ({error}).", "Restore it from a copy or begin anew.") from error


def _below(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}
