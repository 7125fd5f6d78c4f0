"""The terms of the proxy cost of the trial in a `CostState`, from its maps on trial.

The thresholds that separate the fullest cells and the worst edges from the others are kept in `thresholds`, where the
next search for them (`top_k`) starts.
"""

from __future__ import annotations

from netlists.netlist import Floats
from netlists.runtime.kernel import kernel
from placer.cost.definition import (
    CONGESTION_WEIGHT,
    DENSITY_FACTOR,
    DENSITY_WEIGHT,
    count_fullest_cells,
    count_worst_edges,
)
from placer.cost.density import density_map
from placer.cost.state import (
    CONGESTION,
    DENSITY,
    FULLEST_CELLS,
    PROXY,
    TRIAL_SIZE,
    WIRELENGTH,
    WORST_EDGES,
    CostState,
)
from placer.cost.top_k import sum_above, sum_of_largest


@kernel
def set_breadth(state: CostState, breadth: float) -> None:
    """Let `breadth` times as many cells and edges count as in the proxy from now on; the state must have no trial."""
    state.breadth[0] = breadth
    state.terms[DENSITY] = density_term(state)
    state.terms[CONGESTION] = congestion_term(state)
    sum_terms(state.terms)


@kernel
def wirelength_term(state: CostState, hpwl_um: float) -> float:
    """The wirelength term of a weighted HPWL in µm; 0 for a netlist without nets."""
    return hpwl_um / state.hpwl_scale_um if state.hpwl_scale_um > 0.0 else 0.0


@kernel
def density_term(state: CostState) -> float:
    """The density term of the trial, from `trial_density`."""
    k = count_fullest_cells(state.density.size)
    if k == 0:
        return density_term_of_small_grid(state)
    k = min(int(k * state.breadth[0]), state.density.size)
    total, state.thresholds[FULLEST_CELLS] = sum_of_largest(
        state.trial_density.reshape(-1), k, state.thresholds[FULLEST_CELLS]
    )
    return DENSITY_FACTOR * total / k


@kernel
def density_term_of_small_grid(state: CostState) -> float:
    """The density term of the trial on a grid of fewer than ten cells.

    There it matters which cells are exactly empty, so that `trial_density` is computed from scratch, without the
    rounding of incremental sums.
    """
    swap_trial_positions(state)
    density_map(state.arrays, state.position_um, state.trial_density)
    swap_trial_positions(state)
    total, count = sum_above(state.trial_density.reshape(-1), 0.0)
    return DENSITY_FACTOR * total / count if count > 0 else 0.0


@kernel
def swap_trial_positions(state: CostState) -> None:
    """Swap the accepted and the trial positions of the nodes in the trial."""
    position, trial_position = state.position_um, state.trial_position_um
    for i in range(state.counters[TRIAL_SIZE]):
        v = state.trial_nodes[i]
        for d in range(2):
            position[v, d], trial_position[v, d] = trial_position[v, d], position[v, d]


@kernel
def congestion_term(state: CostState) -> float:
    """The congestion term of the trial, from `trial_congestion`."""
    k = count_worst_edges(state.congestion.size)
    k = min(int(k * state.breadth[0]), state.congestion.size)
    total, state.thresholds[WORST_EDGES] = sum_of_largest(state.trial_congestion, k, state.thresholds[WORST_EDGES])
    return total / k


@kernel
def sum_terms(terms: Floats) -> float:
    """Set and return the proxy: the weighted sum of `terms` [5], without unit."""
    terms[PROXY] = terms[WIRELENGTH] + DENSITY_WEIGHT * terms[DENSITY] + CONGESTION_WEIGHT * terms[CONGESTION]
    total: float = terms[PROXY]
    return total
