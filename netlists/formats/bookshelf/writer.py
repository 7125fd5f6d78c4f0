"""The text of Bookshelf files for a netlist, one unit a µm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from netlists.formats.textfile import decimal
from netlists.netlist import ORIENTATIONS, Bools, Floats, Kind, Netlist, Rows


def covers(size_um: Floats, center_um: Floats, canvas_um: tuple[float, float]) -> Bools:
    """[V] nodes that have an area and overlap the canvas; never those without a place (NaN)."""
    low, high = center_um - size_um / 2, center_um + size_um / 2
    inside = ((size_um > 0) & (high > 0) & (low < np.array(canvas_um))).all(axis=1)
    return np.asarray(inside, dtype=bool)


def texts(netlist: Netlist) -> dict[str, str]:
    """The text of each file, by suffix."""
    return {
        ".nodes": nodes_text(netlist),
        ".nets": nets_text(netlist),
        ".wts": wts_text(netlist),
        ".pl": pl_text(netlist, netlist.position_um, netlist.orientation),
        ".scl": scl_text(netlist),
    }


def _text(head: list[str], lines: list[str]) -> str:
    return "\n".join([*head, "", *lines]).rstrip("\n") + "\n"


def nodes_text(n: Netlist) -> str:
    """Ports and fixed hard macros are terminals; a port that would be taken for a macro is a terminal_NI."""
    role = np.full(n.num_nodes, "", dtype="U12")
    role[n.fixed & (n.kind == Kind.HARD)] = " terminal"
    role[n.ports] = np.where(covers(n.size_um, n.position_um, n.canvas_um), " terminal_NI", " terminal")[n.ports]
    rows = zip(n.node_names, n.size_um.tolist(), role.tolist(), strict=True)
    lines = [f"{name} {decimal(width)} {decimal(height)}{word}" for name, (width, height), word in rows]
    terminals = int(np.count_nonzero(role != ""))
    return _text(["UCLA nodes 1.0", "", f"NumNodes : {n.num_nodes}", f"NumTerminals : {terminals}"], lines)


def nets_text(n: Netlist) -> str:
    """The first pin of a net is its output, the others are inputs."""
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
    """Weights other than 1."""
    rows = zip(_net_names(n), n.net_weight.tolist(), strict=True)
    return _text(["UCLA wts 1.0"], [f"{name} {decimal(weight)}" for name, weight in rows if weight != 1])


def _net_names(n: Netlist) -> list[str]:
    """Names of the nets: their own where those can be written and told apart, none where none are needed."""
    names = list(n.net_names)
    if names and len(set(names)) == len(names) and all(name.split() == [name] and name[0] != "#" for name in names):
        return names
    if not names and np.all(n.net_weight == 1):
        return [""] * n.num_nets
    return [f"n{k}" for k in range(n.num_nets)]


def pl_text(n: Netlist, center_um: Floats, orientation: npt.NDArray[np.int8], units_per_um: float = 1.0) -> str:
    """Lower-left corners in units of the file; nodes without a place (NaN) get no line."""
    corner = _corners(n, center_um, units_per_um)
    known = (np.isfinite(corner[:, 0]) & np.isfinite(corner[:, 1])).tolist()
    rows = zip(n.node_names, corner.tolist(), orientation.tolist(), n.fixed.tolist(), known, strict=True)
    lines = [
        f"{name} {decimal(x)} {decimal(y)} : {ORIENTATIONS[turn]}{' /FIXED' if fixed else ''}"
        for name, (x, y), turn, fixed, placed in rows
        if placed
    ]
    return _text(["UCLA pl 1.0"], lines)


def _corners(n: Netlist, center_um: Floats, units_per_um: float) -> Floats:
    """[V, 2] corners that the reader's arithmetic turns into exactly these centers, where there are such numbers."""
    size, origin_um = n.size_um * units_per_um, np.array(n.origin_um)

    def wrong(corner: Floats) -> Floats:
        return np.asarray(np.abs((corner + size / 2) / units_per_um - origin_um - center_um))

    corner: Floats = (center_um + origin_um) * units_per_um - size / 2
    for neighbor in (np.nextafter(corner, -np.inf), np.nextafter(corner, np.inf)):
        corner = np.where(wrong(neighbor) < wrong(corner), neighbor, corner)
    return corner


def scl_text(n: Netlist) -> str:
    """The rows or, where the netlist has none, one for each row of the grid."""
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
    count, columns = n.grid
    width, height = n.cell_um
    return Rows(
        np.zeros(count), np.arange(count, dtype=np.float64) * height, np.full(count, height), np.full(count, width),
        np.full(count, columns, dtype=np.int64),
    )  # fmt: skip
