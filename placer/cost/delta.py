"""What a trial change of some nodes adds to the wirelength and to the congestion of a `CostState`.

Only the nets of the nodes in the trial are measured, and of those only the nets with a pin in a new grid cell are
routed again: the ends of their accepted runs go into `vertical_ends` and `horizontal_ends` with negative sign, those
of their new runs with positive sign, and one vectorized pass adds the sums to the accepted map.
"""

from __future__ import annotations

from numba import njit

from netlists.netlist import Floats, Ints
from netlists.runtime.kernel import copy, kernel
from placer.cost.arrays import COL, ROW
from placer.cost.congestion import add_blockage, route
from placer.cost.state import CONGESTION_CHANGED, STAMP, TRIAL_SIZE, Cells, CostState
from placer.cost.unique_pins import Indices


@kernel
def hpwl_change_um(state: CostState) -> float:
    """The weighted HPWL in µm that the trial adds; uses `pin_um` and `trial_pin_um`."""
    # Arrays are taken out of the tuples once: in the loops that would cost more than the work.
    weight, net_start, net_pin = state.pins.weight, state.pins.net_start, state.pins.net_pin
    node_start, pin_start, pin_net = state.pins.node_start, state.pins.pin_start, state.pins.pin_net
    net_stamp, pin_um, trial_pin_um = state.net_stamp, state.pin_um, state.trial_pin_um
    state.counters[STAMP] += 1
    trial = state.counters[STAMP]
    total = 0.0
    for i in range(state.counters[TRIAL_SIZE]):
        v = state.trial_nodes[i]
        for j in range(pin_start[node_start[v]], pin_start[node_start[v + 1]]):
            n = pin_net[j]
            if net_stamp[n] != trial:
                net_stamp[n] = trial
                first, last = net_start[n], net_start[n + 1]
                length = half_perimeter(trial_pin_um, net_pin, first, last)
                total += weight[n] * (length - half_perimeter(pin_um, net_pin, first, last))
    return total


@njit(cache=True, nogil=True, inline="always")
def half_perimeter(pin_um: Floats, net_pin: Indices, first: int, last: int) -> float:
    """Width plus height in µm of the bounding box of a net's pins net_pin[first:last], at least one.

    `pin_um` [Q, 2] has the positions, `net_pin` [E] the indices of the pins.
    """
    q = net_pin[first]
    x_low = x_high = pin_um[q, 0]
    y_low = y_high = pin_um[q, 1]
    for e in range(first + 1, last):
        q = net_pin[e]
        x, y = pin_um[q, 0], pin_um[q, 1]
        x_low, x_high = min(x_low, x), max(x_high, x)
        y_low, y_high = min(y_low, y), max(y_high, y)
    perimeter: float = (x_high - x_low) + (y_high - y_low)
    return perimeter


@kernel
def reroute(state: CostState) -> bool:
    """Whether the trial changes routes; adds the ends of the runs to `vertical_ends` and `horizontal_ends`.

    Old runs are added with negative sign.
    """
    tracks, net_start, net_pin = state.pins.tracks, state.pins.net_start, state.pins.net_pin
    node_start, pin_start, pin_net = state.pins.node_start, state.pins.pin_start, state.pins.pin_net
    cell, trial_cell, net_stamp, cols = state.pin_cell, state.trial_pin_cell, state.net_stamp, state.arrays.cols
    cell_stamp, cells = state.cell_stamp, state.net_cells
    vertical_ends, horizontal_ends = state.vertical_ends, state.horizontal_ends.T
    stamp = state.counters[STAMP] + 1
    trial = stamp
    for i in range(state.counters[TRIAL_SIZE]):
        v = state.trial_nodes[i]
        for q in range(node_start[v], node_start[v + 1]):
            if cell[q, ROW] == trial_cell[q, ROW] and cell[q, COL] == trial_cell[q, COL]:
                continue
            for j in range(pin_start[q], pin_start[q + 1]):
                n = pin_net[j]
                if net_stamp[n] == trial:
                    continue
                net_stamp[n] = trial
                first, last, w = net_start[n], net_start[n + 1], tracks[n]
                stamp += 2
                count = collect_cells(cell, net_pin, first, last, cols, cell_stamp, stamp - 1, cells)
                route(cells, count, -w, horizontal_ends, vertical_ends)
                count = collect_cells(trial_cell, net_pin, first, last, cols, cell_stamp, stamp, cells)
                route(cells, count, w, horizontal_ends, vertical_ends)
    state.counters[STAMP] = stamp
    changes: bool = stamp > trial
    return changes


@njit(cache=True, nogil=True, inline="always")
def collect_cells(
    pin_cell: Cells, net_pin: Indices, first: int, last: int, cols: int, cell_stamp: Ints, stamp: int, cells: Ints
) -> int:
    """The number of different cells of a net's pins net_pin[first:last], which are written to `cells`, driver's first.

    `pin_cell` [Q, 2] has the row and column of each pin, `net_pin` [E] the indices of the pins; `cell_stamp` [R*C] gets
    `stamp` for every cell of the net; `cells` [K, 2] has room for one row more than the net has pins.
    """
    count = 0
    for e in range(first, last):
        q = net_pin[e]
        row, col = pin_cell[q, ROW], pin_cell[q, COL]
        cells[count, ROW], cells[count, COL] = row, col
        count += cell_stamp[row * cols + col] != stamp  # without a branch, which would be mispredicted too often
        cell_stamp[row * cols + col] = stamp
    return count


@kernel
def update_trial_congestion(state: CostState, rerouted: bool) -> None:
    """Fill `trial_congestion` with the accepted map, the changed routes and the changed blockages of hard macros.

    `rerouted` says whether routes change.  If neither routes nor blockages do, the map is left as it is and
    `counters[CONGESTION_CHANGED]` is 0.
    """
    a = state.arrays
    blockage_changes = False
    for i in range(state.counters[TRIAL_SIZE]):
        blockage_changes |= state.is_hard[state.trial_nodes[i]]
    state.counters[CONGESTION_CHANGED] = rerouted or blockage_changes
    if rerouted:
        w, h = a.cell_width_um, a.cell_height_um
        sum_runs(
            state.vertical_ends, state.run, state.vertical, state.trial_vertical, w * a.vertical_per_um, a.smoothing
        )
        sum_runs(
            state.horizontal_ends, state.run, state.horizontal, state.trial_horizontal, h * a.horizontal_per_um,
            a.smoothing,
        )  # fmt: skip
    elif blockage_changes:
        copy(state.trial_congestion, state.congestion)
    if not blockage_changes:
        return
    for i in range(state.counters[TRIAL_SIZE]):
        v = state.trial_nodes[i]
        if state.is_hard[v]:
            x, y = state.position_um[v, 0], state.position_um[v, 1]
            add_blockage(a, v, x, y, -1.0, state.trial_horizontal.T, state.trial_vertical)
            x, y = state.trial_position_um[v, 0], state.trial_position_um[v, 1]
            add_blockage(a, v, x, y, 1.0, state.trial_horizontal.T, state.trial_vertical)


@njit(cache=True, nogil=True, error_model="numpy")
def sum_runs(ends: Floats, run: Floats, accepted: Floats, trial: Floats, capacity: float, reach: int) -> None:
    """Fill the map `trial` with the map `accepted` plus the demand / capacity of runs, and zero their `ends`.

    The maps [L, K] have the axis along which routes run first; `ends` [L+1, K] are in tracks, as is the scratch `run`
    [K or more].  The demand is smoothed along the second axis over `reach` cells to each side.
    """
    length, width = trial.shape
    run[:] = 0.0
    for i in range(length):
        for j in range(width):
            run[j] += ends[i, j]
            ends[i, j] = 0.0
            trial[i, j] = accepted[i, j]
        if reach == 0:
            for j in range(width):
                trial[i, j] += run[j] / capacity
            continue
        for j in range(width):
            if run[j] != 0.0:
                low, high = max(j - reach, 0), min(j + reach, width - 1)
                for k in range(low, high + 1):
                    trial[i, k] += run[j] / (capacity * (high - low + 1))
    ends[length] = 0.0
