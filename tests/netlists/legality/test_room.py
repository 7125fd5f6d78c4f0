"""A netlist that can never be placed is refused when it is loaded; one that is merely difficult is not."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netlists
from netlists.errors import NetlistError
from netlists.legality.room import _common, _widest_stacks, covered_um2, demand_room
from netlists.netlist import Kind, Netlist, Rows
from tests.netlists.chips import BOOKSHELF, write_bookshelf

Node = tuple[Kind, float, float, tuple[float, float] | None]  # kind, width, height, corner if it is fixed


def chip(nodes: list[Node], rows: Rows | None = None, canvas_um: tuple[float, float] = (50.0, 40.0)) -> Netlist:
    """Nodes on a canvas with 4 rows 10 high of 100 sites 0.5 wide, unless other rows are given."""
    size = np.array([[w, h] for _, w, h, _ in nodes])
    fixed = np.array([corner is not None for *_, corner in nodes])
    low = np.array([corner or (np.nan, np.nan) for *_, corner in nodes])
    return Netlist(
        name="chip", node_names=tuple(f"v{k}" for k in range(len(nodes))),
        kind=np.array([kind for kind, *_ in nodes], dtype=np.int8), size_um=size, fixed=fixed,
        position_um=low + size / 2, orientation=np.zeros(len(nodes), dtype=np.int8),
        pin_node=np.zeros(0, dtype=np.int64), pin_offset_um=np.zeros((0, 2)), net_start=np.zeros(1, dtype=np.int64),
        net_pin=np.zeros(0, dtype=np.int64), net_weight=np.zeros(0), canvas_um=canvas_um, grid=(4, 4),
        rows=rows or even_rows([0, 10, 20, 30]),
    )  # fmt: skip


def even_rows(y: list[float], x: float = 0.0, sites: int = 100, height: float = 10.0) -> Rows:
    k = len(y)
    return Rows(np.full(k, x), np.array(y, float), np.full(k, height), np.full(k, 0.5), np.full(k, sites))


CELL, HARD = Kind.CELL, Kind.HARD


@pytest.mark.parametrize(
    "nodes",
    [
        [(CELL, 50, 10, None)] * 4,  # full to the last site
        [(HARD, 25, 20, None)] * 4,
        [(CELL, 50, 40, None)],  # as high as all rows
        [(CELL, 20, 25, None), (CELL, 50, 3, None)],  # not a whole number of rows high
        [(HARD, 30, 40, (0, 0)), (HARD, 30, 40, (0, 0)), (CELL, 20, 40, None)],  # fixed macros on each other
        [(HARD, 60, 90, (-5, -5))],  # nothing to place
        [(CELL, 90, 9, (0, 0))],
        [(Kind.SOFT, 90, 90, None)],  # may overlap anything
        [(Kind.PORT, 50, 40, (0, 0)), (CELL, 50, 10, None)],  # takes no room
    ],
)
def test_difficult_netlists_pass(nodes: list[Node]) -> None:
    demand_room(chip(nodes))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([(CELL, 50, 10, None)] * 5, "0 movable hard macros and 5 cells need 2500 µm² (the largest is 'v0' with 500)"),
        ([(HARD, 26, 20, None)] * 4, "4 movable hard macros and 0 cells need 2080 µm²"),
        ([(HARD, 30, 40, (0, 0)), (HARD, 21, 40, None)], "but 800 of the canvas' 2000 µm² are free of fixed nodes"),
        ([(CELL, 0.6, 1, None)] * 201, "201 standard cells need 402 sites (the largest is 'v0'), but fixed"),
        ([(CELL, 51, 10, None)], "standard cell 'v0' is 51 by 10 µm and rows are 10 µm high, but the widest free "
         "run of a row is 50 µm (1 cells have no room)"),
        ([(CELL, 1, 41, None)], "'v0' is 1 by 41 µm and rows are 10 µm high, but there is no stack of 5"),
        ([(HARD, 2, 40, (24, 0)), (CELL, 25, 5, None)], "but the widest free run of a row is 24 µm (1 cells"),
        ([(HARD, 50, 1, (0, 15)), (CELL, 2, 25, None)], "rows are 10 µm high, but there is no stack of 3"),
        ([(HARD, 50, 40, (0, 0)), (CELL, 0, 1, None)], "1 standard cells need 1 sites (the largest is 'v1'), but"),
    ],
)  # fmt: skip
def test_impossible_netlists_are_refused(nodes: list[Node], message: str) -> None:
    with pytest.raises(NetlistError) as error:
        demand_room(chip(nodes))
    assert message in str(error.value)
    assert "expected" in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height_um": np.array([10.0, 10, 10, 20])}, "the rows have 2 heights (3 of 10 µm, 1 of 20 µm); expected one"),
        ({"site_um": np.array([0.5, 0.25, 0.5, 1])}, "the rows have 3 distances between sites (1 of 0.25 µm, 2 of 0.5"),
    ],
)
def test_rows_of_several_kinds(change: dict[str, np.ndarray], message: str) -> None:
    rows = Rows(**(vars(even_rows([0, 10, 20, 30])) | change))
    with pytest.raises(NetlistError) as error:
        demand_room(chip([(CELL, 1, 10, None)], rows))
    assert message in str(error.value)
    demand_room(chip([(HARD, 1, 10, None)], rows))  # macros do not need rows of one kind


def test_rows_that_overlap() -> None:
    rows = even_rows([0, 10, 20, 25])
    with pytest.raises(NetlistError, match=r"2 of 4 rows overlap another one \(the first begins at 0, 20 µm"):
        demand_room(chip([(CELL, 1, 10, None)], rows))
    demand_room(chip([(HARD, 1, 10, None)], rows))  # macros may be on either
    left, right = even_rows([0, 10, 20], sites=50), even_rows([5, 15, 25], x=25, sites=50)
    beside = Rows(*(np.concatenate([getattr(left, f), getattr(right, f)]) for f in vars(left)))
    demand_room(chip([(CELL, 1, 10, None)], beside))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([(CELL, 51, 10, None)], "v20' is 51 by 10 µm and rows are 10 µm high, but the widest free run of a row is 50"),
        ([(CELL, 2, 41, None)], "v20' is 2 by 41 µm and rows are 10 µm high, but there is no stack of 5 free rows"),
        ([(HARD, 30, 40, (20, 0)), (CELL, 21, 10, None)], "v21' is 21 by 10 µm and rows are 10 µm high, but the widest "
         "free run of a row is 20 µm"),
    ],
)  # fmt: skip
def test_derived_rows_are_checked_too(nodes: list[Node], message: str) -> None:
    netlist = chip([(CELL, 2, 10, None)] * 20 + nodes).with_(rows=None)
    with pytest.raises(NetlistError) as error:
        demand_room(netlist)
    assert message in str(error.value)
    assert "enlarge the canvas" in str(error.value)
    assert ".scl" not in str(error.value)
    narrow: list[Node] = [(CELL, 2, 10, None)]
    demand_room(chip([*narrow * 20, (CELL, 50, 10, None)]).with_(rows=None))


@pytest.mark.parametrize(
    ("nodes", "pl", "message"),
    [
        (
            "c0 40 2\nc1 1 2\n",
            "",
            "standard cell 'c0' is 40 by 2 µm and rows are 2 µm high, but the widest free ",
        ),
        (
            "ram 29 9\nc0 2 2\nc1 20 2\n",
            "",
            "1 movable hard macros and 2 cells need 305 µm² (the largest is 'ram' with 261)",
        ),
        (
            "ram 30 9 terminal\nc0 2 2\n",
            "ram 0 0 : N /FIXED\n",
            "standard cell 'c0' is 2 by 2 µm and rows are 2 µm high, but there is no free",
        ),
    ],
)
def test_the_file_is_named_within_seconds(tmp_path: Path, nodes: str, pl: str, message: str) -> None:
    path = write_bookshelf(tmp_path, nodes=nodes, pl=pl + "c0 0 0\n", nets="NetDegree : 1\nc0 I\n", wts="")
    start = time.process_time()
    with pytest.raises(NetlistError) as error:
        netlists.load(path)
    assert time.process_time() - start < 5
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


def test_freed_macros_make_room(tmp_path: Path) -> None:
    nodes = BOOKSHELF["a.nodes"].replace("rom 4 4 terminal", "rom 4 10 terminal").replace("c0 2 2", "c0 26 2")
    path = write_bookshelf(tmp_path, nodes=nodes, pl=BOOKSHELF["a.pl"].replace("rom 20 4", "rom 20 0"))
    with pytest.raises(NetlistError, match=r"standard cell 'c0' is 26 by 2 µm.*free fixed macros"):
        netlists.load(path)
    assert len(netlists.load(path, unfix=("rom",)).movable_hard) == 2


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_union_is_that_of_unit_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 12, (int(rng.integers(0, 15)), 2))
    high = low + rng.integers(0, 6, low.shape)
    painted = np.zeros((20, 20), dtype=bool)
    for (x0, y0), (x1, y1) in zip(low, high, strict=True):
        painted[x0:x1, y0:y1] = True
    assert covered_um2(low / 4, high / 4) == pytest.approx(painted.sum() / 16)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_widest_stacks_are_those_of_all_windows(seed: int) -> None:
    """Compared with every window of sites on a lattice; a level may be missing."""
    rng = np.random.default_rng(seed)
    free = rng.random((6, 20)) < 0.8
    free[rng.random(6) < 0.2] = False
    runs = [(k, a, b) for k in range(6) for a in range(20) for b in range(a + 1, 21)
            if free[k, a:b].all() and (b == 20 or not free[k, b]) and (a == 0 or not free[k, a - 1])]  # fmt: skip
    level, left, right = np.array(runs, dtype=np.int64).reshape(-1, 3).T
    count = len(runs)
    rows = Rows(
        0.5 * left.astype(np.float64),
        10.0 * level.astype(np.float64),
        np.full(count, 10.0),
        np.full(count, 0.5),
        right - left,
    )
    slow = [
        max((b - a for k in range(7 - high) for a in range(20) for b in range(a + 1, 21)
             if free[k : k + high, a:b].all()), default=0) / 2
        for high in range(1, 7)
    ]  # fmt: skip
    assert _widest_stacks(rows, 6, 1e-9).tolist() == slow


def test_common_runs() -> None:
    assert _common([(0, 4), (6, 9)], [(1, 2), (3, 7), (8, 12)]) == [(1, 2), (3, 4), (6, 7), (8, 9)]
    assert _common([(0, 4)], []) == []
    assert _common([(0, 4)], [(4, 5)]) == []


def test_large_netlists_take_no_time() -> None:
    rng = np.random.default_rng(0)
    movable: list[Node] = [(CELL, 1.0, 10.0, None)] * 200_000
    blocks: list[Node] = [(HARD, 20, 30, (float(x), float(y))) for x, y in rng.uniform(0, 9000, (5000, 2))]
    rows = even_rows([10.0 * k for k in range(900)], sites=18_000)
    n = chip(movable + blocks, rows, (9000.0, 9000.0))
    start = time.process_time()
    demand_room(n)
    assert time.process_time() - start < 5  # 1 s on an idle machine
