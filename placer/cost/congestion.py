"""Congestion: routing demand over capacity on the edges of the grid, and its mean over the most congested edges.

Nets are routed by fixed rules on grid cells (straight, L, T or star); hard macros block part of the tracks above
them.  The edges of cell (r, c) are the one to column c+1, which horizontal routes cross, and the one to row r+1, which
vertical routes cross; demand is kept as two maps [R, C] of these edges.

Source: `plc_client_os.py` of TILOS MacroPlacement (`get_congestion_cost`), with cell lookups clamped to the grid.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints
from netlists.runtime.kernel import kernel
from placer.cost.arrays import COL, ROW, CostArrays, Positions
from placer.cost.definition import GRID_LINE_UM, LEAST_TRACKS, count_worst_edges
from placer.cost.density import cell_of
from placer.cost.unique_pins import Indices

SHIFT = 24
"""Bits of the low half of a number that has a row and a column packed into it."""


@njit(cache=True)
def congestion_maps(
    arrays: CostArrays, pins: Floats, position: Positions, horizontal: Floats, vertical: Floats
) -> None:
    """Fill `horizontal` and `vertical` [R, C] with demand / capacity, of nets and hard macros together.

    `pins` [P, 2] and the centers `position` [V, 2] are in µm.
    """
    net_demand(arrays, pins, horizontal, vertical)
    horizontal /= arrays.cell_height_um * arrays.horizontal_per_um
    vertical /= arrays.cell_width_um * arrays.vertical_per_um
    if arrays.smoothing > 0:
        smooth_along_columns(horizontal, arrays.smoothing)
        smooth_along_columns(vertical.T, arrays.smoothing)
    add_blockages(arrays, position, horizontal, vertical)


@njit(cache=True)
def net_demand(arrays: CostArrays, pins: Floats, horizontal: Floats, vertical: Floats) -> None:
    """Fill the maps [R, C] with the number of tracks that nets use on each edge; `pins` [P, 2] are in µm."""
    rows, cols = arrays.rows, arrays.cols
    # A run adds +w where it starts and -w where it ends; one prefix sum over all ends gives the demand.
    horizontal_ends = np.zeros((rows, cols + 1))
    vertical_ends = np.zeros((rows + 1, cols))
    cell_stamp = np.full(rows * cols, -1, dtype=np.int64)
    net_cells = np.empty((rows * cols + 1, 2), dtype=np.int64)
    pin_cell = np.empty((2, len(pins)), dtype=np.int32)
    find_cells(arrays, pins, pin_cell)
    route_all(arrays, pin_cell, cell_stamp, net_cells, horizontal_ends, vertical_ends)
    sum_ends(horizontal_ends, vertical_ends, horizontal, vertical)


@kernel
def sum_ends(horizontal_ends: Floats, vertical_ends: Floats, horizontal: Floats, vertical: Floats) -> None:
    """Fill `horizontal` and `vertical` [R, C] with the demand, as a number of tracks, from the ends of the runs.

    `horizontal_ends` [R, C+1] and `vertical_ends` [R+1, C] are numbers of tracks, too.
    """
    rows, cols = horizontal.shape
    for r in range(rows):
        run = 0.0
        for c in range(cols):
            run += horizontal_ends[r, c]
            horizontal[r, c] = run
    for c in range(cols):
        run = 0.0
        for r in range(rows):
            run += vertical_ends[r, c]
            vertical[r, c] = run


@kernel
def find_cells(arrays: CostArrays, pins: Floats, pin_cell: Indices) -> None:
    """Fill `pin_cell` [2, P] with the row and the column of every pin; `pins` [P, 2] are in µm."""
    rows, cols = arrays.rows, arrays.cols
    w, h = arrays.cell_width_um, arrays.cell_height_um
    row, col = pin_cell[ROW], pin_cell[COL]
    for p in range(len(pins)):
        row[p] = cell_of(pins[p, 1], h, rows)
        col[p] = cell_of(pins[p, 0], w, cols)


@kernel
def route_all(
    arrays: CostArrays,
    pin_cell: Indices,
    cell_stamp: Ints,
    net_cells: Ints,
    horizontal_ends: Floats,
    vertical_ends: Floats,
) -> None:
    """Add the ends of the runs of all nets, as demand in tracks, to `horizontal_ends` and `vertical_ends`.

    `pin_cell` [2, P] has the rows and columns of the pins, `horizontal_ends` is [R, C+1], `vertical_ends` [R+1, C].
    Scratch: `cell_stamp` [R*C], the last net that counted a cell, -1 everywhere; `net_cells` [R*C+1, 2], the different
    cells of a net.
    """
    row, col = pin_cell[ROW], pin_cell[COL]
    for n in range(arrays.weight.size):
        first, last = arrays.net_start[n], arrays.net_start[n + 1]
        weight = max(arrays.weight[n], LEAST_TRACKS)
        if last - first == 2:  # more than a third of the nets
            if row[first] != row[first + 1] or col[first] != col[first + 1]:
                add_horizontal_run(horizontal_ends, row[first], col[first], col[first + 1], weight)
                add_vertical_run(vertical_ends, col[first + 1], row[first], row[first + 1], weight)
            continue
        count = 0
        for p in range(first, last):
            cell = row[p] * arrays.cols + col[p]
            net_cells[count, ROW] = row[p]
            net_cells[count, COL] = col[p]
            count += cell_stamp[cell] != n
            cell_stamp[cell] = n
        if count > 1:
            route(net_cells, count, weight, horizontal_ends, vertical_ends)


@kernel
def route(cells: Ints, count: int, weight: float, horizontal_ends: Floats, vertical_ends: Floats) -> None:
    """Add the ends of the runs of one net over its `count` different cells.

    `cells` [K, 2] has the row and the column of each, the driver's first.  `horizontal_ends` [R, C+1] and
    `vertical_ends` [R+1, C] are numbers of tracks; a negative weight removes the net.
    """
    row, col = cells[0, ROW], cells[0, COL]
    if count == 3:
        route_three(
            row, col, cells[1, ROW], cells[1, COL], cells[2, ROW], cells[2, COL], weight, horizontal_ends, vertical_ends
        )
        return
    for k in range(1, count):
        # Along the driver's row, then along the sink's column.
        other_row, other_col = cells[k, ROW], cells[k, COL]
        add_horizontal_run(horizontal_ends, row, col, other_col, weight)
        add_vertical_run(vertical_ends, other_col, row, other_row, weight)


@kernel
def route_three(
    r1: int, c1: int, r2: int, c2: int, r3: int, c3: int, weight: float, horizontal_ends: Floats, vertical_ends: Floats
) -> None:
    """Add the ends of the runs of a net over three cells: an L, a straight pair or a T, tested in this order.

    `horizontal_ends` [R, C+1] and `vertical_ends` [R+1, C] are numbers of tracks.
    """
    # Sort by column, then row: packed into numbers, without branches.
    a, b, c = c1 * (1 << SHIFT) + r1, c2 * (1 << SHIFT) + r2, c3 * (1 << SHIFT) + r3
    a, b = min(a, b), max(a, b)
    b, c = min(b, c), max(b, c)
    a, b = min(a, b), max(a, b)
    c1, c2, c3 = a >> SHIFT, b >> SHIFT, c >> SHIFT
    r1, r2, r3 = a & ((1 << SHIFT) - 1), b & ((1 << SHIFT) - 1), c & ((1 << SHIFT) - 1)
    if c1 < c2 < c3 and min(r1, r3) < r2 < max(r1, r3):
        add_horizontal_run(horizontal_ends, r1, c1, c2, weight)
        add_horizontal_run(horizontal_ends, r2, c2, c3, weight)
        add_vertical_run(vertical_ends, c2, r1, r2, weight)
        add_vertical_run(vertical_ends, c3, r2, r3, weight)
    elif c2 == c3 and c1 < c2 and r1 < min(r2, r3):
        add_horizontal_run(horizontal_ends, r1, c1, c2, weight)
        add_vertical_run(vertical_ends, c2, r1, max(r2, r3), weight)
    elif r2 == r3:
        add_horizontal_run(horizontal_ends, r1, c1, c2, weight)
        add_horizontal_run(horizontal_ends, r2, c2, c3, weight)
        add_vertical_run(vertical_ends, c2, r1, r2, weight)
    else:
        # A T along the middle row: the lowest and the highest pin (by row, then column) reach it in their columns.
        left, right = c1, c3
        a, b, c = r1 * (1 << SHIFT) + c1, r2 * (1 << SHIFT) + c2, r3 * (1 << SHIFT) + c3
        a, b = min(a, b), max(a, b)
        b, c = min(b, c), max(b, c)
        a, b = min(a, b), max(a, b)
        r1, r2, r3 = a >> SHIFT, b >> SHIFT, c >> SHIFT
        c1, c3 = a & ((1 << SHIFT) - 1), c & ((1 << SHIFT) - 1)
        add_horizontal_run(horizontal_ends, r2, left, right, weight)
        add_vertical_run(vertical_ends, c1, r1, r2, weight)
        add_vertical_run(vertical_ends, c3, r2, r3, weight)


@njit(cache=True, inline="always")
def add_horizontal_run(ends: Floats, row: int, start: int, end: int, weight: float) -> None:
    """Add to `ends` [R, C+1] a run of `weight` tracks along a row between two columns."""
    sign = weight if start < end else -weight
    ends[row, start] += sign
    ends[row, end] -= sign


@njit(cache=True, inline="always")
def add_vertical_run(ends: Floats, col: int, start: int, end: int, weight: float) -> None:
    """Add to `ends` [R+1, C] a run of `weight` tracks along a column between two rows."""
    sign = weight if start < end else -weight
    ends[start, col] += sign
    ends[end, col] -= sign


@njit(cache=True)
def smooth_along_columns(grid: Floats, reach: int) -> None:
    """Spread the value of every cell of `grid` [R, C] evenly over the cells of its column within `reach`.

    Windows are clipped at the ends of the column, so that the sum of all values stays the same.
    """
    rows, cols = grid.shape
    spread = np.empty(rows)
    for c in range(cols):
        for r in range(rows):
            spread[r] = grid[r, c] / (min(r + reach, rows - 1) - max(r - reach, 0) + 1)
        for r in range(rows):
            grid[r, c] = np.sum(spread[max(r - reach, 0) : r + reach + 1])


@kernel
def add_blockages(arrays: CostArrays, position: Positions, horizontal: Floats, vertical: Floats) -> None:
    """Add to the maps [R, C] the fraction of the capacity that all hard macros block.

    `position` [V, 2] has the centers in µm.
    """
    for v in arrays.hard:
        add_blockage(arrays, v, position[v, 0], position[v, 1], 1.0, horizontal, vertical)


@kernel
def add_blockage(
    arrays: CostArrays, v: int, x: float, y: float, factor: float, horizontal: Floats, vertical: Floats
) -> None:
    """Add to the maps [R, C] the fraction of the capacity that hard macro v blocks, times `factor`.

    (x, y) is the center of the macro in µm.  A macro whose edges miss the grid lines does not block its top row
    (vertical tracks) or its right column (horizontal tracks), as in the reference: two partly covered rows together
    would otherwise count for more than the macro covers.
    """
    w, h = arrays.cell_width_um, arrays.cell_height_um
    width, height = arrays.size_um[v, 0], arrays.size_um[v, 1]
    x_low, x_high = x - width / 2, x + width / 2
    y_low, y_high = y - height / 2, y + height / 2
    r_low, r_high = cell_of(y_low, h, arrays.rows), cell_of(y_high, h, arrays.rows)
    c_low, c_high = cell_of(x_low, w, arrays.cols), cell_of(x_high, w, arrays.cols)
    horizontal_blocked = factor * arrays.macro_horizontal_per_um / (h * arrays.horizontal_per_um)
    vertical_blocked = factor * arrays.macro_vertical_per_um / (w * arrays.vertical_per_um)
    ragged_rows = False
    ragged_cols = False
    for r in range(r_low, r_high + 1):
        for c in range(c_low, c_high + 1):
            dx = min(x_high, (c + 1) * w) - max(x_low, c * w)
            dy = min(y_high, (r + 1) * h) - max(y_low, r * h)
            if dx <= 0.0 or dy <= 0.0:
                dx = dy = 0.0
            if (r in (r_low, r_high)) and abs(dy - h) > GRID_LINE_UM:
                ragged_rows = True
            if (c in (c_low, c_high)) and abs(dx - w) > GRID_LINE_UM:
                ragged_cols = True
            vertical[r, c] += dx * vertical_blocked
            horizontal[r, c] += dy * horizontal_blocked
    if ragged_rows and r_low != r_high:
        for c in range(c_low, c_high + 1):
            dx = min(x_high, (c + 1) * w) - max(x_low, c * w)
            dy = min(y_high, (r_high + 1) * h) - max(y_low, r_high * h)
            if dx > 0.0 and dy > 0.0:
                vertical[r_high, c] -= dx * vertical_blocked
    if ragged_cols and c_low != c_high:
        for r in range(r_low, r_high + 1):
            dx = min(x_high, (c_high + 1) * w) - max(x_low, c_high * w)
            dy = min(y_high, (r + 1) * h) - max(y_low, r * h)
            if dx > 0.0 and dy > 0.0:
                horizontal[r, c_high] -= dy * horizontal_blocked


@njit(cache=True)
def congestion_cost(horizontal: Floats, vertical: Floats) -> float:
    """The congestion term of two maps [R, C] of demand / capacity: the mean over the worst twentieth of all edges.

    If a twentieth of the edges is less than one, it is the worst value.
    """
    values = np.concatenate((vertical.ravel(), horizontal.ravel()))
    k = count_worst_edges(values.size)
    mean: float = np.sum(np.sort(values)[values.size - k :]) / k
    return mean
