"""Legalization of multi-row cells: each to the free place nearest to it, the tallest first.

A place is a run of sites that are free in as many rows as the cell is high, rows that touch and whose sites are in
line.  Cells of one row are placed around them afterwards (`cell_rows.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.errors import LegalizationError
from netlists.netlist import Bools, Floats, Ints, Rows
from netlists.placement import Placement

NONE = -1


class _Sites(NamedTuple):
    """The sites of L levels of rows."""

    free: Bools  # [L, S]
    left_um: Floats  # [L] where site 0 begins
    bottom_um: Floats  # [L]
    goes_on: Bools  # [L] whether the next level lies on this one, with its sites in line


def place_tall(placement: Placement, cells: Ints, sites: Ints, high: Ints, rows: Rows, slack: float) -> Placement:
    """Cells [C], as many `sites` wide and rows `high`, on free runs of sites, near their places.

    The runs all have the same height and site.  Deterministic.  Raises `LegalizationError` if a cell has no room.
    """
    n = placement.netlist
    grid, site = _sites(rows, slack), float(rows.site_um[0])
    corner = placement.position_um[cells] - n.size_um[cells] / 2
    order = np.lexsort((np.arange(len(cells)), -sites, -high))
    level, first = nearest_places(order, corner / site, sites, high, grid.free.copy(), grid.left_um / site,
                                  grid.bottom_um / site, grid.goes_on)  # fmt: skip
    lost = order[level[order] == NONE]
    if lost.size:
        c = lost[0]
        raise LegalizationError(
            f"no room for {lost.size} of {len(cells)} multi-row cells, among them {n.node_names[cells[c]]!r}; expected "
            f"{high[c]} rows on each other with {sites[c]} free sites in line; use fewer macros or a larger canvas"
        )
    position = placement.position_um.copy()
    corner = np.column_stack([grid.left_um[level] + site * first, grid.bottom_um[level]])
    position[cells] = corner + n.size_um[cells] / 2
    return Placement(n, position, placement.orientation)


def _sites(rows: Rows, slack: float) -> _Sites:
    """Free runs as sites; a run out of line with the first one of its level does not count."""
    order = np.lexsort((rows.x_um, rows.y_um))
    x, y, count = rows.x_um[order], rows.y_um[order], rows.num_sites[order]
    site, height = float(rows.site_um[0]), float(rows.height_um[0])
    begins = np.concatenate([[True], np.diff(y) > slack])
    level = np.cumsum(begins) - 1
    bottom = y[begins]
    first = np.floor((x - x.min()) / site + 0.5).astype(np.int64)
    left = (x - site * first)[begins]
    in_line = np.abs(x - site * first - left[level]) <= slack
    free = np.zeros((len(bottom), int((first + count).max())), dtype=bool)
    for k, begin, end in zip(level[in_line], first[in_line], (first + count)[in_line], strict=True):
        free[k, begin:end] = True
    goes_on = np.zeros(len(bottom), dtype=bool)
    goes_on[:-1] = (np.abs(np.diff(bottom) - height) <= slack) & (np.abs(np.diff(left)) <= slack)
    return _Sites(free, left, bottom, goes_on)


@njit(cache=True)
def nearest_places(
    order: Ints, corner: Floats, wide: Ints, high: Ints, free: Bools, left: Floats, bottom: Floats, goes_on: Bools
) -> tuple[Ints, Ints]:
    """The level [C] and the first site [C] of each cell, in turn at its nearest free place; NONE without one.

    Lower-left corners [C, 2], left ends [L] and bottoms [L] of the levels in lengths of a site; nearest is the least
    sum of the moves in x and in y.  Takes what it gives from `free` [L, S].
    """
    levels = len(bottom)
    level_of, site_of = np.full(len(wide), NONE), np.full(len(wide), NONE)
    for c in order:
        best = np.inf
        up = np.searchsorted(bottom, corner[c, 1])
        down = up - 1
        while up < levels or down >= 0:  # levels by their distance from the cell
            above = down < 0 or (up < levels and bottom[up] - corner[c, 1] <= corner[c, 1] - bottom[down])
            k = up if above else down
            up, down = (up + 1, down) if above else (up, down - 1)
            rise = abs(bottom[k] - corner[c, 1])
            if rise >= best:
                break
            if k + high[c] > levels or not goes_on[k : k + high[c] - 1].all():
                continue
            x = corner[c, 0] - left[k]
            site = nearest_run(free[k : k + high[c]], x, wide[c], best - rise)
            if site != NONE:
                best, level_of[c], site_of[c] = rise + abs(site - x), k, site
        if level_of[c] != NONE:
            free[level_of[c] : level_of[c] + high[c], site_of[c] : site_of[c] + wide[c]] = False
    return level_of, site_of


@njit(cache=True)
def nearest_run(free: Bools, x: float, wide: int, limit: float) -> int:
    """The first site nearest to x, by less than `limit`, of `wide` sites that are free in all rows [H, S]; or NONE."""
    count = free.shape[1]
    start = min(max(int(np.floor(x + 0.5)), 0), max(count - wide, 0))
    best, least = NONE, limit
    run = 0
    site = start
    while site < count and site - wide + 1 - x < least:
        run = run + 1 if free[:, site].all() else 0
        site += 1
        if run >= wide:
            if abs(site - wide - x) < least:
                best, least = site - wide, abs(site - wide - x)
            break
    run, site = 0, min(start + wide - 2, count - 1)
    while site >= 0 and x - site < least:
        run = run + 1 if free[:, site].all() else 0
        if run >= wide:
            if abs(site - x) < least:
                best = site
            break
        site -= 1
    return best
