"""The parts of the canvas where hard macros must not be placed: those that no row covers, and blockages.

The rows of a design may cover an L shape or leave a channel free.  Gaps lower than a row or narrower than a site remain
when the core is rounded to rows and sites, and do not count.  Neither does the area of fixed hard macros: rows are cut
around them, and they are obstacles to other macros anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlists.netlist import Bools, Floats, Netlist, cached_view, freeze
from netlists.tolerance import TOUCH


@cached_view
def blocked(netlist: Netlist) -> Floats:
    """[K, 4] low x, low y, high x, high y in µm of disjoint rectangles that hard macros must not overlap.

    These are the area that no row covers, unless the netlist has no rows of its own or is from a DEF file, whose
    rows are cut around macros later; the blockages of its constraints; and the strip along its ports.
    """
    bare_area = _without_rows(netlist)
    shut = np.vstack([blockage_boxes(netlist, ("hard", "soft", "partial")), _port_strips(netlist)])
    return freeze(_union(np.vstack([bare_area, shut]), netlist.canvas_um) if len(shut) else bare_area)


def blockage_boxes(netlist: Netlist, kinds: Sequence[str]) -> Floats:
    """[K, 4] low x, low y, high x, high y in µm of the placement blockages of some kinds."""
    blockages = netlist.constraints.blockages if netlist.constraints else ()
    return np.array([each.box_um for each in blockages if each.kind in kinds], dtype=np.float64).reshape(-1, 4)


def _port_strips(netlist: Netlist) -> Floats:
    """[K, 4] squares half a depth to both sides of each port at the canvas edge, as deep as the constraints say."""
    depth = netlist.constraints.io_depth_um if netlist.constraints else 0.0
    if not depth:
        return np.empty((0, 4))
    place, canvas = netlist.position_um[netlist.ports], np.array(netlist.canvas_um)
    strips = []
    for axis in (0, 1):
        for at_end in (False, True):
            gap = canvas[axis] - place[:, axis] if at_end else place[:, axis]
            near = np.unique(place[gap <= depth][:, 1 - axis])
            box = np.empty((len(near), 4))
            box[:, 1 - axis], box[:, 3 - axis] = near - depth / 2, near + depth / 2
            box[:, axis], box[:, axis + 2] = (canvas[axis] - depth, canvas[axis]) if at_end else (0.0, depth)
            strips.append(box)
    return np.vstack(strips)


def _union(rectangles: Floats, canvas: tuple[float, float]) -> Floats:
    """[K, 4] disjoint rectangles that make up the area in µm of rectangles [J, 4] on a canvas."""
    clipped = np.clip(rectangles, 0.0, [*canvas, *canvas])
    clipped = clipped[(clipped[:, 2:] > clipped[:, :2]).all(axis=1)]
    xs, ys = np.unique(clipped[:, [0, 2]]), np.unique(clipped[:, [1, 3]])
    covered = np.zeros((max(len(ys) - 1, 0), max(len(xs) - 1, 0)), dtype=bool)
    for left, bottom, right, top in clipped:
        covered[np.searchsorted(ys, bottom) : np.searchsorted(ys, top),
                np.searchsorted(xs, left) : np.searchsorted(xs, right)] = True  # fmt: skip
    return _rectangles(covered, xs, ys)


def _without_rows(netlist: Netlist) -> Floats:
    """[K, 4] disjoint rectangles in µm that make up the area that no row covers."""
    rows = netlist.rows
    if rows is None or not len(rows) or netlist.def_file:
        return np.empty((0, 4))
    covered = np.column_stack([rows.x_um, rows.y_um, rows.right_um, rows.y_um + rows.height_um])
    least = float(rows.site_um.min()), float(rows.height_um.min())
    result = bare(covered, netlist.canvas_um, least)
    fixed = netlist.hard[netlist.fixed[netlist.hard]]
    if len(result) and fixed.size:
        half = netlist.size_um[fixed] / 2
        macros = np.hstack([netlist.position_um[fixed] - half, netlist.position_um[fixed] + half])
        result = bare(np.vstack([covered, macros]), netlist.canvas_um, least)
    return result


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
