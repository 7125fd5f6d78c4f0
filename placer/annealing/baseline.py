"""Classical simulated annealing of hard macros with go-with-the-winners: the baseline.

As in Cheng et al., Assessment of Reinforcement Learning for Macro Placement, ISPD 2023, section 5.2: macros start
along a spiral from the boundary inward; single macros are swapped, shifted, moved and mirrored; soft macros are placed
anew by force now and then; the temperature falls geometrically; several walkers follow the best.  Unlike there, macros
are not bound to the centers of grid cells, and temperatures refer to the exact cost kept up to date after each move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlists.netlist import Floats, Netlist
from netlists.placement import Placement
from placer.annealing.metropolis import Budget, Found, Progress, Walker, generators, race, spacing_um
from placer.annealing.moves import HARD_ANYWHERE, HARD_FLIP, HARD_STEP, HARD_SWAP, KINDS, chances, movers
from placer.cost import ProxyCost
from placer.legalization.legalize import legalize
from placer.soft.force_directed import place_soft, soft_arrays

SHARES = {HARD_SWAP: 0.25, HARD_STEP: 0.25, HARD_ANYWHERE: 0.25, HARD_FLIP: 0.25}


@dataclass(frozen=True)
class AnnealSettings:
    """The schedule."""

    hot: float = 0.005  # first temperature, in proxy
    cold: float = 1e-6  # last one
    rounds: int = 20  # walkers meet so many times
    soft_rounds: int = 50  # of `place_soft`, once in every chunk of moves


def spiral(netlist: Netlist, deadline: float = np.inf) -> Placement:
    """A legal placement with the hard macros along a spiral from the boundary inward, larger ones outside.

    Soft macros start in the middle.  Raises `LegalizationError` where no legal placement is found, by the deadline.
    """
    width, height = netlist.canvas_um
    position: Floats = netlist.position_um.copy()
    position[~netlist.fixed] = width / 2, height / 2
    order = netlist.movable_hard[np.argsort(-netlist.size_um[netlist.movable_hard].prod(axis=1), kind="stable")]
    side = np.sqrt(netlist.size_um[order].prod(axis=1))
    inset, along = 0.0, 0.0  # distance from the boundary, and along the present turn of the spiral
    for v, step in zip(order, side, strict=True):
        w, h = width - 2 * inset - step, height - 2 * inset - step
        if along > 2 * (w + h) and min(w, h) > 2 * step:
            inset, along = inset + step, 0.0
            w, h = w - 2 * step, h - 2 * step
        position[v] = np.array(_on_rectangle(along, max(w, 0.0), max(h, 0.0))) + inset + step / 2
        along += step
    return legalize(Placement(netlist, position, netlist.orientation.copy()), deadline=deadline)


def _on_rectangle(along: float, width: float, height: float) -> tuple[float, float]:
    """The point at a distance along the border of a rectangle, counter-clockwise from its lower-left corner."""
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
    progress: Progress | None = None,
) -> Found:
    """Place a netlist from scratch, or from a legal `start`; repeats itself as `refine` does.

    Raises `LegalizationError` where no legal placement to start from is found, by the deadline.
    """
    settings, begun = settings or AnnealSettings(), budget.clock()
    start = start or spiral(netlist, deadline)
    soft, cost = soft_arrays(netlist), ProxyCost(netlist)
    usual = movers(netlist, spacing_um(start))
    share = np.array([SHARES.get(kind, 0.0) for kind in range(len(KINDS))]) * (usual.hard.size > 0)
    allowed = usual._replace(chance=chances(share))

    def place_anew(walker: Walker, temperature: float) -> None:
        position = walker.state.position.copy()
        place_soft(soft, position, settings.soft_rounds)
        after = cost(position, walker.state.orientation).proxy
        if after <= walker.proxy - temperature * np.log(1.0 - walker.rng.random()):
            walker.stand(position, walker.state.orientation)

    def advance(walker: Walker, trials: int, done: float) -> None:
        temperature = settings.hot * (settings.cold / settings.hot) ** done
        if allowed.hard.size:
            walker.search(allowed, trials, temperature, temperature)
        place_anew(walker, temperature)

    walkers = [Walker(start, rng, advance) for rng in generators(seed, workers)]
    return race(walkers, budget, begun, settings.rounds, progress)
