"""One network over one prepared image, within the memory there is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from lossseg.errors import InputError
from lossseg.inference.backend import Backend, BackendFactory, Mirrored, Precision
from lossseg.inference.ladder import Ladder, Rung, release_memory, smaller_patch, total_stride
from lossseg.inference.options import Options
from lossseg.inference.progress import MemberProgress
from lossseg.inference.sliding_window import foreground_probabilities, gaussian, place_windows, sliding_logits
from lossseg.model import Model
from lossseg.preprocessing import Prepared
from lossseg.reporting import Reporter

_WINDOW_BATCH = {"cpu": 1, "cuda": 4, "mps": 1}


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

    def probabilities(self, model: Model, prepared: Prepared, needed: np.ndarray | None = None) -> np.ndarray:
        """Probabilities float32 (K - 1, z, y, x) of the model's foreground classes on the plan's grid.

        Args:
            needed: bool (z, y, x) on the plan's grid: where a result is needed; elsewhere it may be 0.

        Raises:
            InputError: the network's output does not fit the model's labels, or is not finite.
            OutOfMemory: the memory suffices on no rung of the ladder.
            Cancelled: the person asked to stop.
        """
        return self._run(
            lambda rung: foreground_probabilities(self._finite(rung, model, prepared, needed)).cpu().numpy()
        )

    def logits(self, model: Model, prepared: Prepared, needed: np.ndarray | None = None) -> np.ndarray:
        """As `probabilities`, but the logits float32 that `sliding_logits` gives: (1, z, y, x) or (K, z, y, x)."""
        return self._run(lambda rung: self._finite(rung, model, prepared, needed).cpu().numpy())

    def _run(self, work: Callable[[Rung], np.ndarray]) -> np.ndarray:
        self._member += 1
        try:
            return self._ladder.run(work, self._reporter)
        finally:
            self._ready = None

    def _finite(self, rung: Rung, model: Model, prepared: Prepared, needed: np.ndarray | None) -> torch.Tensor:
        logits = self._logits(rung, model, prepared, needed)
        # A sum is not finite as soon as one value is not, and takes no memory.
        if not bool(logits.sum().isfinite()) and self._precision is Precision.AUTO:
            self._precision = Precision.FULL
            self._notes.append(f"{model.name} left the range of 16 bits; it was computed again in 32.")
            self._reporter.warning(self._notes[-1], "The result is complete. Choose full precision to save the time.")
            del logits
            logits = self._logits(rung, model, prepared, needed)
        if not bool(logits.sum().isfinite()):
            raise InputError(f"The model {model.folder} gives no finite result.", "Train it anew or use another one.")
        return logits

    def _logits(self, rung: Rung, model: Model, prepared: Prepared, needed: np.ndarray | None) -> torch.Tensor:
        image = torch.from_numpy(prepared.image).to(rung.accumulate_on)
        patch = smaller_patch(model.plan.patch, rung.halvings, total_stride(model.network_config))
        windows = place_windows(prepared.image.shape[1:], patch, self._options.overlap)
        backend = self._backend(rung.device, model)
        grid = model.plan.nnunet
        mirrored = grid.mirror if grid else (0, 1, 2)
        self._progress.start(self._member, len(windows.corners(needed)))
        logits = sliding_logits(
            image,
            Mirrored(backend, self._reporter.check, mirrored).run if self._options.mirror else backend.run,
            windows,
            batch=rung.batch,
            padding=prepared.padding,
            needed=needed,
            after_windows=self._progress.advance,
            weights=[gaussian(length, length // 2) for length in patch] if grid else None,
        )
        if len(logits) not in (1, model.plan.classes) or (len(logits) == 1 and model.plan.classes > 2):
            raise InputError(
                f"The network of {model.folder} has {len(logits)} outputs for {model.plan.classes} labels.",
                "Restore the model folder from a copy.",
            )
        return logits

    def _backend(self, device: torch.device, model: Model) -> Backend:
        if self._ready is not None and self._ready[:3] == (model, device, self._precision):
            return self._ready[3]
        # The network before goes first: two never lie in memory together.
        self._ready = None
        release_memory()
        backend = self._factory(model, device, self._precision)
        self._ready = (model, device, self._precision, backend)
        return backend
