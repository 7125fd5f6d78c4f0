"""The search where soft macros are all that may move: several soft-macro placements, the best by exact cost."""

from __future__ import annotations

from itertools import product

import numpy as np

from netlists.netlist import Floats, Netlist
from netlists.placement import Placement
from netlists.runtime.clock import over
from placer.cost import ProxyCost
from placer.soft.detailed import with_soft_placed
from placer.soft.force_directed import soft_arrays

SOFT_ROUNDS = (50, 100, 200, 400)
SOFT_SWEEPS = 20


def in_the_middle(netlist: Netlist, position_um: Floats) -> Floats:
    """The positions [V, 2] with the movable soft macros and cells in the middle of the canvas."""
    position: Floats = position_um.copy()
    position[soft_arrays(netlist).movable] = np.array(netlist.canvas_um) / 2
    return position


def settle_soft(placement: Placement, deadline: float) -> tuple[Placement, bool]:
    """The best of several soft-macro placements around the same hard macros, and the given one, until `deadline`.

    Each number of rounds is run from the soft macros' places given and from the middle of the canvas.  Also tells
    whether Ctrl-C ended it.
    """
    n, given = placement.netlist, placement.position_um
    arrays, cost = soft_arrays(n), ProxyCost(n)
    best, lowest = given, cost(given, placement.orientation).proxy
    starts = (in_the_middle(n, given), given)
    interrupted = False
    try:
        for rounds, start in product(SOFT_ROUNDS if arrays.movable.size else (), starts):
            if not over(deadline):
                position = with_soft_placed(arrays, start, rounds, SOFT_SWEEPS, deadline)
                proxy = cost(position, placement.orientation).proxy
                if proxy < lowest:
                    best, lowest = position, proxy
    except KeyboardInterrupt:
        interrupted = True
    return Placement(n, best.copy(), placement.orientation), interrupted
