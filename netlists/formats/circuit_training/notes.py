"""What a Circuit Training netlist says that is not used, or that its files disagree about: a line for each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from netlists.formats.circuit_training.header import Box, Header
from netlists.formats.circuit_training.prototext import Node
from netlists.formats.textfile import number
from netlists.formats.turned import turned_notes

USED = frozenset(
    {"type", "kind", "x", "y", "width", "height", "orientation", "macro_name", "x_offset", "y_offset", "weight",
     "net_index", "empty_nets", "origin_um", "rows"}
)  # fmt: skip
IDLE = frozenset({"side", "ref_name", "soft_macro_area_bloating_ratio"})
"""Attributes that say nothing about where nodes may lie: their loss needs no note."""

ROUTING = {"routes": "routes per micron", "macro_routes": "routes used by macros", "smoothing": "smoothing factor"}
ROUNDED_UM = 1e-3
"""Canvases closer than this are equal: a `.plc` has three decimals."""


def counted(count: int, what: str) -> str:
    """`1 port`, `1,200 ports`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def header_notes(netlist: Header, plc: Header | None, found: Mapping[str, int]) -> Iterator[str]:
    """Notes on the `#` lines of a netlist and of its `.plc`; `found` has the counts of nodes in the netlist."""
    for header in (netlist, plc):
        if header is not None:
            yield from _own_notes(header, found)
    if plc is not None:
        yield from _differences(netlist, plc)


def _own_notes(header: Header, found: Mapping[str, int]) -> Iterator[str]:
    """Notes on the `#` lines of one file."""
    file, counts = header.path.name, header.counts
    wrong = [f"{name} is {n:,}, but {found[name]:,} were found" for name, n in counts.items() if n != found[name]]
    if wrong:
        yield f"{file}: {', '.join(wrong)}"
    if header.blockages:
        yield f"{file}: {counted(header.blockages, 'blockage')} not used: macros and cells may lie there"
    congestion, grid = header.grid("congestion_grid"), header.grid()
    if congestion and congestion != grid:
        yield f"{file}: congestion grid of {_shape(congestion)} not used: congestion has the grid of the density"


def _differences(netlist: Header, plc: Header) -> Iterator[str]:
    """Notes on what both headers have, differently: what the `.plc` says is used."""
    box, other = netlist.box(), plc.box()
    if box and other and max(abs(box.width - other.width), abs(box.height - other.height)) > ROUNDED_UM:
        yield _difference("canvas", netlist, _size(box), plc, _size(other))
    grid, used = netlist.grid(), plc.grid()
    if grid and used and grid != used:
        yield _difference("grid", netlist, _shape(grid), plc, _shape(used))
    for name, what in ROUTING.items():
        if name in netlist.fields and name in plc.fields:
            values, used_values = netlist.fields[name], plc.fields[name]
            if values.converted(number) != used_values.converted(number):
                yield _difference(what, netlist, " and ".join(values.values), plc, " and ".join(used_values.values))


def _difference(what: str, netlist: Header, found: str, plc: Header, used: str) -> str:
    return f"{what} is {found} in {netlist.path.name}, but {used} in {plc.path.name}, which is used"


def _size(box: Box) -> str:
    return f"{box.width:.9g} by {box.height:.9g} µm"


def _shape(grid: tuple[int, int]) -> str:
    return f"{grid[1]} columns by {grid[0]} rows"


def node_notes(
    file: str, nodes: Iterable[Node], kind: npt.NDArray[np.int8], orientation: npt.NDArray[np.int8],
    soft_offsets: int, port_weights: int,
) -> Iterator[str]:  # fmt: skip
    """Notes on the nodes of a file, given [V] kinds and orientations, and how many pins of soft macros have an offset
    and how many ports a weight that are not used."""
    if port_weights:
        yield f"{file}: weight of {counted(port_weights, 'port')} not used: nets of ports weigh 1, as in the reference"
    if soft_offsets:
        yield f"{file}: offset of {counted(soft_offsets, 'pin')} of soft macros not used: they are taken at the center"
    yield from turned_notes(file, kind, orientation)
    keys = Counter(key for _, _, attrs in nodes for key in attrs)
    if unknown := sorted(keys.keys() - USED - IDLE):
        listed = (f"{key!r} of {counted(keys[key], 'node')}" for key in unknown)
        yield f"{file}: attributes not used: {', '.join(listed)}"
