"""`Netlist`: a chip as frozen flat arrays, which are checked once.

Nodes are hard macros, soft macros (clusters of standard cells), ports and standard cells.  Pins are on nodes.  A net is
a list of pins, the first of which drives it.  Lengths are in µm; positions are measured from the lower-left corner of
the canvas.

A view is data derived from a netlist.  It is computed once, stored with the netlist and freed with it: a
`cached_property` of `Netlist`, or a function decorated with `cached_view`.  These are all of them:

    Netlist.hard, .soft, .ports, .cells       indices of the nodes of a kind
    Netlist.movable_hard, .movable_soft       indices of the nodes that may be moved
    Netlist.connection_node, _offset_um, _net   node, pin offset and net of each connection
    netlists.rows.cover.blocked               rectangles of the canvas in which hard macros may not be
    netlists.legality.rules.rules             the constraints of all nodes as arrays
    netlists.rows.derived.cell_rows           the rows on which standard cells are placed
    placer.cost.unique_pins.unique_pins       distinct pins and merged nets, for the exact cost
    placer.soft.node_nets.node_nets           nets merged at node level, for features and soft macros
    placer.legalization.legalize.check_room   whether a legal placement of the macros can exist
    placer.legalization.by_rules.demand_feasible  whether each macro has a place under the constraints alone
    placer.legalization.packing._cache_entry  the packing found from the sizes of the macros alone
    placer.runs.run_folder.digest             SHA-256 of the content
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from netlists.constraints import Constraints
from netlists.errors import NetlistError, did_you_mean
from netlists.tolerance import too_large

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Arguments = ParamSpec("Arguments")
View = TypeVar("View")

ORIENTATIONS = ("N", "S", "FN", "FS", "E", "W", "FE", "FW")
"""The orientation names of DEF; an orientation is stored as its index in this tuple."""

ORIENTATION_MATRIX: Floats = np.array(
    [
        [[1, 0], [0, 1]],  # N   (x, y)
        [[-1, 0], [0, -1]],  # S   (-x, -y)
        [[-1, 0], [0, 1]],  # FN  (-x, y)
        [[1, 0], [0, -1]],  # FS  (x, -y)
        [[0, 1], [-1, 0]],  # E   (y, -x)
        [[0, -1], [1, 0]],  # W   (-y, x)
        [[0, -1], [-1, 0]],  # FE  (-y, -x)
        [[0, 1], [1, 0]],  # FW  (y, x)
    ],
    dtype=np.float64,
)
"""[8, 2, 2] the matrix by which each orientation multiplies the offset of a pin from the center of its node."""


class Kind(IntEnum):
    """The kinds of nodes."""

    HARD = 0  # a macro of fixed shape (memory, IP block); must not overlap another hard macro
    SOFT = 1  # a cluster of standard cells; may overlap anything
    PORT = 2  # an input or output of the chip, at a fixed position
    CELL = 3  # a standard cell, to be clustered or placed on rows


LEAST_CAPACITY = 1e-9
"""The least routing capacity, in tracks per µm: with less, congestion is no number to work with."""
MOST_CAPACITY = 1e12
"""The largest routing capacity, in tracks per µm."""
MOST_SMOOTHING = 10_000
"""The largest range of smoothing, in grid cells."""
MOST_CELLS = 1_000_000
"""Most cells of a grid: every method has arrays of all of them."""
LEAST_SIDE_UM = 1e-6
"""The shortest side of a canvas and of a row, in µm."""
MOST_SIDE_UM = 1e12
"""The longest side of a canvas and of a row, in µm; below it sums of products stay finite."""


@dataclass(frozen=True)
class Routing:
    """Routing capacity in tracks per µm, as in the header of a Circuit Training `.plc`.

    Raises `NetlistError` for a capacity that is not from LEAST_CAPACITY to MOST_CAPACITY, tracks used by macros
    that are negative or above the latter, and a smoothing range that is not a whole number of cells.
    """

    horizontal_per_um: float = 70.33  # horizontal tracks per µm of height
    vertical_per_um: float = 74.51  # vertical tracks per µm of width
    macro_horizontal_per_um: float = 51.79  # horizontal tracks that a hard macro blocks, per µm of its height
    macro_vertical_per_um: float = 51.79  # vertical tracks that a hard macro blocks, per µm of its width
    smoothing: int = 2  # net congestion is averaged over this many grid cells on each side

    def __post_init__(self) -> None:
        capacities = (self.horizontal_per_um, self.vertical_per_um)
        if not all(LEAST_CAPACITY <= capacity <= MOST_CAPACITY for capacity in capacities):
            raise NetlistError(
                f"routes per micron are {capacities[0]:g} and {capacities[1]:g}; expected positive numbers, from "
                f"{LEAST_CAPACITY:g} to {MOST_CAPACITY:g}"
            )
        if not (
            0 <= self.macro_horizontal_per_um <= MOST_CAPACITY and 0 <= self.macro_vertical_per_um <= MOST_CAPACITY
        ):
            raise NetlistError(f"routes used by macros must be at least 0 and at most {MOST_CAPACITY:g}")
        if not (0 <= self.smoothing <= MOST_SMOOTHING and self.smoothing == int(self.smoothing)):
            raise NetlistError(f"smoothing factor is {self.smoothing:g}; expected a whole number, 0 or more, at "
                               f"most {MOST_SMOOTHING}")  # fmt: skip


@dataclass(frozen=True)
class RoutingLayer:
    """A routing layer of the technology, with the tracks that run in its preferred direction."""

    name: str
    horizontal: bool  # whether its tracks run from left to right
    tracks_per_um: float
    macro_fraction: float  # of the area of hard macros that their obstructions cover, the mean over the masters


BLOCKING = 0.5
"""Fraction of the area of hard macros from which on their obstructions block a layer."""


def routing_of(layers: Iterable[RoutingLayer]) -> Routing | None:
    """The tracks per µm of all layers together; None if one direction has none.

    Hard macros use up those of the layers that they block.
    """
    free, used = [0.0, 0.0], [0.0, 0.0]  # vertical, horizontal
    for layer in layers:
        free[layer.horizontal] += layer.tracks_per_um
        if layer.macro_fraction >= BLOCKING:
            used[layer.horizontal] += layer.tracks_per_um
    return Routing(free[True], free[False], used[True], used[False]) if min(free) > 0 else None


@dataclass(frozen=True, eq=False)
class Rows:
    """K rows of placement sites for standard cells, as in Bookshelf's `.scl`; each subrow is one entry."""

    x_um: Floats  # [K] left end
    y_um: Floats  # [K] bottom
    height_um: Floats  # [K]
    site_um: Floats  # [K] distance between neighboring sites
    num_sites: Ints  # [K]

    @property
    def right_um(self) -> Floats:
        """[K] right end of each row, in µm."""
        return self.x_um + self.site_um * self.num_sites

    def __len__(self) -> int:
        return len(self.x_um)


@dataclass(frozen=True, eq=False)
class TrackGrid:
    """Lower-left corners at which pins are on routing tracks: multiples of a pitch from an offset, in µm."""

    pitch_um: Floats  # [V, 2] in x and y; 0 for anywhere
    offset_um: Floats  # [V, 8, 2] for each orientation, from the corner of the canvas


@dataclass(frozen=True, eq=False)
class Netlist:
    """V nodes joined by N nets on a fixed canvas with a grid of R×C cells.

    The nets have P connections in all, to Q pins: a pin may belong to several nets, as an input pin of a soft macro
    stands for many.  `position_um` and `orientation` are those of the file that the netlist came from: binding for
    fixed nodes and ports, a suggestion for the others (NaN if there is none).  Raises `NetlistError` if a rule is
    broken (see `check`).
    """

    name: str
    node_names: tuple[str, ...]  # [V]
    kind: npt.NDArray[np.int8]  # [V] a `Kind`
    size_um: Floats  # [V, 2] width, height
    fixed: Bools  # [V] whether the node may not be moved; always true for ports
    position_um: Floats  # [V, 2] centers
    orientation: npt.NDArray[np.int8]  # [V] index into ORIENTATIONS
    pin_node: Ints  # [Q] the node that each pin is on
    pin_offset_um: Floats  # [Q, 2] from the center of that node, for orientation N
    net_start: Ints  # [N+1] net n has the connections net_start[n]:net_start[n+1], the driver first
    net_pin: Ints  # [P] the pin of each connection
    net_weight: Floats  # [N]
    canvas_um: tuple[float, float]  # width, height
    grid: tuple[int, int]  # rows R, columns C
    routing: Routing = field(default_factory=Routing)
    rows: Rows | None = None
    origin_um: tuple[float, float] = (0.0, 0.0)  # the lower-left corner of the canvas in the coordinates of the file
    pin_names: tuple[str, ...] = ()  # [Q], or empty if pins have no names
    net_names: tuple[str, ...] = ()  # [N], or empty if nets have no names
    file_index: Ints | None = None  # [V] index of each node in a protobuf file, which counts pins too
    def_file: str = ""  # path of the DEF file that it was read from; empty for other formats
    units_per_um: float = 0.0  # database units of the DEF file, of which positions in it are multiples; 0 for any
    sideways: Bools | None = None  # [V] whether a node lies on its side in the DEF file; its size and pins are turned
    masters: tuple[str, ...] = ()  # [V] the master of each node, empty for ports; or empty if there are none
    constraints: Constraints | None = None  # on the hard macros; None asks for nothing
    tracks: TrackGrid | None = None  # where corners of hard macros have their pins on routing tracks
    layers: tuple[RoutingLayer, ...] = ()  # for wires, from the lowest, without that of the pins; or empty if unknown
    notes: tuple[str, ...] = ()  # what the reader changed or could not use, one line each, for the user

    def __post_init__(self) -> None:
        check(self)
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        """The fields, without the views: these are computed again from a copy."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over the fields, frozen: kernels would be compiled again for arrays that may be written to."""
        self.__dict__.update(state)
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def num_nodes(self) -> int:
        """V."""
        return len(self.kind)

    @property
    def num_nets(self) -> int:
        """N."""
        return len(self.net_weight)

    @property
    def cell_um(self) -> tuple[float, float]:
        """Width and height of a grid cell, in µm."""
        return self.canvas_um[0] / self.grid[1], self.canvas_um[1] / self.grid[0]

    @cached_property
    def hard(self) -> Ints:
        """[M] indices of the hard macros, rising."""
        return np.flatnonzero(self.kind == Kind.HARD)

    @cached_property
    def soft(self) -> Ints:
        """Indices of the soft macros, rising."""
        return np.flatnonzero(self.kind == Kind.SOFT)

    @cached_property
    def ports(self) -> Ints:
        """Indices of the ports, rising."""
        return np.flatnonzero(self.kind == Kind.PORT)

    @cached_property
    def cells(self) -> Ints:
        """Indices of the standard cells, rising."""
        return np.flatnonzero(self.kind == Kind.CELL)

    @cached_property
    def movable_cells(self) -> Ints:
        """Indices of the standard cells that may be moved, rising."""
        return self.cells[~self.fixed[self.cells]]

    @cached_property
    def movable_hard(self) -> Ints:
        """Indices of the hard macros that may be moved, rising."""
        return self.hard[~self.fixed[self.hard]]

    @cached_property
    def movable_soft(self) -> Ints:
        """Indices of the soft macros, then of the standard cells, that may be moved."""
        soft = np.concatenate([self.soft, self.cells])
        return freeze(soft[~self.fixed[soft]])

    @cached_property
    def connection_node(self) -> Ints:
        """[P] the node of each connection."""
        return freeze(self.pin_node[self.net_pin])

    @cached_property
    def connection_offset_um(self) -> Floats:
        """[P, 2] offset of each connection from the center of its node in µm, for orientation N."""
        return freeze(self.pin_offset_um[self.net_pin])

    @cached_property
    def connection_net(self) -> Ints:
        """[P] the net of each connection."""
        return freeze(np.repeat(np.arange(self.num_nets), np.diff(self.net_start)))

    def index(self, node_name: str) -> int:
        """The index of the node with a name; raises `NetlistError` with the nearest name if there is none."""
        index = self._index_of.get(node_name)
        if index is None:
            hint = did_you_mean(node_name, self.node_names)
            raise NetlistError(f"no node named {node_name!r} among {self.num_nodes}{hint}")
        return index

    def find(self, node_name: str) -> int | None:
        """The index of the node with a name, or None."""
        return self._index_of.get(node_name)

    def turned_offsets_um(self, orientation: npt.NDArray[np.int8]) -> Floats:
        """[P, 2] offset of each connection from the center of its node in µm, for orientations [V] of the nodes."""
        turn = ORIENTATION_MATRIX[orientation[self.connection_node]]
        return np.asarray(np.einsum("pij,pj->pi", turn, self.connection_offset_um))

    def connections_by_node(self) -> tuple[Ints, Ints]:
        """[P] the connections sorted by their node, and [V+1] where those of each node begin there; not frozen."""
        by_node = np.argsort(self.connection_node, kind="stable")
        return by_node, np.searchsorted(self.connection_node[by_node], np.arange(self.num_nodes + 1))

    @cached_property
    def _index_of(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.node_names)}

    @cached_property
    def _views(self) -> dict[Any, Any]:
        """The results of the functions decorated with `cached_view`."""
        return {}

    def with_(self, **changes: Any) -> Netlist:
        """A copy with some fields replaced, checked again; raises `NetlistError` as `check` does."""
        return replace(self, **changes)

    def same_as(self, other: Netlist) -> bool:
        """Whether both describe the same chip: every field is equal except pin names, net names and notes.

        Connections are compared, not the table of pins: a pin shared by two nets equals two pins at one position.
        """
        scalars = ("node_names", "canvas_um", "grid", "routing", "origin_um")
        arrays = ("kind", "size_um", "fixed", "position_um", "orientation", "net_start", "net_weight")
        derived = ("connection_node", "connection_offset_um")
        return (
            all(getattr(self, f) == getattr(other, f) for f in scalars)
            and all(_equal(getattr(self, f), getattr(other, f)) for f in arrays + derived)
            and _same_rows(self.rows, other.rows)
        )


def cached_view(
    compute: Callable[Concatenate[Netlist, Arguments], View],
) -> Callable[Concatenate[Netlist, Arguments], View]:
    """Decorate a function of a netlist so that its result is stored with the netlist, and freed with it.

    Further arguments, if any, must be hashable; each combination of them has a result of its own.  The result must not
    be changed.  List the function in the table at the top of this module.
    """

    @wraps(compute)
    def view(netlist: Netlist, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> View:
        key = (compute, args, *kwargs.items())
        if key not in netlist._views:
            netlist._views[key] = compute(netlist, *args, **kwargs)
        result: View = netlist._views[key]
        return result

    return view


def freeze(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Make an array [K] (or of any other shape) of values read-only, and return it."""
    array.flags.writeable = False
    return array


def _equal(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _same_rows(a: Rows | None, b: Rows | None) -> bool:
    if a is None or b is None:
        return a is b
    return all(_equal(getattr(a, f), getattr(b, f)) for f in ("x_um", "y_um", "height_um", "site_um", "num_sites"))


def check(netlist: Netlist) -> None:
    """Check the arrays of a netlist.

    Raises `NetlistError` naming the first node, pin or net that breaks a rule: shapes agree, names are unique, indices
    are in range, numbers are finite, sizes and weights are at least 0, fixed nodes have positions, ports are fixed, and
    movable hard macros are no larger than the canvas; canvas, grid and rows are within their limits.
    """
    n = netlist
    v, q, nets = len(n.node_names), len(n.pin_node), len(n.net_weight)
    _check_shapes(n, v, q, nets)
    width, height = n.canvas_um
    if not all(LEAST_SIDE_UM <= side <= MOST_SIDE_UM for side in n.canvas_um):
        raise NetlistError(f"canvas is {width} by {height} µm; expected two positive numbers, from "
                           f"{LEAST_SIDE_UM:g} to {MOST_SIDE_UM:g}")  # fmt: skip
    if min(n.grid) < 1 or n.grid[0] * n.grid[1] > MOST_CELLS:
        raise NetlistError(f"grid is {n.grid[0]} rows by {n.grid[1]} columns; expected at least 1 by 1 and at most "
                           f"{MOST_CELLS:,} cells")  # fmt: skip
    if len(set(n.node_names)) != v:
        seen: set[str] = set()
        twice = next(name for name in n.node_names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise NetlistError(f"node {twice!r} is defined twice; expected every name once")
    _check_values(n, v, q)
    _check_sizes(n)
    if n.rows:
        check_rows(n.rows)


def check_rows(rows: Rows) -> None:
    """Raise `NetlistError` for rows without sites, or with a place, height or site that is not a length."""
    sides = (rows.height_um, rows.site_um, rows.site_um * rows.num_sites)
    fits = np.logical_and.reduce([(side >= LEAST_SIDE_UM) & (side <= MOST_SIDE_UM) for side in sides])
    fits &= (np.abs(rows.x_um) <= MOST_SIDE_UM) & (np.abs(rows.y_um) <= MOST_SIDE_UM) & (rows.num_sites > 0)
    if not len(rows) or not fits.all():
        k = int(np.argmin(fits)) if len(rows) else -1
        problem = "there are no rows" if k < 0 else (
            f"row {k} is at {rows.x_um[k]:g}, {rows.y_um[k]:g} µm, {rows.height_um[k]:g} µm high, with "
            f"{rows.num_sites[k]} sites of {rows.site_um[k]:g} µm"
        )  # fmt: skip
        raise NetlistError(f"{problem}; expected rows with sites, of {LEAST_SIDE_UM:g} to {MOST_SIDE_UM:g} µm")


def _check_shapes(n: Netlist, v: int, q: int, nets: int) -> None:
    expected = {
        "kind": (v,), "size_um": (v, 2), "fixed": (v,), "position_um": (v, 2), "orientation": (v,),
        "pin_offset_um": (q, 2), "net_start": (nets + 1,), "net_pin": (n.net_start[-1] if len(n.net_start) else 0,),
    }  # fmt: skip
    for field_name, shape in expected.items():
        actual = getattr(n, field_name).shape
        if actual != shape:
            raise NetlistError(f"{field_name} has shape {actual}; expected {shape}")
    names_of = ((n.pin_names, q, "pin_names"), (n.net_names, nets, "net_names"), (n.masters, v, "masters"))
    for names, count, what in names_of:
        if names and len(names) != count:
            raise NetlistError(f"{what} has {len(names)} names; expected {count} or none")


def _check_values(n: Netlist, v: int, q: int) -> None:
    if n.net_start[0] != 0 or np.any(np.diff(n.net_start) < 0):
        raise NetlistError("net_start must begin at 0 and never decrease")
    for values, limit, what in ((n.pin_node, v, "pin"), (n.net_pin, q, "connection")):
        stray = np.flatnonzero((values < 0) | (values >= limit))
        if stray.size:
            raise NetlistError(f"{what} {stray[0]} points to {values[stray[0]]}; expected 0..{limit - 1}")
    bad = np.flatnonzero(~np.isfinite(n.pin_offset_um).all(axis=1))
    if bad.size:
        owner = n.node_names[n.pin_node[bad[0]]]
        raise NetlistError(f"a pin of node {owner!r} has offset {n.pin_offset_um[bad[0]]}; expected finite numbers")
    bad = np.flatnonzero(~(np.isfinite(n.net_weight) & (n.net_weight >= 0)))
    if bad.size:
        raise NetlistError(f"net {bad[0]} has weight {n.net_weight[bad[0]]}; expected a number of at least 0")
    if np.any((n.orientation < 0) | (n.orientation >= len(ORIENTATIONS))):
        raise NetlistError(f"an orientation is out of range; expected one of {', '.join(ORIENTATIONS)}")
    if np.any((n.kind == Kind.PORT) & ~n.fixed):
        raise NetlistError("a port is not fixed; ports have a fixed position")


def _check_sizes(n: Netlist) -> None:
    bad = np.flatnonzero(~(np.isfinite(n.size_um) & (n.size_um >= 0)).all(axis=1))
    if bad.size:
        raise NetlistError(
            f"node {n.node_names[bad[0]]!r} has size {n.size_um[bad[0]]}; expected finite numbers of at least 0"
        )
    lost = np.flatnonzero(n.fixed & ~np.isfinite(n.position_um).all(axis=1))
    if lost.size:
        raise NetlistError(f"fixed node {n.node_names[lost[0]]!r} has no position; expected finite coordinates")
    big = np.flatnonzero((n.kind == Kind.HARD) & ~n.fixed & too_large(n.size_um, n.canvas_um).any(axis=1))
    if big.size:
        w, h = n.size_um[big[0]]
        raise NetlistError(
            f"hard macro {n.node_names[big[0]]!r} is {w:.9g} by {h:.9g} µm; "
            f"expected at most the canvas, {n.canvas_um[0]:.9g} by {n.canvas_um[1]:.9g} µm"
        )
