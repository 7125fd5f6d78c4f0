"""Simple lower bounds of the proxy cost, below which no legal placement of a netlist can fall.

The density is at least that of all area spread evenly around the grid cells that hard macros fill wherever they lie;
the congestion at least what the hard macros block; the wirelength at least the bounding boxes of the fixed pins of each
net.  Designs differ much in these bounds, so a proxy says more beside its bound.
"""

from __future__ import annotations

import numpy as np

from netlists.netlist import Bools, Floats, Kind, Netlist
from placer.cost.arrays import CostArrays, cost_arrays
from placer.cost.definition import DENSITY_FACTOR, count_fullest_cells, count_worst_edges
from placer.cost.proxy import CostTerms
from placer.cost.wirelength import locate_pins, wirelength_cost

ROUNDING_CELLS = 1e-9
"""Rounding of lengths in grid cells: a length this close to a whole number of cells is that number."""

ROUNDING_UM = 1e-9
"""Rounding of positions in µm: a node that extends this far over the boundary of the canvas is inside."""


def lower_bounds(netlist: Netlist) -> CostTerms:
    """Bounds of the three terms over all legal placements; their weighted sum bounds the proxy."""
    arrays = cost_arrays(netlist)
    hpwl_um = fixed_hpwl_um(netlist, arrays)
    spans = spans_in_cells(netlist)
    density, congestion = least_density(netlist, spans), least_congestion(netlist, arrays, spans)
    return CostTerms(wirelength_cost(arrays, hpwl_um), density, congestion, hpwl_um)


def fixed_hpwl_um(netlist: Netlist, arrays: CostArrays) -> float:
    """Sum over all nets of weight × half the perimeter of the bounding box of its fixed pins."""
    pins = np.empty((arrays.node.size, 2))
    locate_pins(arrays, np.asarray(netlist.position_um, np.float64), netlist.orientation, pins)
    fixed = netlist.fixed[arrays.node]
    net = np.repeat(np.arange(netlist.num_nets), np.diff(arrays.net_start))[fixed]
    low, high = np.full((netlist.num_nets, 2), np.inf), np.full((netlist.num_nets, 2), -np.inf)
    np.minimum.at(low, net, pins[fixed])
    np.maximum.at(high, net, pins[fixed])
    length = np.where(np.isfinite(low), high - low, 0.0).sum(axis=1)
    return float(arrays.weight @ length)


def least_density(netlist: Netlist, spans: Floats) -> float:
    """The density term if all area, except in cells that are full in any case, is spread evenly.

    `spans` [M, 2] has the widths and heights of the hard macros in grid cells, as in `spans_in_cells`.
    """
    solid = always_inside(netlist) & (netlist.kind != Kind.PORT)
    count = netlist.grid[0] * netlist.grid[1]
    area = float(netlist.size_um[solid].prod(axis=1).sum()) / float(np.prod(netlist.canvas_um)) * count
    whole = cells_covered(spans).prod(axis=1)
    k = max(count_fullest_cells(count), 1)
    number = np.maximum(whole, 1.0)
    full = sum_of_largest_groups(list(zip(largest_cover(spans).prod(axis=1), number, strict=True)), k)
    full_cells = min(float(number.sum()), k)
    rest = max(area - full, 0.0) / (count - full_cells) if count > full_cells else 0.0
    return DENSITY_FACTOR * max(full + (k - full_cells) * rest, area * k / count) / k


def least_congestion(netlist: Netlist, arrays: CostArrays, spans: Floats) -> float:
    """The congestion term if only hard macros take tracks, each edge counted that one blocks over most of a cell.

    `spans` [M, 2] has the widths and heights of the hard macros in grid cells.  A side of L cells covers at least
    floor(L) - 1 of them in full, and the remainder falls on one or two cells, half of it or more on one of them.  In
    the other direction a macro blocks tracks in every cell that it reaches, except a last cell that it covers partly.
    """
    whole, reached = cells_covered(spans), np.maximum(np.ceil(spans - ROUNDING_CELLS) - 1.0, 1.0)[:, ::-1]
    full = np.array([arrays.macro_vertical_per_um, arrays.macro_horizontal_per_um]) / (
        arrays.vertical_per_um,
        arrays.horizontal_per_um,
    )
    fraction = np.stack([np.ones_like(spans), np.minimum((spans - whole) / 2, 1.0)]) * full  # [2, M, 2]
    number = np.stack([whole * reached, reached])
    k = count_worst_edges(2 * netlist.grid[0] * netlist.grid[1])
    return sum_of_largest_groups(list(zip(fraction.ravel(), number.ravel(), strict=True)), k) / k


def sum_of_largest_groups(groups: list[tuple[float, float]], count: int) -> float:
    """The sum of the `count` largest values, given as groups (value, number of such values)."""
    total, left = 0.0, float(count)
    for value, number in sorted(groups, reverse=True):
        counted = min(number, left)
        total, left = total + float(value) * counted, left - counted
    return total


def spans_in_cells(netlist: Netlist) -> Floats:
    """[M, 2] width and height, in grid cells, of the hard macros that are always inside the canvas."""
    hard = netlist.hard
    return np.asarray(netlist.size_um[hard[always_inside(netlist)[hard]]] / netlist.cell_um)


def cells_covered(spans: Floats) -> Floats:
    """The fewest grid cells that intervals of lengths `spans` [M, 2], in cells, cover in full, wherever they begin."""
    return np.maximum(np.floor(spans + ROUNDING_CELLS) - 1.0, 0.0)


def largest_cover(spans: Floats) -> Floats:
    """The fraction that intervals of lengths `spans` [M, 2], in grid cells, cover of some cell, wherever they begin."""
    return np.minimum(spans / 2, 1.0)


def always_inside(netlist: Netlist) -> Bools:
    """[V] nodes that lie inside the canvas in every legal placement: all except fixed ones that extend beyond it."""
    half, position = netlist.size_um / 2, np.nan_to_num(netlist.position_um, nan=-np.inf)
    low, high = position - half, position + half
    within = ((low >= -ROUNDING_UM) & (high <= np.array(netlist.canvas_um) + ROUNDING_UM)).all(axis=1)
    return np.asarray(~netlist.fixed | within)
