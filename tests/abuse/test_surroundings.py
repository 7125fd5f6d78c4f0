"""Commands in bad surroundings, and commands that are stopped: a little of `python -m tests.benchmarks.crashes`."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from netlists import load
from netlists.runtime import kernel_cache, scratch
from netlists.runtime.command import warn
from netlists.runtime.interrupts import INTERRUPTED
from netlists.runtime.scratch import private_folder, remove_left
from placer import place
from placer.cost import evaluate
from placer.runs.run_folder import read_run
from tests.abuse.kills import forked, run_command
from tests.abuse.surroundings import CASES, run_case
from tests.processes import demand_mounts, started

# Forks of a process with threads, which work on their own.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.mark.parametrize("name", ["a kernel, read-only installation and home", "place, disk full"])
def test_full_disks_and_read_only_folders(name: str, tmp_path: Path) -> None:
    demand_mounts()
    assert run_case(CASES[name], tmp_path) == []


def test_a_reader_that_has_enough() -> None:
    with started("-m", "dse", "networks") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.wait(60) == 1
        assert process.stderr.read() == ""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_signals_save_the_best_so_far(how: signal.Signals, tmp_path: Path) -> None:
    place(load("jetty"), method="greedy", iterations=1, workers=1)  # loads kernels, for the forks
    out, log = tmp_path / "out", tmp_path / "log"
    options = ["--method", "greedy", "--workers", "1", "--budget", "100", "--out", str(out)]
    with forked(lambda: run_command(["placer", "place", "jetty", *options]), log) as fork:
        while "best proxy" not in (log.read_text() if log.exists() else ""):
            assert fork.poll() is None, log.read_text()
            time.sleep(0.05)
        fork.send(how)
        assert fork.wait(60) == INTERRUPTED, log.read_text()
    assert "Traceback" not in log.read_text()
    run = read_run(out)
    assert run.metrics["interrupted"]
    assert run.metrics["seconds"] < 90
    assert evaluate(run.placement).proxy == run.metrics["proxy"]
    assert {path.name for path in out.iterdir()} == {"metrics.json", "placement.plc", "placement.png", "report.html"}


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    def work() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        run_command(["dse", "networks"])

    def report() -> None:
        try:
            work()
        except SystemExit:
            print("ignored:", signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)

    with forked(report, tmp_path / "log") as fork:
        assert fork.wait(60) == 0
    assert (tmp_path / "log").read_text().endswith("ignored: True\n")


def test_progress_that_nobody_can_read_ends_nothing(tmp_path: Path) -> None:
    def work() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
        for _ in range(2):
            warn("one line")
        print("done")

    with forked(work, tmp_path / "log") as fork:
        assert fork.wait(60) == 0
    assert (tmp_path / "log").read_text() == "done\n"


def test_kernels_without_any_folder_to_keep_them(tmp_path: Path) -> None:
    def work() -> None:
        from numba import njit

        kernel_cache.compile_in_memory()
        doubled: Any = njit(cache=True)(lambda x: 2 * x)
        print(json.dumps([doubled(4), doubled._cache.cache_path]))

    with forked(work, tmp_path / "log") as fork:
        assert fork.wait(60) == 0
    assert json.loads((tmp_path / "log").read_text()) == [8, None]


def test_private_folders_of_killed_processes_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(scratch, "YOUNG_S", -1.0)

    def work() -> None:
        with private_folder():
            os.kill(os.getpid(), signal.SIGKILL)

    with private_folder() as held:
        assert held.stat().st_mode & 0o777 == 0o700
        (tmp_path / "chipscape-of-others").mkdir()
        with forked(work, tmp_path / "log") as fork:
            assert fork.wait(60) == -signal.SIGKILL
        assert len(list(tmp_path.glob("chipscape-*"))) == 3
        remove_left(tmp_path)
        assert set(tmp_path.glob("chipscape-*")) == {held, tmp_path / "chipscape-of-others"}
    assert not held.exists()


def test_folders_with_sockets_have_short_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(long))
    monkeypatch.setattr(scratch, "SHORT", str(tmp_path))
    with private_folder(has_sockets=True) as folder:
        assert folder.parent == tmp_path
    with private_folder() as folder:
        assert folder.parent == long
