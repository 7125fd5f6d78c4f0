"""What a trial change of some nodes adds to the wirelength, density and congestion maps of a `State`."""

from __future__ import annotations

from numba import njit

from netlists.netlist import Floats, Ints
from placer.cost.congestion import block, route
from placer.cost.state import CHANGED, LOADED, STAMP, Cells, State


@njit(cache=True, nogil=True)
def longer_um(state: State) -> float:
    """How much weighted HPWL the trial adds."""
    # Arrays taken out of the tuples once: in the loops that would cost more than the work.
    weight, start = state.arrays.weight, state.arrays.net_start
    node_net, seen_net, pin, tried_pin = state.node_net, state.seen_net, state.pin, state.tried_pin
    state.counter[STAMP] += 1
    trial = state.counter[STAMP]
    total = 0.0
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        for j in range(state.net_start[v], state.net_start[v + 1]):
            n = node_net[j]
            if seen_net[n] != trial:
                seen_net[n] = trial
                first, last = start[n], start[n + 1]
                total += weight[n] * (half_perimeter(tried_pin, first, last) - half_perimeter(pin, first, last))
    return total


@njit(cache=True, nogil=True, inline="always")
def half_perimeter(pin: Floats, first: int, last: int) -> float:
    """Width plus height of the bounding box of connections first..last-1, at least one."""
    x_low = x_high = pin[first, 0]
    y_low = y_high = pin[first, 1]
    for p in range(first + 1, last):
        x, y = pin[p, 0], pin[p, 1]
        x_low, x_high = min(x_low, x), max(x_high, x)
        y_low, y_high = min(y_low, y), max(y_high, y)
    perimeter: float = (x_high - x_low) + (y_high - y_low)
    return perimeter


@njit(cache=True, nogil=True)
def reroute(state: State) -> bool:
    """Whether the trial changes routes; the ends of their runs go to `up` and `across`, old ones negative."""
    a = state.arrays
    weight, start, node_net, seen_net = a.weight, a.net_start, state.node_net, state.seen_net
    cell, tried_cell = state.cell, state.tried_cell
    seen, cells, up, across, cols = state.seen_cell, state.cells, state.up, state.across.T, a.cols
    stamp = state.counter[STAMP] + 1
    trial = stamp
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        for j in range(state.net_start[v], state.net_start[v + 1]):
            n = node_net[j]
            if seen_net[n] == trial:
                continue
            seen_net[n] = trial
            first, last = start[n], start[n + 1]
            differ = False
            for p in range(first, last):
                differ |= cell[p, 0] != tried_cell[p, 0] or cell[p, 1] != tried_cell[p, 1]
            if differ:
                stamp += 2
                w = max(weight[n], 1.0)
                route(cells, distinct(cell, first, last, cols, seen, stamp - 1, cells), -w, across, up)
                route(cells, distinct(tried_cell, first, last, cols, seen, stamp, cells), w, across, up)
    state.counter[STAMP] = stamp
    changes: bool = stamp > trial
    return changes


@njit(cache=True, nogil=True, inline="always")
def distinct(cell: Cells, first: int, last: int, cols: int, seen: Ints, stamp: int, cells: Ints) -> int:
    """Collect the distinct cells of connections first..last-1, the driver's first; how many there are."""
    count = 0
    for p in range(first, last):
        row, col = cell[p, 0], cell[p, 1]
        cells[count, 0], cells[count, 1] = row, col
        count += seen[row * cols + col] != stamp  # without a branch: it would be guessed wrong too often
        seen[row * cols + col] = stamp
    return count


@njit(cache=True, nogil=True)
def lay(state: State, rerouted: bool) -> None:
    """Fill `tried_load` with the accepted one, the changed routes and the changed blockages, if there are any."""
    a = state.arrays
    blocked = False
    for i in range(state.counter[CHANGED]):
        blocked |= state.is_hard[state.changed[i]]
    state.counter[LOADED] = rerouted or blocked
    if rerouted:
        w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
        sum_runs(state.up, state.run, state.vertical, state.tried_vertical, w * a.vertical_per_um, a.smoothing)
        sum_runs(
            state.across, state.run, state.horizontal, state.tried_horizontal, h * a.horizontal_per_um, a.smoothing
        )
    elif blocked:
        state.tried_load[:] = state.load
    if not blocked:
        return
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        if state.is_hard[v]:
            x, y = state.position[v, 0], state.position[v, 1]
            block(a, v, x, y, -1.0, state.tried_horizontal.T, state.tried_vertical)
            block(a, v, state.center[v, 0], state.center[v, 1], 1.0, state.tried_horizontal.T, state.tried_vertical)


@njit(cache=True, nogil=True, error_model="numpy")
def sum_runs(ends: Floats, run: Floats, accepted: Floats, tried: Floats, capacity: float, reach: int) -> None:
    """Fill `tried` [L, K] with `accepted` and runs along the first axis, smoothed along the second; zero `ends`."""
    length, width = tried.shape
    run[:] = 0.0
    for i in range(length):
        for j in range(width):
            run[j] += ends[i, j]
            ends[i, j] = 0.0
            tried[i, j] = accepted[i, j]
        if reach == 0:
            for j in range(width):
                tried[i, j] += run[j] / capacity
            continue
        for j in range(width):
            if run[j] != 0.0:
                low, high = max(j - reach, 0), min(j + reach, width - 1)
                for k in range(low, high + 1):
                    tried[i, k] += run[j] / (capacity * (high - low + 1))
    ends[length] = 0.0
