"""The command `placer convert`."""

from __future__ import annotations

from netlists.runtime.command import warn
from placer.commands.options import (
    Follow,
    Grid,
    Lef,
    PlacementPath,
    PlcFile,
    SourcePath,
    TargetPath,
    Unfix,
    load_netlist,
    parse_source,
)


def run(
    source_file: SourcePath,
    target: TargetPath,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
    lef: Lef = None,
    follow_outside: Follow = False,
    placement: PlacementPath = None,
) -> None:
    """Write a netlist in another format, with the places of a placement if one is given.

    Example: placer convert ibm01.aux ibm01.pb.txt.gz

    A DEF design with other places: placer convert floorplan.def placed.def --placement run/placement.def
    """
    from netlists import load_placement, save, save_placement
    from netlists.formats.registry import LEFDEF, netlist_format

    chip = load_netlist(parse_source(source_file, plc, grid, unfix, lef), follow_outside)
    if chip.constraints and netlist_format(target) is not LEFDEF:
        kept = "except for blockages in a .plc"
        warn(f"warning: {target} cannot hold constraints ({chip.constraints.summary}), {kept}")
    if placement is None:
        save(chip, target)
        return
    placed = load_placement(chip, placement)
    if netlist_format(target) is LEFDEF:
        save_placement(placed.rounded(), target)
    else:
        save(chip.with_(position_um=placed.position_um, orientation=placed.orientation), target)
