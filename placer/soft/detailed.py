"""Detailed placement of soft macros: one by one to where wirelength and density together are lowest.

It finishes what `force_directed` begins.  A sweep takes every movable soft macro out, compares eleven candidate
positions by exact HPWL on the merged nets plus the density that it would add to the fullest cells, and puts it back at
the best of them.  Both have the weights of the proxy; congestion, which would need routing, is left to the exact
search.  A sweep costs a few milliseconds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.netlist import Floats
from netlists.runtime.clock import over
from netlists.runtime.kernel import kernel, loose_kernel, unsigned
from placer.cost.arrays import CostArrays
from placer.cost.definition import DENSITY_FACTOR, DENSITY_WEIGHT, count_fullest_cells
from placer.cost.density import cell_of, cover, density_map
from placer.soft.force_directed import SoftArrays, soft_rounds
from placer.soft.node_nets import NodeNets

ROUNDS = 10
"""Rounds of the force-directed placement between two looks at the clock."""

HERE = 0
"""Column of the lines, candidate coordinates of a macro: where it is."""
MEDIAN = 1
"""Column of the lines: where its nets are shortest."""
HALFWAY = 2
"""Column of the lines: halfway between the two."""
BELOW = 3
"""Column of the lines: a stride to the left or down."""
ABOVE = 4
"""Column of the lines: a stride to the right or up."""
LINES = 5
"""Number of lines in each direction."""

CANDIDATES = np.array(
    [(HERE, HERE), (MEDIAN, MEDIAN), (HALFWAY, HALFWAY)]
    + [(x, y) for y in (BELOW, HERE, ABOVE) for x in (BELOW, HERE, ABOVE) if (x, y) != (HERE, HERE)]
)
"""[11, 2] the candidate positions of a macro, each a line in x and one in y."""

EVEN_STRIDE = 1.0
"""Distance of the eight neighbors in every other sweep, from the first on, in grid cells."""

ODD_STRIDE = 0.5
"""Distance of the eight neighbors in the other sweeps, in grid cells."""

LEAST_GAIN = 1e-15
"""Gain in proxy below which a candidate is not better: rounding."""

LEAST_WEIGHT = 1e-9
"""Sum of net weights at least, for a netlist without nets."""


def place_soft_detailed(
    arrays: SoftArrays, position_um: Floats, rounds: int, sweeps: int, deadline: float = np.inf
) -> Floats:
    """A copy of positions [V, 2] with the movable soft macros placed by `rounds` of forces and `sweeps` of this module.

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
    """Memory that a sweep works in, with K entries for the nets of one macro."""

    weight: Floats  # [K]
    low: Floats  # [2, K] bounding boxes of the nets without the macro, x and y in µm
    high: Floats  # [2, K]
    ends: Floats  # [2K] a copy of their ends in one direction, to be sorted
    ends_weight: Floats  # [2K]
    line: Floats  # [2, LINES] x and y coordinates of the candidates, in µm
    length: Floats  # [2, LINES] what the macro on each line adds to the nets, in µm × weight


@njit(cache=True, nogil=True)
def detail_soft(arrays: SoftArrays, position: Floats, sweeps: int) -> None:
    """Improve the movable soft macros in `position` [V, 2] (centers in µm, changed in place) by sweeps over all."""
    density = np.empty((arrays.cost.rows, arrays.cost.cols))
    density_map(arrays.cost, position, density)
    detail_sweeps(arrays, position, density, 0, sweeps)


@njit(cache=True, nogil=True)
def detail_sweeps(arrays: SoftArrays, position: Floats, density: Floats, first: int, last: int) -> None:
    """Sweeps first..last-1 of `detail_soft`.

    `position` [V, 2] has the centers in µm; `density` [R, C] is kept up to date.
    """
    a, nets = arrays.cost, arrays.nets
    counted = max(count_fullest_cells(density.size), 1)
    # What the proxy gains per unit of density in one of the fullest cells, and per µm of weighted HPWL.
    density_price = DENSITY_WEIGHT * DENSITY_FACTOR / counted
    wire_price = 1.0 / ((a.canvas_width_um + a.canvas_height_um) * max(np.sum(a.weight), LEAST_WEIGHT))
    most = 0
    for v in arrays.movable:
        most = max(most, nets.node_start[v + 1] - nets.node_start[v])
    scratch = Scratch(
        np.empty(most), np.empty((2, most)), np.empty((2, most)), np.empty(2 * most), np.empty(2 * most),
        np.empty((2, LINES)), np.empty((2, LINES)),
    )  # fmt: skip
    for i in range(first, last):
        full = np.sort(density.ravel())[density.size - counted]
        sweep(
            arrays,
            position,
            EVEN_STRIDE if i % 2 == 0 else ODD_STRIDE,
            full,
            density_price,
            wire_price,
            density,
            scratch,
        )


@kernel
def sweep(
    arrays: SoftArrays, position: Floats, stride: float, full: float, density_price: float, wire_price: float,
    density: Floats, scratch: Scratch,
) -> None:  # fmt: skip
    """Move every movable soft macro once, with neighbors `stride` grid cells away as candidates.

    `position` [V, 2] has the centers in µm; `density` [R, C] is kept up to date.  Cells fuller than `full` count, at
    `density_price` in proxy per unit of density; wirelength counts at `wire_price` in proxy per µm of weighted HPWL.
    """
    a, line, length = arrays.cost, scratch.line, scratch.length
    for v in arrays.movable:
        count = collect_boxes(arrays.nets, position, v, scratch.weight, scratch.low, scratch.high)
        cover(a, v, position[v, 0], position[v, 1], -1.0, density)
        fill_lines(a, v, position, count, stride, scratch)
        for d in range(2):
            for i in range(LINES):
                length[d, i] = sum_distances(scratch.low[d], scratch.high[d], scratch.weight, count, line[d, i])
        best, least = 0, np.inf
        for j in range(len(CANDIDATES)):
            x, y = CANDIDATES[j, 0], CANDIDATES[j, 1]
            price = wire_price * (length[0, x] + length[1, y])
            if price < least - LEAST_GAIN:  # otherwise the density need not be computed: it only adds
                price += density_price * added_excess(a, density, v, line[0, x], line[1, y], full)
                if price < least - LEAST_GAIN:
                    best, least = j, price
        position[v, 0], position[v, 1] = line[0, CANDIDATES[best, 0]], line[1, CANDIDATES[best, 1]]
        cover(a, v, position[v, 0], position[v, 1], 1.0, density)


@kernel
def collect_boxes(nets: NodeNets, position: Floats, node: int, weight: Floats, low: Floats, high: Floats) -> int:
    """Fill in the weights and the bounding boxes of a node's nets without it, and return their number.

    `position` [V, 2] has the centers in µm, `weight` is [K]; `low` and `high` [2, K] are in µm.
    """
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
def fill_lines(cost: CostArrays, node: int, position: Floats, count: int, stride: float, scratch: Scratch) -> None:
    """Fill in the lines of the candidates for a node with `count` nets, all inside the canvas.

    `position` [V, 2] has the centers in µm; neighbors are `stride` grid cells away.
    """
    line, weight = scratch.line, scratch.weight
    for d in range(2):
        side = cost.canvas_width_um if d == 0 else cost.canvas_height_um
        cell = cost.cell_width_um if d == 0 else cost.cell_height_um
        here = position[node, d]
        median = here
        if count > 0:
            # The optimal region of a node is the weighted median of its nets' edges (Goto, "An efficient algorithm for
            # the two-dimensional placement problem in electrical circuit layout", 1981).
            for i in range(count):
                scratch.ends[i], scratch.ends[count + i] = scratch.low[d, i], scratch.high[d, i]
                scratch.ends_weight[i] = scratch.ends_weight[count + i] = weight[i]
            median = weighted_median(scratch.ends, scratch.ends_weight, 2 * count)
        line[d, HERE], line[d, MEDIAN], line[d, HALFWAY] = here, median, (median + here) / 2
        line[d, BELOW], line[d, ABOVE] = here - stride * cell, here + stride * cell
        half = min(cost.size_um[node, d], side) / 2
        for i in range(LINES):
            line[d, i] = min(max(line[d, i], half), side - half)


@kernel
def weighted_median(values: Floats, weight: Floats, count: int) -> float:
    """The least of the first `count` values [K] that, with all below it, has half of their weight [K].

    Both arrays are reordered.  Quickselect (Hoare, "Algorithm 65: Find", 1961).
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
        # Now first..j are at most the pivot, i..last at least, and those in between equal it.
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
def sum_distances(low: Floats, high: Floats, weight: Floats, count: int, at: float) -> float:
    """The sum over `count` intervals from `low` [K] to `high` [K] of `weight` [K] × distance from `at`, in µm."""
    total = 0.0
    for i in range(count):
        total += weight[i] * max(low[i] - at, at - high[i], 0.0)
    return total


@loose_kernel
def added_excess(cost: CostArrays, density: Floats, node: int, x: float, y: float, full: float) -> float:
    """What a node centered at (x, y) in µm adds to the sum over all cells of the excess over the density `full`.

    `density` [R, C] is the map without the node.
    """
    w, h = cost.cell_width_um, cost.cell_height_um
    half_x, half_y = cost.size_um[node, 0] / 2, cost.size_um[node, 1] / 2
    total = 0.0
    for r in range(cell_of(y - half_y, h, cost.rows), cell_of(y + half_y, h, cost.rows) + 1):
        dy = max(min(y + half_y, (r + 1) * h) - max(y - half_y, r * h), 0.0)
        for c in range(cell_of(x - half_x, w, cost.cols), cell_of(x + half_x, w, cost.cols) + 1):
            dx = max(min(x + half_x, (c + 1) * w) - max(x - half_x, c * w), 0.0)
            total += max(density[r, c] + dx * dy / (w * h) - full, 0.0) - max(density[r, c] - full, 0.0)
    return total
