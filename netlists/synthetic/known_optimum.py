"""Small netlists whose optimal placement is known."""

from __future__ import annotations

import numpy as np

from netlists.errors import SettingsError
from netlists.netlist import Kind, Netlist, Routing
from netlists.placement import Placement

GRID_SIDE = {3: 6, 4: 5}
"""Rows and columns of the grid for each number of movable macros."""

CELL_UM = 100.0
"""Side of a grid cell in µm."""


def known_optimum(macros: int = 3, *, seed: int = 0) -> tuple[Netlist, Placement]:
    """A small netlist and its placement of least proxy cost among all legal ones, whether on grid cells or not.

    Each of 3 (on a grid of 6 x 6) or 4 (5 x 5) equal movable hard macros, half a cell wide and high, is connected by
    nets of weight 1 to four ports: exactly below, above, left and right of one cell.  No two of these cells are in one
    row or column.  Wirelength: the four nets sum to W + H + 2 |x - x*| + 2 |y - y*|, which is least at that cell alone.
    Density: there are as many fixed macros as the densest tenth has cells, which keep it at 1/4 wherever the others
    are.  Congestion: macros block no tracks, and the nets of each macro always cross more edges than the worst 5% has,
    so that each of these has at least one net; with straight nets in separate rows and columns none has more.  Raises
    `SettingsError` for another number of macros.
    """
    if macros not in GRID_SIDE:
        raise SettingsError(f"known optimum for {macros} macros; expected 3 or 4")
    side = GRID_SIDE[macros]
    canvas = side * CELL_UM
    random = np.random.default_rng(seed)
    column, row = random.permutation(side)[:macros], random.permutation(side)[:macros]
    optimum = (np.column_stack([column, row]) + 0.5) * CELL_UM  # [M, 2]
    taken = set(zip(column.tolist(), row.tolist(), strict=True))
    free = [(c, r) for c in range(side) for r in range(side) if (c, r) not in taken]
    blocks = side * side // 10
    fixed = (np.array([free[i] for i in random.permutation(len(free))[:blocks]]) + 0.5) * CELL_UM
    zero, full = np.zeros(macros), np.full(macros, canvas)
    x, y = optimum.T
    ports = np.stack([np.stack([x, zero]), np.stack([x, full]), np.stack([zero, y]), np.stack([full, y])])
    ports = ports.transpose(2, 0, 1).reshape(-1, 2)  # [4 M, 2] the four ports of each macro
    counts = (4 * macros, macros, blocks)
    nets = np.arange(4 * macros)
    netlist = Netlist(
        name=f"known_optimum_{macros}",
        node_names=(
            *(f"port_{i}" for i in range(counts[0])),
            *(f"macro_{i}" for i in range(counts[1])),
            *(f"block_{i}" for i in range(counts[2])),
        ),
        kind=np.repeat(np.array([Kind.PORT, Kind.HARD, Kind.HARD], dtype=np.int8), counts),
        size_um=np.repeat([[0.0, 0.0], [CELL_UM / 2, CELL_UM / 2], [CELL_UM / 2, CELL_UM / 2]], counts, axis=0),
        fixed=np.repeat([True, False, True], counts),
        position_um=np.vstack([ports, np.full((macros, 2), np.nan), fixed]),
        orientation=np.zeros(sum(counts), dtype=np.int8),
        pin_node=np.arange(5 * macros),
        pin_offset_um=np.zeros((5 * macros, 2)),
        net_start=2 * np.arange(4 * macros + 1),
        net_pin=np.column_stack([nets, 4 * macros + nets // 4]).ravel(),
        net_weight=np.ones(4 * macros),
        canvas_um=(canvas, canvas),
        grid=(side, side),
        routing=Routing(70.0, 70.0, 0.0, 0.0, smoothing=0),
    )
    position = netlist.position_um.copy()
    position[netlist.movable_hard] = optimum
    return netlist, Placement(netlist, position, netlist.orientation)
