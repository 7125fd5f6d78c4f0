"""The files of a floorplan: its netlist as protobuf and as Bookshelf, and the placement in both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from dse.floorplan.chip import UNITS_PER_UM
from netlists import save, save_placement
from netlists.netlist import Netlist
from netlists.placement import Placement

NETLIST = "netlist.pb.txt.gz"
"""Name of the protobuf netlist, beside which is `initial.plc` with the positions of the ports."""
PLACEMENT = "placement.plc"
BOOKSHELF = "bookshelf"
"""Name of the folder with the Bookshelf files, in whole nanometers."""


def write_floorplan(folder: Path, placement: Placement) -> None:
    """Write the netlist and the placement to a folder, each file whole or not at all.

    Raises `NetlistError` if a file cannot be written.
    """
    save(placement.netlist, folder / NETLIST)
    save_placement(placement, folder / PLACEMENT)
    (folder / BOOKSHELF).mkdir(exist_ok=True)
    save(to_nanometers(placement), folder / BOOKSHELF / "netlist.aux")


def to_nanometers(placement: Placement) -> Netlist:
    """The netlist with its placement as a chip whose unit is the nanometer: all its lengths are whole numbers.

    Readers of Bookshelf, which has no unit, often expect that.  Its costs are those of the netlist, except HPWL.
    """
    n, unit = placement.netlist, UNITS_PER_UM
    width, height = n.canvas_um
    tracks = n.routing
    return n.with_(
        size_um=np.round(n.size_um * unit),
        position_um=np.round(2 * placement.position_um * unit) / 2,
        orientation=placement.orientation,
        pin_offset_um=np.round(n.pin_offset_um * unit),
        canvas_um=(round(width * unit), round(height * unit)),
        routing=replace(
            tracks,
            horizontal_per_um=tracks.horizontal_per_um / unit,
            vertical_per_um=tracks.vertical_per_um / unit,
            macro_horizontal_per_um=tracks.macro_horizontal_per_um / unit,
            macro_vertical_per_um=tracks.macro_vertical_per_um / unit,
        ),
        units_per_um=0.0,
    )
