"""The area that no row covers, compared with a slow version that checks every unit square."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.netlist import Bools, Floats
from netlists.rows.cover import bare, blocked
from tests.designs import Box, design, row_set


def slow_bare(covered: Floats, canvas: tuple[int, int], least: tuple[int, int]) -> Bools:
    """[H, W] whether each unit square is bare, without low and then without narrow gaps."""
    width, height = canvas
    result = np.ones((height, width), dtype=bool)
    for x0, y0, x1, y1 in covered.astype(int):
        result[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = False

    def long(line: Bools, k: int, least: int) -> bool:
        first = last = k
        while first > 0 and line[first - 1]:
            first -= 1
        while last + 1 < len(line) and line[last + 1]:
            last += 1
        return last - first + 1 >= least

    tall = np.array([[result[y, x] and long(result[:, x], y, least[1]) for x in range(width)] for y in range(height)])
    return np.array([[tall[y, x] and long(tall[y], x, least[0]) for x in range(width)] for y in range(height)])


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 5), st.sampled_from([1.0, 1 / 3, 380.0]))
def test_bare_squares_equal_those_of_the_slow_version(seed: int, wide: int, high: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    low = rng.integers(-2, 18, (rng.integers(0, 12), 2))
    covered = np.hstack([low, low + rng.integers(1, 14, low.shape)]).astype(np.float64)
    result = bare(scale * covered, (20 * scale, 16 * scale), (wide * scale, high * scale))
    squares = np.zeros((16, 20), dtype=int)
    np.testing.assert_allclose(result / scale, np.rint(result / scale), atol=1e-6)
    for x0, y0, x1, y1 in np.rint(result / scale).astype(int):
        squares[y0:y1, x0:x1] += 1
    np.testing.assert_array_equal(squares, slow_bare(covered, (20, 16), (wide, high)))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(0, 0, 100, 100)], []),
        ([(0, 0, 100, 50), (0, 50, 50, 50)], [(50, 50, 100, 100)]),
        ([(0, 0, 40, 100), (60, 0, 40, 100)], [(40, 0, 60, 100)]),
        ([(0, 0, 100, 30), (0, 35, 100, 60)], []),  # gaps lower than a row
        ([(0, 0, 100, 30), (0, 40, 100, 60)], [(0, 30, 100, 40)]),
        ([(0, 0, 99, 100)], [(99, 0, 100, 100)]),  # a site is missing
        ([(0, 0, 40, 50), (60, 0, 40, 50), (0, 55, 40, 40), (60, 55, 40, 40)], [(40, 0, 60, 100)]),
    ],
)
def test_shapes_of_cores(parts: list[Box], expected: list[Box]) -> None:
    result = blocked(design([(0, 0, 10, 10)], rows=row_set(parts)))
    assert result.tolist() == [list(map(float, box)) for box in expected]


def test_less_than_a_site_does_not_count() -> None:
    rows = row_set([(0, 0, 98, 100)], site=2.0)
    assert not len(blocked(design([(0, 0, 10, 10)], rows=rows, canvas=(99.9, 109.9))))
    assert len(blocked(design([(0, 0, 10, 10)], rows=rows, canvas=(100.0, 100.0))))


@pytest.mark.parametrize("macro", [(40, 20, 30, 40), (39.5, 15, 31, 46), (40.9, 29.5, 28.2, 22), (40, 20, 20, 40)])
def test_rows_cut_around_a_fixed_macro_block_nothing_more(macro: Box) -> None:
    parts: list[Box] = [(0, 0, 100, 20), (0, 20, 40, 40), (70, 20, 30, 40), (0, 60, 100, 40)]
    n = design([macro, (0, 0, 10, 10)], rows=row_set(parts), fixed=(0,))
    result = blocked(n)
    assert result.tolist() == ([[60.0, 20.0, 70.0, 60.0]] if macro[2] == 20 else [])  # a halo of 10 sites
    assert blocked(n.with_(fixed=np.zeros(2, dtype=bool))).tolist() == [[40.0, 20.0, 70.0, 60.0]]


def test_a_netlist_without_rows_of_its_own_has_nothing_blocked() -> None:
    assert blocked(design([(0, 0, 10, 10)], [(0, 0, 3, 7)])).shape == (0, 4)
