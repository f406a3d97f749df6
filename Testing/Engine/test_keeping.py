"""What a process keeps between two jobs, and how it notices that a file is another one."""

from __future__ import annotations

import os

import pytest

from lossseg.errors import InputError
from lossseg.keeping import Keeper, stamp


def made(value: str, calls: list[str]):
    def make() -> str:
        calls.append(value)
        return value

    return make


def test_a_value_is_made_once():
    keeper, calls = Keeper(), []
    assert [keeper.get(("a", 1), made("x", calls)) for _ in range(3)] == ["x"] * 3
    assert keeper.get(("a", 2), made("y", calls)) == "y"
    assert calls == ["x", "y"]


def test_the_least_recently_asked_goes_first():
    keeper, calls = Keeper(10), []
    for name in ("a", "b", "a", "c", "a", "b"):
        keeper.get(name, made(name, calls), lambda value: 4)
    assert calls == ["a", "b", "c", "b"]
    assert keeper.held_bytes == 8


def test_what_is_too_large_is_not_kept():
    keeper, calls = Keeper(10), []
    keeper.get("small", made("small", calls), lambda value: 10)
    for _ in range(2):
        assert keeper.get("large", made("large", calls), lambda value: 11) == "large"
    keeper.get("small", made("small", calls), lambda value: 10)
    assert calls == ["small", "large", "large"]
    keeper.clear()
    assert keeper.held_bytes == 0
    keeper.get("small", made("small", calls), lambda value: 10)
    assert calls[-1] == "small" and len(calls) == 4


def test_an_error_is_not_kept():
    keeper = Keeper()

    def fail() -> str:
        raise InputError("Not yet.")

    with pytest.raises(InputError):
        keeper.get("a", fail)
    assert keeper.get("a", lambda: "now") == "now"


def test_a_stamp_follows_the_file(tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_text("one")
    first = stamp(path)
    assert stamp(path) == first
    os.utime(path, ns=(0, first[2] + 1_000_000_000))
    assert stamp(path) != first
    os.utime(path, ns=(0, first[2]))
    assert stamp(path) == first
    path.write_text("longer")
    os.utime(path, ns=(0, first[2]))
    assert stamp(path) != first


def test_the_voxels_beside_a_header_are_stamped_too(tmp_path):
    header, voxels = tmp_path / "a [1].mhd", tmp_path / "a [1].raw"
    header.write_text("ElementDataFile = a.raw")
    voxels.write_bytes(b"1")
    first = stamp(header)
    voxels.write_bytes(b"12")
    assert stamp(header) != first


def test_no_file_no_stamp(tmp_path):
    with pytest.raises(InputError, match=r"absent.nrrd does not exist"):
        stamp(tmp_path / "absent.nrrd")
    with pytest.raises(InputError, match="is a folder"):
        stamp(tmp_path)
