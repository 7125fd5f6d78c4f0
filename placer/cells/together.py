"""Macros placed together with the cells: global placements of both, each followed by legalization of the macros.

A global placement leaves macros that overlap a little among cells that make room for them.  Moving them apart in the
order in which they stand (`placer.legalization.keep_order`) changes little, and the next global placement begins from
there with macros and cells spread already, so that macros move less and less.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from netlists.placement import Placement
from netlists.runtime.clock import OutOfTimeError, demand_time
from placer.cells.global_placement import place_globally
from placer.cells.turning import turn_macros
from placer.legalization.by_rules import legalize_by_rules
from placer.legalization.keep_order import keep_order
from placer.legalization.row_alignment import legalize_on_rows

PASSES = 4
"""Global placements, at most."""

SETTLED = 0.003
"""Mean distance that legalization moves macros after the last pass, at most, as a fraction of half the perimeter."""

FIRST_FRACTION = 0.65
"""Fraction of the time that is left for the first pass."""

NEXT_FRACTION = 0.5
"""The same for each further pass."""


def place_together(
    placement: Placement, *, seed: int, warm: bool = False, deadline: float = np.inf,
    tick: Callable[[], None] = lambda: None,
) -> Placement:  # fmt: skip
    """The placement with movable hard macros legal, near where their nets want them, and movable cells around them.

    Macros must be legal; cells may overlap.  A `warm` start keeps more of the order of the placement.  At `deadline`
    (of `time.perf_counter`) the last legal places of the macros stay.  `tick` is called often.  Raises
    `LegalizationError` if the macros find no room.
    """
    n = placement.netlist
    nodes = np.union1d(n.movable_hard, n.movable_cells)
    for k in range(PASSES):
        now = time.perf_counter()
        end = now + (FIRST_FRACTION if k == 0 else NEXT_FRACTION) * (deadline - now)
        spread = place_globally(placement, nodes, seed=seed + k, warm=warm or k > 0, deadline=end, tick=tick)
        loose = turn_macros(spread)
        try:
            demand_time(deadline)
            placement = legalize_macros(loose, deadline)
        except OutOfTimeError:
            break
        moved = np.abs(placement.position_um - loose.position_um)[n.movable_hard].sum(axis=1).mean()
        if moved < SETTLED * sum(n.canvas_um):
            break
    return placement


def legalize_macros(placement: Placement, deadline: float) -> Placement:
    """Hard macros legal: in their order if possible, and under the constraints, or on rows if there are none.

    Raises `LegalizationError` if they find no room, and `OutOfTimeError` at the deadline (of `time.perf_counter`).
    """
    in_order = keep_order(placement, deadline=deadline) or placement
    demand_time(deadline)
    if placement.netlist.constraints:
        return legalize_by_rules(in_order, deadline=deadline)
    return legalize_on_rows(in_order)
