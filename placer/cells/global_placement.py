"""Global placement of a flat netlist for wirelength: cells, and macros if they may move, are spread as charges.

Minimizes the weighted-average wirelength plus a growing weight times the electrostatic energy of the nodes and of
fillers, which stand for the free area, by Nesterov's method with the steps and schedules of Lu et al., "ePlace", ACM
TODAES 20(2), 2015; with macros as in Lu et al., "ePlace-MS", IEEE TCAD 34(5), 2015.  Nodes of the result overlap a
little: it is the input of a legalizer.

Here a point [K + F, 2] holds the centers of the K movable nodes and then of the F fillers.  All lengths are in units of
a site unless a name ends in `_um`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.errors import LegalizationError
from netlists.legality.cells import free_rows, with_halos
from netlists.netlist import Floats, Ints, Kind, Netlist
from netlists.placement import Placement
from netlists.rows.derived import cell_rows
from placer.cells.electrostatics import Bins, Rectangles, cover_fractions

FIRST_WEIGHT = 8e-5
"""Weight of the energy at the start, as a fraction of the weight at which both gradients would be equal."""

WARM_WEIGHT = 4.0
"""The same for a warm start, in which nodes are spread already: with less they would first gather again."""

LEAST_GROWTH = 0.95
"""Least factor by which the weight of the energy changes in one step."""

MOST_GROWTH = 1.05
"""Largest factor by which the weight of the energy changes in one step."""

USUAL_STEPS = 700
"""Steps that a global placement with macros usually takes at the usual pace."""

USUAL_WARM_STEPS = 250
"""The same from a warm start."""

USUAL_CELL_STEPS = 500
"""The same of cells alone; at half the pace it takes twice as many."""

USUAL_WARM_CELL_STEPS = 130
"""The same of cells alone from a warm start."""

MOST_PACE = 8.0
"""If time is short, the weight grows faster: by its usual factor to a power of at most this."""

WORSE = 0.004
"""Growth of the wirelength in one step, as a fraction of it, at which the weight stops growing."""

ENOUGH = 0.07
"""Overflow at which the placement ends: area of movable nodes above the density limit, as a fraction of their area."""

MAX_STEPS = 4000
"""Steps at most."""

TRIES = 3
"""Lengths of a step that are tried, at most."""

LATE = 0.3
"""Overflow below which a placement may count as stalled."""

STALLED = 0.95
"""A placement is stalled if its overflow is above this fraction of the overflow `PATIENCE` steps ago."""

PATIENCE = 30
"""Steps over which the overflow must fall."""

FEWEST_BINS = 32
"""Bins along each side of the canvas, at least; a power of two."""

MOST_BINS = 512
"""Bins along each side of the canvas, at most; a power of two."""

FILLERS_PER_NODE = 0.5
"""Fillers per movable node, at most; more take time and do not shorten wires."""

FEW_FILLERS = 10_000
"""Number of fillers that is allowed for any number of nodes."""

LEAST_DENSE = 0.9
"""Density limit of a bin if there is room: cells without any gaps would move far when they are legalized."""

LEAST_EXPONENT = -30.0
"""Powers of e below this one are taken as zero: a pin that far from the end of its net does not feel it."""

TINY = 1e-300
"""Keeps denominators positive."""


@dataclass(frozen=True, eq=False)
class _Problem:
    """A netlist in units of a site."""

    unit_um: float
    bins: Bins
    moves: Ints  # [K] nodes that move
    shift: Floats  # [K, 2] from the center of each node to that of its rectangle, which has its halo
    charge: Floats  # [K + F] area of nodes and fillers; that of macros times the density limit: they fill bins alone
    rectangles: Rectangles  # K + F of these charges, macros with their halos, stretched
    lowest: Floats  # [K + F, 2] the least center within the canvas
    highest: Floats  # [K + F, 2] the greatest
    densest: float  # density limit of a bin
    node: Ints  # [P] node of each connection
    offset: Floats  # [P, 2] of each connection from the center of its node
    net_start: Ints  # [N+1]
    weight: Floats  # [N]
    pins: Floats  # [K + F] sum of the weights of the connections of each node; 0 for fillers

    def clamp(self, point: Floats) -> Floats:
        """The point, or the centers [K, 2] of its nodes alone, with all rectangles moved into the canvas."""
        return np.minimum(np.maximum(point, self.lowest[: len(point)]), self.highest[: len(point)])

    def density(self, point: Floats) -> Floats:
        """The density [X, Y] of the movable nodes at a point, or at their centers [K, 2] alone."""
        count = len(self.moves)
        return self.bins.density(point[:count], self.rectangles.part(0, count))

    def overflow(self, density: Floats) -> float:
        """The area of movable nodes above the density limit, as a fraction of their area.

        `density` [X, Y] is that of the movable nodes.
        """
        excess = np.maximum(density + self.bins.blocked - self.densest, 0)
        return float(excess.sum() * self.bins.size.prod() / self.charge[: len(self.moves)].sum())

    def smoothing(self, overflow: float) -> float:
        """The smoothing length of the wirelength, which falls with the overflow."""
        return float(8 * self.bins.size.mean() * 10 ** (20 / 9 * (min(overflow, 1.0) - 0.1) - 1))


class _Forces(NamedTuple):
    """What is computed at a point."""

    pull: Floats  # [K + F, 2] gradient of the wirelength
    push: Floats  # [K + F, 2] gradient of the energy
    density: Floats  # [X, Y] of the movable nodes, without fillers
    hpwl: float


class _Descent:
    """Nesterov's method: `solution` is the point so far, `lookahead` the one at which gradients are computed."""

    def __init__(self, problem: _Problem, center: Floats, start: Floats, warm: bool) -> None:
        """`center` [V, 2] are the centers of all nodes, `start` the first point."""
        self.problem, self.center = problem, center
        self.solution = self.lookahead = problem.clamp(start)
        self.smooth, self.energy_weight = problem.smoothing(1.0), 0.0
        forces = self._forces(self.lookahead)
        first = WARM_WEIGHT if warm else FIRST_WEIGHT
        self.energy_weight = first * np.abs(forces.pull).sum() / max(np.abs(forces.push).sum(), TINY)
        self.hpwl, self.gradient = forces.hpwl, self._gradient(forces)
        self.length = 0.1 * problem.bins.size.mean() / max(np.abs(self.gradient).max(), TINY)
        self.momentum = 1.0

    def step(self) -> _Forces:
        """Take a step, shortened until the change of the gradient agrees with it; returns the forces at its end."""
        clamp, following = self.problem.clamp, (1 + np.sqrt(4 * self.momentum**2 + 1)) / 2
        for _ in range(TRIES):
            solution = clamp(self.lookahead - self.length * self.gradient)
            lookahead = clamp(solution + (self.momentum - 1) / following * (solution - self.solution))
            forces = self._forces(lookahead)
            allowed = _norm(lookahead - self.lookahead) / max(_norm(self._gradient(forces) - self.gradient), TINY)
            if allowed >= 0.95 * self.length:
                break
            self.length = allowed
        self.solution, self.lookahead, self.momentum, self.length = solution, lookahead, following, allowed
        return forces

    def adapt(self, forces: _Forces, overflow: float, pace: float) -> None:
        """Set the weight of the energy and the smoothing for the next step, by the forces at the end of the last."""
        growth = (forces.hpwl - self.hpwl) / max(pace * WORSE * self.hpwl, TINY)
        self.energy_weight *= float(np.clip(MOST_GROWTH ** (1 - growth), LEAST_GROWTH, MOST_GROWTH)) ** pace
        self.hpwl, self.smooth = forces.hpwl, self.problem.smoothing(overflow)
        self.gradient = self._gradient(forces)

    def _forces(self, point: Floats) -> _Forces:
        p, count = self.problem, len(self.problem.moves)
        if not np.isfinite(point.sum()):  # kernels would take it for bins that do not exist
            raise LegalizationError("global placement has diverged: positions are no longer finite; try another seed")
        self.center[p.moves] = point[:count] - p.shift
        pull = np.zeros(self.center.shape)
        hpwl = wirelength_gradient(self.center, p.node, p.offset, p.net_start, p.weight, self.smooth, pull)
        density = p.density(point)
        fillers = p.bins.density(point[count:], p.rectangles.part(count, len(point)))
        push = -p.bins.force(point, p.rectangles, density + fillers + p.bins.blocked)
        return _Forces(np.vstack([pull[p.moves], np.zeros((len(point) - count, 2))]), push, density, hpwl)

    def _gradient(self, forces: _Forces) -> Floats:
        """[K + F, 2] the gradient of the objective, scaled per node by an estimate of the diagonal of its Hessian."""
        scale = np.maximum(self.problem.pins + self.energy_weight * self.problem.charge, 1.0)
        return (forces.pull + self.energy_weight * forces.push) / scale[:, None]


def place_globally(
    placement: Placement, nodes: Ints, *, seed: int, warm: bool = False, slowest: float = 1.0,
    deadline: float = np.inf, tick: Callable[[], None] = lambda: None,
) -> Placement:  # fmt: skip
    """The placement after global placement of the `nodes` [K]; the others are obstacles.

    Requires rows.  Nodes begin in the middle of the canvas, except for a `warm` start from a placement that is spread
    already, of which it keeps more of the order.  The weight of the energy grows at the usual pace, or if there is time
    down to `slowest` times as fast, in more steps.  Ends at `deadline` (of `time.perf_counter`) at the
    latest.  `tick` is called before every step.
    """
    problem, rng = _problem(placement, nodes), np.random.default_rng(seed)
    count = len(problem.moves)
    if not count:
        return placement
    center = placement.position_um / problem.unit_um
    fillers = rng.random((len(problem.charge) - count, 2)) * problem.bins.canvas
    # Wirelength alone pulls nodes together at first, yet macros that begin where a clustered netlist wants them end
    # with 2 to 3% longer wires on ariane133_ng45 than those that begin in the middle.
    first = center[problem.moves] + problem.shift if warm else np.tile(np.array(problem.bins.canvas) / 2, (count, 1))
    start = np.vstack([first + rng.normal(size=(count, 2)), fillers])
    descent, overflows = _Descent(problem, center, start, warm), list[float]()
    usual, done = _usual_steps(placement.netlist, nodes, warm), 0.0
    began = now = time.perf_counter()
    while len(overflows) < MAX_STEPS and now < deadline:
        tick()
        forces = descent.step()
        overflows.append(problem.overflow(forces.density))
        now = time.perf_counter()
        pace = _pace((now - began) / len(overflows) * max(usual - done, 0.1 * usual), deadline - now, slowest)
        done += min(pace, 1.0)  # a faster pace saves fewer steps, and the end may not come too late
        descent.adapt(forces, overflows[-1], pace)
        if overflows[-1] < ENOUGH or stalled(overflows):
            break
    position_um = placement.position_um.copy()
    position_um[problem.moves] = (descent.solution[:count] - problem.shift) * problem.unit_um
    return Placement(placement.netlist, position_um, placement.orientation)


def overflow(placement: Placement, nodes: Ints) -> float:
    """Area of the `nodes` [K] above the density limit, as a fraction of their area; requires rows.

    At most `ENOUGH` after a global placement of these nodes, unless it was cut short or found too little room.
    """
    problem = _problem(placement, nodes)
    if not len(problem.moves):
        return 0.0
    center = problem.clamp(placement.position_um[problem.moves] / problem.unit_um + problem.shift)
    return problem.overflow(problem.density(center))


def _norm(vectors: Floats) -> float:
    """The Euclidean norm of all entries, without BLAS, whose threads would wait for each other in parallel rounds."""
    return float(np.sqrt(np.einsum("ij,ij->", vectors, vectors)))


def _usual_steps(n: Netlist, nodes: Ints, warm: bool) -> int:
    """Steps at the usual pace until the `nodes` [K] are spread."""
    if (n.kind[nodes] == Kind.HARD).any():
        return USUAL_WARM_STEPS if warm else USUAL_STEPS
    return USUAL_WARM_CELL_STEPS if warm else USUAL_CELL_STEPS


def _pace(needed_s: float, left_s: float, slowest: float) -> float:
    """How many times as fast as usual the weight must grow to end in the time that is left, at least `slowest`.

    At the usual pace `needed_s` seconds would be needed.
    """
    return float(np.clip(needed_s / max(left_s, TINY), slowest, MOST_PACE))


def stalled(overflows: list[float]) -> bool:
    """Whether nodes are spread and the overflow no longer falls, so that further steps would only lengthen wires."""
    recent = overflows[-PATIENCE - 1 :]
    # At first a warm start rises and falls again.
    return len(overflows) > 2 * PATIENCE and max(recent) < LATE and recent[-1] > STALLED * recent[0]


def _problem(placement: Placement, nodes: Ints) -> _Problem:
    """The problem of placing the `nodes` [K]; nodes without area stay."""
    n = placement.netlist
    rows = cell_rows(n)
    assert rows is not None
    unit = float(rows.site_um.min())
    canvas = (n.canvas_um[0] / unit, n.canvas_um[1] / unit)
    moves = np.zeros(n.num_nodes, dtype=bool)
    moves[nodes] = True
    nodes = nodes[(n.size_um[nodes] > 0).all(axis=1)]
    bins = int(np.clip(2 ** np.rint(np.log2(np.sqrt(max(len(nodes), 1)))), FEWEST_BINS, MOST_BINS))
    free = free_rows(placement, moves)
    low = np.column_stack([free.x_um, free.y_um]) / unit
    high = np.column_stack([free.right_um, free.y_um + free.height_um]) / unit
    blocked = np.clip(1 - cover_fractions(low, high, canvas, bins), 0, 1)
    boxes = with_halos(placement, nodes) / unit
    size, shift = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2 - placement.position_um[nodes] / unit
    offset = n.turned_offsets_um(placement.orientation) / unit
    macro = n.kind[nodes] == Kind.HARD
    area = size.prod(axis=1)
    room = float((1 - blocked).sum()) * canvas[0] * canvas[1] / bins**2 - area[macro].sum()
    densest = float(np.clip(area[~macro].sum() / room, LEAST_DENSE, 1))
    filler = _fillers(size[~macro], densest * room)
    charge = np.concatenate([np.where(macro, densest, 1.0) * area, filler.prod(axis=1)])
    pins = np.bincount(n.connection_node, n.net_weight[n.connection_net], n.num_nodes)[nodes]
    sizes, grid = np.vstack([size, filler]), Bins(canvas, densest * blocked)
    half = np.minimum(sizes, canvas) / 2
    return _Problem(
        unit, grid, nodes, shift, charge, grid.rectangles(sizes, charge), half, canvas - half, densest,
        n.connection_node, offset, n.net_start, n.net_weight, np.concatenate([pins, np.zeros(len(filler))]),
    )  # fmt: skip


def _fillers(size: Floats, free: float) -> Floats:
    """[F, 2] sizes of fillers for the area that nodes of sizes [K, 2] leave of `free`; each as large as a usual node.

    They are larger, in the same shape, if there would be more than `FILLERS_PER_NODE` per node.
    """
    area = np.sort(size.prod(axis=1))
    usual = area[len(area) // 20 : max(len(area) * 19 // 20, 1)].mean() if len(area) else 1.0
    height = float(np.median(size[:, 1])) if len(area) else 1.0
    count = max(int((free - area.sum()) / usual), 0)
    most = max(round(FILLERS_PER_NODE * len(area)), FEW_FILLERS)
    side = np.sqrt(max(count / most, 1.0))
    return np.tile([side * usual / height, side * height], (min(count, most), 1))


@njit(cache=True, nogil=True)
def wirelength_gradient(
    at: Floats, node: Ints, offset: Floats, net_start: Ints, weight: Floats, smooth: float, gradient: Floats
) -> float:  # fmt: skip
    """The weighted HPWL; adds the gradient of the weighted-average wirelength to `gradient` [V, 2].

    `at` [V, 2] are centers, `offset` [P, 2] those of the connections of `node` [P], and `smooth` is the smoothing
    length, all in one unit of length; net n of weight `weight` [N] has the connections from `net_start` [N+1] of n to
    that of n + 1.  Hsu, Chang and Balabanov, "TSV-aware analytical placement for 3D IC designs", DAC 2011, equation 6.
    """
    hpwl = 0.0
    most = 2
    for net in range(len(weight)):
        most = max(most, net_start[net + 1] - net_start[net])
    x, near_high, near_low = np.empty(most), np.empty(most), np.empty(most)
    for net in range(len(weight)):
        first, count = net_start[net], net_start[net + 1] - net_start[net]
        if count < 2:
            continue
        for axis in range(2):
            low, high = np.inf, -np.inf
            for k in range(count):
                x[k] = at[node[first + k], axis] + offset[first + k, axis]
                low, high = min(low, x[k]), max(high, x[k])
            hpwl += weight[net] * (high - low)
            if count == 2:
                pull = weight[net] * _pull_of_two((high - low) / smooth)
                rises = x[1] > x[0]
                gradient[node[first], axis] += -pull if rises else pull
                gradient[node[first + 1], axis] += pull if rises else -pull
                continue
            up = up_x = down = down_x = 0.0
            for k in range(count):
                e, f = _exp((x[k] - high) / smooth), _exp((low - x[k]) / smooth)
                near_high[k], near_low[k] = e, f
                up, up_x, down, down_x = up + e, up_x + e * x[k], down + f, down_x + f * x[k]
            for k in range(count):
                rise = near_high[k] / up * (1 + (x[k] - up_x / up) / smooth)
                fall = near_low[k] / down * (1 - (x[k] - down_x / down) / smooth)
                gradient[node[first + k], axis] += weight[net] * (rise - fall)
    return hpwl


@njit(cache=True, nogil=True)
def _pull_of_two(distance: float) -> float:
    """The gradient of the weighted-average wirelength of two pins, for their distance in smoothing lengths."""
    t = _exp(-distance)
    return float((1 - t + 2 * t * distance / (1 + t)) / (1 + t))


@njit(cache=True, nogil=True)
def _exp(x: float) -> float:
    """e^x for x <= 0; 0 where that is too small to matter."""
    return float(np.exp(x)) if x > LEAST_EXPONENT else 0.0
