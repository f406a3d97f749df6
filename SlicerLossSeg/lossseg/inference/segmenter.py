"""One network over one prepared image, within the memory there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from lossseg.errors import InputError
from lossseg.inference import coarse_to_fine
from lossseg.inference.backend import Backend, BackendFactory, Mirrored, Precision
from lossseg.inference.ladder import Ladder, Rung, release_memory, smaller_patch, total_stride
from lossseg.inference.monai_windows import MonaiWindows
from lossseg.inference.options import Options
from lossseg.inference.progress import MemberProgress
from lossseg.inference.sliding_window import (
    BACKGROUND_LOGIT,
    Triple,
    foreground_probabilities,
    gaussian,
    place_windows,
    sliding_slabs,
)
from lossseg.inference.taken import Taken
from lossseg.model import Model
from lossseg.preprocessing import MonaiGrid, Prepared
from lossseg.preprocessing.stack import Stack
from lossseg.reporting import Reporter

_WINDOW_BATCH = {"cpu": 1, "cuda": 4, "mps": 1}


class _LeftRange(Exception):
    """The logits left the range of 16 bits."""


class Segmenter:
    """Runs the members of an ensemble over one case, one after the other; holds one network at a time.

    `notes` collects in words what went otherwise than planned.
    """

    def __init__(
        self, options: Options, device: torch.device, factory: BackendFactory, reporter: Reporter, members: int
    ) -> None:
        self._options, self._factory, self._reporter = options, factory, reporter
        self._ladder = Ladder(device, options.window_batch or _WINDOW_BATCH[device.type])
        self._progress = MemberProgress(reporter, members)
        self._precision = options.precision
        self._member = -1
        self._ready: tuple[Model, torch.device, Precision, Backend] | None = None
        self._notes: list[str] = []

    @property
    def device(self) -> torch.device:
        return self._ladder.rung.device

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self._ladder.notes, *self._notes)

    def probabilities(
        self,
        model: Model,
        prepared: Prepared,
        image: Stack,
        take: Callable[[int, np.ndarray], None],
        needed: np.ndarray | None = None,
    ) -> None:
        """Give `take` the probabilities of the model's foreground classes on the plan's grid, slab by slab.

        Args:
            image: (C, z, y, x), what the network sees; that of `prepared` is not looked at.
            take: gets the first slice and the probabilities float32 (K - 1, n, y, x) of the slices from there on, which
                it must not keep; each slice once, in ascending order.
            needed: bool (z, y, x) on the plan's grid: where a result is needed; elsewhere it may be 0.

        Raises:
            InputError: the network's output does not fit the model's labels, or is not finite.
            OutOfMemory: the memory suffices on no rung of the ladder.
            Cancelled: the person asked to stop.
        """
        self._member += 1
        self._hand_on(model, prepared, image, take, needed)
        self._ready = None

    def first_pass(
        self,
        model: Model,
        prepared: Prepared,
        image: Stack,
        take: Callable[[int, np.ndarray], None],
        needed: np.ndarray | None = None,
    ) -> None:
        """As `probabilities`, but roughly: see `coarse_to_fine`. The member is run in full afterwards."""
        options, progress = self._options, self._progress
        self._options = replace(options, overlap=coarse_to_fine.OVERLAP, mirror=False)
        self._progress = MemberProgress(self._reporter, 1, "first pass")
        try:
            self._hand_on(model, prepared, image, take, needed)
        finally:
            self._options, self._progress = options, progress

    def windows(self, model: Model, prepared: Prepared, needed: np.ndarray | None, *, first_pass: bool = False) -> int:
        """The number of windows that `probabilities` or `first_pass` runs, while memory suffices."""
        overlap = coarse_to_fine.OVERLAP if first_pass else self._options.overlap
        return len(place_windows(prepared.image.shape[1:], model.plan.patch, overlap).corners(needed))

    def _hand_on(
        self,
        model: Model,
        prepared: Prepared,
        image: Stack,
        take: Callable[[int, np.ndarray], None],
        needed: np.ndarray | None,
    ) -> None:
        taken = Taken(take, model.plan.classes - 1, prepared.image.shape[1:])

        def work(rung: Rung) -> None:
            while True:
                try:
                    for first, logits in self._slabs(rung, model, prepared, image, needed, taken.end):
                        self._check_finite(logits, model)
                        taken.add(first, foreground_probabilities(logits).cpu().numpy())
                except _LeftRange:
                    continue
                return taken.finish()

        self._ladder.run(work, self._reporter)

    def logits(self, model: Model, prepared: Prepared, needed: np.ndarray | None = None) -> np.ndarray:
        """As `probabilities`, but the logits float32 that `sliding_logits` gives: (1, z, y, x) or (K, z, y, x)."""
        self._member += 1
        logits = self._ladder.run(
            lambda rung: self._finite(rung, model, prepared, needed).cpu().numpy(), self._reporter
        )
        self._ready = None
        return logits

    def _finite(self, rung: Rung, model: Model, prepared: Prepared, needed: np.ndarray | None) -> torch.Tensor:
        image = Stack.of(prepared.image)
        while True:
            # All at once, as `whole` asks for; none where nothing is needed.
            for _, logits in self._slabs(rung, model, prepared, image, needed, whole=True):
                try:
                    self._check_finite(logits, model)
                except _LeftRange:
                    break
                return logits
            else:
                return _background(model.plan.classes, prepared.image.shape[1:])

    def _check_finite(self, logits: torch.Tensor, model: Model) -> None:
        # A sum is not finite as soon as one value is not, and takes no memory.
        if bool(logits.sum().isfinite()):
            return
        if self._precision is not Precision.AUTO:
            raise InputError(f"The model {model.folder} gives no finite result.", "Train it anew or use another one.")
        self._precision = Precision.FULL
        self._notes.append(f"{model.name} left the range of 16 bits; it was computed again in 32.")
        self._reporter.warning(self._notes[-1], "The result is complete. Choose full precision to save the time.")
        raise _LeftRange

    def _slabs(
        self,
        rung: Rung,
        model: Model,
        prepared: Prepared,
        image: Stack,
        needed: np.ndarray | None,
        start: int = 0,
        whole: bool = False,
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """What `sliding_slabs` gives."""
        patch = smaller_patch(model.plan.patch, rung.halvings, total_stride(model.network_config))
        if model.plan.monai is not None:
            yield from self._by_monai(rung, model, model.plan.monai, patch, image, needed, start)
            return
        windows = place_windows(image.shape[1:], patch, self._options.overlap)
        backend = self._backend(rung.device, model)
        grid = model.plan.nnunet
        mirrored = grid.mirror if grid else (0, 1, 2)
        self._progress.start(max(self._member, 0), len(windows.corners(needed, start)))
        slabs = sliding_slabs(
            lambda first, end: torch.from_numpy(image.read(first, end)).to(rung.accumulate_on),
            Mirrored(backend, self._reporter.check, mirrored).run if self._options.mirror else backend.run,
            windows,
            batch=rung.batch,
            padding=prepared.padding,
            needed=needed,
            after_windows=self._progress.advance,
            weights=[gaussian(length, length // 2) for length in patch] if grid else None,
            start=start,
            whole=whole,
        )
        for first, logits in slabs:
            if len(logits) not in (1, model.plan.classes) or (len(logits) == 1 and model.plan.classes > 2):
                raise InputError(
                    f"The network of {model.folder} has {len(logits)} outputs for {model.plan.classes} labels.",
                    "Restore the model folder from a copy.",
                )
            yield first, logits

    def _by_monai(
        self,
        rung: Rung,
        model: Model,
        grid: MonaiGrid,
        patch: Triple,
        image: Stack,
        needed: np.ndarray | None,
        start: int,
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """As `_slabs`, with the windows of a MONAI bundle: all slices at once."""
        windows = MonaiWindows(image.shape[1:], patch, grid, needed)
        self._progress.start(self._member, windows.count)
        if not windows.count:
            return
        backend = self._backend(rung.device, model)
        logits = windows.logits(
            torch.from_numpy(image.read(0, image.shape[1])).to(rung.accumulate_on),
            Mirrored(backend, self._reporter.check).run if self._options.mirror else backend.run,
            model.network_config["out_channels"],
            batch=rung.batch,
            after_windows=self._progress.advance,
        )
        yield start, logits[:, start:]

    def _backend(self, device: torch.device, model: Model) -> Backend:
        if self._ready is not None and self._ready[:3] == (model, device, self._precision):
            return self._ready[3]
        # The network before goes first: two never lie in memory together.
        self._ready = None
        release_memory()
        backend = self._factory(model, device, self._precision)
        self._ready = (model, device, self._precision, backend)
        return backend


def _background(classes: int, size: Sequence[int]) -> torch.Tensor:
    """Logits as `sliding_logits` gives them of a grid of `size` on which there is nothing."""
    logits = torch.full((1 if classes == 2 else classes, *size), BACKGROUND_LOGIT)
    if classes > 2:
        logits[0] = 0.0
    return logits
