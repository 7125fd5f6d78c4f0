"""`estimate`: how long the wires of a placement get, and where there are more of them than tracks.

Every net counts once, whatever its weight; nets of more than `MOST_PINS` pins (clock, reset), which are buffered as
trees of their own, are left out and counted.  Pins outside the canvas count as at its edge.  Each net becomes a Steiner
tree (`trees`), each edge of it between different gcells a connection.  All connections are routed without detours, the
shortest first.  Then `PASSES` passes take those out that use an overfull edge, one after the other, and route them
again, further and further around; the pass with the least overflow is the result.  The same placement gives the same
result on any machine.

The routed length is the length of the Steiner trees plus that of the detours.  So a placement without congestion has
the same of both, and wires within a gcell, and from a pin to the center of its gcell, count as long as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlists.netlist import Bools, Floats, Ints
from netlists.placement import Placement
from placer.cost.arrays import cost_arrays
from placer.cost.wirelength import locate_pins
from placer.routing.gcells import GCells, capacities, gcells
from placer.routing.patterns import HISTORY, LEAST_TRACKS, STEP, UNROUTED, Edges, Legs, empty_edges, refresh, route_all
from placer.routing.trees import Cells, build_trees, empty_tree

MOST_PINS = 1_000
"""Pins of a net that is routed, at most."""

PASSES = 4
"""Passes of rip-up and reroute, at most."""

MARGIN = 4
"""Gcells that a route may lie beside the box of its ends in the first of these passes; then twice as many in each."""

WEIGHT = 8.0 * STEP
"""Cost of an edge with twice as many wires as tracks in the first pass; twice as much in each further one."""

TOP_FRACTION = 0.01
"""Fraction of the edges whose mean utilization is `utilization_top`."""


@dataclass(frozen=True, eq=False)
class RoutingEstimate:
    """A routed placement, on R×C gcells: lengths, and the utilization of the edges between neighboring gcells.

    The utilization of an edge is its wires per track (tracks for power and pins left out); below `LEAST_TRACKS` tracks
    per this.  Edges of the canvas, in the last column of `horizontal` and the last row of `vertical`, have 0.
    """

    routed_um: float  # Steiner length and detours
    steiner_um: float  # of all nets that are routed
    overflow: float  # wires beyond the tracks of an edge, summed over all edges: tracks × gcells
    utilization_max: float
    utilization_top: float  # mean over the hundredth of the edges that is fullest
    bends: int  # of all routes
    connections: int  # between different gcells
    nets_left_out: int  # for having too many pins
    horizontal: Floats  # [R, C] utilization of the right edge of each gcell
    vertical: Floats  # [R, C] utilization of the top edge of each gcell

    def as_dict(self) -> dict[str, float | int]:
        """The numbers without the maps, by the names of `placer evaluate --json`."""
        return {name: value for name, value in vars(self).items() if not isinstance(value, np.ndarray)}


@dataclass(frozen=True, eq=False)
class Connections:
    """The K connections of a placement and the N trees from which they come."""

    ends: Cells  # [K, 4] row and column of both gcells of each
    net: Ints  # [K] the net that it belongs to
    length_um: Floats  # [N] of the tree of each net; 0 for those that are left out
    left_out: int  # nets with too many pins


@dataclass(frozen=True, eq=False)
class Routes:
    """The routes of K connections, and the edges between gcells with the demand that they make."""

    leg: Legs  # [K]
    horizontal: Edges
    vertical: Edges

    @property
    def overflow(self) -> float:
        """Wires beyond the tracks of an edge, summed over all edges."""
        return sum(float(np.maximum(e.demand - e.capacity, 0.0).sum()) for e in (self.horizontal, self.vertical))


def estimate(placement: Placement) -> RoutingEstimate:
    """Route a placement of any netlist; one without standard cells is routed from the centers of its clusters."""
    grid = gcells(placement.netlist)
    horizontal, vertical = capacities(placement, grid)
    connections = connect(placement, grid)
    routes = route(connections.ends, empty_edges(horizontal), empty_edges(vertical.T))
    steiner = float(connections.length_um.sum())
    maps = [e.demand / np.maximum(e.capacity, LEAST_TRACKS) for e in (routes.horizontal, routes.vertical)]
    across, along = maps[0], np.ascontiguousarray(maps[1].T)
    fullest = np.sort(np.concatenate([across[:, :-1].ravel(), along[:-1].ravel()]))
    if not fullest.size:  # a single gcell
        fullest = np.zeros(1)
    return RoutingEstimate(
        routed_um=steiner + detours_um(connections.ends, routes.leg, grid),
        steiner_um=steiner,
        overflow=routes.overflow,
        utilization_max=float(fullest[-1]),
        utilization_top=mean_of_fullest(fullest),
        bends=count_bends(connections.ends, routes.leg),
        connections=len(routes.leg),
        nets_left_out=connections.left_out,
        horizontal=across,
        vertical=along,
    )


def mean_of_fullest(ascending: Floats) -> float:
    """The mean of the last TOP_FRACTION of utilizations [E] in ascending order, of at least one."""
    top = ascending[-max(int(TOP_FRACTION * ascending.size), 1) :]
    return min(float(top.mean()), float(top[-1]))  # the mean of equal numbers may be rounded up


def summary(placement: Placement) -> dict[str, dict[str, float | int]]:
    """The estimate as `placer evaluate --json` and `metrics.json` hold it, under the key `routing`.

    Empty for netlists without standard cells: clusters of cells say little about single wires.
    """
    return {"routing": estimate(placement).as_dict()} if placement.netlist.cells.size else {}


def connect(placement: Placement, grid: GCells) -> Connections:
    """Steiner trees of all nets with at most `MOST_PINS` pins, and their connections between gcells."""
    n, arrays = placement.netlist, cost_arrays(placement.netlist)
    pins = np.empty((arrays.node.size, 2))
    locate_pins(arrays, placement.position_um, placement.orientation, pins)
    pins = np.clip(pins, 0.0, n.canvas_um)
    size = np.diff(arrays.net_start)
    routed: Bools = size <= MOST_PINS
    ends, net = np.empty((2 * len(pins), 4), dtype=np.int32), np.empty(2 * len(pins), dtype=np.int64)
    length = np.zeros(n.num_nets)
    tree = empty_tree(int(size[routed].max(initial=0)))
    cell_um, shape = (grid.width_um, grid.height_um), (grid.rows, grid.cols)
    count = build_trees(arrays.net_start, pins, routed, cell_um, shape, tree, ends, net, length)
    return Connections(ends[:count], net[:count], length, int(np.sum(~routed)))


def route(ends: Cells, horizontal: Edges, vertical: Edges) -> Routes:
    """Route connections over edges of which none is used; `ends` [K, 4] are indices of rows and columns."""
    order = np.argsort(steps(ends), kind="stable")
    leg = np.full(len(ends), UNROUTED, dtype=np.int32)
    margin, weight, best, history = 0, WEIGHT, None, 0
    for _ in range(1 + PASSES):
        for edges in (horizontal, vertical):
            refresh(edges, weight, history)
        route_all(horizontal, vertical, ends, order, leg, margin, weight)
        routes = Routes(leg.copy(), _frozen(horizontal), _frozen(vertical))
        best = routes if best is None or routes.overflow < best.overflow else best
        if not routes.overflow:
            break
        margin, weight, history = max(2 * margin, MARGIN), 2 * weight, HISTORY
    assert best is not None
    return best


def _frozen(edges: Edges) -> Edges:
    """Edges with a copy of their demand."""
    return edges._replace(demand=edges.demand.copy())


def steps(ends: Cells) -> Ints:
    """[K] steps between the two gcells of each connection; `ends` [K, 4] are indices of rows and columns."""
    result: Ints = np.abs(ends[:, 2:].astype(np.int64) - ends[:, :2]).sum(axis=1)
    return result


def outside(ends: Cells, leg: Legs) -> tuple[Ints, Ints]:
    """[K] how many columns, and how many rows, the leg of each route lies beside the box of its ends.

    `ends` [K, 4] and `leg` [K] are indices of rows and columns.
    """
    upright = leg >= 0
    place = np.where(upright, leg, -1 - leg).astype(np.int64)
    first, second = (np.where(upright, ends[:, k + 1], ends[:, k]) for k in (0, 2))
    beside = np.maximum(np.minimum(first, second) - place, 0) + np.maximum(place - np.maximum(first, second), 0)
    return np.where(upright, beside, 0), np.where(upright, 0, beside)


def detours_um(ends: Cells, leg: Legs, grid: GCells) -> float:
    """The length in µm of all detours; `ends` [K, 4] and `leg` [K] are indices of rows and columns."""
    columns, rows = outside(ends, leg)
    return 2.0 * (float(columns.sum()) * grid.width_um + float(rows.sum()) * grid.height_um)


def count_bends(ends: Cells, leg: Legs) -> int:
    """The number of bends of all routes; `ends` [K, 4] and `leg` [K] are indices of rows and columns."""
    upright = leg >= 0
    place = np.where(upright, leg, -1 - leg)
    first, second = (np.where(upright, ends[:, k + 1], ends[:, k]) for k in (0, 2))
    length = np.where(upright, ends[:, 0] != ends[:, 2], ends[:, 1] != ends[:, 3])  # whether the leg has one
    return int(np.sum(length * ((place != first).astype(np.int64) + (place != second))))
