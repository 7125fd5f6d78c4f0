"""The action mask: the grid cells in which a macro fits without overlap, and its exact center for each of them.

The center goes to the corner of the cell nearest the origin or, along an axis on which the macro is a whole number of
cells long, to where its edges are on grid lines; macros of at most half a cell go to the middle of the cell.  If the
macro does not fit there, its center goes to the nearest point of the cell at which it overlaps nothing and stays inside
the canvas.  A cell without such a point is masked out.

The preferred point is a corner, not the middle, because there a macro covers more cells and fills none of them alone,
which the density cost rewards (on ariane133_ng45 this gains 1.4% with the best style after 16 generations, and nothing
with an untrained policy).
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
from placer.legalization.free_space import HIGH_X, HIGH_Y, LOW_X, LOW_Y

FREE = -1
"""Instead of the first link of a cell: no box reaches into it.  Also ends the linked list of a cell."""

COVERED = -2
"""Instead of the first link of a cell: a box covers all of it."""

LEFT = 0
"""Column of boxes [K, 4]: lower x in µm."""

RIGHT = 1
"""Column of boxes [K, 4]: higher x in µm."""

BOTTOM = 2
"""Column of boxes [K, 4]: lower y in µm."""

TOP = 3
"""Column of boxes [K, 4]: higher y in µm."""

BOX = 0
"""Column of links [E, 2]: index of a box."""

NEXT = 1
"""Column of links [E, 2]: index of the next link, or `FREE` at the end."""

WHOLE = 1e-6
"""Difference from a whole number or from a half that counts as rounding, in grid cells."""


class MaskScratch(NamedTuple):
    """Memory for `find_places`: K boxes in which the node's center may not be, and for each cell those in it."""

    box: Floats  # [K, 4] `LEFT`, `RIGHT`, `BOTTOM`, `TOP`
    head: Ints  # [R, C] first link of each cell, `FREE` or `COVERED`
    links: Ints  # [E, 2] `BOX`, `NEXT`
    xs: Floats  # [2K+1] candidates for x in µm
    ys: Floats  # [2K+1] candidates for y in µm


@inlined_kernel
def cell_size(cost: CostArrays) -> tuple[float, float]:
    """The width and the height of a grid cell in µm."""
    return cost.cell_width_um, cost.cell_height_um


@njit(cache=True)
def new_scratch(cost: CostArrays, blockers: Ints, blocked: Floats, node: int) -> MaskScratch:
    """Enough memory for a node among blockers at any places and blocked rectangles.

    `blockers` [M] are indices of nodes; `blocked` [K, 4] holds low x, low y, high x and high y in µm.
    """
    gap = MACRO_GAP * max(cost.canvas_width_um, cost.canvas_height_um)
    w, h = cell_size(cost)
    count = 0
    for u in blockers:
        width, height = cost.size_um[node] + cost.size_um[u] + 2 * gap
        count += min(int(width / w) + 3, cost.cols) * min(int(height / h) + 3, cost.rows)  # one of 3 is for rounding
    for k in range(len(blocked)):
        width = cost.size_um[node, 0] + blocked[k, HIGH_X] - blocked[k, LOW_X] + 2 * gap
        height = cost.size_um[node, 1] + blocked[k, HIGH_Y] - blocked[k, LOW_Y] + 2 * gap
        count += min(int(width / w) + 3, cost.cols) * min(int(height / h) + 3, cost.rows)
    boxes = blockers.size + len(blocked)
    edges = 2 * boxes + 1
    head = np.empty((cost.rows, cost.cols), dtype=np.int64)
    links = np.empty((count, 2), dtype=np.int64)
    return MaskScratch(np.empty((boxes, 4)), head, links, np.empty(edges), np.empty(edges))


@kernel
def find_places(
    cost: CostArrays, position: Positions, blockers: Ints, blocked: Floats, room: Floats, node: int, place: Floats,
    fits: Bools, scratch: MaskScratch,
) -> bool:  # fmt: skip
    """Fill the mask `fits` [R, C] and the centers `place` [R, C, 2] in µm of a macro; whether it fits anywhere.

    The macro `node` must not overlap the nodes with indices `blockers` [M], which lie at `position` [V, 2] in µm, nor
    the rectangles `blocked` [K, 4] (low x, low y, high x, high y in µm), and must lie in `room` [4], likewise, if its
    fence is not the whole canvas.  `scratch` is that of `new_scratch` for the
    same obstacles or more.
    """
    w, h = cell_size(cost)
    left, right = center_range(cost.size_um[node, 0], cost.canvas_width_um)
    bottom, top = center_range(cost.size_um[node, 1], cost.canvas_height_um)
    half_x, half_y = cost.size_um[node, 0] / 2, cost.size_um[node, 1] / 2
    left, right = max(left, room[0] + half_x), min(right, room[2] - half_x)
    bottom, top = max(bottom, room[1] + half_y), min(top, room[3] - half_y)
    offset_x, offset_y = preferred_offset(cost.size_um[node, 0], w), preferred_offset(cost.size_um[node, 1], h)
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
                x = min(max((c + offset_x) * w, x_low), x_high)
                y = min(max((r + offset_y) * h, y_low), y_high)
                if head[r, c] == FREE:
                    place[r, c, 0], place[r, c, 1] = x, y
                    fits[r, c] = True
                else:
                    fits[r, c] = nearest_place(x, y, x_low, x_high, y_low, y_high, r, c, scratch, place)
                anywhere = anywhere or fits[r, c]
    return anywhere


@njit(cache=True)
def preferred_offset(size: float, cell: float) -> float:
    """The offset of the preferred center of a macro from the low edge of a cell along one axis, in cells.

    0 or, if the macro is an odd number of cells long or at most half a cell, ½.
    """
    count = np.round(size / cell)
    if size / cell < 0.5 + WHOLE:
        return 0.5
    return 0.5 if abs(size / cell - count) < WHOLE and count % 2 == 1 else 0.0


@njit(cache=True)
def center_range(size: float, canvas: float) -> tuple[float, float]:
    """The least and the greatest center of a macro inside the canvas along one axis, rounded inward; in µm."""
    half = min(size, canvas) / 2
    high = canvas - half
    while high + half > canvas:
        high = np.nextafter(high, 0.0)
    return half, high


@kernel
def grow_boxes(
    cost: CostArrays, position: Positions, blockers: Ints, blocked: Floats, node: int, box: Floats
) -> None:  # fmt: skip
    """Fill the boxes `box` [K, 4] in which the node's center may not be: obstacles, larger by half the node.

    `position` [V, 2] in µm, `blockers` [M] and `blocked` [K, 4] as in `find_places`.
    """
    gap = MACRO_GAP * max(cost.canvas_width_um, cost.canvas_height_um)
    for k in range(blockers.size):
        u = blockers[k]
        for d in range(2):
            reach = (cost.size_um[node, d] + cost.size_um[u, d]) / 2 + gap
            box[k, 2 * d], box[k, 2 * d + 1] = position[u, d] - reach, position[u, d] + reach
    for k in range(len(blocked)):
        i = blockers.size + k
        for d in range(2):
            reach = cost.size_um[node, d] / 2 + gap
            box[i, 2 * d], box[i, 2 * d + 1] = blocked[k, d] - reach, blocked[k, d + 2] + reach


@kernel
def link_boxes(cost: CostArrays, box: Floats, count: int, head: Ints, links: Ints) -> None:
    """Fill for each cell the head [R, C] of a linked list of those of `count` boxes that reach into it.

    `box` [K, 4] is in µm, and `links` [E, 2] holds indices.  Cells that a box covers are `COVERED` instead.
    """
    w, h = cell_size(cost)
    for r in range(cost.rows):
        for c in range(cost.cols):
            head[r, c] = FREE
    used = 0
    for k in range(count):
        c_low, c_high = cell_of(box[k, LEFT], w, cost.cols), cell_of(box[k, RIGHT], w, cost.cols)
        for r in range(cell_of(box[k, BOTTOM], h, cost.rows), cell_of(box[k, TOP], h, cost.rows) + 1):
            whole_rows = box[k, BOTTOM] < r * h and box[k, TOP] > (r + 1) * h
            for c in range(c_low, c_high + 1):
                if head[r, c] == COVERED:
                    continue
                if whole_rows and box[k, LEFT] < c * w and box[k, RIGHT] > (c + 1) * w:
                    head[r, c] = COVERED
                    continue
                links[used, BOX], links[used, NEXT] = k, head[r, c]
                head[r, c] = used
                used += 1


@inlined_kernel
def nearest_place(
    x: float, y: float, x_low: float, x_high: float, y_low: float, y_high: float, r: int, c: int,
    scratch: MaskScratch, place: Floats,
) -> bool:  # fmt: skip
    """Write the point of a rectangle in cell (r, c) that is nearest to (x, y) and in no open box; False if none.

    Each coordinate of such a point is one of (x, y) or that of an edge of a box.  The point is written to `place`
    [R, C, 2], in µm as all coordinates.
    """
    box, links, first, xs, ys = scratch.box, scratch.links, scratch.head[r, c], scratch.xs, scratch.ys
    xs[0], ys[0] = x, y
    count_x = count_y = 1
    link = first
    blocked = False
    while link >= 0:
        k, link = links[link, BOX], links[link, NEXT]
        left, right, bottom, top = box[k, LEFT], box[k, RIGHT], box[k, BOTTOM], box[k, TOP]
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
    place[r, c, 0], place[r, c, 1] = x, y
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
                place[r, c, 0], place[r, c, 1] = xs[i], ys[j]
    return nearest < np.inf


@inlined_kernel
def is_free(x: float, y: float, box: Floats, links: Ints, first: int) -> bool:
    """Whether the point (x, y) is in none of the open boxes [K, 4] in µm of the linked list that begins at `first`.

    `links` [E, 2] holds indices.
    """
    link = first
    while link >= 0:
        k, link = links[link, BOX], links[link, NEXT]
        if box[k, LEFT] < x < box[k, RIGHT] and box[k, BOTTOM] < y < box[k, TOP]:
            return False
    return True
