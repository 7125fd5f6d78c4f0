"""`State`: a placement with everything its proxy cost is made of, and room to try a change of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netlists.netlist import Bools, Floats, Ints, Netlist
from netlists.runtime.barrier import apart
from placer.cost.arrays import CostArrays, Orientations, Positions, cost_arrays
from placer.cost.unique_pins import Points, points

Cells = npt.NDArray[np.int32]

# Entries of `State.parts` and `State.tried_parts`
HPWL, WIRELENGTH, DENSITY, CONGESTION, PROXY = range(5)
# Entries of `State.counter`: nodes in the trial, stamps given so far, whether the trial changes the congestion
CHANGED, STAMP, LOADED = range(3)


class State(NamedTuple):
    """An accepted placement, and beside it (`tried_...`) what a change of some of its nodes would make of it.

    Horizontal maps are transposed, so that routes run along the first axis as in the vertical ones.
    """

    arrays: CostArrays
    points: Points
    hpwl_scale_um: float  # HPWL over wirelength cost
    is_hard: Bools  # [V]
    is_solid: Bools  # [V] counts in the density
    position: Floats  # [V, 2] centers, µm
    orientation: Orientations  # [V]
    point: Floats  # [Q, 2] places of the points, µm
    tried_point: Floats
    cell: Cells  # [Q, 2] their row and column
    tried_cell: Cells
    density: Floats  # [R, C]
    tried_density: Floats
    load: Floats  # [2*R*C] demand / capacity, vertical then horizontal; the next two show the same numbers
    vertical: Floats  # [R, C]
    horizontal: Floats  # [C, R]
    tried_load: Floats  # means something only while counter[LOADED] is set
    tried_vertical: Floats
    tried_horizontal: Floats
    up: Floats  # [R+1, C] ends of changed routes, zero between trials
    across: Floats  # [C+1, R]
    run: Floats  # [max(R, C)] scratch
    cells: Ints  # [points of the largest net + 1, 2] scratch
    seen_cell: Ints  # [R*C] stamp of the last net that counted a cell
    seen_net: Ints  # [K] stamp of the last trial that measured a net
    changed: Ints  # [V] the nodes in the trial, the first counter[CHANGED] of them
    center: Floats  # [V, 2] where a node in the trial would lie
    turn: Orientations  # [V] and how
    counter: Ints  # [3] see above
    parts: Floats  # [5] see above
    tried_parts: Floats
    level: Floats  # [2] what parts the fullest cells from the others, and the worst edges
    breadth: Floats  # [1] how many times as many cells and edges as in the proxy count for `parts`


def new_state(netlist: Netlist, position: Positions, orientation: Orientations) -> State:
    """A state for centers [V, 2] in µm and orientations [V], both copied; its maps and costs are still empty.

    Other threads may work on states of their own: no two states share a cache line.
    """
    a, p = cost_arrays(netlist), points(netlist)
    v, q, rows, cols = netlist.num_nodes, len(p.offset_um), a.rows, a.cols
    is_hard, is_solid = np.zeros(v, dtype=bool), np.zeros(v, dtype=bool)
    is_hard[a.hard] = True
    is_solid[a.solid] = True
    load, tried_load = apart(np.zeros(2 * rows * cols)), apart(np.zeros(2 * rows * cols))
    largest_net = int(np.diff(p.net_start).max(initial=1))
    return State(
        arrays=a,
        points=p,
        hpwl_scale_um=(a.canvas_width_um + a.canvas_height_um) * float(np.sum(a.weight)),
        is_hard=apart(is_hard),
        is_solid=apart(is_solid),
        position=apart(np.array(position, dtype=np.float64, order="C")),
        orientation=apart(np.array(orientation, dtype=np.int8, order="C")),
        point=apart(np.zeros((q, 2))),
        tried_point=apart(np.zeros((q, 2))),
        cell=apart(np.zeros((q, 2), dtype=np.int32)),
        tried_cell=apart(np.zeros((q, 2), dtype=np.int32)),
        density=apart(np.zeros((rows, cols))),
        tried_density=apart(np.zeros((rows, cols))),
        load=load,
        vertical=load[: rows * cols].reshape(rows, cols),
        horizontal=load[rows * cols :].reshape(cols, rows),
        tried_load=tried_load,
        tried_vertical=tried_load[: rows * cols].reshape(rows, cols),
        tried_horizontal=tried_load[rows * cols :].reshape(cols, rows),
        up=apart(np.zeros((rows + 1, cols))),
        across=apart(np.zeros((cols + 1, rows))),
        run=apart(np.zeros(max(rows, cols))),
        cells=apart(np.zeros((largest_net + 1, 2), dtype=np.int64)),
        seen_cell=apart(np.zeros(rows * cols, dtype=np.int64)),
        seen_net=apart(np.zeros(p.weight.size, dtype=np.int64)),
        changed=apart(np.zeros(v, dtype=np.int64)),
        center=apart(np.zeros((v, 2))),
        turn=apart(np.zeros(v, dtype=np.int8)),
        counter=apart(np.zeros(3, dtype=np.int64)),
        parts=apart(np.zeros(5)),
        tried_parts=apart(np.zeros(5)),
        level=apart(np.zeros(2)),
        breadth=apart(np.ones(1)),
    )
