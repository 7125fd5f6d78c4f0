"""`CostArrays`: a netlist as the flat tuple of arrays that the numba kernels of the proxy cost read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netlists.netlist import Floats, Ints, Kind, Netlist


class CostArrays(NamedTuple):
    """What the proxy cost needs to know about a netlist; shapes as in `Netlist`."""

    net_start: Ints  # [N+1]
    node: Ints  # [P] node of each connection, a net's driver first
    offset_um: Floats  # [P, 2] for orientation N
    weight: Floats  # [N]
    size_um: Floats  # [V, 2]
    hard: Ints  # [M] nodes that block routing
    solid: Ints  # nodes that count in the density: hard and soft macros, cells
    canvas_width_um: float
    canvas_height_um: float
    rows: int
    cols: int
    horizontal_per_um: float
    vertical_per_um: float
    macro_horizontal_per_um: float
    macro_vertical_per_um: float
    smoothing: int


def cost_arrays(netlist: Netlist) -> CostArrays:
    """The arrays of a netlist, contiguous and typed as the kernels expect."""
    r = netlist.routing
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
        float(r.horizontal_per_um),
        float(r.vertical_per_um),
        float(r.macro_horizontal_per_um),
        float(r.macro_vertical_per_um),
        int(r.smoothing),
    )


Positions = npt.NDArray[np.float64]
"""[V, 2] centers in µm."""
Orientations = npt.NDArray[np.int8]
"""[V] index into `netlists.netlist.ORIENTATIONS`."""
