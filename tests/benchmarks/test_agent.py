"""The benchmark of the agent compares pairs of the same netlist and seed, and keeps its runs."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from netlists import Netlist, load
from tests.benchmarks import agent
from tests.benchmarks.agent import BEST, GENERATED, POLICY, Run, compare, comparisons, kept, netlists, table

RUNS = [
    Run(netlist, way, seed, 1.0, proxy, 1.0)
    for netlist, proxies in {
        "a": {POLICY: (0.9, 0.8), "greedy": (1.0, 1.0), "gradient": (2.0, 2.0), "random": (2.0, 2.0)},
        "b": {POLICY: (1.0, 1.0), "greedy": (2.0, 2.0), "gradient": (1.0, 0.8), "random": (2.0, 2.0)},
    }.items()
    for way, both in proxies.items()
    for seed, proxy in enumerate(both)
]


def test_pairs_have_the_same_netlist_and_seed() -> None:
    found = compare(RUNS, "greedy")
    assert found.mean == pytest.approx((10 + 20 + 50 + 50) / 4)
    deviation = np.std([10, 20, 50, 50], ddof=1) / 2
    assert (found.high - found.low) / 2 == pytest.approx(3.182446 * deviation)  # Student's t, 3 degrees of freedom
    assert found.worst == pytest.approx(15)
    assert found.worst_netlist == "a"


def test_the_best_way_without_a_policy_is_chosen_per_netlist() -> None:
    found = compare(RUNS, BEST)
    assert found.mean == pytest.approx((10 + 20 + 0 - 25) / 4)
    assert found.worst == pytest.approx(-12.5)
    assert found.worst_netlist == "b"
    assert compare(RUNS[:1] + [r for r in RUNS if r.netlist == "a" and r.seed == 0], "greedy").mean == pytest.approx(10)


def test_the_tables_have_all_netlists_and_ways() -> None:
    ways = [POLICY, "greedy", "gradient", "random"]
    rows = [row.split() for row in table(RUNS, ways)]
    assert " ".join(rows[1]) == "a 2 1.0000 -> 0.8500 1.0000 -> 1.0000 1.0000 -> 2.0000 1.0000 -> 2.0000"
    assert [row.split()[0] for row in comparisons(RUNS, ways)[1:]] == ["greedy", "gradient", "random", "best"]


def test_the_generated_netlists_are_there_and_differ() -> None:
    found = netlists()
    assert {each.name for each in GENERATED} <= found.keys()
    assert len({(len(n.hard), n.grid) for n in found.values()}) == len(found)


def test_runs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = argparse.Namespace(cpu_seconds=6.0, workers=2)
    made = []

    def run(netlist: Netlist, way: str, seed: int, seconds: float, workers: int) -> Run:
        made.append((netlist.name, way, seed, seconds, workers))
        return Run(netlist.name, way, seed, 2.0, 1.0, 6.0)

    monkeypatch.setattr(agent, "run", run)
    both = [kept(tmp_path, load("harbor"), "greedy", 0, arguments) for _ in range(2)]
    assert both == [Run("harbor", "greedy", 0, 2.0, 1.0, 6.0)] * 2
    assert made == [("harbor", "greedy", 0, 3.0, 2)]
