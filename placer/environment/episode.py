"""The steps of B episodes of macro placement at once, as numba kernels without Python in between.

Hard macros are placed one by one on grid cells (`placer.environment.action_mask` decides where in a cell).  Nodes not
yet placed are at estimated places, to which their nets pull them, so that the maps that a policy sees
(`placer.environment.features`) are informative from the start.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.legality.rules import rules
from netlists.netlist import Floats, Ints, Netlist
from netlists.rows.cover import blocked
from netlists.runtime.kernel import kernel
from placer.cost.arrays import CostArrays
from placer.cost.congestion import congestion_maps
from placer.cost.density import cover
from placer.cost.proxy import evaluate_arrays
from placer.cost.wirelength import weighted_hpwl, wirelength_cost
from placer.environment.action_mask import cell_size
from placer.soft.detailed import detail_soft
from placer.soft.force_directed import SoftArrays, place_soft, pull, soft_arrays

REFRESHES = 32
"""Updates of the estimates (places of unplaced nodes, congestion) per episode."""

PULL_STEP = 0.8
"""Fraction of the way to their preferred places by which unplaced nodes move in one pull."""

FIRST_PULLS = 100
"""Pulls at the beginning of an episode, after which nodes hardly move."""

REFRESH_PULLS = 2
"""Pulls per refresh."""


class EpisodeArrays(NamedTuple):
    """A netlist in the form that the kernels need."""

    soft: SoftArrays
    cost: CostArrays  # exact
    rough: CostArrays  # on merged nets, for the congestion that the policy sees
    order: Ints  # [T] movable hard macros in the order of their placement
    obstacles: Ints  # [F] fixed hard macros
    blocked: Floats  # [K, 4] low x, low y, high x, high y in µm of areas that no row covers
    room: Floats  # [V+1, 4] see `room_of`
    blocked_map: Floats  # [R, C] fraction of each cell that these cover
    floating: Ints  # nodes without a place at the start: `order`, then soft macros and cells
    start: Floats  # [V, 2] centers at the start in µm
    orientation: npt.NDArray[np.int8]  # [V]
    turn: Ints  # [V] step at which each node gets its final place: -1 if fixed, T for soft macros
    wires: Floats  # [V] total weight of the nets of each node
    mean_wires: float  # over the hard macros
    coverage: float  # area of all hard macros, as a fraction of the canvas'
    refresh: int  # steps between two refreshes
    soft_rounds: int  # of the force-directed placement of soft macros at the end
    soft_sweeps: int  # of the detailed placement of soft macros at the end


class EpisodeState(NamedTuple):
    """The state of B episodes."""

    position: Floats  # [B, V, 2] centers in µm
    hard_map: Floats  # [B, R, C] cover by hard macros in their final places and by areas that no row covers
    rest_map: Floats  # [B, R, C] cover d by all other nodes at the last refresh, as d / (1 + d)
    across_map: Floats  # [B, R, C] horizontal routing demand d over capacity at the last refresh, as d / (1 + d)
    up_map: Floats  # [B, R, C] vertical routing demand, likewise
    hard_sums: Floats  # [B, R+3, C+3] sums of hard cover over all cells below and to the left, with a frame
    rest_sums: Floats  # [B, R+3, C+3] likewise of the other cover
    demand_sums: Floats  # [B, R+3, C+3] likewise of the larger demand
    place: Floats  # [B, R, C, 2] center of the current macro in each cell, in µm
    estimate: Floats  # [B] wirelength cost at estimated places, at the last refresh
    stuck: Ints  # [B] steps at which the macro fitted in no cell


def episode_arrays(netlist: Netlist, order: Ints, soft_rounds: int, soft_sweeps: int) -> EpisodeArrays:
    """The arrays of a netlist whose hard macros, with the indices `order` [T], are placed in this order.

    Unplaced nodes start in the middle of the canvas, from where their nets pull them.
    """
    soft = soft_arrays(netlist)
    nets = soft.nets
    floating = np.concatenate((order, soft.movable))
    start = netlist.position_um.copy()
    start[floating] = np.array(netlist.canvas_um) / 2
    wires = np.zeros(netlist.num_nodes)
    np.add.at(wires, nets.node, np.repeat(nets.weight, np.diff(nets.start)))
    turn = np.where(netlist.fixed, -1, len(order))
    turn[order] = np.arange(len(order))
    hard_area = netlist.size_um[netlist.hard].prod(axis=1).sum()
    arrays = EpisodeArrays(
        soft=soft,
        cost=soft.cost,
        rough=soft.cost._replace(net_start=nets.start, node=nets.node, offset_um=nets.offset_um, weight=nets.weight),
        order=order,
        obstacles=netlist.hard[netlist.fixed[netlist.hard]],
        blocked=blocked(netlist).copy(),
        room=room_of(netlist),
        blocked_map=cover_map(blocked(netlist), netlist),
        floating=floating,
        start=start,
        orientation=netlist.orientation,
        turn=turn,
        wires=wires,
        mean_wires=max(float(wires[order].mean()), 1e-9),
        coverage=float(hard_area / np.prod(netlist.canvas_um)),
        refresh=max(1, round(len(order) / REFRESHES)),
        soft_rounds=soft_rounds,
        soft_sweeps=soft_sweeps,
    )
    relax(arrays, start)
    return arrays


def room_of(netlist: Netlist) -> Floats:
    """[V+1, 4] low x, low y, high x, high y in µm of the box in which each node must be by its constraints, if any.

    The last row is for anywhere.
    """
    anywhere = np.array([[-np.inf, -np.inf, np.inf, np.inf]])
    own = rules(netlist).room_um
    return np.vstack([own if len(own) else np.repeat(anywhere, netlist.num_nodes, axis=0), anywhere])


def cover_map(rectangles: Floats, netlist: Netlist) -> Floats:
    """[R, C] the fraction of each grid cell that disjoint rectangles cover.

    `rectangles` [K, 4] holds low x, low y, high x and high y in µm.
    """
    cover_fraction = np.zeros(netlist.grid)
    (rows, cols), (w, h) = netlist.grid, netlist.cell_um
    left, bottom = w * np.arange(cols), h * np.arange(rows)
    for low_x, low_y, high_x, high_y in rectangles:
        across = np.clip(np.minimum(left + w, high_x) - np.maximum(left, low_x), 0, w) / w
        up = np.clip(np.minimum(bottom + h, high_y) - np.maximum(bottom, low_y), 0, h) / h
        cover_fraction += np.outer(up, across)
    return cover_fraction


@njit(cache=True)
def relax(arrays: EpisodeArrays, position: Floats) -> None:
    """Let the nets pull all unplaced nodes until they hardly move; changes the centers `position` [V, 2] in µm."""
    want = np.empty((position.shape[0], 4))
    width, height = cell_size(arrays.cost)
    slack = (width + height) / 2
    for _ in range(FIRST_PULLS):
        pull(arrays.soft.nets, position, arrays.floating, slack, PULL_STEP, want)


def new_state(arrays: EpisodeArrays, batch: int) -> EpisodeState:
    """The state of `batch` episodes before `begin`."""
    rows, cols, v = arrays.cost.rows, arrays.cost.cols, len(arrays.start)
    maps = [np.zeros((batch, rows, cols)) for _ in range(4)]
    sums = [np.zeros((batch, rows + 3, cols + 3)) for _ in range(3)]
    return EpisodeState(
        np.broadcast_to(arrays.start, (batch, v, 2)).copy(), maps[0], maps[1], maps[2], maps[3], sums[0], sums[1],
        sums[2], np.zeros((batch, rows, cols, 2)), np.zeros(batch), np.zeros(batch, dtype=np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def begin(arrays: EpisodeArrays, state: EpisodeState, first: int, last: int) -> None:
    """Bring episodes first..last-1 to their first step."""
    for b in range(first, last):
        state.position[b] = arrays.start
        state.hard_map[b] = arrays.blocked_map
        state.stuck[b] = 0
        for v in arrays.obstacles:
            cover(arrays.cost, v, arrays.start[v, 0], arrays.start[v, 1], 1.0, state.hard_map[b])
    refresh(arrays, state, first, last, 0)


@njit(cache=True, nogil=True)
def step(
    arrays: EpisodeArrays, state: EpisodeState, first: int, last: int, t: int, action: Ints, gain: Floats
) -> None:  # fmt: skip
    """Place macro t of the episodes first..last-1 in the cells with the indices `action` [B] (row * C + column).

    Sets `gain` [B] to the decrease of the estimated wirelength cost in the step, which is 0 between refreshes.
    """
    put_macro(arrays, state, first, last, t, action)
    gain[first:last] = 0.0
    if (t + 1) % arrays.refresh == 0 and t + 1 < arrays.order.size:
        gain[first:last] = state.estimate[first:last]
        refresh(arrays, state, first, last, t + 1)
        gain[first:last] -= state.estimate[first:last]


@kernel
def put_macro(arrays: EpisodeArrays, state: EpisodeState, first: int, last: int, t: int, action: Ints) -> None:
    """Move macro t of the episodes first..last-1 to the cells with the indices `action` [B] and cover these."""
    v = arrays.order[t]
    for b in range(first, last):
        r, c = action[b] // arrays.cost.cols, action[b] % arrays.cost.cols
        for d in range(2):
            state.position[b, v, d] = state.place[b, r, c, d]
        cover(arrays.cost, v, state.position[b, v, 0], state.position[b, v, 1], 1.0, state.hard_map[b])


@njit(cache=True, nogil=True)
def finish(arrays: EpisodeArrays, state: EpisodeState, first: int, last: int, terms: Floats) -> None:
    """Place the soft macros of the episodes first..last-1 and evaluate their exact costs.

    Fills `terms` [B, 4] with the wirelength, density and congestion costs and the weighted HPWL in µm.
    """
    for b in range(first, last):
        place_soft(arrays.soft, state.position[b], arrays.soft_rounds)
        detail_soft(arrays.soft, state.position[b], arrays.soft_sweeps)
        cost = evaluate_arrays(arrays.cost, state.position[b], arrays.orientation)
        for k in range(4):
            terms[b, k] = cost[k]


@njit(cache=True)
def refresh(arrays: EpisodeArrays, state: EpisodeState, first: int, last: int, t: int) -> None:
    """Pull unplaced nodes a few times and update the maps and the wirelength that depend on them, before step t."""
    want, pins = np.empty((len(arrays.start), 4)), np.empty((len(arrays.rough.node), 2))
    for b in range(first, last):
        estimate_places(arrays, state, b, t, want, pins)
        congestion_maps(arrays.rough, pins, state.position[b], state.across_map[b], state.up_map[b])
        squash_and_sum(state, b)


@kernel
def estimate_places(arrays: EpisodeArrays, state: EpisodeState, b: int, t: int, want: Floats, pins: Floats) -> None:
    """Pull the unplaced nodes of an episode a few times; fill their map, the places of all pins and the wirelength.

    `want` [V, 4] is scratch memory; the pins [P, 2] are in µm.
    """
    a, floating, position, rest = arrays.rough, arrays.floating[t:], state.position[b], state.rest_map[b]
    width, height = cell_size(a)
    for _ in range(REFRESH_PULLS):
        pull(arrays.soft.nets, position, floating, (width + height) / 2, PULL_STEP, want)
    rest[:] = 0.0
    for v in floating:
        cover(a, v, position[v, 0], position[v, 1], 1.0, rest)
    put_pins(a, position, pins)
    state.estimate[b] = wirelength_cost(a, weighted_hpwl(a, pins))


@kernel
def put_pins(cost: CostArrays, position: Floats, pins: Floats) -> None:
    """Fill the places `pins` [P, 2] of the pins, whose offsets are those of the present orientation.

    `position` [V, 2] holds centers; both are in µm.
    """
    for p in range(len(pins)):
        v = cost.node[p]
        pins[p, 0], pins[p, 1] = position[v, 0] + cost.offset_um[p, 0], position[v, 1] + cost.offset_um[p, 1]


@kernel
def squash_and_sum(state: EpisodeState, b: int) -> None:
    """Replace the values d of the maps of a refresh by d / (1 + d), and fill their sums."""
    rest, across, up = state.rest_map[b], state.across_map[b], state.up_map[b]
    rest_sums, demand_sums = state.rest_sums[b], state.demand_sums[b]
    rows, cols = rest.shape
    for r in range(rows + 2):
        rest_run = demand_run = 0.0
        for c in range(cols + 2):
            if 0 < r <= rows and 0 < c <= cols:
                demand = max(across[r - 1, c - 1], up[r - 1, c - 1])
                rest[r - 1, c - 1] /= 1.0 + rest[r - 1, c - 1]
                across[r - 1, c - 1] /= 1.0 + across[r - 1, c - 1]
                up[r - 1, c - 1] /= 1.0 + up[r - 1, c - 1]
                rest_run += rest[r - 1, c - 1]
                demand_run += demand / (1.0 + demand)
            else:
                rest_run, demand_run = rest_run + 1.0, demand_run + 1.0
            rest_sums[r + 1, c + 1] = rest_sums[r, c + 1] + rest_run
            demand_sums[r + 1, c + 1] = demand_sums[r, c + 1] + demand_run
