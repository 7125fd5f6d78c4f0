"""Hard macros on rows and sites: rounded together, one by one, and at the end of a whole placement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.legality.verdict import legality, macros_off_rows
from netlists.netlist import Floats, Ints, Rows
from netlists.placement import Placement
from placer import evaluate, place
from placer.legalization.row_alignment import align_to_rows, legalize_on_rows, nearest_corners
from tests.designs import Box, case, design, row_set

CORE = [(0.0, 0.0, 100.0, 100.0)]
UNEVEN = Rows(  # rows of several heights, sites out of line and of two widths
    np.array([0.0, 0.5, 0.25, 0.0]), np.array([0.0, 20.0, 50.0, 80.0]), np.array([20.0, 30.0, 30.0, 20.0]),
    np.array([1.0, 1.0, 2.0, 2.0]), np.array([100, 99, 49, 50]),
)  # fmt: skip


def overlap(a: Floats, b: Floats) -> bool:
    return bool((np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) > 1e-6).all())


def slow_moves(order: Ints, target: Floats, size: Floats, obstacle: Floats, rows: Rows, corner: Floats) -> list[float]:
    """The least move of each macro in its turn, after the earlier ones have taken `corner` [M, 2]."""
    boxes, moves = list(obstacle), []
    for m in order:
        best = np.inf
        for k in range(len(rows)):
            for s in range(rows.num_sites[k]):
                low = np.array([rows.x_um[k] + s * rows.site_um[k], rows.y_um[k]])
                box = np.concatenate([low, low + size[m]])
                if (box[2:] <= 100 + 1e-6).all() and not any(overlap(box, other) for other in boxes):
                    best = min(best, float(np.abs(low - target[m]).sum()))
        moves.append(best)
        boxes.append(np.concatenate([corner[m], corner[m] + size[m]]))
    return moves


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_each_macro_takes_the_nearest_free_corner(seed: int, uneven: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = UNEVEN if uneven else row_set([(0, 0, 100, 40), (0, 40, 60, 60)], height=20.0, site=2.0)
    size = rng.uniform(5, 40, (6, 2))
    low = rng.uniform(0, 90, (3, 2))
    obstacle = np.hstack([low, low + rng.uniform(5, 30, (3, 2))])
    target, order = rng.uniform(-10, 100, (6, 2)), rng.permutation(6)
    by_level = np.lexsort((rows.x_um, rows.y_um))
    fits, corner = nearest_corners(
        order, target, size, obstacle, np.array([100.0, 100.0]), rows.x_um[by_level], rows.y_um[by_level],
        rows.site_um[by_level], rows.num_sites[by_level], 1e-7,
    )  # fmt: skip
    for m, move in zip(order, slow_moves(order, target, size, obstacle, rows, corner), strict=True):
        if move == np.inf:
            assert not fits
            break
        assert np.abs(corner[m] - target[m]).sum() == pytest.approx(move)
    else:
        assert fits


SIZES: dict[str, list[Box]] = {
    "whole steps": [(0, 0, 30, 30)] * 4,
    "odd": [(0, 0, 23.3, 17.7), (0, 0, 31.9, 40.01), (0, 0, 5.5, 10.0), (0, 0, 40.2, 9.3)],
    "with fixed ones": [(33.3, 41.7, 20.6, 23.9), (0, 0, 30, 30), (0, 0, 30.5, 45), (0, 0, 25, 25)],
}


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("rows", [row_set(CORE), UNEVEN, row_set([(0, 0, 100, 60), (0, 60, 70, 40)])])
def test_macros_end_legally_on_rows_and_sites(sizes: str, rows: Rows) -> None:
    fixed = (0,) if sizes == "with fixed ones" else ()
    n = design(SIZES[sizes], rows=rows, fixed=fixed)
    aligned = legalize_on_rows(Placement.given(n))
    assert not {key: count for key, count in legality(aligned).counts.items() if count}


def test_four_macros_fill_a_core() -> None:
    n = design([(0, 0, 49.5, 48.2)] * 4, rows=row_set(CORE))
    assert not any(legality(legalize_on_rows(Placement.given(n))).counts.values())


def test_macros_on_rows_stay() -> None:
    n = design([(0, 0, 23.3, 17.7), (24, 0, 30, 20), (40, 60, 9, 9)], rows=row_set(CORE))
    assert align_to_rows(Placement.given(n)).position_um is n.position_um
    bare = design([(0.3, 0.7, 23.3, 17.7)])
    assert align_to_rows(Placement.given(bare)).position_um is bare.position_um


def test_macros_apart_move_by_half_a_step_at_most() -> None:
    n = design([(3.3, 12.2, 20, 20), (60.6, 57.9, 20, 20)], rows=row_set(CORE))
    moved = np.abs(align_to_rows(Placement.given(n)).position_um - n.position_um)
    assert (moved <= [0.5, 5.0]).all()
    assert (moved > 0).all()


def test_macros_that_fit_only_off_rows_are_counted() -> None:
    # Two macros of 45 on rows of 40, 40 and 20: the second macro would have to begin at 45.
    rows = Rows(np.zeros(3), np.array([0.0, 40.0, 80.0]), np.array([40.0, 40.0, 20.0]), np.ones(3), np.full(3, 100))
    n = design([(0, 0, 100, 45), (0, 50, 100, 45)], rows=rows)
    aligned = align_to_rows(Placement.given(n))
    counts = {key: count for key, count in legality(aligned).counts.items() if count}
    assert counts == {"macros_off_rows": 1}


@pytest.mark.parametrize("method", ["greedy", "random", "anneal"])
@pytest.mark.parametrize("sizes", ["whole steps", "odd", "with fixed ones"])
def test_a_whole_placement_ends_on_rows(sizes: str, method: str) -> None:
    fixed = (0,) if sizes == "with fixed ones" else ()
    n = design(SIZES[sizes], rows=row_set(CORE), fixed=fixed)
    result = place(n, method=method, iterations=1, workers=1)
    assert result.metrics["legal"]
    assert result.metrics["proxy"] == evaluate(result.placement).proxy


@pytest.mark.parametrize("start", ["scratch", "given"])
def test_macros_are_on_rows_with_any_start(start: str) -> None:
    cells: list[Box] = [(50.0, 50.0, 3.0, 10.0)] * 40
    n = design([(3.3, 12.2, 20.5, 20), (60.6, 57.9, 20.5, 20)], cells, rows=row_set(CORE))
    result = place(n, method="greedy", iterations=1, workers=1, start=start, refine=False)
    assert result.metrics["legal"]


def test_a_design_with_macros_only() -> None:
    result = place(load(case("b12_only_macros")), method="greedy", iterations=1, workers=1)
    assert result.metrics["legal"]
    assert not macros_off_rows(result.placement).size
