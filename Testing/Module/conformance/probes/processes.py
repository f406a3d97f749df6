"""QProcess."""

import pathlib

import qt

from probes.asking import probe, spin, until

PYTHON = "/usr/bin/python3" if pathlib.Path("/usr/bin/python3").exists() else "python3"


@probe
def process_lines_and_exit():
    p = qt.QProcess()
    lines, done = ([], [])

    def read():
        while p.canReadLine():
            lines.append(bytes(p.readLine().data()).decode().strip())

    p.connect("readyReadStandardOutput()", read)
    p.connect(
        "finished(int,QProcess::ExitStatus)", lambda code, status: done.append([code, status == qt.QProcess.NormalExit])
    )
    p.start(PYTHON, ["-u", "-c", "import sys\nfor i in range(3): print('{\"n\": %d}' % i)\nsys.exit(3)"])
    ok = until(lambda: done)
    read()
    return [ok, lines, done, p.exitCode()]


@probe
def process_finished_int_only():
    p = qt.QProcess()
    done = []
    ok = p.connect("finished(int)", lambda code: done.append(code))
    p.start(PYTHON, ["-c", "pass"])
    until(lambda: p.state() == qt.QProcess.NotRunning)
    spin(30)
    return [ok, done]


@probe
def process_finished_attr():
    p = qt.QProcess()
    done = []
    p.finished.connect(lambda *a: done.append(len(a)))
    p.start(PYTHON, ["-c", "pass"])
    until(lambda: done, 2000)
    return done


@probe
def process_finished_attr_two():
    p = qt.QProcess()
    done = []
    p.finished.connect(lambda code, status: done.append(code))
    p.start(PYTHON, ["-c", "pass"])
    until(lambda: done, 2000)
    return done


@probe
def process_write_stdin_str():
    p = qt.QProcess()
    p.start(PYTHON, ["-u", "-c", "print(input())"])
    p.waitForStarted(3000)
    n = p.write("hello\n")
    p.closeWriteChannel()
    p.waitForFinished(4000)
    return [n, bytes(p.readAllStandardOutput().data()).decode()]


@probe
def process_write_stdin_bytes():
    p = qt.QProcess()
    p.start(PYTHON, ["-u", "-c", "print(input())"])
    p.waitForStarted(3000)
    n = p.write(b"hello\n")
    p.closeWriteChannel()
    p.waitForFinished(4000)
    return [n, bytes(p.readAllStandardOutput().data()).decode()]


@probe
def process_write_qbytearray():
    p = qt.QProcess()
    p.start(PYTHON, ["-u", "-c", "print(input())"])
    p.waitForStarted(3000)
    n = p.write(qt.QByteArray(b"hello\n"))
    p.closeWriteChannel()
    p.waitForFinished(4000)
    return [n, bytes(p.readAllStandardOutput().data()).decode()]


@probe
def process_write_utf8():
    p = qt.QProcess()
    p.start(PYTHON, ["-u", "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.readline())"])
    p.waitForStarted(3000)
    p.write("é\n".encode())
    p.closeWriteChannel()
    p.waitForFinished(4000)
    return bytes(p.readAllStandardOutput().data()).decode("utf8", "replace")


@probe
def process_read_type():
    p = qt.QProcess()
    p.start(PYTHON, ["-c", "print('x')"])
    p.waitForFinished(4000)
    d = p.readAllStandardOutput()
    return [type(d).__name__, type(d.data()).__name__, bytes(d.data()).decode()]


@probe
def process_read_bytes_direct():
    p = qt.QProcess()
    p.start(PYTHON, ["-c", "print('x')"])
    p.waitForFinished(4000)
    return bytes(p.readAllStandardOutput()).decode()


@probe
def process_read_str_direct():
    p = qt.QProcess()
    p.start(PYTHON, ["-c", "print('x')"])
    p.waitForFinished(4000)
    return str(p.readAllStandardOutput())


@probe
def process_kill():
    p = qt.QProcess()
    done = []
    p.connect("finished(int,QProcess::ExitStatus)", lambda c, s: done.append([c, s == qt.QProcess.CrashExit]))
    p.start(PYTHON, ["-c", "import time; time.sleep(30)"])
    p.waitForStarted(3000)
    p.kill()
    until(lambda: done)
    return [done, p.exitStatus() == qt.QProcess.CrashExit]


@probe
def process_terminate():
    p = qt.QProcess()
    p.start(PYTHON, ["-c", "import time; time.sleep(30)"])
    p.waitForStarted(3000)
    p.terminate()
    ok = p.waitForFinished(3000)
    return [ok, p.exitCode(), p.exitStatus() == qt.QProcess.CrashExit, p.state() == qt.QProcess.NotRunning]


@probe
def process_not_found():
    p = qt.QProcess()
    got = []
    p.connect("errorOccurred(QProcess::ProcessError)", lambda e: got.append(e == qt.QProcess.FailedToStart))
    p.start("/no/such/program", [])
    ok = p.waitForStarted(1000)
    spin(20)
    return [ok, got, p.error() == qt.QProcess.FailedToStart, p.errorString()]


@probe
def process_environment():
    p = qt.QProcess()
    e = qt.QProcessEnvironment.systemEnvironment()
    e.insert("PROBE_X", "1")
    p.setProcessEnvironment(e)
    p.start(PYTHON, ["-c", "import os; print(os.environ['PROBE_X'])"])
    p.waitForFinished(4000)
    return bytes(p.readAllStandardOutput().data()).decode().strip()


@probe
def process_channels():
    p = qt.QProcess()
    p.setProcessChannelMode(qt.QProcess.MergedChannels)
    p.start(PYTHON, ["-c", "import sys; sys.stderr.write('err')"])
    p.waitForFinished(4000)
    return bytes(p.readAll().data()).decode()


@probe
def process_stderr():
    p = qt.QProcess()
    p.start(PYTHON, ["-c", "import sys; sys.stderr.write('err')"])
    p.waitForFinished(4000)
    return bytes(p.readAllStandardError().data()).decode()


@probe
def process_pid():
    p = qt.QProcess()
    p.start(PYTHON, ["-c", "import time; time.sleep(3)"])
    p.waitForStarted(3000)
    a = p.processId()
    p.kill()
    p.waitForFinished(2000)
    return a > 0


@probe
def process_pid_property():
    return qt.QProcess().processId


@probe
def process_state_type():
    p = qt.QProcess()
    return [p.state() == qt.QProcess.NotRunning, p.state() == 0]


@probe
def process_workingDirectory():
    p = qt.QProcess()
    p.setWorkingDirectory("/tmp")
    p.start(PYTHON, ["-c", "import os; print(os.getcwd())"])
    p.waitForFinished(4000)
    return [p.workingDirectory(), bytes(p.readAllStandardOutput().data()).decode().strip()]


@probe
def process_dropped_while_running():
    p = qt.QProcess()
    p.start(PYTHON, ["-c", "import time; time.sleep(20)"])
    p.waitForStarted(3000)
    pid = p.processId()
    del p
    spin(100)
    return pathlib.Path(f"/proc/{pid}").exists() and "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2]


@probe
def process_setters_as_property():
    p = qt.QProcess()
    p.workingDirectory = "/tmp"
    return p.workingDirectory


@probe
def process_start_program_property():
    p = qt.QProcess()
    p.setProgram(PYTHON)
    p.setArguments(["-c", "print(7)"])
    p.start()
    p.waitForFinished(4000)
    return bytes(p.readAllStandardOutput().data()).decode().strip()
