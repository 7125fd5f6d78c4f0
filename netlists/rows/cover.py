"""What no row covers: parts of the canvas where hard macros that stand on rows must not lie.

The rows of a design may cover an L or leave a channel free.  Gaps lower than a row or narrower than a site are left
over from rounding the core to rows and sites, and do not count; nor does what fixed hard macros cover, around which
rows are cut and which are in the way of others anyway.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from netlists.netlist import Bools, Floats, Netlist, frozen
from netlists.tolerance import TOUCH


@lru_cache(maxsize=8)
def blocked(netlist: Netlist) -> Floats:
    """[K, 4] low x, low y, high x, high y of disjoint rectangles that make up what no row covers.

    None in a netlist without rows of its own: derived rows cover all.
    """
    rows = netlist.rows
    if rows is None or not len(rows):
        return frozen(np.empty((0, 4)))
    covered = np.column_stack([rows.x_um, rows.y_um, rows.right_um, rows.y_um + rows.height_um])
    least = float(rows.site_um.min()), float(rows.height_um.min())
    found = bare(covered, netlist.canvas_um, least)
    fixed = netlist.hard[netlist.fixed[netlist.hard]]
    if len(found) and fixed.size:
        half = netlist.size_um[fixed] / 2
        macros = np.hstack([netlist.position_um[fixed] - half, netlist.position_um[fixed] + half])
        found = bare(np.vstack([covered, macros]), netlist.canvas_um, least)
    return frozen(found)


def bare(covered: Floats, canvas: tuple[float, float], least: tuple[float, float]) -> Floats:
    """[K, 4] disjoint rectangles that make up what rectangles [J, 4] leave of a canvas.

    Without gaps lower than `least[1]` and, of what is left, gaps narrower than `least[0]`.
    """
    slack = TOUCH * max(canvas)
    covered = np.clip(covered, 0.0, [*canvas, *canvas])
    xs, ys = (_lines(covered[:, [axis, axis + 2]], canvas[axis], slack) for axis in (0, 1))
    open_ = np.ones((len(ys) - 1, len(xs) - 1), dtype=bool)
    first = np.column_stack([np.searchsorted(xs, covered[:, 0] - slack), np.searchsorted(ys, covered[:, 1] - slack)])
    last = np.column_stack([np.searchsorted(xs, covered[:, 2] - slack), np.searchsorted(ys, covered[:, 3] - slack)])
    for (left, bottom), (right, top) in zip(first.tolist(), last.tolist(), strict=True):
        open_[bottom:top, left:right] = False
    for column in open_.T:
        _drop_short(column, ys, least[1] - slack)
    for strip in open_:
        _drop_short(strip, xs, least[0] - slack)
    return _rectangles(open_, xs, ys)


def _lines(edges: Floats, end: float, slack: float) -> Floats:
    """The edges and 0 and `end` in order, without those within `slack` of the one before."""
    lines = np.unique(np.concatenate([edges.ravel(), [0.0, end]]))
    kept: Floats = lines[np.concatenate([[True], np.diff(lines) > slack])]
    return kept


def _runs(open_: Bools) -> list[tuple[int, int]]:
    """First index and the one past the last of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], open_, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _drop_short(open_: Bools, lines: Floats, least: float) -> None:
    """Clear the runs that are shorter than `least`; index i lies between lines i and i + 1."""
    for first, last in _runs(open_):
        if lines[last] - lines[first] < least:
            open_[first:last] = False


def _rectangles(open_: Bools, xs: Floats, ys: Floats) -> Floats:
    """[K, 4] the true entries as rectangles: runs of a strip, joined with equal runs of the strips above it."""
    found: list[tuple[float, float, float, float]] = []
    begun: dict[tuple[int, int], int] = {}  # run and the strip in which its rectangle begins
    for k in range(len(open_) + 1):
        runs = set(_runs(open_[k])) if k < len(open_) else set()
        for run in [run for run in begun if run not in runs]:
            found.append((xs[run[0]], ys[begun.pop(run)], xs[run[1]], ys[k]))
        begun |= {run: k for run in sorted(runs) if run not in begun}
    return np.array(found, dtype=np.float64).reshape(-1, 4)
