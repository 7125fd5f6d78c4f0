"""Write Circuit Training netlists in the text layout of its own files, attributes in alphabetical order.

The conventions are those of `reader`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from netlists.errors import NetlistError
from netlists.formats.circuit_training.layout import Layout, compute_layout
from netlists.formats.circuit_training.plc import plc_beside, plc_text
from netlists.formats.circuit_training.prototext import quote
from netlists.formats.textfile import decimal, write_texts
from netlists.netlist import ORIENTATIONS, Kind, Netlist

METADATA = "__metadata__"
"""The name of the node with data for which the format has no place."""

SOFT_PREFIX = "Grp"
"""Circuit Training recognizes soft macros by names that begin with this."""

MACRO_KIND = {Kind.HARD: "hard", Kind.SOFT: "soft"}
"""The attribute `kind` of macros whose names indicate the other kind."""

TYPE = {Kind.HARD: "MACRO", Kind.SOFT: "macro", Kind.PORT: "PORT", Kind.CELL: "STDCELL"}
"""The attribute `type` of nodes."""


def kind_by_name(macro: str) -> Kind:
    """The kind that the name of a macro indicates."""
    return Kind.SOFT if macro.startswith(SOFT_PREFIX) else Kind.HARD


def write_netlist(netlist: Netlist, path: str | Path) -> None:
    """Write a netlist and, beside it, its `.plc` (`plc_beside`): reading it gives an equal one (`Netlist.same_as`).

    Raises `NetlistError` for offsets of pins on soft macros, which the format does not have, and if a file cannot be
    written.
    """
    path = Path(path)
    layout = compute_layout(netlist)
    plc = plc_beside(path)
    placement = plc_text(netlist, layout, netlist.position_um, netlist.orientation, plc, {})
    write_texts({path: netlist_text(netlist, layout), plc: placement})


def netlist_text(netlist: Netlist, layout: Layout) -> str:
    """The text of the file; raises `NetlistError` for what the format cannot express."""
    n = netlist
    if METADATA in n.node_names:
        raise NetlistError(f"a node is named {METADATA!r}, which is reserved in protobuf netlists; rename it")
    soft = n.kind[n.pin_node] == Kind.SOFT
    if n.pin_offset_um[soft].any():
        pin = int(np.flatnonzero(soft & (n.pin_offset_um != 0).any(axis=1))[0])
        owner = n.node_names[n.pin_node[pin]]
        raise NetlistError(
            f"a pin of soft macro {owner!r} has an offset; in protobuf netlists pins of soft macros are at the center"
        )
    total = n.num_nodes + len(layout.pin)
    names = _file_names(n, layout, total)
    inputs = _inputs(n, layout, names)
    attrs = [""] * total
    weight, number = _net_attrs(n, layout, total)
    for index, text in zip(layout.node_index.tolist(), _node_attrs(n, layout, weight, number), strict=True):
        attrs[index] = text
    for index, text in zip(layout.pin_index.tolist(), _pin_attrs(n, layout, weight, number), strict=True):
        attrs[index] = text
    nodes = [f"node {{\n  name: {quote(name)}\n{i}{a}}}\n" for name, i, a in zip(names, inputs, attrs, strict=True)]
    return _metadata(n) + "".join(nodes)


def _file_names(n: Netlist, layout: Layout, total: int) -> list[str]:
    """The name of each node in the file: pins keep their names unless another node has the same."""
    names = [""] * total
    taken = set(n.node_names)
    for index, name in zip(layout.node_index.tolist(), n.node_names, strict=True):
        names[index] = name
    for index, pin in zip(layout.pin_index.tolist(), layout.pin.tolist(), strict=True):
        base = n.pin_names[pin] if n.pin_names else f"{n.node_names[n.pin_node[pin]]}/P{pin}"
        name, again = base, 1
        while name in taken or not name:
            name, again = f"{base}_{again}", again + 1
        taken.add(name)
        names[index] = name
    return names


def _inputs(n: Netlist, layout: Layout, names: list[str]) -> list[str]:
    """The `input:` lines of each node in the file."""
    inputs = [""] * len(names)
    line = [f"  input: {quote(name)}\n" for name in names]
    own = np.append(layout.pin_index, -1)[layout.pin_of]
    pin_index = np.where(own >= 0, own, layout.node_index[n.pin_node])[n.net_pin].tolist()  # [P]
    start = n.net_start.tolist()
    for net, driver in enumerate(layout.driver.tolist()):
        if driver >= 0:
            inputs[driver] = "".join([line[k] for k in pin_index[start[net] + 1 : start[net + 1]]])
    return inputs


def _net_attrs(n: Netlist, layout: Layout, total: int) -> tuple[list[str], list[str]]:
    """The `weight` and `net_index` attributes of each node in the file."""
    weight, number = [""] * total, [""] * total
    numbered = not layout.in_order or bool(np.any(np.diff(n.net_start) == 1))
    for net, (driver, value) in enumerate(zip(layout.driver.tolist(), n.net_weight.tolist(), strict=True)):
        if driver >= 0:
            weight[driver] = _number("weight", value) if value != 1 else ""
            number[driver] = _attr("net_index", f"i: {net}") if numbered else ""
    return weight, number


def _node_attrs(n: Netlist, layout: Layout, weight: list[str], number: list[str]) -> Iterator[str]:
    """The attributes of the nodes that are not pins, in the order of `Layout.node_index`."""
    fields = zip(layout.node_index.tolist(), n.node_names, n.kind.tolist(), n.size_um.tolist(), n.position_um.tolist(),
                 n.orientation.tolist(), strict=True)  # fmt: skip
    for index, name, kind, (width, height), (x, y), orientation in fields:
        is_port = kind == Kind.PORT
        sized = not is_port or width or height
        yield "".join(
            [
                _number("height", height) if sized else "",
                _word("kind", MACRO_KIND[Kind(kind)]) if kind in MACRO_KIND and kind != kind_by_name(name) else "",
                number[index],
                _word("orientation", ORIENTATIONS[orientation]) if orientation or kind == Kind.HARD else "",
                _word("side", _side(n, x, y)) if is_port else "",
                _word("type", TYPE[Kind(kind)]),
                weight[index],
                _number("width", width) if sized else "",
                _number("x", x) if x == x else "",
                _number("y", y) if y == y else "",
            ]
        )


def _side(n: Netlist, x: float, y: float) -> str:
    """The edge of the canvas that is nearest to a port."""
    width, height = n.canvas_um
    distance = {"LEFT": abs(x), "RIGHT": abs(width - x), "BOTTOM": abs(y), "TOP": abs(height - y)}
    return min(distance, key=lambda side: distance[side])


def _pin_attrs(n: Netlist, layout: Layout, weight: list[str], number: list[str]) -> Iterator[str]:
    """The attributes of the nodes that are pins, in the order of `Layout.pin`."""
    owner = n.pin_node[layout.pin]
    offset_um = n.pin_offset_um[layout.pin]
    fields = zip(layout.pin_index.tolist(), owner.tolist(), n.kind[owner].tolist(), offset_um.tolist(),
                 (n.position_um[owner] + offset_um).tolist(), strict=True)  # fmt: skip
    for index, v, kind, (dx, dy), (x, y) in fields:
        yield "".join(
            [
                _word("macro_name", n.node_names[v]),
                number[index],
                _word("type", "macro_pin" if kind == Kind.SOFT else "MACRO_PIN"),
                weight[index],
                _number("x", x) if x == x else "",
                _number("x_offset", dx),
                _number("y", y) if y == y else "",
                _number("y_offset", dy),
            ]
        )


def _metadata(n: Netlist) -> str:
    """The text of the metadata node, or an empty string if it has no content."""
    attrs = ""
    empty = n.net_weight[np.diff(n.net_start) == 0]
    if empty.size:
        attrs += _word("empty_nets", _joined(empty.tolist()))
    if n.origin_um != (0.0, 0.0):
        attrs += _word("origin_um", _joined(n.origin_um))
    if n.rows is not None:
        r = n.rows
        values = np.column_stack([r.x_um, r.y_um, r.height_um, r.site_um, r.num_sites])
        attrs += _word("rows", _joined(values.ravel().tolist()))
    return f'node {{\n  name: "{METADATA}"\n{attrs}}}\n' if attrs else ""


def _joined(values: Iterable[float]) -> str:
    return " ".join(map(decimal, values))


def _attr(key: str, value: str) -> str:
    return f'  attr {{\n    key: "{key}"\n    value {{\n      {value}\n    }}\n  }}\n'


def _number(key: str, value: float) -> str:
    return _attr(key, f"f: {decimal(value)}")


def _word(key: str, value: str) -> str:
    return _attr(key, f"placeholder: {quote(value)}")
