"""Parts of a study: names of folders, remaining time, and that one process at a time works on it."""

from __future__ import annotations

import json
import os

import psutil
import pytest
from studies_fakes import Listener

from lossseg.errors import InputError
from lossseg.locking import LOCK_FILE, only_one
from lossseg.studies.progress import Meter, RunReporter
from lossseg.studies.state import folder_name


def test_only_one_process_works_on_a_study(tmp_path):
    (tmp_path / LOCK_FILE).write_text("damaged")
    with only_one(tmp_path):
        holder = json.loads((tmp_path / LOCK_FILE).read_text(encoding="utf-8"))
        # Another process of this machine that lives: the one that started this one.
        parent = psutil.Process(os.getppid())
        (tmp_path / LOCK_FILE).write_text(json.dumps(holder | {"pid": parent.pid, "since": parent.create_time()}))
        with pytest.raises(InputError, match=f"Process {parent.pid} is at work"), only_one(tmp_path):
            pass
        # The same number, but another process: that one has ended.
        (tmp_path / LOCK_FILE).write_text(json.dumps(holder | {"pid": parent.pid, "since": 1.0}))
        with only_one(tmp_path):
            assert json.loads((tmp_path / LOCK_FILE).read_text(encoding="utf-8"))["pid"] == os.getpid()


def test_folder_names_suit_any_file_system():
    assert folder_name("dice + topk(k=0.1)", ()) == "dice_topk_k_0.1"
    assert folder_name("0.5*iw(focal(gamma=2, alpha=0.75))", ()) == "0.5_iw_focal_gamma_2_alpha_0.75"
    assert len(folder_name("dice + " * 40 + "ce", ())) <= 60
    assert folder_name("dice - ce", ("Dice_CE",)).startswith("dice_ce_")
    assert folder_name("con", ()) != "con"


def test_the_remaining_time_goes_by_this_session():
    now = [0.0]
    meter = Meter(["a", "b", "c"], ["a"], 100, lambda: now[0])
    assert (meter.done, meter.total, meter.eta_s) == (100, 300, None)
    now[0] = 10.0
    meter.at("b", 60)  # 60 of its steps were done before a pause
    assert meter.eta_s is None
    now[0] = 20.0
    meter.at("b", 80)  # 20 steps in 20 s, 120 left
    assert (meter.done, meter.eta_s) == (180, 120.0)
    meter.ended("b")
    assert meter.done == 200 and meter.eta_s == pytest.approx(20 / 40 * 100)
    heard = Listener()
    reporter = RunReporter("c", heard, meter)
    reporter.progress("train, steps", 0, 100)
    reporter.progress("validate", 3, 4)
    assert [(stage, done, total) for stage, done, total, _ in heard.stages] == [
        ("c: train, steps", 200, 300),
        ("c: validate", 200, 300),
    ]
