"""Row alignment: hard macros moved onto the rows and sites of a design, legal and near their places.

Macros are first moved apart with their sizes rounded up to whole steps of the grid of rows and sites; then their
corners can be rounded to that grid.  If this fails, or if the rows form no grid, each macro in turn, the largest first,
goes to the nearest free place at which its lower-left corner is on a site.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.errors import LegalizationError, NetlistError
from netlists.legality.verdict import macros_off_rows
from netlists.netlist import Floats, Ints, Rows
from netlists.placement import TOUCH, Placement
from netlists.rows.derived import cell_rows
from placer.legalization.free_space import HIGH_X, HIGH_Y, LOW_X, LOW_Y
from placer.legalization.legalize import legalize
from placer.legalization.packing import fixed_rectangles


def align_to_rows(placement: Placement) -> Placement:
    """The placement with its movable hard macros legal and, if the design has rows, on rows and sites.

    A placement that is so already is returned as it is, and so is one for which no such placement is found.
    """
    if not placement.violations() and not macros_off_rows(placement).size:
        return placement
    try:
        return legalize_on_rows(placement)
    except LegalizationError:
        return placement


def legalize_on_rows(placement: Placement) -> Placement:
    """The placement with its hard macros legalized, their lower-left corners on rows and sites if there is room.

    Requires rows, from the file or derived.  Raises `LegalizationError` as `legalize` does.
    """
    for align in (_round_to_grid, place_one_by_one):
        aligned = align(placement)
        if aligned is not None and not aligned.violations() and not macros_off_rows(aligned).size:
            return aligned
    return legalize(placement)


def _round_to_grid(placement: Placement) -> Placement | None:
    """Move macros apart, then round their corners to the grid; None if there is no room for that.

    Rounding corners to a grid (halves always upward) keeps rectangles apart if their sides are whole steps of it.
    So macros are legalized with their sides rounded up to whole steps, and fixed ones with their edges moved outward
    to the grid.
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
    return _with_corners_at(placement, origin + np.floor((corner - origin) / step + 0.5) * step)


def _pitch_um(rows: Rows) -> float:
    """The distance between neighboring rows in µm if it is the same for all; otherwise the height of the lowest row."""
    gaps = np.diff(np.unique(rows.y_um))
    even = gaps.size and np.ptp(gaps) <= TOUCH * float(gaps.sum())
    return float(gaps.mean()) if even else float(rows.height_um.min())


def place_one_by_one(placement: Placement) -> Placement | None:
    """Place each macro, the largest first, at the nearest free place on rows and sites; None if one finds none.

    Requires rows, from the file or derived.
    """
    n, rows = placement.netlist, cell_rows(placement.netlist)
    assert rows is not None
    movable = n.movable_hard
    size = n.size_um[movable]
    order = np.argsort(-size.prod(axis=1), kind="stable")
    by_level = np.lexsort((rows.x_um, rows.y_um))
    slack = TOUCH * max(n.canvas_um)
    fits, corner = nearest_corners(
        order, placement.position_um[movable] - size / 2, size, fixed_rectangles(n), np.array(n.canvas_um),
        rows.x_um[by_level], rows.y_um[by_level], rows.site_um[by_level], rows.num_sites[by_level], slack,
    )  # fmt: skip
    return _with_corners_at(placement, corner) if fits else None


def _with_corners_at(placement: Placement, corner: Floats) -> Placement:
    """The placement with the lower-left corners of its movable hard macros at `corner` [M, 2] in µm."""
    n, position = placement.netlist, placement.position_um.copy()
    position[n.movable_hard] = corner + n.size_um[n.movable_hard] / 2
    return Placement(n, position, placement.orientation)


@njit(cache=True)
def nearest_corners(
    order: Ints, target: Floats, size: Floats, obstacle: Floats, canvas: Floats, left: Floats, bottom: Floats,
    site: Floats, count: Ints, slack: float,
) -> tuple[bool, Floats]:  # fmt: skip
    """Whether all macros found a place, and their lower-left corners [M, 2] in µm, on sites of rows.

    In turn each macro takes the place at which it overlaps no obstacle and no earlier macro by more than `slack` µm
    with the least sum of the moves in x and y.  `order` [M] holds the indices of the macros, `target` and `size`
    [M, 2] their preferred corners and sizes in µm, `obstacle` [F, 4] low x, low y, high x and high y in µm, and
    `canvas` [2] its size in µm; `left`, `bottom`, `site` [K] in µm and `count` [K] are the ends, bottoms, pitches and
    numbers of sites of the rows.
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
                            box[i, LOW_X] < x + w - slack and box[i, HIGH_X] > x + slack
                            and box[i, LOW_Y] < y + h - slack and box[i, HIGH_Y] > y + slack
                        ):  # fmt: skip
                            if way > 0:
                                beyond = max(beyond, np.ceil((box[i, HIGH_X] - left[k] - slack) / site[k]), s + 1)
                            else:
                                beyond = min(beyond, np.floor((box[i, LOW_X] - w - left[k] + slack) / site[k]), s - 1)
                    if beyond == s:
                        best = rise + abs(x - target[m, 0])
                        corner[m, 0], corner[m, 1] = x, y
                        break
                    s = beyond
        if best == np.inf:
            return False, corner
        i = fixed + turn
        box[i, LOW_X], box[i, LOW_Y] = corner[m, 0], corner[m, 1]
        box[i, HIGH_X], box[i, HIGH_Y] = corner[m, 0] + w, corner[m, 1] + h
    return True, corner
