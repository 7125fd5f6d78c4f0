"""Read Circuit Training netlists: `netlist.pb.txt[.gz]`, with canvas, grid and positions in a `.plc`.

The nodes of a file are ports (PORT), macros (MACRO), standard cells (STDCELL) and pins on macros (MACRO_PIN), in any
case.  A macro is hard unless its name begins with `Grp`.  A port, cell or pin with inputs drives a net; the inputs are
its sinks.  If there is no `.plc`, canvas and grid are given by the `#` lines before the first node.  A note is added on
content that is not used.

Data for which the format has no place is in attributes of our own: rows, origin and the weights of empty nets on the
`__metadata__` node; the number of a net (`net_index`) on its driver if nets are not in the order of their drivers or
have no sink; the `kind` of a macro (`hard` or `soft`) if its name indicates the other one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from netlists.errors import NetlistError
from netlists.formats.circuit_training.header import (
    BOX_LINE,
    CANVAS_LINE,
    GRID_LINE,
    Box,
    Header,
    node_counts,
    read_header,
)
from netlists.formats.circuit_training.notes import header_notes, node_notes
from netlists.formats.circuit_training.plc import PlcFile, parse_plc, plc_beside, stem
from netlists.formats.circuit_training.prototext import Node, NodeLines, comments, lines_at, read
from netlists.formats.circuit_training.writer import MACRO_KIND, METADATA, TYPE, kind_by_name
from netlists.formats.textfile import default_grid, file_error, hint, number, read_text
from netlists.netlist import ORIENTATIONS, Bools, Floats, Ints, Kind, Netlist, Rows
from netlists.tolerance import too_large

_TYPES = (*dict.fromkeys(name.upper() for name in TYPE.values()), "MACRO_PIN")
_KIND = {"port": Kind.PORT, "stdcell": Kind.CELL}
_MACRO_KIND = {name: kind for kind, name in MACRO_KIND.items()}


def read_netlist(path: str | Path, plc: str | Path | None = None) -> Netlist:
    """Read a netlist; canvas, grid, routing and positions come from `plc`, or from the `.plc` beside the file.

    If there is none, or if it lacks a field, canvas, grid and routing come from the netlist's own `#` lines, and
    positions from its nodes.  Offsets of pins on soft macros are 0 and nets driven by ports have weight 1 whatever the
    file has, as in the reference evaluator.  Raises `NetlistError` naming file and line.
    """
    path = Path(path)
    text = read_text(path)
    nodes, starts = read(path, text)
    file = _plc_of(path) if plc is None else Path(plc)
    placement = parse_plc(file) if file else None
    try:
        return _Builder(path, nodes).netlist(read_header(path, comments(text)), placement)
    except _Mistake as mistake:
        line = _line(lines_at(path, text, starts[mistake.node]), mistake.part) if nodes else 1
        raise file_error(path, line, mistake.message) from None


def _plc_of(path: Path) -> Path | None:
    """The `.plc` beside a netlist, under either of its names, or None."""
    candidates = plc_beside(path), path.with_name("initial.plc")
    return next((file for file in candidates if file.is_file()), None)


class _Mistake(Exception):
    """An error in a part of a node; its line number is looked up only when it is raised."""

    def __init__(self, node: int, part: str | int, message: str) -> None:
        self.node, self.part, self.message = node, part, message


def _line(lines: NodeLines, part: str | int) -> int:
    """The line number of a part of a node: the index of an input, or the key of an attribute."""
    return lines.inputs[part] if isinstance(part, int) else lines.attrs.get(part, lines.name)


def _canvas(path: Path, header: Header, plc: PlcFile | None) -> Box:
    """The canvas; raises `NetlistError` if there is none."""
    box = header.box()
    if box is None and plc is not None:
        raise file_error(plc.path, 1, f"no line '{CANVAS_LINE}' in the header, expected one")
    if box is None:
        expected = f"expected one, or a line '{BOX_LINE}' before its first node, for the canvas; give a .plc with --plc"
        raise file_error(path, None, f"no {plc_beside(path).name} beside it, {expected}")
    return box


def _grid(path: Path, header: Header, plc: PlcFile | None, box: Box) -> tuple[tuple[int, int], list[str]]:
    """Rows and columns, and a note if no file has them; raises `NetlistError` for a `.plc` without them."""
    grid = header.grid()
    if grid is not None:
        return grid, []
    if plc is not None:
        raise file_error(plc.path, 1, f"no line '{GRID_LINE}' in the header, expected one")
    rows, columns = default_grid((box.width, box.height))
    return (rows, columns), [f"{path.name}: no line '{GRID_LINE}': {columns} columns by {rows} rows are used"]


class _Builder:
    """The arrays of a netlist from the nodes of a file; raises `_Mistake`."""

    def __init__(self, path: Path, nodes: list[Node]) -> None:
        self.path, self.nodes = path, nodes
        self.metadata: dict[str, str] = {}
        self.metadata_at = 0
        self.file_node: list[int] = []  # [V] index in `nodes` of each macro, port and cell
        self.file_index: list[int] = []  # [V] the same, not counting the metadata node
        self.kind: list[int] = []  # [V]
        self.pin_of: dict[str, int] = {}  # index of the pin for each name that an input may have
        self.pin_file_node: list[int] = []  # [Q] index in `nodes` of each pin
        self.offset: list[tuple[float, float]] = []  # [Q] in µm
        self.node_of: dict[str, int] = {}  # index of the node for each name
        self.port_weights = 0  # number of ports whose weight is not used
        self._collect()

    def _collect(self) -> None:
        """Sort the nodes of the file into nodes and pins of the netlist."""
        index = 0
        for i, (name, inputs, attrs) in enumerate(self.nodes):
            if name == METADATA:
                self.metadata, self.metadata_at = attrs, i
                continue
            if name in self.node_of or name in self.pin_of:
                raise _Mistake(i, "", f"node {name!r} is defined a second time, expected every name once")
            type_name = attrs.get("type", "").lower()
            kind = self._macro_kind(i) if type_name == "macro" else _KIND.get(type_name)
            if kind is not None:
                self.node_of[name] = len(self.kind)
                self.file_node.append(i)
                self.file_index.append(index)
                self.kind.append(kind)
                if kind == Kind.PORT or kind == Kind.CELL:
                    self._add_pin(i, name, (0.0, 0.0))
                elif inputs:
                    raise _Mistake(i, 0, f"macro {name!r} has an input, expected inputs on its pins")
            elif type_name == "macro_pin":
                self._add_pin(i, name, (self._number(i, "x_offset", 0.0), self._number(i, "y_offset", 0.0)))
            else:
                known = f"expected one of {', '.join(_TYPES)}"
                raise _Mistake(i, "type", f"node {name!r} has type {attrs.get('type')!r}, {known}")
            index += 1

    def _macro_kind(self, i: int) -> Kind:
        """The kind of the macro at index i of the file."""
        name, _, attrs = self.nodes[i]
        kind = attrs.get("kind")
        if kind is None:
            return kind_by_name(name)
        if kind not in _MACRO_KIND:
            raise _Mistake(i, "kind", f"macro {name!r} has kind {kind!r}, expected {' or '.join(_MACRO_KIND)}")
        return _MACRO_KIND[kind]

    def _add_pin(self, i: int, name: str, offset: tuple[float, float]) -> None:
        self.pin_of[name] = len(self.pin_file_node)
        self.pin_file_node.append(i)
        self.offset.append(offset)

    def _number(self, i: int, key: str, default: float | None) -> float:
        """The number in an attribute of the node at index i of the file; a default of None makes it mandatory."""
        token = self.nodes[i][2].get(key)
        if token is None:
            if default is None:
                raise _Mistake(i, "", f"node {self.nodes[i][0]!r} has no {key!r}, expected a number")
            return default
        try:
            return number(token)
        except ValueError as error:
            raise _Mistake(i, key, f"{key!r} of node {self.nodes[i][0]!r}: {error}") from None

    def _sizes(self) -> list[tuple[float, float]]:
        """[V] width and height of each node in µm."""
        sizes = []
        for i, kind in zip(self.file_node, self.kind, strict=True):
            default = 0.0 if kind == Kind.PORT else None
            size = self._number(i, "width", default), self._number(i, "height", default)
            if min(size) < 0:
                part = "width" if size[0] < 0 else "height"
                raise _Mistake(i, part, f"{part} of {self.nodes[i][0]!r} is {min(size):g}, expected at least 0")
            sizes.append(size)
        return sizes

    def _owners(self) -> list[int]:
        """[Q] the node that each pin is on."""
        owners = []
        for i in self.pin_file_node:
            name, _, attrs = self.nodes[i]
            owner = self.node_of.get(name)
            if owner is None:
                macro = attrs.get("macro_name")
                owner = self.node_of.get(macro) if macro is not None else None
                if owner is None:
                    expected = "expected the name of a macro" + hint(macro or "", list(self.node_of))
                    raise _Mistake(i, "macro_name", f"pin {name!r} has macro_name {macro!r}, {expected}")
            owners.append(owner)
        return owners

    def _nets(self) -> tuple[list[int], list[list[int]], list[float], list[int | None]]:
        """For each net its driving pin, its sinks, its weight, and its number if the file has one."""
        drivers: list[int] = []
        sinks: list[list[int]] = []
        weights: list[float] = []
        numbers: list[int | None] = []
        pin_of = self.pin_of
        for pin, i in enumerate(self.pin_file_node):
            name, inputs, attrs = self.nodes[i]
            if not inputs and "net_index" not in attrs:
                continue
            try:
                sinks.append([pin_of[sink] for sink in inputs])
            except KeyError:
                k, sink = next((k, sink) for k, sink in enumerate(inputs) if sink not in pin_of)
                what = "is a macro" if sink in self.node_of else "is not a node of this file"
                expected = "expected a pin, port or cell" + hint(sink, list(pin_of))
                raise _Mistake(i, k, f"input {sink!r} of {name!r} {what}, {expected}") from None
            weight = self._number(i, "weight", 1.0)
            if weight < 0:
                raise _Mistake(i, "weight", f"weight of {name!r} is {weight:g}, expected at least 0")
            if weight != 1 and attrs["type"].lower() == "port":
                self.port_weights += 1
                weight = 1.0
            drivers.append(pin)
            weights.append(weight)
            numbers.append(int(self._number(i, "net_index", -1.0)) if "net_index" in attrs else None)
        return drivers, sinks, weights, numbers

    def _ordered_nets(self) -> tuple[list[list[int]], list[float]]:
        """Pins and weight of each net, in the order of the netlist."""
        drivers, sinks, weights, numbers = self._nets()
        nets = [[driver, *pins] for driver, pins in zip(drivers, sinks, strict=True)]
        empty = self._floats("empty_nets")
        if not empty and all(k is None for k in numbers):
            return nets, weights
        total = len(nets) + len(empty)
        pins_at: list[list[int] | None] = [None] * total
        weight_at = [0.0] * total
        for driver, pins, weight, k in zip(drivers, nets, weights, numbers, strict=True):
            if k is None or not 0 <= k < total or pins_at[k] is not None:
                message = f"net_index is {k}, expected a number from 0 to {total - 1} that no other driver has"
                raise _Mistake(self.pin_file_node[driver], "net_index", message)
            pins_at[k], weight_at[k] = pins, weight
        rest = iter(empty)
        for k, pins_or_none in enumerate(pins_at):
            if pins_or_none is None:
                weight_at[k] = next(rest)
        return [pins or [] for pins in pins_at], weight_at

    def _floats(self, key: str) -> list[float]:
        """The numbers in an attribute of the metadata node."""
        try:
            return [number(token) for token in self.metadata.get(key, "").split()]
        except ValueError as error:
            raise _Mistake(self.metadata_at, key, f"{key!r}: {error}") from None

    def _rows(self) -> Rows | None:
        """The rows in the metadata node, or None."""
        if "rows" not in self.metadata:
            return None
        values = self._floats("rows")
        if len(values) % 5:
            message = f"'rows' has {len(values)} numbers, expected five per row (x, y, height, site, number of sites)"
            raise _Mistake(self.metadata_at, "rows", message)
        x, y, height, site, sites = np.array(values).reshape(-1, 5).T
        return Rows(x.copy(), y.copy(), height.copy(), site.copy(), sites.astype(np.int64))

    def _origin_um(self, box: Box) -> tuple[float, float]:
        """The lower-left corner of the canvas: that in the metadata node or, if there is none, that of the box."""
        values = self._floats("origin_um") or [box.x, box.y]
        if len(values) != 2:
            raise _Mistake(self.metadata_at, "origin_um", f"'origin_um' has {len(values)} numbers, expected two")
        return values[0], values[1]

    def _counts(self, kind: npt.NDArray[np.int8], pin_node: Ints) -> dict[str, int]:
        """The number of nodes of each type in the file."""
        own = np.array([name in self.node_of for name in self.pin_of], dtype=bool)
        pins = np.bincount(kind[pin_node[~own]], minlength=len(Kind))
        return node_counts(np.bincount(kind, minlength=len(Kind)), pins)

    def netlist(self, own: Header, plc: PlcFile | None) -> Netlist:
        """The netlist, given its `#` lines and its `.plc`, if there is one; raises `NetlistError` and `_Mistake`."""
        header = own if plc is None else plc.header.over(own)
        box = _canvas(self.path, header, plc)
        grid, notes = _grid(self.path, header, plc, box)
        routing, constraints = header.routing(), header.constraints((box.x, box.y))
        canvas_um = (box.width, box.height)
        kind = np.array(self.kind, dtype=np.int8)
        size_um = np.array(self._sizes(), dtype=float).reshape(-1, 2)
        position_um, orientation, fixed = self._positions(kind, plc)
        position_um -= (box.x, box.y)
        large = too_large(size_um, canvas_um) & (((kind == Kind.HARD) & ~fixed)[:, None])
        for v in np.flatnonzero(large.any(axis=1))[:1]:
            part = "width" if large[v, 0] else "height"
            limit = f"expected at most the canvas, {canvas_um[0]:.9g} by {canvas_um[1]:.9g} µm"
            raise self._at_node(v, part, f"is {size_um[v, 0]:.9g} by {size_um[v, 1]:.9g} µm, {limit}")
        pin_node = np.array(self._owners(), dtype=np.int64)
        pin_offset_um = np.array(self.offset, dtype=float).reshape(-1, 2)
        soft = kind[pin_node] == Kind.SOFT
        soft_offsets = int(pin_offset_um[soft].any(axis=1).sum())
        pin_offset_um[soft] = 0
        nets, weights = self._ordered_nets()
        notes += header_notes(own, plc.header if plc else None, self._counts(kind, pin_node))
        notes += node_notes(self.path.name, self.nodes, kind, orientation, soft_offsets, self.port_weights)
        try:
            return Netlist(
                name=stem(self.path) if stem(self.path) != "netlist" else self.path.absolute().parent.name,
                node_names=tuple(self.node_of), kind=kind, size_um=size_um, fixed=fixed, position_um=position_um,
                orientation=orientation, pin_node=pin_node, pin_offset_um=pin_offset_um,
                net_start=np.cumsum([0, *map(len, nets)]), net_pin=np.array([p for net in nets for p in net], np.int64),
                net_weight=np.array(weights, dtype=float), canvas_um=canvas_um, grid=grid, routing=routing,
                rows=self._rows(), origin_um=self._origin_um(box), pin_names=tuple(self.pin_of),
                file_index=np.array(self.file_index, dtype=np.int64), constraints=constraints,
                notes=tuple(notes),
            )  # fmt: skip
        except NetlistError as error:
            raise file_error(self.path, None, str(error)) from None

    def _positions(self, kind: npt.NDArray[np.int8], plc: PlcFile | None) -> tuple[Floats, npt.NDArray[np.int8], Bools]:
        """[V, 2] positions in the coordinates of the file, [V] orientations and whether nodes are fixed."""
        position_um = np.array([(self._number(i, "x", np.nan), self._number(i, "y", np.nan)) for i in self.file_node],
                               dtype=float).reshape(-1, 2)  # fmt: skip
        orientation = np.array([self._orientation(i) for i in self.file_node], dtype=np.int8)
        fixed = kind == Kind.PORT
        if plc is not None:
            node = plc.nodes(np.array(self.file_index, dtype=np.int64))
            position_um[node], orientation[node] = plc.center_um, plc.orientation
            fixed[node] |= plc.fixed
        for v in np.flatnonzero(fixed & ~np.isfinite(position_um).all(axis=1))[:1]:
            raise self._at_node(v, "x", "is fixed but has no position, expected x and y here or in the .plc")
        return position_um, orientation, fixed

    def _at_node(self, v: np.int64, part: str, message: str) -> _Mistake:
        """The error for a part of node v."""
        i = self.file_node[v]
        what = "hard macro" if self.kind[v] == Kind.HARD else "node"
        return _Mistake(i, part, f"{what} {self.nodes[i][0]!r} {message}")

    def _orientation(self, i: int) -> int:
        """The orientation of the node at index i of the file."""
        name = self.nodes[i][2].get("orientation", "N")
        if name not in ORIENTATIONS:
            expected = f"expected one of {', '.join(ORIENTATIONS)}"
            raise _Mistake(i, "orientation", f"node {self.nodes[i][0]!r} has orientation {name!r}, {expected}")
        return ORIENTATIONS.index(name)
