"""Sweeps: every run once in the table whatever dies meanwhile, nothing repeated, failures as rows."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlists import load, load_placement, save
from netlists.errors import SettingsError
from placer import PlaceSettings, place
from placer.runs.methods import METHODS
from placer.runs.run_folder import Source
from placer.runs.sweep import Sweep, SweepProgress, gpu_fraction, sweep
from placer.runs.sweep_table import COLUMNS, RESULTS, SweepRun, read_outcome, write_outcome
from tests.processes import started

QUICK = PlaceSettings(workers=1, iterations=1)
NOTICE_SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}
"""For Ray, which otherwise takes minutes to notice that a node is gone."""

# Ray's clients leave log files and sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def sweep_jetty(out: Path, **options: Any) -> Sweep:
    settings: dict[str, Any] = {"methods": ["greedy", "anneal"], "seeds": 2, "settings": QUICK} | options
    return sweep([Source("jetty")], out, **settings)


def table(out: Path) -> list[dict[str, str]]:
    with (out / RESULTS).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(out: Path) -> dict[str, int]:
    return {str(file.relative_to(out)): file.stat().st_mtime_ns for file in out.glob("*/metrics.json")}


@pytest.mark.slow
def test_a_lost_node_costs_nothing_but_time(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": NOTICE_SOON}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    lost = [cluster.add_node(num_cpus=1)]
    cluster.wait_for_nodes()

    def lose_one(progress: SweepProgress) -> None:
        if progress.done == 1 and lost:
            cluster.remove_node(lost.pop(), allow_graceful=False)

    try:
        out = tmp_path / "sweep"
        result = sweep_jetty(out, address=cluster.address, progress=lose_one)
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    assert not lost
    assert (len(result.outcomes), result.resumed, result.failed, result.interrupted) == (4, 0, 0, False)
    runs = [(row["method"], row["seed"]) for row in table(out)]
    assert runs == [("greedy", "0"), ("greedy", "1"), ("anneal", "0"), ("anneal", "1")]
    # The same as one run by itself.
    alone = place(load("jetty"), method="anneal", seed=1, iterations=1, workers=1)
    assert float(table(out)[3]["proxy"]) == alone.metrics["proxy"]
    chip = load("jetty")
    placement = load_placement(chip, out / "jetty-anneal-1" / "placement.plc")
    np.testing.assert_array_equal(placement.position_um, alone.placement.position_um)
    # Nothing is left to do: an address where no cluster is would be an error.
    before = written(out)
    again = sweep_jetty(out, address="127.0.0.1:1", resume=True)
    assert (len(again.outcomes), again.resumed) == (4, 4)
    assert written(out) == before
    assert [outcome.row for outcome in again.outcomes] == [outcome.row for outcome in result.outcomes]


@pytest.mark.slow
def test_what_fails_is_a_row_and_what_is_missing_is_made(tmp_path: Path) -> None:
    chip = load("jetty")
    size = chip.size_um.copy()
    size[chip.hard] = 1.0
    size[chip.hard[:2]] = 0.6 * np.array(chip.canvas_um)  # area enough, but no place for both
    save(chip.with_(size_um=size, name="crowded"), tmp_path / "crowded.pb.txt.gz")
    sources, out = [Source(str(tmp_path / "crowded.pb.txt.gz")), Source("jetty")], tmp_path / "sweep"
    reports: list[SweepProgress] = []
    result = sweep(sources, out, methods=["greedy"], settings=QUICK, progress=reports.append)
    bad, good = table(out)
    assert tuple(bad) == COLUMNS
    assert (bad["netlist"], bad["proxy"], good["netlist"], good["error"]) == ("crowded", "", "jetty", "")
    assert "enlarge the canvas" in bad["error"]
    assert result.failed == 1
    assert (reports[-1].done, reports[-1].total, reports[-1].failed) == (2, 2, 1)
    assert reports[-1].best == {"jetty": float(good["proxy"])}
    before = written(out)
    assert list(before) == ["jetty-greedy-0/metrics.json"]
    more = sweep(sources[1:], out, methods=["greedy"], seeds=2, settings=QUICK, resume=True)
    assert (more.resumed, len(more.outcomes), more.failed) == (1, 2, 0)
    after = written(out)
    assert after.items() > before.items()


@pytest.mark.slow
def test_ctrl_c_leaves_a_table_and_a_report(tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    options = ("--methods", "greedy,random", "--budget", "2", "--seeds", "100", "--out", str(out))
    with started("-m", "placer", "sweep", "jetty", *options) as process:
        waited = time.monotonic() + 120
        while not written(out) and process.poll() is None and time.monotonic() < waited:
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "runs" in err
    rows = table(out)
    assert 0 < len(rows) < 200
    assert not any(row["error"] for row in rows)
    assert "jetty" in (out / "report.html").read_text()


def test_which_runs_ask_for_a_gpu() -> None:
    fractions = {
        (method, device): gpu_fraction(replace(QUICK, method=method, device=device), 2.0)
        for method in METHODS
        for device in ("auto", "cpu")
    }
    assert {which for which, fraction in fractions.items() if fraction} == {("rl", "auto"), ("gradient", "auto")}
    assert gpu_fraction(QUICK, 0.0) == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds is 0"),
        ({"methods": ["magic"]}, "expected one of rl"),
        ({"address": "127.0.0.1:x"}, "ray start --head"),
        ({"address": "127.0.0.1:1"}, "Connection refused.*ray start --head"),
    ],
)
def test_bad_settings(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        sweep_jetty(tmp_path / "sweep", **options)
    assert not (tmp_path / "sweep").exists()


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(SettingsError, match="is not empty"):
        sweep_jetty(tmp_path)


def test_two_netlists_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="both named 'jetty'"):
        sweep([Source("jetty"), Source("jetty")], tmp_path, methods=["greedy"], settings=QUICK)


def test_other_settings_and_another_netlist_are_another_run(tmp_path: Path) -> None:
    run, source = SweepRun("jetty", PlaceSettings("greedy", iterations=1, workers=1)), Source("jetty")
    chip = load("jetty")
    result = place(chip, run.settings)
    write_outcome(run, result, tmp_path, source, "")
    assert read_outcome(run, tmp_path, source, chip)
    assert not read_outcome(SweepRun("jetty", PlaceSettings("greedy", iterations=2, workers=1)), tmp_path, source, chip)
    assert not read_outcome(run, tmp_path, Source("harbor"), chip)
    size = chip.size_um.copy()
    size[chip.hard[3], 1] *= 0.9
    for change in ({"size_um": size}, {"net_weight": chip.net_weight * 2}, {"grid": (9, 9)}):
        assert not read_outcome(run, tmp_path, source, chip.with_(**change))
    file = tmp_path / run.name / "metrics.json"
    file.write_text(json.dumps({"settings": run.settings.as_dict()}))
    assert not read_outcome(run, tmp_path, source, chip)
    assert read_outcome(run, tmp_path / "elsewhere", source, chip) is None
    write_outcome(run, result, tmp_path, source, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jetty-greedy-0"]
