"""The maps and numbers a policy sees at one step of an episode, filled by numba kernels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.netlist import Bools, Floats
from netlists.runtime.kernel import inlined_kernel, kernel, unsigned
from placer.cost.arrays import CostArrays
from placer.cost.density import cell_of
from placer.environment.action_mask import find_spots, scratch_for, wanted
from placer.environment.episode import EpisodeArrays, State

Singles = npt.NDArray[np.float32]

MAP_NAMES = (
    "hard", "rest", "wire_placed", "wire_all", "congestion_h", "congestion_v", "fits", "snap", "x", "y",
    "contact", "crowd", "demand", "edge",
)  # fmt: skip
"""What the policy sees on the grid, [K, R, C], each roughly within 0..1:
    hard          cover by fixed and placed hard macros, and by what no row covers
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
    cost, node = arrays.cost, arrays.order[t]
    blockers = np.concatenate((arrays.obstacles, arrays.order[:t]))
    scratch = scratch_for(cost, blockers, arrays.blocked, node)
    box, wire = np.empty((2, 2)), np.empty((2, 2, max(cost.rows, cost.cols)))
    for b in range(first, last):
        position, spot = state.position[b], state.spot[b]
        if not find_spots(cost, position, blockers, arrays.blocked, node, spot, fits[b], scratch):
            # Dead end: any cell inside the canvas may be taken, and the overlap is legalized at the end.
            state.stuck[b] += 1
            find_spots(cost, position, blockers[:0], arrays.blocked[:0], node, spot, fits[b], scratch)
        wire[:] = 0.0
        scalars[b, 7] = wire_profiles(arrays, position, t, box, wire)
        fill_wires(arrays, t, wire, maps[b], scalars[b])
        sum_hard(state.hard_map[b], state.hard_sums[b])
        fill_maps(cost, state, b, maps[b])
        fill_by_spot(cost, node, spot, fits[b], state.hard_sums[b], state.rest_sums[b], state.demand_sums[b], maps[b])
        fill_scalars(arrays, t, scalars[b])


@kernel
def fill_wires(arrays: EpisodeArrays, t: int, wire: Floats, maps: Singles, scalars: Singles) -> None:
    """Fill the maps of wirelength from the profiles `wire` [placed or all, x or y, column or row], and where it is
    least."""
    a = arrays.cost
    scale = max(arrays.wires[arrays.order[t]], 1e-9) * (a.canvas_width_um + a.canvas_height_um) / 4
    for kind in range(2):
        across, up = wire[kind, 0], wire[kind, 1]
        column = subtract_least(across, a.cols)
        row = subtract_least(up, a.rows)
        for r in range(a.rows):
            for c in range(a.cols):
                maps[2 + kind, r, c] = (across[c] + up[r]) / scale
        if kind == 1:
            scalars[5] = column / a.cols
            scalars[6] = row / a.rows


@kernel
def subtract_least(values: Floats, count: int) -> int:
    """Subtract from `count` values the least of them, and return its first index."""
    best = 0
    for i in range(1, count):
        if values[i] < values[best]:
            best = i
    least = values[best]
    for i in range(count):
        values[i] -= least
    return best


@kernel
def sum_hard(hard: Floats, sums: Floats) -> None:
    """Fill `sums` [R+3, C+3] with the sum over all cells below and left of hard cover, in a frame one cell wide of
    walls, which count as covered."""
    rows, cols = hard.shape
    for r in range(rows + 2):
        run = 0.0
        for c in range(cols + 2):
            inside = 0 < r <= rows and 0 < c <= cols
            run += min(hard[r - 1, c - 1], 1.0) if inside else 1.0
            sums[r + 1, c + 1] = sums[r, c + 1] + run


@kernel
def fill_maps(cost: CostArrays, state: State, b: int, maps: Singles) -> None:
    """Fill the maps [K, R, C] of one episode that do not depend on the current macro."""
    hard, rest, across, up = state.hard_map[b], state.rest_map[b], state.across_map[b], state.up_map[b]
    for r in range(cost.rows):
        for c in range(cost.cols):
            maps[0, r, c] = hard[r, c]
            maps[1, r, c] = rest[r, c]
            maps[4, r, c] = across[r, c]
            maps[5, r, c] = up[r, c]
            maps[8, r, c] = abs((c + 0.5) / cost.cols - 0.5) * 2
            maps[9, r, c] = abs((r + 0.5) / cost.rows - 0.5) * 2


@inlined_kernel
def box_sum(sums: Floats, r_low: int, r_high: int, c_low: int, c_high: int) -> float:
    """Sum over the cells r_low..r_high, c_low..c_high of the grid; -1 and R or C are the frame."""
    above, below, left, right = unsigned(r_high + 2), unsigned(r_low + 1), unsigned(c_low + 1), unsigned(c_high + 2)
    total = (sums[above, right] - sums[above, left]) - (sums[below, right] - sums[below, left])
    return float(max(total, 0.0))  # rounding may leave a hair below 0


@kernel
def fill_by_spot(
    cost: CostArrays, node: int, spot: Floats, fits: Bools, hard: Floats, rest: Floats, demand: Floats, maps: Singles
) -> None:
    """Fill the maps [K, R, C] of what lies under and around the node if it went to each cell's spot [R, C, 2].

    `hard`, `rest` and `demand` are sums [R+3, C+3] over all cells below and left.
    """
    rows, cols, width, height = cost.rows, cost.cols, cost.canvas_width_um, cost.canvas_height_um
    w, h = width / cols, height / rows
    half_x, half_y = cost.size_um[node, 0] / 2, cost.size_um[node, 1] / 2
    within_x, within_y = wanted(cost.size_um[node, 0], w), wanted(cost.size_um[node, 1], h)
    for r in range(rows):
        for c in range(cols):
            maps[6, r, c] = fits[r, c]
            if not fits[r, c]:
                maps[7, r, c] = 0.0
                for k in range(10, 14):
                    maps[k, r, c] = 0.0
                continue
            x, y = spot[r, c, 0], spot[r, c, 1]
            maps[7, r, c] = abs(x / w - c - within_x) + abs(y / h - r - within_y)
            # A hair inside, so that a macro that ends on a grid line does not reach into the next cell.
            r_low, r_high = cell_of(y - half_y + 1e-3 * h, h, rows), cell_of(y + half_y - 1e-3 * h, h, rows)
            c_low, c_high = cell_of(x - half_x + 1e-3 * w, w, cols), cell_of(x + half_x - 1e-3 * w, w, cols)
            r_high, c_high = max(r_high, r_low), max(c_high, c_low)  # of one thinner than two hairs on a grid line
            cells = (r_high - r_low + 1) * (c_high - c_low + 1)
            ring = (r_high - r_low + 3) * (c_high - c_low + 3) - cells
            around = box_sum(hard, r_low - 1, r_high + 1, c_low - 1, c_high + 1)
            maps[10, r, c] = max(around - box_sum(hard, r_low, r_high, c_low, c_high), 0.0) / ring
            maps[11, r, c] = box_sum(rest, r_low, r_high, c_low, c_high) / cells
            maps[12, r, c] = box_sum(demand, r_low, r_high, c_low, c_high) / cells
            to_x, to_y = min(x - half_x, width - x - half_x) / width, min(y - half_y, height - y - half_y) / height
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
