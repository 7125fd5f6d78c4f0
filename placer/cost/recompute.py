"""The maps and terms of a `CostState` from scratch: by one thread, or by several that share the work.

Each thread sums its share of the nodes and nets (`sum_share`); the shares are added up; and every thread derives its
maps and terms from the total (`set_from_sums`), which gives each of them the same numbers to the last bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import ORIENTATION_MATRIX, Floats
from netlists.runtime.kernel import copy, kernel
from placer.cost.arrays import COL, ROW, CostArrays
from placer.cost.congestion import add_blockage, route
from placer.cost.delta import collect_cells, half_perimeter, update_trial_congestion
from placer.cost.density import cell_of, cover
from placer.cost.state import HPWL, STAMP, TRIAL_SIZE, WIRELENGTH, Cells, CostState
from placer.cost.terms import set_breadth, wirelength_term
from placer.cost.unique_pins import UniquePins


@njit(cache=True, nogil=True)
def recompute(state: CostState) -> None:
    """Compute pins, maps and terms from the accepted positions and orientations."""
    for v in range(len(state.position_um)):
        update_pins(state, v)
    sums = np.zeros(count_sums(state))
    sum_share(state, sums, 0, 1)
    set_from_sums(state, sums)


@kernel
def update_pins(state: CostState, v: int) -> None:
    """Set the pins of node v, accepted and on trial, by its accepted position and orientation."""
    x, y, orientation = state.position_um[v, 0], state.position_um[v, 1], state.orientation[v]
    locate_node_pins(state.arrays, state.pins, v, x, y, orientation, state.pin_um, state.pin_cell)
    for q in range(state.pins.node_start[v], state.pins.node_start[v + 1]):
        state.trial_pin_um[q, 0], state.trial_pin_um[q, 1] = state.pin_um[q, 0], state.pin_um[q, 1]
        state.trial_pin_cell[q, ROW], state.trial_pin_cell[q, COL] = state.pin_cell[q, ROW], state.pin_cell[q, COL]


@kernel
def locate_node_pins(
    a: CostArrays, pins: UniquePins, v: int, x: float, y: float, orientation: int, pin_um: Floats, pin_cell: Cells
) -> None:
    """Fill in the positions `pin_um` [Q, 2] and the grid cells `pin_cell` [Q, 2] of the pins of node v.

    (x, y) is the center of the node in µm.
    """
    w, h = a.cell_width_um, a.cell_height_um
    matrix, offset = ORIENTATION_MATRIX, pins.offset_um
    for q in range(pins.node_start[v], pins.node_start[v + 1]):
        dx, dy = offset[q, 0], offset[q, 1]
        if orientation != 0:
            dx, dy = (
                matrix[orientation, 0, 0] * dx + matrix[orientation, 0, 1] * dy,
                matrix[orientation, 1, 0] * dx + matrix[orientation, 1, 1] * dy,
            )
        pin_um[q, 0], pin_um[q, 1] = x + dx, y + dy
        pin_cell[q, ROW], pin_cell[q, COL] = cell_of(y + dy, h, a.rows), cell_of(x + dx, w, a.cols)


@kernel
def count_sums(state: CostState) -> int:
    """S, how many numbers `sum_share` fills: the HPWL, the three maps and the ends of the runs."""
    return 1 + state.density.size + state.congestion.size + state.vertical_ends.size + state.horizontal_ends.size


@njit(cache=True, nogil=True)
def sum_share(state: CostState, sums: Floats, share: int, shares: int) -> None:
    """Fill `sums` [S] with what number `share` of `shares` equal shares of the nodes and nets contributes.

    In this order: weighted HPWL in µm, density, blockage of vertical and horizontal tracks as fractions of the
    capacity, and the ends of the runs in tracks.  The pins of all nodes must be up to date.  Overwrites the maps of the
    state.
    """
    a = state.arrays
    state.density[:] = 0.0
    for i in range(share * a.solid.size // shares, (share + 1) * a.solid.size // shares):
        v = a.solid[i]
        cover(a, v, state.position_um[v, 0], state.position_um[v, 1], 1.0, state.density)
    state.congestion[:] = 0.0
    for i in range(share * a.hard.size // shares, (share + 1) * a.hard.size // shares):
        v = a.hard[i]
        add_blockage(a, v, state.position_um[v, 0], state.position_um[v, 1], 1.0, state.horizontal.T, state.vertical)
    nets = state.pins.weight.size
    first, last = share * nets // shares, (share + 1) * nets // shares
    sums[0] = sum_hpwl_um(state, first, last)
    route_nets(state, first, last)
    at = 1
    for part in (state.density, state.vertical, state.horizontal, state.vertical_ends, state.horizontal_ends):
        flat = part.reshape(-1)
        sums[at : at + flat.size] = flat
        at += flat.size
    state.vertical_ends[:] = 0.0
    state.horizontal_ends[:] = 0.0


@njit(cache=True, nogil=True)
def set_from_sums(state: CostState, sums: Floats) -> None:
    """Set maps and terms from the total `sums` [S] of all shares, ordered and with units as in `sum_share`."""
    state.counters[TRIAL_SIZE] = 0
    state.terms[HPWL] = sums[0]
    state.terms[WIRELENGTH] = wirelength_term(state, sums[0])
    at = 1
    for part in (state.density, state.vertical, state.horizontal, state.vertical_ends, state.horizontal_ends):
        flat = part.reshape(-1)
        flat[:] = sums[at : at + flat.size]
        at += flat.size
    update_trial_congestion(state, True)
    copy(state.congestion, state.trial_congestion)
    copy(state.trial_density.reshape(-1), state.density.reshape(-1))
    set_breadth(state, state.breadth[0])


@kernel
def sum_hpwl_um(state: CostState, first: int, last: int) -> float:
    """The weighted HPWL in µm of the nets first..last-1, by the accepted pins."""
    pins, total = state.pins, 0.0
    for n in range(first, last):
        total += pins.weight[n] * half_perimeter(state.pin_um, pins.net_pin, pins.net_start[n], pins.net_start[n + 1])
    return total


@kernel
def route_nets(state: CostState, first: int, last: int) -> None:
    """Add the ends of the runs of the nets first..last-1 to `vertical_ends` and `horizontal_ends`."""
    net_start, net_pin, tracks = state.pins.net_start, state.pins.net_pin, state.pins.tracks
    cells, horizontal_ends, cols, stamp = (
        state.net_cells, state.horizontal_ends.T, state.arrays.cols, state.counters[STAMP],
    )  # fmt: skip
    for n in range(first, last):
        stamp += 1
        count = collect_cells(
            state.pin_cell, net_pin, net_start[n], net_start[n + 1], cols, state.cell_stamp, stamp, cells
        )
        route(cells, count, tracks[n], horizontal_ends, state.vertical_ends)
    state.counters[STAMP] = stamp
