"""The incumbent: which placements it keeps, and the line that shows its progress."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import numpy as np

from netlists.errors import LegalizationError
from netlists.netlist import Bools, Ints
from netlists.placement import Placement
from netlists.synthetic.tiny import pile_up, tiny_netlist
from placer.incumbent import POOL, Incumbent, RunProgress


@cache
def placement() -> Placement:
    return pile_up(tiny_netlist())


@dataclass
class Cost:
    proxy: float


@dataclass
class Made:
    """Candidates with given costs."""

    failed: Bools
    costs: list[Cost]
    stuck: Ints
    error: LegalizationError | None = None

    def placement(self, b: int) -> Placement:
        return placement()


def incumbent() -> Incumbent:
    return Incumbent("random", np.inf, time.perf_counter())


def test_the_best_of_many_are_kept_once() -> None:
    best = incumbent()
    proxies = np.random.default_rng(0).permutation(np.repeat(np.arange(1.0, 2.0, 0.02), 2))
    for proxy in proxies.tolist():
        best.keep(proxy, placement())
    assert [proxy for proxy, _ in best.pool] == sorted(set(proxies.tolist()))[:POOL]
    assert best.best == 1.0
    falling = [proxy for _, proxy in best.history]
    assert falling == sorted(set(falling), reverse=True)


def test_candidates_that_failed_are_not_kept() -> None:
    best, error = incumbent(), LegalizationError("no room")
    best.offer(Made(np.array([True, False]), [Cost(0.5), Cost(0.9)], np.array([2, 1]), error))
    assert [proxy for proxy, _ in best.pool] == [0.9]
    assert (best.best, best.stuck, best.error) == (0.9, 3, error)
    best.offer(Made(np.array([False]), [Cost(0.7)], np.array([0])))
    assert best.placement is best.pool[0][1]
    assert (best.best, best.stuck, best.error) == (0.7, 3, error)


def test_a_later_stage_only_notes_its_cost() -> None:
    reports: list[RunProgress] = []
    best = Incumbent("random", np.inf, time.perf_counter(), reports.append)
    best.keep(0.9, placement())
    best.note(0.8, "refine", 5.0)
    best.note(0.85, "refine", 4.0)
    assert len(best.pool) == 1
    assert [proxy for _, proxy in best.history] == [0.9, 0.8]
    assert [(report.stage, report.best, report.left_s) for report in reports] == [
        ("refine", 0.8, 5),
        ("refine", 0.8, 4),
    ]


def test_the_line_leaves_out_what_is_not_known() -> None:
    assert RunProgress("legalize", np.inf, 1.0, 9.6).line == "legalize · 10 s left"
    assert RunProgress("rl", 0.5, 1.0, np.inf, 3, 1234.5, 2.0, 0.01).line == (
        "rl · iteration 3 · 1,234 steps/s · best proxy 0.5000 · entropy 2.00 · KL 0.0100"
    )
