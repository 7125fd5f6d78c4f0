"""Standard cells on rows: which cells are placed illegally, and which sites the macros leave free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from netlists.legality.rules import TURNED_SIDE, rules
from netlists.netlist import Bools, Floats, Ints, Kind, Rows
from netlists.placement import TOUCH, Placement
from netlists.rows.cover import blockage_boxes
from netlists.rows.derived import cell_rows

CELL_BLOCKAGES = ("hard", "soft")
"""The kinds of blockages that standard cells keep out of."""


@dataclass(frozen=True, eq=False)
class CellViolations:
    """What makes the standard cells of a placement illegal, as node indices."""

    overlaps: Ints  # [K] cells on another cell, a hard macro, its halo or a blockage; fixed ones: under movable macros
    out_of_canvas: Ints  # [K] movable cells that extend beyond the canvas
    off_rows: Ints  # [K] movable cells that are not on the sites of a row and inside it and the rows above it

    def __bool__(self) -> bool:
        return bool(len(self.overlaps) or len(self.out_of_canvas) or len(self.off_rows))


def cell_violations(placement: Placement) -> CellViolations:
    """The cells that overlap something, extend beyond the canvas or are off the rows.

    The rows are those of `cell_rows`; if there are none, all movable cells are off the rows.  Overlaps and
    misalignments of up to `TOUCH` times the longer side of the canvas are rounding and do not count.
    """
    n = placement.netlist
    slack = TOUCH * max(n.canvas_um)
    low, high = placement.position_um - n.size_um / 2, placement.position_um + n.size_um / 2
    cells, hard, macros = n.cells, n.hard, n.movable_hard
    rows = cell_rows(n)
    movable = ~n.fixed[cells]
    hit = overlapping(low[cells], high[cells], low[cells], high[cells], slack, True) & movable
    closed = np.vstack([with_halos(placement, hard), blockage_boxes(n, CELL_BLOCKAGES)])
    hit |= overlapping(low[cells], high[cells], closed[:, :2], closed[:, 2:], slack, False) & movable
    hit |= overlapping(low[cells], high[cells], low[macros], high[macros], slack, False)
    outside = ((low[cells] < -slack) | (high[cells] > np.array(n.canvas_um) + slack)).any(axis=1)
    on_row = on_rows(low[cells], high[cells], rows, slack) if rows else np.zeros(len(cells), dtype=bool)
    return CellViolations(cells[hit], cells[movable & outside], cells[movable & ~on_row])


def with_halos(placement: Placement, nodes: Ints) -> Floats:
    """[M, 4] low x, low y, high x, high y in µm of nodes [M] with their halos, turned as the nodes are."""
    n, r = placement.netlist, rules(placement.netlist)
    half, center = n.size_um[nodes] / 2, placement.position_um[nodes]
    boxes = np.hstack([center - half, center + half])
    if r.active:
        halo = np.take_along_axis(r.halo_um[nodes], TURNED_SIDE[placement.orientation[nodes]], axis=1)
        boxes += halo * np.array([-1, -1, 1, 1])
    return boxes


def overlapping(
    low: Floats, high: Floats, other_low: Floats, other_high: Floats, slack: float, same: bool
) -> Bools:  # fmt: skip
    """[K] whether each rectangle overlaps one of the others by more than `slack` in both directions.

    Corners are `low` and `high` [K, 2], and `other_low` and `other_high` [J, 2], in the unit of `slack`.  `same` means
    that the others are the rectangles themselves; a rectangle does not overlap itself.
    """
    if not len(low) or not len(other_low):
        return np.zeros(len(low), dtype=bool)
    width, height = (other_high - other_low).max(axis=0)
    bottom = float(other_low[:, 1].min())
    # Strips are at least as high as any of the others: one that covers a point begins in its strip or the one below.
    step = max(height, (other_low[:, 1].max() - bottom) / len(other_low), slack)
    strip = ((other_low[:, 1] - bottom) / step).astype(np.int64)
    order = np.lexsort((other_low[:, 0], strip))
    start = np.searchsorted(strip[order], np.arange(int(strip.max()) + 2))
    return _overlapping(low, high, other_low, other_high, order, start, bottom, step, width, slack, same)


@njit(cache=True)
def _overlapping(
    low: Floats, high: Floats, other_low: Floats, other_high: Floats, order: Ints, start: Ints, bottom: float,
    step: float, width: float, slack: float, same: bool,
) -> Bools:  # fmt: skip
    """`overlapping`, given the others in order of strip and left edge; strip s is order[start[s]:start[s + 1]]."""
    strips = len(start) - 1
    hit = np.zeros(len(low), dtype=np.bool_)
    for i in range(len(low)):
        first = max(int(np.floor((low[i, 1] - bottom) / step)) - 1, 0)
        last = min(int(np.floor((high[i, 1] - bottom) / step)), strips - 1)
        for strip in range(first, last + 1):
            a, b = start[strip], start[strip + 1]
            while a < b:  # find the first that may reach rectangle i, as none is wider than `width`
                middle = (a + b) // 2
                if other_low[order[middle], 0] < low[i, 0] - width:
                    a = middle + 1
                else:
                    b = middle
            while a < start[strip + 1] and not hit[i]:
                j = order[a]
                if other_low[j, 0] >= high[i, 0] - slack:
                    break
                wide = min(high[i, 0], other_high[j, 0]) - max(low[i, 0], other_low[j, 0])
                tall = min(high[i, 1], other_high[j, 1]) - max(low[i, 1], other_low[j, 1])
                hit[i] = wide > slack and tall > slack and not (same and i == j)
                a += 1
    return hit


def on_rows(low: Floats, high: Floats, rows: Rows, slack: float) -> Bools:
    """[K] whether each rectangle is on the bottom of a row, begins at a site and is inside rows; to within `slack`.

    A rectangle that is higher than its row must be inside a row that begins where the one below ends, and so on.
    Corners `low` and `high` [K, 2] are in µm.
    """
    on_row = on_sites(low, rows, slack)
    corner, inside = low.copy(), np.flatnonzero(on_row)
    while inside.size:  # rectangles that are inside rows from their bottom up to `corner`
        row = _row_at(corner[inside], rows, slack)
        held = (
            (rows.height_um[row] > slack)
            & (np.abs(corner[inside, 1] - rows.y_um[row]) <= slack)
            & (low[inside, 0] >= rows.x_um[row] - slack)
            & (high[inside, 0] <= rows.right_um[row] + slack)
        )
        on_row[inside[~held]] = False
        corner[inside, 1] = rows.y_um[row] + rows.height_um[row]
        inside = inside[held & (high[inside, 1] > corner[inside, 1] + slack)]
    return on_row


def on_sites(corner: Floats, rows: Rows, slack: float) -> Bools:
    """[K] whether each point [K, 2] in µm is the lower-left corner of a site of a row; to within `slack`."""
    if not len(rows):
        return np.zeros(len(corner), dtype=bool)
    row = _row_at(corner, rows, slack)
    sites = (corner[:, 0] - rows.x_um[row]) / rows.site_um[row]
    return np.asarray(
        (np.abs(corner[:, 1] - rows.y_um[row]) <= slack)
        & (sites * rows.site_um[row] >= -slack)
        & (corner[:, 0] < rows.right_um[row] - slack)
        & (np.abs(sites - np.round(sites)) * rows.site_um[row] <= slack)
    )


def _row_at(corner: Floats, rows: Rows, slack: float) -> Ints:
    """[K] the last row that begins at or before each point [K, 2], among those whose bottom is at or next above it."""
    levels, level = np.unique(rows.y_um, return_inverse=True)
    order = np.lexsort((rows.x_um, level))
    mine = np.minimum(np.searchsorted(levels, corner[:, 1] - slack), len(levels) - 1)
    # One key orders rows by level, then by x.
    left = rows.x_um.min()
    span = 2 * (rows.right_um.max() - left)
    key = level[order] * span + (rows.x_um[order] - left)
    x = np.clip(corner[:, 0] - left + slack, -span / 4, span / 2)
    row: Ints = order[np.maximum(np.searchsorted(key, mine * span + x, side="right") - 1, 0)]
    return row


def free_rows(placement: Placement, moves: Bools) -> Rows:
    """The runs of whole sites that no hard macro and no cell overlaps.

    Nodes for which the mask `moves` [V] is true are ignored.  The rows are those of `cell_rows`; there are no runs if
    there are no rows.
    """
    n = placement.netlist
    none = np.empty(0)
    rows = cell_rows(n) or Rows(none, none, none, none, none.astype(np.int64))
    slack = TOUCH * max(n.canvas_um)
    obstacle = np.flatnonzero(((n.kind == Kind.HARD) | (n.kind == Kind.CELL)) & ~moves)
    boxes = np.vstack([with_halos(placement, obstacle), blockage_boxes(n, CELL_BLOCKAGES)])
    low, high = boxes[:, :2] + slack, boxes[:, 2:] - slack
    solid = (high > low).all(axis=1)
    low, high = low[solid], high[solid]
    row, first, count = [], [], []
    for k in range(len(rows)):
        reach = (low[:, 1] < rows.y_um[k] + rows.height_um[k]) & (high[:, 1] > rows.y_um[k])
        begin = np.floor((low[reach, 0] - rows.x_um[k]) / rows.site_um[k])
        end = np.ceil((high[reach, 0] - rows.x_um[k]) / rows.site_um[k])
        order = np.argsort(begin, kind="stable")
        sites = int(rows.num_sites[k])
        opens = np.clip(np.concatenate([[0], np.maximum.accumulate(end[order])]), 0, sites).astype(np.int64)
        closes = np.clip(np.concatenate([begin[order], [sites]]), 0, sites).astype(np.int64)
        free = closes > opens
        row += [k] * int(free.sum())
        first += opens[free].tolist()
        count += (closes - opens)[free].tolist()
    of = np.array(row, dtype=np.int64)
    x_um = rows.x_um[of] + rows.site_um[of] * np.array(first, dtype=np.float64)
    return Rows(x_um, rows.y_um[of], rows.height_um[of], rows.site_um[of], np.array(count, dtype=np.int64))
