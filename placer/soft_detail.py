"""Soft macros moved one by one to where wirelength and density together cost least: the finish after `soft.py`.

A sweep takes every movable soft macro out, weighs a dozen places by exact HPWL on the merged nets plus the density it
would add to the fullest cells, and puts it back at the best.  Both are weighed as the proxy weighs them; congestion,
which would need routing, is left to the exact search.  A sweep costs a few milliseconds.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats
from placer.cost.arrays import CostArrays
from placer.cost.density import cell_of, cover, density_map
from placer.graph import NodeNets
from placer.soft import SoftArrays, place_soft

CANDIDATES = 11  # where it is, where its nets want it, halfway there, eight neighbors


def with_soft_placed(arrays: SoftArrays, position_um: Floats, rounds: int, sweeps: int) -> Floats:
    """A copy of positions [V, 2] with the movable soft macros placed in some rounds, then finished in some sweeps."""
    position: Floats = position_um.copy()
    place_soft(arrays, position, rounds)
    detail_soft(arrays, position, sweeps)
    return position


@njit(cache=True, nogil=True, error_model="numpy")
def detail_soft(arrays: SoftArrays, position: Floats, sweeps: int) -> None:
    """Improve the movable soft macros in `position` [V, 2] (µm, changed in place) in some sweeps over all of them."""
    a, nets = arrays.cost, arrays.nets
    density = np.empty((a.rows, a.cols))
    density_map(a, position, density)
    counted = max(int(0.1 * density.size), 1)
    # The proxy's slopes: half of half the mean over the fullest tenth, and HPWL over (W + H) × the sum of weights.
    density_price = 0.25 / counted
    wire_price = 1.0 / ((a.canvas_width_um + a.canvas_height_um) * max(np.sum(a.weight), 1e-9))
    most = 0
    for v in arrays.movable:
        most = max(most, nets.node_start[v + 1] - nets.node_start[v])
    span = np.empty((2, 2, most))  # [x or y, low or high, net]
    place = np.empty((CANDIDATES, 2))
    for sweep in range(sweeps):
        full = np.sort(density.ravel())[density.size - counted]
        stride = 1.0 if sweep % 2 == 0 else 0.5
        for v in arrays.movable:
            count = spans(nets, position, v, span)
            weight = nets.weight[nets.node_net[nets.node_start[v] : nets.node_start[v + 1]]]
            cover(a, v, position[v, 0], position[v, 1], -1.0, density)
            propose(a, v, position[v], span, weight, stride, place)
            best, least = 0, np.inf
            for j in range(CANDIDATES):
                price = density_price * crowding(a, density, v, place[j, 0], place[j, 1], full)
                for i in range(count):
                    for d in range(2):
                        outside = max(span[d, 0, i] - place[j, d], place[j, d] - span[d, 1, i], 0.0)
                        price += wire_price * weight[i] * outside
                if price < least - 1e-15:
                    best, least = j, price
            position[v] = place[best]
            cover(a, v, position[v, 0], position[v, 1], 1.0, density)


@njit(cache=True, nogil=True)
def spans(nets: NodeNets, position: Floats, node: int, span: Floats) -> int:
    """Fill the bounding boxes [2, 2, .] of a node's nets without it, and return their number."""
    first, last = int(nets.node_start[node]), int(nets.node_start[node + 1])
    for i in range(first, last):
        k = nets.node_net[i]
        for d in range(2):
            low, high = np.inf, -np.inf
            for e in range(nets.start[k], nets.start[k + 1]):
                if nets.node[e] != node:
                    x = position[nets.node[e], d] + nets.offset_um[e, d]
                    low, high = min(low, x), max(high, x)
            span[d, 0, i - first], span[d, 1, i - first] = low, high
    return last - first


@njit(cache=True, nogil=True)
def propose(
    cost: CostArrays, node: int, here: Floats, span: Floats, weight: Floats, stride: float, place: Floats
) -> None:
    """Fill the places [CANDIDATES, 2] to weigh, all inside the canvas."""
    w, h = cost.canvas_width_um / cost.cols, cost.canvas_height_um / cost.rows
    place[0] = here
    for d in range(2):
        # The optimal region of a node (Goto 1981) is the weighted median of its nets' edges.
        place[1, d] = here[d] if weight.size == 0 else weighted_median(span[d, :, : weight.size], weight)
        place[2, d] = (place[1, d] + here[d]) / 2
    j = 3
    for up in range(-1, 2):
        for right in range(-1, 2):
            if up != 0 or right != 0:
                place[j, 0] = here[0] + right * stride * w
                place[j, 1] = here[1] + up * stride * h
                j += 1
    for d, side in ((0, cost.canvas_width_um), (1, cost.canvas_height_um)):
        half = min(cost.size_um[node, d], side) / 2
        for j in range(CANDIDATES):
            place[j, d] = min(max(place[j, d], half), side - half)


@njit(cache=True, nogil=True)
def weighted_median(ends: Floats, weight: Floats) -> float:
    """The lower weighted median of the low and high ends [2, K] of K intervals."""
    values = np.concatenate((ends[0], ends[1]))
    order = np.argsort(values)
    left, total = 0.0, np.sum(weight)
    for i in order:
        left += weight[i % weight.size]
        if left >= total:  # every interval counts twice
            return float(values[i])
    return float(values[order[-1]])


@njit(cache=True, nogil=True)
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
