"""Netlists that can never be placed: nodes that need more room than there is, and cells that fit into no row.

These are necessary conditions only: a netlist that passes may still be hard to place, and macros may use up the room of
the cells.  A netlist that fails is refused when it is loaded instead of after the search.
"""

from __future__ import annotations

import numpy as np

from netlists.errors import NetlistError
from netlists.netlist import Floats, Ints, Kind, Netlist, Rows
from netlists.placement import Placement
from netlists.rows.derived import cell_rows
from netlists.rows.multi_row import rows_high
from netlists.tolerance import TOUCH

MAX_FIXED = 4000
"""Number of fixed nodes, the largest ones, whose area is subtracted; ignoring others refuses less and saves time."""

MAX_LISTED = 5
"""Different kinds of rows that are listed in a message."""

Span = tuple[float, float]
"""Left and right end of a run of sites, in µm."""


def demand_room(netlist: Netlist) -> None:
    """Raise `NetlistError` if the movable nodes can have no legal positions, naming a node and the room that it needs.

    That is the case if hard macros and standard cells need more area than fixed nodes leave of the canvas, if cells
    need more sites than fixed nodes leave of the rows, if no stack of free rows is high and wide enough for a cell, or
    if rows overlap or differ in height or in the distance between sites.  The rows are those of `cell_rows`: derived
    ones in a netlist without rows.
    """
    _demand_area(netlist)
    cells, rows = netlist.movable_cells, cell_rows(netlist)
    if rows and cells.size:
        slack = TOUCH * max(netlist.canvas_um)
        _demand_one_pattern(rows)
        _demand_disjoint(rows, slack)
        free = _free_rows(netlist)
        high = rows_high(netlist.size_um[cells, 1], float(rows.height_um[0]), slack)
        _demand_spans(netlist, cells, high, rows, free)
        _demand_sites(netlist, cells, high, rows, free)


def covered_um2(low: Floats, high: Floats) -> float:
    """Area of the union of rectangles with corners `low` and `high` [K, 2] in µm."""
    order = np.argsort(low[:, 0], kind="stable")
    low, high = low[order], high[order]
    levels = np.unique(np.concatenate([low[:, 1], high[:, 1]]))
    area = 0.0
    for bottom, top in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        reach = (low[:, 1] <= bottom) & (high[:, 1] >= top)
        left, right = low[reach, 0], high[reach, 0]
        before = np.maximum.accumulate(np.concatenate([[-np.inf], right]))[:-1]
        area += (top - bottom) * float(np.maximum(right - np.maximum(left, before), 0).sum())
    return area


def _demand_area(n: Netlist) -> None:
    """Raise `NetlistError` if macros and cells need more area than fixed nodes leave of the canvas."""
    solid = (n.kind == Kind.HARD) | (n.kind == Kind.CELL)
    movable, fixed = np.flatnonzero(solid & ~n.fixed), np.flatnonzero(solid & n.fixed)
    area = n.size_um.prod(axis=1)
    fixed = fixed[np.argsort(-area[fixed], kind="stable")[:MAX_FIXED]]
    half = n.size_um[fixed] / 2
    low = np.clip(n.position_um[fixed] - half, 0, n.canvas_um)
    high = np.clip(n.position_um[fixed] + half, 0, n.canvas_um)
    canvas, taken = n.canvas_um[0] * n.canvas_um[1], covered_um2(low, high)
    if area[movable].sum() > canvas * (1 + TOUCH) - taken:
        macros = int((n.kind[movable] == Kind.HARD).sum())
        largest = movable[int(np.argmax(area[movable]))]
        raise NetlistError(
            f"{macros} movable hard macros and {movable.size - macros} cells need {area[movable].sum():.6g} µm² (the "
            f"largest is {n.node_names[largest]!r} with {area[largest]:.6g}), but {canvas - taken:.6g} of the canvas' "
            f"{canvas:.6g} µm² are free of fixed nodes; expected less: enlarge the canvas or use fewer nodes"
        )


def _free_rows(n: Netlist) -> Rows:
    """The runs of sites that fixed nodes leave free."""
    from netlists.legality.cells import free_rows  # loads numba

    known = np.isfinite(n.position_um)
    return free_rows(Placement(n, np.where(known, n.position_um, 0.0), n.orientation), ~n.fixed)


def _demand_one_pattern(rows: Rows) -> None:
    """Raise `NetlistError` if rows differ in height or in the distance between sites."""
    for values, what in ((rows.height_um, "heights"), (rows.site_um, "distances between sites")):
        if np.ptp(values) > TOUCH * values[0]:
            distinct, count = np.unique(values, return_counts=True)
            pairs = list(zip(count.tolist(), distinct.tolist(), strict=True))
            listed = ", ".join(f"{rows} of {value:g} µm" for rows, value in pairs[:MAX_LISTED])
            raise NetlistError(
                f"the rows have {len(distinct)} {what} ({listed}); expected one for standard cells to be placed: "
                "keep rows of one kind in the .scl"
            )


def _demand_disjoint(rows: Rows, slack: float) -> None:
    """Raise `NetlistError` if rows overlap, as cells would be placed on both."""
    from netlists.legality.cells import overlapping  # loads numba

    low = np.column_stack([rows.x_um, rows.y_um])
    high = np.column_stack([rows.right_um, rows.y_um + rows.height_um])
    hit = np.flatnonzero(overlapping(low, high, low, high, slack, True))
    if hit.size:
        x, y = low[hit[0]]
        raise NetlistError(
            f"{hit.size} of {len(rows)} rows overlap another one (the first begins at {x:g}, {y:g} µm of the canvas); "
            "expected disjoint rows if standard cells are to be placed: correct the rows in the .scl"
        )


def _more_room(n: Netlist) -> str:
    """Advice on how to get more room on rows."""
    advice = "enlarge the canvas" if n.rows is None else "extend the rows in the .scl"
    return f"{advice} or free fixed macros (--unfix)"


def _demand_spans(n: Netlist, cells: Ints, stacked: Ints, rows: Rows, free: Rows) -> None:
    """Raise `NetlistError` if a cell is wider than the widest free stack of as many rows [C] as it is high."""
    slack = TOUCH * max(n.canvas_um)
    widest = _widest_stacks(free, int(stacked.max()), slack)
    width = n.size_um[cells, 0]
    large = np.flatnonzero(width > widest[stacked - 1] + slack)
    if large.size:
        k = int(large[np.argmax(width[large])])
        high, room = int(stacked[k]), widest[stacked[k] - 1]
        name, height = n.node_names[cells[k]], n.size_um[cells[k], 1]
        stack = "free run of a row" if high == 1 else f"stack of {high} free rows"
        widest_run = f"the widest {stack} is {room:g} µm" if room else f"there is no {stack}"
        raise NetlistError(
            f"standard cell {name!r} is {width[k]:g} by {height:g} µm and rows are {rows.height_um[0]:g} µm high, "
            f"but {widest_run} ({large.size} cells have no room); expected rows into which it fits: correct its size, "
            f"{_more_room(n)}"
        )


def _widest_stacks(free: Rows, most: int, slack: float) -> Floats:
    """[most] width of the widest free rectangle 1, 2, ... rows high; 0 if there is none."""
    widest = np.zeros(most)
    if not len(free):
        return widest
    levels, level = np.unique(free.y_um, return_inverse=True)
    single: list[list[Span]] = [[] for _ in levels]
    for k in np.lexsort((free.x_um, level)).tolist():
        left, right, runs = float(free.x_um[k]), float(free.right_um[k]), single[level[k]]
        if runs and left <= runs[-1][1] + slack:  # adjacent runs are one
            left = runs.pop()[0]
        runs.append((left, right))
    meets_next = np.append(np.abs(np.diff(levels) - free.height_um[0]) <= slack, False).tolist()
    stacks = single
    for count in range(most):
        widest[count] = max((right - left for runs in stacks for left, right in runs), default=0.0)
        stacks = [_common(single[k], stacks[k + 1]) if joined else [] for k, joined in enumerate(meets_next)]
    return widest


def _common(a: list[Span], b: list[Span]) -> list[Span]:
    """The runs that two sorted lists of runs have in common."""
    common, i, j = list[Span](), 0, 0
    while i < len(a) and j < len(b):
        left, right = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if left < right:
            common.append((left, right))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return common


def _demand_sites(n: Netlist, cells: Ints, stacked: Ints, rows: Rows, free: Rows) -> None:
    """Raise `NetlistError` if the cells, each in as many rows [C] as it is high, need more sites than are free."""
    sites = np.ceil((n.size_um[cells, 0] - TOUCH * max(n.canvas_um)) / rows.site_um[0])
    need = int((np.maximum(sites, 1) * stacked).sum())
    room = int(free.num_sites.sum())
    if need > room:
        widest = cells[int(np.argmax(sites * stacked))]
        raise NetlistError(
            f"{len(cells)} standard cells need {need} sites (the largest is {n.node_names[widest]!r}), but fixed nodes "
            f"leave {room} of the rows; expected at least {need}: {_more_room(n)}"
        )
