"""Density: the fraction of each grid cell that hard and soft macros cover, and half its mean over the fullest cells.

Source: `plc_client_os.py` of TILOS MacroPlacement (`get_density_cost`), with cell lookups clamped to the grid.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats
from netlists.runtime.kernel import inlined_kernel, kernel
from placer.cost.arrays import CostArrays, Positions
from placer.cost.definition import DENSITY_FACTOR, count_fullest_cells


@njit(cache=True, inline="always")
def cell_of(coordinate: float, cell: float, count: int) -> int:
    """Index of the grid cell that holds a coordinate, clamped to 0..count-1; both lengths are in the same unit."""
    return min(max(int(np.floor(coordinate / cell)), 0), count - 1)


@kernel
def density_map(arrays: CostArrays, position: Positions, density: Floats) -> None:
    """Fill `density` [R, C] with the covered fraction of each cell, above 1 if macros overlap there.

    `position` [V, 2] has the centers in µm.
    """
    density[:] = 0.0
    for v in arrays.solid:
        cover(arrays, v, position[v, 0], position[v, 1], 1.0, density)


@inlined_kernel
def cover(arrays: CostArrays, node: int, x: float, y: float, factor: float, density: Floats) -> None:
    """Add to each cell of `density` [R, C] the fraction that a node centered at (x, y) in µm covers, times `factor`."""
    w = arrays.cell_width_um
    h = arrays.cell_height_um
    x_low, x_high = x - arrays.size_um[node, 0] / 2, x + arrays.size_um[node, 0] / 2
    y_low, y_high = y - arrays.size_um[node, 1] / 2, y + arrays.size_um[node, 1] / 2
    c_low, c_high = cell_of(x_low, w, arrays.cols), cell_of(x_high, w, arrays.cols)
    for r in range(cell_of(y_low, h, arrays.rows), cell_of(y_high, h, arrays.rows) + 1):
        dy = min(y_high, (r + 1) * h) - max(y_low, r * h)
        if dy <= 0.0:
            continue
        for c in range(c_low, c_high + 1):
            dx = min(x_high, (c + 1) * w) - max(x_low, c * w)
            if dx > 0.0:
                density[r, c] += factor * (dx * dy / (w * h))


@njit(cache=True)
def density_cost(density: Floats) -> float:
    """The density term of a map `density` [R, C]: half its mean over the fullest tenth of the cells.

    If fewer than a tenth of the cells hold something, the sum is still divided by the size of that tenth.  On a grid of
    fewer than ten cells the mean is taken over the cells that hold something.
    """
    cells = density.ravel()
    k = count_fullest_cells(cells.size)
    full = np.sort(cells[cells > 0.0])[::-1]
    if full.size == 0:
        return 0.0
    if k == 0:
        return DENSITY_FACTOR * np.sum(full) / full.size
    return DENSITY_FACTOR * np.sum(full[: min(k, full.size)]) / k
