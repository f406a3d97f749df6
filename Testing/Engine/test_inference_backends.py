"""Which backend runs a network, and that OpenVINO gives what torch gives."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest
import torch
from inference_fakes import linear
from inference_fakes import model as fake_model

from lossseg import networks
from lossseg.errors import InputError
from lossseg.inference import backend_choice, openvino_backend
from lossseg.inference.backend import Precision, TorchBackend
from lossseg.inference.backend_choice import Measured, backend_factory, measure
from lossseg.inference.openvino_backend import OpenVinoBackend
from lossseg.model import Model, save
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan
from lossseg.reporting import Silent

CPU = torch.device("cpu")
CONFIG = {
    "name": "DynUNet",
    "in_channels": 1,
    "out_channels": 2,
    "filters": [4, 8, 8],
    "kernels": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [1, 2, 2]],
    "deep_supervision": False,
}
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


class Warnings(Silent):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def warning(self, message: str, hint: str = "") -> None:
        self.messages.append(message)


@pytest.fixture
def trained(tmp_path: Path) -> Model:
    torch.manual_seed(0)
    plan = Plan(
        channels=(ChannelScheme("MR", ChannelKind.NONE),),
        spacing=(1.0, 1.0, 1.0),
        patch=(8, 8, 8),
        batch=2,
        labels={"background": 0, "lesion": 1},
        network=CONFIG,
    )
    return save(
        tmp_path / "m", plan=plan, weights=networks.build(CONFIG).state_dict(), loss="ce", training={}, scores={}
    )


def test_a_name_that_is_unknown() -> None:
    with pytest.raises(InputError, match="Unknown backend 'fast'"):
        backend_factory("fast")


def test_openvino_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, trained: Model) -> None:
    monkeypatch.setattr(openvino_backend, "is_installed", lambda: False)
    with pytest.raises(InputError, match="not installed") as caught:
        backend_factory("openvino")
    assert "--backend torch" in caught.value.hint
    assert isinstance(backend_factory("auto")(trained, CPU, Precision.AUTO), TorchBackend)


def test_torch_is_taken_where_it_was_asked_for(trained: Model) -> None:
    assert isinstance(backend_factory("torch")(trained, CPU, Precision.AUTO), TorchBackend)


def test_what_doctor_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    assert backend_choice.of_this_machine(cuda) == ("torch", "OpenVINO computes on the CPU only, cuda is run by torch")
    monkeypatch.setattr(openvino_backend, "is_installed", lambda: False)
    assert backend_choice.of_this_machine(CPU) == ("torch", "OpenVINO is not installed")


@needs_openvino
def test_what_doctor_says_after_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_choice, "measure", lambda *arguments: Measured(0.5, 0.25, 0.0))
    expected = ("openvino", "OpenVINO takes 0.25 s for a window, torch 0.5 s")
    assert backend_choice.of_this_machine(CPU) == expected


class Constant:
    def __init__(self, value: torch.Tensor) -> None:
        self.value, self.calls = value, 0

    def run(self, windows: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.value


def test_what_is_measured() -> None:
    """Two classes against their difference; each runs once before the clock does."""
    one = torch.randn(1, 1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    plain, translated = Constant(torch.cat([torch.zeros_like(one), one], 1)), Constant(one + 0.5)
    ticks = count()
    found = measure(plain, translated, (1, 1, 4, 4, 4), clock=lambda: float(next(ticks) ** 2))
    assert (plain.calls, translated.calls) == (2, 2)
    assert (found.torch, found.openvino) == (1.0, 5.0)
    assert found.difference == pytest.approx(0.5 / float(one.std()))
    assert found.sentence == "torch takes 1 s for a window, OpenVINO 5 s"


@pytest.mark.parametrize(
    ("found", "chosen", "warned"),
    [
        (Measured(2.0, 1.0, 1e-5), OpenVinoBackend, False),
        (Measured(1.0, 2.0, 1e-5), TorchBackend, False),
        (Measured(2.0, 1.0, 0.5), TorchBackend, True),
    ],
)
@needs_openvino
def test_the_faster_one_is_taken_and_remembered(
    found: Measured, chosen: type, warned: bool, trained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def pretend(*arguments: object) -> Measured:
        measured.append(1)
        return found

    monkeypatch.setattr(backend_choice, "measure", pretend)
    teller = Warnings()
    for _ in range(2):
        assert isinstance(backend_factory("auto", teller)(trained, CPU, Precision.FULL), chosen)
    assert len(measured) == 1
    assert len(teller.messages) == warned
    (record,) = trained.folder.glob("openvino/*/measured.json")
    record.write_text("{damaged")
    assert isinstance(backend_factory("auto")(trained, CPU, Precision.FULL), chosen)
    assert len(measured) == 2
    (kept,) = json.loads(record.read_text(encoding="utf-8")).values()
    assert kept == {"torch": found.torch, "openvino": found.openvino, "difference": found.difference}


@needs_openvino
def test_what_openvino_cannot_run_is_run_by_torch(trained: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("Check failed\nno such operation")

    monkeypatch.setattr(openvino_backend, "translate", refuse)
    teller = Warnings()
    assert isinstance(backend_factory("auto", teller)(trained, CPU, Precision.FULL), TorchBackend)
    assert teller.messages == ["OpenVINO cannot run m (no such operation)."]


def test_a_model_without_files_is_run_by_torch() -> None:
    assert isinstance(backend_factory("auto")(fake_model(linear(1.0)), CPU, Precision.FULL), TorchBackend)


@needs_openvino
class TestOpenVino:
    @pytest.mark.parametrize(("batch", "shape"), [(1, (8, 8, 8)), (2, (8, 8, 8)), (1, (4, 16, 8))])
    def test_equals_torch(self, trained: Model, batch: int, shape: tuple[int, ...]) -> None:
        windows = torch.randn(batch, 1, *shape, generator=torch.Generator().manual_seed(1))
        backend = backend_factory("openvino")(trained, CPU, Precision.FULL)
        expected = TorchBackend(trained.network(), CPU).run(windows)
        result = backend.run(windows)
        assert result.shape == (batch, 1, *shape)
        torch.testing.assert_close(result, expected[:, 1:2] - expected[:, :1], rtol=1e-4, atol=1e-4)

    def test_results_do_not_share_memory(self, trained: Model) -> None:
        backend = backend_factory("openvino")(trained, CPU, Precision.FULL)
        first = backend.run(torch.zeros(1, 1, 8, 8, 8))
        kept = first.clone()
        backend.run(torch.ones(1, 1, 8, 8, 8))
        assert torch.equal(first, kept)

    def test_the_translation_is_kept_until_the_weights_change(
        self, trained: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        windows = torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(1))
        before = openvino_backend.openvino_backend(trained, CPU, Precision.FULL).run(windows)
        translated: list[int] = []
        real = openvino_backend.translate

        def counted(*arguments: object) -> object:
            translated.append(1)
            return real(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(openvino_backend, "translate", counted)
        assert torch.equal(openvino_backend.openvino_backend(trained, CPU, Precision.FULL).run(windows), before)
        assert not translated
        from lossseg.model.folder import write_tensors

        write_tensors(trained.folder / "weights.safetensors", networks.build(CONFIG).state_dict())
        after = openvino_backend.openvino_backend(trained, CPU, Precision.FULL).run(windows)
        assert len(translated) == 1 and not torch.equal(after, before)
        assert len(list((trained.folder / "openvino").iterdir())) == 1

    def test_a_damaged_translation_is_made_anew(self, trained: Model) -> None:
        windows = torch.randn(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(1))
        before = openvino_backend.openvino_backend(trained, CPU, Precision.FULL).run(windows)
        (openvino_backend.cache_folder(trained) / "network.xml").write_text("<net")
        assert torch.equal(openvino_backend.openvino_backend(trained, CPU, Precision.FULL).run(windows), before)

    def test_nothing_reports_its_use(self) -> None:
        code = (
            "import sys; from lossseg.inference import openvino_backend as o; o._openvino(); "
            "print(sys.modules['openvino_telemetry'], 'openvino' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["None", "True"]
