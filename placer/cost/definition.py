"""The constants of the proxy cost, each of them once, and the two counts that follow from them.

    proxy = wirelength + DENSITY_WEIGHT × density + CONGESTION_WEIGHT × congestion

Source: `plc_client_os.py` of TILOS MacroPlacement with the weights of Cheng et al., "Assessment of Reinforcement
Learning for Macro Placement", ISPD 2023.  Circuit Training's own default weighs density by 1, so its proxies cannot be
compared with these.  What differs between designs is not here but in `netlists.netlist.Routing`: tracks per µm, the
tracks that hard macros take, and how many cells the demand of nets is smoothed over.
"""

from __future__ import annotations

import numpy as np
from numba import njit

DENSITY_WEIGHT = 0.5
"""Weight of the density term in the proxy; that of wirelength is 1."""

CONGESTION_WEIGHT = 0.5
"""Weight of the congestion term in the proxy."""

DENSITY_FACTOR = 0.5
"""Factor of the mean density inside the density term (`get_density_cost`); `DENSITY_WEIGHT` comes on top of it."""

DENSITY_FRACTION = 0.1
"""Fraction of the grid cells, the fullest ones, that the density term averages over (`get_density_cost`)."""

CONGESTION_FRACTION = 0.05
"""Fraction of the grid's edges, the worst ones, that the congestion term averages over (`get_congestion_cost`).

The edges of a grid of R×C cells are 2·R·C: one to the right of each cell and one above it.
"""

LEAST_TRACKS = 1.0
"""Routing tracks that a net takes at least, also if its weight is lower (`get_routing`)."""

GRID_LINE_UM = 1e-5
"""µm: a macro edge this close to a grid line counts as lying on it (`macro_route_over_grid_cell`)."""


@njit(cache=True, nogil=True)
def count_fullest_cells(cells: int) -> int:
    """The number of cells that the density term averages over on a grid of so many; 0 if there are fewer than ten."""
    return int(np.floor(DENSITY_FRACTION * cells))


@njit(cache=True, nogil=True)
def count_worst_edges(edges: int) -> int:
    """The number of edges that the congestion term averages over, of so many; at least one, the worst."""
    return max(int(np.floor(CONGESTION_FRACTION * edges)), 1)
