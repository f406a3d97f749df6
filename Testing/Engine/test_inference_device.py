"""Which device computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lossseg.errors import InputError
from lossseg.inference import device as room
from lossseg.inference.device import choose_device, cpu_flags, cpu_has_bf16, reduced_precision


@pytest.fixture
def no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_cards")
def test_without_cards_the_cpu_computes_and_says_why() -> None:
    device, why = choose_device("auto")
    assert device == torch.device("cpu") and "no CUDA card" in why
    device, why = choose_device(" CPU ")
    assert device == torch.device("cpu") and why.endswith("as asked for")


@pytest.mark.usefixtures("no_cards")
@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_there(name: str) -> None:
    with pytest.raises(InputError, match=f"The device '{name}' cannot be used.*--device auto"):
        choose_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "", "tpu:0"])
def test_a_device_nobody_knows(name: str) -> None:
    with pytest.raises(InputError, match="Unknown device"):
        choose_device(name)


def test_the_number_of_a_card_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(room, "_cuda_words", lambda index: f"cuda:{index}")
    assert choose_device("cuda:1") == (torch.device("cuda", 1), "cuda:1, as asked for")
    assert choose_device("cuda")[0] == torch.device("cuda", 0)
    with pytest.raises(InputError, match=r"2 CUDA card\(s\)"):
        choose_device("cuda:2")


def test_a_card_that_does_not_compute_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*size: object, device: str) -> None:
        raise RuntimeError("no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", broken)
    device, why = choose_device("auto")
    assert device.type == "cpu" and why.endswith("(no kernel image is available for execution on the device)")


def test_flags_of_a_processor(tmp_path: Path) -> None:
    x86, arm = tmp_path / "x86", tmp_path / "arm"
    x86.write_text("processor\t: 0\nflags\t\t: fpu sse avx512_bf16 amx_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    arm.write_text("processor : 0\nFeatures : fp asimd bf16\n")
    assert cpu_flags(x86) == {"fpu", "sse", "avx512_bf16", "amx_bf16"}
    assert cpu_flags(arm) == {"fp", "asimd", "bf16"}
    assert cpu_flags(tmp_path / "windows") == set()


@pytest.mark.parametrize(
    ("torch_says", "flags", "expected"), [(True, "", True), (False, "fpu bf16", True), (False, "fpu", False)]
)
def test_bf16_is_used_where_the_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, torch_says: bool, flags: str, expected: bool
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"flags: {flags}\n")
    monkeypatch.setattr(room, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(room, "_torch_says_bf16", lambda: torch_says)
    cpu_has_bf16.cache_clear()
    try:
        assert cpu_has_bf16() is (expected and torch.backends.mkldnn.is_available())
        if not expected:
            assert reduced_precision(torch.device("cpu")) is None
    finally:
        cpu_has_bf16.cache_clear()
    assert reduced_precision(torch.device("cuda")) is torch.float16
    assert reduced_precision(torch.device("mps")) is None
