"""A `lossseg serve` in trouble: python fake_serve.py MODE. Needs the standard library only.

Each question is answered by the summary {"answer": its params, "process": id of the process}, unless its params hold
`wait` (until it is cancelled), `deaf` (for ever), `die` (exit code) or `fail`.
"""

import json
import os
import sys
import threading
import time

cancelled = threading.Event()
lines = []
arrived = threading.Condition()


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def listen():
    for line in sys.stdin:
        record = json.loads(line)
        if "cancel" in record:
            cancelled.set()
            continue
        with arrived:
            lines.append(record)
            arrived.notify()
    os._exit(0)


def work(record):
    question, params = record["id"], record["params"]
    cancelled.clear()
    say("started", id=question, job=record["job"], engine="0", device="cpu", reason="the CPU")
    print("a library chatters", flush=True)
    say("progress", id=question, stage="look", done=1, total=4)
    if "die" in params:
        print("it broke", file=sys.stderr, flush=True)
        os._exit(params["die"])
    if "deaf" in params:
        time.sleep(60)
    if "wait" in params:
        cancelled.wait(30)
        say("error", id=question, kind="cancelled", message="Cancelled.", hint="")
    elif "fail" in params:
        say("error", id=question, kind="input", message="The volume is empty.", hint="Choose another one.")
    else:
        say("finished", id=question, summary={"answer": params, "process": os.getpid()})


def main():
    threading.Thread(target=listen, daemon=True).start()
    say("started", job="serve", engine="0", device="cpu", reason="the CPU")
    while True:
        with arrived:
            arrived.wait_for(lambda: lines)
            record = lines.pop(0)
        work(record)


main()
