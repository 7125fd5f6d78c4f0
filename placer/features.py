"""The maps and numbers a policy sees at one step of an episode, filled by numba kernels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.kernel import kernel
from netlists.netlist import Bools, Floats
from placer.cost.density import cell_of
from placer.episode import EpisodeArrays, State
from placer.spots import find_spots, scratch_for, wanted

Singles = npt.NDArray[np.float32]

MAP_NAMES = (
    "hard", "rest", "wire_placed", "wire_all", "congestion_h", "congestion_v", "fits", "snap", "x", "y",
    "contact", "crowd", "demand", "edge",
)  # fmt: skip
"""What the policy sees on the grid, [K, R, C], each roughly within 0..1:
    hard          cover by fixed and placed hard macros
    rest          cover by soft macros and unplaced hard ones, at estimated places
    wire_placed   wirelength the current macro would cause in each cell: its nets to fixed and placed nodes
    wire_all      the same to all nodes, unplaced ones at estimated places
    congestion_*  routing demand over capacity, at estimated places
    fits          1 where the macro may go
    snap          how far the macro's center would lie from where it goes in an empty cell, in cells
    x, y          distance of the cell from the canvas' middle, in half canvas sizes
    contact       cover by hard macros in the ring of cells around the macro if it went here; walls count as covered
    crowd         mean of `rest` under the macro
    demand        mean of the larger congestion under the macro
    edge          distance from the macro to the nearest wall, in canvas sizes"""

SCALAR_NAMES = ("progress", "width", "height", "columns", "rows", "pull_x", "pull_y", "known", "coverage", "wires")
"""What the policy sees of the current macro, [S]: part of the episode that is over, size in canvas sizes and in cells,
mean place of its net-mates, part of its wires that lead to nodes already placed, area of all hard macros over the
canvas', log of its wires over the mean."""


@njit(cache=True, nogil=True)
def observe(
    arrays: EpisodeArrays, state: State, first: int, last: int, t: int, maps: Singles, scalars: Singles, fits: Bools
) -> None:
    """For episodes first..last-1 fill maps [B, K, R, C], scalars [B, S] and the action mask [B, R, C] for step t."""
    blockers = np.concatenate((arrays.obstacles, arrays.order[:t]))
    scratch = scratch_for(arrays.cost, blockers, arrays.order[t])
    for b in range(first, last):
        cost, position, node = arrays.cost, state.position[b], arrays.order[t]
        if not find_spots(cost, position, blockers, node, state.spot[b], fits[b], scratch):
            # Dead end: any cell inside the canvas may be taken, and the overlap is legalized at the end.
            state.stuck[b] += 1
            find_spots(cost, position, blockers[:0], node, state.spot[b], fits[b], scratch)
        fill_maps(arrays, state, b, t, fits[b], maps[b], scalars[b])
        fill_scalars(arrays, t, scalars[b])


@njit(cache=True)
def fill_maps(
    arrays: EpisodeArrays, state: State, b: int, t: int, fits: Bools, maps: Singles, scalars: Singles
) -> None:
    """Fill maps [K, R, C] of one episode, in the order of MAP_NAMES, and the scalars that the wire maps yield."""
    a = arrays.cost
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    wire = np.zeros((2, 2, max(a.rows, a.cols)))  # [placed or all, x or y, column or row]
    known = wire_profiles(arrays, state.position[b], t, np.empty((2, 2)), wire)
    scale = max(arrays.wires[arrays.order[t]], 1e-9) * (a.canvas_width_um + a.canvas_height_um) / 4
    for kind in range(2):
        wire[kind, 0] -= wire[kind, 0, : a.cols].min()
        wire[kind, 1] -= wire[kind, 1, : a.rows].min()
    size = a.size_um[arrays.order[t]]
    within_x, within_y = wanted(size[0], w), wanted(size[1], h)
    sums = integrals(state, b)
    maps[10:] = 0.0
    for r in range(a.rows):
        for c in range(a.cols):
            maps[0, r, c] = state.hard_map[b, r, c]
            maps[1, r, c] = state.rest_map[b, r, c] / (1.0 + state.rest_map[b, r, c])
            maps[2, r, c] = (wire[0, 0, c] + wire[0, 1, r]) / scale
            maps[3, r, c] = (wire[1, 0, c] + wire[1, 1, r]) / scale
            maps[4, r, c] = state.across_map[b, r, c] / (1.0 + state.across_map[b, r, c])
            maps[5, r, c] = state.up_map[b, r, c] / (1.0 + state.up_map[b, r, c])
            maps[6, r, c] = fits[r, c]
            maps[7, r, c] = 0.0
            if fits[r, c]:
                away_x = abs(state.spot[b, r, c, 0] / w - c - within_x)
                away_y = abs(state.spot[b, r, c, 1] / h - r - within_y)
                maps[7, r, c] = away_x + away_y
                around(arrays, state, b, t, r, c, sums, maps)
            maps[8, r, c] = abs((c + 0.5) / a.cols - 0.5) * 2
            maps[9, r, c] = abs((r + 0.5) / a.rows - 0.5) * 2
    scalars[5] = np.argmin(wire[1, 0, : a.cols]) / a.cols
    scalars[6] = np.argmin(wire[1, 1, : a.rows]) / a.rows
    scalars[7] = known


@njit(cache=True)
def integrals(state: State, b: int) -> Floats:
    """[3, R+3, C+3] sums over all cells below and left of hard cover, rest and congestion, in a frame one cell wide
    of walls (which count as hard)."""
    rows, cols = state.hard_map.shape[1:]
    sums = np.zeros((3, rows + 3, cols + 3))
    for r in range(rows + 2):
        run = np.zeros(3)
        for c in range(cols + 2):
            if 0 < r <= rows and 0 < c <= cols:
                rest = state.rest_map[b, r - 1, c - 1]
                demand = max(state.across_map[b, r - 1, c - 1], state.up_map[b, r - 1, c - 1])
                run[0] += min(state.hard_map[b, r - 1, c - 1], 1.0)
                run[1] += rest / (1.0 + rest)
                run[2] += demand / (1.0 + demand)
            else:
                run[0] += 1.0
            sums[:, r + 1, c + 1] = sums[:, r, c + 1] + run
    return sums


@njit(cache=True, inline="always")
def box_sum(sums: Floats, r_low: int, r_high: int, c_low: int, c_high: int) -> float:
    """Sum over the cells r_low..r_high, c_low..c_high of the grid; -1 and R or C are the frame."""
    above = sums[r_high + 2, c_high + 2] - sums[r_high + 2, c_low + 1]
    below = sums[r_low + 1, c_high + 2] - sums[r_low + 1, c_low + 1]
    return float(max(above - below, 0.0))  # rounding may leave a hair below 0


@kernel
def around(arrays: EpisodeArrays, state: State, b: int, t: int, r: int, c: int, sums: Floats, maps: Singles) -> None:
    """Fill the maps of what lies under and around macro t if it went to cell (r, c)."""
    a = arrays.cost
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    x, y = state.spot[b, r, c, 0], state.spot[b, r, c, 1]
    half_x, half_y = a.size_um[arrays.order[t], 0] / 2, a.size_um[arrays.order[t], 1] / 2
    # A hair inside, so that a macro that ends on a grid line does not reach into the next cell.
    r_low, r_high = cell_of(y - half_y + 1e-3 * h, h, a.rows), cell_of(y + half_y - 1e-3 * h, h, a.rows)
    c_low, c_high = cell_of(x - half_x + 1e-3 * w, w, a.cols), cell_of(x + half_x - 1e-3 * w, w, a.cols)
    r_high, c_high = max(r_high, r_low), max(c_high, c_low)  # of a macro thinner than two hairs on a grid line
    cells = (r_high - r_low + 1) * (c_high - c_low + 1)
    ring = (r_high - r_low + 3) * (c_high - c_low + 3) - cells
    under = box_sum(sums[0], r_low, r_high, c_low, c_high)
    maps[10, r, c] = max(box_sum(sums[0], r_low - 1, r_high + 1, c_low - 1, c_high + 1) - under, 0.0) / ring
    maps[11, r, c] = box_sum(sums[1], r_low, r_high, c_low, c_high) / cells
    maps[12, r, c] = box_sum(sums[2], r_low, r_high, c_low, c_high) / cells
    to_x = min(x - half_x, a.canvas_width_um - x - half_x) / a.canvas_width_um
    to_y = min(y - half_y, a.canvas_height_um - y - half_y) / a.canvas_height_um
    maps[13, r, c] = max(min(to_x, to_y), 0.0)


@kernel
def wire_profiles(arrays: EpisodeArrays, position: Floats, t: int, box: Floats, wire: Floats) -> float:
    """Add up the wirelength that macro t causes with its center in each column (x) or row (y), in µm × weight.

    HPWL is a sum over x and y, so that two profiles say it all: a net adds how far the macro's pin lies outside the
    bounding box of the others.  Returns the part of the macro's wires whose net has another node in its final place.
    `box` [2, 2] is scratch.
    """
    a, nets = arrays.cost, arrays.soft.nets
    low, high = box[0], box[1]  # of the placed, of all others
    node = arrays.order[t]
    known = total = 0.0
    for i in range(nets.node_start[node], nets.node_start[node + 1]):
        k = nets.node_net[i]
        weight = nets.weight[k]
        total += weight
        for d in range(2):
            low[:], high[:] = np.inf, -np.inf
            offset = 0.0
            for e in range(nets.start[k], nets.start[k + 1]):
                v = nets.node[e]
                if v == node:
                    offset = nets.offset_um[e, d]
                    continue
                x = position[v, d] + nets.offset_um[e, d]
                for kind in range(2):
                    if kind == 1 or arrays.turn[v] < t:
                        low[kind], high[kind] = min(low[kind], x), max(high[kind], x)
            count = a.cols if d == 0 else a.rows
            side = (a.canvas_width_um if d == 0 else a.canvas_height_um) / count
            within = wanted(a.size_um[node, d], side)
            for kind in range(2):
                if low[kind] > high[kind]:
                    continue
                for c in range(count):
                    x = (c + within) * side + offset
                    wire[kind, d, c] += weight * (max(low[kind] - x, 0.0) + max(x - high[kind], 0.0))
            if d == 0 and low[0] <= high[0]:
                known += weight
    return known / total if total > 0.0 else 0.0


@kernel
def fill_scalars(arrays: EpisodeArrays, t: int, scalars: Singles) -> None:
    """Fill the scalars [S] that depend on the step alone, in the order of SCALAR_NAMES."""
    a = arrays.cost
    node = arrays.order[t]
    scalars[0] = t / arrays.order.size
    scalars[1] = a.size_um[node, 0] / a.canvas_width_um
    scalars[2] = a.size_um[node, 1] / a.canvas_height_um
    scalars[3] = a.size_um[node, 0] * a.cols / a.canvas_width_um / 4
    scalars[4] = a.size_um[node, 1] * a.rows / a.canvas_height_um / 4
    scalars[8] = arrays.coverage
    scalars[9] = np.log1p(arrays.wires[node] / arrays.mean_wires)
