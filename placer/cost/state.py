"""`CostState`: a placement with everything that its proxy cost is made of, and room to try a change of it.

What incremental evaluation keeps up to date, always in two versions, accepted and on trial (`trial_...`):

* the position and the grid cell of every unique pin: `pin_um`, `pin_cell`;
* the density of every grid cell: `density`;
* the demand over capacity of every edge of the grid: `congestion`, with its two halves `vertical` and `horizontal`;
* the HPWL, the three terms and the proxy: `terms`.

Between trials both versions of the pins are equal; the maps on trial are written before they are read.  A trial lists
its nodes in `trial_nodes` with their `trial_position_um` and `trial_orientation`; the routes that it changes go through
the difference arrays `vertical_ends` and `horizontal_ends`, which are zero between trials.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netlists.netlist import Bools, Floats, Ints, Netlist
from netlists.runtime.barrier import apart
from placer.cost.arrays import CostArrays, Orientations, Positions, cost_arrays
from placer.cost.unique_pins import UniquePins, unique_pins

Cells = npt.NDArray[np.int32]
"""[K, 2] row and column of grid cells: columns `ROW` and `COL` of `arrays`."""

HPWL = 0
"""Entry of `CostState.terms`: weighted HPWL in µm."""
WIRELENGTH = 1
"""Entry of `CostState.terms`: the wirelength term."""
DENSITY = 2
"""Entry of `CostState.terms`: the density term."""
CONGESTION = 3
"""Entry of `CostState.terms`: the congestion term."""
PROXY = 4
"""Entry of `CostState.terms`: the weighted sum of the three terms."""
TERMS = 5
"""Number of entries of `CostState.terms`."""

TRIAL_SIZE = 0
"""Entry of `CostState.counters`: number of nodes in the trial; 0 if there is none."""
STAMP = 1
"""Entry of `CostState.counters`: the last number written to `cell_stamp` or `net_stamp`."""
CONGESTION_CHANGED = 2
"""Entry of `CostState.counters`: whether the trial changes the congestion, so that `trial_congestion` is valid."""
COUNTERS = 3
"""Number of entries of `CostState.counters`."""

FULLEST_CELLS = 0
"""Entry of `CostState.thresholds`: a density that separates the fullest cells from the others."""
WORST_EDGES = 1
"""Entry of `CostState.thresholds`: a congestion that separates the worst edges from the others."""
THRESHOLDS = 2
"""Number of entries of `CostState.thresholds`."""


class CostState(NamedTuple):
    """An accepted placement and a trial change of some of its nodes, with the maps and the terms of both.

    Maps of horizontal routes are transposed, so that routes run along the first axis as in the vertical ones.
    """

    arrays: CostArrays
    pins: UniquePins
    hpwl_scale_um: float  # HPWL over wirelength term
    is_hard: Bools  # [V]
    is_solid: Bools  # [V] counts in the density
    position_um: Floats  # [V, 2] centers
    orientation: Orientations  # [V]
    pin_um: Floats  # [Q, 2] positions of the unique pins
    trial_pin_um: Floats  # [Q, 2]
    pin_cell: Cells  # [Q, 2] their grid cells
    trial_pin_cell: Cells  # [Q, 2]
    density: Floats  # [R, C] covered fraction of each cell
    trial_density: Floats  # [R, C]
    congestion: Floats  # [2*R*C] demand / capacity, vertical edges first; the next two are views of it
    vertical: Floats  # [R, C]
    horizontal: Floats  # [C, R]
    trial_congestion: Floats  # [2*R*C] valid only while counters[CONGESTION_CHANGED] is set; views as above
    trial_vertical: Floats  # [R, C]
    trial_horizontal: Floats  # [C, R]
    vertical_ends: Floats  # [R+1, C] ends of the runs of changed routes, in tracks; zero between trials
    horizontal_ends: Floats  # [C+1, R]
    run: Floats  # [max(R, C)] scratch: tracks of the runs over one line of the map
    net_cells: Ints  # [pins of the largest net + 1, 2] scratch: the different cells of a net
    cell_stamp: Ints  # [R*C] stamp of the last net that counted a cell
    net_stamp: Ints  # [K] stamp of the last trial that measured a net
    trial_nodes: Ints  # [V] the nodes in the trial: the first counters[TRIAL_SIZE] entries
    trial_position_um: Floats  # [V, 2] centers of the nodes in the trial
    trial_orientation: Orientations  # [V]
    counters: Ints  # [COUNTERS] entries TRIAL_SIZE, STAMP, CONGESTION_CHANGED
    terms: Floats  # [TERMS] entries HPWL, WIRELENGTH, DENSITY, CONGESTION, PROXY
    trial_terms: Floats  # [TERMS]
    thresholds: Floats  # [THRESHOLDS] entries FULLEST_CELLS, WORST_EDGES: where the next search for them starts
    breadth: Floats  # [1] how many times as many cells and edges count in `terms` as in the proxy


def new_state(netlist: Netlist, position: Positions, orientation: Orientations) -> CostState:
    """A state for centers [V, 2] in µm and orientations [V], both copied; its maps and terms are still empty.

    No two states share a cache line, so that threads may work on one each.
    """
    a, pins = cost_arrays(netlist), unique_pins(netlist)
    v, q, rows, cols = netlist.num_nodes, len(pins.offset_um), a.rows, a.cols
    is_hard, is_solid = np.zeros(v, dtype=bool), np.zeros(v, dtype=bool)
    is_hard[a.hard] = True
    is_solid[a.solid] = True
    congestion, trial_congestion = apart(np.zeros(2 * rows * cols)), apart(np.zeros(2 * rows * cols))
    largest_net = int(np.diff(pins.net_start).max(initial=1))
    return CostState(
        arrays=a,
        pins=pins,
        hpwl_scale_um=(a.canvas_width_um + a.canvas_height_um) * float(np.sum(a.weight)),
        is_hard=apart(is_hard),
        is_solid=apart(is_solid),
        position_um=apart(np.array(position, dtype=np.float64, order="C")),
        orientation=apart(np.array(orientation, dtype=np.int8, order="C")),
        pin_um=apart(np.zeros((q, 2))),
        trial_pin_um=apart(np.zeros((q, 2))),
        pin_cell=apart(np.zeros((q, 2), dtype=np.int32)),
        trial_pin_cell=apart(np.zeros((q, 2), dtype=np.int32)),
        density=apart(np.zeros((rows, cols))),
        trial_density=apart(np.zeros((rows, cols))),
        congestion=congestion,
        vertical=congestion[: rows * cols].reshape(rows, cols),
        horizontal=congestion[rows * cols :].reshape(cols, rows),
        trial_congestion=trial_congestion,
        trial_vertical=trial_congestion[: rows * cols].reshape(rows, cols),
        trial_horizontal=trial_congestion[rows * cols :].reshape(cols, rows),
        vertical_ends=apart(np.zeros((rows + 1, cols))),
        horizontal_ends=apart(np.zeros((cols + 1, rows))),
        run=apart(np.zeros(max(rows, cols))),
        net_cells=apart(np.zeros((largest_net + 1, 2), dtype=np.int64)),
        cell_stamp=apart(np.zeros(rows * cols, dtype=np.int64)),
        net_stamp=apart(np.zeros(pins.weight.size, dtype=np.int64)),
        trial_nodes=apart(np.zeros(v, dtype=np.int64)),
        trial_position_um=apart(np.zeros((v, 2))),
        trial_orientation=apart(np.zeros(v, dtype=np.int8)),
        counters=apart(np.zeros(COUNTERS, dtype=np.int64)),
        terms=apart(np.zeros(TERMS)),
        trial_terms=apart(np.zeros(TERMS)),
        thresholds=apart(np.zeros(THRESHOLDS)),
        breadth=apart(np.ones(1)),
    )
