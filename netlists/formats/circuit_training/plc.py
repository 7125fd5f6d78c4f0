"""Circuit Training placement files (`.plc`): canvas, grid and routing in `#` lines, then one line per node.

    # Columns : 24  Rows : 21
    # Width : 1433.406  Height : 1433.406
    # node_index x y orientation fixed
    0 0.035 350.07 - 1

Positions are centers in µm.  The index counts all nodes of the protobuf file, including pins; the orientation is
absolute, and `-` stands for N.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from netlists.formats.circuit_training.header import Header, node_counts, read_header
from netlists.formats.circuit_training.layout import Layout, compute_layout
from netlists.formats.textfile import (
    build_placement,
    decimal,
    file_error,
    number,
    read_text,
    unexpected,
    whole,
    write_text,
)
from netlists.netlist import ORIENTATIONS, Bools, Floats, Ints, Kind, Netlist
from netlists.placement import Placement

MAX_INDEX = 10**9
"""Larger indices than this are a mistake in the file."""

PARTIAL_RATE = 0.5
"""The blocked fraction that is written for a partial blockage."""

_CODE = {name: code for code, name in enumerate(ORIENTATIONS)} | {"-": 0}


@dataclass(frozen=True, eq=False)
class PlcFile:
    """The content of a `.plc` with K lines of nodes."""

    path: Path
    header: Header
    index: Ints  # [K] index in the protobuf file
    center_um: Floats  # [K, 2]
    orientation: npt.NDArray[np.int8]  # [K] index into ORIENTATIONS
    fixed: Bools  # [K]
    line: Ints  # [K] line number

    def nodes(self, file_index: Ints) -> Ints:
        """[K] the node of each line, given the index of each node [V] in the protobuf file.

        Raises `NetlistError` for an index that belongs to no node or occurs twice.
        """
        node_of = {index: node for node, index in enumerate(file_index.tolist())}
        nodes: dict[int, None] = {}
        for index, line in zip(self.index.tolist(), self.line.tolist(), strict=True):
            node = node_of.get(index)
            if node is None:
                raise file_error(
                    self.path, line, f"index {index} is not a macro, port or cell, expected one of the netlist's "
                    f"{len(file_index)} nodes: is this a placement of another netlist?",
                )  # fmt: skip
            if node in nodes:
                raise file_error(self.path, line, f"index {index} occurs a second time, expected every node once")
            nodes[node] = None
        return np.fromiter(nodes, dtype=np.int64, count=len(nodes))


def plc_beside(path: Path) -> Path:
    """The `.plc` of a netlist file: `initial.plc` for `netlist.pb.txt`, `NAME.plc` for `NAME.pb.txt`."""
    name = stem(path)
    return path.with_name("initial.plc" if name == "netlist" else f"{name}.plc")


def stem(path: Path) -> str:
    """The name of a netlist file without its suffixes."""
    return path.name.removesuffix(".gz").removesuffix(".txt").removesuffix(".pb")


def parse_plc(path: Path) -> PlcFile:
    """Read a `.plc`, plain or `.gz`; raises `NetlistError` naming file and line."""
    comments: list[tuple[int, str]] = []
    index: list[int] = []
    x: list[float] = []
    y: list[float] = []
    orientation: list[int] = []
    fixed: list[bool] = []
    lines: list[int] = []
    for line, text in enumerate(read_text(path).split("\n"), 1):
        if text.lstrip().startswith("#"):
            comments.append((line, text))
            continue
        fields = text.split()
        if not fields:
            continue
        if len(fields) != 5 or fields[3] not in _CODE or fields[4] not in ("0", "1"):
            raise unexpected(path, line, text.strip(), "'node_index x y orientation fixed'")
        try:
            index.append(whole(fields[0], 0, MAX_INDEX))
            x.append(number(fields[1]))
            y.append(number(fields[2]))
        except ValueError as error:
            raise file_error(path, line, str(error)) from None
        orientation.append(_CODE[fields[3]])
        fixed.append(fields[4] == "1")
        lines.append(line)
    return PlcFile(
        path, read_header(path, comments), np.array(index, dtype=np.int64),
        np.column_stack([np.array(x, float), np.array(y, float)]),
        np.array(orientation, dtype=np.int8), np.array(fixed, dtype=bool), np.array(lines, dtype=np.int64),
    )  # fmt: skip


def read_plc(netlist: Netlist, path: str | Path) -> Placement:
    """Read a placement of the netlist; its header is not needed.

    Fixed nodes keep their position in the netlist.  Raises `NetlistError` naming file and line if the file is wrong or
    that of another netlist, and `PlacementError` if it moves a fixed node or lacks a movable one.
    """
    plc = parse_plc(Path(path))
    node = plc.nodes(compute_layout(netlist).node_index)
    return build_placement(netlist, plc.path, node, plc.line, plc.center_um, plc.orientation)


def write_plc(placement: Placement, path: str | Path, costs: Mapping[str, float] | None = None) -> None:
    """Write a placement; `costs` has `wirelength`, `density` and `congestion`, each optional, for the header.

    Nodes are numbered as in the protobuf file that the netlist came from or, if there is none, as `write_netlist`
    numbers them.  Coordinates have all digits, so that reading gives the same placement.  Raises `NetlistError` if the
    file cannot be written.
    """
    p, path = placement, Path(path)
    write_text(path, plc_text(p.netlist, compute_layout(p.netlist), p.position_um, p.orientation, path, costs or {}))


def plc_text(
    netlist: Netlist, layout: Layout, position_um: Floats, orientation: npt.NDArray[np.int8], path: Path,
    costs: Mapping[str, float],
) -> str:  # fmt: skip
    """The text of a `.plc` for centers [V, 2] in µm and orientations [V].

    Nodes without a position (NaN) get no line.
    """
    lines = [*_header(netlist, layout, path, costs), "# node_index x y orientation fixed"]
    plain_port = ((netlist.kind == Kind.PORT) & (orientation == 0)).tolist()
    known = (np.isfinite(position_um[:, 0]) & np.isfinite(position_um[:, 1])).tolist()
    rows = zip(layout.node_index.tolist(), position_um.tolist(), orientation.tolist(), netlist.fixed.tolist(),
               plain_port, known, strict=True)  # fmt: skip
    lines += [
        f"{index} {decimal(x)} {decimal(y)} {'-' if plain else ORIENTATIONS[code]} {int(fixed)}"
        for index, (x, y), code, fixed, plain, has_position in rows
        if has_position
    ]
    return "\n".join(lines) + "\n"


def _header(n: Netlist, layout: Layout, path: Path, costs: Mapping[str, float]) -> Iterator[str]:
    """The `#` lines, with the fields of Circuit Training's files in their order."""
    width, height = n.canvas_um
    area = float(n.size_um[n.kind != Kind.PORT].prod(axis=1).sum())
    r = n.routing
    yield "# Placement file for Circuit Training"
    yield f"# Source input file(s) : {n.name}"
    yield f"# This file : {path.name}"
    yield f"# Columns : {n.grid[1]}  Rows : {n.grid[0]}"
    yield f"# Width : {decimal(width)}  Height : {decimal(height)}"
    yield f"# Area (stdcell+macros) : {decimal(area)}"
    if "wirelength" in costs:
        # The proxy's wirelength is the weighted HPWL over (W + H) and the sum of the weights.
        yield f"# Wirelength : {costs['wirelength'] * (width + height) * float(n.net_weight.sum()):.3f}"
    for name in ("wirelength", "congestion", "density"):
        if name in costs:
            yield f"# {name.capitalize()} cost : {costs[name]:.4f}"
    yield "# Project : chipscape"
    yield f"# Block : {n.name}"
    yield f"# Routes per micron, hor : {decimal(r.horizontal_per_um)}  ver : {decimal(r.vertical_per_um)}"
    macro_hor, macro_ver = decimal(r.macro_horizontal_per_um), decimal(r.macro_vertical_per_um)
    yield f"# Routes used by macros, hor : {macro_hor}  ver : {macro_ver}"
    yield f"# Smoothing factor : {r.smoothing}"
    for blockage in n.constraints.blockages if n.constraints else ():
        box = " ".join(map(decimal, blockage.box_um))
        yield f"# Blockage : {box} {PARTIAL_RATE if blockage.kind == 'partial' else 1.0}"
    yield "#"
    yield "# Counts of node types:"
    pins = np.bincount(n.kind[n.pin_node[layout.pin]], minlength=len(Kind))
    for name, count in node_counts(np.bincount(n.kind, minlength=len(Kind)), pins).items():
        yield f"# {name:<15} : {count:>9}"
    yield "#"
