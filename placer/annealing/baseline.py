"""Classical simulated annealing of hard macros with go-with-the-winners: the baseline.

As in Cheng et al., "Assessment of Reinforcement Learning for Macro Placement", ISPD 2023, section 5.2: macros start
along a spiral from the boundary inward; single macros are swapped, shifted, moved and mirrored; soft macros are placed
again by forces at regular intervals; the temperature falls geometrically; several walkers follow the best.  Unlike
there, macros are not bound to the centers of grid cells, and temperatures refer to the exact cost, which is kept up to
date after each move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlists.netlist import Floats, Netlist
from netlists.placement import Placement
from placer.annealing.metropolis import (
    Budget,
    Reporter,
    SearchResult,
    Walker,
    new_generators,
    run_walkers,
    spacing_um,
)
from placer.annealing.moves import MoveKind, allow_moves, cumulate
from placer.cost import ProxyCost
from placer.legalization.by_rules import legalize_by_rules
from placer.legalization.legalize import legalize
from placer.soft.force_directed import place_soft, soft_arrays

FREQUENCIES = {
    MoveKind.HARD_SWAP: 0.25,
    MoveKind.HARD_STEP: 0.25,
    MoveKind.HARD_ANYWHERE: 0.25,
    MoveKind.HARD_FLIP: 0.25,
}
"""Probabilities of the kinds of moves."""


@dataclass(frozen=True)
class AnnealSettings:
    """The schedule."""

    hot: float = 0.005  # first temperature, in proxy
    cold: float = 1e-6  # last temperature, in proxy
    rounds: int = 20  # how many times the walkers follow the best
    soft_rounds: int = 50  # rounds of `place_soft` after every chunk of moves


def spiral(netlist: Netlist, deadline: float = np.inf) -> Placement:
    """A legal placement with the hard macros along a spiral from the boundary inward, larger ones outside.

    Soft macros start in the middle.  Raises `LegalizationError` if no legal placement is found by the deadline.
    """
    width, height = netlist.canvas_um
    position: Floats = netlist.position_um.copy()
    position[~netlist.fixed] = width / 2, height / 2
    order = netlist.movable_hard[np.argsort(-netlist.size_um[netlist.movable_hard].prod(axis=1), kind="stable")]
    side = np.sqrt(netlist.size_um[order].prod(axis=1))
    inset, along = 0.0, 0.0  # distance from the boundary, and along the current turn of the spiral, in µm
    for v, step in zip(order, side, strict=True):
        w, h = width - 2 * inset - step, height - 2 * inset - step
        if along > 2 * (w + h) and min(w, h) > 2 * step:
            inset, along = inset + step, 0.0
            w, h = w - 2 * step, h - 2 * step
        position[v] = np.array(_point_on_border(along, max(w, 0.0), max(h, 0.0))) + inset + step / 2
        along += step
    start = Placement(netlist, position, netlist.orientation.copy())
    return legalize_by_rules(start, deadline=deadline) if netlist.constraints else legalize(start, deadline=deadline)


def _point_on_border(along: float, width: float, height: float) -> tuple[float, float]:
    """The point at a distance along the border of a rectangle, counterclockwise from its lower-left corner."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height], [0, 0]])
    at = np.cumsum([0, width, height, width, height])
    along = along % at[-1] if at[-1] > 0 else 0.0
    return float(np.interp(along, at, corners[:, 0])), float(np.interp(along, at, corners[:, 1]))


def anneal(
    netlist: Netlist,
    budget: Budget,
    *,
    seed: int = 0,
    workers: int = 1,
    settings: AnnealSettings | None = None,
    start: Placement | None = None,
    deadline: float = np.inf,
    progress: Reporter | None = None,
) -> SearchResult:
    """Place a netlist from scratch, or from a legal `start`; repeatable under the same conditions as `refine`.

    Raises `LegalizationError` if no legal placement to start from is found by the deadline.
    """
    settings, start_s = settings or AnnealSettings(), budget.clock()
    start = start or spiral(netlist, deadline)
    soft, cost = soft_arrays(netlist), ProxyCost(netlist)
    usual = allow_moves(netlist, spacing_um(start))
    frequency = np.array([FREQUENCIES.get(kind, 0.0) for kind in MoveKind]) * (usual.hard.size > 0)
    moves = usual._replace(chance=cumulate(frequency))

    def replace_soft(walker: Walker, temperature: float) -> None:
        position = walker.state.position_um.copy()
        place_soft(soft, position, settings.soft_rounds)
        after = cost(position, walker.state.orientation).proxy
        if after <= walker.proxy - temperature * np.log(1.0 - walker.rng.random()):
            walker.restart(position, walker.state.orientation)

    def advance(walker: Walker, trials: int, fraction: float) -> None:
        temperature = settings.hot * (settings.cold / settings.hot) ** fraction
        if moves.hard.size:
            walker.search(moves, trials, temperature, temperature)
        replace_soft(walker, temperature)

    walkers = [Walker(start, rng, advance) for rng in new_generators(seed, workers)]
    return run_walkers(walkers, budget, start_s, settings.rounds, progress)
