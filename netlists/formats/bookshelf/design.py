"""What the files of a Bookshelf design mean: the conventions stated in `reader`, and the exceptions to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netlists.errors import NetlistError
from netlists.formats.bookshelf.records import (
    MOVABLE,
    TERMINAL,
    TERMINAL_NI,
    Nets,
    Nodes,
    Places,
    parse_nets,
    parse_nodes,
    parse_pl,
    parse_scl,
    parse_wts,
)  # fmt: skip
from netlists.formats.textfile import default_grid, file_error, rotated_notes
from netlists.netlist import ORIENTATIONS, Bools, Floats, Kind, Netlist, Routing, Rows, check_rows
from netlists.rows.multi_row import is_cell
from netlists.tolerance import too_large

ROUTING_PER_ROW = Routing(65.957 * 0.16, 106.957 * 0.16, 30.304 * 0.16, 71.304 * 0.16, smoothing=2)
"""Tracks per row height, from the ICCAD-04 `.plc` headers of TILOS MacroPlacement, whose rows are 0.16 µm high."""

REPAIR = 1e-9
"""Exact positions of the sidecar are used if they are this close to those of the `.pl`, as a fraction of the canvas.

They undo rounding; positions in an edited `.pl` are further away and take precedence.
"""


@dataclass(frozen=True, eq=False)
class Design:
    """The parsed files of a design, in units of the files."""

    aux: Path
    nodes: Nodes
    nets: Nets
    places: Places
    rows: Rows
    weights: dict[str, float]
    notes: tuple[str, ...]  # what was repaired or cannot be used


def parse_design(aux: Path, files: Mapping[str, tuple[Path, str]], notes: list[str]) -> Design:
    """Parse the path and text of the file of each suffix; `.wts` may be missing.

    What was repaired or cannot be used is added to `notes`.  Raises `NetlistError` naming file and line.
    """
    nodes = parse_nodes(*files[".nodes"], notes)
    nets, places = parse_nets(*files[".nets"], nodes.index, notes), parse_pl(*files[".pl"], nodes.index, notes)
    rows, weights = parse_scl(*files[".scl"], notes), parse_wts(*files[".wts"]) if ".wts" in files else {}
    if weights:
        notes += _unused_weights(files[".wts"][0].name, weights, nodes, nets)
    return Design(aux, nodes, nets, places, rows, weights, tuple(notes))


def _unused_weights(file: str, weights: dict[str, float], nodes: Nodes, nets: Nets) -> list[str]:
    """Notes on weights whose names are not those of nets: in the files of ISPD-2002 they belong to nodes."""
    named = set(nets.names)
    of_nodes = [name for name in weights if name not in named and name in nodes.index]
    of_nothing = [name for name in weights if name not in named and name not in nodes.index]
    return [
        f"{file}: {len(names)} of {len(weights)} weights belong to {owner} (the first is {names[0]!r}) and are not used"
        for names, owner in ((of_nodes, "nodes"), (of_nothing, "neither nets nor nodes"))
        if names
    ]


def assemble(
    design: Design, sidecar: Mapping[str, Any], units_per_um: float = 1.0, grid: tuple[int, int] | None = None,
    routing: Routing | None = None,
) -> Netlist:  # fmt: skip
    """The netlist of a design, by the conventions of `reader`, overridden by the content of the sidecar.

    `grid` (rows, columns) and `routing` override both.  Raises `NetlistError` if a rule of `Netlist` is broken.
    """
    if not units_per_um > 0:
        raise NetlistError(f"units_per_um is {units_per_um}, expected more than 0")
    nodes, nets = design.nodes, design.nets
    canvas_um, origin_um = extent(design.rows, units_per_um)
    canvas_um, origin_um = _pair(sidecar, "canvas_um", canvas_um), _pair(sidecar, "origin_um", origin_um)
    fields = derive(design, canvas_um, origin_um, units_per_um)
    apply_exceptions(sidecar.get("nodes", {}), nodes.index, fields, canvas_um)
    size_um = nodes.size / units_per_um
    _check_nodes(design, fields, size_um, canvas_um)
    rows = rows_um(design.rows, units_per_um, origin_um)
    if grid is None:
        grid = _whole_pair(sidecar["grid"]) if "grid" in sidecar else default_grid(canvas_um)
    if routing is None:
        routing = Routing(**sidecar["routing"]) if "routing" in sidecar else default_routing(rows)
    try:
        return Netlist(
            name=stem(design.aux), node_names=tuple(nodes.index), size_um=size_um, **fields,
            pin_node=nets.node, pin_offset_um=nets.offset / units_per_um, net_start=nets.start,
            net_pin=np.arange(len(nets.node)), net_weight=_weights(design), canvas_um=canvas_um, grid=grid,
            routing=routing, rows=_rows_from_sidecar(sidecar["rows"]) if "rows" in sidecar else rows,
            origin_um=origin_um, net_names=nets.names, notes=(*design.notes, *_unfixed_terminals(design, fields),
                   *rotated_notes(design.places.path.name, fields["kind"], fields["orientation"])),
        )  # fmt: skip
    except NetlistError as error:
        raise file_error(design.aux, None, str(error)) from None


def stem(aux: Path) -> str:
    """The name of a design: that of its `.aux`."""
    return aux.name.removesuffix(".gz").removesuffix(".aux")


def extent(rows: Rows, units_per_um: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Width and height, and lower-left corner, of the bounding box of the rows, in µm."""
    left, bottom = float(rows.x_um.min()) / units_per_um, float(rows.y_um.min()) / units_per_um
    right = float(rows.right_um.max()) / units_per_um
    top = float((rows.y_um + rows.height_um).max()) / units_per_um
    return (right - left, top - bottom), (left, bottom)


def rows_um(rows: Rows, units_per_um: float, origin_um: tuple[float, float]) -> Rows:
    """The rows of the file, in µm from the lower-left corner of the canvas."""
    return Rows(
        rows.x_um / units_per_um - origin_um[0], rows.y_um / units_per_um - origin_um[1],
        rows.height_um / units_per_um, rows.site_um / units_per_um, rows.num_sites,
    )  # fmt: skip


def centers_um(places: Places, size: Floats, units_per_um: float, origin_um: tuple[float, float]) -> Floats:
    """[K, 2] centers in µm from the corner of the canvas, for the lower-left corners of a `.pl`.

    `size` [V, 2] has the sizes of all nodes in units of the file.
    """
    centers: Floats = (places.corner + size[places.node] / 2) / units_per_um - np.array(origin_um)
    return centers


def derive(
    design: Design, canvas_um: tuple[float, float], origin_um: tuple[float, float], units_per_um: float
) -> dict[str, Any]:
    """The arrays `kind`, `fixed`, `orientation` and `position_um` of the nodes, by the conventions of `reader`."""
    nodes, places = design.nodes, design.places
    v = len(nodes.index)
    position_um, orientation = np.full((v, 2), np.nan), np.zeros(v, dtype=np.int8)
    position_um[places.node] = centers_um(places, nodes.size, units_per_um, origin_um)
    orientation[places.node] = places.orientation
    role = nodes.role.copy()
    role[places.node[places.fixed_ni]] = TERMINAL_NI
    fixed = role != MOVABLE
    fixed[places.node[places.fixed]] = True
    row_height = float(design.rows.height_um.min())
    kind = np.where(is_cell(nodes.size, row_height), Kind.CELL, Kind.HARD).astype(np.int8)
    terminal = covers(nodes.size / units_per_um, position_um, canvas_um)
    kind[role == TERMINAL] = np.where(terminal, Kind.HARD, Kind.PORT)[role == TERMINAL]
    kind[role == TERMINAL_NI] = Kind.PORT
    return {"kind": kind, "fixed": fixed, "orientation": orientation, "position_um": position_um}


def covers(size_um: Floats, center_um: Floats, canvas_um: tuple[float, float]) -> Bools:
    """[V] whether nodes of sizes [V, 2] at centers [V, 2] have an area and overlap the canvas.

    False for nodes without a position (NaN).
    """
    low, high = center_um - size_um / 2, center_um + size_um / 2
    inside = ((size_um > 0) & (high > 0) & (low < np.array(canvas_um))).all(axis=1)
    return np.asarray(inside, dtype=bool)


def apply_exceptions(
    exceptions: Mapping[str, Mapping[str, Any]],
    index: dict[str, int],
    fields: dict[str, Any],
    canvas_um: tuple[float, float],
) -> None:
    """Override the fields of single nodes by those in the sidecar."""
    for name, value in exceptions.get("kind", {}).items():
        fields["kind"][index[name]] = Kind[value]
    for name, value in exceptions.get("fixed", {}).items():
        fields["fixed"][index[name]] = bool(value)
    for name, value in exceptions.get("orientation", {}).items():
        fields["orientation"][index[name]] = ORIENTATIONS.index(value)
    for name, value in exceptions.get("position_um", {}).items():
        exact = np.array([float(value[0]), float(value[1])])
        if (np.abs(exact - fields["position_um"][index[name]]) <= REPAIR * max(canvas_um)).all():
            fields["position_um"][index[name]] = exact


def _check_nodes(design: Design, fields: dict[str, Any], size_um: Floats, canvas_um: tuple[float, float]) -> None:
    """Raise `NetlistError` naming the line of a fixed node without a position, or of a macro larger than the canvas."""
    names = list(design.nodes.index)
    unplaced = np.flatnonzero(fields["fixed"] & np.isnan(fields["position_um"]).any(axis=1))
    if unplaced.size:
        message = (
            f"fixed node {names[unplaced[0]]!r} has no line in {design.places.path.name}, expected its position there"
        )
        raise file_error(design.nodes.path, int(design.nodes.line[unplaced[0]]), message)
    movable = (fields["kind"] == Kind.HARD) & ~fields["fixed"]
    large = np.flatnonzero(movable & too_large(size_um, canvas_um).any(axis=1))
    if large.size:
        (w, h), (width, height) = size_um[large[0]], canvas_um
        limit = f"expected at most the canvas, {width:.9g} by {height:.9g} µm"
        message = f"hard macro {names[large[0]]!r} is {w:.9g} by {h:.9g} µm, {limit}"
        raise file_error(design.nodes.path, int(design.nodes.line[large[0]]), message)


def _unfixed_terminals(design: Design, fields: dict[str, Any]) -> list[str]:
    """A note on the terminals as high as macros that the `.pl` does not fix (it seldom fixes pads)."""
    nodes, places = design.nodes, design.places
    loose = (nodes.role == TERMINAL) & (fields["kind"] == Kind.HARD) & fields["fixed"]
    loose &= nodes.size[:, 1] > design.rows.height_um.min()
    loose[places.node[places.fixed]] = False
    count = int(loose.sum())
    if not count:
        return []
    return [
        f"{places.path.name}: {count} macros that are terminals have no /FIXED; they are fixed all the same, "
        "unless --unfix frees them"
    ]


def _weights(design: Design) -> Floats:
    """[N] weights, 1 if the `.wts` has none for the name of the net."""
    names, weights = design.nets.names, design.weights
    count = len(design.nets.start) - 1
    return np.array([weights.get(name, 1.0) for name in names]) if names and weights else np.ones(count)


def default_routing(rows: Rows) -> Routing:
    """`ROUTING_PER_ROW` for the height of these rows; raises `NetlistError` if they are no rows."""
    check_rows(rows)
    height, r = float(rows.height_um.min()), ROUTING_PER_ROW
    return Routing(
        r.horizontal_per_um / height, r.vertical_per_um / height, r.macro_horizontal_per_um / height,
        r.macro_vertical_per_um / height, r.smoothing,
    )  # fmt: skip


def _pair(sidecar: Mapping[str, Any], key: str, default: tuple[float, float]) -> tuple[float, float]:
    """The two numbers of a field of the sidecar, or the default."""
    x, y = sidecar.get(key, default)
    return float(x), float(y)


def _whole_pair(values: Any) -> tuple[int, int]:
    """Two whole numbers in the sidecar."""
    rows, columns = values
    return int(rows), int(columns)


def _rows_from_sidecar(rows: Any) -> Rows | None:
    """The rows in the sidecar; None if the netlist has none."""
    if rows is None:
        return None
    x, y, height, site = (np.array(rows[key], dtype=np.float64) for key in ("x_um", "y_um", "height_um", "site_um"))
    sites = np.array(rows["num_sites"], dtype=np.int64)
    if sites.ndim != 1 or not x.shape == y.shape == height.shape == site.shape == sites.shape:
        raise ValueError("the fields of rows differ in length")
    return Rows(x, y, height, site, sites)
