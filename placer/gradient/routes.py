"""Nets merged if their pins nearly coincide, and the straight segments along which the exact cost routes them.

This is for the smooth proxy cost (`placer.gradient.smooth_proxy`): which pins a segment follows is decided here, by the
rules of `placer.cost.congestion`; how much it adds to each grid cell is decided there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.netlist import Floats, Ints, Netlist
from placer.cost.unique_pins import merge_nets

Indices = npt.NDArray[np.int32]

Map = Callable[[Callable[[int], Any], range], Iterable[Any]]
"""`map`, or that of a pool of threads."""

LANE = 0
"""Row of segments [3, E]: the point in whose row or column the segment runs."""

START = 1
"""Row of segments [3, E]: the point at which it starts, by its column or row."""

END = 2
"""Row of segments [3, E]: the point at which it ends, by its column or row."""


class MergedNets(NamedTuple):
    """N nets over Q points; a point stands for the pins of a node that lie (nearly) at the same place."""

    node: Ints  # [Q]
    offset_um: Floats  # [Q, 2] from the center of the node, for orientation N; the mean of the pins
    start: Ints  # [N+1] net k has the points point[start[k]:start[k+1]], its driver's first, each once
    point: Ints  # [P]
    weight: Floats  # [N] summed over the merged nets
    tracks: Floats  # [N] routing tracks, at least one per net, summed over the merged nets


class Segments(NamedTuple):
    """E horizontal and E vertical segments of the routes of B placements; point q of placement b is b × Q + q."""

    across: Indices  # [3, E] horizontal ones: `LANE`, `START`, `END`
    up: Indices  # [3, E] vertical ones
    tracks: Floats  # [E] of both


def merged_nets(netlist: Netlist, merge_um: float = 0.0) -> MergedNets:
    """Merge the pins of a node in the same square of `merge_um`, then nets with the same driver and sinks.

    With 0 only pins at the same place are merged, and lengths and routes stay exact.
    """
    n = netlist
    square = np.round(n.connection_offset_um / merge_um) if merge_um > 0 else n.connection_offset_um
    key, point = np.unique(np.column_stack([n.connection_node, square]), axis=0, return_inverse=True)
    point = point.ravel()
    pins = np.bincount(point)
    offset = np.column_stack([np.bincount(point, n.connection_offset_um[:, d]) for d in (0, 1)]) / pins[:, None]
    return MergedNets(key[:, 0].astype(np.int64), offset, *merge_nets(point, n))


def trace(nets: MergedNets, cell: Ints, map_all: Map = map) -> Segments:
    """The routes of nets whose points lie in the grid cells `cell` [B, Q, 2], given as indices (column, row).

    `map_all` calls a function with the index of every placement.
    """
    batch, points = cell.shape[:2]
    top, most = int(cell.max(initial=0)) + 1, len(nets.point) - len(nets.weight)
    across, up = np.empty((2, batch, 3, most), dtype=np.int32)
    tracks = np.empty((batch, most))

    def trace_one(b: int) -> int:
        return int(_trace(nets, cell[b], b * points, top, across[b], up[b], tracks[b]))

    end = np.cumsum([0, *map_all(trace_one, range(batch))])
    whole = Segments(np.empty((3, end[-1]), dtype=np.int32), np.empty((3, end[-1]), dtype=np.int32), np.empty(end[-1]))

    def copy_one(b: int) -> None:
        count, here = end[b + 1] - end[b], slice(end[b], end[b + 1])
        whole.across[:, here], whole.up[:, here] = across[b, :, :count], up[b, :, :count]
        whole.tracks[here] = tracks[b, :count]

    list(map_all(copy_one, range(batch)))
    return whole


@njit(cache=True, nogil=True)
def _trace(nets: MergedNets, cell: Ints, shift: int, top: int, across: Indices, up: Indices, tracks: Floats) -> int:
    """Fill the segments of one placement and return their number.

    Rows and columns are below `top`; `shift` is added to the indices of points.
    """
    last_net = np.full(top * top, -1, dtype=np.int64)  # of each grid cell, the last net with a point in it
    member = np.empty(max(top * top, 3), dtype=np.int64)  # the first point of the net in each of its cells
    count = 0
    for k in range(nets.weight.size):
        cells = 0
        for p in range(nets.start[k], nets.start[k + 1]):
            point = nets.point[p]
            here = cell[point, 1] * top + cell[point, 0]
            if last_net[here] != k:
                last_net[here] = k
                member[cells] = point
                cells += 1
        before = count
        if cells == 3:
            count = _route_three(cell, member[0], member[1], member[2], top, across, up, count)
        else:
            # Along the driver's row, then along the sink's column.
            for i in range(1, cells):
                count = _add(across, up, count, member[0], member[i], member[0], member[i])
        tracks[before:count] = nets.tracks[k]
    across[:, :count] += shift
    up[:, :count] += shift
    return count


@njit(cache=True, nogil=True)
def _route_three(cell: Ints, a: int, b: int, c: int, top: int, across: Indices, up: Indices, count: int) -> int:
    """Add the route over three cells: from left to right if it turns once or not at all, otherwise a T."""
    by_column = np.array([cell[s, 0] * top + cell[s, 1] for s in (a, b, c)])
    by_row = np.array([cell[s, 1] * top + cell[s, 0] for s in (a, b, c)])
    points = np.array([a, b, c])
    left, middle, right = points[np.argsort(by_column)]
    c1, c2, c3 = cell[left, 0], cell[middle, 0], cell[right, 0]
    r1, r2, r3 = cell[left, 1], cell[middle, 1], cell[right, 1]
    stairs = c1 < c2 < c3 and min(r1, r3) < r2 < max(r1, r3)
    wall = c2 == c3 and c1 < c2 and r1 < min(r2, r3)
    if stairs or wall or r2 == r3:
        count = _add(across, up, count, left, middle, left, middle)
        return _add(across, up, count, middle, right, middle, right)
    low, trunk, high = points[np.argsort(by_row)]
    count = _add(across, up, count, left, middle, trunk, low)
    return _add(across, up, count, middle, right, trunk, high)


@njit(cache=True, nogil=True)
def _add(across: Indices, up: Indices, count: int, here: int, there: int, lane: int, column: int) -> int:
    """Add a segment along the row of `lane`, and one along the column of `column` that starts in that row."""
    across[LANE, count], across[START, count], across[END, count] = lane, here, there
    up[LANE, count], up[START, count], up[END, count] = column, lane, column
    return count + 1
