"""Legalization of multi-row cells: each goes to the nearest free place, the tallest first.

A place is a run of sites that are free in as many rows as the cell is high, if these rows touch and their sites are
aligned.  Cells of one row are placed around them afterwards (`placer.cells.detailed`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.errors import LegalizationError
from netlists.netlist import Bools, Floats, Ints, Rows
from netlists.placement import Placement

NONE = -1
"""Instead of the index of a level or a site."""


class _SiteGrid(NamedTuple):
    """The sites of Y levels, each with rows at the same height, and X sites."""

    free: Bools  # [Y, X]
    left_um: Floats  # [Y] left end of site 0
    bottom_um: Floats  # [Y]
    supports: Bools  # [Y] whether the next level touches this one, with its sites aligned


def place_multi_row_cells(
    placement: Placement, cells: Ints, sites: Ints, high: Ints, rows: Rows, slack: float
) -> Placement:  # fmt: skip
    """The placement with multi-row cells on free runs of sites, near their places.

    `cells` [C] are indices of nodes, `sites` [C] their widths as numbers of sites, and `high` [C] their heights as
    numbers of rows; `slack` is the tolerance in µm.  All `rows` have the same height and site.  Deterministic.  Raises
    `LegalizationError` if a cell has no room.
    """
    n = placement.netlist
    grid, site = _site_grid(rows, slack), float(rows.site_um[0])
    corner = placement.position_um[cells] - n.size_um[cells] / 2
    order = np.lexsort((np.arange(len(cells)), -sites, -high))
    level, first = nearest_places(order, corner / site, sites, high, grid.free.copy(), grid.left_um / site,
                                  grid.bottom_um / site, grid.supports)  # fmt: skip
    homeless = order[level[order] == NONE]
    if homeless.size:
        c = homeless[0]
        raise LegalizationError(
            f"no room for {homeless.size} of {len(cells)} multi-row cells, among them {n.node_names[cells[c]]!r}; "
            f"expected {high[c]} adjacent rows with {sites[c]} aligned free sites; use fewer macros or a larger canvas"
        )
    position = placement.position_um.copy()
    corner = np.column_stack([grid.left_um[level] + site * first, grid.bottom_um[level]])
    position[cells] = corner + n.size_um[cells] / 2
    return Placement(n, position, placement.orientation)


def _site_grid(rows: Rows, slack: float) -> _SiteGrid:
    """Free runs as sites; a run that is not aligned with the first one of its level does not count."""
    order = np.lexsort((rows.x_um, rows.y_um))
    x, y, count = rows.x_um[order], rows.y_um[order], rows.num_sites[order]
    site, height = float(rows.site_um[0]), float(rows.height_um[0])
    begins = np.concatenate([[True], np.diff(y) > slack])
    level = np.cumsum(begins) - 1
    bottom = y[begins]
    first = np.floor((x - x.min()) / site + 0.5).astype(np.int64)
    left = (x - site * first)[begins]
    aligned = np.abs(x - site * first - left[level]) <= slack
    free = np.zeros((len(bottom), int((first + count).max())), dtype=bool)
    for k, begin, end in zip(level[aligned], first[aligned], (first + count)[aligned], strict=True):
        free[k, begin:end] = True
    supports = np.zeros(len(bottom), dtype=bool)
    supports[:-1] = (np.abs(np.diff(bottom) - height) <= slack) & (np.abs(np.diff(left)) <= slack)
    return _SiteGrid(free, left, bottom, supports)


@njit(cache=True)
def nearest_places(
    order: Ints, corner: Floats, wide: Ints, high: Ints, free: Bools, left: Floats, bottom: Floats, supports: Bools
) -> tuple[Ints, Ints]:  # fmt: skip
    """The level [C] and the first site [C] of each cell, which takes in turn its nearest free place; or `NONE`.

    `order` [C] holds the indices of the cells in turn, `corner` [C, 2] their preferred lower-left corners, `left` and
    `bottom` [Y] the left ends and bottoms of the levels, all in units of a site; `wide` and `high` [C] are numbers of
    sites and of rows; `supports` [Y] is a mask, see `_SiteGrid`.  The nearest place has the least sum of the moves in x
    and in y.  The sites of the cells are cleared in the mask `free` [Y, X].
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
            if k + high[c] > levels or not supports[k : k + high[c] - 1].all():
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
    """The first of `wide` sites, free in all rows of the mask `free` [H, X], nearest to x; `NONE` if none is.

    `x` and `limit` are in units of a site; only places less than `limit` from `x` count.
    """
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
