"""Multi-start placement of soft macros: the search if only they can move; the best of several by exact cost."""

from __future__ import annotations

from itertools import product

import numpy as np

from netlists.netlist import Floats, Netlist
from netlists.placement import Placement
from netlists.runtime.clock import over
from placer.cost import ProxyCost
from placer.soft.detailed import place_soft_detailed
from placer.soft.force_directed import soft_arrays

SOFT_ROUNDS = (50, 100, 200, 400)
"""Rounds of the force-directed placement, one run each per start."""

SOFT_SWEEPS = 20
"""Sweeps of the detailed placement after each run."""


def center_soft(netlist: Netlist, position_um: Floats) -> Floats:
    """A copy of positions [V, 2] with the movable soft macros and cells in the middle of the canvas."""
    position: Floats = position_um.copy()
    position[soft_arrays(netlist).movable] = np.array(netlist.canvas_um) / 2
    return position


def settle_soft(placement: Placement, deadline: float) -> tuple[Placement, bool]:
    """The best of the placement itself and several soft-macro placements around its hard macros, until the deadline.

    Each number of rounds is run twice: from the current positions of the soft macros and from the middle of the canvas.
    Also returns whether Ctrl-C ended the search.
    """
    n, current = placement.netlist, placement.position_um
    arrays, cost = soft_arrays(n), ProxyCost(n)
    best, lowest = current, cost(current, placement.orientation).proxy
    starts = (center_soft(n, current), current)
    interrupted = False
    try:
        for rounds, start in product(SOFT_ROUNDS if arrays.movable.size else (), starts):
            if not over(deadline):
                position = place_soft_detailed(arrays, start, rounds, SOFT_SWEEPS, deadline)
                proxy = cost(position, placement.orientation).proxy
                if proxy < lowest:
                    best, lowest = position, proxy
    except KeyboardInterrupt:
        interrupted = True
    return Placement(n, best.copy(), placement.orientation), interrupted
