"""Read Bookshelf designs: `.aux` and the `.nodes .nets .wts .pl .scl` that it names, plain or `.gz`.

Conventions.  `.pl` has lower-left corners; a `Netlist` has centers, measured from the lower-left corner of the canvas,
which is the bounding box of the rows.  A `terminal` that has an area and overlaps the canvas is a fixed hard macro; any
other is a port, as is every `terminal_NI`.  A movable node higher than a row is a hard macro, unless it is a multi-row
cell (`netlists.rows.multi_row`); all others are standard cells.  Orientations E and W do not swap width and height.
Counts that do not agree, a missing `.wts`, sites without a width and the like are repaired, with a note; a note is
added, too, on the content of files that are not used (`.route`, `.shapes`, regions).

Bookshelf has no grid and no routing capacity: the default grid has about square cells in 32 rows, and the default
capacity per row is that of the TILOS ICCAD-04 conversions.  `NAME.chipscape.json`, listed last in the `.aux` if it is
needed, has what the other files cannot express; other tools ignore it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netlists.formats.bookshelf.aux_file import SIDECAR, list_files
from netlists.formats.bookshelf.design import assemble, centers_um, parse_design
from netlists.formats.bookshelf.records import parse_pl
from netlists.formats.textfile import build_placement, file_error, read_text
from netlists.netlist import Netlist, Routing
from netlists.placement import Placement


def read(
    aux: str | Path, *, units_per_um: float = 1.0, grid: tuple[int, int] | None = None, routing: Routing | None = None,
    follow_outside: bool = False,
) -> Netlist:  # fmt: skip
    """Read a design; `grid` (rows, columns) and `routing` replace the defaults.

    With `follow_outside` the files of the design may be anywhere, not only in the folder of the `.aux` or below.
    What was repaired or is not used is listed in the `notes` of the netlist.  Raises `NetlistError` naming file and
    line.
    """
    aux, notes = Path(aux), list[str]()
    files = list_files(aux, notes, follow_outside)
    content = {s: (path, read_text(path, may_be_empty=s == ".wts")) for s, path in files.items() if s != SIDECAR}
    design = parse_design(aux, content, notes)
    sidecar: dict[str, Any] = {}
    if SIDECAR in files:
        try:
            sidecar = json.loads(read_text(files[SIDECAR]))
        except (ValueError, RecursionError) as error:  # also of a number of thousands of digits
            line = getattr(error, "lineno", 1)
            raise file_error(files[SIDECAR], line, f"not JSON ({error}), expected the file as it was written") from None
    try:
        return assemble(design, sidecar, units_per_um, grid, routing)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if SIDECAR not in files:
            raise
        message = f"wrong content ({type(error).__name__}: {error}), expected the file as it was written"
        raise file_error(files[SIDECAR], 1, message) from None


def read_pl(netlist: Netlist, path: str | Path, *, units_per_um: float = 1.0) -> Placement:
    """Read a placement of the netlist from a `.pl`, which must place every movable node.

    Raises `NetlistError` naming file and line if the file is wrong or that of another netlist, and `PlacementError` if
    it moves a fixed node or lacks a movable one.
    """
    path = Path(path)
    index = {name: v for v, name in enumerate(netlist.node_names)}
    places = parse_pl(path, read_text(path), index, [])
    center_um = centers_um(places, netlist.size_um * units_per_um, units_per_um, netlist.origin_um)
    return build_placement(netlist, path, places.node, places.line, center_um, places.orientation)
