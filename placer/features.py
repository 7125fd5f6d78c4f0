"""The maps and numbers a policy sees at one step of an episode, filled by numba kernels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.netlist import Bools, Floats
from placer.episode import EpisodeArrays, State
from placer.spots import find_spots

Singles = npt.NDArray[np.float32]

MAP_NAMES = ("hard", "rest", "wire_placed", "wire_all", "congestion_h", "congestion_v", "fits", "snap", "x", "y")
"""What the policy sees on the grid, [K, R, C], each roughly within 0..1:
    hard          cover by fixed and placed hard macros
    rest          cover by soft macros and unplaced hard ones, at estimated places
    wire_placed   wirelength the current macro would cause in each cell: its nets to fixed and placed nodes
    wire_all      the same to all nodes, unplaced ones at estimated places
    congestion_*  routing demand over capacity, at estimated places
    fits          1 where the macro may go
    snap          how far from the middle of the cell the macro's center would lie, in cells
    x, y          distance of the cell from the canvas' middle, in canvas sizes"""
FITS = MAP_NAMES.index("fits")

SCALAR_NAMES = ("progress", "width", "height", "columns", "rows", "pull_x", "pull_y", "known", "coverage", "wires")
"""What the policy sees of the current macro, [S]: part of the episode that is over, size in canvas sizes and in cells,
mean place of its net-mates, part of its wires that lead to nodes already placed, area of all hard macros over the
canvas', log of its wires over the mean."""


@njit(cache=True, nogil=True)
def observe(
    arrays: EpisodeArrays, state: State, first: int, last: int, t: int, maps: Singles, scalars: Singles, fits: Bools
) -> None:
    """For episodes first..last-1 fill maps [B, K, R, C], scalars [B, S] and the action mask [B, R, C] for step t."""
    for b in range(first, last):
        blockers = np.concatenate((arrays.obstacles, arrays.order[:t]))
        find_spots(arrays.cost, state.position[b], blockers, arrays.order[t], state.spot[b], fits[b])
        if not fits[b].any():
            # Dead end: any cell inside the canvas may be taken, and the overlap is legalized at the end.
            state.stuck[b] += 1
            find_spots(arrays.cost, state.position[b], blockers[:0], arrays.order[t], state.spot[b], fits[b])
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
    known = wire_profiles(arrays, state.position[b], t, wire)
    scale = max(arrays.wires[arrays.order[t]], 1e-9) * (a.canvas_width_um + a.canvas_height_um) / 4
    for kind in range(2):
        wire[kind, 0] -= wire[kind, 0, : a.cols].min()
        wire[kind, 1] -= wire[kind, 1, : a.rows].min()
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
                away_x = abs(state.spot[b, r, c, 0] / w - c - 0.5)
                away_y = abs(state.spot[b, r, c, 1] / h - r - 0.5)
                maps[7, r, c] = away_x + away_y
            maps[8, r, c] = abs((c + 0.5) / a.cols - 0.5) * 2
            maps[9, r, c] = abs((r + 0.5) / a.rows - 0.5) * 2
    scalars[5] = np.argmin(wire[1, 0, : a.cols]) / a.cols
    scalars[6] = np.argmin(wire[1, 1, : a.rows]) / a.rows
    scalars[7] = known


@njit(cache=True)
def wire_profiles(arrays: EpisodeArrays, position: Floats, t: int, wire: Floats) -> float:
    """Add up the wirelength that macro t causes with its center in each column (x) or row (y), in µm × weight.

    HPWL is a sum over x and y, so that two profiles say it all: a net adds how far the macro's pin lies outside the
    bounding box of the others.  Returns the part of the macro's wires whose net has another node in its final place.
    """
    a, nets = arrays.cost, arrays.soft.nets
    node = arrays.order[t]
    known = total = 0.0
    for i in range(nets.node_start[node], nets.node_start[node + 1]):
        k = nets.node_net[i]
        weight = nets.weight[k]
        total += weight
        for d in range(2):
            low, high = np.full(2, np.inf), np.full(2, -np.inf)
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
            for kind in range(2):
                if low[kind] > high[kind]:
                    continue
                for c in range(count):
                    x = (c + 0.5) * side + offset
                    wire[kind, d, c] += weight * (max(low[kind] - x, 0.0) + max(x - high[kind], 0.0))
            if d == 0 and low[0] <= high[0]:
                known += weight
    return known / total if total > 0.0 else 0.0


@njit(cache=True)
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
