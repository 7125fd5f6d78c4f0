"""One-dimensional compaction: macros slide along one axis toward their targets, all together, in the same order.

While the other coordinate is held, two macros whose extents on the other axis overlap must stay apart along this axis.
The positions with the least squared displacement under these constraints are the solution of a quadratic program,
which is solved by Hildreth's method (dual coordinate ascent: Hildreth, "A quadratic programming procedure", Naval
Research Logistics Quarterly 4(1), 1957).  What remains violated is repaired by one pass up and one pass down the
constraint graph.  Lengths are in µm.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Bools, Floats, Ints

MAX_SWEEPS = 60
"""Sweeps over all constraints, at most."""

CONVERGED = 1e-5
"""Sweeps end when no pair moves its macros by more than this fraction of the length of the canvas."""


@njit(cache=True, nogil=True)
def constraint_pairs(
    along: Floats, across: Floats, width: Floats, height: Floats, movable: Bools, slack: float
) -> Ints:  # fmt: skip
    """[K, 2] pairs (a, b) whose extents on the other axis overlap by more than `slack`, a before b along this axis.

    The pairs are grouped by b, with b in the order of the low edges, so that each pair follows all pairs that end in
    its a.  Pairs of two immovable rectangles are left out.  `along` and `across` [M] are the coordinates of the
    centers, `width` and `height` [M] the sizes along this axis and the other, all in µm; `movable` [M] is a mask.
    """
    order = np.argsort(along - width / 2, kind="mergesort")
    low, high = across - height / 2, across + height / 2
    count = 0
    for round_ in range(2):
        if round_ == 1:
            pairs = np.empty((count, 2), dtype=np.int64)
            count = 0
        for i in range(len(order)):
            b = order[i]
            for j in range(i):
                a = order[j]
                shared = min(high[a], high[b]) - max(low[a], low[b])
                if (movable[a] or movable[b]) and shared > slack:
                    if round_ == 1:
                        pairs[count] = a, b
                    count += 1
    return pairs


@njit(cache=True, nogil=True)
def separate(along: Floats, width: Floats, movable: Bools, pairs: Ints, length: float) -> None:
    """Make pairs disjoint in strict float64 arithmetic, in place: push up from the low end, then down from the high.

    `along` [M] are centers and `width` [M] sizes in µm, `movable` [M] is a mask, `pairs` [K, 2] are those of
    `constraint_pairs`, and `length` is that of the canvas in µm.  Only violated constraints move a macro.  If the
    longest chain of pairs does not fit into `length`, some overlap remains; callers check.
    """
    for m in range(len(along)):
        if movable[m]:
            along[m] = max(along[m], width[m] / 2)
    for k in range(len(pairs)):
        a, b = pairs[k]
        edge = along[a] + width[a] / 2
        if movable[b] and along[b] - width[b] / 2 < edge:
            along[b] = edge + width[b] / 2
            while along[b] - width[b] / 2 < edge:
                along[b] = np.nextafter(along[b], np.inf)
    for m in range(len(along)):
        if movable[m] and along[m] + width[m] / 2 > length:
            along[m] = length - width[m] / 2
            while along[m] + width[m] / 2 > length:
                along[m] = np.nextafter(along[m], -np.inf)
    for k in range(len(pairs) - 1, -1, -1):
        a, b = pairs[k]
        edge = along[b] - width[b] / 2
        if movable[a] and along[a] + width[a] / 2 > edge:
            along[a] = edge - width[a] / 2
            while along[a] + width[a] / 2 > edge:
                along[a] = np.nextafter(along[a], -np.inf)


@njit(cache=True, nogil=True)
def slide(
    along: Floats, target: Floats, width: Floats, weight: Floats, movable: Bools, pairs: Ints, length: float
) -> Floats:
    """Positions [M] in µm near the minimum of sum weight (x - target)², pairs disjoint and all within [0, length].

    `along`, `target`, `width` [M] are centers, preferred centers and sizes in µm, `weight` [M] is dimensionless,
    `movable` [M] is a mask, and `pairs` [K, 2] are those of `constraint_pairs`.
    """
    x = np.where(movable, target, along)
    inverse = np.where(movable, 1.0 / weight, 0.0)
    pair_multiplier = np.zeros(len(pairs))
    low_multiplier, high_multiplier = np.zeros(len(x)), np.zeros(len(x))  # of the two edges of the canvas
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for m in range(len(x)):
            if movable[m]:
                step = max(-low_multiplier[m], (width[m] / 2 - x[m]) * weight[m])
                low_multiplier[m] += step
                x[m] += step * inverse[m]
                step = max(-high_multiplier[m], (x[m] + width[m] / 2 - length) * weight[m])
                high_multiplier[m] += step
                x[m] -= step * inverse[m]
        for k in range(len(pairs)):
            a, b = pairs[k]
            gap = x[b] - x[a] - (width[a] + width[b]) / 2
            step = max(-pair_multiplier[k], -gap / (inverse[a] + inverse[b]))
            pair_multiplier[k] += step
            x[a] -= step * inverse[a]
            x[b] += step * inverse[b]
            largest = max(largest, abs(step) * max(inverse[a], inverse[b]))
        if largest < CONVERGED * length:
            break
    separate(x, width, movable, pairs, length)
    return x
