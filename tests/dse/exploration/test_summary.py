"""Summaries: the same however designs are split and merged, and equal to a plain computation."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.exploration import summary
from dse.exploration.summary import BEST, Points, Summary, bin_edges, count_in_bins, empty_summary, in_sample, summarize
from dse.search import make_searcher
from tests.dse.fake_space import FakeSpace, true_front

SPACE = FakeSpace(3000)


def plain(points: Points) -> list[Any]:
    return [points.index.tolist(), points.objectives.tolist(), points.metrics.tolist()]


def same(a: Summary, b: Summary) -> bool:
    np.testing.assert_array_equal(a.histogram, b.histogram)
    for one, other in ((a.front, b.front), (a.best, b.best), (a.sample, b.sample)):
        np.testing.assert_equal(plain(one), plain(other))
    return bool(np.array_equal(a.by_reason, b.by_reason))


def test_a_summary_equals_a_plain_computation() -> None:
    found, objectives = summarize(SPACE, np.arange(SPACE.size), 0.1)
    true = SPACE.evaluate(np.arange(SPACE.size))
    np.testing.assert_array_equal(objectives, true.objectives)
    assert found.front.index.tolist() == true_front(SPACE)
    fits = [k for k in range(SPACE.size) if k % 5]
    best = {k for column in range(3) for k in sorted(fits, key=lambda k: (true.objectives[k, column], k))[:BEST]}
    assert found.best.index.tolist() == sorted(best)
    assert (found.evaluated, found.feasible) == (SPACE.size, len(fits))
    assert found.by_reason.tolist() == [len(fits), SPACE.size - len(fits)]
    assert found.histogram.sum(axis=1).tolist() == [len(fits)] * 3
    for k, name in enumerate(SPACE.metrics):
        np.testing.assert_array_equal(found.front.metrics[:, k], true.metrics[name][found.front.index])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, SPACE.size - 1), min_size=1, max_size=300), st.integers(1, 40), st.randoms())
def test_any_split_and_order_gives_the_same(numbers: list[int], cut: int, random: Any) -> None:
    whole, objectives = summarize(SPACE, np.array(numbers), 0.3)
    np.testing.assert_array_equal(objectives, SPACE.evaluate(np.array(numbers)).objectives)
    parts = [np.array(numbers[k : k + cut]) for k in range(0, len(numbers), cut)]
    random.shuffle(parts)
    merged = empty_summary(SPACE)
    for part in parts:
        merged = merged.merge(summarize(SPACE, part, 0.3)[0])
    assert same(whole, merged)


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, objectives = summarize(SPACE, np.arange(1000), 0.1)
    monkeypatch.setattr(summary, "PIECE", 77)
    again, values = summarize(SPACE, range(1000), 0.1)
    assert same(whole, again)
    np.testing.assert_array_equal(objectives, values)


def test_memory_does_not_grow_with_the_designs(monkeypatch: pytest.MonkeyPatch) -> None:
    space = FakeSpace(10**12)
    assert make_searcher("exhaustive", space).ask(10**11) == range(10**11)
    monkeypatch.setattr(summary, "PIECE", 1000)
    monkeypatch.setattr(space, "evaluate", lambda index: FakeSpace.evaluate(space, index % 1000))
    peaks = []
    for n in (2000, 100_000):
        tracemalloc.start()
        found, objectives = summarize(space, range(n), 0.0, keep=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (found.evaluated, len(objectives)) == (n, 0)
    assert peaks[1] < peaks[0] + 100_000  # bytes; numbers alone would take 800,000, objectives three times that


def test_a_summary_of_no_designs() -> None:
    found, objectives = summarize(SPACE, np.arange(0), 0.1)
    assert same(found, empty_summary(SPACE))
    assert objectives.shape == (0, 3)
    infeasible = summarize(SPACE, np.array([0, 5, 10]), 1.0)[0]
    assert (len(infeasible.front.index), len(infeasible.best.index), len(infeasible.sample.index)) == (0, 0, 3)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 1.0])
def test_the_sample_has_its_size_and_no_pattern(fraction: float) -> None:
    n = 100_000
    mask = in_sample(np.arange(n), fraction)
    spread = 1 + 5 * np.sqrt(n * fraction * (1 - fraction))
    assert abs(mask.sum() - n * fraction) <= spread
    for stride in (2, 3, 64):  # parameters are digits of the number
        assert abs(mask[::stride].sum() - n * fraction / stride) <= spread


def test_bins_hold_their_values() -> None:
    values = np.array([[0.0], [1.0], [-3.7], [1e-30], [1e30], [1e9]])
    bins = np.argwhere([count_in_bins(values[k : k + 1])[0] for k in range(len(values))])[:, 1]
    edges = bin_edges()
    for value, number in zip(np.abs(values[[1, 2, 5], 0]), bins[[1, 2, 5]], strict=True):
        assert edges[number] <= value < edges[number + 1]
    assert (bins[0], bins[3], bins[4]) == (0, 0, len(edges) - 2)
