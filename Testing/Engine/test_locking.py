"""One process at a time works in a folder: living, dead and far holders, and real second processes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from training_fakes import TINY, Recorder, blobs

from lossseg import locking
from lossseg.errors import Cancelled, InputError
from lossseg.locking import DEAD_AFTER_S, LOCK_FILE, only_one, wait_until_free
from lossseg.training import TrainingSettings, cross_validate, train

ENGINE = Path(__file__).parents[2] / "SlicerLossSeg"
_LIMIT_S = 300.0

TRAIN = """
import sys
from pathlib import Path
from lossseg.reporting import Silent
from lossseg.training import TrainingSettings, loop, train
loop._CHECKPOINT_EVERY_S = 0.2
settings = TrainingSettings(
    epochs=1, iterations=100000, filters=(4, 8, 8), patch=(16, 16, 16), batch=2, workers=0, device="cpu", validations=1
)
train(Path(sys.argv[1]), Path(sys.argv[2]), settings, Silent())
"""
TAKE = """
import sys, time
from pathlib import Path
from lossseg.errors import InputError
from lossseg.locking import only_one
folder, log = Path(sys.argv[1]), Path(sys.argv[2])
while not (folder / "go").exists():
    time.sleep(0.005)
try:
    with only_one(folder):
        with open(log, "a") as file: file.write("in\\n")
        time.sleep(1.0)
        with open(log, "a") as file: file.write("out\\n")
except InputError as error:
    assert "is at work in" in error.message
"""


def process(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ENGINE), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=environment)


def until(true: Callable[[], bool], of: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _LIMIT_S
    while not true():
        assert of.poll() is None and time.monotonic() < end
        time.sleep(0.05)


def lock(folder: Path, **changed: object) -> Path:
    """The lock of another process of this computer that lives: the one that started this one."""
    parent = psutil.Process(os.getppid())
    holder = {"pid": parent.pid, "host": platform.node(), "since": parent.create_time(), "mark": "other"}
    path = folder / LOCK_FILE
    path.write_text(json.dumps(holder | changed), encoding="utf-8")
    return path


def test_a_second_process_may_not_train_into_the_same_folder(tmp_path):
    dataset, out = blobs(tmp_path / "data"), tmp_path / "run"
    settings = TrainingSettings(epochs=1, iterations=100000, validations=1, resume=True, **TINY)
    first = process(TRAIN, dataset, out)
    try:
        until((out / "training.json").exists, first)
        before = (out / LOCK_FILE).read_text(encoding="utf-8")
        with pytest.raises(InputError, match=f"Process {first.pid} is at work in .*run. Wait until it has ended"):
            train(dataset, out, settings, Recorder())
        assert (out / LOCK_FILE).read_text(encoding="utf-8") == before and first.poll() is None
        until((out / "checkpoints" / "last.safetensors").exists, first)
    finally:
        first.kill()
        first.wait()
    # Killed, it left its lock behind, which holds nobody up; the run goes on from its checkpoint.
    assert (out / LOCK_FILE).exists()
    heard = Recorder(cancel_at=1)
    with pytest.raises(Cancelled):
        train(dataset, out, settings, heard)
    assert heard.step > 1 and not (out / LOCK_FILE).exists()


def test_folds_are_trained_by_one_process(tmp_path):
    dataset = blobs(tmp_path / "data")
    out = tmp_path / "folds"
    out.mkdir()
    path = lock(out)
    with pytest.raises(InputError, match=f"Process {os.getppid()} is at work in .*folds"):
        cross_validate(dataset, out, TrainingSettings(epochs=1, iterations=1, folds=2, **TINY), Recorder())
    assert list(out.iterdir()) == [path]


def test_of_several_that_take_over_at_once_one_gets_it(tmp_path):
    folder, log = tmp_path / "folder", tmp_path / "log"
    folder.mkdir()
    lock(folder, since=1.0)
    rivals = [process(TAKE, folder, log) for _ in range(4)]
    time.sleep(2.0)
    (folder / "go").touch()
    assert [rival.wait(_LIMIT_S) for rival in rivals] == [0, 0, 0, 0]
    lines = log.read_text().split()
    assert lines and lines == ["in", "out"] * (len(lines) // 2)
    assert not (folder / LOCK_FILE).exists()


def test_a_holder_on_another_computer_lives_as_long_as_it_touches_its_lock(tmp_path):
    path = lock(tmp_path, host="far", pid=7)
    with pytest.raises(InputError, match="Process 7 on the computer far is at work") as caught, only_one(tmp_path):
        pass
    assert "free again in 2 minutes" in caught.value.hint
    old = time.time() - DEAD_AFTER_S - 5
    os.utime(path, (old, old))
    with only_one(tmp_path):
        assert json.loads(path.read_text(encoding="utf-8"))["host"] == platform.node()
    assert not list(tmp_path.iterdir())


def test_a_holder_touches_its_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(locking, "TOUCH_EVERY_S", 0.02)
    with only_one(tmp_path):
        path = tmp_path / LOCK_FILE
        os.utime(path, (1.0, 1.0))
        end = time.monotonic() + _LIMIT_S
        while path.stat().st_mtime < 2 and time.monotonic() < end:
            time.sleep(0.01)
        assert time.time() - path.stat().st_mtime < 60


def test_a_process_may_hold_a_folder_within_its_own_work_but_not_what_it_left_in_a_former_life(tmp_path):
    with only_one(tmp_path / "new" / "folder"):
        path = tmp_path / "new" / "folder" / LOCK_FILE
        outer = path.read_text(encoding="utf-8")
        with only_one(path.parent):
            assert path.read_text(encoding="utf-8") != outer
        assert path.read_text(encoding="utf-8") == outer
    assert (tmp_path / "new").exists() and not path.parent.exists(), "an empty folder that it made goes with it"
    # Process numbers come again, in containers soon.
    path = lock(tmp_path, pid=os.getpid(), since=1.0)
    with only_one(tmp_path):
        pass
    assert not path.exists()


def test_work_that_was_lost_elsewhere_waits_until_that_is_certain(tmp_path):
    path = lock(tmp_path)
    asked: list[float] = []
    threading.Timer(0.7, path.unlink).start()
    wait_until_free(tmp_path, lambda: asked.append(time.monotonic()))
    assert not path.exists() and asked
    lock(tmp_path)
    wait_until_free(tmp_path, lambda: None, patience_s=0.1)

    def cancelled() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        wait_until_free(tmp_path, cancelled)
