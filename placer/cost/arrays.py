"""`CostArrays`: a netlist as the flat tuple of arrays that the numba kernels of the proxy cost read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netlists.netlist import Floats, Ints, Kind, Netlist

Positions = npt.NDArray[np.float64]
"""[V, 2] centers in µm."""

Orientations = npt.NDArray[np.int8]
"""[V] index into `netlists.netlist.ORIENTATIONS`."""

ROW = 0
"""Column of an array of grid cells [K, 2] that has the row."""

COL = 1
"""Column of an array of grid cells [K, 2] that has the column."""


class CostArrays(NamedTuple):
    """What the proxy cost needs to know about a netlist; shapes as in `Netlist`."""

    net_start: Ints  # [N+1] net n has the connections net_start[n]:net_start[n+1]
    node: Ints  # [P] node of each connection, a net's driver first
    offset_um: Floats  # [P, 2] from the center of the node, for orientation N
    weight: Floats  # [N]
    size_um: Floats  # [V, 2]
    hard: Ints  # [M] nodes that block routing
    solid: Ints  # [K] nodes that count in the density: hard and soft macros, cells
    canvas_width_um: float
    canvas_height_um: float
    rows: int
    cols: int
    horizontal_per_um: float  # horizontal routing tracks per µm of height
    vertical_per_um: float  # vertical routing tracks per µm of width
    macro_horizontal_per_um: float  # those of them that a hard macro takes
    macro_vertical_per_um: float
    smoothing: int  # cells to each side over which the demand of nets is spread
    cell_width_um: float
    cell_height_um: float


def cost_arrays(netlist: Netlist) -> CostArrays:
    """The arrays of a netlist, contiguous and typed as the kernels expect."""
    routing = netlist.routing
    cell_width_um, cell_height_um = netlist.cell_um
    return CostArrays(
        np.ascontiguousarray(netlist.net_start, dtype=np.int64),
        np.ascontiguousarray(netlist.connection_node, dtype=np.int64),
        np.ascontiguousarray(netlist.connection_offset_um, dtype=np.float64),
        np.ascontiguousarray(netlist.net_weight, dtype=np.float64),
        np.ascontiguousarray(netlist.size_um, dtype=np.float64),
        netlist.hard,
        np.flatnonzero(netlist.kind != Kind.PORT),
        float(netlist.canvas_um[0]),
        float(netlist.canvas_um[1]),
        int(netlist.grid[0]),
        int(netlist.grid[1]),
        float(routing.horizontal_per_um),
        float(routing.vertical_per_um),
        float(routing.macro_horizontal_per_um),
        float(routing.macro_vertical_per_um),
        int(routing.smoothing),
        float(cell_width_um),
        float(cell_height_um),
    )
