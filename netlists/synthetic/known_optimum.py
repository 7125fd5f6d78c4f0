"""Small netlists whose best placement is known."""

from __future__ import annotations

import numpy as np

from netlists.errors import SettingsError
from netlists.netlist import Kind, Netlist, Routing
from netlists.placement import Placement


def known_optimum(macros: int = 3, *, seed: int = 0) -> tuple[Netlist, Placement]:
    """A small netlist and the placement of least proxy cost, among all legal ones, on grid cells or off them.

    Each of 3 (on a grid of 6 x 6) or 4 (5 x 5) equal movable hard macros, half a cell wide and high, is tied by nets
    of weight 1 to four ports: straight below and above, left and right of one cell, no two of these cells in one row
    or column.  Wirelength: the four nets sum to W + H + 2 |x - x*| + 2 |y - y*|, least at that cell alone.  Density:
    as many fixed macros as the worst tenth has cells hold it at 1/4 each wherever the others go.  Congestion: macros
    block no tracks, and each macro's nets always cross more edges than the worst 5% counts, so no placement is below
    one net on each of these; with straight nets in rows and columns of their own none has more.
    """
    if macros not in (3, 4):
        raise SettingsError(f"known optimum for {macros} macros; expected 3 or 4")
    side = {3: 6, 4: 5}[macros]
    cell = 100.0
    canvas = side * cell
    random = np.random.default_rng(seed)
    column, row = random.permutation(side)[:macros], random.permutation(side)[:macros]
    best = (np.column_stack([column, row]) + 0.5) * cell  # [M, 2]
    taken = set(zip(column.tolist(), row.tolist(), strict=True))
    free = [(c, r) for c in range(side) for r in range(side) if (c, r) not in taken]
    blocks = side * side // 10
    fixed = (np.array([free[i] for i in random.permutation(len(free))[:blocks]]) + 0.5) * cell
    zero, full = np.zeros(macros), np.full(macros, canvas)
    x, y = best.T
    ports = np.stack([np.stack([x, zero]), np.stack([x, full]), np.stack([zero, y]), np.stack([full, y])])
    ports = ports.transpose(2, 0, 1).reshape(-1, 2)  # [4 M, 2] the four ports of a macro one after the other
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
        size_um=np.repeat([[0.0, 0.0], [cell / 2, cell / 2], [cell / 2, cell / 2]], counts, axis=0),
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
    position[netlist.movable_hard] = best
    return netlist, Placement(netlist, position, netlist.orientation)
