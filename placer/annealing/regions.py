"""Regions: the movable macros divided by position, in a new random direction each time.

Searches of different regions disturb each other little, as most moves are short: a move in one region changes the cost
of moves in another only slightly.  If the macros are divided at random instead, 16 threads that search at the same time
undo each other's work (ariane133_ng45 does not improve at all).  A single thread gains from regions, too, as it then
swaps macros that are near each other.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints
from placer.annealing.moves import FIRST_HARD, NUM_KINDS, Moves


@njit(cache=True, nogil=True)
def split_nodes(nodes: Ints, position: Floats, angle: float, count: int, first: int, last: int) -> tuple[Ints, Ints]:
    """Split nodes, indices [M], into `count` regions of equal size, plus or minus one, by repeated halving.

    `position` [V, 2] has the centers in µm; `angle` in radians is that of the first cut, and every cut is
    perpendicular to the one before.  Returns the nodes in a new order and the start of each region in it [count + 1];
    only regions `first` to `last` - 1 of the result are valid.
    """
    order, start = nodes.copy(), np.zeros(count + 1, dtype=np.int64)
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # A branch: the nodes order[a:b] make up the regions low..high-1 and are cut along axis d.
    branches = [(0, nodes.size, 0, count, 0)]
    while len(branches) > 0:
        a, b, low, high, d = branches.pop()
        if high <= first or low >= last:
            continue
        if high - low == 1:
            start[low], start[high] = a, b
            continue
        part = order[a:b].copy()
        along = np.empty(part.size)
        for i in range(part.size):
            along[i] = axes[d, 0] * position[part[i], 0] + axes[d, 1] * position[part[i], 1]
        order[a:b] = part[np.argsort(along)]
        middle = (low + high) // 2
        cut = a + (b - a) * (middle - low) // (high - low)
        branches.append((a, cut, low, middle, 1 - d))
        branches.append((cut, b, middle, high, 1 - d))
    return order, start


@njit(cache=True, nogil=True)
def moves_in_region(allowed: Moves, soft: Ints, hard: Ints, count: int) -> Moves:
    """The moves in one of `count` regions, with the indices of its soft macros [M] and of its hard macros [M].

    If all regions get equally many trials and have equally many macros, each macro is tried as often as with `allowed`.
    """
    chance, total, before = np.empty(NUM_KINDS), 0.0, 0.0
    for kind in range(NUM_KINDS):
        probability = allowed.chance[kind] - before
        before = allowed.chance[kind]
        here, all_of_them = (soft.size, allowed.soft.size) if kind < FIRST_HARD else (hard.size, allowed.hard.size)
        total += probability * here * count / all_of_them if all_of_them > 0 else 0.0
        chance[kind] = total
    for kind in range(NUM_KINDS):
        chance[kind] = chance[kind] / total if chance[kind] < total else 1.0
    return Moves(soft, hard, allowed.obstacle, allowed.blocked, allowed.gap_um, allowed.rules, chance)
