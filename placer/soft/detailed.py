"""Soft macros moved one by one to where wirelength and density together cost least: the finish after `soft.py`.

A sweep takes every movable soft macro out, weighs a dozen places by exact HPWL on the merged nets plus the density it
would add to the fullest cells, and puts it back at the best.  Both are weighed as the proxy weighs them; congestion,
which would need routing, is left to the exact search.  A sweep costs a few milliseconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.netlist import Floats
from netlists.runtime.clock import over
from netlists.runtime.kernel import kernel, loose_kernel, unsigned
from placer.cost.arrays import CostArrays
from placer.cost.density import cell_of, cover, density_map
from placer.soft.force_directed import SoftArrays, soft_rounds
from placer.soft.node_nets import NodeNets

ROUNDS = 10  # of the force-directed placement between two looks at the clock
# The lines on which a macro may come to lie, in each direction; and the eleven pairs of them, column and row: where it
# is, where its nets want it, halfway there, eight neighbors.
HERE, WANTED, HALFWAY, BELOW, ABOVE = range(5)
PLACES = np.array(
    [(HERE, HERE), (WANTED, WANTED), (HALFWAY, HALFWAY)]
    + [(x, y) for y in (BELOW, HERE, ABOVE) for x in (BELOW, HERE, ABOVE) if (x, y) != (HERE, HERE)]
)


def with_soft_placed(
    arrays: SoftArrays, position_um: Floats, rounds: int, sweeps: int, deadline: float = np.inf
) -> Floats:
    """A copy of positions [V, 2] with the movable soft macros placed in some rounds, then finished in some sweeps.

    Ends early at the deadline (of `time.perf_counter`).
    """
    position: Floats = position_um.copy()
    before, density = position.copy(), np.empty((arrays.cost.rows, arrays.cost.cols))
    for first in range(0, rounds if arrays.movable.size else 0, ROUNDS):
        if over(deadline):
            return position
        soft_rounds(arrays, position, before, first, min(first + ROUNDS, rounds), rounds)
    density_map(arrays.cost, position, density)
    for i in range(sweeps):
        if over(deadline):
            break
        detail_sweeps(arrays, position, density, i, i + 1)
    return position


class Scratch(NamedTuple):
    """Memory that a sweep works in, K entries for the nets of one macro."""

    weight: Floats  # [K]
    low: Floats  # [2, K] bounding boxes of the nets, x and y, without the macro
    high: Floats  # [2, K]
    ends: Floats  # [2K] a copy of their ends in one direction, to be sorted
    ends_weight: Floats  # [2K]
    line: Floats  # [2, 5] x and y of the places
    length: Floats  # [2, 5] how much longer the nets are with the macro on each line, in µm × weight


@njit(cache=True, nogil=True)
def detail_soft(arrays: SoftArrays, position: Floats, sweeps: int) -> None:
    """Improve the movable soft macros in `position` [V, 2] (µm, changed in place) in some sweeps over all of them."""
    density = np.empty((arrays.cost.rows, arrays.cost.cols))
    density_map(arrays.cost, position, density)
    detail_sweeps(arrays, position, density, 0, sweeps)


@njit(cache=True, nogil=True)
def detail_sweeps(arrays: SoftArrays, position: Floats, density: Floats, first: int, last: int) -> None:
    """Sweeps first..last-1 of `detail_soft`; `density` [R, C] is kept up to date."""
    a, nets = arrays.cost, arrays.nets
    counted = max(int(0.1 * density.size), 1)
    # The proxy's slopes: half of half the mean over the fullest tenth, and HPWL over (W + H) × the sum of weights.
    density_price = 0.25 / counted
    wire_price = 1.0 / ((a.canvas_width_um + a.canvas_height_um) * max(np.sum(a.weight), 1e-9))
    most = 0
    for v in arrays.movable:
        most = max(most, nets.node_start[v + 1] - nets.node_start[v])
    scratch = Scratch(
        np.empty(most), np.empty((2, most)), np.empty((2, most)), np.empty(2 * most), np.empty(2 * most),
        np.empty((2, 5)), np.empty((2, 5)),
    )  # fmt: skip
    for i in range(first, last):
        full = np.sort(density.ravel())[density.size - counted]
        sweep(arrays, position, 1.0 if i % 2 == 0 else 0.5, full, density_price, wire_price, density, scratch)


@kernel
def sweep(
    arrays: SoftArrays, position: Floats, stride: float, full: float, density_price: float, wire_price: float,
    density: Floats, scratch: Scratch,
) -> None:  # fmt: skip
    """Move every movable soft macro once, to neighbors `stride` cells away; `density` [R, C] is kept up to date."""
    a, line, length = arrays.cost, scratch.line, scratch.length
    for v in arrays.movable:
        count = spans(arrays.nets, position, v, scratch.weight, scratch.low, scratch.high)
        cover(a, v, position[v, 0], position[v, 1], -1.0, density)
        propose(a, v, position, count, stride, scratch)
        for d in range(2):
            for i in range(5):
                length[d, i] = longer(scratch.low[d], scratch.high[d], scratch.weight, count, line[d, i])
        best, least = 0, np.inf
        for j in range(len(PLACES)):
            x, y = PLACES[j, 0], PLACES[j, 1]
            price = wire_price * (length[0, x] + length[1, y])
            if price < least - 1e-15:  # otherwise the density need not be looked at: it only adds to it
                price += density_price * crowding(a, density, v, line[0, x], line[1, y], full)
                if price < least - 1e-15:
                    best, least = j, price
        position[v, 0], position[v, 1] = line[0, PLACES[best, 0]], line[1, PLACES[best, 1]]
        cover(a, v, position[v, 0], position[v, 1], 1.0, density)


@kernel
def spans(nets: NodeNets, position: Floats, node: int, weight: Floats, low: Floats, high: Floats) -> int:
    """Fill the weights [K] and the bounding boxes [2, K] of a node's nets without it, and return their number."""
    first, last = int(nets.node_start[node]), int(nets.node_start[node + 1])
    for i in range(first, last):
        k = nets.node_net[i]
        x_low = y_low = np.inf
        x_high = y_high = -np.inf
        for e in range(unsigned(nets.start[k]), unsigned(nets.start[k + 1])):
            v = unsigned(nets.node[e])
            x, y = position[v, 0] + nets.offset_um[e, 0], position[v, 1] + nets.offset_um[e, 1]
            other = nets.node[e] != node
            x_low, x_high = min(x_low, x if other else x_low), max(x_high, x if other else x_high)
            y_low, y_high = min(y_low, y if other else y_low), max(y_high, y if other else y_high)
        weight[i - first] = nets.weight[k]
        low[0, i - first], high[0, i - first] = x_low, x_high
        low[1, i - first], high[1, i - first] = y_low, y_high
    return last - first


@kernel
def propose(cost: CostArrays, node: int, position: Floats, count: int, stride: float, scratch: Scratch) -> None:
    """Fill the lines [2, 5] of the places to weigh for a node of `count` nets, all inside the canvas."""
    line, weight = scratch.line, scratch.weight
    for d in range(2):
        side = cost.canvas_width_um if d == 0 else cost.canvas_height_um
        cell = side / (cost.cols if d == 0 else cost.rows)
        here = position[node, d]
        wanted = here
        if count > 0:
            # The optimal region of a node (Goto 1981) is the weighted median of its nets' edges.
            for i in range(count):
                scratch.ends[i], scratch.ends[count + i] = scratch.low[d, i], scratch.high[d, i]
                scratch.ends_weight[i] = scratch.ends_weight[count + i] = weight[i]
            wanted = weighted_median(scratch.ends, scratch.ends_weight, 2 * count)
        line[d, HERE], line[d, WANTED], line[d, HALFWAY] = here, wanted, (wanted + here) / 2
        line[d, BELOW], line[d, ABOVE] = here - stride * cell, here + stride * cell
        half = min(cost.size_um[node, d], side) / 2
        for i in range(5):
            line[d, i] = min(max(line[d, i], half), side - half)


@kernel
def weighted_median(values: Floats, weight: Floats, count: int) -> float:
    """The least of the first `count` values that, with all below it, has half their weight; they change places.

    Quickselect (Hoare 1961, FIND).
    """
    half = 0.0
    for i in range(count):
        half += weight[i]
    half /= 2
    first, last = 0, count - 1
    while first < last:
        pivot = values[(first + last) // 2]
        i, j = first, last
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                weight[i], weight[j] = weight[j], weight[i]
                i, j = i + 1, j - 1
        # Now first..j are at most the pivot, i..last at least, and what lies between equals it.
        left = 0.0
        for k in range(first, j + 1):
            left += weight[k]
        if j >= first and left >= half:
            last = j
            continue
        half -= left
        if i == j + 2:
            if weight[j + 1] >= half:
                return float(pivot)
            half -= weight[j + 1]
        if i > last:  # rounding
            return float(pivot)
        first = i
    return float(values[last])


@loose_kernel
def longer(low: Floats, high: Floats, weight: Floats, count: int, at: float) -> float:
    """Sum over `count` intervals of weight × distance from `at`."""
    total = 0.0
    for i in range(count):
        total += weight[i] * max(low[i] - at, at - high[i], 0.0)
    return total


@loose_kernel
def crowding(cost: CostArrays, density: Floats, node: int, x: float, y: float, full: float) -> float:
    """By how much a node at (x, y) would raise the sum over all cells of what exceeds the density `full`."""
    w, h = cost.canvas_width_um / cost.cols, cost.canvas_height_um / cost.rows
    half_x, half_y = cost.size_um[node, 0] / 2, cost.size_um[node, 1] / 2
    total = 0.0
    for r in range(cell_of(y - half_y, h, cost.rows), cell_of(y + half_y, h, cost.rows) + 1):
        dy = max(min(y + half_y, (r + 1) * h) - max(y - half_y, r * h), 0.0)
        for c in range(cell_of(x - half_x, w, cost.cols), cell_of(x + half_x, w, cost.cols) + 1):
            dx = max(min(x + half_x, (c + 1) * w) - max(x - half_x, c * w), 0.0)
            total += max(density[r, c] + dx * dy / (w * h) - full, 0.0) - max(density[r, c] - full, 0.0)
    return total
