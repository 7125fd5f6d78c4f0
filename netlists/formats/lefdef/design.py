"""What a DEF design means together with its LEF libraries: a `Netlist`.

The canvas is the bounding box of the die.  Components of class BLOCK, PAD and RING are hard macros, those of class
COVER are ports (bumps: they overlap anything), all others standard cells; pins of the design are ports, at the center
of their shapes.  A net's pins are at the centers of the bounding boxes of their shapes.  FIXED and COVER components do
not move.  A component that lies on its side (E, W, FE, FW) becomes a node of the turned size whose pins are turned by
W, and its orientation the flip that is left; `file_orientation` turns it back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netlists.errors import NetlistError, did_you_mean
from netlists.formats.bookshelf.design import default_routing
from netlists.formats.lefdef.def_file import Component, DefDesign, Net
from netlists.formats.lefdef.lef import Layer, Library, Master
from netlists.formats.lefdef.rules_of_design import Macro, constraints_of, macros_of, track_grid
from netlists.formats.textfile import default_grid
from netlists.netlist import (
    ORIENTATION_MATRIX,
    ORIENTATIONS,
    Floats,
    Ints,
    Kind,
    Netlist,
    Routing,
    RoutingLayer,
    Rows,
    routing_of,
)

SIDEWAYS = ("E", "W", "FE", "FW")
SUPPLY = ("POWER", "GROUND")
W = ORIENTATION_MATRIX[ORIENTATIONS.index("W")]
FLIPS = ("N", "S", "FN", "FS")


def flip_after_w(orientation: str) -> str:
    """The flip that, after W, gives an orientation on its side."""
    wanted = ORIENTATION_MATRIX[ORIENTATIONS.index(orientation)]
    return next(f for f in FLIPS if np.array_equal(ORIENTATION_MATRIX[ORIENTATIONS.index(f)] @ W, wanted))


def file_orientation(orientation: str, sideways: bool) -> str:
    """The name that DEF has for a node's orientation, if the node lies on its side in the file."""
    if not sideways:
        return orientation
    matrix = ORIENTATION_MATRIX[ORIENTATIONS.index(orientation)] @ W
    return next(name for name, m in zip(ORIENTATIONS, ORIENTATION_MATRIX, strict=True) if np.array_equal(m, matrix))


@dataclass
class _Nodes:
    """Arrays of nodes as they are filled: components in the order of the file, then pins of the design."""

    kind: npt.NDArray[np.int8]  # [V]
    size_um: Floats  # [V, 2]
    fixed: npt.NDArray[np.bool_]  # [V]
    center_um: Floats  # [V, 2]
    orientation: npt.NDArray[np.int8]  # [V]
    sideways: npt.NDArray[np.bool_]  # [V]


def to_netlist(design: DefDesign, library: Library, grid: tuple[int, int] | None = None) -> Netlist:
    """The netlist of a design; `grid` is rows R by columns C, by default about square cells.

    Raises `NetlistError` naming file and line if a component has an unknown master, or a net a component or pin that
    does not exist.
    """
    notes = list(design.notes)
    masters = _masters(design, library)
    origin, canvas = _canvas(design)
    nodes = _nodes(design, masters, origin)
    names = (*(c.name for c in design.components), *(p.name for p in design.pins))
    names = _distinct(names, len(design.components), notes)
    rows = _rows(design, library, origin, notes)
    net_start, net_node, offset, weight, net_names = _nets(design, masters, nodes, notes)
    layers = _layers(design, library)
    macros = macros_of(design, masters, nodes.kind, nodes.sideways)
    notes += _unused(design, macros)
    return Netlist(
        design.name, names, nodes.kind, nodes.size_um, nodes.fixed, nodes.center_um, nodes.orientation,
        net_node, offset, net_start, np.arange(len(net_node)), weight, canvas, grid or default_grid(canvas),
        _routing(layers, rows), rows, origin, net_names=net_names, notes=tuple(notes),
        def_file=str(design.path), units_per_um=design.units, sideways=nodes.sideways,
        masters=(*(c.master for c in design.components), *("" for _ in design.pins)),
        constraints=constraints_of(design, library, macros, origin, file_orientation),
        tracks=track_grid(design, library, macros, nodes.size_um, origin), layers=layers,
    )  # fmt: skip


def _error(design: DefDesign, word: int, message: str) -> NetlistError:
    assert design.words
    return design.words.bad(message, word)


def _masters(design: DefDesign, library: Library) -> list[Master]:
    """The master of each component; the names of the components are checked as well."""
    masters, names = [], set[str]()
    for k, component in enumerate(design.components):
        if component.name in names:
            raise _error(
                design, design.component_words[k],
                f"component {component.name!r} is there a second time; expected every name once",
            )  # fmt: skip
        names.add(component.name)
        master = library.masters.get(component.master)
        if master is None:
            near = did_you_mean(component.master, library.masters)
            raise _error(
                design, design.component_words[k],
                f"component {component.name!r} is a {component.master!r}, which no LEF file has; expected one of "
                f"{len(library.masters)} masters{near}; name its file with --lef",
            )  # fmt: skip
        masters.append(master)
    return masters


def _canvas(design: DefDesign) -> tuple[tuple[float, float], tuple[float, float]]:
    """Lower-left corner and size of the die's bounding box, in µm."""
    corners = np.array(design.die) / design.units
    low, high = corners.min(axis=0), corners.max(axis=0)
    return (float(low[0]), float(low[1])), (float(high[0] - low[0]), float(high[1] - low[1]))


def _nodes(design: DefDesign, masters: list[Master], origin: tuple[float, float]) -> _Nodes:
    components, pins = design.components, design.pins
    count = len(components) + len(pins)
    nodes = _Nodes(
        np.full(count, Kind.PORT, dtype=np.int8), np.zeros((count, 2)), np.ones(count, dtype=bool),
        np.full((count, 2), np.nan), np.zeros(count, dtype=np.int8), np.zeros(count, dtype=bool),
    )  # fmt: skip
    for v, (component, master) in enumerate(zip(components, masters, strict=True)):
        _fill(nodes, v, component, master, design.units)
    for v, pin in enumerate(pins, start=len(components)):
        if pin.shapes:
            boxes = np.array([box for _, box in pin.shapes])
            nodes.center_um[v] = (boxes[:, :2].min(axis=0) + boxes[:, 2:].max(axis=0)) / 2 / design.units
        elif pin.status:
            nodes.center_um[v] = pin.x / design.units, pin.y / design.units
    nodes.center_um -= origin
    return nodes


def _fill(nodes: _Nodes, v: int, component: Component, master: Master, units: float) -> None:
    """Enter a component."""
    sideways = component.orientation in SIDEWAYS
    width, height = master.size_um[::-1] if sideways else master.size_um
    flip = flip_after_w(component.orientation) if sideways else component.orientation
    nodes.orientation[v], nodes.sideways[v] = ORIENTATIONS.index(flip), sideways
    nodes.fixed[v] = component.status in ("FIXED", "COVER")
    if component.status in ("PLACED", "FIXED", "COVER"):
        nodes.center_um[v] = component.x / units + width / 2, component.y / units + height / 2
    if master.master_class == "COVER" and nodes.fixed[v]:
        return
    nodes.kind[v] = Kind.HARD if master.is_macro else Kind.CELL
    nodes.size_um[v] = width, height


def _distinct(names: tuple[str, ...], components: int, notes: list[str]) -> tuple[str, ...]:
    """Names of nodes; a pin of the design with the name of a component is called `PIN/name`."""
    taken = set(names[:components])
    both = sum(name in taken for name in names[components:])
    if not both:
        return names
    notes.append(f"{both:,} pins have the names of components: they are called PIN/name here")
    return (*names[:components], *(f"PIN/{name}" if name in taken else name for name in names[components:]))


def _rows(design: DefDesign, library: Library, origin: tuple[float, float], notes: list[str]) -> Rows | None:
    """The rows for standard cells, each as high as its site; those of unknown sites are left out and noted."""
    kept: list[tuple[float, float, float, float, int]] = []
    unknown: Counter[str] = Counter()
    for row in design.rows:
        site = library.sites.get(row.site)
        if site is None:
            unknown[row.site] += 1
            continue
        if site.site_class != "CORE":
            continue
        width, height = site.size_um
        for j in range(row.vertical):
            y = row.y / design.units + j * height
            kept.append(
                (row.x / design.units - origin[0], y - origin[1], height, row.step / design.units or width, row.sites)
            )
    for name, count in unknown.items():
        notes.append(f"{design.path}: {count:,} rows have site {name!r}, which no LEF file has: they are left out")
    if not kept:
        return None
    columns = [np.array(column) for column in zip(*kept, strict=True)]
    return Rows(columns[0], columns[1], columns[2], columns[3], columns[4].astype(np.int64))


def _nets(
    design: DefDesign, masters: list[Master], nodes: _Nodes, notes: list[str]
) -> tuple[Ints, Ints, Floats, Floats, tuple[str, ...]]:
    """Net starts [N+1], node [P] and offset [P, 2] in µm of each connection, drivers first, weights [N], names [N]."""
    index = {component.name: v for v, component in enumerate(design.components)}
    port = {pin.name: len(masters) + k for k, pin in enumerate(design.pins)}
    placed = np.asarray(np.isfinite(nodes.center_um).all(axis=1))
    pins = _PinTable(design, masters)
    start, node, offset, weight, names = [0], list[int](), list[tuple[float, float]](), list[float](), list[str]()
    left_out: Counter[str] = Counter()
    for k, net in enumerate(design.nets):
        if net.use in SUPPLY:
            left_out["nets of power and ground"] += 1
            continue
        begin = len(node)
        for component, pin in net.connections:
            if component == "PIN":
                v = port.get(pin, -1)
                if v < 0:
                    raise _lost(design, k, net, f"pin {pin!r} of the design", port)
                if not placed[v]:
                    left_out["connections to pins of the design that have no place"] += 1
                    continue
                place, drives = (0.0, 0.0), design.pins[v - len(masters)].direction == "INPUT"
            elif component == "*":
                left_out["connections to all components (*)"] += 1
                continue
            else:
                v = index.get(component, -1)
                if v < 0:
                    raise _lost(design, k, net, f"component {component!r}", index)
                entry = pins.get(v, pin)
                if entry is None:
                    raise _lost(design, k, net, f"pin {pin!r} of component {component!r}", masters[v].pins)
                place, drives = entry
            if drives and len(node) > begin:
                node.insert(begin, v)
                offset.insert(begin, place)
            else:
                node.append(v)
                offset.append(place)
        start.append(len(node))
        weight.append(1.0 if net.weight is None else net.weight)
        names.append(net.name)
    notes += [f"{design.path}: {count:,} {what} are left out" for what, count in left_out.items()]
    lost = ~placed & (nodes.kind == Kind.PORT)
    nodes.center_um[lost] = 0.0  # without any net, so that it does not matter
    return (
        np.array(start), np.array(node, dtype=np.int64), np.array(offset, dtype=np.float64).reshape(-1, 2),
        np.array(weight), tuple(names),
    )  # fmt: skip


class _PinTable:
    """Offsets of pins from the centers of their nodes, and whether they drive; made once for each master."""

    def __init__(self, design: DefDesign, masters: list[Master]) -> None:
        self.masters = masters
        self.sideways = [component.orientation in SIDEWAYS for component in design.components]
        self.known: dict[tuple[str, bool], dict[str, tuple[tuple[float, float], bool]]] = {}

    def get(self, v: int, pin: str) -> tuple[tuple[float, float], bool] | None:
        master, sideways = self.masters[v], self.sideways[v]
        table = self.known.get((master.name, sideways))
        if table is None:
            table = self.known[master.name, sideways] = {name: _offset(master, name, sideways) for name in master.pins}
        return table.get(pin)


def _offset(master: Master, name: str, sideways: bool) -> tuple[tuple[float, float], bool]:
    """Offset in µm from the center, turned by W if the node lies on its side; without shapes the center itself."""
    pin = master.pins[name]
    if pin.center_um is None:
        return (0.0, 0.0), pin.drives
    x, y = pin.center_um[0] - master.size_um[0] / 2, pin.center_um[1] - master.size_um[1] / 2
    return ((-y, x) if sideways else (x, y)), pin.drives


def _lost(design: DefDesign, net_index: int, net: Net, what: str, known: Collection[str]) -> NetlistError:
    name = what.split("'")[1] if "'" in what else what
    near = did_you_mean(name, known) if len(known) < 20_000 else ""
    return _error(
        design, design.net_words[net_index],
        f"net {net.name!r} has a connection to {what}, which does not exist{near}; expected DEF and LEF files that "
        "belong together",
    )  # fmt: skip


def _layers(design: DefDesign, library: Library) -> tuple[RoutingLayer, ...]:
    """The routing layers with a direction, without the lowest, where the pins of cells are.

    Tracks are those of TRACKS in the layer's preferred direction, else of its pitch.
    """
    macros = [m for m in sorted({c.master for c in design.components}) if library.masters[m].is_macro]

    def covered(layer: Layer) -> float:
        fractions = [library.masters[m].blocked_fraction(layer.name) for m in macros]
        return float(np.mean(fractions)) if fractions else 0.0

    return tuple(
        RoutingLayer(layer.name, layer.direction == "HORIZONTAL", _tracks_per_um(design, layer), covered(layer))
        for layer in list(library.layers.values())[1:]
        if layer.direction in ("HORIZONTAL", "VERTICAL")
    )


def _routing(layers: tuple[RoutingLayer, ...], rows: Rows | None) -> Routing:
    """Tracks per µm in each direction, of all layers together.

    Without layers, what Bookshelf designs have for rows of this height.
    """
    return routing_of(layers) or (default_routing(rows) if rows else Routing())


def _tracks_per_um(design: DefDesign, layer: Layer) -> float:
    wanted_x = layer.direction == "VERTICAL"
    steps = [t.step / design.units for t in design.tracks if layer.name in t.layers and t.x == wanted_x]
    pitch = steps[0] if steps else layer.pitch_um[0 if wanted_x else 1]
    return 1 / pitch if pitch > 0 else 0.0


def _unused(design: DefDesign, macros: list[Macro]) -> Iterator[str]:
    """What the file says that placement does not use, one line each."""
    for what, count in sorted(design.unused.items()):
        yield f"{design.path}: {count:,} {what} are not used"
    counts = {
        "halos of standard cells": sum(c.halo is not None for c in design.components)
        - sum(macro.component.halo is not None for macro in macros),
        "placement blockages that move along with a component": sum(
            not b.layer and bool(b.component) for b in design.blockages
        ),
        "routing blockages": sum(bool(b.layer) for b in design.blockages),
        "special nets": len(design.special_nets),
    }
    for what, count in counts.items():
        if count:
            yield f"{design.path}: {count:,} {what} are not used"
    if len(design.die) > 2:
        yield f"{design.path}: the die is a polygon; its bounding box is the canvas"
