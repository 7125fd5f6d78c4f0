"""Where one more macro fits among placed rectangles: the nearest free place, and the snuggest corner.

All rectangles are given by their corners; positions are centers; lengths are in µm.  A macro of size w by h fits at a
center (x, y) when its rectangle lies inside the canvas and meets no placed rectangle (touching is allowed).  Seen from
the center, each placed rectangle grows by w/2 and h/2 to an open forbidden rectangle.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints
from netlists.runtime.clock import demand_time, over

CHUNK = 16  # macros between two looks at the clock


@njit(cache=True, nogil=True)
def forbidden_on_line(
    line_x: float, w: float, h: float, low_x: Floats, low_y: Floats, high_x: Floats, high_y: Floats, count: int,
    start: Floats, end: Floats,
) -> int:  # fmt: skip
    """Write the open y intervals that a center on the line x = `line_x` must avoid; return how many there are."""
    found = 0
    for k in range(count):
        if low_x[k] - w / 2 < line_x < high_x[k] + w / 2:
            start[found] = low_y[k] - h / 2
            end[found] = high_y[k] + h / 2
            found += 1
    return found


@njit(cache=True, nogil=True)
def nearest_free(
    target_x: float, target_y: float, w: float, h: float,
    low_x: Floats, low_y: Floats, high_x: Floats, high_y: Floats, count: int,
    canvas_w: float, canvas_h: float,
) -> tuple[bool, float, float]:  # fmt: skip
    """The center nearest to the target in Euclidean distance at which a w by h macro fits: (found, x, y).

    The first `count` entries of the corner arrays [K] are the placed rectangles.  Exact: where the nearest center is
    off the vertical line through the target (moved into the canvas), a step in x toward that line would bring it
    nearer, so a forbidden rectangle blocks the step; the center lies on that rectangle's far vertical edge.  On the
    line and on each of these edges the nearest free y is found by walking up and down over the forbidden intervals,
    edges by their distance until none can be better.
    """
    x_min, x_max, y_min, y_max = w / 2, canvas_w - w / 2, h / 2, canvas_h - h / 2
    if x_max < x_min or y_max < y_min:
        return False, target_x, target_y
    middle = min(max(target_x, x_min), x_max)
    # Edges: x, the lowest and the highest y, and the squared distance of the nearest point of the edge.
    edge_x, edge_low, edge_high = np.empty(2 * count + 1), np.empty(2 * count + 1), np.empty(2 * count + 1)
    bound = np.empty(2 * count + 1)
    edge_x[0], edge_low[0], edge_high[0], bound[0] = middle, y_min, y_max, 0.0
    edges = 1
    for k in range(count):
        below, above = max(low_y[k] - h / 2, y_min), min(high_y[k] + h / 2, y_max)
        for x, far in ((low_x[k] - w / 2, -1.0), (high_x[k] + w / 2, 1.0)):
            if below <= above and (x - middle) * far > 0 and x_min <= x <= x_max:
                edge_x[edges], edge_low[edges], edge_high[edges] = x, below, above
                bound[edges] = (x - target_x) ** 2 + (min(max(target_y, below), above) - target_y) ** 2
                edges += 1
    start, end = np.empty(count), np.empty(count)
    best, best_x, best_y = np.inf, target_x, target_y
    for edge in np.argsort(bound[:edges]):
        if bound[edge] >= best:
            break
        x = edge_x[edge]
        dx2 = (x - target_x) ** 2
        intervals = forbidden_on_line(x, w, h, low_x, low_y, high_x, high_y, count, start, end)
        for up in (True, False):
            y = min(max(target_y, edge_low[edge]), edge_high[edge])
            blocked = True
            while blocked and edge_low[edge] <= y <= edge_high[edge] and dx2 + (y - target_y) ** 2 < best:
                blocked = False
                for k in range(intervals):
                    if start[k] < y < end[k]:
                        y = end[k] if up else start[k]
                        blocked = True
            distance2 = dx2 + (y - target_y) ** 2
            if not blocked and edge_low[edge] <= y <= edge_high[edge] and distance2 < best:
                best, best_x, best_y = distance2, x, y
    return best < np.inf, best_x, best_y


@njit(cache=True, nogil=True)
def touching(
    x: float, y: float, w: float, h: float, low_x: Floats, low_y: Floats, high_x: Floats, high_y: Floats, count: int,
    canvas_w: float, canvas_h: float, tolerance: float,
) -> float:  # fmt: skip
    """Which part of the outline of a w by h macro at center (x, y) touches placed rectangles or the canvas edge.

    Not more than the whole of it, though fixed rectangles that cover each other are counted each.
    """
    left, right, bottom, top = x - w / 2, x + w / 2, y - h / 2, y + h / 2
    length = 0.0
    if left < tolerance:
        length += h
    if right > canvas_w - tolerance:
        length += h
    if bottom < tolerance:
        length += w
    if top > canvas_h - tolerance:
        length += w
    for k in range(count):
        if abs(high_x[k] - left) < tolerance or abs(low_x[k] - right) < tolerance:
            length += max(0.0, min(top, high_y[k]) - max(bottom, low_y[k]))
        elif abs(high_y[k] - bottom) < tolerance or abs(low_y[k] - top) < tolerance:
            length += max(0.0, min(right, high_x[k]) - max(left, low_x[k]))
    return min(length / (2 * (w + h)), 1.0)


@njit(cache=True, nogil=True)
def snug_corner(
    target_x: float, target_y: float, w: float, h: float,
    low_x: Floats, low_y: Floats, high_x: Floats, high_y: Floats, count: int,
    canvas_w: float, canvas_h: float, distance_weight: float,
) -> tuple[bool, float, float]:  # fmt: skip
    """The corner (a place touching something in x and in y) where a macro leaves least waste: (found, x, y).

    Maximizes `touching` - distance_weight * distance to the target / (canvas_w + canvas_h), the touching-perimeter
    rule of Lodi, Martello and Vigo, "Heuristic and metaheuristic approaches for a class of two-dimensional bin
    packing problems", INFORMS J. Computing 11(4), 1999, section 2.4, with the distance added.
    """
    x_min, x_max, y_min, y_max = w / 2, canvas_w - w / 2, h / 2, canvas_h - h / 2
    if x_max < x_min or y_max < y_min:
        return False, target_x, target_y
    scale = canvas_w + canvas_h
    lines = np.empty(2 * count + 2)
    lines[0], lines[1] = x_min, x_max
    for k in range(count):
        lines[2 * k + 2] = low_x[k] - w / 2
        lines[2 * k + 3] = high_x[k] + w / 2
    start, end = np.empty(count), np.empty(count)
    best, best_x, best_y = -np.inf, target_x, target_y
    for x in lines:
        if x < x_min or x > x_max:
            continue
        intervals = forbidden_on_line(x, w, h, low_x, low_y, high_x, high_y, count, start, end)
        for candidate in range(2 * intervals + 2):
            if candidate >= 2:
                y = start[candidate // 2 - 1] if candidate % 2 else end[candidate // 2 - 1]
            else:
                y = y_max if candidate else y_min
            if y < y_min or y > y_max:
                continue
            penalty = distance_weight * np.hypot(x - target_x, y - target_y) / scale
            if 1.0 - penalty <= best:
                continue
            free = True
            for k in range(intervals):
                if start[k] < y < end[k]:
                    free = False
                    break
            if free:
                score = -penalty + touching(
                    x, y, w, h, low_x, low_y, high_x, high_y, count, canvas_w, canvas_h, 1e-9 * scale
                )
                if score > best:
                    best, best_x, best_y = score, x, y
    return best > -np.inf, best_x, best_y


@njit(cache=True, nogil=True)
def place_in_order(
    order: Ints, target: Floats, size: Floats, obstacle: Floats, canvas_w: float, canvas_h: float,
    distance_weight: float,
) -> tuple[int, Floats]:  # fmt: skip
    """Place macros one after the other: (first macro that found no room or -1, centers [M, 2]).

    `size` [M, 2] and `target` [M, 2] are those of the macros, `order` [M] the turn they take, `obstacle` [F, 4] low
    x, low y, high x, high y of what must not be covered.  Each macro goes to the free place nearest its target where
    `distance_weight` is infinite, otherwise to the corner that `snug_corner` prefers.
    """
    fixed = len(obstacle)
    corner = np.empty((4, fixed + len(order)))
    corner[:, :fixed] = obstacle.T
    center = target.copy()
    for turn, m in enumerate(order):
        w, h = size[m]
        count = fixed + turn
        if distance_weight == np.inf:
            found, x, y = nearest_free(
                target[m, 0], target[m, 1], w, h, corner[0], corner[1], corner[2], corner[3], count, canvas_w, canvas_h
            )
        else:
            found, x, y = snug_corner(
                target[m, 0], target[m, 1], w, h, corner[0], corner[1], corner[2], corner[3], count,
                canvas_w, canvas_h, distance_weight,
            )  # fmt: skip
        if not found:
            return m, center
        center[m] = x, y
        corner[0, count], corner[1, count], corner[2, count], corner[3, count] = (
            x - w / 2, y - h / 2, x + w / 2, y + h / 2,
        )  # fmt: skip
    return -1, center


@njit(cache=True, nogil=True)
def reinsert(
    order: Ints, center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_w: float, canvas_h: float
) -> None:
    """Take out each macro of `order` in turn and put it back, in place, at the free center nearest its target."""
    fixed, movable = len(obstacle), len(center)
    count = fixed + movable
    corner = np.empty((4, count))
    corner[:, :fixed] = obstacle.T
    for m in range(movable):
        for axis in range(2):
            corner[axis, fixed + m] = center[m, axis] - size[m, axis] / 2
            corner[axis + 2, fixed + m] = center[m, axis] + size[m, axis] / 2
    for m in order:
        if center[m, 0] == target[m, 0] and center[m, 1] == target[m, 1]:
            continue
        own = corner[:, fixed + m].copy()
        corner[:, fixed + m] = corner[:, count - 1]  # the last one fills the hole
        w, h = size[m]
        found, x, y = nearest_free(
            target[m, 0], target[m, 1], w, h, corner[0], corner[1], corner[2], corner[3], count - 1, canvas_w, canvas_h
        )
        corner[:, fixed + m] = own
        nearer = np.hypot(x - target[m, 0], y - target[m, 1]) < np.hypot(
            center[m, 0] - target[m, 0], center[m, 1] - target[m, 1]
        )
        if found and nearer:
            center[m] = x, y
            corner[0, fixed + m], corner[1, fixed + m] = x - w / 2, y - h / 2
            corner[2, fixed + m], corner[3, fixed + m] = x + w / 2, y + h / 2


def place_in_time(
    order: Ints, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], distance_weight: float,
    deadline: float,
) -> tuple[int, Floats]:  # fmt: skip
    """`place_in_order`, looking at the clock now and then; raises `OutOfTimeError` at the deadline."""
    center = target.copy()
    for first in range(0, len(order), CHUNK):
        demand_time(deadline)
        chunk = order[first : first + CHUNK]
        failed, found = place_in_order(chunk, target, size, obstacle, *canvas_um, distance_weight)
        center[chunk] = found[chunk]
        if failed >= 0:
            return failed, center
        half = size[chunk] / 2
        obstacle = np.vstack([obstacle, np.hstack([center[chunk] - half, center[chunk] + half])])
    return -1, center


def reinsert_in_time(
    order: Ints, center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float],
    deadline: float,
) -> None:  # fmt: skip
    """`reinsert`, of as many macros as there is time for."""
    for first in range(0, len(order), CHUNK):
        if over(deadline):
            break
        reinsert(order[first : first + CHUNK], center, target, size, obstacle, *canvas_um)
