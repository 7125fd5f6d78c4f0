"""The exact proxy cost kept up to date while nodes move: try a change, look at its cost, accept or reject it.

A trial lays the changed nodes into a second copy of everything (pins, density, congestion).  Only the nets of those
nodes are measured and routed again: their run ends, old ones negative, go into difference arrays that one vectorized
pass sums up.  The means of the fullest and the worst cells come from `largest.py`.  Numbers are those of the full
evaluation but for the rounding of sums, about 1e-16 of their size per accepted change; `reset` takes that away too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.netlist import ORIENTATION_MATRIX, Bools, Floats, Ints, Netlist
from netlists.placement import Placement
from placer.cost.arrays import CostArrays, Orientations, cost_arrays
from placer.cost.congestion import block, congestion_maps, route
from placer.cost.density import cell_of, density_cost, density_map
from placer.cost.largest import sum_of_largest
from placer.cost.proxy import CONGESTION_WEIGHT, DENSITY_WEIGHT, Cost
from placer.cost.wirelength import pin_positions, weighted_hpwl

Cells = npt.NDArray[np.int32]

# Entries of `State.parts`
HPWL, WIRELENGTH, DENSITY, CONGESTION, PROXY = range(5)
# Entries of `State.counter`
CHANGED, STAMP, TURN = range(3)


class State(NamedTuple):
    """A placement with its cost, and a trial change of it; equal but for that change.

    Arrays with a first axis of 2 hold what is accepted at 0 and what is tried at 1.
    """

    arrays: CostArrays
    is_hard: Bools  # [V]
    is_solid: Bools  # [V]
    node_start: Ints  # [V+1] node v has connections node_pin[node_start[v]:node_start[v+1]]
    node_pin: Ints
    nets_start: Ints  # [V+1] and belongs to the nets node_net[nets_start[v]:nets_start[v+1]], each once
    node_net: Ints
    position: Floats  # [V, 2] accepted centers, µm
    orientation: Orientations  # [V] accepted
    pin: Floats  # [2, P, 2] places of the connections, µm
    pin_cell: Cells  # [2, P, 2] their row and column
    density: Floats  # [2, R, C]
    vertical: Floats  # [2, R, C] demand / capacity
    horizontal: Floats  # [2, C, R] transposed, so that runs go along the first axis as in `vertical`
    up: Floats  # [R+1, C] run ends of changed routes; zero between trials
    across: Floats  # [C+1, R]
    run: Floats  # [max(R, C)] scratch
    seen_cell: Ints  # [R*C] stamp of the last net that counted a cell
    seen_net: Ints  # [N] stamp of the last trial that measured a net
    cells: Ints  # [largest net, 2] scratch
    changed: Ints  # [V] nodes in the trial, counter[CHANGED] of them
    center: Floats  # [V, 2] where they are tried
    turn: Ints  # [V] and how
    counter: Ints  # see above
    parts: Floats  # [2, 5] see above
    level: Floats  # [2] what parts the fullest cells, and the worst, from the others


def incremental_state(netlist: Netlist, position: Floats, orientation: Orientations) -> State:
    """The state of a placement: centers [V, 2] in µm and orientations [V], both copied."""
    a = cost_arrays(netlist)
    v, p, n = netlist.num_nodes, a.node.size, a.weight.size
    rows, cols = a.rows, a.cols
    by_node = np.argsort(a.node, kind="stable")
    pairs = np.unique(a.node * max(n, 1) + netlist.connection_net)
    is_hard, is_solid = np.zeros(v, dtype=bool), np.zeros(v, dtype=bool)
    is_hard[a.hard] = True
    is_solid[a.solid] = True
    state = State(
        arrays=a,
        is_hard=is_hard,
        is_solid=is_solid,
        node_start=np.searchsorted(a.node[by_node], np.arange(v + 1)),
        node_pin=by_node,
        nets_start=np.searchsorted(pairs // max(n, 1), np.arange(v + 1)),
        node_net=pairs % max(n, 1),
        position=np.array(position, dtype=np.float64, order="C"),
        orientation=np.array(orientation, dtype=np.int8, order="C"),
        pin=np.empty((2, p, 2)),
        pin_cell=np.empty((2, p, 2), dtype=np.int32),
        density=np.empty((2, rows, cols)),
        vertical=np.empty((2, rows, cols)),
        horizontal=np.empty((2, cols, rows)),
        up=np.zeros((rows + 1, cols)),
        across=np.zeros((cols + 1, rows)),
        run=np.zeros(max(rows, cols)),
        seen_cell=np.zeros(rows * cols, dtype=np.int64),
        seen_net=np.zeros(n, dtype=np.int64),
        cells=np.empty((int(np.diff(a.net_start).max(initial=1)), 2), dtype=np.int64),
        changed=np.zeros(v, dtype=np.int64),
        center=np.empty((v, 2)),
        turn=np.empty(v, dtype=np.int64),
        counter=np.zeros(3, dtype=np.int64),
        parts=np.zeros((2, 5)),
        level=np.zeros(2),
    )
    reset(state)
    return state
