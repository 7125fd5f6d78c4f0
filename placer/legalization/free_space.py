"""Free space: the places among rectangles at which one more macro fits, the nearest one and the snuggest corner.

Rectangles are given by their corners, macros by their centers; all lengths are in µm.  A macro of size w by h fits at
the center (x, y) if its rectangle lies inside the canvas and overlaps no placed rectangle (touching is allowed).  For
its center each placed rectangle is an open forbidden rectangle, larger by w/2 and h/2 on each side.

In all kernels `low_x`, `low_y`, `high_x` and `high_y` [K] are the corners of the rectangles, of which the first
`count` are placed; `target_x`, `target_y` is the preferred center; the canvas is `canvas_w` by `canvas_h`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints
from netlists.runtime.clock import demand_time, over

LOW_X = 0
"""Column of rectangles [F, 4]: the lower x in µm."""

LOW_Y = 1
"""Column of rectangles [F, 4]: the lower y in µm."""

HIGH_X = 2
"""Column of rectangles [F, 4]: the higher x in µm."""

HIGH_Y = 3
"""Column of rectangles [F, 4]: the higher y in µm."""

CHUNK = 16
"""Macros placed or reinserted between two checks of the deadline."""

CONTACT = 1e-9
"""Edges closer than this fraction of the canvas' half perimeter count as touching."""


@njit(cache=True, nogil=True)
def forbidden_on_line(
    line_x: float, w: float, h: float, low_x: Floats, low_y: Floats, high_x: Floats, high_y: Floats, count: int,
    start: Floats, end: Floats,
) -> int:  # fmt: skip
    """Write the open y intervals that a center on the line x = `line_x` must avoid; return their number.

    The corners `low_x`, `low_y`, `high_x`, `high_y` [K] and the ends of the intervals `start`, `end` [K] are in µm.
    """
    intervals = 0
    for k in range(count):
        if low_x[k] - w / 2 < line_x < high_x[k] + w / 2:
            start[intervals] = low_y[k] - h / 2
            end[intervals] = high_y[k] + h / 2
            intervals += 1
    return intervals


@njit(cache=True, nogil=True)
def nearest_free(
    target_x: float, target_y: float, w: float, h: float,
    low_x: Floats, low_y: Floats, high_x: Floats, high_y: Floats, count: int,
    canvas_w: float, canvas_h: float,
) -> tuple[bool, float, float]:  # fmt: skip
    """The center nearest to the target in Euclidean distance at which a w by h macro fits: (whether it fits, x, y).

    The corners `low_x`, `low_y`, `high_x`, `high_y` [K] are in µm.  The result is exact: if the nearest center is off
    the vertical line through the target (moved into the canvas), a step in x toward that line would bring it nearer, so
    a forbidden rectangle blocks the step, and the center lies on that rectangle's far vertical edge.  On the line and
    on each of these edges the nearest free y is found by a walk up and down over the forbidden intervals.  Edges are
    visited by their distance until none can be better.
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
def contact_fraction(
    x: float, y: float, w: float, h: float, low_x: Floats, low_y: Floats, high_x: Floats, high_y: Floats, count: int,
    canvas_w: float, canvas_h: float, tolerance: float,
) -> float:  # fmt: skip
    """The fraction of the outline of a w by h macro at center (x, y) that touches placed rectangles or the canvas edge.

    The corners `low_x`, `low_y`, `high_x`, `high_y` [K] and the `tolerance` are in µm.  At most 1, although fixed
    rectangles that overlap each other are all counted.
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
    """The corner in which a macro leaves the least waste: (whether it fits, x, y).

    A corner is a place at which the macro touches something in x and in y.  The best one maximizes `contact_fraction`
    minus `distance_weight` times the distance to the target over (canvas_w + canvas_h): the touching-perimeter rule of
    Lodi, Martello and Vigo, "Heuristic and metaheuristic approaches for a class of two-dimensional bin packing
    problems", INFORMS J. Computing 11(4), 1999, section 2.4, with the distance added.  The corners of the rectangles
    `low_x`, `low_y`, `high_x`, `high_y` [K] are in µm.
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
                score = -penalty + contact_fraction(
                    x, y, w, h, low_x, low_y, high_x, high_y, count, canvas_w, canvas_h, CONTACT * scale
                )
                if score > best:
                    best, best_x, best_y = score, x, y
    return best > -np.inf, best_x, best_y


@njit(cache=True, nogil=True)
def place_in_order(
    order: Ints, target: Floats, size: Floats, obstacle: Floats, canvas_w: float, canvas_h: float,
    distance_weight: float,
) -> tuple[int, Floats]:  # fmt: skip
    """Place macros one after the other: (the first macro without room or -1, centers [M, 2] in µm).

    `size` and `target` [M, 2] in µm belong to the macros, `order` [M] holds their indices in the order of placement,
    and `obstacle` [F, 4] low x, low y, high x and high y in µm of the areas that must stay free.  Each macro goes to
    the free place nearest its target if `distance_weight` is infinite, otherwise to the corner that `snug_corner`
    prefers.
    """
    fixed = len(obstacle)
    corner = np.empty((4, fixed + len(order)))
    corner[:, :fixed] = obstacle.T
    low_x, low_y, high_x, high_y = corner[LOW_X], corner[LOW_Y], corner[HIGH_X], corner[HIGH_Y]
    center = target.copy()
    for turn, m in enumerate(order):
        x, y = target[m]
        w, h = size[m]
        count = fixed + turn
        if distance_weight == np.inf:
            fits, x, y = nearest_free(x, y, w, h, low_x, low_y, high_x, high_y, count, canvas_w, canvas_h)
        else:
            fits, x, y = snug_corner(
                x, y, w, h, low_x, low_y, high_x, high_y, count, canvas_w, canvas_h, distance_weight
            )  # fmt: skip
        if not fits:
            return m, center
        center[m] = x, y
        low_x[count], low_y[count], high_x[count], high_y[count] = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    return -1, center


@njit(cache=True, nogil=True)
def reinsert(
    order: Ints, center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_w: float, canvas_h: float
) -> None:
    """Take out each macro of `order` in turn and put it back at the free center nearest its target, in place.

    `order` holds indices [K] of macros; `center`, `target` and `size` [M, 2] and `obstacle` [F, 4] are in µm.
    """
    fixed = len(obstacle)
    count = fixed + len(center)
    corner = np.empty((4, count))
    corner[:, :fixed] = obstacle.T
    corner[LOW_X, fixed:], corner[HIGH_X, fixed:] = center[:, 0] - size[:, 0] / 2, center[:, 0] + size[:, 0] / 2
    corner[LOW_Y, fixed:], corner[HIGH_Y, fixed:] = center[:, 1] - size[:, 1] / 2, center[:, 1] + size[:, 1] / 2
    low_x, low_y, high_x, high_y = corner[LOW_X], corner[LOW_Y], corner[HIGH_X], corner[HIGH_Y]
    for m in order:
        if center[m, 0] == target[m, 0] and center[m, 1] == target[m, 1]:
            continue
        own = corner[:, fixed + m].copy()
        corner[:, fixed + m] = corner[:, count - 1]  # the last rectangle takes the place of the macro's own
        w, h = size[m]
        fits, x, y = nearest_free(
            target[m, 0], target[m, 1], w, h, low_x, low_y, high_x, high_y, count - 1, canvas_w, canvas_h
        )
        corner[:, fixed + m] = own
        nearer = np.hypot(x - target[m, 0], y - target[m, 1]) < np.hypot(
            center[m, 0] - target[m, 0], center[m, 1] - target[m, 1]
        )
        if fits and nearer:
            center[m] = x, y
            low_x[fixed + m], low_y[fixed + m] = x - w / 2, y - h / 2
            high_x[fixed + m], high_y[fixed + m] = x + w / 2, y + h / 2


def place_in_time(
    order: Ints, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], distance_weight: float,
    deadline: float,
) -> tuple[int, Floats]:  # fmt: skip
    """`place_in_order`, in chunks of `CHUNK` macros between which the deadline is checked.

    `target` and `size` [M, 2] and `obstacle` [F, 4] are in µm, `order` holds indices [K] of macros.  Raises
    `OutOfTimeError` at the deadline.
    """
    center = target.copy()
    for first in range(0, len(order), CHUNK):
        demand_time(deadline)
        chunk = order[first : first + CHUNK]
        failed, placed = place_in_order(chunk, target, size, obstacle, *canvas_um, distance_weight)
        center[chunk] = placed[chunk]
        if failed >= 0:
            return failed, center
        half = size[chunk] / 2
        obstacle = np.vstack([obstacle, np.hstack([center[chunk] - half, center[chunk] + half])])
    return -1, center


def reinsert_in_time(
    order: Ints, center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float],
    deadline: float,
) -> None:  # fmt: skip
    """`reinsert` as many macros as there is time for.

    `order` holds indices [K] of macros; `center`, `target` and `size` [M, 2] and `obstacle` [F, 4] are in µm.
    """
    for first in range(0, len(order), CHUNK):
        if over(deadline):
            break
        reinsert(order[first : first + CHUNK], center, target, size, obstacle, *canvas_um)
