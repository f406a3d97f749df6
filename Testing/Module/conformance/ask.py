"""Asks every probe and writes the answers as JSON to the file that PROBE_OUT names.

    PROBE_OUT=answers.json Slicer --no-splash --testing --python-script ask.py
    PROBE_OUT=answers.json python ask.py --harness

After a crash call it again: answers that the file has are kept, the crashing probe stays {"crash": true}.
"""

import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HARNESS = "--harness" in sys.argv
sys.path.insert(0, str(HERE))
if HARNESS:
    sys.path.insert(0, str(HERE.parents[1]))
    import slicer_harness

    slicer_harness.boot()
import qt  # noqa: E402
import slicer  # noqa: E402


def ask_all() -> None:
    import probes
    from probes.asking import PROBES, answer

    for module in pkgutil.iter_modules(probes.__path__):
        importlib.import_module(f"probes.{module.name}")
    out = Path(os.environ["PROBE_OUT"])
    answers = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    for name, function in PROBES.items():
        if name not in answers:
            answers[name] = {"crash": True}
            _write(out, answers)
            answers[name] = answer(function)
            if name.startswith("m_") or slicer.mrmlScene.GetNumberOfNodes() != nodes:
                slicer.mrmlScene.Clear(0)
                nodes = slicer.mrmlScene.GetNumberOfNodes()
    _write(out, answers)
    if HARNESS:
        os._exit(0)
    slicer.util.exit(0)


def _write(path: Path, answers: dict) -> None:
    path.write_text(json.dumps(answers, indent=0, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


loop = qt.QEventLoop()  # as in the application; and with --testing Slicer ends when the script returns
qt.QTimer.singleShot(500, ask_all)
loop.exec_()
