"""Compaction: sliding against a quadratic program solved by scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from netlists.netlist import Floats, Ints
from placer.legalization.compaction import constraint_pairs, separate, slide

LENGTH = 100.0


def row_of_macros(seed: int) -> tuple[Floats, Floats, Floats, Floats, Ints]:
    """Legal centers along and across, widths, heights and constraints of up to 8 macros that overlap across."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 9))
    width, height = random.uniform(2, 12, count), random.uniform(2, 12, count)
    across = random.uniform(0, 20, count)
    along = np.cumsum(width) - width / 2
    along += np.sort(random.uniform(0, LENGTH - width.sum(), count)) if width.sum() < LENGTH else 0
    pairs = constraint_pairs(along, across, width, height, np.ones(count, dtype=bool), 0.0)
    return along, across, width, height, pairs


def test_constraint_pairs_overlap_on_the_other_axis() -> None:
    along, across = np.array([1.0, 5.0, 9.0, 5.0]), np.array([0.0, 1.0, 0.0, 4.0])
    size = np.full(4, 2.0)
    pairs = constraint_pairs(along, across, size, size, np.array([True, True, True, True]), 0.0)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 1), (0, 2), (1, 2)]
    pairs = constraint_pairs(along, across, size, size, np.array([False, True, False, True]), 0.0)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 1), (1, 2)]


@pytest.mark.parametrize("seed", range(15))
def test_slide_comes_near_the_least_squares(seed: int) -> None:
    along, _, width, _, pairs = row_of_macros(seed)
    random = np.random.default_rng(seed + 100)
    target, weight = random.uniform(0, LENGTH, len(along)), random.uniform(0.5, 2, len(along))
    movable = np.ones(len(along), dtype=bool)

    def cost(x: Floats) -> float:
        return float((weight * (x - target) ** 2).sum())

    best = minimize(
        cost, along, jac=lambda x: 2 * weight * (x - target), method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
        bounds=[(w / 2, LENGTH - w / 2) for w in width],
        constraints=[
            {"type": "ineq", "fun": lambda x, a=a, b=b: x[b] - x[a] - (width[a] + width[b]) / 2} for a, b in pairs
        ],
    )  # fmt: skip
    result = slide(along, target, width, weight, movable, pairs, LENGTH)
    assert (result - width / 2 >= 0).all()
    assert (result + width / 2 <= LENGTH).all()
    for a, b in pairs:
        assert result[a] + width[a] / 2 <= result[b] - width[b] / 2
    assert cost(result) <= 1.02 * best.fun + 1.0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 20))
def test_separate_makes_pairs_disjoint_if_there_is_room(seed: int, shift: float) -> None:
    along, _, width, _, pairs = row_of_macros(seed)
    moved = along + np.random.default_rng(seed).uniform(-shift, shift, len(along))
    separate(moved, width, np.ones(len(along), dtype=bool), pairs, LENGTH)
    assert (moved - width / 2 >= 0).all()
    assert (moved + width / 2 <= LENGTH).all()
    for a, b in pairs:
        assert moved[a] + width[a] / 2 <= moved[b] - width[b] / 2


def test_separate_leaves_legal_positions_alone() -> None:
    along, _, width, _, pairs = row_of_macros(4)
    again = along.copy()
    separate(again, width, np.ones(len(along), dtype=bool), pairs, LENGTH)
    np.testing.assert_allclose(again, along, atol=1e-12)
