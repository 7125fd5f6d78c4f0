"""The cost of a `State` from fresh sums over all nodes and nets, by one thread or by several that share the sums.

Each thread adds up its share of the nodes and nets (`add_up`), all shares are summed, and every thread makes the maps
and the cost of the sums (`take`): the same to the last bit in each.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import ORIENTATION_MATRIX, Floats
from netlists.runtime.kernel import copy, kernel
from placer.cost.arrays import CostArrays
from placer.cost.congestion import block, route
from placer.cost.delta import distinct, half_perimeter, lay
from placer.cost.density import cell_of, cover
from placer.cost.parts import widen, wirelength
from placer.cost.state import CHANGED, HPWL, STAMP, WIRELENGTH, Cells, State
from placer.cost.unique_pins import Points


@njit(cache=True, nogil=True)
def reset(state: State) -> None:
    """Compute everything from the accepted positions and orientations."""
    for v in range(len(state.position)):
        stand(state, v)
    sums = np.zeros(size_of_sums(state))
    add_up(state, sums, 0, 1)
    take(state, sums)


@kernel
def stand(state: State, v: int) -> None:
    """Bring the points of node v to where it stands."""
    x, y, turn = state.position[v, 0], state.position[v, 1], state.orientation[v]
    locate(state.arrays, state.points, v, x, y, turn, state.point, state.cell)
    for q in range(state.points.start[v], state.points.start[v + 1]):
        state.tried_point[q, 0], state.tried_point[q, 1] = state.point[q, 0], state.point[q, 1]
        state.tried_cell[q, 0], state.tried_cell[q, 1] = state.cell[q, 0], state.cell[q, 1]


@kernel
def locate(a: CostArrays, points: Points, v: int, x: float, y: float, turn: int, point: Floats, cell: Cells) -> None:
    """Fill in the places and cells of the points of node v centered at (x, y) with an orientation."""
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    matrix, offset = ORIENTATION_MATRIX, points.offset_um
    for q in range(points.start[v], points.start[v + 1]):
        dx, dy = offset[q, 0], offset[q, 1]
        if turn != 0:
            dx, dy = (
                matrix[turn, 0, 0] * dx + matrix[turn, 0, 1] * dy,
                matrix[turn, 1, 0] * dx + matrix[turn, 1, 1] * dy,
            )
        point[q, 0], point[q, 1] = x + dx, y + dy
        cell[q, 0], cell[q, 1] = cell_of(y + dy, h, a.rows), cell_of(x + dx, w, a.cols)


@kernel
def size_of_sums(state: State) -> int:
    """How many numbers `add_up` fills."""
    return 1 + state.density.size + state.load.size + state.up.size + state.across.size


@njit(cache=True, nogil=True)
def add_up(state: State, sums: Floats, share: int, shares: int) -> None:
    """Fill `sums` with what one of several shares of the nodes and nets gives: HPWL, cover, blockage, ends of runs.

    The points of all nodes must lie where the nodes stand.  The maps of the state are used for it.
    """
    a = state.arrays
    state.density[:] = 0.0
    for i in range(share * a.solid.size // shares, (share + 1) * a.solid.size // shares):
        v = a.solid[i]
        cover(a, v, state.position[v, 0], state.position[v, 1], 1.0, state.density)
    state.load[:] = 0.0
    for i in range(share * a.hard.size // shares, (share + 1) * a.hard.size // shares):
        v = a.hard[i]
        block(a, v, state.position[v, 0], state.position[v, 1], 1.0, state.horizontal.T, state.vertical)
    nets = state.points.weight.size
    first, last = share * nets // shares, (share + 1) * nets // shares
    sums[0] = hpwl_um(state, first, last)
    route_nets(state, first, last)
    at = 1
    for part in (state.density, state.vertical, state.horizontal, state.up, state.across):
        flat = part.reshape(-1)
        sums[at : at + flat.size] = flat
        at += flat.size
    state.up[:] = 0.0
    state.across[:] = 0.0


@njit(cache=True, nogil=True)
def take(state: State, sums: Floats) -> None:
    """Make maps and costs of the sums of all shares."""
    state.counter[CHANGED] = 0
    state.parts[HPWL] = sums[0]
    state.parts[WIRELENGTH] = wirelength(state, sums[0])
    at = 1
    for part in (state.density, state.vertical, state.horizontal, state.up, state.across):
        flat = part.reshape(-1)
        flat[:] = sums[at : at + flat.size]
        at += flat.size
    lay(state, True)
    copy(state.load, state.tried_load)
    copy(state.tried_density.reshape(-1), state.density.reshape(-1))
    widen(state, state.breadth[0])


@kernel
def hpwl_um(state: State, first: int, last: int) -> float:
    """Weighted HPWL of some of the nets as accepted."""
    p, total = state.points, 0.0
    for n in range(first, last):
        total += p.weight[n] * half_perimeter(state.point, p.net_point, p.net_start[n], p.net_start[n + 1])
    return total


@kernel
def route_nets(state: State, first: int, last: int) -> None:
    """Put the ends of the runs of some of the nets, as accepted, into `up` and `across`."""
    start, net_point, tracks = state.points.net_start, state.points.net_point, state.points.tracks
    cells, across, cols, stamp = state.cells, state.across.T, state.arrays.cols, state.counter[STAMP]
    for n in range(first, last):
        stamp += 1
        count = distinct(state.cell, net_point, start[n], start[n + 1], cols, state.seen_cell, stamp, cells)
        route(cells, count, tracks[n], across, state.up)
    state.counter[STAMP] = stamp
