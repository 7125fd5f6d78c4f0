"""A tiny netlist with every kind of node: work on it loads compiled kernels without taking time of its own."""

from __future__ import annotations

import numpy as np

from netlists.netlist import Kind, Netlist, Rows
from netlists.placement import Placement
from netlists.synthetic.generate import GeneratorSettings, generate

TINY = GeneratorSettings(
    "tiny", (100.0, 100.0), (6, 6), hard_macros=3, macro_sizes=2, soft_macros=6, ports=4, nets=20
)  # fmt: skip
ROW_HEIGHT_UM = 4.0


def tiny_netlist() -> Netlist:
    """Hard and soft macros, ports and nets."""
    return generate(TINY, 0)


def tiny_netlist_with_rows() -> Netlist:
    """The same with standard cells, of one row except the first, of two rows, in place of soft macros."""
    netlist, y = tiny_netlist(), np.arange(0.0, 100.0, ROW_HEIGHT_UM)
    cells = np.flatnonzero(netlist.kind == Kind.SOFT)
    kind, size = netlist.kind.copy(), netlist.size_um.copy()
    kind[cells], size[cells] = Kind.CELL, ROW_HEIGHT_UM
    size[cells[0], 1] = 2 * ROW_HEIGHT_UM
    size[netlist.hard] = 3 * ROW_HEIGHT_UM
    rows = Rows(np.zeros(25), y, np.full(25, ROW_HEIGHT_UM), np.full(25, 0.5), np.full(25, 200))
    return netlist.with_(kind=kind, size_um=size, rows=rows)


def pile_up(netlist: Netlist) -> Placement:
    """All movable nodes in the middle of the canvas, where hard macros overlap."""
    middle = np.array(netlist.canvas_um) / 2
    position = np.where(netlist.fixed[:, None], netlist.position_um, middle)
    return Placement(netlist, position, netlist.orientation)
