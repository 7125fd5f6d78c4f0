"""The parts of the proxy cost of a `State`: of the trial in it, from its maps."""

from __future__ import annotations

import numpy as np

from netlists.netlist import Floats
from netlists.runtime.kernel import kernel
from placer.cost.density import density_map
from placer.cost.proxy import CONGESTION_WEIGHT, DENSITY_WEIGHT
from placer.cost.state import CHANGED, CONGESTION, DENSITY, PROXY, WIRELENGTH, State
from placer.cost.top_k import above, sum_of_largest


@kernel
def widen(state: State, breadth: float) -> None:
    """From now on let so many times as many cells and edges count as in the proxy, where no trial is under way."""
    state.breadth[0] = breadth
    state.parts[DENSITY] = density(state)
    state.parts[CONGESTION] = congestion(state)
    proxy(state.parts)


@kernel
def wirelength(state: State, hpwl_um: float) -> float:
    """Wirelength cost of an HPWL; 0 for a netlist without nets."""
    return hpwl_um / state.hpwl_scale_um if state.hpwl_scale_um > 0.0 else 0.0


@kernel
def density(state: State) -> float:
    """Density cost of the trial."""
    k = int(np.floor(0.1 * state.density.size))
    if k == 0:
        return density_of_few(state)
    k = min(int(k * state.breadth[0]), state.density.size)
    total, state.level[0] = sum_of_largest(state.tried_density.reshape(-1), k, state.level[0])
    return 0.5 * total / k


@kernel
def density_of_few(state: State) -> float:
    """Density cost on a grid of fewer than ten cells, where it matters which of them are exactly empty."""
    exchange(state)
    density_map(state.arrays, state.position, state.tried_density)
    exchange(state)
    total, count = above(state.tried_density.reshape(-1), 0.0)
    return 0.5 * total / count if count > 0 else 0.0


@kernel
def exchange(state: State) -> None:
    """Exchange the accepted and the tried positions of the nodes in the trial."""
    position, center = state.position, state.center
    for i in range(state.counter[CHANGED]):
        v = state.changed[i]
        for d in range(2):
            position[v, d], center[v, d] = center[v, d], position[v, d]


@kernel
def congestion(state: State) -> float:
    """Congestion cost of the trial."""
    k = max(int(np.floor(0.05 * state.load.size)), 1)
    k = min(int(k * state.breadth[0]), state.load.size)
    total, state.level[1] = sum_of_largest(state.tried_load, k, state.level[1])
    return total / k


@kernel
def proxy(parts: Floats) -> float:
    """Set and return the weighted sum of the parts."""
    parts[PROXY] = parts[WIRELENGTH] + DENSITY_WEIGHT * parts[DENSITY] + CONGESTION_WEIGHT * parts[CONGESTION]
    total: float = parts[PROXY]
    return total
