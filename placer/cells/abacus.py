"""Legalization of standard cells: each goes into a free run of sites near it, with little movement overall.

Spindler, Schlichtmann and Johannes, "Abacus: fast legalization of standard cell circuits with minimal movement", ISPD
2008: cells are placed from left to right, each at the end of the run in which it moves least after the cells there have
made room.  Cells that touch move as a group, to where the sum of their squared moves is least.

Lengths are in units of a site.  A group is named by the index of its last cell.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints

NONE = -1
"""Instead of the index of a cell, group, run or site."""

LEFT = 0
"""Column of groups [C, 4]: left end, from the left end of the run, in sites."""

WIDTH = 1
"""Column of groups [C, 4]: total width in sites."""

CELLS = 2
"""Column of groups [C, 4]: number of cells."""

TARGETS = 3
"""Column of groups [C, 4]: sum over the cells of the left end that each prefers for the group, in sites."""


def assign_to_runs(corner: Floats, width: Ints, left: Floats, length: Ints, bottom: Floats) -> tuple[Ints, Ints]:
    """The run [C] of each cell and the index [C] of its first site in that run; `NONE` for cells without room.

    `corner` [C, 2] holds the preferred lower-left corners of the cells, `left` and `bottom` [K] the left ends and the
    bottoms of the runs, all in units of a site; `width` [C] of the cells and `length` [K] of the runs are whole numbers
    of sites.  Runs are sorted by `bottom`.  Deterministic.
    """
    order = np.argsort(corner[:, 0], kind="stable")
    run, site = np.full(len(width), NONE), np.full(len(width), NONE)
    _assign_to_runs(order, corner, width.astype(np.float64), left, length.astype(np.float64), bottom, run, site)
    return run, site


@njit(cache=True)
def _assign_to_runs(
    order: Ints, corner: Floats, width: Floats, left: Floats, length: Floats, bottom: Floats, run_of: Ints,
    site_of: Ints,
) -> None:  # fmt: skip
    """Fill `run_of` and `site_of` [C] for the cells in `order` [C]; the other arguments as in `assign_to_runs`."""
    group = np.zeros((len(width), 4))
    previous_group = np.full(len(width), NONE)  # [C] the group to the left of a group
    previous_cell = np.full(len(width), NONE)  # [C] the cell to the left of a cell
    last = np.full(len(left), NONE)  # [K] the last cell of each run
    used = np.zeros(len(left))  # [K] sites taken in each run
    for cell in order:
        x, y, w = corner[cell, 0], corner[cell, 1], width[cell]
        best, least = NONE, np.inf
        up = np.searchsorted(bottom, y)
        down = up - 1
        while up < len(left) or down >= 0:  # runs by their distance from y
            above = down < 0 or (up < len(left) and bottom[up] - y <= y - bottom[down])
            k = up if above else down
            up, down = (up + 1, down) if above else (up, down - 1)
            rise = abs(bottom[k] - y)
            if rise >= least:
                break
            nearest = rise + max(left[k] - x, x + w - left[k] - length[k], 0.0)
            if nearest < least and used[k] + w <= length[k]:
                place, wide, _, _, _ = _append(x - left[k], w, length[k], last[k], group, previous_group)
                move = rise + abs(place + wide - w - (x - left[k]))
                if move < least:
                    best, least = k, move
        if best == NONE:
            continue
        place, wide, count, targets, left_group = _append(
            x - left[best], w, length[best], last[best], group, previous_group
        )
        group[cell, LEFT], group[cell, WIDTH], group[cell, CELLS], group[cell, TARGETS] = place, wide, count, targets
        previous_group[cell], previous_cell[cell], last[best] = left_group, last[best], cell
        run_of[cell] = best
        used[best] += w
    for k in range(len(left)):
        name = last[k]
        while name != NONE:  # rounding halves upward keeps groups apart, as all widths are whole sites
            cell, end = name, np.floor(group[name, LEFT] + 0.5) + group[name, WIDTH]
            while cell != previous_group[name]:
                end -= width[cell]
                site_of[cell] = int(end)
                cell = previous_cell[cell]
            name = previous_group[name]


@njit(cache=True)
def _append(
    x: float, width: float, length: float, last: int, group: Floats, previous_group: Ints
) -> tuple[float, float, float, float, int]:  # fmt: skip
    """The group of a cell that is put at the end of a run with a target of `x`, and the group to the left of that.

    Returns the columns of the group and the index of the other.
    """
    wide, count, targets = width, 1.0, x
    place = min(max(x, 0.0), length - wide)
    while last != NONE and group[last, LEFT] + group[last, WIDTH] > place:
        targets = group[last, TARGETS] + targets - count * group[last, WIDTH]
        wide += group[last, WIDTH]
        count += group[last, CELLS]
        place = min(max(targets / count, 0.0), length - wide)
        last = previous_group[last]
    return place, wide, count, targets, last
