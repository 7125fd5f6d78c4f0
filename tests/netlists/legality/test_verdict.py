"""The verdict on a placement: each count on designs made for it, and all of them compared with a slow version."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.legality.verdict import COUNTS, is_legal, legality
from netlists.netlist import Floats, Kind, Netlist, Rows
from netlists.placement import TOUCH, Placement
from netlists.rows.cover import blocked
from tests.designs import Box, case, design, row_set

FULL = row_set([(0, 0, 100, 100)])
LEFT = row_set([(0, 0, 100, 50), (0, 50, 50, 50)])  # an L shape: no rows above 50 on the right


def verdict(netlist: Netlist) -> dict[str, int]:
    """The counts that are above 0."""
    return {key: count for key, count in legality(Placement.given(netlist)).counts.items() if count}


@pytest.mark.parametrize(
    ("macros", "fixed", "rows", "expected"),
    [
        ([(0, 0, 30, 30), (30, 0, 30, 30)], (), FULL, {}),
        ([(0, 0, 30, 30), (20, 0, 30, 30)], (), FULL, {"overlaps": 1}),
        ([(0, 0, 30, 30), (20, 0, 30, 30)], (0,), FULL, {"overlaps": 1}),
        ([(0, 0, 30, 30), (20, 0, 30, 30)], (0, 1), FULL, {"overlaps": 1, "fixed_overlaps": 1}),
        ([(0, 0, 9, 9)] * 3, (0, 1), None, {"overlaps": 3, "fixed_overlaps": 1}),
        ([(80, 0, 30, 30)], (), FULL, {"out_of_canvas": 1}),
        ([(80, 3, 30, 30)], (0,), FULL, {"out_of_canvas": 1, "fixed_out_of_canvas": 1}),
        ([(-1, 0, 30, 30), (40, 90, 9, 20)], (), None, {"out_of_canvas": 2}),
        ([(0, 5, 30, 30)], (), FULL, {"macros_off_rows": 1}),
        ([(0.5, 10, 30, 30), (40.5, 5, 9, 9)], (), FULL, {"macros_off_rows": 2}),
        ([(0.5, 5, 30, 30)], (0,), FULL, {}),
        ([(0.5, 5, 30, 30)], (), None, {}),
        ([(60, 60, 20, 20)], (), LEFT, {"macros_outside_rows": 1, "macros_off_rows": 1}),
        ([(30, 20, 40, 40)], (), LEFT, {"macros_outside_rows": 1}),
        ([(30, 50, 20, 50), (50, 0, 50, 50)], (), LEFT, {}),
        ([(60, 60, 20, 20)], (0,), LEFT, {}),
    ],
)
def test_macros_are_counted(
    macros: list[Box], fixed: tuple[int, ...], rows: Rows | None, expected: dict[str, int]
) -> None:
    assert verdict(design(macros, fixed=fixed, rows=rows)) == expected


@pytest.mark.parametrize(
    ("cells", "rows", "expected"),
    [
        ([(0, 0, 3, 10), (3, 0, 3, 10)], FULL, {}),
        ([(0, 0, 3, 10), (2, 0, 3, 10)], FULL, {"cell_overlaps": 2}),
        ([(40, 0, 3, 10)], FULL, {"cell_overlaps": 1}),  # on the macro
        ([(0, 5, 3, 10)], FULL, {"cells_off_rows": 1}),
        ([(0.5, 0, 3, 10), (9, 90.5, 3, 10)], FULL, {"cells_off_rows": 2, "cells_out_of_canvas": 1}),
        ([(98, 0, 3, 10)], FULL, {"cells_off_rows": 1, "cells_out_of_canvas": 1}),
        ([(60, 60, 3, 10)], LEFT, {"cells_off_rows": 1}),
        ([(0, 10, 3, 20), (3, 0, 3, 40)], FULL, {}),  # cells of two and of four rows
        ([(0, 15, 3, 20)], FULL, {"cells_off_rows": 1}),
        ([(60, 40, 3, 20)], LEFT, {"cells_off_rows": 1}),  # its upper half is on no row
        ([(0, 85, 3, 15)], FULL, {"cells_off_rows": 1}),
        ([(0, 90, 3, 15)], FULL, {"cells_off_rows": 1, "cells_out_of_canvas": 1}),
        ([(0, 0, 2, 10), (2, 10, 2, 10), (8, 0, 2, 10)], None, {}),  # rows 10 high, sites 2 wide come from the cells
        ([(0, 0, 2, 10), (2, 5, 2, 10), (7.3, 0, 2, 10)], None, {"cells_off_rows": 2}),
    ],
)
def test_cells_are_counted(cells: list[Box], rows: Rows | None, expected: dict[str, int]) -> None:
    assert verdict(design([(40, 0, 20, 20)], cells, rows=rows)) == expected


def touches(a: Box, b: Box) -> bool:
    """Whether two boxes overlap by more than rounding."""
    return (
        min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) > 1e-6
        and min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) > 1e-6
    )


def slow_counts(n: Netlist) -> dict[str, int]:
    """The verdict on whole coordinates with rows 10 high and sites 1 wide, node by node and point by point."""
    assert n.rows is not None
    corner = n.position_um - n.size_um / 2
    boxes: list[Box] = [(*c, *s) for c, s in zip(corner.tolist(), n.size_um.tolist(), strict=True)]
    hard, cell = (n.kind == Kind.HARD), (n.kind == Kind.CELL)
    on = np.zeros((100, 100), dtype=bool)  # [y, x] unit squares that rows cover
    for x, y, sites in zip(n.rows.x_um, n.rows.y_um, n.rows.num_sites, strict=True):
        on[int(y) : int(y) + 10, int(x) : int(x) + sites] = True

    def under(v: int) -> Floats:
        x, y, w, h = (int(value) for value in boxes[v])
        return np.asarray(on[max(y, 0) : y + h, max(x, 0) : x + w], dtype=np.float64)

    out = [v for v, (x, y, w, h) in enumerate(boxes) if min(x, y) < 0 or x + w > 100 or y + h > 100]
    pairs = [(a, b) for a, b in combinations(range(n.num_nodes), 2) if touches(boxes[a], boxes[b])]
    macro_pairs = [(a, b) for a, b in pairs if hard[a] and hard[b]]
    hit = {v for pair in pairs for v in pair if cell[v] and not n.fixed[v]}
    hit |= {v for a, b in pairs for v, u in ((a, b), (b, a)) if cell[v] and hard[u] and not n.fixed[u]}

    def off(v: int) -> bool:
        x, y = boxes[v][:2]
        return y % 10 != 0 or not (0 <= y < 100 and 0 <= x < 100) or not on[int(y), int(x)]

    movable = [v for v in range(n.num_nodes) if not n.fixed[v]]
    return {
        "overlaps": len(macro_pairs),
        "fixed_overlaps": sum(bool(n.fixed[a] and n.fixed[b]) for a, b in macro_pairs),
        "out_of_canvas": sum(bool(hard[v]) for v in out),
        "fixed_out_of_canvas": sum(bool(hard[v] and n.fixed[v]) for v in out),
        "macros_off_rows": sum(bool(hard[v]) and off(v) for v in movable),
        "cell_overlaps": len(hit),
        "cells_out_of_canvas": sum(bool(cell[v]) for v in movable if v in out),
        "cells_off_rows": sum(bool(cell[v]) and (off(v) or v in out or not under(v).all()) for v in movable),
    }


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_counts_are_those_of_all_nodes_and_pairs(seed: int, ell: bool) -> None:
    rng = np.random.default_rng(seed)

    def boxes(count: int, widths: list[int], heights: list[int]) -> list[Box]:
        x, y = rng.integers(-3, 98, count), rng.choice([0, 10, 30, 50, 60, 90, 95, -10, 33], count)
        return [(float(a), float(b), float(rng.choice(widths)), float(rng.choice(heights)))
                for a, b in zip(x, y, strict=True)]  # fmt: skip

    macros, cells = boxes(6, [5, 20, 30], [10, 25, 40]), boxes(12, [2, 4], [10, 20, 30])
    fixed = tuple(np.flatnonzero(rng.random(18) < 0.3).tolist())
    n = design(macros, cells, rows=LEFT if ell else FULL, fixed=fixed)
    counts = legality(Placement.given(n)).counts
    # Uncovered areas and the right ends of rows are tested in `test_cover` and `test_cells`.
    expected = slow_counts(n)
    assert {key: counts[key] for key in expected} == expected
    stray = [
        v for v in n.movable_hard
        if any(touches((*(n.position_um[v] - n.size_um[v] / 2), *n.size_um[v]), (*b[:2], *(b[2:] - b[:2])))
               for b in blocked(n))
    ]  # fmt: skip
    assert counts["macros_outside_rows"] == len(stray)
    assert is_legal(counts) == (not any(counts.values()))


def test_rounding_does_not_count() -> None:
    hair = 0.5 * TOUCH * 100
    n = design([(hair, hair, 30, 30), (30, 10 - hair, 30, 30)], [(70 - hair, hair, 5, 20)], rows=FULL)
    assert not verdict(n)
    far = design([(0, 0, 30, 30), (30 - 4 * hair, 0, 30, 30)], rows=FULL)
    assert verdict(far) == {"overlaps": 1, "macros_off_rows": 1}


@pytest.mark.parametrize("key", COUNTS)
def test_each_count_makes_it_illegal(key: str) -> None:
    assert is_legal(dict.fromkeys(COUNTS, 0))
    assert is_legal(dict.fromkeys(COUNTS, 0) | {key: 1}) is False
    assert is_legal({"proxy": 1.0}) is None


@pytest.mark.parametrize("name", ["b12_only_macros", "b14_L_shape_rows", "p16_flat_without_rows"])
def test_inputs_with_all_in_one_corner_are_not_legal(name: str) -> None:
    n = load(case(name))
    heap = Placement(n, np.where(n.fixed[:, None], n.position_um, n.size_um / 2), n.orientation)
    counts = legality(heap).counts
    assert counts["overlaps"] == len(n.movable_hard) * (len(n.movable_hard) - 1) // 2
    assert counts["cell_overlaps"] == len(n.cells)
    assert is_legal(counts) is False
