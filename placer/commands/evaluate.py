"""The command `placer evaluate`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from placer.commands.options import (
    Channel,
    ConstraintsFile,
    Follow,
    Grid,
    Halo,
    Lef,
    NetlistPath,
    PlacementPath,
    PlcFile,
    Unfix,
    load_netlist,
    parse_source,
)
from placer.commands.terminal import print_cost_table, select_rows

ROUTING_ROWS = ("routed_um", "steiner_um", "overflow", "utilization_max", "utilization_top")
"""The numbers of the routing estimate that the table shows."""


def run(
    netlist: NetlistPath,
    placement: PlacementPath = None,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
    lef: Lef = None,
    follow_outside: Follow = False,
    constraints: ConstraintsFile = None,
    halo: Halo = None,
    channel: Channel = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table")] = False,
) -> None:
    """Print the exact proxy cost of a placement and, with standard cells, an estimate of its routing.

    Example: placer evaluate harbor --placement run/placement.plc --json
    """
    from netlists import Placement, load_placement
    from placer import routing
    from placer.cost import lower_bounds, summary

    chip = load_netlist(parse_source(netlist, plc, grid, unfix, lef, constraints, halo, channel), follow_outside)
    placed = load_placement(chip, placement) if placement else Placement.given(chip)
    cost, routed = summary(placed), routing.summary(placed)
    if as_json:
        print(json.dumps(cost | routed))
    else:
        wires = {key: routed["routing"][key] for key in ROUTING_ROWS} if routed else {}
        print_cost_table(chip.name, cost | wires, [*select_rows(cost), *wires], lower_bounds(chip).as_dict())
