"""Half-perimeter wirelength (HPWL) of the nets, with pins turned by the orientation of their macro.

Source: `plc_client_os.py` of TILOS MacroPlacement (`get_wirelength`), checked against its output.
"""

from __future__ import annotations

import numpy as np

from netlists.netlist import ORIENTATION_MATRIX, Floats
from netlists.runtime.kernel import kernel
from placer.cost.arrays import CostArrays, Orientations, Positions


@kernel
def locate_pins(arrays: CostArrays, position: Positions, orientation: Orientations, pins: Floats) -> None:
    """Fill `pins` [P, 2] with the position of every connection in µm, for centers [V, 2] in µm and orientations [V]."""
    matrix = ORIENTATION_MATRIX
    for p in range(arrays.node.size):
        v = arrays.node[p]
        turn = orientation[v]
        x, y = arrays.offset_um[p, 0], arrays.offset_um[p, 1]
        if turn == 0:  # N, by far the most frequent
            pins[p, 0] = position[v, 0] + x
            pins[p, 1] = position[v, 1] + y
        else:
            pins[p, 0] = position[v, 0] + (matrix[turn, 0, 0] * x + matrix[turn, 0, 1] * y)
            pins[p, 1] = position[v, 1] + (matrix[turn, 1, 0] * x + matrix[turn, 1, 1] * y)


@kernel
def weighted_hpwl(arrays: CostArrays, pins: Floats) -> float:
    """Sum over all nets of weight × half the perimeter of the bounding box of its pins, in µm; `pins` is [P, 2]."""
    total = 0.0
    for n in range(arrays.weight.size):
        first, last = arrays.net_start[n], arrays.net_start[n + 1]
        if first == last:
            continue
        x_low = x_high = pins[first, 0]
        y_low = y_high = pins[first, 1]
        for p in range(first + 1, last):
            x, y = pins[p, 0], pins[p, 1]
            x_low, x_high = min(x_low, x), max(x_high, x)
            y_low, y_high = min(y_low, y), max(y_high, y)
        total += arrays.weight[n] * ((x_high - x_low) + (y_high - y_low))
    return total


@kernel
def wirelength_cost(arrays: CostArrays, hpwl_um: float) -> float:
    """Weighted HPWL over (canvas width + height) × the sum of the net weights; 0 for a netlist without nets."""
    scale = (arrays.canvas_width_um + arrays.canvas_height_um) * np.sum(arrays.weight)
    return hpwl_um / scale if scale > 0 else 0.0
