"""The parts of the canvas that no row covers: hard macros that stand on rows must not be placed there.

The rows of a design may cover an L shape or leave a channel free.  Gaps lower than a row or narrower than a site remain
when the core is rounded to rows and sites, and do not count.  Neither does the area of fixed hard macros: rows are cut
around them, and they are obstacles to other macros anyway.
"""

from __future__ import annotations

import numpy as np

from netlists.netlist import Bools, Floats, Netlist, cached_view, freeze
from netlists.tolerance import TOUCH


@cached_view
def blocked(netlist: Netlist) -> Floats:
    """[K, 4] low x, low y, high x, high y in µm of disjoint rectangles that make up the area that no row covers.

    There are none in a netlist without rows of its own, as derived rows cover the whole canvas.
    """
    rows = netlist.rows
    if rows is None or not len(rows):
        return freeze(np.empty((0, 4)))
    covered = np.column_stack([rows.x_um, rows.y_um, rows.right_um, rows.y_um + rows.height_um])
    least = float(rows.site_um.min()), float(rows.height_um.min())
    result = bare(covered, netlist.canvas_um, least)
    fixed = netlist.hard[netlist.fixed[netlist.hard]]
    if len(result) and fixed.size:
        half = netlist.size_um[fixed] / 2
        macros = np.hstack([netlist.position_um[fixed] - half, netlist.position_um[fixed] + half])
        result = bare(np.vstack([covered, macros]), netlist.canvas_um, least)
    return freeze(result)


def bare(covered: Floats, canvas: tuple[float, float], least: tuple[float, float]) -> Floats:
    """[K, 4] disjoint rectangles that make up the part of a canvas outside the rectangles `covered` [J, 4], in µm.

    Gaps lower than `least[1]` are left out and, of the rest, gaps narrower than `least[0]`.
    """
    slack = TOUCH * max(canvas)
    covered = np.clip(covered, 0.0, [*canvas, *canvas])
    xs, ys = (_grid_lines(covered[:, [axis, axis + 2]], canvas[axis], slack) for axis in (0, 1))
    is_open = np.ones((len(ys) - 1, len(xs) - 1), dtype=bool)
    first = np.column_stack([np.searchsorted(xs, covered[:, 0] - slack), np.searchsorted(ys, covered[:, 1] - slack)])
    last = np.column_stack([np.searchsorted(xs, covered[:, 2] - slack), np.searchsorted(ys, covered[:, 3] - slack)])
    for (left, bottom), (right, top) in zip(first.tolist(), last.tolist(), strict=True):
        is_open[bottom:top, left:right] = False
    for column in is_open.T:
        _drop_short_runs(column, ys, least[1] - slack)
    for strip in is_open:
        _drop_short_runs(strip, xs, least[0] - slack)
    return _rectangles(is_open, xs, ys)


def _grid_lines(edges: Floats, end: float, slack: float) -> Floats:
    """The edges, 0 and `end` in rising order, without those within `slack` of the one before."""
    lines = np.unique(np.concatenate([edges.ravel(), [0.0, end]]))
    distinct: Floats = lines[np.concatenate([[True], np.diff(lines) > slack])]
    return distinct


def _runs(is_open: Bools) -> list[tuple[int, int]]:
    """The first index of each run of true values, and the index after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_open, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _drop_short_runs(is_open: Bools, lines: Floats, least: float) -> None:
    """Clear the runs that are shorter than `least`; index i is the interval between lines i and i + 1."""
    for first, last in _runs(is_open):
        if lines[last] - lines[first] < least:
            is_open[first:last] = False


def _rectangles(is_open: Bools, xs: Floats, ys: Floats) -> Floats:
    """[K, 4] the true entries as rectangles: runs of a strip, joined with equal runs of the strips above it."""
    rectangles: list[tuple[float, float, float, float]] = []
    bottom: dict[tuple[int, int], int] = {}  # for each run, the strip in which its rectangle begins
    for k in range(len(is_open) + 1):
        runs = set(_runs(is_open[k])) if k < len(is_open) else set()
        for run in [run for run in bottom if run not in runs]:
            rectangles.append((xs[run[0]], ys[bottom.pop(run)], xs[run[1]], ys[k]))
        bottom |= {run: k for run in sorted(runs) if run not in bottom}
    return np.array(rectangles, dtype=np.float64).reshape(-1, 4)
