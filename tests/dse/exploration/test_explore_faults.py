"""Explorations on clusters that lose workers, nodes and drivers; the command, and its message if it is stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from dse.exploration.results import PARETO, load_results
from dse.exploration.run import explore
from dse.exploration.store import FILE
from dse.space.file import SPACES
from netlists.errors import SettingsError
from netlists.runtime.ray_connection import connected
from tests import ROOT
from tests.dse.fake_space import FakeSpace, true_front
from tests.processes import started

SIZE, CHUNK = 15_000, 200
NOTICE_SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""Settings of Ray, which otherwise takes minutes to notice that a node is gone."""

# Ray's clients leave log files and sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DRIVER = """
import json, sys
from dse.exploration.run import explore
from tests.dse.fake_space import FakeSpace
settings = json.loads(sys.argv[1])
space = FakeSpace(settings["size"], seconds=0.2, deadly=settings["deadly"])
explore(space, settings["out"], chunk=settings["chunk"], ray=settings["ray"])
"""


def chunks(out: Path) -> list[Any]:
    """Finished chunks; none until the file has its tables."""
    if not (out / FILE).exists():
        return []
    with closing(sqlite3.connect(out / FILE)) as db:
        try:
            return db.execute("SELECT * FROM chunks ORDER BY number").fetchall()
        except sqlite3.OperationalError:
            return []


def wait(until: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + 90
    while not until():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_a_lost_worker_a_lost_node_and_a_lost_driver_change_nothing(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": NOTICE_SOON}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    out, dead = tmp_path / "out", tmp_path / "dead"
    settings = {"size": SIZE, "deadly": str(dead), "out": str(out), "chunk": CHUNK, "ray": cluster.address}
    try:
        with started("-c", DRIVER, json.dumps(settings)) as driver:
            wait(lambda: len(chunks(out)) >= 5, driver)
            assert dead.exists()  # the worker
            cluster.remove_node(node, allow_graceful=False)
            seen = len(chunks(out))
            wait(lambda: len(chunks(out)) >= seen + 5, driver)
            os.kill(driver.pid, signal.SIGKILL)
            driver.communicate()
        before = chunks(out)
        assert seen < len(before) < SIZE // CHUNK
        result = explore(FakeSpace(SIZE), out, chunk=CHUNK, ray=cluster.address, resume=True)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    assert result.complete
    assert [row["id"] for row in result.front] == true_front(FakeSpace(SIZE))
    assert result.evaluated == SIZE
    after = chunks(out)
    assert len(after) == SIZE // CHUNK
    assert set(before) <= set(after)  # with their times, as none was evaluated again


@pytest.mark.slow
def test_a_node_that_others_keep_busy(tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    class Busy:
        def ready(self) -> bool:
            return True

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    try:
        with connected(cluster.address):
            holder: Any = ray.remote(num_cpus=1)(Busy).remote()
            assert ray.get(holder.ready.remote())
            result = explore(FakeSpace(1000), tmp_path, chunk=100)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    assert (result.complete, result.evaluated) == (True, 1000)


@pytest.mark.slow
def test_the_command_stopped_by_ctrl_c(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("-m", "dse", "explore", "tpu_28nm", "--out", str(out), "--chunk", "2000")
    with started(*command) as process:
        wait(lambda: len(chunks(out)) >= 3, process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        printed, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert f"continue with dse explore tpu_28nm --out {out} --search exhaustive --seed 0 --chunk 2000 --resume" in err
    result = load_results(out)
    assert f"{result.evaluated:,} designs evaluated" in printed
    assert "knee" in printed
    assert len((out / PARETO).read_text().splitlines()) == 1 + len(result.front)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.mark.slow
def test_a_job_on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray job submit --working-dir . -- dse explore space.yaml ...`, and the names that the dashboard lists."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # as if installed on every node
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # this cluster listens on the loopback interface only
    gcs, dashboard, client = free_ports(3)
    address, out, log = f"http://127.0.0.1:{dashboard}", tmp_path / "out", tmp_path / "log"
    ray, here = ("-m", "ray.scripts.scripts"), tmp_path / "here"
    here.mkdir()
    shutil.copy(SPACES / "tpu_28nm.yaml", here / "mine.yaml")
    with log.open("w") as text:
        cluster = subprocess.Popen(
            [sys.executable, *ray, "start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1",
             f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}",
             "--dashboard-agent-listen-port=0"], stdout=text, stderr=text,
        )  # fmt: skip
    try:
        wait(lambda: "Ray runtime started" in log.read_text(), cluster)
        job = [*ray, "job", "submit", "--address", address, "--working-dir", ".", "--", sys.executable, "-m", "dse"]
        options = ["explore", "mine.yaml", "--out", str(out), "--ray", "auto", "--budget", "2000", "--chunk", "1000"]
        done = subprocess.run([sys.executable, *job, *options], cwd=here, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        with urlopen(f"{address}/api/v0/tasks?detail=1") as answer:
            tasks = json.load(answer)["data"]["result"]["result"]
    finally:
        cluster.terminate()
        cluster.wait(60)
    assert "2,000 designs evaluated" in done.stdout
    assert load_results(out).complete
    assert {f"dse explore mine: chunk {k}" for k in range(2)} <= {task["name"] for task in tasks}


@pytest.mark.parametrize("address", ["127.0.0.1:x", "127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_a_cluster_that_is_not_there(tmp_path: Path, address: str) -> None:
    with pytest.raises(SettingsError, match="ray start --head"):
        explore(FakeSpace(10), tmp_path / "out", ray=address.format(*free_ports(1)))
    assert not list(tmp_path.iterdir())
