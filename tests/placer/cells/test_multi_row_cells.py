"""Multi-row cells: at the nearest free place, on rows, with the other cells around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.errors import LegalizationError
from netlists.legality.verdict import legality
from netlists.netlist import Bools, Floats, Ints, Netlist, Rows
from netlists.placement import Placement
from placer import place
from placer.cells.detailed import legalize_cells
from placer.cells.multi_row_cells import NONE, nearest_places
from tests.designs import Box, design, row_set


def slow_moves(
    order: Ints, corner: Floats, wide: Ints, high: Ints, free: Bools, left: Floats, bottom: Floats, supports: Bools,
    level: Ints, site: Ints,
) -> list[float]:  # fmt: skip
    """The least move of each cell in its turn, after the earlier ones have taken the places `level`, `site` [C]."""
    moves = []
    for c in order:
        best = np.inf
        for k, s in np.ndindex(free.shape):
            fits = k + high[c] <= len(free) and s + wide[c] <= free.shape[1] and supports[k : k + high[c] - 1].all()
            if fits and free[k : k + high[c], s : s + wide[c]].all():
                best = min(best, abs(left[k] + s - corner[c, 0]) + abs(bottom[k] - corner[c, 1]))
        moves.append(best)
        if level[c] != NONE:
            taken = free[level[c] : level[c] + high[c], site[c] : site[c] + wide[c]]
            assert taken.shape == (high[c], wide[c])
            assert taken.all()
            taken[:] = False
    return moves


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 1.0]))
def test_each_cell_takes_the_nearest_free_place(seed: int, fraction: float) -> None:
    rng = np.random.default_rng(seed)
    free = rng.random((6, 25)) < fraction
    supports = rng.random(6) < 0.8
    supports[-1] = False
    wide, high = rng.integers(1, 6, 12), rng.integers(1, 4, 12)
    corner = rng.uniform(-5, 40, (12, 2))
    left, bottom = rng.uniform(-0.5, 0.5, 6), np.linspace(0.0, 25.0, 6)
    order = rng.permutation(12)
    level, site = nearest_places(order, corner, wide, high, free.copy(), left, bottom, supports)
    least = slow_moves(order, corner, wide, high, free, left, bottom, supports, level, site)
    for c, move in zip(order, least, strict=True):
        actual = np.inf
        if level[c] != NONE:
            actual = abs(left[level[c]] + site[c] - corner[c, 0]) + abs(bottom[level[c]] - corner[c, 1])
        assert actual == pytest.approx(move)


def mixed(seed: int, rows: Rows, counts: tuple[int, ...], canvas: tuple[float, float] = (100.0, 100.0)) -> Netlist:
    """Two macros and `counts` cells of one row, two rows and so on, all in the middle."""
    rng = np.random.default_rng(seed)
    cells: list[Box] = [
        (50.0, 50.0, float(rng.integers(2, 6)), 10.0 * (k + 1)) for k, count in enumerate(counts) for _ in range(count)
    ]
    return design([(10, 10, 20, 20), (60, 20, 20, 20)], cells, rows=rows, canvas=canvas)


SHAPES: dict[str, list[Box]] = {
    "full": [(0, 0, 100, 100)],
    "L": [(0, 0, 100, 50), (0, 50, 50, 50)],
    "not aligned": [(0, 0, 50, 100), (50.5, 0, 49, 100)],
    "apart": [(0, 0, 100, 40), (0, 43, 100, 40)],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("counts", [(60, 30), (40, 10, 8, 5), (0, 40), (30, 0, 0, 9)])
def test_cells_of_any_height_are_legal(shape: str, counts: tuple[int, ...]) -> None:
    n = mixed(len(counts), row_set(SHAPES[shape]), counts)
    legal = legalize_cells(Placement.given(n))
    cells = legality(legal).cells
    assert not cells, f"{len(cells.overlaps)} overlaps, {len(cells.off_rows)} off rows"
    np.testing.assert_array_equal(legal.position_um, legalize_cells(Placement.given(n)).position_um)


def test_legal_cells_stay() -> None:
    n = mixed(0, row_set(SHAPES["full"]), (20, 20, 5))
    once = legalize_cells(Placement.given(n))
    again = legalize_cells(once)
    tall = n.size_um[:, 1] > 10
    np.testing.assert_allclose(again.position_um[tall], once.position_um[tall], atol=1e-9)


def test_heights_between_rows_take_whole_rows() -> None:
    n = mixed(0, row_set(SHAPES["full"]), (20, 20))
    size = n.size_um.copy()
    size[-20:, 1] = 14.0
    assert not legality(legalize_cells(Placement.given(n.with_(size_um=size)))).cells


@pytest.mark.parametrize(
    ("parts", "counts", "message"),
    [
        ([(0, 0, 100, 10), (0, 15, 100, 10)], (0, 1), "no room for 1 of 1 multi-row cells, among them 'n2'"),
        ([(0, 0, 100, 20)], (5, 0, 1), "no room for 1 of 1 multi-row cells"),
        ([(0, 0, 100, 100)], (10, 200), "need .* sites, but macros leave"),
    ],
)
def test_a_lack_of_room_is_an_error(parts: list[Box], counts: tuple[int, ...], message: str) -> None:
    with pytest.raises(LegalizationError, match=message):
        legalize_cells(Placement.given(mixed(0, row_set(parts), counts)))


@pytest.mark.parametrize("method", ["greedy", "anneal"])
def test_a_whole_placement_has_cells_of_two_and_three_rows(method: str) -> None:
    n = mixed(1, row_set([(0, 0, 200, 200)]), (200, 60, 20), (200.0, 200.0))
    result = place(n, method=method, iterations=1, workers=1)
    assert result.metrics["legal"], {k: v for k, v in legality(result.placement).counts.items() if v}
