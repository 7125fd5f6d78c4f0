"""Moving macros together: legal placements brought nearer their targets, slight overlaps pushed apart.

Arrays are those of the movable hard macros: `center`, `target`, `size` [M, 2] in µm; `obstacle` [F, 4] has low x,
low y, high x, high y of the fixed ones.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment

from netlists.netlist import Bools, Floats, Ints
from netlists.runtime.clock import over
from placer.legalization.compaction import relations, slide, spread
from placer.legalization.free_space import reinsert_in_time

ROUNDING = 1e-14
"""What float64 sums may be off by, as a part of the canvas."""

IMPROVEMENTS = 4  # rounds of swap, slide and reinsert
REWEIGHTINGS = 3
CROWDED = 100  # with more neighbors in a row than this a macro, macros lie in heaps that cannot be pushed apart


@njit(cache=True, nogil=True)
def disjoint(
    center: Floats, size: Floats, obstacle: Floats, canvas_w: float, canvas_h: float, spacing_um: float
) -> bool:
    """Whether macros [M, 2] lie in the canvas, apart from each other and from obstacles [F, 4]; no tolerance."""
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
                low[i, 0] - obstacle[k, 2] < spacing_um and obstacle[k, 0] - high[i, 0] < spacing_um
                and low[i, 1] - obstacle[k, 3] < spacing_um and obstacle[k, 1] - high[i, 1] < spacing_um
            ):  # fmt: skip
                return False
    return True


def displacement(center: Floats, target: Floats) -> float:
    """Sum of the distances from the targets, in µm."""
    return float(np.hypot(*(center - target).T).sum())


def improve(
    center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float],
    deadline: float = np.inf,
) -> Floats:  # fmt: skip
    """Swap equal macros, slide them together and reinsert them, while the summed displacement falls and time is left.

    `center` [M, 2] is legal and stays so; it may be changed.
    """
    groups = _equal_sizes(size)
    best = displacement(center, target)
    for _ in range(IMPROVEMENTS):
        if over(deadline):
            break
        for group in groups:
            distance = np.hypot(*(center[group][:, None] - target[group]).transpose(2, 0, 1))
            place, macro = linear_sum_assignment(distance)
            center[group[macro]] = center[group[place]]
        for axis in (0, 1):
            center = _slide_all(center, target, size, obstacle, canvas_um, axis, deadline)
        far = np.hypot(*(center - target).T)
        reinsert_in_time(np.argsort(-far, kind="stable"), center, target, size, obstacle, canvas_um, deadline)
        now = displacement(center, target)
        if now > 0.99 * best:
            break
        best = now
    return center


def _equal_sizes(size: Floats) -> list[Ints]:
    _, group_of = np.unique(size, axis=0, return_inverse=True)
    members = [np.flatnonzero(group_of == g) for g in range(group_of.max() + 1)]
    return [group for group in members if len(group) > 1]


def push_apart(
    target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], first: int
) -> Floats | None:
    """Resolve overlaps along the axis on which they are shallower, axis `first` and then the other; None if they stay.

    Relations follow from the targets, so that macros that overlap a little move a little, all together.
    """
    center = target
    for axis in (first, 1 - first):
        row = _Row(center, size, obstacle, axis)
        pairs = row.pairs(0.0)
        if len(pairs) > CROWDED * len(center):
            return None
        if axis == first:
            a, b = pairs.T
            into = (row.width[a] + row.width[b]) / 2 - np.abs(row.along[a] - row.along[b])
            beside = (row.height[a] + row.height[b]) / 2 - np.abs(row.across[a] - row.across[b])
            pairs = np.ascontiguousarray(pairs[into <= beside])
        along = slide(row.along, row.along, row.width, np.ones(len(row.along)), row.moves, pairs, canvas_um[axis])
        center = center.copy()
        center[:, axis] = along[: len(center)]
    return center if disjoint(center, size - ROUNDING * max(canvas_um), obstacle, *canvas_um, 0.0) else None


def settle(center: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], slack: float) -> Floats:
    """Undo overlaps of up to `slack` in strict float64 arithmetic, in x and then in y, as far as there is room."""
    for axis, ignored in ((0, slack), (1, 0.0)):
        row = _Row(center, size, obstacle, axis)
        along = row.along.copy()
        spread(along, row.width, row.moves, row.pairs(ignored), canvas_um[axis])
        center = center.copy()
        center[:, axis] = along[: len(center)]
    return center


class _Row:
    """Macros and then obstacles as seen along one axis: centers, widths and heights [M+F], and which of them move."""

    def __init__(self, center: Floats, size: Floats, obstacle: Floats, axis: int) -> None:
        both = np.vstack([center, (obstacle[:, :2] + obstacle[:, 2:]) / 2]).T.copy()
        extent = np.vstack([size, obstacle[:, 2:] - obstacle[:, :2]]).T.copy()
        self.along, self.across = both[axis], both[1 - axis]
        self.width, self.height = extent[axis], extent[1 - axis]
        self.moves: Bools = np.arange(len(self.along)) < len(center)

    def pairs(self, slack: float) -> Ints:
        found: Ints = relations(self.along, self.across, self.width, self.height, self.moves, slack)
        return found


def _slide_all(
    center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], axis: int,
    deadline: float,
) -> Floats:  # fmt: skip
    """Slide macros along one axis; what comes back is legal and not farther from the targets.

    Weights 1 / distance turn the squares that `slide` minimizes into distances (reweighted least squares).
    """
    side, count = max(canvas_um), len(center)
    row = _Row(center, size, obstacle, axis)
    pairs = row.pairs(ROUNDING / 2 * side)
    goal, weight = row.along.copy(), np.ones(len(row.along))
    goal[:count] = target[:, axis]
    best, best_sum = center, displacement(center, target)
    for _ in range(REWEIGHTINGS):
        if over(deadline):
            break
        weight[:count] = 1 / (np.hypot(*(best - target).T) + 1e-3 * side)
        new = center.copy()
        new[:, axis] = slide(row.along, goal, row.width, weight, row.moves, pairs, canvas_um[axis])[:count]
        total = displacement(new, target)
        if total >= best_sum or not disjoint(new, size - ROUNDING / 2 * side, obstacle, *canvas_um, 0.0):
            break
        best, best_sum = new, total
    return best
