"""Features: the maps and scalars that a policy sees at one step of an episode, filled by numba kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.netlist import Bools, Floats, Ints
from netlists.runtime.barrier import take
from netlists.runtime.kernel import inlined_kernel, kernel, unsigned
from placer.cost.arrays import CostArrays
from placer.cost.density import cell_of
from placer.environment.action_mask import MaskScratch, cell_size, find_places, new_scratch, preferred_offset
from placer.environment.episode import EpisodeArrays, EpisodeState, begin, step

Singles = npt.NDArray[np.float32]

MAP_NAMES = (
    "hard", "rest", "wire_placed", "wire_all", "congestion_h", "congestion_v", "fits", "snap", "x", "y",
    "contact", "crowd", "demand", "edge",
)  # fmt: skip
"""The maps [K, R, C] that a policy sees, each roughly from 0 to 1:
    hard          fraction covered by fixed and placed hard macros and by areas without rows
    rest          cover d by soft macros and unplaced hard ones at estimated places, as d / (1 + d)
    wire_placed   wirelength of the nets of the current macro to fixed and placed nodes, if it went to each cell
    wire_all      the same to all nodes, unplaced ones at estimated places
    congestion_h  horizontal routing demand d over capacity, with nodes at estimated places, as d / (1 + d)
    congestion_v  the vertical one
    fits          1 if the macro fits in the cell
    snap          distance in cells between the macro's center and its preferred center in the cell
    x             horizontal distance of the cell from the middle of the canvas, in half canvas widths
    y             vertical distance, in half canvas heights
    contact       mean cover by hard macros in the ring of cells around the macro; walls count as covered
    crowd         mean of `rest` under the macro
    demand        mean of the larger of the two congestions under the macro
    edge          distance of the macro from the nearest wall, as a fraction of the canvas' width or height"""

# Indices of the maps.
HARD = MAP_NAMES.index("hard")
REST = MAP_NAMES.index("rest")
WIRE_PLACED = MAP_NAMES.index("wire_placed")
WIRE_ALL = MAP_NAMES.index("wire_all")
CONGESTION_H = MAP_NAMES.index("congestion_h")
CONGESTION_V = MAP_NAMES.index("congestion_v")
FITS = MAP_NAMES.index("fits")
SNAP = MAP_NAMES.index("snap")
DISTANCE_X = MAP_NAMES.index("x")
DISTANCE_Y = MAP_NAMES.index("y")
CONTACT = MAP_NAMES.index("contact")
CROWD = MAP_NAMES.index("crowd")
DEMAND = MAP_NAMES.index("demand")
EDGE = MAP_NAMES.index("edge")

SCALAR_NAMES = ("progress", "width", "height", "columns", "rows", "pull_x", "pull_y", "known", "coverage", "wires")
"""The scalars [S] that a policy sees of the current macro:
    progress      fraction of the episode that is over
    width, height size of the macro, as fractions of the canvas'
    columns, rows size of the macro in units of four cells
    pull_x        column with the least `wire_all`, as a fraction of the columns
    pull_y        row with the least `wire_all`, as a fraction of the rows
    known         fraction of the macro's wires that lead to nodes in their final places
    coverage      area of all hard macros, as a fraction of the canvas'
    wires         log(1 + w), where w are the macro's wires over the mean of the macros"""

# Indices of the scalars.
PROGRESS = SCALAR_NAMES.index("progress")
WIDTH = SCALAR_NAMES.index("width")
HEIGHT = SCALAR_NAMES.index("height")
COLUMNS = SCALAR_NAMES.index("columns")
ROWS = SCALAR_NAMES.index("rows")
PULL_X = SCALAR_NAMES.index("pull_x")
PULL_Y = SCALAR_NAMES.index("pull_y")
KNOWN = SCALAR_NAMES.index("known")
COVERAGE = SCALAR_NAMES.index("coverage")
WIRES = SCALAR_NAMES.index("wires")

CELLS_PER_UNIT = 4
"""Grid cells per unit of the scalars `columns` and `rows`."""

INSET = 1e-3
"""How far inside its edges, in cells, a macro ends for the maps, so that one on a grid line leaves the next cell."""

PLACED = 0
"""Index of bounds and profiles: those of nodes in their final places."""

ALL = 1
"""Index of bounds and profiles: those of all other nodes."""


class Workspace(NamedTuple):
    """What the features of a step need beside the episodes: the current macro's obstacles and scratch memory."""

    blockers: Ints  # [M] nodes that the macro must not overlap
    mask: MaskScratch
    bounds: Floats  # [2, 2]
    wire: Floats  # [2, 2, max(R, C)]


@njit(cache=True)
def new_workspace(arrays: EpisodeArrays, t: int) -> Workspace:
    """The workspace of one thread at step t."""
    cost = arrays.cost
    blockers = np.concatenate((arrays.obstacles, arrays.order[:t]))
    mask = new_scratch(cost, blockers, arrays.blocked, arrays.order[t])
    return Workspace(blockers, mask, np.empty((2, 2)), np.empty((2, 2, max(cost.rows, cost.cols))))


@njit(cache=True, nogil=True)
def begin_and_observe(
    arrays: EpisodeArrays, state: EpisodeState, taken: Ints, maps: Singles, scalars: Singles, fits: Bools
) -> None:  # fmt: skip
    """Bring episodes to their first step and fill its features, one episode after the other, until all are `taken`.

    `taken` [1] counts the episodes that some thread has begun with.  The features are `maps` [B, K, R, C], `scalars`
    [B, S] and the action mask `fits` [B, R, C].
    """
    memory = new_workspace(arrays, 0)
    b: int = take(taken)  # type: ignore[call-arg]
    while b < len(fits):
        begin(arrays, state, b, b + 1)
        observe(arrays, state, b, 0, memory, maps[b], scalars[b], fits[b])
        b = take(taken)


@njit(cache=True, nogil=True)
def step_and_observe(
    arrays: EpisodeArrays, state: EpisodeState, taken: Ints, t: int, action: Ints, gain: Floats, maps: Singles,
    scalars: Singles, fits: Bools,
) -> None:  # fmt: skip
    """As `begin_and_observe`, but take step t and fill the features of the next one.

    `taken` [1], `maps` [B, K, R, C], `scalars` [B, S] and `fits` [B, R, C] as there; `action` [B] and `gain` [B] as in
    `episode.step`.
    """
    memory = new_workspace(arrays, t + 1)
    b: int = take(taken)  # type: ignore[call-arg]
    while b < len(fits):
        step(arrays, state, b, b + 1, t, action, gain)
        observe(arrays, state, b, t + 1, memory, maps[b], scalars[b], fits[b])
        b = take(taken)


@kernel
def observe(
    arrays: EpisodeArrays, state: EpisodeState, b: int, t: int, memory: Workspace, maps: Singles, scalars: Singles,
    fits: Bools,
) -> None:  # fmt: skip
    """Fill the features of step t of episode b: `maps` [K, R, C], `scalars` [S] and the action mask `fits` [R, C]."""
    cost, node, blockers, wire = arrays.cost, arrays.order[t], memory.blockers, memory.wire
    position, place = state.position[b], state.place[b]
    if not find_places(cost, position, blockers, arrays.blocked, arrays.room[node], node, place, fits, memory.mask):
        # Dead end: any cell inside the canvas may be taken, and the overlap is legalized at the end.
        state.stuck[b] += 1
        anywhere = arrays.room[len(arrays.room) - 1]
        find_places(cost, position, blockers[:0], arrays.blocked[:0], anywhere, node, place, fits, memory.mask)
    wire[:] = 0.0
    scalars[KNOWN] = add_wire_profiles(arrays, position, t, memory.bounds, wire)
    fill_wires(arrays, t, wire, maps, scalars)
    sum_hard(state.hard_map[b], state.hard_sums[b])
    fill_maps(cost, state, b, maps)
    fill_by_place(cost, node, place, fits, state.hard_sums[b], state.rest_sums[b], state.demand_sums[b], maps)
    fill_scalars(arrays, t, scalars)


@kernel
def fill_wires(arrays: EpisodeArrays, t: int, wire: Floats, maps: Singles, scalars: Singles) -> None:
    """Fill the maps [K, R, C] of wirelength, and the scalars [S] of the place at which it is least.

    `wire` [2, 2, max(R, C)] holds the profiles of `add_wire_profiles` in µm times weight; it is changed.
    """
    a = arrays.cost
    scale = max(arrays.wires[arrays.order[t]], 1e-9) * (a.canvas_width_um + a.canvas_height_um) / 4
    for kind in range(2):
        across, up = wire[kind, 0], wire[kind, 1]
        column = subtract_least(across, a.cols)
        row = subtract_least(up, a.rows)
        for r in range(a.rows):
            for c in range(a.cols):
                maps[WIRE_PLACED + kind, r, c] = (across[c] + up[r]) / scale
        if kind == ALL:
            scalars[PULL_X] = column / a.cols
            scalars[PULL_Y] = row / a.rows


@kernel
def subtract_least(values: Floats, count: int) -> int:
    """Subtract from the first `count` of the values [N] the least of them, in place; returns its first index."""
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
    """Fill `sums` [R+3, C+3] with sums of the covered fractions `hard` [R, C] over all cells below and to the left.

    The grid has a frame of walls one cell wide, which count as covered.
    """
    rows, cols = hard.shape
    for r in range(rows + 2):
        run = 0.0
        for c in range(cols + 2):
            inside = 0 < r <= rows and 0 < c <= cols
            run += min(hard[r - 1, c - 1], 1.0) if inside else 1.0
            sums[r + 1, c + 1] = sums[r, c + 1] + run


@kernel
def fill_maps(cost: CostArrays, state: EpisodeState, b: int, maps: Singles) -> None:
    """Fill the maps [K, R, C] of one episode that do not depend on the current macro."""
    hard, rest, across, up = state.hard_map[b], state.rest_map[b], state.across_map[b], state.up_map[b]
    for r in range(cost.rows):
        for c in range(cost.cols):
            maps[HARD, r, c] = hard[r, c]
            maps[REST, r, c] = rest[r, c]
            maps[CONGESTION_H, r, c] = across[r, c]
            maps[CONGESTION_V, r, c] = up[r, c]
            maps[DISTANCE_X, r, c] = abs((c + 0.5) / cost.cols - 0.5) * 2
            maps[DISTANCE_Y, r, c] = abs((r + 0.5) / cost.rows - 0.5) * 2


@inlined_kernel
def box_sum(sums: Floats, r_low: int, r_high: int, c_low: int, c_high: int) -> float:
    """The sum of a density over the cells r_low..r_high, c_low..c_high of the grid, where -1, R and C are the frame.

    `sums` [R+3, C+3] are sums over all cells below and to the left.
    """
    above, below, left, right = unsigned(r_high + 2), unsigned(r_low + 1), unsigned(c_low + 1), unsigned(c_high + 2)
    total = (sums[above, right] - sums[above, left]) - (sums[below, right] - sums[below, left])
    return float(max(total, 0.0))  # rounding may make it slightly negative


@kernel
def fill_by_place(
    cost: CostArrays, node: int, place: Floats, fits: Bools, hard: Floats, rest: Floats, demand: Floats, maps: Singles
) -> None:
    """Fill the maps [K, R, C] of what lies under and around the node if it went to each cell in the mask `fits` [R, C].

    `place` [R, C, 2] holds its centers there in µm; `hard`, `rest` and `demand` [R+3, C+3] are sums of densities over
    all cells below and to the left.
    """
    rows, cols, width, height = cost.rows, cost.cols, cost.canvas_width_um, cost.canvas_height_um
    w, h = cell_size(cost)
    half_x, half_y = cost.size_um[node, 0] / 2, cost.size_um[node, 1] / 2
    offset_x, offset_y = preferred_offset(cost.size_um[node, 0], w), preferred_offset(cost.size_um[node, 1], h)
    for r in range(rows):
        for c in range(cols):
            maps[FITS, r, c] = fits[r, c]
            if not fits[r, c]:
                maps[SNAP, r, c] = 0.0
                maps[CONTACT, r, c] = 0.0
                maps[CROWD, r, c] = 0.0
                maps[DEMAND, r, c] = 0.0
                maps[EDGE, r, c] = 0.0
                continue
            x, y = place[r, c, 0], place[r, c, 1]
            maps[SNAP, r, c] = abs(x / w - c - offset_x) + abs(y / h - r - offset_y)
            r_low, r_high = cell_of(y - half_y + INSET * h, h, rows), cell_of(y + half_y - INSET * h, h, rows)
            c_low, c_high = cell_of(x - half_x + INSET * w, w, cols), cell_of(x + half_x - INSET * w, w, cols)
            r_high, c_high = max(r_high, r_low), max(c_high, c_low)  # for a macro thinner than the two insets
            cells = (r_high - r_low + 1) * (c_high - c_low + 1)
            ring = (r_high - r_low + 3) * (c_high - c_low + 3) - cells
            around = box_sum(hard, r_low - 1, r_high + 1, c_low - 1, c_high + 1)
            maps[CONTACT, r, c] = max(around - box_sum(hard, r_low, r_high, c_low, c_high), 0.0) / ring
            maps[CROWD, r, c] = box_sum(rest, r_low, r_high, c_low, c_high) / cells
            maps[DEMAND, r, c] = box_sum(demand, r_low, r_high, c_low, c_high) / cells
            to_x, to_y = min(x - half_x, width - x - half_x) / width, min(y - half_y, height - y - half_y) / height
            maps[EDGE, r, c] = max(min(to_x, to_y), 0.0)


@kernel
def add_wire_profiles(arrays: EpisodeArrays, position: Floats, t: int, bounds: Floats, wire: Floats) -> float:
    """Add the wirelength that macro t causes with its center in each column (x) or row (y) to `wire`, in µm × weight.

    HPWL is a sum over x and y, so that one profile for each is enough: a net adds the distance of the macro's pin from
    the bounding box of the other pins.  Returns the fraction of the macro's wires whose net has another node in its
    final place.  `wire` [2, 2, max(R, C)] is indexed by `PLACED` or `ALL`, axis, and column or row; `position` [V, 2]
    is in µm, and `bounds` [2, 2] is scratch memory.
    """
    a, nets = arrays.cost, arrays.soft.nets
    low, high = bounds[0], bounds[1]
    cell_width, cell_height = cell_size(a)
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
                    if kind == ALL or arrays.turn[v] < t:
                        low[kind], high[kind] = min(low[kind], x), max(high[kind], x)
            count = a.cols if d == 0 else a.rows
            side = cell_width if d == 0 else cell_height
            offset_in_cell = preferred_offset(a.size_um[node, d], side)
            for kind in range(2):
                if low[kind] > high[kind]:
                    continue
                for c in range(count):
                    x = (c + offset_in_cell) * side + offset
                    wire[kind, d, c] += weight * (max(low[kind] - x, 0.0) + max(x - high[kind], 0.0))
            if d == 0 and low[PLACED] <= high[PLACED]:
                known += weight
    return known / total if total > 0.0 else 0.0


@kernel
def fill_scalars(arrays: EpisodeArrays, t: int, scalars: Singles) -> None:
    """Fill the scalars [S] that depend on the step alone, as fractions and numbers of cells (`SCALAR_NAMES`)."""
    a = arrays.cost
    node = arrays.order[t]
    scalars[PROGRESS] = t / arrays.order.size
    scalars[WIDTH] = a.size_um[node, 0] / a.canvas_width_um
    scalars[HEIGHT] = a.size_um[node, 1] / a.canvas_height_um
    scalars[COLUMNS] = a.size_um[node, 0] * a.cols / a.canvas_width_um / CELLS_PER_UNIT
    scalars[ROWS] = a.size_um[node, 1] * a.rows / a.canvas_height_um / CELLS_PER_UNIT
    scalars[COVERAGE] = arrays.coverage
    scalars[WIRES] = np.log1p(arrays.wires[node] / arrays.mean_wires)
