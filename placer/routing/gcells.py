"""Gcells: the squares between which wires are routed, and the tracks that cross from each to the next.

Tracks come from the routing layers of the technology (`Netlist.layers`, from DEF and LEF): the second to the sixth from
the bottom.  The lowest has the pins of the cells, the higher ones are left to power and clock.  Hard macros block those
layers of which their obstructions cover half or more; in NanGate45 these are metal 1 to 4.  A netlist of another format
has no layers: then its routes per µm count (`Netlist.routing`), free ones and those that hard macros use.  `RESERVED`
of all tracks go to power, vias and the pins of cells.  Halos and placement blockages do not block wires; routing
blockages are not read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netlists.netlist import Floats, Netlist, Routing, routing_of
from netlists.placement import Placement
from netlists.rows.derived import cell_rows

SIDE_ROWS = 10
"""Side of a gcell in heights of a row: 14 µm in NanGate45."""

USUAL_GCELLS = 100
"""Gcells along the longer side of the canvas if there are no rows."""

MOST_GCELLS = 512
"""Gcells along a side of the canvas, at most."""

USED_LAYERS = 5
"""Routing layers that signals use, from the lowest one above the pins of cells."""

RESERVED = 0.3
"""Fraction of all tracks that wires of signals do not get."""


class GCells(NamedTuple):
    """A grid of R×C gcells over the canvas."""

    rows: int
    cols: int
    width_um: float  # of a gcell
    height_um: float


def gcells(netlist: Netlist) -> GCells:
    """The gcells of a netlist: about square, `SIDE_ROWS` rows high, at most `MOST_GCELLS` in each direction."""
    width, height = netlist.canvas_um
    rows, longer = cell_rows(netlist), max(width, height)
    side = SIDE_ROWS * float(np.median(rows.height_um)) if rows else longer / USUAL_GCELLS
    side = max(side, longer / MOST_GCELLS)
    count_rows, count_cols = max(round(height / side), 1), max(round(width / side), 1)
    return GCells(count_rows, count_cols, width / count_cols, height / count_rows)


def tracks(netlist: Netlist) -> Routing:
    """The tracks of all layers together, those that are reserved included, see the top of this module."""
    return routing_of(netlist.layers[:USED_LAYERS]) or netlist.routing


def capacities(placement: Placement, grid: GCells) -> tuple[Floats, Floats]:
    """Two arrays [R, C]: tracks across the right edge and across the top edge of each gcell, for signals.

    Edges of the canvas, in the last column and in the last row, have none.  An edge stands for the area from the center
    of one gcell to that of the next: a hard macro blocks the fraction of it that it covers.
    """
    t, n = tracks(placement.netlist), placement.netlist
    low = placement.position_um[n.hard] - n.size_um[n.hard] / 2
    high = placement.position_um[n.hard] + n.size_um[n.hard] / 2
    xs: Floats = grid.width_um * np.arange(grid.cols + 1.0)
    ys: Floats = grid.height_um * np.arange(grid.rows + 1.0)
    horizontal, vertical = np.zeros((grid.rows, grid.cols)), np.zeros((grid.rows, grid.cols))
    beside = cover(low, high, grid.width_um * np.arange(0.5, grid.cols), ys)  # [R, C-1]
    above = cover(low, high, xs, grid.height_um * np.arange(0.5, grid.rows))  # [R-1, C]
    horizontal[:, :-1] = grid.height_um * _free(t.horizontal_per_um, t.macro_horizontal_per_um, beside)
    vertical[:-1] = grid.width_um * _free(t.vertical_per_um, t.macro_vertical_per_um, above)
    return horizontal, vertical


def _free(per_um: float, macro_per_um: float, covered: Floats) -> Floats:
    """Tracks per µm that signals get where macros cover a fraction [R, C] of the area."""
    free: Floats = (1 - RESERVED) * (per_um - min(macro_per_um, per_um) * covered)
    return free


def cover(low: Floats, high: Floats, xs: Floats, ys: Floats) -> Floats:
    """[J-1, K-1] the fraction that rectangles cover of each cell between the grid lines `ys` [J] and `xs` [K], in µm.

    `low` and `high` [M, 2] are corners in µm.  Rectangles that overlap count together, up to 1.
    """
    area = np.outer(np.diff(ys), np.diff(xs))
    covered = np.zeros(area.shape)
    for (x_low, y_low), (x_high, y_high) in zip(low, high, strict=True):
        dx = np.minimum(x_high, xs[1:]) - np.maximum(x_low, xs[:-1])
        dy = np.minimum(y_high, ys[1:]) - np.maximum(y_low, ys[:-1])
        columns, rows = np.flatnonzero(dx > 0), np.flatnonzero(dy > 0)
        if columns.size and rows.size:
            part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            covered[part] += np.outer(dy[rows], dx[columns])
    return np.minimum(covered / area, 1.0)
