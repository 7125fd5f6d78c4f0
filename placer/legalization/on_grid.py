"""Hard macros on the rows and sites of a design, legal, near where they are.

Corners are rounded to the grid of rows and sites once macros are apart with sizes of whole steps.  If that fails, or
if the rows make no grid, each macro in turn goes to the nearest free place whose corner is on a site, large ones first.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.errors import LegalizationError, NetlistError
from netlists.legality.verdict import macros_off_rows
from netlists.netlist import Floats, Ints, Rows
from netlists.placement import TOUCH, Placement
from netlists.rows.derived import cell_rows
from placer.legalization.legalize import legalize
from placer.legalization.packing import fixed_rectangles


def on_rows(placement: Placement) -> Placement:
    """The placement with its movable hard macros on rows and sites, if the design has rows, and legal.

    Macros that are legal and stand there already stay; so do all if no such placement is found.
    """
    if not placement.violations() and not macros_off_rows(placement).size:
        return placement
    try:
        return legalize_on_grid(placement)
    except LegalizationError:
        return placement


def legalize_on_grid(placement: Placement) -> Placement:
    """Hard macros legalized, with their lower-left corners on sites and rows if there is room for that.

    Needs rows, given or derived.  Raises `LegalizationError` as `legalize` does.
    """
    for way in (_rounded, one_by_one):
        found = way(placement)
        if found is not None and not found.violations() and not macros_off_rows(found).size:
            return found
    return legalize(placement)


def _rounded(placement: Placement) -> Placement | None:
    """Macros apart, then rounded to the grid; None if they find no room for that.

    Corners rounded to a grid (halves upward, always) keep rectangles apart whose sides are whole steps of it; others
    are legalized as if theirs were, and fixed ones as if their edges were on the grid.
    """
    n, rows = placement.netlist, cell_rows(placement.netlist)
    assert rows is not None
    step = np.array([rows.site_um.min(), _pitch_um(rows)])
    origin = np.array([rows.x_um.min(), rows.y_um.min()])
    rounding = TOUCH * max(n.canvas_um) / step
    movable, fixed = n.movable_hard, n.hard[n.fixed[n.hard]]
    size, position = n.size_um.copy(), placement.position_um.copy()
    size[movable] = np.ceil(size[movable] / step - rounding) * step
    low, high = position[fixed] - size[fixed] / 2, position[fixed] + size[fixed] / 2
    low = origin + np.floor((low - origin) / step + rounding) * step
    high = origin + np.ceil((high - origin) / step - rounding) * step
    position[fixed], size[fixed] = (low + high) / 2, high - low
    home = n.position_um.copy()
    home[fixed] = position[fixed]
    try:
        wide = n.with_(size_um=size, position_um=home)  # `NetlistError` if one is wider than the canvas now
        loose = legalize(Placement(wide, position, placement.orientation)).position_um.copy()
    except (LegalizationError, NetlistError):
        return None
    corner = loose[movable] - size[movable] / 2
    return _moved(placement, origin + np.floor((corner - origin) / step + 0.5) * step)


def _pitch_um(rows: Rows) -> float:
    """The distance between rows, if it is the same for all; else the height of the lowest."""
    gaps = np.diff(np.unique(rows.y_um))
    even = gaps.size and np.ptp(gaps) <= TOUCH * float(gaps.sum())
    return float(gaps.mean()) if even else float(rows.height_um.min())


def one_by_one(placement: Placement) -> Placement | None:
    """Each macro at the nearest free place on rows and sites, in the order of their areas; None if one finds none."""
    n, rows = placement.netlist, cell_rows(placement.netlist)
    assert rows is not None
    movable = n.movable_hard
    size = n.size_um[movable]
    order = np.argsort(-size.prod(axis=1), kind="stable")
    by_level = np.lexsort((rows.x_um, rows.y_um))
    slack = TOUCH * max(n.canvas_um)
    found, corner = nearest_corners(
        order, placement.position_um[movable] - size / 2, size, fixed_rectangles(n), np.array(n.canvas_um),
        rows.x_um[by_level], rows.y_um[by_level], rows.site_um[by_level], rows.num_sites[by_level], slack,
    )  # fmt: skip
    return _moved(placement, corner) if found else None


def _moved(placement: Placement, corner: Floats) -> Placement:
    """The placement with the lower-left corners [M, 2] of the movable hard macros where they are given."""
    n, position = placement.netlist, placement.position_um.copy()
    position[n.movable_hard] = corner + n.size_um[n.movable_hard] / 2
    return Placement(n, position, placement.orientation)


@njit(cache=True)
def nearest_corners(
    order: Ints, target: Floats, size: Floats, obstacle: Floats, canvas: Floats, left: Floats, bottom: Floats,
    site: Floats, count: Ints, slack: float,
) -> tuple[bool, Floats]:  # fmt: skip
    """Whether all macros found a place, and their lower-left corners [M, 2], on sites of rows [K].

    In turn each takes the place with the least sum of moves in x and y from its `target` [M, 2] at which it overlaps
    no obstacle [F, 4] and no macro before it by more than `slack`.
    """
    fixed = len(obstacle)
    box = np.empty((fixed + len(order), 4))
    box[:fixed] = obstacle
    corner = target.copy()
    for turn in range(len(order)):
        m = order[turn]
        w, h = size[m]
        best = np.inf
        for k in np.argsort(np.abs(bottom - target[m, 1])):
            y = bottom[k]
            rise = abs(y - target[m, 1])
            if rise >= best:
                break
            if y < -slack or y + h > canvas[1] + slack:
                continue
            last = min(float(count[k] - 1), np.floor((canvas[0] - w - left[k] + slack) / site[k]))
            start = min(max(np.floor((target[m, 0] - left[k]) / site[k] + 0.5), 0.0), last)
            for way in (1.0, -1.0):
                s = start
                while 0 <= s <= last and rise + abs(left[k] + s * site[k] - target[m, 0]) < best:
                    x = left[k] + s * site[k]
                    beyond = s
                    for i in range(fixed + turn):
                        if (
                            box[i, 0] < x + w - slack and box[i, 2] > x + slack
                            and box[i, 1] < y + h - slack and box[i, 3] > y + slack
                        ):  # fmt: skip
                            if way > 0:
                                beyond = max(beyond, np.ceil((box[i, 2] - left[k] - slack) / site[k]), s + 1)
                            else:
                                beyond = min(beyond, np.floor((box[i, 0] - w - left[k] + slack) / site[k]), s - 1)
                    if beyond == s:
                        best = rise + abs(x - target[m, 0])
                        corner[m, 0], corner[m, 1] = x, y
                        break
                    s = beyond
        if best == np.inf:
            return False, corner
        i = fixed + turn
        box[i, 0], box[i, 1], box[i, 2], box[i, 3] = corner[m, 0], corner[m, 1], corner[m, 0] + w, corner[m, 1] + h
    return True, corner
