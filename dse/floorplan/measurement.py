"""From a placement to the lengths of the wires of a design, by class of traffic.

The length of a net is half the perimeter of the box around its pins: that of the shortest tree of horizontal and
vertical wires for two and three pins, and a lower bound for the buses of more that several macros share.
"""

from __future__ import annotations

import numpy as np

from dse.floorplan.chip import Chip
from dse.floorplan.netlist import plan_chip
from dse.floorplan.settings import FloorplanSettings
from dse.model.design import Design
from dse.model.wires import TRAFFIC, Traffic, Wires
from netlists.errors import DesignError
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement


def wire_lengths(design: Design, placement: Placement, settings: FloorplanSettings | None = None) -> Wires:
    """The wires of a design whose netlist (`to_netlist` with the same settings) was placed.

    Raises `DesignError` if the placement is that of another netlist.
    """
    chip = plan_chip(design, settings or FloorplanSettings())
    netlist = placement.netlist
    if netlist.node_names != tuple(chip.node_names) or netlist.net_weight.tolist() != [*map(float, chip.bits)]:
        raise DesignError(
            f"the placement is that of netlist {netlist.name!r} with {netlist.num_nodes} nodes and {netlist.num_nets}"
            f" nets; expected that of the design, with {len(chip.kinds)} and {len(chip.bits)}: was it made with other"
            " settings?"
        )
    return measure_wires(chip, placement)


def measure_wires(chip: Chip, placement: Placement) -> Wires:
    """The wires of a placed chip.

    Inside the array a net spans several elements: a hop is its length divided by their number, and at least the side of
    an element, which also stands for hops that never leave a tile.  The longest hop is what remains of a net if the
    elements of its tiles are next to each other.
    """
    traffic, operand, bits = np.array(chip.traffic), np.array(chip.operands), np.array(chip.bits, dtype=np.float64)
    pitch_mm = element_pitch_mm(placement.netlist, chip)
    length = placement.net_lengths_um() / 1e3
    inside, hops = traffic == Traffic.ARRAY, np.array(chip.hops)
    crossing = np.where(inside, length - (hops - 1) * pitch_mm, length)
    length = np.where(inside, np.maximum(length / hops, pitch_mm), length)
    mean, longest = np.zeros((TRAFFIC, 3)), np.zeros(TRAFFIC)
    mean[Traffic.ARRAY], longest[Traffic.ARRAY] = pitch_mm, pitch_mm
    for each in Traffic:
        longest[each] = crossing[traffic == each].max(initial=longest[each])
        for x in range(3):
            mine = (traffic == each) & (operand == x)
            if mine.any():
                mean[each, x] = np.average(length[mine], weights=bits[mine])
    return Wires(mean[None], longest[None], np.array([pitch_mm]))


def element_pitch_mm(netlist: Netlist, chip: Chip) -> float:
    """The side in mm of a square element of the array."""
    array_um2 = float(netlist.size_um[netlist.kind == Kind.SOFT].prod(axis=1).sum())
    return float(np.sqrt(array_um2 / chip.elements) / 1e3)
