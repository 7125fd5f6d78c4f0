"""Slide macros along one axis toward their targets, all together, without changing who is left of whom.

With the other coordinate held, two macros that share some of it must stay apart along this axis.  The positions of
least squared displacement under these constraints are a quadratic program, solved by Hildreth's method (dual
coordinate ascent: Hildreth, "A quadratic programming procedure", Naval Research Logistics Quarterly 4(1), 1957).
What it leaves unfinished is repaired by one pass up and one pass down the constraints, as in constraint-graph
compaction.  Lengths are in µm.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Bools, Floats, Ints

SWEEPS = 60
SETTLED = 1e-5  # stop when no pair moves its macros by more than this part of the length


@njit(cache=True, nogil=True)
def relations(along: Floats, across: Floats, width: Floats, height: Floats, movable: Bools, slack: float) -> Ints:
    """[K, 2] pairs (a, b) that share more than `slack` of the other axis, a before b along this one.

    Grouped by b, the b in order of their low edge, so that each pair comes after all pairs that end in its a.  Pairs
    of immovable rectangles are left out.  `along`, `across` are centers [M]; `width`, `height` the sizes [M].
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
def spread(along: Floats, width: Floats, movable: Bools, pairs: Ints, length: float) -> None:
    """Make pairs disjoint in strict float64 arithmetic, in place: push up from the low edge, then down from the high.

    Only violated constraints move anything.  When the longest chain of pairs does not fit into `length`, what is left
    overlaps; callers check.
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
    """Positions [M] near the minimum of sum weight (x - target)² with pairs disjoint and all within [0, length]."""
    x = np.where(movable, target, along)
    inverse = np.where(movable, 1.0 / weight, 0.0)
    apart = np.zeros(len(pairs))  # multipliers of the pairs
    low, high = np.zeros(len(x)), np.zeros(len(x))  # and of the canvas edges
    for _ in range(SWEEPS):
        largest = 0.0
        for m in range(len(x)):
            if movable[m]:
                step = max(-low[m], (width[m] / 2 - x[m]) * weight[m])
                low[m] += step
                x[m] += step * inverse[m]
                step = max(-high[m], (x[m] + width[m] / 2 - length) * weight[m])
                high[m] += step
                x[m] -= step * inverse[m]
        for k in range(len(pairs)):
            a, b = pairs[k]
            gap = x[b] - x[a] - (width[a] + width[b]) / 2
            step = max(-apart[k], -gap / (inverse[a] + inverse[b]))
            apart[k] += step
            x[a] -= step * inverse[a]
            x[b] += step * inverse[b]
            largest = max(largest, abs(step) * max(inverse[a], inverse[b]))
        if largest < SETTLED * length:
            break
    spread(x, width, movable, pairs, length)
    return x
