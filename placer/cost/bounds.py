"""Simple lower bounds of the proxy cost: what no legal placement of a netlist can fall below.

Density cannot fall below even spreading around the grid cells that hard macros fill wherever they lie; congestion not
below what the macros block alone; wirelength not below the boxes around the fixed pins of each net.  Designs differ
much in them, so a proxy says more beside its bound.
"""

from __future__ import annotations

import numpy as np

from netlists.netlist import Floats, Kind, Netlist
from placer.cost.arrays import CostArrays, cost_arrays
from placer.cost.proxy import Cost
from placer.cost.wirelength import pin_positions, wirelength_cost

ROUNDING_CELLS = 1e-9
"""Rounding of lengths in grid cells: a length this close to a whole number of cells is that number."""

ROUNDING_UM = 1e-9
"""Rounding of positions in µm: a node that extends this far over the boundary of the canvas is inside."""


def lower_bounds(netlist: Netlist) -> Cost:
    """Bounds of the three parts, for legal placements; their weighted sum bounds the proxy."""
    arrays = cost_arrays(netlist)
    hpwl_um = fixed_hpwl_um(netlist, arrays)
    spans = spans_in_cells(netlist)
    density, congestion = least_density(netlist, spans), least_congestion(netlist, arrays, spans)
    return Cost(wirelength_cost(arrays, hpwl_um), density, congestion, hpwl_um)


def fixed_hpwl_um(netlist: Netlist, arrays: CostArrays) -> float:
    """Weighted half perimeters of the boxes around the fixed pins of each net, summed up."""
    pins = np.empty((arrays.node.size, 2))
    pin_positions(arrays, np.asarray(netlist.position_um, np.float64), netlist.orientation, pins)
    fixed = netlist.fixed[arrays.node]
    net = np.repeat(np.arange(netlist.num_nets), np.diff(arrays.net_start))[fixed]
    low, high = np.full((netlist.num_nets, 2), np.inf), np.full((netlist.num_nets, 2), -np.inf)
    np.minimum.at(low, net, pins[fixed])
    np.maximum.at(high, net, pins[fixed])
    length = np.where(np.isfinite(low), high - low, 0.0).sum(axis=1)
    return float(arrays.weight @ length)


def least_density(netlist: Netlist, spans: Floats) -> float:
    """Half the mean of the fullest tenth when all area but that in cells full anyway is spread evenly.

    Spans [M, 2] of the hard macros are in cells, as in `spans_in_cells`.
    """
    solid = inside(netlist) & (netlist.kind != Kind.PORT)
    count = netlist.grid[0] * netlist.grid[1]
    area = float(netlist.size_um[solid].prod(axis=1).sum()) / float(np.prod(netlist.canvas_um)) * count
    whole = covered(spans).prod(axis=1)
    k = max(int(0.1 * count), 1)
    number = np.maximum(whole, 1.0)
    full = largest(list(zip(fullest(spans).prod(axis=1), number, strict=True)), k)
    found = min(float(number.sum()), k)
    rest = max(area - full, 0.0) / (count - found) if count > found else 0.0
    return 0.5 * max(full + (k - found) * rest, area * k / count) / k


def least_congestion(netlist: Netlist, arrays: CostArrays, spans: Floats) -> float:
    """Mean of the worst twentieth of the edges, by what macros block where each has most of a cell's height or width.

    A side of L cells covers at least floor(L) - 1 of them in full, and what is left falls on two cells or one, half of
    it or more on one.  Across, tracks are lost in every cell that the macro reaches, but for a ragged last one.
    """
    whole, reached = covered(spans), np.maximum(np.ceil(spans - ROUNDING_CELLS) - 1.0, 1.0)[:, ::-1]
    full = np.array([arrays.macro_vertical_per_um, arrays.macro_horizontal_per_um]) / (
        arrays.vertical_per_um,
        arrays.horizontal_per_um,
    )
    share = np.stack([np.ones_like(spans), np.minimum((spans - whole) / 2, 1.0)]) * full  # [2, M, 2]
    number = np.stack([whole * reached, reached])
    k = max(int(0.05 * 2 * netlist.grid[0] * netlist.grid[1]), 1)
    return largest(list(zip(share.ravel(), number.ravel(), strict=True)), k) / k


def largest(groups: list[tuple[float, float]], count: int) -> float:
    """Sum of the `count` largest values, of groups (value, how many)."""
    total, left = 0.0, float(count)
    for value, number in sorted(groups, reverse=True):
        taken = min(number, left)
        total, left = total + float(value) * taken, left - taken
    return total


def spans_in_cells(netlist: Netlist) -> Floats:
    """[M, 2] width and height of the hard macros inside the canvas, in grid cells."""
    hard = netlist.hard
    return np.asarray(netlist.size_um[hard[inside(netlist)[hard]]] / netlist.cell_um)


def covered(spans: Floats) -> Floats:
    """Fewest cells that intervals of such lengths cover entirely, wherever they begin."""
    return np.maximum(np.floor(spans + ROUNDING_CELLS) - 1.0, 0.0)


def fullest(spans: Floats) -> Floats:
    """Least part of a cell that intervals of such lengths cover in the cell they cover most, wherever they begin."""
    return np.minimum(spans / 2, 1.0)


def inside(netlist: Netlist) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """[V] nodes that lie inside the canvas in every legal placement: all but fixed ones that stick out."""
    half, position = netlist.size_um / 2, np.nan_to_num(netlist.position_um, nan=-np.inf)
    low, high = position - half, position + half
    within = ((low >= -ROUNDING_UM) & (high <= np.array(netlist.canvas_um) + ROUNDING_UM)).all(axis=1)
    return np.asarray(~netlist.fixed | within)
