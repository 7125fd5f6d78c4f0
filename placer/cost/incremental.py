"""The exact proxy cost kept up to date while nodes move: try a change, look at its cost, accept or reject it.

Only the nets of changed nodes are measured and routed again: their run ends, the old ones negative, go into difference
arrays that one vectorized pass sums up.  The means of the fullest cells and the worst edges come from `largest.py`.
Costs differ from the full evaluation by the rounding of sums alone, about 1e-16 of their size an accepted change
(1e-12 after 10,000); `reset` starts from fresh sums.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.errors import PlacementError
from netlists.netlist import ORIENTATION_MATRIX, Floats
from netlists.placement import Placement
from placer.cost.congestion import congestion_maps
from placer.cost.density import cell_of, cover, density_cost, density_map
from placer.cost.largest import sum_of_largest
from placer.cost.proxy import CONGESTION_WEIGHT, DENSITY_WEIGHT, Cost
from placer.cost.state import CHANGED, CONGESTION, DENSITY, HPWL, LOADED, PROXY, WIRELENGTH, State, new_state
from placer.cost.trial import lay, longer_um, reroute
from placer.cost.wirelength import pin_positions, weighted_hpwl, wirelength_cost


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
        for node, x, y, turn in changes:
            if self.netlist.fixed[node]:
                raise PlacementError(f"node {self.netlist.node_names[node]!r} is fixed; move others only")
            put(self.state, node, x, y, turn)
        price(self.state, np.inf, 0.0)
        return _cost(self.state.tried_parts)


def _cost(parts: Floats) -> Cost:
    return Cost(*(float(parts[i]) for i in (WIRELENGTH, DENSITY, CONGESTION, HPWL)))


@njit(cache=True, nogil=True)
def reset(state: State) -> None:
    """Compute everything from the accepted positions and orientations."""
    a = state.arrays
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    pin_positions(a, state.position, state.orientation, state.pin)
    for p in range(a.node.size):
        state.cell[p, 0] = cell_of(state.pin[p, 1], h, a.rows)
        state.cell[p, 1] = cell_of(state.pin[p, 0], w, a.cols)
    density_map(a, state.position, state.density)
    congestion_maps(a, state.pin, state.position, state.horizontal.T, state.vertical)
    state.tried_pin[:] = state.pin
    state.tried_cell[:] = state.cell
    state.tried_density[:] = state.density
    state.tried_load[:] = state.load
    state.counter[CHANGED] = 0
    state.counter[LOADED] = 1
    parts = state.parts
    parts[HPWL] = weighted_hpwl(a, state.pin)
    parts[WIRELENGTH] = wirelength_cost(a, parts[HPWL])
    parts[DENSITY] = density(state)
    parts[CONGESTION] = congestion(state)
    proxy(parts)


@njit(cache=True, nogil=True)
def put(state: State, v: int, x: float, y: float, turn: int) -> None:
    """Add to the trial that node v, not in it yet, lies at (x, y) with an orientation."""
    a = state.arrays
    if state.counter[CHANGED] == 0:
        state.tried_density[:] = state.density
    state.changed[state.counter[CHANGED]] = v
    state.counter[CHANGED] += 1
    state.center[v, 0], state.center[v, 1], state.turn[v] = x, y, turn
    if state.is_solid[v]:
        cover(a, v, state.position[v, 0], state.position[v, 1], -1.0, state.tried_density)
        cover(a, v, x, y, 1.0, state.tried_density)
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    matrix = ORIENTATION_MATRIX
    for i in range(state.pin_start[v], state.pin_start[v + 1]):
        p = state.node_pin[i]
        dx, dy = a.offset_um[p, 0], a.offset_um[p, 1]
        if turn != 0:
            dx, dy = (
                matrix[turn, 0, 0] * dx + matrix[turn, 0, 1] * dy,
                matrix[turn, 1, 0] * dx + matrix[turn, 1, 1] * dy,
            )
        state.tried_pin[p, 0] = x + dx
        state.tried_pin[p, 1] = y + dy
        state.tried_cell[p, 0] = cell_of(y + dy, h, a.rows)
        state.tried_cell[p, 1] = cell_of(x + dx, w, a.cols)


@njit(cache=True, nogil=True)
def price(state: State, limit: float, hope: float) -> float:
    """Proxy of the trial; its parts are in `tried_parts`.

    Routing is most of the work.  It is spared, and infinity returned, where wirelength and density alone bring the
    proxy so high that a fall of the congestion term by `hope` would leave it above `limit`; reject such a trial.
    """
    parts = state.tried_parts
    parts[HPWL] = state.parts[HPWL] + longer_um(state)
    parts[WIRELENGTH] = parts[HPWL] / state.hpwl_scale_um if state.hpwl_scale_um > 0.0 else 0.0
    parts[DENSITY] = density(state)
    parts[CONGESTION] = state.parts[CONGESTION]
    if proxy(parts) - hope > limit:
        return np.inf
    lay(state, reroute(state))
    if state.counter[LOADED]:
        parts[CONGESTION] = congestion(state)
    return proxy(parts)


@njit(cache=True, nogil=True)
def accept(state: State) -> None:
    """Make the trial part of the placement."""
    if state.counter[CHANGED] == 0:
        return
    state.density[:] = state.tried_density
    if state.counter[LOADED]:
        state.load[:] = state.tried_load
    state.parts[:] = state.tried_parts
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        state.position[v, 0], state.position[v, 1] = state.center[v, 0], state.center[v, 1]
        state.orientation[v] = state.turn[v]
        for j in range(state.pin_start[v], state.pin_start[v + 1]):
            p = state.node_pin[j]
            state.pin[p, 0], state.pin[p, 1] = state.tried_pin[p, 0], state.tried_pin[p, 1]
            state.cell[p, 0], state.cell[p, 1] = state.tried_cell[p, 0], state.tried_cell[p, 1]
    state.counter[CHANGED] = 0


@njit(cache=True, nogil=True)
def reject(state: State) -> None:
    """Give up the trial."""
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        for j in range(state.pin_start[v], state.pin_start[v + 1]):
            p = state.node_pin[j]
            state.tried_pin[p, 0], state.tried_pin[p, 1] = state.pin[p, 0], state.pin[p, 1]
            state.tried_cell[p, 0], state.tried_cell[p, 1] = state.cell[p, 0], state.cell[p, 1]
    state.counter[CHANGED] = 0


@njit(cache=True, nogil=True)
def density(state: State) -> float:
    """Density cost of the trial."""
    k = int(np.floor(0.1 * state.density.size))
    if k == 0:
        return density_of_few(state)
    total, state.level[0] = sum_of_largest(state.tried_density.reshape(-1), k, state.level[0])
    return 0.5 * total / k


@njit(cache=True, nogil=True)
def density_of_few(state: State) -> float:
    """Density cost on a grid of fewer than ten cells, where it matters which of them are exactly empty."""
    position = state.position.copy()
    for i in range(state.counter[CHANGED]):
        position[state.changed[i]] = state.center[state.changed[i]]
    grid = np.empty((state.arrays.rows, state.arrays.cols))
    density_map(state.arrays, position, grid)
    return density_cost(grid)


@njit(cache=True, nogil=True)
def congestion(state: State) -> float:
    """Congestion cost of the trial."""
    k = max(int(np.floor(0.05 * state.load.size)), 1)
    total, state.level[1] = sum_of_largest(state.tried_load, k, state.level[1])
    return total / k


@njit(cache=True, nogil=True)
def proxy(parts: Floats) -> float:
    """Set and return the weighted sum of the parts."""
    parts[PROXY] = parts[WIRELENGTH] + DENSITY_WEIGHT * parts[DENSITY] + CONGESTION_WEIGHT * parts[CONGESTION]
    total: float = parts[PROXY]
    return total
