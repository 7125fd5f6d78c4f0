"""Notes on content of a Circuit Training netlist that is not used, or on which its files disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from netlists.formats.circuit_training.header import Box, Header
from netlists.formats.circuit_training.prototext import Node
from netlists.formats.textfile import number, rotated_notes

USED = frozenset(
    {"type", "kind", "x", "y", "width", "height", "orientation", "macro_name", "x_offset", "y_offset", "weight",
     "net_index", "empty_nets", "origin_um", "rows"}
)  # fmt: skip
"""Attributes that are used."""

IDLE = frozenset({"side", "ref_name", "soft_macro_area_bloating_ratio"})
"""Attributes without influence on where nodes may be placed: they are ignored without a note."""

ROUTING_FIELDS = {
    "routes": "routes per micron",
    "macro_routes": "routes used by macros",
    "smoothing": "smoothing factor",
}
"""Fields of a header with routing capacities, and their names in notes."""

ROUNDED_UM = 1e-3
"""Canvases whose sides differ by less are equal, in µm: a `.plc` has three decimals."""


def count_of(count: int, what: str) -> str:
    """A count with its noun, as in `1 port` or `1,200 ports`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def header_notes(netlist: Header, plc: Header | None, actual: Mapping[str, int]) -> Iterator[str]:
    """Notes on the `#` lines of a netlist and of its `.plc`; `actual` has the counts of nodes in the netlist."""
    for header in (netlist, plc):
        if header is not None:
            yield from _own_notes(header, actual)
    if plc is not None:
        yield from _differences(netlist, plc)


def _own_notes(header: Header, actual: Mapping[str, int]) -> Iterator[str]:
    """Notes on the `#` lines of one file."""
    file, counts = header.path.name, header.counts
    wrong = [f"{name} is {n:,}, but {actual[name]:,} were found" for name, n in counts.items() if n != actual[name]]
    if wrong:
        yield f"{file}: {', '.join(wrong)}"
    congestion, grid = header.grid("congestion_grid"), header.grid()
    if congestion and congestion != grid:
        yield f"{file}: congestion grid of {_shape(congestion)} not used: congestion is computed on the density grid"


def _differences(netlist: Header, plc: Header) -> Iterator[str]:
    """Notes on the values that differ between the headers; those of the `.plc` are used."""
    box, other = netlist.box(), plc.box()
    if box and other and max(abs(box.width - other.width), abs(box.height - other.height)) > ROUNDED_UM:
        yield _difference("canvas", netlist, _size(box), plc, _size(other))
    grid, used = netlist.grid(), plc.grid()
    if grid and used and grid != used:
        yield _difference("grid", netlist, _shape(grid), plc, _shape(used))
    for name, what in ROUTING_FIELDS.items():
        if name in netlist.fields and name in plc.fields:
            values, used_values = netlist.fields[name], plc.fields[name]
            if values.convert(number) != used_values.convert(number):
                yield _difference(what, netlist, " and ".join(values.values), plc, " and ".join(used_values.values))


def _difference(what: str, netlist: Header, unused: str, plc: Header, used: str) -> str:
    """The note on one value that differs."""
    return f"{what} is {unused} in {netlist.path.name}, but {used} in {plc.path.name}, which is used"


def _size(box: Box) -> str:
    """The size of a canvas, in words."""
    return f"{box.width:.9g} by {box.height:.9g} µm"


def _shape(grid: tuple[int, int]) -> str:
    """The shape of a grid, in words."""
    return f"{grid[1]} columns by {grid[0]} rows"


def node_notes(
    file: str, nodes: Iterable[Node], kind: npt.NDArray[np.int8], orientation: npt.NDArray[np.int8],
    soft_offsets: int, port_weights: int,
) -> Iterator[str]:  # fmt: skip
    """Notes on the nodes of a file, given the kinds [V] and orientations [V].

    `soft_offsets` is the number of pins of soft macros whose offset is not used, `port_weights` the number of ports
    whose weight is not used.
    """
    if port_weights:
        yield f"{file}: weight of {count_of(port_weights, 'port')} not used: it is 1, as in the reference"
    if soft_offsets:
        yield f"{file}: offset of {count_of(soft_offsets, 'pin')} of soft macros not used: they are at the center"
    yield from rotated_notes(file, kind, orientation)
    keys = Counter(key for _, _, attrs in nodes for key in attrs)
    if unknown := sorted(keys.keys() - USED - IDLE):
        listed = (f"{key!r} of {count_of(keys[key], 'node')}" for key in unknown)
        yield f"{file}: attributes not used: {', '.join(listed)}"
