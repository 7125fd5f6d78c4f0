"""Write Bookshelf designs and placements, one unit per µm.  The conventions are those of `reader`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netlists.errors import NetlistError
from netlists.formats import textfile
from netlists.formats.bookshelf.aux_file import SIDECAR
from netlists.formats.bookshelf.design import (
    Design,
    assemble,
    covers,
    default_routing,
    derive,
    extent,
    parse_design,
    rows_um,
    stem,
)
from netlists.formats.textfile import default_grid, write_text, write_texts
from netlists.netlist import ORIENTATIONS, Floats, Kind, Netlist, Rows
from netlists.placement import Placement


def write(netlist: Netlist, aux: str | Path) -> None:
    """Write a design, one unit per µm: reading it gives an equal netlist (`Netlist.same_as`).

    Raises `NetlistError` for names that Bookshelf cannot express (blanks, a leading `#`), and if a file cannot be
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
    """What the other files cannot express: the differences between the netlist and what is read from them."""
    sidecar: dict[str, Any] = {}
    canvas_um, origin_um = extent(design.rows, 1.0)
    if canvas_um != n.canvas_um or origin_um != n.origin_um:
        sidecar |= {"canvas_um": list(n.canvas_um), "origin_um": list(n.origin_um)}
    fields = derive(design, n.canvas_um, n.origin_um, 1.0)
    values_of = {
        "kind": [Kind(k).name for k in n.kind], "fixed": n.fixed.tolist(),
        "orientation": [ORIENTATIONS[k] for k in n.orientation], "position_um": n.position_um.tolist(),
    }  # fmt: skip
    nodes: dict[str, dict[str, Any]] = {}
    for field, values in values_of.items():
        own, read = getattr(n, field).reshape(n.num_nodes, -1), fields[field].reshape(n.num_nodes, -1)
        both_nan = (own != own) & (read != read)
        differ = ((own != read) & ~both_nan).any(axis=1)
        if differ.any():
            nodes[field] = {n.node_names[v]: values[v] for v in np.flatnonzero(differ).tolist()}
    if nodes:
        sidecar["nodes"] = nodes
    if n.grid != default_grid(n.canvas_um):
        sidecar["grid"] = list(n.grid)
    rows = rows_um(design.rows, 1.0, n.origin_um)
    if n.routing != default_routing(rows):
        sidecar["routing"] = asdict(n.routing)
    if _as_lists(n.rows) != _as_lists(rows):
        sidecar["rows"] = _as_lists(n.rows)
    return sidecar


def _as_lists(rows: Rows | None) -> dict[str, list[float]] | None:
    """The fields of rows as lists, for the sidecar."""
    return None if rows is None else {key: value.tolist() for key, value in vars(rows).items()}


def write_pl(placement: Placement, path: str | Path, *, units_per_um: float = 1.0) -> None:
    """Write a placement as a `.pl` with all digits; raises `NetlistError` if the file cannot be written."""
    p = placement
    write_text(Path(path), pl_text(p.netlist, p.position_um, p.orientation, units_per_um))


def texts(netlist: Netlist) -> dict[str, str]:
    """The text of each file of a design except the `.aux`, by suffix."""
    return {
        ".nodes": nodes_text(netlist),
        ".nets": nets_text(netlist),
        ".wts": wts_text(netlist),
        ".pl": pl_text(netlist, netlist.position_um, netlist.orientation),
        ".scl": scl_text(netlist),
    }


def _text(head: list[str], lines: list[str]) -> str:
    """The text of a file with a header, an empty line and the other lines."""
    return "\n".join([*head, "", *lines]).rstrip("\n") + "\n"


def decimal(value: float) -> str:
    """`textfile.decimal`, but whole numbers without a point: many readers of Bookshelf expect whole lengths."""
    return textfile.decimal(value).removesuffix(".0")


def nodes_text(n: Netlist) -> str:
    """The text of the `.nodes` file.

    Ports and fixed hard macros are terminals; a port that would be read as a macro is a terminal_NI.
    """
    role = np.full(n.num_nodes, "", dtype="U12")
    role[n.fixed & (n.kind == Kind.HARD)] = " terminal"
    role[n.ports] = np.where(covers(n.size_um, n.position_um, n.canvas_um), " terminal_NI", " terminal")[n.ports]
    rows = zip(n.node_names, n.size_um.tolist(), role.tolist(), strict=True)
    lines = [f"{name} {decimal(width)} {decimal(height)}{word}" for name, (width, height), word in rows]
    terminals = int(np.count_nonzero(role != ""))
    return _text(["UCLA nodes 1.0", "", f"NumNodes : {n.num_nodes}", f"NumTerminals : {terminals}"], lines)


def nets_text(n: Netlist) -> str:
    """The text of the `.nets` file; the first pin of a net is its output, the others are inputs."""
    names = _net_names(n)
    start = n.net_start.tolist()
    node_names = n.node_names
    pins = [
        f"\t{node_names[v]} I : {decimal(x)} {decimal(y)}"
        for v, (x, y) in zip(n.connection_node.tolist(), n.connection_offset_um.tolist(), strict=True)
    ]
    lines: list[str] = []
    for k in range(n.num_nets):
        first, last = start[k], start[k + 1]
        lines.append(f"NetDegree : {last - first} {names[k]}".rstrip())
        if last > first:
            lines.append(pins[first].replace(" I : ", " O : ", 1))
            lines += pins[first + 1 : last]
    return _text(["UCLA nets 1.0", "", f"NumNets : {n.num_nets}", f"NumPins : {len(pins)}"], lines)


def wts_text(n: Netlist) -> str:
    """The text of the `.wts` file, which has the weights other than 1."""
    rows = zip(_net_names(n), n.net_weight.tolist(), strict=True)
    return _text(["UCLA wts 1.0"], [f"{name} {decimal(weight)}" for name, weight in rows if weight != 1])


def _net_names(n: Netlist) -> list[str]:
    """Names of the nets: their own if these can be written and are distinct, none if none are needed."""
    names = list(n.net_names)
    if names and len(set(names)) == len(names) and all(name.split() == [name] and name[0] != "#" for name in names):
        return names
    if not names and np.all(n.net_weight == 1):
        return [""] * n.num_nets
    return [f"n{k}" for k in range(n.num_nets)]


def pl_text(n: Netlist, center_um: Floats, orientation: npt.NDArray[np.int8], units_per_um: float = 1.0) -> str:
    """The text of a `.pl` for centers [V, 2] in µm and orientations [V].

    It has lower-left corners in units of the file; nodes without a position (NaN) get no line.
    """
    corner = _corners(n, center_um, units_per_um)
    known = (np.isfinite(corner[:, 0]) & np.isfinite(corner[:, 1])).tolist()
    rows = zip(n.node_names, corner.tolist(), orientation.tolist(), n.fixed.tolist(), known, strict=True)
    lines = [
        f"{name} {decimal(x)} {decimal(y)} : {ORIENTATIONS[code]}{' /FIXED' if fixed else ''}"
        for name, (x, y), code, fixed, has_position in rows
        if has_position
    ]
    return _text(["UCLA pl 1.0"], lines)


def _corners(n: Netlist, center_um: Floats, units_per_um: float) -> Floats:
    """[V, 2] corners for which the arithmetic of the reader gives exactly these centers, if there are such numbers."""
    size, origin_um = n.size_um * units_per_um, np.array(n.origin_um)

    def error(corner: Floats) -> Floats:
        return np.asarray(np.abs((corner + size / 2) / units_per_um - origin_um - center_um))

    corner: Floats = (center_um + origin_um) * units_per_um - size / 2
    for neighbor in (np.nextafter(corner, -np.inf), np.nextafter(corner, np.inf)):
        corner = np.where(error(neighbor) < error(corner), neighbor, corner)
    return corner


def scl_text(n: Netlist) -> str:
    """The text of the `.scl` file: the rows or, if the netlist has none, one row for each row of the grid."""
    rows = n.rows or _grid_rows(n)
    fields = zip(rows.x_um.tolist(), rows.y_um.tolist(), rows.height_um.tolist(), rows.site_um.tolist(),
                 rows.num_sites.tolist(), strict=True)  # fmt: skip
    lines = [
        f"CoreRow Horizontal\n Coordinate : {decimal(y + n.origin_um[1])}\n Height : {decimal(height)}\n"
        f" Sitewidth : {decimal(site)}\n Sitespacing : {decimal(site)}\n Siteorient : 1\n Sitesymmetry : 1\n"
        f" SubrowOrigin : {decimal(x + n.origin_um[0])} NumSites : {sites}\nEnd"
        for x, y, height, site, sites in fields
    ]
    return _text(["UCLA scl 1.0", "", f"NumRows : {len(rows)}"], lines)


def _grid_rows(n: Netlist) -> Rows:
    """One row for each row of the grid, with a site for each column."""
    count, columns = n.grid
    width, height = n.cell_um
    return Rows(
        np.zeros(count), np.arange(count, dtype=np.float64) * height, np.full(count, height), np.full(count, width),
        np.full(count, columns, dtype=np.int64),
    )  # fmt: skip
