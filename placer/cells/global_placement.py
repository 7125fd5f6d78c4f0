"""Global placement of a flat netlist for wirelength: cells, and macros too where they may move, spread as charges.

Minimizes the weighted-average wirelength plus a growing weight times the electrostatic energy of the nodes and of
fillers that stand for the free area, by Nesterov's method with the steps and schedules of Lu et al., "ePlace", ACM
TODAES 20(2), 2015; with macros as in Lu et al., "ePlace-MS", IEEE TCAD 34(5), 2015.  The result overlaps a little:
it is for a legalizer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from netlists.legality.cells import free_rows
from netlists.netlist import ORIENTATION_MATRIX, Bools, Floats, Ints, Kind
from netlists.placement import Placement
from netlists.rows.derived import cell_rows
from placer.cells.electrostatics import Bins, covered

FIRST_WEIGHT, WARM_WEIGHT = 8e-5, 1e-2  # of the energy, in parts of where both gradients would be equal
WEIGHT_STEPS = (0.95, 1.05)  # least and most growth of the weight in one step
USUAL_STEPS, MOST_PACE = 700, 8.0  # where time is short the weight grows faster, up to the power MOST_PACE
WORSE = 0.004  # growth of wirelength in one step, in parts, that is worth slowing down for
ENOUGH = 0.07  # overflow: area of movable nodes above the density limit, in parts of their area
MAX_STEPS = 1500
LATE, STALLED, PATIENCE = 0.3, 0.95, 30  # overflow below LATE that is not below STALLED times that of so many steps ago
FEWEST_BINS, MOST_BINS = 32, 512
FILLERS_PER_NODE, FEW_FILLERS = 20, 10_000  # at most so many fillers, but always some
LEAST_DENSE = 0.9
"""Density limit, where there is room: cells packed to the full move far when they are legalized."""


@dataclass(frozen=True, eq=False)
class _Problem:
    """A netlist in units of a site."""

    unit_um: float
    bins: Bins
    moves: Ints  # [K] nodes that move
    size: Floats  # [K + F, 2] of those and of the fillers
    charge: Floats  # [K + F] their area; that of macros times the density limit, which they fill by themselves
    densest: float  # density limit of a bin
    node: Ints  # [P] node of every connection
    offset: Floats  # [P, 2]
    net_start: Ints
    weight: Floats  # [N]
    pins: Floats  # [K + F] sum of the weights of the connections of each


def spread(
    placement: Placement, moves: Bools, *, seed: int, warm: bool = False, deadline: float = np.inf,
    tick: Callable[[], None] = lambda: None,
) -> Floats:  # fmt: skip
    """Centers [V, 2] in µm after global placement of the nodes that `moves` [V] names; others stay and block.

    Needs rows.  The start matters little, since at first wirelength alone pulls nodes together; a `warm` start, a
    placement that is spread already, keeps more of its order.  Stops at `deadline`
    (`time.perf_counter`) at the latest.  `tick` is called before every step.
    """
    p, rng = _problem(placement, moves), np.random.default_rng(seed)
    at = placement.position_um / p.unit_um
    count = len(p.moves)
    fillers = rng.random((len(p.size) - count, 2)) * p.bins.canvas
    half = np.minimum(p.size, p.bins.canvas) / 2
    start = np.vstack([at[p.moves] + rng.normal(size=(count, 2)), fillers])
    if not count:
        return placement.position_um.copy()

    def inside(point: Floats) -> Floats:
        return np.clip(point, half, p.bins.canvas - half)

    smooth, energy_weight = 0.0, 0.0

    def gradient(point: Floats) -> tuple[Floats, Floats, Floats, float]:
        """Of wirelength and of energy [K + F, 2], the bins' density of real nodes, and HPWL."""
        at[p.moves] = point[:count]
        pull = np.zeros(at.shape)
        hpwl = wirelength_gradient(at, p.node, p.offset, p.net_start, p.weight, smooth, pull)
        real = p.bins.density(point[:count], p.size[:count], p.charge[:count])
        total = real + p.bins.density(point[count:], p.size[count:], p.charge[count:]) + p.bins.blocked
        push = -p.bins.force(point, p.size, p.charge, total)
        return np.vstack([pull[p.moves], np.zeros((len(point) - count, 2))]), push, real, hpwl

    def direction(pull: Floats, push: Floats) -> Floats:
        scale = np.maximum(p.pins + energy_weight * p.charge, 1.0)
        return (pull + energy_weight * push) / scale[:, None]

    def overflow(real: Floats) -> float:
        over = np.maximum(real + p.bins.blocked - p.densest, 0)
        return float(over.sum() * p.bins.size.prod() / p.charge[:count].sum())

    def sharpness(over: float) -> float:
        return float(8 * p.bins.size.mean() * 10 ** (20 / 9 * (min(over, 1.0) - 0.1) - 1))

    u = v = inside(start)
    overflows: list[float] = []
    smooth = sharpness(1.0)
    pull, push, real, hpwl = gradient(v)
    energy_weight = (WARM_WEIGHT if warm else FIRST_WEIGHT) * np.abs(pull).sum() / max(np.abs(push).sum(), 1e-300)
    g = direction(pull, push)
    step, momentum = 0.1 * p.bins.size.mean() / max(np.abs(g).max(), 1e-300), 1.0
    began = now_s = time.perf_counter()
    while len(overflows) < MAX_STEPS and now_s < deadline:
        tick()
        following = (1 + np.sqrt(4 * momentum**2 + 1)) / 2
        for _ in range(3):  # shorten the step until the gradient's change agrees with it
            u_next = inside(v - step * g)
            v_next = inside(u_next + (momentum - 1) / following * (u_next - u))
            pull, push, real, now = gradient(v_next)
            change = float(np.linalg.norm(direction(pull, push) - g))
            allowed = float(np.linalg.norm(v_next - v)) / max(change, 1e-300)
            if allowed >= 0.95 * step:
                break
            step = allowed
        u, v, momentum, step = u_next, v_next, following, allowed
        overflows.append(over := overflow(real))
        now_s = time.perf_counter()
        to_do = max(1 - len(overflows) / USUAL_STEPS, 0.1) * USUAL_STEPS * (now_s - began) / len(overflows)
        pace = float(np.clip(to_do / max(deadline - now_s, 1e-300), 1, MOST_PACE))
        grown = (now - hpwl) / max(pace * WORSE * hpwl, 1e-300)
        energy_weight *= float(np.clip(WEIGHT_STEPS[1] ** (1 - grown), *WEIGHT_STEPS)) ** pace
        hpwl, smooth = now, sharpness(over)
        g = direction(pull, push)
        if over < ENOUGH or stalled(overflows):
            break
    found = placement.position_um.copy()
    found[p.moves] = u[:count] * p.unit_um
    return found


def stalled(overflows: list[float]) -> bool:
    """Whether nodes are spread and the overflow falls no more: from there on wires would only get longer."""
    recent = overflows[-PATIENCE - 1 :]
    return len(recent) > PATIENCE and max(recent) < LATE and recent[-1] > STALLED * recent[0]


def _problem(placement: Placement, moves: Bools) -> _Problem:
    n = placement.netlist
    rows = cell_rows(n)
    assert rows is not None
    unit = float(rows.site_um.min())
    canvas = (n.canvas_um[0] / unit, n.canvas_um[1] / unit)
    nodes = np.flatnonzero(moves & (n.size_um > 0).all(axis=1))
    bins = int(np.clip(2 ** np.ceil(np.log2(np.sqrt(max(len(nodes), 1)))), FEWEST_BINS, MOST_BINS))
    free = free_rows(placement, moves)
    low = np.column_stack([free.x_um, free.y_um]) / unit
    high = np.column_stack([free.right_um, free.y_um + free.height_um]) / unit
    blocked = np.clip(1 - covered(low, high, canvas, bins), 0, 1)
    size = n.size_um[nodes] / unit
    turned = ORIENTATION_MATRIX[placement.orientation[n.connection_node]]
    offset = np.einsum("pij,pj->pi", turned, n.connection_offset_um) / unit
    macro = n.kind[nodes] == Kind.HARD
    area = size.prod(axis=1)
    room = float((1 - blocked).sum()) * canvas[0] * canvas[1] / bins**2 - area[macro].sum()
    densest = float(np.clip(area[~macro].sum() / room, LEAST_DENSE, 1))
    filler = _fillers(size[~macro], densest * room)
    charge = np.concatenate([np.where(macro, densest, 1.0) * area, filler.prod(axis=1)])
    pins = np.bincount(n.connection_node, n.net_weight[n.connection_net], n.num_nodes)[nodes]
    return _Problem(
        unit, Bins(canvas, densest * blocked), nodes, np.vstack([size, filler]), charge, densest, n.connection_node,
        offset, n.net_start, n.net_weight, np.concatenate([pins, np.zeros(len(filler))]),
    )  # fmt: skip


def _fillers(size: Floats, free: float) -> Floats:
    """[F, 2] sizes of fillers for the area that nodes [K, 2] leave free; each as large as a usual node.

    Larger, in the same shape, where there would be more than `FILLERS_PER_NODE` for every node.
    """
    area = np.sort(size.prod(axis=1))
    usual = area[len(area) // 20 : max(len(area) * 19 // 20, 1)].mean() if len(area) else 1.0
    height = float(np.median(size[:, 1])) if len(area) else 1.0
    count = max(int((free - area.sum()) / usual), 0)
    most = max(FILLERS_PER_NODE * len(area), FEW_FILLERS)
    side = np.sqrt(max(count / most, 1.0))
    return np.tile([side * usual / height, side * height], (min(count, most), 1))


@njit(cache=True)
def wirelength_gradient(
    at: Floats, node: Ints, offset: Floats, net_start: Ints, weight: Floats, smooth: float, gradient: Floats
) -> float:  # fmt: skip
    """The weighted HPWL; adds to `gradient` [V, 2] that of the weighted-average wirelength (smoothing `smooth`).

    Hsu, Chang and Balabanov, "TSV-aware analytical placement for 3D IC designs", DAC 2011, equation 6.
    """
    hpwl = 0.0
    for net in range(len(weight)):
        first, last = net_start[net], net_start[net + 1]
        if last - first < 2:
            continue
        for axis in range(2):
            low, high = np.inf, -np.inf
            for k in range(first, last):
                x = at[node[k], axis] + offset[k, axis]
                low, high = min(low, x), max(high, x)
            hpwl += weight[net] * (high - low)
            up = up_x = down = down_x = 0.0
            for k in range(first, last):
                x = at[node[k], axis] + offset[k, axis]
                e, f = np.exp((x - high) / smooth), np.exp((low - x) / smooth)
                up, up_x, down, down_x = up + e, up_x + e * x, down + f, down_x + f * x
            for k in range(first, last):
                x = at[node[k], axis] + offset[k, axis]
                e, f = np.exp((x - high) / smooth), np.exp((low - x) / smooth)
                rise = e / up * (1 + (x - up_x / up) / smooth)
                fall = f / down * (1 - (x - down_x / down) / smooth)
                gradient[node[k], axis] += weight[net] * (rise - fall)
    return hpwl
