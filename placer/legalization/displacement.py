"""Macros moved together: legal placements brought nearer their targets, slight overlaps resolved.

Arrays are those of the movable hard macros: `center`, `target`, `size` [M, 2] in µm; `obstacle` [F, 4] holds low x,
low y, high x and high y in µm of the areas that must stay free.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment

from netlists.netlist import Bools, Floats, Ints
from netlists.runtime.clock import over
from placer.legalization.compaction import constraint_pairs, separate, slide
from placer.legalization.free_space import HIGH_X, HIGH_Y, LOW_X, LOW_Y, reinsert_in_time

ROUNDING = 1e-14
"""Error of float64 sums that is tolerated, as a fraction of the longer side of the canvas."""

IMPROVEMENTS = 4
"""Rounds of swapping, sliding and reinserting, at most."""

LEAST_GAIN = 0.01
"""Rounds end when one shortens the total displacement by less than this fraction of it."""

REWEIGHTINGS = 3
"""Iterations of reweighted least squares in a slide, at most."""

CROWDED = 100
"""Constraint pairs per macro above which macros lie in heaps that pushing cannot resolve."""


@njit(cache=True, nogil=True)
def disjoint(
    center: Floats, size: Floats, obstacle: Floats, canvas_w: float, canvas_h: float, spacing_um: float
) -> bool:
    """Whether macros lie inside the canvas, apart from each other and from the obstacles, without any tolerance.

    `center` and `size` [M, 2] and `obstacle` [F, 4] (low x, low y, high x, high y) are in µm.
    """
    low, high = center - size / 2, center + size / 2
    for i in range(len(center)):
        if low[i, 0] < 0 or low[i, 1] < 0 or high[i, 0] > canvas_w or high[i, 1] > canvas_h:
            return False
        for j in range(i):
            if (
                low[i, 0] - high[j, 0] < spacing_um and low[j, 0] - high[i, 0] < spacing_um
                and low[i, 1] - high[j, 1] < spacing_um and low[j, 1] - high[i, 1] < spacing_um
            ):  # fmt: skip
                return False
        for k in range(len(obstacle)):
            if (
                low[i, 0] - obstacle[k, HIGH_X] < spacing_um and obstacle[k, LOW_X] - high[i, 0] < spacing_um
                and low[i, 1] - obstacle[k, HIGH_Y] < spacing_um and obstacle[k, LOW_Y] - high[i, 1] < spacing_um
            ):  # fmt: skip
                return False
    return True


def total_displacement(center: Floats, target: Floats) -> float:
    """The sum of the distances between `center` and `target` [M, 2], in µm."""
    return float(np.hypot(*(center - target).T).sum())


def reduce_displacement(
    center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float],
    deadline: float = np.inf,
) -> Floats:  # fmt: skip
    """Swap equal macros, slide them together and reinsert them, while this reduces the displacement and time is left.

    `center`, `target` and `size` [M, 2] and `obstacle` [F, 4] are in µm.  `center` is legal and stays legal; it may be
    changed in place.
    """
    groups = _equal_sizes(size)
    best = total_displacement(center, target)
    for _ in range(IMPROVEMENTS):
        if over(deadline):
            break
        for group in groups:
            distance = np.hypot(*(center[group][:, None] - target[group]).transpose(2, 0, 1))
            place, macro = linear_sum_assignment(distance)
            center[group[macro]] = center[group[place]]
        for axis in (0, 1):
            center = _slide_all(center, target, size, obstacle, canvas_um, axis, deadline)
        distance = np.hypot(*(center - target).T)
        reinsert_in_time(np.argsort(-distance, kind="stable"), center, target, size, obstacle, canvas_um, deadline)
        total = total_displacement(center, target)
        if total > (1 - LEAST_GAIN) * best:
            break
        best = total
    return center


def _equal_sizes(size: Floats) -> list[Ints]:
    """The groups of two or more macros that have the same size."""
    _, group_of = np.unique(size, axis=0, return_inverse=True)
    members = [np.flatnonzero(group_of == g) for g in range(group_of.max() + 1)]
    return [group for group in members if len(group) > 1]


def push_apart(
    target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], first: int
) -> Floats | None:
    """Centers [M, 2] in µm without overlaps, each resolved along the axis on which it is shallower, or None.

    Axis `first` comes first, then the other one.  The order of the macros follows from the targets, so that macros
    that overlap a little move a little, all together.  None if overlaps remain.  `target` and `size` [M, 2] and
    `obstacle` [F, 4] are in µm.
    """
    center = target
    for axis in (first, 1 - first):
        view = _AxisView(center, size, obstacle, axis)
        pairs = view.pairs(0.0)
        if len(pairs) > CROWDED * len(center):
            return None
        if axis == first:
            a, b = pairs.T
            depth_along = (view.width[a] + view.width[b]) / 2 - np.abs(view.along[a] - view.along[b])
            depth_across = (view.height[a] + view.height[b]) / 2 - np.abs(view.across[a] - view.across[b])
            pairs = np.ascontiguousarray(pairs[depth_along <= depth_across])
        weight = np.ones(len(view.along))
        along = slide(view.along, view.along, view.width, weight, view.movable, pairs, canvas_um[axis])
        center = center.copy()
        center[:, axis] = along[: len(center)]
    return center if disjoint(center, size - ROUNDING * max(canvas_um), obstacle, *canvas_um, 0.0) else None


def resolve_rounding(
    center: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], slack: float
) -> Floats:  # fmt: skip
    """Centers [M, 2] in µm in which overlaps of up to `slack` are resolved in strict float64 arithmetic.

    First in x, then in y, as far as there is room.  `center` and `size` [M, 2], `obstacle` [F, 4] and `slack` are in
    µm.
    """
    for axis, ignored in ((0, slack), (1, 0.0)):
        view = _AxisView(center, size, obstacle, axis)
        along = view.along.copy()
        separate(along, view.width, view.movable, view.pairs(ignored), canvas_um[axis])
        center = center.copy()
        center[:, axis] = along[: len(center)]
    return center


class _AxisView:
    """Macros, then obstacles, as seen along one axis: centers and sizes [M+F] in µm, and a mask of the macros."""

    def __init__(self, center: Floats, size: Floats, obstacle: Floats, axis: int) -> None:
        both = np.vstack([center, (obstacle[:, :2] + obstacle[:, 2:]) / 2]).T.copy()
        extent = np.vstack([size, obstacle[:, 2:] - obstacle[:, :2]]).T.copy()
        self.along, self.across = both[axis], both[1 - axis]
        self.width, self.height = extent[axis], extent[1 - axis]
        self.movable: Bools = np.arange(len(self.along)) < len(center)

    def pairs(self, slack: float) -> Ints:
        """[K, 2] the pairs that must stay apart along the axis."""
        pairs: Ints = constraint_pairs(self.along, self.across, self.width, self.height, self.movable, slack)
        return pairs


def _slide_all(
    center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], axis: int,
    deadline: float,
) -> Floats:  # fmt: skip
    """Slide the macros along one axis; the result is legal and not farther from the targets.

    Weights of 1 / distance turn the squares that `slide` minimizes into distances (reweighted least squares).
    """
    side, count = max(canvas_um), len(center)
    view = _AxisView(center, size, obstacle, axis)
    pairs = view.pairs(ROUNDING / 2 * side)
    goal, weight = view.along.copy(), np.ones(len(view.along))
    goal[:count] = target[:, axis]
    best, best_total = center, total_displacement(center, target)
    for _ in range(REWEIGHTINGS):
        if over(deadline):
            break
        weight[:count] = 1 / (np.hypot(*(best - target).T) + 1e-3 * side)
        new = center.copy()
        new[:, axis] = slide(view.along, goal, view.width, weight, view.movable, pairs, canvas_um[axis])[:count]
        total = total_displacement(new, target)
        if total >= best_total or not disjoint(new, size - ROUNDING / 2 * side, obstacle, *canvas_um, 0.0):
            break
        best, best_total = new, total
    return best
