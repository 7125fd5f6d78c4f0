"""Tests of `dse.floorplan`: designs whose netlists are known, and placers that need no search."""

from __future__ import annotations

import numpy as np

from dse.model.design import Design
from dse.workloads.layers import Kind, Layer, Network
from netlists.errors import LegalizationError
from netlists.netlist import Kind as NodeKind
from netlists.netlist import Netlist
from netlists.placement import Placement

PARAMETERS: dict[str, dict[str, float | str]] = {
    "systolic": {"rows": 16, "columns": 16, "input_kb": 64, "weight_kb": 64, "output_kb": 32},
    "row_stationary": {},
    "adaptive": {"input_kb": 64, "weight_kb": 128, "output_kb": 64},
    "spatial": {"buffer_kb": 128},
}
"""A design of each ASIC template with which the layer below runs."""
LAYER = Layer("conv", Kind.CONV, 64, 64, 30, 30, 3, 3)
NETWORK = Network("conv", (LAYER,))


def make_design(template: str, **parameters: float | str) -> Design:
    """A design of a template at 28 nm, by default that of `PARAMETERS`."""
    return Design(template=template, technology="28nm", parameters={**PARAMETERS[template], **parameters})


def place_in_rows(netlist: Netlist, *, seed: int) -> Placement:
    """Hard macros in rows from the lower-left corner, without overlap; soft macros where the seed says."""
    random = np.random.default_rng(seed)
    width, height = netlist.canvas_um
    position = random.uniform(0.3, 0.7, (netlist.num_nodes, 2)) * [width, height]
    x = y = top = 0.0
    for v in netlist.hard[np.argsort(-netlist.size_um[netlist.hard, 1], kind="stable")].tolist():
        wide, tall = netlist.size_um[v].tolist()
        if x + wide > width:
            x, y = 0.0, top
        position[v] = x + wide / 2, y + tall / 2
        x, top = x + wide, max(top, y + tall)
    position[netlist.fixed] = netlist.position_um[netlist.fixed]
    return Placement(netlist, position, netlist.orientation.copy())


def fail_to_place(netlist: Netlist, *, seed: int) -> Placement:
    """A placer that finds nothing."""
    raise LegalizationError(f"{netlist.name}: no legal placement was found with seed {seed}")


def count_kind(netlist: Netlist, kind: NodeKind) -> int:
    """Number of nodes of a kind."""
    return int(np.count_nonzero(netlist.kind == kind))
