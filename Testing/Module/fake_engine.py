"""An engine in trouble: python fake_engine.py MODE job.json. Needs the standard library only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def started():
    say("started", job="predict", engine="0", device="cpu", reason="the CPU")


def finished():
    say("finished", summary={"answer": 42})


def sleep_with_children():
    """A child and a grandchild that outlive a plain kill of this process; their ids go to the log."""
    code = "import subprocess,sys,time; p=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)']); "
    code += "print(p.pid, flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    print("children", child.pid, child.stdout.readline().strip(), file=sys.stderr, flush=True)
    say("progress", stage="segment", done=1, total=100, eta_s=60.0)
    time.sleep(60)


def import_two_folds(job_file):
    """What the job import_model leaves: two models, and an ensemble of them."""
    with open(job_file, encoding="utf-8") as file:
        parameters = json.load(file)["params"]
    demo = Path(__file__).resolve().parents[2] / "SlicerLossSeg" / "Resources" / "DemoStudy" / "models"
    folders = [Path(parameters["out"]) / "Dataset001" / f"fold_{fold}" for fold in (0, 1)]
    for fold, folder in enumerate(folders):
        say("progress", stage="import", done=fold, total=2, eta_s=1.0)
        shutil.copytree(demo / f"dice_ce_fold_{fold}", folder)
    ensemble = Path(parameters["ensembles"]) / "Dataset001.json"
    ensemble.parent.mkdir(parents=True, exist_ok=True)
    members = [{"path": f"../models/Dataset001/fold_{fold}", "weight": 1.0} for fold in (0, 1)]
    ensemble.write_text(json.dumps({"format": 1, "members": members, "chosen": "All folds."}), encoding="utf-8")
    warnings = ["The original resamples with order 3."]
    say("finished", summary={"models": [str(one) for one in folders], "ensemble": str(ensemble), "warnings": warnings})


def main(mode):
    if mode == "missing_package":
        import a_package_that_is_not_installed  # noqa: F401
    started()
    if mode == "good":
        finished()
    elif mode == "exit_code":
        finished()
        print("it went wrong afterwards", file=sys.stderr)
        sys.exit(3)
    elif mode == "silent":
        sys.exit(0)
    elif mode == "error_event":
        say("error", kind="input", message="The volume is empty.", hint="Choose another one.")
        sys.exit(2)
    elif mode == "disk_full":
        say("error", kind="disk_full", message="No room left on the disk.", hint="Free some space.")
        sys.exit(1)
    elif mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "launcher_killed":
        sys.exit(137)
    elif mode == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif mode == "garbage":
        sys.stdout.buffer.write(
            b'Loading weights 50%\r\n\xff\xfe not UTF-8 \n{"event": "unknown"}\n{"no": 1}\n[1, 2]\n'
        )
        sys.stdout.buffer.write("späte Meldung ".encode())
        sys.stdout.flush()
        print(file=sys.stdout, flush=True)
        finished()
    elif mode == "pieces":
        line = json.dumps({"event": "warning", "message": "höher", "hint": ""}, ensure_ascii=False).encode() + b"\n"
        for byte in line:
            sys.stdout.buffer.write(bytes([byte]))
            sys.stdout.flush()
            time.sleep(0.001)
        sys.stdout.buffer.write(json.dumps({"event": "finished", "summary": {}}).encode())
        sys.stdout.flush()
    elif mode == "import":
        import_two_folds(sys.argv[2])
    elif mode == "polite":
        say("progress", stage="segment", done=0, total=10)
        for line in sys.stdin:
            if line.strip() == "cancel":
                say("error", kind="cancelled", message="Cancelled.", hint="")
                sys.exit(130)
    elif mode == "deaf":
        sleep_with_children()


main(sys.argv[1])
