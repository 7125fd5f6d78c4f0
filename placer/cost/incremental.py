"""The exact proxy cost kept up to date while nodes move: try a change, look at its cost, accept or reject it.

Only the nets of the nodes that change are measured and routed again (`delta`), the means over the fullest cells and the
worst edges come from `top_k`, and the arrays that make this possible are those of `CostState`.  Costs differ from the
full evaluation by the rounding of sums only, about 1e-16 of their size per accepted change (1e-12 after 10,000);
`recompute` removes that error.
"""

from __future__ import annotations

import numpy as np

from netlists.errors import PlacementError
from netlists.netlist import Floats
from netlists.placement import Placement
from netlists.runtime.kernel import copy, kernel
from placer.cost.arrays import COL, ROW
from placer.cost.delta import hpwl_change_um, reroute, update_trial_congestion
from placer.cost.density import cover
from placer.cost.proxy import CostTerms
from placer.cost.recompute import locate_node_pins, recompute
from placer.cost.state import (
    CONGESTION,
    CONGESTION_CHANGED,
    DENSITY,
    HPWL,
    TRIAL_SIZE,
    WIRELENGTH,
    CostState,
    new_state,
)
from placer.cost.terms import congestion_term, density_term, sum_terms, wirelength_term


class IncrementalCost:
    """A placement that is changed step by step.  A new trial rejects the one before it; `accept` makes it permanent.

    Loops in numba use the functions of this module on `state` directly.
    """

    def __init__(self, placement: Placement) -> None:
        self.netlist = placement.netlist
        self.state = new_state(placement.netlist, placement.position_um, placement.orientation)
        recompute(self.state)

    @property
    def cost(self) -> CostTerms:
        """The cost of the accepted placement."""
        return _cost_terms(self.state.terms)

    def try_move(self, node: int, x_um: float, y_um: float) -> CostTerms:
        """The cost with the center of a node at (x, y).  Raises `PlacementError` if the node is fixed."""
        return self._try((node, x_um, y_um, self.state.orientation[node]))

    def try_swap(self, a: int, b: int) -> CostTerms:
        """The cost with the centers of two nodes exchanged.  Raises `PlacementError` if one of them is fixed."""
        (xa, ya), (xb, yb) = self.state.position_um[a], self.state.position_um[b]
        turn = self.state.orientation
        return self._try((a, xb, yb, turn[a]), (b, xa, ya, turn[b])) if a != b else self._try((a, xa, ya, turn[a]))

    def try_orientation(self, node: int, orientation: int) -> CostTerms:
        """The cost with another orientation of a node, an index into `ORIENTATIONS`.

        Raises `PlacementError` if the node is fixed.
        """
        x, y = self.state.position_um[node]
        return self._try((node, x, y, orientation))

    def accept(self) -> None:
        """Make the last trial part of the placement."""
        accept(self.state)

    def reject(self) -> None:
        """Undo the last trial."""
        reject(self.state)

    def placement(self) -> Placement:
        """A copy of the accepted placement."""
        return Placement(self.netlist, self.state.position_um.copy(), self.state.orientation.copy())

    def _try(self, *changes: tuple[int, float, float, int]) -> CostTerms:
        reject(self.state)
        for node, *_ in changes:
            if self.netlist.fixed[node]:
                raise PlacementError(f"node {self.netlist.node_names[node]!r} is fixed; move others only")
        for node, x, y, orientation in changes:
            add_to_trial(self.state, node, x, y, orientation)
        evaluate_trial(self.state, np.inf, 0.0)
        return _cost_terms(self.state.trial_terms)


def _cost_terms(terms: Floats) -> CostTerms:
    return CostTerms(*(float(terms[i]) for i in (WIRELENGTH, DENSITY, CONGESTION, HPWL)))


@kernel
def add_to_trial(state: CostState, v: int, x: float, y: float, orientation: int) -> None:
    """Add node v, not in the trial yet, to it: with its center at (x, y) in µm and an orientation.

    Updates `trial_density` and the node's entries of `trial_pin_um` and `trial_pin_cell`.
    """
    a = state.arrays
    if state.counters[TRIAL_SIZE] == 0:
        copy(state.trial_density.reshape(-1), state.density.reshape(-1))
    state.trial_nodes[state.counters[TRIAL_SIZE]] = v
    state.counters[TRIAL_SIZE] += 1
    state.trial_position_um[v, 0], state.trial_position_um[v, 1], state.trial_orientation[v] = x, y, orientation
    if state.is_solid[v]:
        cover(a, v, state.position_um[v, 0], state.position_um[v, 1], -1.0, state.trial_density)
        cover(a, v, x, y, 1.0, state.trial_density)
    locate_node_pins(a, state.pins, v, x, y, orientation, state.trial_pin_um, state.trial_pin_cell)


@kernel
def evaluate_trial(state: CostState, limit: float, possible_gain: float) -> float:
    """The proxy of the trial; sets `trial_terms` and, if routes or blockages change, `trial_congestion`.

    Most of the work is routing.  It is skipped, and infinity returned, if wirelength and density alone raise the proxy
    so much that it would stay above `limit` even if the weighted congestion term fell by `possible_gain`; such a trial
    can only be rejected.
    """
    terms = state.trial_terms
    terms[HPWL] = state.terms[HPWL] + hpwl_change_um(state)
    terms[WIRELENGTH] = wirelength_term(state, terms[HPWL])
    terms[DENSITY] = density_term(state)
    terms[CONGESTION] = state.terms[CONGESTION]
    if sum_terms(terms) - possible_gain > limit:
        return np.inf
    update_trial_congestion(state, reroute(state))
    if state.counters[CONGESTION_CHANGED]:
        terms[CONGESTION] = congestion_term(state)
    return sum_terms(terms)


@kernel
def accept(state: CostState) -> None:
    """Make the trial part of the placement: copy its maps, its terms and the entries of its nodes and pins."""
    if state.counters[TRIAL_SIZE] == 0:
        return
    copy(state.density.reshape(-1), state.trial_density.reshape(-1))
    if state.counters[CONGESTION_CHANGED]:
        copy(state.congestion, state.trial_congestion)
    copy(state.terms, state.trial_terms)
    for i in range(state.counters[TRIAL_SIZE]):
        v = state.trial_nodes[i]
        state.position_um[v, 0], state.position_um[v, 1] = state.trial_position_um[v, 0], state.trial_position_um[v, 1]
        state.orientation[v] = state.trial_orientation[v]
        for q in range(state.pins.node_start[v], state.pins.node_start[v + 1]):
            state.pin_um[q, 0], state.pin_um[q, 1] = state.trial_pin_um[q, 0], state.trial_pin_um[q, 1]
            state.pin_cell[q, ROW], state.pin_cell[q, COL] = state.trial_pin_cell[q, ROW], state.trial_pin_cell[q, COL]
    state.counters[TRIAL_SIZE] = 0


@kernel
def reject(state: CostState) -> None:
    """Undo the trial: set the trial entries of its pins back to the accepted ones; the maps need no change."""
    for i in range(state.counters[TRIAL_SIZE]):
        v = state.trial_nodes[i]
        for q in range(state.pins.node_start[v], state.pins.node_start[v + 1]):
            state.trial_pin_um[q, 0], state.trial_pin_um[q, 1] = state.pin_um[q, 0], state.pin_um[q, 1]
            state.trial_pin_cell[q, ROW], state.trial_pin_cell[q, COL] = state.pin_cell[q, ROW], state.pin_cell[q, COL]
    state.counters[TRIAL_SIZE] = 0
