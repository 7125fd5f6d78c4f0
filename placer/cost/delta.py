"""What a trial change of some nodes adds to the wirelength and the routes of a `State`."""

from __future__ import annotations

from numba import njit

from netlists.netlist import Floats, Ints
from netlists.runtime.kernel import copy, kernel
from placer.cost.congestion import block, route
from placer.cost.state import CHANGED, LOADED, STAMP, Cells, State
from placer.cost.unique_pins import Indices


@kernel
def longer_um(state: State) -> float:
    """How much weighted HPWL the trial adds."""
    # Arrays taken out of the tuples once: in the loops that would cost more than the work.
    weight, start, net_point = state.points.weight, state.points.net_start, state.points.net_point
    of_node, nets_of, net = state.points.start, state.points.point_start, state.points.point_net
    seen_net, point, tried_point = state.seen_net, state.point, state.tried_point
    state.counter[STAMP] += 1
    trial = state.counter[STAMP]
    total = 0.0
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        for j in range(nets_of[of_node[v]], nets_of[of_node[v + 1]]):
            n = net[j]
            if seen_net[n] != trial:
                seen_net[n] = trial
                first, last = start[n], start[n + 1]
                now = half_perimeter(tried_point, net_point, first, last)
                total += weight[n] * (now - half_perimeter(point, net_point, first, last))
    return total


@njit(cache=True, nogil=True, inline="always")
def half_perimeter(point: Floats, net_point: Indices, first: int, last: int) -> float:
    """Width plus height of the bounding box of a net's points net_point[first:last], at least one."""
    q = net_point[first]
    x_low = x_high = point[q, 0]
    y_low = y_high = point[q, 1]
    for e in range(first + 1, last):
        q = net_point[e]
        x, y = point[q, 0], point[q, 1]
        x_low, x_high = min(x_low, x), max(x_high, x)
        y_low, y_high = min(y_low, y), max(y_high, y)
    perimeter: float = (x_high - x_low) + (y_high - y_low)
    return perimeter


@kernel
def reroute(state: State) -> bool:
    """Whether the trial changes routes; the ends of their runs go to `up` and `across`, old ones negative."""
    tracks, start, net_point = state.points.tracks, state.points.net_start, state.points.net_point
    of_node, nets_of, net = state.points.start, state.points.point_start, state.points.point_net
    cell, tried_cell, seen_net, cols = state.cell, state.tried_cell, state.seen_net, state.arrays.cols
    seen, cells, up, across = state.seen_cell, state.cells, state.up, state.across.T
    stamp = state.counter[STAMP] + 1
    trial = stamp
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        for q in range(of_node[v], of_node[v + 1]):
            if cell[q, 0] == tried_cell[q, 0] and cell[q, 1] == tried_cell[q, 1]:
                continue
            for j in range(nets_of[q], nets_of[q + 1]):
                n = net[j]
                if seen_net[n] == trial:
                    continue
                seen_net[n] = trial
                first, last, w = start[n], start[n + 1], tracks[n]
                stamp += 2
                route(cells, distinct(cell, net_point, first, last, cols, seen, stamp - 1, cells), -w, across, up)
                route(cells, distinct(tried_cell, net_point, first, last, cols, seen, stamp, cells), w, across, up)
    state.counter[STAMP] = stamp
    changes: bool = stamp > trial
    return changes


@njit(cache=True, nogil=True, inline="always")
def distinct(
    cell: Cells, net_point: Indices, first: int, last: int, cols: int, seen: Ints, stamp: int, cells: Ints
) -> int:
    """Collect the distinct cells of a net's points net_point[first:last], the driver's first; how many there are."""
    count = 0
    for e in range(first, last):
        q = net_point[e]
        row, col = cell[q, 0], cell[q, 1]
        cells[count, 0], cells[count, 1] = row, col
        count += seen[row * cols + col] != stamp  # without a branch: it would be guessed wrong too often
        seen[row * cols + col] = stamp
    return count


@kernel
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
        copy(state.tried_load, state.load)
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
