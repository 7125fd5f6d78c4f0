"""Where in each grid cell a macro may go without overlap: the action mask, and the exact place behind each action.

The center goes to the cell's corner nearest the origin or, along a side that the macro fills in whole cells, to where
the macro is flush with the grid; macros of at most half a cell go to its middle.  If it cannot lie there, it goes to
the nearest point of the cell at which the macro overlaps nothing and stays inside the canvas.  A cell without such a
point is masked out.  On a corner, not in the middle: there a macro spreads over more cells and fills none of them
alone, which the density cost rewards (on ariane133_ng45 the best style after 16 generations gains 1.4%, an untrained
policy nothing).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Bools, Floats, Ints
from netlists.tolerance import HAIR
from placer.cost.arrays import CostArrays, Positions
from placer.cost.density import cell_of


@njit(cache=True)
def find_spots(cost: CostArrays, position: Positions, blockers: Ints, node: int, spot: Floats, fits: Bools) -> None:
    """Fill `fits` [R, C] and the centers `spot` [R, C, 2] in µm for a macro that must not overlap the blockers."""
    w, h = cost.canvas_width_um / cost.cols, cost.canvas_height_um / cost.rows
    left, right = inside(cost.size_um[node, 0], cost.canvas_width_um)
    bottom, top = inside(cost.size_um[node, 1], cost.canvas_height_um)
    wanted_x, wanted_y = wanted(cost.size_um[node, 0], w), wanted(cost.size_um[node, 1], h)
    box = grown_boxes(cost, position, blockers, node)
    head, links = boxes_by_cell(cost, box)
    xs, ys = np.empty(1 + 2 * len(box)), np.empty(1 + 2 * len(box))
    for r in range(cost.rows):
        y_low, y_high = max(r * h, bottom), min((r + 1) * h, top)
        for c in range(cost.cols):
            x_low, x_high = max(c * w, left), min((c + 1) * w, right)
            fits[r, c] = False
            if x_low <= x_high and y_low <= y_high:
                x = min(max((c + wanted_x) * w, x_low), x_high)
                y = min(max((r + wanted_y) * h, y_low), y_high)
                fits[r, c] = nearest_spot(
                    x, y, x_low, x_high, y_low, y_high, box, links, head[r, c], xs, ys, spot[r, c]
                )


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


@njit(cache=True)
def grown_boxes(cost: CostArrays, position: Positions, blockers: Ints, node: int) -> Floats:
    """[K, 4] left, right, bottom, top of where the node's center may not be: each blocker grown by half the node."""
    hair = HAIR * max(cost.canvas_width_um, cost.canvas_height_um)
    box = np.empty((blockers.size, 4))
    for k, u in enumerate(blockers):
        for d in range(2):
            reach = (cost.size_um[node, d] + cost.size_um[u, d]) / 2 + hair
            box[k, 2 * d], box[k, 2 * d + 1] = position[u, d] - reach, position[u, d] + reach
    return box


@njit(cache=True)
def boxes_by_cell(cost: CostArrays, box: Floats) -> tuple[Ints, Ints]:
    """For each cell the head [R, C] of a linked list [., 2] (box, next link or -1) of the boxes that reach into it."""
    w, h = cost.canvas_width_um / cost.cols, cost.canvas_height_um / cost.rows
    head = np.full((cost.rows, cost.cols), -1, dtype=np.int64)
    links = np.empty((16 + 16 * len(box), 2), dtype=np.int64)
    used = 0
    for k in range(len(box)):
        for r in range(cell_of(box[k, 2], h, cost.rows), cell_of(box[k, 3], h, cost.rows) + 1):
            for c in range(cell_of(box[k, 0], w, cost.cols), cell_of(box[k, 1], w, cost.cols) + 1):
                if used == len(links):
                    links = np.concatenate((links, np.empty_like(links)))
                links[used, 0], links[used, 1] = k, head[r, c]
                head[r, c] = used
                used += 1
    return head, links


@njit(cache=True)
def nearest_spot(
    x: float, y: float, x_low: float, x_high: float, y_low: float, y_high: float,
    box: Floats, links: Ints, first: int, xs: Floats, ys: Floats, spot: Floats,
) -> bool:  # fmt: skip
    """Write the point of a rectangle nearest to (x, y) that lies in no open box of a linked list; False if none.

    Such a point has a coordinate of (x, y) or of a box edge in each direction.  `xs` and `ys` are scratch, two entries
    a box and one.
    """
    xs[0], ys[0] = x, y
    count_x = count_y = 1
    link = first
    blocked = False
    while link >= 0:
        k, link = links[link]
        if box[k, 0] < x_low and box[k, 1] > x_high and box[k, 2] < y_low and box[k, 3] > y_high:
            return False
        blocked = blocked or (box[k, 0] < x < box[k, 1] and box[k, 2] < y < box[k, 3])
        for d in range(2):
            if x_low <= box[k, d] <= x_high:
                xs[count_x] = box[k, d]
                count_x += 1
            if y_low <= box[k, 2 + d] <= y_high:
                ys[count_y] = box[k, 2 + d]
                count_y += 1
    spot[0], spot[1] = x, y
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
                spot[0], spot[1] = xs[i], ys[j]
    return nearest < np.inf


@njit(cache=True)
def is_free(x: float, y: float, box: Floats, links: Ints, first: int) -> bool:
    """Whether a point lies in no open box of a linked list."""
    link = first
    while link >= 0:
        k, link = links[link]
        if box[k, 0] < x < box[k, 1] and box[k, 2] < y < box[k, 3]:
            return False
    return True
