"""The benchmark of budgets covers netlists of all sizes and tells late runs from punctual ones."""

from __future__ import annotations

import pytest

from netlists.synthetic.generate import generate
from tests.benchmarks.budgets import Timed, case, summary, timed
from tests.benchmarks.robustness import unplaced


def test_cases_have_1_to_2000_hard_macros() -> None:
    counts = [case(seed).hard_macros for seed in range(100)]
    assert counts.count(2000) >= 20
    assert 1 <= min(counts) < 5
    assert max(counts) == 2000
    for seed in (2, 6, 7, 8):
        assert len(generate(case(seed), seed).hard) == counts[seed]


@pytest.mark.parametrize(
    ("budget_s", "seconds", "late"), [(20, 21.9, False), (20, 22.1, True), (3, 4.9, False), (3, 5.1, True)]
)
def test_what_is_late(budget_s: float, seconds: float, late: bool) -> None:
    assert Timed("x", "rl", 1, budget_s, seconds, "legal").late == late


def test_the_summary_has_the_worst_run_of_each_method() -> None:
    runs = [Timed("a", "rl", 1, 3.0, 3.5, "legal"), Timed("b", "rl", 1, 3.0, 9.0, "no room"),
            Timed("c", "greedy", 1, 3.0, 2.0, "legal")]  # fmt: skip
    assert [line.split() for line in summary(runs)[1:]] == [
        ["rl", "2", "1", "1", "6.00", "3.00"], ["greedy", "1", "1", "0", "-1.00", "0.67"],
    ]  # fmt: skip


def test_a_run_is_timed_and_judged() -> None:
    run = timed(unplaced(generate(case(8), 8)), "greedy", 0.5, 0, 1)
    assert run.end == "legal"
    assert run.seconds > 0.4
