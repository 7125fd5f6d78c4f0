"""Legalization of standard cells: each into a free run of sites near it, with little movement in all.

Spindler, Schlichtmann and Johannes, "Abacus: fast legalization of standard cell circuits with minimal movement",
ISPD 2008: cells come from left to right; each joins the end of the run where it moves least, once the cells there have
made room: neighbors that touch move as a group to where the sum of their squared moves is least.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints

NONE = -1


def into_runs(corner: Floats, width: Ints, left: Floats, length: Ints, bottom: Floats) -> tuple[Ints, Ints]:
    """The run [C] of each cell and the site [C] in it where the cell begins; `NONE` for cells without room.

    Lower-left corners [C, 2] where cells should be, left ends [K] and bottoms [K] of the runs, all in lengths of a
    site; widths [C] of cells and lengths [K] of runs in whole sites.  Runs are sorted by bottom.  Deterministic.
    """
    order = np.argsort(corner[:, 0], kind="stable")
    run, site = np.full(len(width), NONE), np.full(len(width), NONE)
    _into_runs(order, corner, width.astype(np.float64), left, length.astype(np.float64), bottom, run, site)
    return run, site


@njit(cache=True)
def _into_runs(
    order: Ints, corner: Floats, width: Floats, left: Floats, length: Floats, bottom: Floats, run_of: Ints,
    site_of: Ints,
) -> None:  # fmt: skip
    # Groups of touching cells are named after their last cell: place in the run, width, number, sum of targets.
    group = np.zeros((len(width), 4))
    before = np.full(len(width), NONE)  # the group to the left of a group
    neighbor = np.full(len(width), NONE)  # the cell to the left of a cell
    last = np.full(len(left), NONE)  # cell of each run
    used = np.zeros(len(left))
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
                place, wide, _, _, _ = _joined(x - left[k], w, length[k], last[k], group, before)
                move = rise + abs(place + wide - w - (x - left[k]))
                if move < least:
                    best, least = k, move
        if best == NONE:
            continue
        place, wide, count, target, left_group = _joined(x - left[best], w, length[best], last[best], group, before)
        group[cell, 0], group[cell, 1], group[cell, 2], group[cell, 3] = place, wide, count, target
        before[cell], neighbor[cell], last[best] = left_group, last[best], cell
        run_of[cell] = best
        used[best] += w
    for k in range(len(left)):
        name = last[k]
        while name != NONE:  # rounding halves upward keeps groups apart: all widths are whole sites
            cell, end = name, np.floor(group[name, 0] + 0.5) + group[name, 1]
            while cell != before[name]:
                end -= width[cell]
                site_of[cell] = int(end)
                cell = neighbor[cell]
            name = before[name]


@njit(cache=True)
def _joined(
    x: float, width: float, length: float, last: int, group: Floats, before: Ints
) -> tuple[float, float, float, float, int]:  # fmt: skip
    """The group that a cell at `x` becomes at the end of a run, and the group to its left."""
    wide, count, target = width, 1.0, x
    place = min(max(x, 0.0), length - wide)
    while last != NONE and group[last, 0] + group[last, 1] > place:
        target = group[last, 3] + target - count * group[last, 1]
        wide += group[last, 1]
        count += group[last, 2]
        place = min(max(target / count, 0.0), length - wide)
        last = before[last]
    return place, wide, count, target, last
