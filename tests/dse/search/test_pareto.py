"""Pareto fronts against the definition, written as loops; archives in any order; hypervolumes by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.search.pareto import Archive, hypervolume, non_dominated
from dse.templates.base import Floats


def slow_front(rows: list[list[float]]) -> list[bool]:
    """Which rows are on the front, straight from the definition."""

    def finite(row: list[float]) -> bool:
        return all(np.isfinite(value) for value in row)

    def dominates(a: list[float], b: list[float]) -> bool:
        return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))

    return [
        finite(row)
        and not any(finite(other) and dominates(other, row) for other in rows)
        and not any(other == row for other in rows[:i])
        for i, row in enumerate(rows)
    ]


coordinates = st.one_of(st.integers(0, 5).map(float), st.just(float("inf")), st.just(float("nan")), st.just(-0.0))
tables = st.integers(1, 5).flatmap(
    lambda k: st.lists(st.lists(coordinates, min_size=k, max_size=k), min_size=0, max_size=60)
)


@settings(deadline=None)
@given(tables)
def test_front_is_the_definition(rows: list[list[float]]) -> None:
    table = np.array(rows).reshape(len(rows), -1) if rows else np.zeros((0, 2))
    assert non_dominated(table).tolist() == slow_front(rows)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("levels", [4, 1000])
def test_front_of_many_rows(objectives: int, levels: int) -> None:
    rng = np.random.default_rng(objectives)
    table = rng.integers(-levels, levels, (600, objectives)).astype(float)
    if levels == 1000:  # most of them on the front
        table[:, -1] = -table[:, :-1].sum(axis=1) + rng.integers(0, 20, 600)
    assert non_dominated(table).tolist() == slow_front(table.tolist())


@settings(deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_archive_is_the_same_in_any_order(rows: list[list[float]], chance: object) -> None:
    table = np.array(rows).reshape(len(rows), -1) if rows else np.zeros((0, 2))
    index = np.arange(len(rows)) * 7
    order = list(range(len(rows)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    archive = Archive()
    for start in range(0, len(rows), 9):
        part = np.array(order[start : start + 9])
        archive.add(index[part], table[part])
        archive.add(index[part[:3]], table[part[:3]])  # again: nothing changes
    expected = np.flatnonzero(slow_front(rows))
    assert archive.index.tolist() == index[expected].tolist()
    if archive.objectives is not None:
        assert archive.objectives.tolist() == table[expected].tolist()
        assert len(archive) == len(expected)


def slow_volume(front: Floats, reference: list[int]) -> int:
    """How many unit cells some row dominates."""
    cells = np.stack(np.meshgrid(*(np.arange(end) for end in reference)), axis=-1).reshape(-1, len(reference))
    return int((front[:, None] <= cells).all(axis=2).any(axis=0).sum())


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_hypervolume_counts_cells(objectives: int) -> None:
    rng = np.random.default_rng(3)
    front = rng.integers(0, 8, (5, objectives)).astype(float)
    reference = [7, 6, 5][:objectives]  # some rows lie beyond it
    assert hypervolume(front, np.array(reference, float)) == pytest.approx(slow_volume(front, reference))
    assert hypervolume(front + 10, np.array(reference, float)) == 0.0
