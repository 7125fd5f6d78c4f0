"""Read and write Bookshelf designs: `.aux` and the `.nodes .nets .wts .pl .scl` that it names, plain or `.gz`.

Conventions.  `.pl` has lower-left corners; a `Netlist` has centers, measured from the lower-left corner of the canvas,
the bounding box of the rows.  A `terminal` that has an area and overlaps the canvas is a fixed hard macro, any other a
port, as is every `terminal_NI`; a movable node taller than a row is a hard macro, unless it is a multi-row cell
(`netlists.rows.multi_row`); others are standard cells.  Orientations E and W do not swap width and height.  Counts that
do not agree, a missing `.wts`, sites without a width and the like are mended and noted, as is the content of files that
are not used (`.route`, `.shapes`, regions).

Bookshelf has no grid and no routing capacity: square cells, about 32 rows of them, and the capacity per row of the
TILOS ICCAD-04 conversions are taken.  `NAME.chipscape.json`, listed last in the `.aux` where it is needed, keeps what
the other files cannot say; other tools ignore it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from netlists.errors import NetlistError
from netlists.formats.bookshelf.aux_file import SIDECAR, listed_files
from netlists.formats.bookshelf.design import (
    Design,
    assemble,
    centers_um,
    default_grid,
    default_routing,
    derive,
    extent,
    parse_design,
    rows_um,
    stem,
)  # fmt: skip
from netlists.formats.bookshelf.records import parse_pl
from netlists.formats.bookshelf.writer import pl_text, texts
from netlists.formats.textfile import bad, read_text, settled, write_text, write_texts
from netlists.netlist import ORIENTATIONS, Kind, Netlist, Routing, Rows
from netlists.placement import Placement


def read(
    aux: str | Path, *, units_per_um: float = 1.0, grid: tuple[int, int] | None = None, routing: Routing | None = None,
) -> Netlist:  # fmt: skip
    """Read a design; `grid` (rows, columns) and `routing` replace the defaults.

    What was mended or is not used is told in the `notes` of the netlist.  Raises `NetlistError` naming file and line.
    """
    aux, notes = Path(aux), list[str]()
    files = listed_files(aux, notes)
    content = {s: (path, read_text(path, may_be_empty=s == ".wts")) for s, path in files.items() if s != SIDECAR}
    design = parse_design(aux, content, notes)
    sidecar: dict[str, Any] = {}
    if SIDECAR in files:
        try:
            sidecar = json.loads(read_text(files[SIDECAR]))
        except (json.JSONDecodeError, RecursionError) as error:
            line = getattr(error, "lineno", 1)
            raise bad(files[SIDECAR], line, f"not JSON ({error}), expected the file as it was written") from None
    try:
        return assemble(design, sidecar, units_per_um, grid, routing)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        if SIDECAR not in files:
            raise
        message = f"wrong content ({type(error).__name__}: {error}), expected the file as it was written"
        raise bad(files[SIDECAR], 1, message) from None


def write(netlist: Netlist, aux: str | Path) -> None:
    """Write a design, one unit a µm: reading gives an equal one (`Netlist.same_as`).

    Raises `NetlistError` for names that Bookshelf cannot have (blanks, a leading `#`), and when a file cannot be
    written.
    """
    aux = Path(aux)
    name = stem(aux)
    content = texts(netlist)
    paths = {suffix: aux.with_name(name + suffix) for suffix in content}
    try:
        design = parse_design(aux, {suffix: (paths[suffix], text) for suffix, text in content.items()}, [])
        named = tuple(design.nodes.index) == netlist.node_names
        sidecar = _sidecar(netlist, design) if named else {}
        same = named and assemble(design, sidecar).same_as(netlist)
    except NetlistError as error:
        raise NetlistError(f"the netlist cannot be written as Bookshelf: {error}") from None
    if not same:
        raise NetlistError(
            f"{netlist.name!r} has names that Bookshelf cannot write, expected names without blanks or #"
        )
    if sidecar:
        paths[SIDECAR], content[SIDECAR] = aux.with_name(name + SIDECAR), json.dumps(sidecar, indent=1) + "\n"
    listed = f"RowBasedPlacement : {' '.join(path.name for path in paths.values())}\n"
    write_texts({aux: listed} | {paths[suffix]: text for suffix, text in content.items()})


def _sidecar(n: Netlist, design: Design) -> dict[str, Any]:
    """What the other files do not say: where a reading of them differs from the netlist."""
    sidecar: dict[str, Any] = {}
    canvas_um, origin_um = extent(design.rows, 1.0)
    if canvas_um != n.canvas_um or origin_um != n.origin_um:
        sidecar |= {"canvas_um": list(n.canvas_um), "origin_um": list(n.origin_um)}
    fields = derive(design, n.canvas_um, n.origin_um, 1.0)
    shown = {
        "kind": [Kind(k).name for k in n.kind], "fixed": n.fixed.tolist(),
        "orientation": [ORIENTATIONS[k] for k in n.orientation], "position_um": n.position_um.tolist(),
    }  # fmt: skip
    nodes: dict[str, dict[str, Any]] = {}
    for field, values in shown.items():
        known, found = getattr(n, field).reshape(n.num_nodes, -1), fields[field].reshape(n.num_nodes, -1)
        differ = ((known != found) & ~((known != known) & (found != found))).any(axis=1)
        if differ.any():
            nodes[field] = {n.node_names[v]: values[v] for v in np.flatnonzero(differ).tolist()}
    if nodes:
        sidecar["nodes"] = nodes
    if n.grid != default_grid(n.canvas_um):
        sidecar["grid"] = list(n.grid)
    rows = rows_um(design.rows, 1.0, n.origin_um)
    if n.routing != default_routing(rows):
        sidecar["routing"] = asdict(n.routing)
    if _listed(n.rows) != _listed(rows):
        sidecar["rows"] = _listed(n.rows)
    return sidecar


def _listed(rows: Rows | None) -> dict[str, list[float]] | None:
    """The fields of rows as lists."""
    return None if rows is None else {key: value.tolist() for key, value in vars(rows).items()}


def read_pl(netlist: Netlist, path: str | Path, *, units_per_um: float = 1.0) -> Placement:
    """A placement of the netlist from a `.pl`, which must place every movable node.

    Raises `NetlistError` naming file and line when the file is wrong or another netlist's, `PlacementError` when it
    moves a fixed node or lacks a movable one.
    """
    path = Path(path)
    index = {name: v for v, name in enumerate(netlist.node_names)}
    places = parse_pl(path, read_text(path), index, [])
    center_um = centers_um(places, netlist.size_um * units_per_um, units_per_um, netlist.origin_um)
    return settled(netlist, path, places.node, places.line, center_um, places.orientation)


def write_pl(placement: Placement, path: str | Path, *, units_per_um: float = 1.0) -> None:
    """Write a placement as `.pl`, with all digits; raises `NetlistError` when the file cannot be written."""
    p = placement
    write_text(Path(path), pl_text(p.netlist, p.position_um, p.orientation, units_per_um))
