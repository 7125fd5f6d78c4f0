"""What the files of a Bookshelf design mean: the conventions of the reader, and the exceptions to them."""

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
    parse_wts,
)  # fmt: skip
from netlists.formats.bookshelf.scl import parse_scl
from netlists.formats.bookshelf.writer import covers
from netlists.formats.textfile import bad
from netlists.formats.turned import turned_notes
from netlists.netlist import ORIENTATIONS, Floats, Kind, Netlist, Routing, Rows
from netlists.rows.multi_row import is_cell
from netlists.tolerance import too_large

GRID_ROWS, MAX_GRID = 32, 128
ROUTING_PER_ROW = Routing(65.957 * 0.16, 106.957 * 0.16, 30.304 * 0.16, 71.304 * 0.16, smoothing=2)
"""Tracks per row height: the ICCAD-04 `.plc` headers of TILOS MacroPlacement, whose rows are 0.16 µm high."""

REPAIR = 1e-9
"""Exact positions of the sidecar count where they are this close, in parts of the canvas, to those of the `.pl`: they
undo rounding, and an edited `.pl` wins."""


@dataclass(frozen=True, eq=False)
class Design:
    """The parsed files of a design, in units of the files."""

    aux: Path
    nodes: Nodes
    nets: Nets
    places: Places
    rows: Rows
    weights: dict[str, float]
    notes: tuple[str, ...]  # what was mended or cannot be used


def parse_design(aux: Path, files: Mapping[str, tuple[Path, str]], notes: list[str]) -> Design:
    """Parse the text of each file; `.wts` may be missing.  `notes` grow by what was mended or cannot be used."""
    nodes = parse_nodes(*files[".nodes"], notes)
    nets, places = parse_nets(*files[".nets"], nodes.index, notes), parse_pl(*files[".pl"], nodes.index, notes)
    rows, weights = parse_scl(*files[".scl"], notes), parse_wts(*files[".wts"]) if ".wts" in files else {}
    if weights:
        notes += _unused_weights(files[".wts"][0].name, weights, nodes, nets)
    return Design(aux, nodes, nets, places, rows, weights, tuple(notes))


def _unused_weights(file: str, weights: dict[str, float], nodes: Nodes, nets: Nets) -> list[str]:
    """Notes of the weights that are not of nets: in the files of ISPD-2002 they are of nodes."""
    named = set(nets.names)
    of_nodes = [name for name in weights if name not in named and name in nodes.index]
    of_nothing = [name for name in weights if name not in named and name not in nodes.index]
    return [
        f"{file}: {len(names)} of {len(weights)} weights are of {owner} (the first is {names[0]!r}); they are not used"
        for names, owner in ((of_nodes, "nodes"), (of_nothing, "neither nets nor nodes"))
        if names
    ]


def assemble(
    design: Design, sidecar: Mapping[str, Any], units_per_um: float = 1.0, grid: tuple[int, int] | None = None,
    routing: Routing | None = None,
) -> Netlist:  # fmt: skip
    """The netlist of a design, by the conventions of this module and then what the sidecar says."""
    if not units_per_um > 0:
        raise NetlistError(f"units_per_um is {units_per_um}, expected more than 0")
    nodes, nets = design.nodes, design.nets
    canvas_um, origin_um = extent(design.rows, units_per_um)
    canvas_um, origin_um = _two(sidecar, "canvas_um", canvas_um), _two(sidecar, "origin_um", origin_um)
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
            origin_um=origin_um, net_names=nets.names, notes=(*design.notes, *_fixed_by_nodes_alone(design, fields),
                   *turned_notes(design.places.path.name, fields["kind"], fields["orientation"])),
        )  # fmt: skip
    except NetlistError as error:
        raise bad(design.aux, None, str(error)) from None


def stem(aux: Path) -> str:
    """The name of a design: that of its `.aux`."""
    return aux.name.removesuffix(".gz").removesuffix(".aux")


def extent(rows: Rows, units_per_um: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Size and lower-left corner of the bounding box of the rows, in µm."""
    left, bottom = float(rows.x_um.min()) / units_per_um, float(rows.y_um.min()) / units_per_um
    right = float(rows.right_um.max()) / units_per_um
    top = float((rows.y_um + rows.height_um).max()) / units_per_um
    return (right - left, top - bottom), (left, bottom)


def rows_um(rows: Rows, units_per_um: float, origin_um: tuple[float, float]) -> Rows:
    """The rows of the file, in µm from the corner of the canvas."""
    return Rows(
        rows.x_um / units_per_um - origin_um[0], rows.y_um / units_per_um - origin_um[1],
        rows.height_um / units_per_um, rows.site_um / units_per_um, rows.num_sites,
    )  # fmt: skip


def centers_um(places: Places, size: Floats, units_per_um: float, origin_um: tuple[float, float]) -> Floats:
    """[K, 2] centers from the corner of the canvas, for the lower-left corners of a `.pl`."""
    centers: Floats = (places.corner + size[places.node] / 2) / units_per_um - np.array(origin_um)
    return centers


def derive(
    design: Design, canvas_um: tuple[float, float], origin_um: tuple[float, float], units_per_um: float
) -> dict[str, Any]:
    """The arrays `kind`, `fixed`, `orientation` and `position_um` of the nodes, by the conventions of this module."""
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


def apply_exceptions(
    exceptions: Mapping[str, Mapping[str, Any]],
    index: dict[str, int],
    fields: dict[str, Any],
    canvas_um: tuple[float, float],
) -> None:
    """Set what the sidecar says of single nodes."""
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
    """Complain, with a line, of nodes that are fixed nowhere or larger than the canvas."""
    names = list(design.nodes.index)
    lost = np.flatnonzero(fields["fixed"] & np.isnan(fields["position_um"]).any(axis=1))
    if lost.size:
        message = f"fixed node {names[lost[0]]!r} has no line in {design.places.path.name}, expected its place there"
        raise bad(design.nodes.path, int(design.nodes.line[lost[0]]), message)
    movable = (fields["kind"] == Kind.HARD) & ~fields["fixed"]
    large = np.flatnonzero(movable & too_large(size_um, canvas_um).any(axis=1))
    if large.size:
        (w, h), (width, height) = size_um[large[0]], canvas_um
        limit = f"expected at most the canvas, {width:.9g} by {height:.9g} µm"
        message = f"hard macro {names[large[0]]!r} is {w:.9g} by {h:.9g} µm, {limit}"
        raise bad(design.nodes.path, int(design.nodes.line[large[0]]), message)


def _fixed_by_nodes_alone(design: Design, fields: dict[str, Any]) -> list[str]:
    """A note of the terminals as high as macros that the `.pl` does not fix (it seldom fixes pads)."""
    nodes, places = design.nodes, design.places
    loose = (nodes.role == TERMINAL) & (fields["kind"] == Kind.HARD) & fields["fixed"]
    loose &= nodes.size[:, 1] > design.rows.height_um.min()
    loose[places.node[places.fixed]] = False
    count = int(loose.sum())
    if not count:
        return []
    return [f"{places.path.name}: {count} macros that are terminals have no /FIXED; they are fixed all the same, "
            "unless --unfix frees them"]  # fmt: skip


def _weights(design: Design) -> Floats:
    """[N] weights, 1 where the `.wts` has none for the name of the net."""
    names, weights = design.nets.names, design.weights
    count = len(design.nets.start) - 1
    return np.array([weights.get(name, 1.0) for name in names]) if names and weights else np.ones(count)


def default_grid(canvas_um: tuple[float, float]) -> tuple[int, int]:
    """About square cells, 32 rows of them; fewer where there would be more than 128 columns."""
    rows = max(1, min(GRID_ROWS, round(MAX_GRID * canvas_um[1] / canvas_um[0])))
    return rows, max(1, min(MAX_GRID, round(rows * canvas_um[0] / canvas_um[1])))


def default_routing(rows: Rows) -> Routing:
    """`ROUTING_PER_ROW` for the height of these rows."""
    height, r = float(rows.height_um.min()), ROUTING_PER_ROW
    return Routing(
        r.horizontal_per_um / height, r.vertical_per_um / height, r.macro_horizontal_per_um / height,
        r.macro_vertical_per_um / height, r.smoothing,
    )  # fmt: skip


def _two(sidecar: Mapping[str, Any], key: str, default: tuple[float, float]) -> tuple[float, float]:
    x, y = sidecar.get(key, default)
    return float(x), float(y)


def _whole_pair(values: Any) -> tuple[int, int]:
    rows, columns = values
    return int(rows), int(columns)


def _rows_from_sidecar(rows: Any) -> Rows | None:
    if rows is None:
        return None
    x, y, height, site = (np.array(rows[key], dtype=np.float64) for key in ("x_um", "y_um", "height_um", "site_um"))
    sites = np.array(rows["num_sites"], dtype=np.int64)
    if sites.ndim != 1 or not x.shape == y.shape == height.shape == site.shape == sites.shape:
        raise ValueError("the fields of rows differ in length")
    return Rows(x, y, height, site, sites)
