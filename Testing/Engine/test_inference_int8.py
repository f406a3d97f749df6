"""A network partly in 8 bits: near the one in 32, calibrated once, and refused where it cannot be."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from lossseg import networks
from lossseg.dataset import Case
from lossseg.errors import InputError
from lossseg.images import Geometry, write_volume
from lossseg.inference import Predictor, PredictSettings, predict_cases
from lossseg.inference import int8_backend as int8
from lossseg.inference.backend import Precision
from lossseg.inference.backend_choice import backend_factory
from lossseg.inference.int8 import Range, channel_ranges, quantised
from lossseg.inference.openvino_backend import OpenVinoBackend, core, graph_of, translate
from lossseg.model import Ensemble, Member, Model, save
from lossseg.preprocessing import ChannelKind, ChannelScheme, Plan
from lossseg.reporting import Silent

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")

CPU = torch.device("cpu")
CONFIG = {
    "name": "DynUNet",
    "in_channels": 1,
    "out_channels": 2,
    "filters": [8, 16, 16],
    "kernels": [[3, 3, 3]] * 3,
    "strides": [[1, 1, 1], [2, 2, 2], [1, 2, 2]],
    "deep_supervision": False,
}


@pytest.fixture
def trained(tmp_path: Path) -> Model:
    torch.manual_seed(0)
    plan = Plan(
        channels=(ChannelScheme("MR", ChannelKind.NONE),),
        spacing=(1.0, 1.0, 1.0),
        patch=(16, 16, 16),
        batch=2,
        labels={"background": 0, "lesion": 1},
        network=CONFIG,
    )
    weights = networks.build(CONFIG).state_dict()
    return save(tmp_path / "m", plan=plan, weights=weights, loss="ce", training={}, scores={})


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    made = []
    for number in range(2):
        values = np.random.default_rng(number).normal(size=(24, 20, 18)).astype(np.float32)
        path = tmp_path / "images" / f"case_{number}_0000.nii.gz"
        write_volume(path, values, Geometry(values.shape, (1.0, 1.0, 1.0)))
        made.append(Case(f"case_{number}", (path,), None))
    return made


def noise(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def kept(model: Model) -> Path:
    (folder,) = model.folder.glob("openvino/*/int8-*")
    return folder


def operations(graph: object) -> list[str]:
    return [node.get_type_name() for node in graph.get_ordered_ops()]  # type: ignore[attr-defined]


class TestRange:
    def test_a_channel_that_hardly_speaks_keeps_a_scale(self) -> None:
        found = Range(np.array([-1.0, 0.0, -8.0], np.float32), np.array([4.0, 0.0, 2.0], np.float32))
        np.testing.assert_allclose(found.scale, [4.0, 0.008, 8.0])
        assert not found.rectified

    def test_a_tensor_of_zeros_can_be_divided(self) -> None:
        assert (Range(np.zeros(2, np.float32), np.zeros(2, np.float32)).scale > 0).all()

    def test_the_leak_of_a_rectifier_does_not_count(self) -> None:
        assert Range(np.array([-0.04], np.float32), np.array([1.0], np.float32)).rectified


def test_ranges_are_those_of_all_windows() -> None:
    """The tensor that the second convolution reads, against torch."""
    torch.manual_seed(1)
    parts = [torch.nn.Conv3d(8, 8, 3, padding=1) for _ in range(3)]
    network = torch.nn.Sequential(parts[0], torch.nn.LeakyReLU(0.01), parts[1], torch.nn.Tanh(), parts[2])
    graph = translate(network, (1, 8, 4, 4, 4))
    windows = [noise(1, 8, 4, 4, 4, seed=seed) for seed in range(3)]
    found = channel_ranges(graph, [window.numpy() for window in windows], core())
    with torch.inference_mode():
        read = [network[:2](window) for window in windows], [network[:4](window) for window in windows]
    assert len(found) == 2
    for measured, values in zip(found.values(), read, strict=True):
        together = torch.cat(values).permute(1, 0, 2, 3, 4).flatten(1)
        np.testing.assert_allclose(measured.high, together.amax(1).numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(measured.low, together.amin(1).numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="Nothing"):
        channel_ranges(graph, [], core())


def test_the_larger_convolutions_are_in_8_bits(trained: Model) -> None:
    graph = graph_of(trained)
    windows = [noise(1, 1, 16, 16, 16, seed=seed).numpy() for seed in range(3)]
    made = quantised(graph, channel_ranges(graph, windows, core()))
    assert "FakeQuantize" not in operations(graph)
    bytes_of = [
        node.get_output_element_type(0).get_type_name()
        for node in made.get_ordered_ops()
        if node.get_type_name() == "Constant"
    ]
    # That of the image, the one after it and that of one voxel stay.
    assert operations(graph).count("Convolution") == 11
    assert bytes_of.count("i8") == 8
    window = noise(1, 1, 16, 16, 16)
    exact = OpenVinoBackend(graph, Precision.FULL).run(window)
    near = OpenVinoBackend(made, Precision.FULL).run(window)
    error = float((near - exact).square().mean().sqrt() / exact.std())
    assert 0 < error < 0.1


def test_calibrated_once_and_kept(trained: Model, cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    window = noise(1, 1, 16, 16, 16)
    first = int8.int8_backend(trained, cases, Silent()).run(window)
    record = json.loads((kept(trained) / "calibration.json").read_text(encoding="utf-8"))
    assert record == {"windows": {"case_0": 6, "case_1": 6}, "tensors_in_8_bits": 8}
    monkeypatch.setattr(int8, "channel_ranges", None)
    assert torch.equal(int8.int8_backend(trained, [], Silent()).run(window), first)
    monkeypatch.undo()
    (kept(trained) / "network.xml").write_text("<net")
    assert torch.equal(int8.int8_backend(trained, cases, Silent()).run(window), first)
    assert torch.equal(int8.int8_backend(trained, [], Silent()).run(window), first)


def test_a_folder_that_cannot_be_written_to(trained: Model, cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("read-only")

    expected = int8.int8_backend(trained, cases, Silent()).run(noise(1, 1, 16, 16, 16))
    for path in kept(trained).iterdir():
        path.unlink()
    kept(trained).rmdir()
    monkeypatch.setattr(int8.openvino, "save", refuse)
    found = int8.int8_backend(trained, cases, Silent()).run(noise(1, 1, 16, 16, 16))
    assert torch.equal(found, expected)
    assert not list(trained.folder.glob("openvino/*/int8-*")) and not list(trained.folder.glob("openvino/*/.*"))


def test_a_case_that_cannot_be_read_is_left_out(trained: Model, cases: list[Case], tmp_path: Path) -> None:
    missing = Case("gone", (tmp_path / "gone.nii.gz",), None)
    int8.int8_backend(trained, [missing, cases[0]], Silent())
    assert json.loads((kept(trained) / "calibration.json").read_text(encoding="utf-8"))["windows"] == {"case_0": 6}


def test_only_cases_that_cannot_be_read(trained: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.nii\.gz"):
        int8.int8_backend(trained, [Case("gone", (tmp_path / "gone.nii.gz",), None)], Silent())


def test_windows_spread_over_the_body(trained: Model, cases: list[Case]) -> None:
    windows = int8.calibration_windows(trained, cases[0], 3)
    assert [window.shape for window in windows] == [(1, 1, 16, 16, 16)] * 3
    assert len({window.tobytes() for window in windows}) == 3


def test_from_images_to_masks(trained: Model, cases: list[Case], tmp_path: Path) -> None:
    """Through the settings of the job; the probabilities lie near those in 32 bits."""
    from lossseg.images import read_volume

    ensemble = Ensemble("e", (Member(trained),))
    found = {}
    for precision in ("full", "int8"):
        settings = PredictSettings(device="cpu", precision=precision, keep_probability=True, min_voxels=0)
        assert len(predict_cases(ensemble, cases, tmp_path / precision, settings, Silent())) == 2
        found[precision] = read_volume(tmp_path / precision / "case_1_probability.nii.gz").array
    difference = np.abs(found["int8"] - found["full"])
    assert 0 < difference.mean() < 0.02
    assert kept(trained).is_dir()


class TestRefused:
    def test_without_anything_to_calibrate_on(self, trained: Model) -> None:
        with pytest.raises(InputError, match="m was not calibrated for 8 bits yet"):
            backend_factory("auto")(trained, CPU, Precision.INT8)

    def test_by_torch(self, trained: Model, cases: list[Case]) -> None:
        with pytest.raises(InputError, match="torch was asked for"):
            backend_factory("torch", cases=cases)(trained, CPU, Precision.INT8)

    def test_elsewhere_than_on_the_cpu(self, trained: Model, cases: list[Case]) -> None:
        with pytest.raises(InputError, match="not on cuda") as caught:
            backend_factory("auto", cases=cases)(trained, torch.device("cuda"), Precision.INT8)
        assert "--device cpu" in caught.value.hint

    def test_without_openvino(self, trained: Model, cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lossseg.inference.openvino_backend.is_installed", lambda: False)
        with pytest.raises(InputError, match="not installed") as caught:
            backend_factory("auto", cases=cases)(trained, CPU, Precision.INT8)
        assert "pip install openvino" in caught.value.hint

    def test_a_network_that_openvino_cannot_run(
        self, trained: Model, cases: list[Case], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*arguments: object) -> None:
            raise RuntimeError("Check failed\nno such operation")

        monkeypatch.setattr("lossseg.inference.openvino_backend.translate", refuse)
        with pytest.raises(InputError, match=r"cannot run m in 8 bits \(no such operation\)"):
            backend_factory("auto", cases=cases)(trained, CPU, Precision.INT8)

    def test_as_a_word_that_is_unknown(self, trained: Model) -> None:
        with pytest.raises(InputError, match="Unknown precision 'int4'") as caught:
            Predictor([trained], "cpu", precision="int4")
        assert "int8" in caught.value.hint


def test_nothing_reports_its_use(trained: Model, cases: list[Case]) -> None:
    code = (
        "import sys; from pathlib import Path; from lossseg.dataset import Case; from lossseg.model import load;"
        "from lossseg.inference.int8_backend import int8_backend; from lossseg.reporting import Silent;"
        f"int8_backend(load(Path({str(trained.folder)!r})), [Case('c', (Path({str(cases[0].images[0])!r}),), None)],"
        "Silent()); print([name for name in sys.modules if name[:18] == 'openvino_telemetry' and sys.modules[name]])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]"]
    assert kept(trained).is_dir()
