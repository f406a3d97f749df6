"""What happens when memory runs out."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from inference_fakes import FakeModel, linear, model, noise, sigmoid, volume

from lossseg.errors import InputError, OutOfMemory
from lossseg.inference import Precision, Predictor
from lossseg.inference.ladder import Ladder, Rung, is_out_of_memory, rungs, smaller_patch, total_stride
from lossseg.reporting import Silent

CPU = torch.device("cpu")


class Warnings(Silent):
    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warning(self, message: str, hint: str = "") -> None:
        self.warnings.append(message)


class Limited:
    """A backend with memory for so many voxels at once."""

    def __init__(self, limit: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        self.limit, self.error, self.shapes = limit, error, []

    def __call__(self, made: FakeModel, device: torch.device, precision: Precision) -> Limited:
        return self

    def run(self, windows: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(windows.shape))
        if windows.numel() > self.limit:
            raise self.error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return linear(2.0)(windows)


def test_the_order_of_the_rungs_on_a_card() -> None:
    cuda = torch.device("cuda:1")
    ladder = rungs(cuda, batch=4)
    assert [(r.device.type, r.batch, r.accumulate_on.type, r.halvings) for r in ladder] == [
        ("cuda", 4, "cuda", 0),
        ("cuda", 1, "cuda", 0),
        ("cuda", 1, "cpu", 0),
        *[("cuda", 1, "cpu", n) for n in (1, 2, 3)],
        *[("cpu", 1, "cpu", n) for n in (0, 1, 2, 3)],
    ]


def test_the_order_of_the_rungs_on_the_cpu() -> None:
    assert [(r.batch, r.halvings) for r in rungs(CPU, batch=2)] == [(2, 0), (1, 0), (1, 1), (1, 2), (1, 3)]
    assert [(r.batch, r.halvings) for r in rungs(CPU, batch=1)] == [(1, 0), (1, 1), (1, 2), (1, 3)]


@pytest.mark.parametrize(
    ("patch", "halvings", "stride", "expected"),
    [
        ((64, 96, 96), 1, (16, 16, 16), (64, 48, 96)),
        ((64, 96, 96), 2, (16, 16, 16), (64, 48, 48)),
        ((64, 96, 96), 3, (16, 16, 16), (32, 48, 48)),
        ((16, 80, 40), 1, (4, 16, 8), (16, 32, 40)),
        ((32, 32, 32), 3, (16, 16, 16), (32, 32, 32)),
        ((40, 8, 8), 3, (2, 4, 4), (4, 8, 8)),
        ((64, 64, 64), 0, (8, 8, 8), (64, 64, 64)),
    ],
)
def test_a_smaller_patch_fits_the_stride(patch: tuple, halvings: int, stride: tuple, expected: tuple) -> None:
    assert smaller_patch(patch, halvings, stride) == expected


def test_total_stride() -> None:
    assert total_stride({"strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]]}) == (2, 4, 4)
    assert total_stride({"strides": [1, 2, 2]}) == (4, 4, 4)
    assert total_stride({"name": "SharedDilationNet"}) == (1, 1, 1)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 byte"), True),
        (RuntimeError("itk::ERROR: Failed to allocate memory for image."), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_are_about_memory(error: Exception, memory: bool) -> None:
    assert is_out_of_memory(error) is memory


def test_the_failed_attempt_is_released_before_the_next() -> None:
    held: list[weakref.ref] = []

    def work(rung: Rung) -> str:
        assert all(reference() is None for reference in held)
        tensor = torch.zeros(10)
        held.append(weakref.ref(tensor))
        if len(held) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return rung.words

    gc.disable()
    try:
        assert Ladder(CPU, batch=2).run(work, Silent()) == "with windows of 0.5 of the size"
    finally:
        gc.enable()


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        Ladder(CPU, 2).run(lambda rung: (_ for _ in ()).throw(RuntimeError("size mismatch")), Silent())


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_a_smaller_batch_and_patch_give_the_same_result(error: type[Exception]) -> None:
    image, reporter = noise((16, 16, 16)), Warnings()
    backend = Limited(8 * 8 * 4, error)
    predictor = Predictor(
        [model(linear(2.0))] * 2, "cpu", window_batch=2, backend=backend, reporter=reporter, min_voxels=0
    )
    result = predictor.predict([volume(image)], keep_probability=True)
    assert list(dict.fromkeys(backend.shapes)) == [(2, 1, 8, 8, 8), (1, 1, 8, 8, 8), (1, 1, 4, 8, 8)]
    np.testing.assert_allclose(result.probability, sigmoid(2 * image), atol=1e-6)
    np.testing.assert_array_equal(result.label, image > 0)
    assert result.notes == ("Memory ran out; it sufficed with windows of 0.5 of the size.",)
    assert reporter.warnings == list(result.notes)
    # The second member began where the first one succeeded.
    assert backend.shapes.count((2, 1, 8, 8, 8)) == 1


def test_every_rung_failing_is_an_error_with_a_remedy() -> None:
    with pytest.raises(OutOfMemory, match="region of interest") as caught:
        Predictor([model(linear(1.0))], "cpu", backend=Limited(1)).predict([volume(noise((9, 9, 9)))])
    assert caught.value.kind.value == "out_of_memory"


def test_memory_that_runs_out_before_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(*args: object, **kwargs: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lossseg.inference.group.prepare", prepare)
    with pytest.raises(OutOfMemory):
        Predictor([model(linear(1.0))], "cpu").predict([volume(noise((4, 4, 4)))])


class Overflowing:
    """Infinite in 16 bits, fine in 32."""

    def __init__(self, also_full: bool = False) -> None:
        self.also_full, self.precisions = also_full, []

    def __call__(self, made: FakeModel, device: torch.device, precision: Precision) -> Overflowing:
        self.precisions.append(precision)
        return self

    def run(self, windows: torch.Tensor) -> torch.Tensor:
        logits = linear(1.0)(windows)
        if self.precisions[-1] is Precision.AUTO or self.also_full:
            logits[0, 1, 0, 0, 0] = torch.inf
        return logits


def test_a_result_out_of_range_is_computed_again_in_full_precision() -> None:
    image, backend = noise((9, 9, 9)), Overflowing()
    result = Predictor([model(linear(1.0), name="m")] * 2, "cpu", backend=backend).predict(
        [volume(image)], keep_probability=True
    )
    np.testing.assert_allclose(result.probability, sigmoid(image), atol=1e-6)
    assert backend.precisions == [Precision.AUTO, Precision.FULL, Precision.FULL]
    assert result.notes == ("m left the range of 16 bits; it was computed again in 32.",)


def test_a_model_that_gives_no_numbers_is_named() -> None:
    with pytest.raises(InputError, match="The model broken gives no finite result"):
        Predictor([model(linear(1.0), name="broken")], "cpu", backend=Overflowing(also_full=True)).predict(
            [volume(noise((9, 9, 9)))]
        )
