"""Regions: the movable macros dealt out by where they lie, anew for every hand in a random direction.

Whoever searches a region tries its own macros only.  Searches of different regions disturb each other little, as most
moves are short: what one fills or frees, the others hardly see.  With macros dealt out at random, 16 threads that
search at a time undo each other's work (ariane133_ng45 does not improve at all).  A single thread gains, too, from
going from region to region, as its swaps are then between neighbors.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints
from placer.annealing.moves import HARD_STEP, KINDS, Movers


@njit(cache=True, nogil=True)
def split(nodes: Ints, position: Floats, angle: float, count: int, first: int, last: int) -> tuple[Ints, Ints]:
    """Split nodes into `count` regions of as many nodes each, give or take one, by halves in turned directions.

    Returns the nodes in a new order and where each region begins in it [count + 1]; only regions `first` to `last` - 1
    of that are filled in.  `position` [V, 2] are the centers, `angle` is that of the first cut.
    """
    order, start = nodes.copy(), np.zeros(count + 1, dtype=np.int64)
    along = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    # A branch: nodes order[a:b] of the regions low..high-1, to be cut along axis d.
    branches = [(0, nodes.size, 0, count, 0)]
    while len(branches) > 0:
        a, b, low, high, d = branches.pop()
        if high <= first or low >= last:
            continue
        if high - low == 1:
            start[low], start[high] = a, b
            continue
        part = order[a:b].copy()
        depth = np.empty(part.size)
        for i in range(part.size):
            depth[i] = along[d, 0] * position[part[i], 0] + along[d, 1] * position[part[i], 1]
        order[a:b] = part[np.argsort(depth)]
        middle = (low + high) // 2
        cut = a + (b - a) * (middle - low) // (high - low)
        branches.append((a, cut, low, middle, 1 - d))
        branches.append((cut, b, middle, high, 1 - d))
    return order, start


@njit(cache=True, nogil=True)
def hand_of(allowed: Movers, soft: Ints, hard: Ints, count: int) -> Movers:
    """The movers of one of `count` regions, with the soft and hard macros of the region.

    Of the trials of all regions every macro has the share that it has of those of `allowed`, as far as regions hold
    equally many.
    """
    chance, total, before = np.empty(len(KINDS)), 0.0, 0.0
    for kind in range(len(KINDS)):
        share = allowed.chance[kind] - before
        before = allowed.chance[kind]
        held, of = (soft.size, allowed.soft.size) if kind < HARD_STEP else (hard.size, allowed.hard.size)
        total += share * held * count / of if of > 0 else 0.0
        chance[kind] = total
    for kind in range(len(KINDS)):
        chance[kind] = chance[kind] / total if chance[kind] < total else 1.0
    return Movers(soft, hard, allowed.obstacle, allowed.blocked, allowed.gap_um, chance)
