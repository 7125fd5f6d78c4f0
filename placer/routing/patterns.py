"""Routes of two-pin connections over gcells: one leg across, one along, one across again, or the other way round.

A route goes from its first gcell along a row to a column, the leg, along this to the row of its last gcell, and along
that; or first along a column to a row.  With the leg at one of the ends this is an L, between them a Z, beside them a
detour.  The cheapest one is taken, where an edge between neighboring gcells costs more the fuller it is, and more again
for each pass in which it was overfull.

Source: L and Z patterns as in Kastner, Bozorgzadeh and Sarrafzadeh, "Pattern routing", IEEE TCAD 21(7), 2002; history
and rip-up as in McMurchie and Ebeling, "PathFinder", FPGA 1995.

All costs are whole numbers, so that a sum does not depend on its order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netlists.netlist import Floats, Ints
from netlists.runtime.kernel import inlined_kernel, kernel
from placer.routing.trees import Cells

STEP = 1024
"""Cost of a step to the next gcell over an empty edge."""

BEND = 1024
"""Cost of a bend, which takes a via."""

SPREAD = 128.0
"""Cost of a step over a full edge, beside that of an empty one: of two equal routes the emptier one is better."""

KNEE = 0.9
"""Load of an edge, in tracks used per track, from which on its cost grows faster."""

HISTORY = 1024
"""Cost that a step over an edge gains for each pass after which it is overfull."""

LEAST_TRACKS = 1.0
"""An edge counts as having this many tracks at least, when its load is computed."""

Legs = npt.NDArray[np.int32]
"""[K] of each route the column of its leg, or -1 - the row of it; `UNROUTED` before there is a route."""

UNROUTED = np.iinfo(np.int32).max
"""Instead of the leg of a route."""


class Edges(NamedTuple):
    """The edges between neighboring gcells in one direction: on L parallel lines, with S steps each.

    Horizontal edges are on rows, with a step to the next column; vertical ones on columns, with a step to the next row.
    The last step of each line would leave the canvas: it has no tracks and is never used.
    """

    capacity: Floats  # [L, S] tracks
    demand: Ints  # [L, S] tracks that are used
    history: Ints  # [L, S] cost for having been overfull
    cost: Ints  # [L, S] of one more route over the edge


def empty_edges(capacity: Floats) -> Edges:
    """Edges of a capacity [L, S] in tracks that nothing uses yet; `refresh` computes their costs."""
    shape = capacity.shape
    zeros = [np.zeros(shape, dtype=np.int64) for _ in range(3)]
    return Edges(np.ascontiguousarray(capacity), *zeros)


@inlined_kernel
def step_cost(edges: Edges, line: int, step: int, weight: float) -> int:
    """Cost of one more route over an edge, `weight` being the cost of a load of one beyond the knee."""
    load = (edges.demand[line, step] + 1) / max(edges.capacity[line, step], LEAST_TRACKS)
    cost: int = STEP + edges.history[line, step] + int(SPREAD * load + weight * max(load - KNEE, 0.0))
    return cost


@kernel
def refresh(edges: Edges, weight: float, history: int) -> None:
    """Compute the costs of all edges, after the history of those that are overfull has grown by `history`."""
    lines, steps = edges.cost.shape
    for line in range(lines):
        for step in range(steps):
            if edges.demand[line, step] > edges.capacity[line, step]:
                edges.history[line, step] += history
            edges.cost[line, step] = step_cost(edges, line, step, weight)


@kernel
def add_run(edges: Edges, line: int, start: int, end: int, change: int, weight: float) -> None:
    """Add `change` to the demand of the edges of a line between two of its gcells, and compute their costs again."""
    for step in range(min(start, end), max(start, end)):
        edges.demand[line, step] += change
        edges.cost[line, step] = step_cost(edges, line, step, weight)


@kernel
def add_route(
    horizontal: Edges, vertical: Edges, r1: int, c1: int, r2: int, c2: int, leg: int, change: int, weight: float
) -> None:
    """Add `change` to the demand of all edges of a route."""
    if leg >= 0:
        add_run(horizontal, r1, c1, leg, change, weight)
        add_run(vertical, leg, r1, r2, change, weight)
        add_run(horizontal, r2, leg, c2, change, weight)
    else:
        row = -1 - leg
        add_run(vertical, c1, r1, row, change, weight)
        add_run(horizontal, row, c1, c2, change, weight)
        add_run(vertical, c2, row, r2, change, weight)


@kernel
def cheapest_leg(
    along: Edges, across: Edges, line1: int, step1: int, line2: int, step2: int, margin: int, least: int
) -> tuple[int, int]:
    """The best place of a leg on `across` that costs less than `least`: the cost of the route, and the place or -1.

    The route leads from `step1` on `line1` of `along` to `step2` on `line2`, and its leg is at most `margin` beside
    them.  The first of equal ones counts, from the lowest place.
    """
    if step1 > step2:
        line1, step1, line2, step2 = line2, step2, line1, step1
    place, rise = -1, abs(line2 - line1)
    low, high = max(step1 - margin, 0), min(step2 + margin, across.cost.shape[0] - 1)
    if rise == 0:
        low, high = step1, step1
    first = sum_costs(along, line1, low, step1)  # from the first end to the leg
    second = sum_costs(along, line2, low, step2)  # from the leg to the other end
    for leg in range(low, high + 1):
        cost = first + second
        if rise > 0:
            cost += BEND * (int(leg != step1) + int(leg != step2))
        if cost + STEP * rise < least:
            cost += sum_costs(across, leg, line1, line2)
            if cost < least:
                least, place = cost, leg
        if leg < high:
            first += along.cost[line1, leg] if leg >= step1 else -along.cost[line1, leg]
            second += along.cost[line2, leg] if leg >= step2 else -along.cost[line2, leg]
    return least, place


@kernel
def sum_costs(edges: Edges, line: int, start: int, end: int) -> int:
    """The cost of the edges of a line between two of its gcells."""
    total = 0
    for step in range(min(start, end), max(start, end)):
        total += edges.cost[line, step]
    return total


@kernel
def cheapest_route(horizontal: Edges, vertical: Edges, r1: int, c1: int, r2: int, c2: int, margin: int) -> int:
    """The leg of the cheapest route between two different gcells, at most `margin` beside their bounding box."""
    most = np.iinfo(np.int64).max
    least, column = cheapest_leg(horizontal, vertical, r1, c1, r2, c2, margin, most)
    _, row = cheapest_leg(vertical, horizontal, c1, r1, c2, r2, margin, least)
    return column if row < 0 else -1 - row


@kernel
def crosses_overfull(horizontal: Edges, vertical: Edges, r1: int, c1: int, r2: int, c2: int, leg: int) -> bool:
    """Whether a route uses an edge that is overfull."""
    if leg >= 0:
        return (
            is_overfull(horizontal, r1, c1, leg)
            or is_overfull(vertical, leg, r1, r2)
            or is_overfull(horizontal, r2, leg, c2)
        )
    row = -1 - leg
    return is_overfull(vertical, c1, r1, row) or is_overfull(horizontal, row, c1, c2) or is_overfull(
        vertical, c2, row, r2
    )  # fmt: skip


@kernel
def is_overfull(edges: Edges, line: int, start: int, end: int) -> bool:
    """Whether an edge of a line between two of its gcells is overfull."""
    for step in range(min(start, end), max(start, end)):
        if edges.demand[line, step] > edges.capacity[line, step]:
            return True
    return False


@kernel
def route_all(
    horizontal: Edges, vertical: Edges, ends: Cells, order: Ints, leg: Legs, margin: int, weight: float
) -> int:  # fmt: skip
    """Route the connections that have no route or an overfull one, in an order; returns how many.

    `ends` [K, 4] has rows and columns of both ends, `order` [K] the indices of connections, `leg` [K] the routes.
    """
    count = 0
    for k in order:
        r1, c1, r2, c2 = ends[k, 0], ends[k, 1], ends[k, 2], ends[k, 3]
        if leg[k] != UNROUTED:
            if not crosses_overfull(horizontal, vertical, r1, c1, r2, c2, leg[k]):
                continue
            add_route(horizontal, vertical, r1, c1, r2, c2, leg[k], -1, weight)
        leg[k] = cheapest_route(horizontal, vertical, r1, c1, r2, c2, margin)
        add_route(horizontal, vertical, r1, c1, r2, c2, leg[k], 1, weight)
        count += 1
    return count
