"""Nets joined where their pins nearly coincide, and the straight segments that the exact cost routes them along.

For the differentiable twin of the proxy cost: which pins a segment follows is decided here, by the rules of
`placer.cost.congestion`; how much it adds to each cell, there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.netlist import Floats, Ints, Netlist
from placer.cost.unique_pins import merge_nets

Spots = npt.NDArray[np.int32]
Each = Callable[[Callable[[int], Any], range], Iterable[Any]]


class MergedNets(NamedTuple):
    """K nets over S spots, places on nodes where pins are."""

    node: Ints  # [S]
    offset_um: Floats  # [S, 2] from the center of the node, for orientation N; the mean of the pins
    start: Ints  # [K+1] net k has the spots spot[start[k]:start[k+1]], its driver's first, each once
    spot: Ints  # [P]
    weight: Floats  # [K] summed over the joined nets
    tracks: Floats  # [K] what they take in routing, summed: at least one each


class Segments(NamedTuple):
    """Straight runs of routes of B placements; spots are numbered b × S + spot."""

    across: Spots  # [3, L] spot in whose row they run, spots in whose columns they start and end
    up: Spots  # [3, L] spot in whose column they run, spots in whose rows they start and end
    tracks: Floats  # [L] of both


def merged_nets(netlist: Netlist, merge_um: float = 0.0) -> MergedNets:
    """Join the pins of a node in the same square of `merge_um`, then nets with the same driver and sinks.

    With 0 only pins at the same place are joined, and lengths and routes stay exactly as they are.
    """
    n = netlist
    square = np.round(n.connection_offset_um / merge_um) if merge_um > 0 else n.connection_offset_um
    key, spot = np.unique(np.column_stack([n.connection_node, square]), axis=0, return_inverse=True)
    spot = spot.ravel()
    pins = np.bincount(spot)
    offset = np.column_stack([np.bincount(spot, n.connection_offset_um[:, d]) for d in (0, 1)]) / pins[:, None]
    return MergedNets(key[:, 0].astype(np.int64), offset, *merge_nets(spot, n))


def trace(nets: MergedNets, cell: Ints, each: Each = map) -> Segments:
    """The routes of nets whose spots lie in the grid cells `cell` [B, S, 2] (column, row).

    `each` calls a function with the number of every placement: `map`, or that of a pool of threads.
    """
    batch, spots = cell.shape[:2]
    top, most = int(cell.max(initial=0)) + 1, len(nets.spot) - len(nets.weight)
    across, up = np.empty((2, batch, 3, most), dtype=np.int32)
    tracks = np.empty((batch, most))

    def found(b: int) -> int:
        return int(_trace(nets, cell[b], b * spots, top, across[b], up[b], tracks[b]))

    end = np.cumsum([0, *each(found, range(batch))])
    packed = Segments(np.empty((3, end[-1]), dtype=np.int32), np.empty((3, end[-1]), dtype=np.int32), np.empty(end[-1]))

    def pack(b: int) -> None:
        count, here = end[b + 1] - end[b], slice(end[b], end[b + 1])
        packed.across[:, here], packed.up[:, here] = across[b, :, :count], up[b, :, :count]
        packed.tracks[here] = tracks[b, :count]

    list(each(pack, range(batch)))
    return packed


@njit(cache=True, nogil=True)
def _trace(nets: MergedNets, cell: Ints, shift: int, top: int, across: Spots, up: Spots, tracks: Floats) -> int:
    """Fill the segments of one placement and return their number.

    Rows and columns are below `top`; `shift` is added to the numbers of spots.
    """
    seen = np.full(top * top, -1, dtype=np.int64)
    chosen = np.empty(max(top * top, 3), dtype=np.int64)
    count = 0
    for k in range(nets.weight.size):
        cells = 0
        for p in range(nets.start[k], nets.start[k + 1]):
            spot = nets.spot[p]
            here = cell[spot, 1] * top + cell[spot, 0]
            if seen[here] != k:
                seen[here] = k
                chosen[cells] = spot
                cells += 1
        before = count
        if cells == 3:
            count = _three(cell, chosen[0], chosen[1], chosen[2], top, across, up, count)
        else:
            # Along the driver's row, then along the sink's column.
            for i in range(1, cells):
                count = _add(across, up, count, chosen[0], chosen[i], chosen[0], chosen[i])
        tracks[before:count] = nets.tracks[k]
    across[:, :count] += shift
    up[:, :count] += shift
    return count


@njit(cache=True, nogil=True)
def _three(cell: Ints, a: int, b: int, c: int, top: int, across: Spots, up: Spots, count: int) -> int:
    """Add the route over three cells: from left to right where it turns once or not at all, otherwise a T."""
    by_column = np.array([cell[s, 0] * top + cell[s, 1] for s in (a, b, c)])
    by_row = np.array([cell[s, 1] * top + cell[s, 0] for s in (a, b, c)])
    spots = np.array([a, b, c])
    left, middle, right = spots[np.argsort(by_column)]
    c1, c2, c3 = cell[left, 0], cell[middle, 0], cell[right, 0]
    r1, r2, r3 = cell[left, 1], cell[middle, 1], cell[right, 1]
    stairs = c1 < c2 < c3 and min(r1, r3) < r2 < max(r1, r3)
    wall = c2 == c3 and c1 < c2 and r1 < min(r2, r3)
    if stairs or wall or r2 == r3:
        count = _add(across, up, count, left, middle, left, middle)
        return _add(across, up, count, middle, right, middle, right)
    low, trunk, high = spots[np.argsort(by_row)]
    count = _add(across, up, count, left, middle, trunk, low)
    return _add(across, up, count, middle, right, trunk, high)


@njit(cache=True, nogil=True)
def _add(across: Spots, up: Spots, count: int, here: int, there: int, lane: int, column: int) -> int:
    """A run along the row of `lane`, and one along the column of `column` that ends in that row."""
    across[0, count], across[1, count], across[2, count] = lane, here, there
    up[0, count], up[1, count], up[2, count] = column, lane, column
    return count + 1
