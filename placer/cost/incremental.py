"""The exact proxy cost kept up to date while nodes move: try a change, look at its cost, accept or reject it.

Only the nets of changed nodes are measured and routed again: their run ends, the old ones negative, go into difference
arrays that one vectorized pass sums up.  The means of the fullest cells and the worst edges come from `largest.py`.
Costs differ from the full evaluation by the rounding of sums alone, about 1e-16 of their size an accepted change
(1e-12 after 10,000); `reset` starts from fresh sums.
"""

from __future__ import annotations

import numpy as np

from netlists.errors import PlacementError
from netlists.netlist import Floats
from netlists.placement import Placement
from netlists.runtime.kernel import copy, kernel
from placer.cost.delta import lay, longer_um, reroute
from placer.cost.density import cover
from placer.cost.fresh import locate, reset
from placer.cost.parts import congestion, density, proxy, wirelength
from placer.cost.proxy import Cost
from placer.cost.state import CHANGED, CONGESTION, DENSITY, HPWL, LOADED, WIRELENGTH, State, new_state


class IncrementalCost:
    """A placement under change.  A new try gives up the one before it; `accept` makes it part of the placement.

    For loops in numba use the functions of this module on `state`.
    """

    def __init__(self, placement: Placement) -> None:
        self.netlist = placement.netlist
        self.state = new_state(placement.netlist, placement.position_um, placement.orientation)
        reset(self.state)

    @property
    def cost(self) -> Cost:
        """The cost of what is accepted."""
        return _cost(self.state.parts)

    def try_move(self, node: int, x_um: float, y_um: float) -> Cost:
        """The cost with the center of a node at (x, y)."""
        return self._try((node, x_um, y_um, self.state.orientation[node]))

    def try_swap(self, a: int, b: int) -> Cost:
        """The cost with the centers of two nodes exchanged."""
        (xa, ya), (xb, yb) = self.state.position[a], self.state.position[b]
        turn = self.state.orientation
        return self._try((a, xb, yb, turn[a]), (b, xa, ya, turn[b])) if a != b else self._try((a, xa, ya, turn[a]))

    def try_orientation(self, node: int, orientation: int) -> Cost:
        """The cost with a node turned (index into ORIENTATIONS)."""
        x, y = self.state.position[node]
        return self._try((node, x, y, orientation))

    def accept(self) -> None:
        """Make the change tried last part of the placement."""
        accept(self.state)

    def reject(self) -> None:
        """Give up the change tried last."""
        reject(self.state)

    def placement(self) -> Placement:
        """What is accepted so far."""
        return Placement(self.netlist, self.state.position.copy(), self.state.orientation.copy())

    def _try(self, *changes: tuple[int, float, float, int]) -> Cost:
        reject(self.state)
        for node, *_ in changes:
            if self.netlist.fixed[node]:
                raise PlacementError(f"node {self.netlist.node_names[node]!r} is fixed; move others only")
        for node, x, y, turn in changes:
            put(self.state, node, x, y, turn)
        price(self.state, np.inf, 0.0)
        return _cost(self.state.tried_parts)


def _cost(parts: Floats) -> Cost:
    return Cost(*(float(parts[i]) for i in (WIRELENGTH, DENSITY, CONGESTION, HPWL)))


@kernel
def put(state: State, v: int, x: float, y: float, turn: int) -> None:
    """Add to the trial that node v, not in it yet, lies at (x, y) with an orientation."""
    a = state.arrays
    if state.counter[CHANGED] == 0:
        copy(state.tried_density.reshape(-1), state.density.reshape(-1))
    state.changed[state.counter[CHANGED]] = v
    state.counter[CHANGED] += 1
    state.center[v, 0], state.center[v, 1], state.turn[v] = x, y, turn
    if state.is_solid[v]:
        cover(a, v, state.position[v, 0], state.position[v, 1], -1.0, state.tried_density)
        cover(a, v, x, y, 1.0, state.tried_density)
    locate(a, state.points, v, x, y, turn, state.tried_point, state.tried_cell)


@kernel
def price(state: State, limit: float, hope: float) -> float:
    """Proxy of the trial; its parts are in `tried_parts`.

    Routing is most of the work.  It is spared, and infinity returned, where wirelength and density alone bring the
    proxy so high that a fall of the congestion term by `hope` would leave it above `limit`; reject such a trial.
    """
    parts = state.tried_parts
    parts[HPWL] = state.parts[HPWL] + longer_um(state)
    parts[WIRELENGTH] = wirelength(state, parts[HPWL])
    parts[DENSITY] = density(state)
    parts[CONGESTION] = state.parts[CONGESTION]
    if proxy(parts) - hope > limit:
        return np.inf
    lay(state, reroute(state))
    if state.counter[LOADED]:
        parts[CONGESTION] = congestion(state)
    return proxy(parts)


@kernel
def accept(state: State) -> None:
    """Make the trial part of the placement."""
    if state.counter[CHANGED] == 0:
        return
    copy(state.density.reshape(-1), state.tried_density.reshape(-1))
    if state.counter[LOADED]:
        copy(state.load, state.tried_load)
    copy(state.parts, state.tried_parts)
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        state.position[v, 0], state.position[v, 1] = state.center[v, 0], state.center[v, 1]
        state.orientation[v] = state.turn[v]
        for q in range(state.points.start[v], state.points.start[v + 1]):
            state.point[q, 0], state.point[q, 1] = state.tried_point[q, 0], state.tried_point[q, 1]
            state.cell[q, 0], state.cell[q, 1] = state.tried_cell[q, 0], state.tried_cell[q, 1]
    state.counter[CHANGED] = 0


@kernel
def reject(state: State) -> None:
    """Give up the trial."""
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        for q in range(state.points.start[v], state.points.start[v + 1]):
            state.tried_point[q, 0], state.tried_point[q, 1] = state.point[q, 0], state.point[q, 1]
            state.tried_cell[q, 0], state.tried_cell[q, 1] = state.cell[q, 0], state.cell[q, 1]
    state.counter[CHANGED] = 0
