"""Congestion: routing demand over capacity on the edges of the grid, and the mean of the worst twentieth.

Nets are routed by fixed rules on grid cells (straight, L, T or star); hard macros block part of the tracks above
them.  Source: `plc_client_os.py` of TILOS MacroPlacement (`get_congestion_cost`), with cell lookups clamped.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints
from netlists.runtime.kernel import kernel
from placer.cost.arrays import CostArrays, Positions
from placer.cost.density import cell_of
from placer.cost.unique_pins import Indices

ALIGNED_UM = 1e-5
"""A macro edge within this distance of a grid line counts as lying on it."""
SHIFT = 24
"""Bits for a row or column where both are packed into one number."""


@njit(cache=True)
def congestion_maps(
    arrays: CostArrays, pins: Floats, position: Positions, horizontal: Floats, vertical: Floats
) -> None:
    """Fill `horizontal` and `vertical` [R, C] with demand / capacity, nets and macros together."""
    w = arrays.canvas_width_um / arrays.cols
    h = arrays.canvas_height_um / arrays.rows
    net_demand(arrays, pins, horizontal, vertical)
    horizontal /= h * arrays.horizontal_per_um
    vertical /= w * arrays.vertical_per_um
    if arrays.smoothing > 0:
        smooth_along_columns(horizontal, arrays.smoothing)
        smooth_along_columns(vertical.T, arrays.smoothing)
    for v in arrays.hard:
        block(arrays, v, position[v, 0], position[v, 1], 1.0, horizontal, vertical)


@njit(cache=True)
def net_demand(arrays: CostArrays, pins: Floats, horizontal: Floats, vertical: Floats) -> None:
    """Fill the maps [R, C] with the tracks that nets use: entry (r, c) is the edge to column c+1, or to row r+1."""
    rows, cols = arrays.rows, arrays.cols
    # Demand is laid down as +w where a run starts and -w where it ends, and summed up once at the end.
    across = np.zeros((rows, cols + 1))
    up = np.zeros((rows + 1, cols))
    seen = np.full(rows * cols, -1, dtype=np.int64)
    cells = np.empty((rows * cols + 1, 2), dtype=np.int64)
    pin_cell = np.empty((2, len(pins)), dtype=np.int32)
    find_cells(arrays, pins, pin_cell)
    route_all(arrays, pin_cell, seen, cells, across, up)
    for r in range(rows):
        run = 0.0
        for c in range(cols):
            run += across[r, c]
            horizontal[r, c] = run
    for c in range(cols):
        run = 0.0
        for r in range(rows):
            run += up[r, c]
            vertical[r, c] = run


@kernel
def find_cells(arrays: CostArrays, pins: Floats, pin_cell: Indices) -> None:
    """Fill `pin_cell` [2, P] with the row and the column of every pin [P, 2]."""
    rows, cols = arrays.rows, arrays.cols
    w, h = arrays.canvas_width_um / cols, arrays.canvas_height_um / rows
    row, col = pin_cell[0], pin_cell[1]
    for p in range(len(pins)):
        row[p] = cell_of(pins[p, 1], h, rows)
        col[p] = cell_of(pins[p, 0], w, cols)


@kernel
def route_all(arrays: CostArrays, pin_cell: Indices, seen: Ints, cells: Ints, across: Floats, up: Floats) -> None:
    """Add the run ends of all nets, whose pins are in the cells `pin_cell` [2, P].

    `seen` [R*C], -1 everywhere, and `cells` [R*C+1, 2] are scratch.
    """
    row, col = pin_cell[0], pin_cell[1]
    for n in range(arrays.weight.size):
        first, last = arrays.net_start[n], arrays.net_start[n + 1]
        weight = max(arrays.weight[n], 1.0)
        if last - first == 2:  # more than a third of the nets
            if row[first] != row[first + 1] or col[first] != col[first + 1]:
                go_across(across, row[first], col[first], col[first + 1], weight)
                go_up(up, col[first + 1], row[first], row[first + 1], weight)
            continue
        count = 0
        for p in range(first, last):
            cell = row[p] * arrays.cols + col[p]
            cells[count, 0] = row[p]
            cells[count, 1] = col[p]
            count += seen[cell] != n
            seen[cell] = n
        if count > 1:
            route(cells, count, weight, across, up)


@njit(cache=True)
def route(cells: Ints, count: int, weight: float, across: Floats, up: Floats) -> None:
    """Add the run ends of one net over its `count` distinct cells (row, column each), the driver's first.

    `across` is [R, C+1], `up` [R+1, C]; a negative weight takes the net away.
    """
    row, col = cells[0, 0], cells[0, 1]
    if count == 3:
        route_three(row, col, cells[1, 0], cells[1, 1], cells[2, 0], cells[2, 1], weight, across, up)
        return
    for k in range(1, count):
        # Along the driver's row, then along the sink's column.
        other_row, other_col = cells[k, 0], cells[k, 1]
        go_across(across, row, col, other_col, weight)
        go_up(up, other_col, row, other_row, weight)


@njit(cache=True)
def route_three(
    r1: int, c1: int, r2: int, c2: int, r3: int, c3: int, weight: float, across: Floats, up: Floats
) -> None:
    """Add the run ends of a net over three cells: an L, a straight pair or a T, tested in this order."""
    # Sorted by column, then row; as numbers, without branches.
    a, b, c = c1 * (1 << SHIFT) + r1, c2 * (1 << SHIFT) + r2, c3 * (1 << SHIFT) + r3
    a, b = min(a, b), max(a, b)
    b, c = min(b, c), max(b, c)
    a, b = min(a, b), max(a, b)
    c1, c2, c3 = a >> SHIFT, b >> SHIFT, c >> SHIFT
    r1, r2, r3 = a & ((1 << SHIFT) - 1), b & ((1 << SHIFT) - 1), c & ((1 << SHIFT) - 1)
    if c1 < c2 < c3 and min(r1, r3) < r2 < max(r1, r3):
        go_across(across, r1, c1, c2, weight)
        go_across(across, r2, c2, c3, weight)
        go_up(up, c2, r1, r2, weight)
        go_up(up, c3, r2, r3, weight)
    elif c2 == c3 and c1 < c2 and r1 < min(r2, r3):
        go_across(across, r1, c1, c2, weight)
        go_up(up, c2, r1, max(r2, r3), weight)
    elif r2 == r3:
        go_across(across, r1, c1, c2, weight)
        go_across(across, r2, c2, c3, weight)
        go_up(up, c2, r1, r2, weight)
    else:
        # A T along the middle row: the lowest and the highest pin (by row, then column) reach it in their columns.
        left, right = c1, c3
        a, b, c = r1 * (1 << SHIFT) + c1, r2 * (1 << SHIFT) + c2, r3 * (1 << SHIFT) + c3
        a, b = min(a, b), max(a, b)
        b, c = min(b, c), max(b, c)
        a, b = min(a, b), max(a, b)
        r1, r2, r3 = a >> SHIFT, b >> SHIFT, c >> SHIFT
        c1, c3 = a & ((1 << SHIFT) - 1), c & ((1 << SHIFT) - 1)
        go_across(across, r2, left, right, weight)
        go_up(up, c1, r1, r2, weight)
        go_up(up, c3, r2, r3, weight)


@njit(cache=True, inline="always")
def go_across(across: Floats, row: int, start: int, end: int, weight: float) -> None:
    """Mark a run along a row between two columns."""
    sign = weight if start < end else -weight
    across[row, start] += sign
    across[row, end] -= sign


@njit(cache=True, inline="always")
def go_up(up: Floats, col: int, start: int, end: int, weight: float) -> None:
    """Mark a run along a column between two rows."""
    sign = weight if start < end else -weight
    up[start, col] += sign
    up[end, col] -= sign


@njit(cache=True)
def smooth_along_columns(grid: Floats, reach: int) -> None:
    """Spread every cell evenly over its column's cells within `reach`, clipped at the ends; sums are kept."""
    rows, cols = grid.shape
    given = np.empty(rows)
    for c in range(cols):
        for r in range(rows):
            given[r] = grid[r, c] / (min(r + reach, rows - 1) - max(r - reach, 0) + 1)
        for r in range(rows):
            grid[r, c] = np.sum(given[max(r - reach, 0) : r + reach + 1])


@kernel
def block(arrays: CostArrays, v: int, x: float, y: float, times: float, horizontal: Floats, vertical: Floats) -> None:
    """Add `times` the part of the capacity that hard macro v, centered at (x, y), uses up.

    A macro whose edges miss the grid lines loses its top row (vertical tracks) or right column (horizontal ones),
    as in the reference: the partial row would otherwise be counted on both sides.
    """
    w, h = arrays.canvas_width_um / arrays.cols, arrays.canvas_height_um / arrays.rows
    width, height = arrays.size_um[v, 0], arrays.size_um[v, 1]
    x_low, x_high = x - width / 2, x + width / 2
    y_low, y_high = y - height / 2, y + height / 2
    r_low, r_high = cell_of(y_low, h, arrays.rows), cell_of(y_high, h, arrays.rows)
    c_low, c_high = cell_of(x_low, w, arrays.cols), cell_of(x_high, w, arrays.cols)
    across = times * arrays.macro_horizontal_per_um / (h * arrays.horizontal_per_um)
    up = times * arrays.macro_vertical_per_um / (w * arrays.vertical_per_um)
    ragged_rows = False
    ragged_cols = False
    for r in range(r_low, r_high + 1):
        for c in range(c_low, c_high + 1):
            dx = min(x_high, (c + 1) * w) - max(x_low, c * w)
            dy = min(y_high, (r + 1) * h) - max(y_low, r * h)
            if dx <= 0.0 or dy <= 0.0:
                dx = dy = 0.0
            if (r in (r_low, r_high)) and abs(dy - h) > ALIGNED_UM:
                ragged_rows = True
            if (c in (c_low, c_high)) and abs(dx - w) > ALIGNED_UM:
                ragged_cols = True
            vertical[r, c] += dx * up
            horizontal[r, c] += dy * across
    if ragged_rows and r_low != r_high:
        for c in range(c_low, c_high + 1):
            dx = min(x_high, (c + 1) * w) - max(x_low, c * w)
            dy = min(y_high, (r_high + 1) * h) - max(y_low, r_high * h)
            if dx > 0.0 and dy > 0.0:
                vertical[r_high, c] -= dx * up
    if ragged_cols and c_low != c_high:
        for r in range(r_low, r_high + 1):
            dx = min(x_high, (c_high + 1) * w) - max(x_low, c_high * w)
            dy = min(y_high, (r + 1) * h) - max(y_low, r * h)
            if dx > 0.0 and dy > 0.0:
                horizontal[r, c_high] -= dy * across


@njit(cache=True)
def congestion_cost(horizontal: Floats, vertical: Floats) -> float:
    """Mean of the worst twentieth of all 2·R·C values; the worst value where that is less than one."""
    values = np.concatenate((vertical.ravel(), horizontal.ravel()))
    k = int(np.floor(0.05 * values.size))
    if k == 0:
        return float(values.max())
    mean: float = np.sum(np.sort(values)[values.size - k :]) / k
    return mean
