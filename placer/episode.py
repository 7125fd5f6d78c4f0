"""What happens in an episode of macro placement, for B episodes at once: numba kernels without Python in between.

Hard macros are placed one by one on grid cells (`spots.py` says where in a cell).  Nodes not yet placed stand at
estimated places, pulled by their nets, so that the maps a policy sees (`features.py`) mean something.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.netlist import Floats, Ints, Netlist
from placer.cost.arrays import CostArrays
from placer.cost.congestion import congestion_maps
from placer.cost.density import cover
from placer.cost.proxy import evaluate_arrays
from placer.cost.wirelength import weighted_hpwl, wirelength_cost
from placer.soft import SoftArrays, place_soft, pull, soft_arrays
from placer.soft_detail import detail_soft

REFRESHES = 32
"""How often in an episode the estimates (places of unplaced nodes, congestion) are brought up to date."""


class EpisodeArrays(NamedTuple):
    """A netlist as the kernels need it."""

    soft: SoftArrays
    cost: CostArrays  # exact
    rough: CostArrays  # on merged nets, for the congestion that the policy sees
    order: Ints  # [T] hard macros in the order they are placed
    obstacles: Ints  # fixed hard macros
    floating: Ints  # nodes without a place of their own: movable hard and soft macros, cells
    start: Floats  # [V, 2] where nodes stand at the beginning
    orientation: npt.NDArray[np.int8]  # [V]
    turn: Ints  # [V] step at which each node gets its final place: -1 from the start, T for soft macros
    wires: Floats  # [V] weight of the nets of each node
    mean_wires: float  # over the hard macros
    coverage: float  # area of all hard macros over the canvas'
    refresh: int  # steps between two refreshes
    soft_rounds: int
    soft_sweeps: int


class State(NamedTuple):
    """B episodes under way."""

    position: Floats  # [B, V, 2] centers, µm
    hard_map: Floats  # [B, R, C]
    rest_map: Floats  # [B, R, C]
    across_map: Floats  # [B, R, C]
    up_map: Floats  # [B, R, C]
    spot: Floats  # [B, R, C, 2] where the current macro would go in each cell
    estimate: Floats  # [B] wirelength cost at estimated places, at the last refresh
    stuck: Ints  # [B] steps at which no cell fitted


def episode_arrays(netlist: Netlist, order: Ints, soft_rounds: int, soft_sweeps: int) -> EpisodeArrays:
    """Arrays of a netlist whose hard macros are placed in the given order; unplaced nodes start in the middle."""
    soft = soft_arrays(netlist)
    nets = soft.nets
    floating = np.flatnonzero(~netlist.fixed)
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
        floating=floating,
        start=start,
        orientation=netlist.orientation.copy(),
        turn=turn,
        wires=wires,
        mean_wires=max(float(wires[order].mean()), 1e-9),
        coverage=float(hard_area / np.prod(netlist.canvas_um)),
        refresh=max(1, round(len(order) / REFRESHES)),
        soft_rounds=soft_rounds,
        soft_sweeps=soft_sweeps,
    )
    settle(arrays, start)
    return arrays


@njit(cache=True)
def settle(arrays: EpisodeArrays, position: Floats) -> None:
    """Let the nets pull all unplaced nodes from where they stand until they hardly move."""
    want = np.empty((position.shape[0], 4))
    slack = (arrays.cost.canvas_width_um / arrays.cost.cols + arrays.cost.canvas_height_um / arrays.cost.rows) / 2
    for _ in range(100):
        pull(arrays.soft.nets, position, arrays.floating, slack, 0.8, want)


def new_state(arrays: EpisodeArrays, batch: int) -> State:
    """B fresh episodes."""
    rows, cols, v = arrays.cost.rows, arrays.cost.cols, len(arrays.start)
    maps = [np.zeros((batch, rows, cols)) for _ in range(4)]
    return State(
        np.broadcast_to(arrays.start, (batch, v, 2)).copy(), maps[0], maps[1], maps[2], maps[3],
        np.zeros((batch, rows, cols, 2)), np.zeros(batch), np.zeros(batch, dtype=np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def begin(arrays: EpisodeArrays, state: State, first: int, last: int) -> None:
    """Bring episodes first..last-1 to their first step."""
    for b in range(first, last):
        state.position[b] = arrays.start
        state.hard_map[b] = 0.0
        state.stuck[b] = 0
        for v in arrays.obstacles:
            cover(arrays.cost, v, arrays.start[v, 0], arrays.start[v, 1], 1.0, state.hard_map[b])
        refresh(arrays, state, b, 0)


@njit(cache=True, nogil=True)
def step(arrays: EpisodeArrays, state: State, first: int, last: int, t: int, action: Ints, gain: Floats) -> None:
    """Place macro t of each episode in cell `action` [B] (r * C + c).

    `gain` [B] becomes the fall of the estimated wirelength cost over the step (0 between refreshes).
    """
    for b in range(first, last):
        v = arrays.order[t]
        r, c = action[b] // arrays.cost.cols, action[b] % arrays.cost.cols
        state.position[b, v] = state.spot[b, r, c]
        cover(arrays.cost, v, state.position[b, v, 0], state.position[b, v, 1], 1.0, state.hard_map[b])
        gain[b] = 0.0
        if (t + 1) % arrays.refresh == 0 and t + 1 < arrays.order.size:
            before = state.estimate[b]
            refresh(arrays, state, b, t + 1)
            gain[b] = before - state.estimate[b]


@njit(cache=True, nogil=True)
def finish(arrays: EpisodeArrays, state: State, first: int, last: int, parts: Floats) -> None:
    """Place the soft macros and fill `parts` [B, 4]: wirelength, density, congestion, weighted HPWL in µm."""
    for b in range(first, last):
        place_soft(arrays.soft, state.position[b], arrays.soft_rounds)
        detail_soft(arrays.soft, state.position[b], arrays.soft_sweeps)
        found = evaluate_arrays(arrays.cost, state.position[b], arrays.orientation)
        for k in range(4):
            parts[b, k] = found[k]


@njit(cache=True)
def refresh(arrays: EpisodeArrays, state: State, b: int, t: int) -> None:
    """Pull unplaced nodes a few times and renew the maps and the wirelength that depend on them."""
    a, position = arrays.rough, state.position[b]
    slack = (a.canvas_width_um / a.cols + a.canvas_height_um / a.rows) / 2
    want = np.empty((position.shape[0], 4))
    floating = np.concatenate((arrays.soft.movable, arrays.order[t:]))
    for _ in range(2):
        pull(arrays.soft.nets, position, floating, slack, 0.8, want)
    state.rest_map[b] = 0.0
    for v in floating:
        cover(a, v, position[v, 0], position[v, 1], 1.0, state.rest_map[b])
    pins = position[a.node] + a.offset_um
    state.estimate[b] = wirelength_cost(a, weighted_hpwl(a, pins))
    congestion_maps(a, pins, position, state.across_map[b], state.up_map[b])
