"""Small placed netlists for the tests of figures."""

from __future__ import annotations

import numpy as np

from netlists.netlist import Netlist
from netlists.placement import Placement


def chip(
    hard: int = 6, soft: int = 4, ports: int = 5, cells: int = 0, fixed: int = 2, name: str = "chip", prefix: str = "m"
) -> Placement:
    """A legal placement: hard macros in one row, other nodes at random; canvas 100 by 80 µm, grid 8 by 10."""
    rng = np.random.default_rng(1)
    nodes = hard + soft + ports + cells
    kind = np.repeat([0, 1, 2, 3], [hard, soft, ports, cells]).astype(np.int8)
    size = np.where(kind[:, None] == 2, 0.0, 1.0) * rng.uniform(1.0, 3.0, (nodes, 2))
    position = rng.uniform(5.0, 75.0, (nodes, 2))
    pitch = 100.0 / max(hard, 1)
    size[:hard] = [0.9 * pitch, 12.0]
    position[:hard] = np.column_stack([(np.arange(hard) + 0.5) * pitch, np.full(hard, 40.0)])
    position[kind == 2, 0] = 0.0
    is_fixed = kind == 2
    is_fixed[:fixed] = True
    netlist = Netlist(
        name=name,
        node_names=tuple(f"{prefix}{v}" for v in range(nodes)),
        kind=kind,
        size_um=size,
        fixed=is_fixed,
        position_um=position,
        orientation=rng.integers(0, 8, nodes).astype(np.int8),
        pin_node=np.arange(nodes),
        pin_offset_um=np.zeros((nodes, 2)),
        net_start=np.array([0, min(2, nodes)]),
        net_pin=np.arange(min(2, nodes)),
        net_weight=np.ones(1),
        canvas_um=(100.0, 80.0),
        grid=(8, 10),
    )
    return Placement.given(netlist)
