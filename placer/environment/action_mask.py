"""Where in each grid cell a macro may go without overlap: the action mask, and the exact place behind each action.

The center goes to the cell's corner nearest the origin or, along a side that the macro fills in whole cells, to where
the macro is flush with the grid; macros of at most half a cell go to its middle.  If it cannot lie there, it goes to
the nearest point of the cell at which the macro overlaps nothing and stays inside the canvas.  A cell without such a
point is masked out.  On a corner, not in the middle: there a macro spreads over more cells and fills none of them
alone, which the density cost rewards (on ariane133_ng45 the best style after 16 generations gains 1.4%, an untrained
policy nothing).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.netlist import Bools, Floats, Ints
from netlists.runtime.kernel import inlined_kernel, kernel
from netlists.tolerance import MACRO_GAP
from placer.cost.arrays import CostArrays, Positions
from placer.cost.density import cell_of

FREE, COVERED = -1, -2
"""Instead of the first link of a cell: no box reaches into it, or one covers it all."""


class Scratch(NamedTuple):
    """Memory for `find_spots`: K boxes where the node's center may not be, and which of them reach into which cell."""

    box: Floats  # [K, 4] left, right, bottom, top
    head: Ints  # [R, C] first link of each cell, FREE or COVERED
    links: Ints  # [., 2] box, next link or -1
    xs: Floats  # [2K+1]
    ys: Floats  # [2K+1]


@njit(cache=True)
def scratch_for(cost: CostArrays, blockers: Ints, blocked: Floats, node: int) -> Scratch:
    """Memory enough for a node among some blockers, wherever these are, and blocked rectangles [K, 4]."""
    hair = MACRO_GAP * max(cost.canvas_width_um, cost.canvas_height_um)
    w, h = cost.canvas_width_um / cost.cols, cost.canvas_height_um / cost.rows
    count = 0
    for u in blockers:
        width, height = cost.size_um[node] + cost.size_um[u] + 2 * hair
        count += min(int(width / w) + 3, cost.cols) * min(int(height / h) + 3, cost.rows)  # one for rounding
    for k in range(len(blocked)):
        width = cost.size_um[node, 0] + blocked[k, 2] - blocked[k, 0] + 2 * hair
        height = cost.size_um[node, 1] + blocked[k, 3] - blocked[k, 1] + 2 * hair
        count += min(int(width / w) + 3, cost.cols) * min(int(height / h) + 3, cost.rows)
    boxes = blockers.size + len(blocked)
    edges = 2 * boxes + 1
    head = np.empty((cost.rows, cost.cols), dtype=np.int64)
    links = np.empty((count, 2), dtype=np.int64)
    return Scratch(np.empty((boxes, 4)), head, links, np.empty(edges), np.empty(edges))


@kernel
def find_spots(
    cost: CostArrays, position: Positions, blockers: Ints, blocked: Floats, node: int, spot: Floats, fits: Bools,
    scratch: Scratch,
) -> bool:  # fmt: skip
    """Fill `fits` [R, C] and the centers `spot` [R, C, 2] in µm for a macro that must not overlap the blockers, which
    are nodes, nor blocked rectangles [K, 4] (low x, low y, high x, high y).

    Returns whether it fits anywhere.  The scratch is that of `scratch_for` for the same obstacles or more.
    """
    w, h = cost.canvas_width_um / cost.cols, cost.canvas_height_um / cost.rows
    left, right = inside(cost.size_um[node, 0], cost.canvas_width_um)
    bottom, top = inside(cost.size_um[node, 1], cost.canvas_height_um)
    wanted_x, wanted_y = wanted(cost.size_um[node, 0], w), wanted(cost.size_um[node, 1], h)
    grow_boxes(cost, position, blockers, blocked, node, scratch.box)
    link_boxes(cost, scratch.box, blockers.size + len(blocked), scratch.head, scratch.links)
    head = scratch.head
    anywhere = False
    for r in range(cost.rows):
        y_low, y_high = max(r * h, bottom), min((r + 1) * h, top)
        for c in range(cost.cols):
            x_low, x_high = max(c * w, left), min((c + 1) * w, right)
            fits[r, c] = False
            if x_low <= x_high and y_low <= y_high and head[r, c] != COVERED:
                x = min(max((c + wanted_x) * w, x_low), x_high)
                y = min(max((r + wanted_y) * h, y_low), y_high)
                if head[r, c] == FREE:
                    spot[r, c, 0], spot[r, c, 1] = x, y
                    fits[r, c] = True
                else:
                    fits[r, c] = nearest_spot(x, y, x_low, x_high, y_low, y_high, r, c, scratch, spot)
                anywhere = anywhere or fits[r, c]
    return anywhere


@njit(cache=True)
def wanted(size: float, cell: float) -> float:
    """Where in a cell, along one axis and in cells, the center of a macro goes if it can: 0 or, when the macro is an
    odd number of cells long or at most half a cell, ½."""
    count = np.round(size / cell)
    if size / cell < 0.5 + 1e-6:
        return 0.5
    return 0.5 if abs(size / cell - count) < 1e-6 and count % 2 == 1 else 0.0


@njit(cache=True)
def inside(size: float, canvas: float) -> tuple[float, float]:
    """Least and greatest center of a macro inside the canvas along one axis, rounded inward."""
    half = min(size, canvas) / 2
    high = canvas - half
    while high + half > canvas:
        high = np.nextafter(high, 0.0)
    return half, high


@kernel
def grow_boxes(
    cost: CostArrays, position: Positions, blockers: Ints, blocked: Floats, node: int, box: Floats
) -> None:  # fmt: skip
    """Fill the boxes [., 4] where the node's center may not be: blockers and blocked rectangles grown by half of it."""
    hair = MACRO_GAP * max(cost.canvas_width_um, cost.canvas_height_um)
    for k in range(blockers.size):
        u = blockers[k]
        for d in range(2):
            reach = (cost.size_um[node, d] + cost.size_um[u, d]) / 2 + hair
            box[k, 2 * d], box[k, 2 * d + 1] = position[u, d] - reach, position[u, d] + reach
    for k in range(len(blocked)):
        i = blockers.size + k
        for d in range(2):
            reach = cost.size_um[node, d] / 2 + hair
            box[i, 2 * d], box[i, 2 * d + 1] = blocked[k, d] - reach, blocked[k, d + 2] + reach


@kernel
def link_boxes(cost: CostArrays, box: Floats, count: int, head: Ints, links: Ints) -> None:
    """Fill for each cell the head [R, C] of a linked list [., 2] of those of `count` boxes that reach into it.

    Cells that one box covers are marked instead.
    """
    w, h = cost.canvas_width_um / cost.cols, cost.canvas_height_um / cost.rows
    for r in range(cost.rows):
        for c in range(cost.cols):
            head[r, c] = FREE
    used = 0
    for k in range(count):
        c_low, c_high = cell_of(box[k, 0], w, cost.cols), cell_of(box[k, 1], w, cost.cols)
        for r in range(cell_of(box[k, 2], h, cost.rows), cell_of(box[k, 3], h, cost.rows) + 1):
            whole_rows = box[k, 2] < r * h and box[k, 3] > (r + 1) * h
            for c in range(c_low, c_high + 1):
                if head[r, c] == COVERED:
                    continue
                if whole_rows and box[k, 0] < c * w and box[k, 1] > (c + 1) * w:
                    head[r, c] = COVERED
                    continue
                links[used, 0], links[used, 1] = k, head[r, c]
                head[r, c] = used
                used += 1


@inlined_kernel
def nearest_spot(
    x: float, y: float, x_low: float, x_high: float, y_low: float, y_high: float, r: int, c: int,
    scratch: Scratch, spot: Floats,
) -> bool:  # fmt: skip
    """Write the point of a rectangle in cell (r, c) nearest to (x, y) that lies in no open box; False if none.

    Such a point has a coordinate of (x, y) or of a box edge in each direction.
    """
    box, links, first, xs, ys = scratch.box, scratch.links, scratch.head[r, c], scratch.xs, scratch.ys
    xs[0], ys[0] = x, y
    count_x = count_y = 1
    link = first
    blocked = False
    while link >= 0:
        k, link = links[link, 0], links[link, 1]
        left, right, bottom, top = box[k, 0], box[k, 1], box[k, 2], box[k, 3]
        if left < x_low and right > x_high and bottom < y_low and top > y_high:
            return False
        blocked = blocked or (left < x < right and bottom < y < top)
        for edge in (left, right):
            if x_low <= edge <= x_high:
                xs[count_x] = edge
                count_x += 1
        for edge in (bottom, top):
            if y_low <= edge <= y_high:
                ys[count_y] = edge
                count_y += 1
    spot[r, c, 0], spot[r, c, 1] = x, y
    if not blocked:
        return True
    nearest = np.inf
    for i in range(count_x):
        if (xs[i] - x) ** 2 >= nearest:
            continue
        for j in range(count_y):
            distance = (xs[i] - x) ** 2 + (ys[j] - y) ** 2
            if distance < nearest and is_free(xs[i], ys[j], box, links, first):
                nearest = distance
                spot[r, c, 0], spot[r, c, 1] = xs[i], ys[j]
    return nearest < np.inf


@inlined_kernel
def is_free(x: float, y: float, box: Floats, links: Ints, first: int) -> bool:
    """Whether a point lies in no open box of a linked list."""
    link = first
    while link >= 0:
        k, link = links[link, 0], links[link, 1]
        if box[k, 0] < x < box[k, 1] and box[k, 2] < y < box[k, 3]:
            return False
    return True
