"""Tests of Ctrl-C have to work where it is ignored, as under `nohup` or in the background of a script."""

from __future__ import annotations

import signal

import psutil

from tests.processes import finished, started

STATE = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
CHILD = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"


def test_ctrl_c_has_its_usual_effect_in_processes_of_tests() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert finished("-c", STATE).stdout == "True\n"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_processes_end_with_the_test_that_started_them() -> None:
    with started("-c", CHILD) as process:
        assert process.stdout
        child = psutil.Process(int(process.stdout.readline()))
        assert child.is_running()
    assert process.poll() == -signal.SIGKILL
    _, alive = psutil.wait_procs([child], timeout=10)
    assert not alive or child.status() == psutil.STATUS_ZOMBIE
