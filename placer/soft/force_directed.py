"""Soft macros (cell clusters) placed around given hard macros: a fast force-directed method, run in every episode.

Each round pulls every movable node toward the place that its nets want (the bound-to-bound model of Spindler et al.,
Kraftwerk2, TCAD 2008, eq. 10) and pushes it down the electric field of the density (Lu et al., ePlace, TODAES 2015,
section 4), the push growing against the pull.  Nothing here is reported: the exact cost judges the result.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints, Netlist
from netlists.runtime.kernel import loose_kernel, unsigned
from placer.cost.arrays import CostArrays, cost_arrays
from placer.cost.density import density_map
from placer.soft.node_nets import NodeNets, node_nets

# Measured on four real and one synthetic design: with these, 50 rounds do what 200 do without momentum.
MOMENTUM = 0.8
PULL_FIRST, PULL_LAST = 0.8, 0.04  # part of the way to where its nets want a node, falling geometrically


class SoftArrays(NamedTuple):
    """What the kernels need: the merged nets, the grid, and the cosine transform that solves the field."""

    nets: NodeNets
    cost: CostArrays
    movable: Ints  # soft macros and cells that are not fixed
    cos_rows: Floats  # [R, R] orthonormal DCT-II
    cos_cols: Floats  # [C, C]


def soft_arrays(netlist: Netlist) -> SoftArrays:
    """Arrays of a netlist for `place_soft` and `pull`."""
    rows, cols = netlist.grid
    movable = np.sort(netlist.movable_soft)
    return SoftArrays(node_nets(netlist), cost_arrays(netlist), movable, cosines(rows), cosines(cols))


def cosines(n: int) -> Floats:
    """[n, n] orthonormal DCT-II matrix: entry (k, i) = cos(π k (i + ½) / n), scaled."""
    k, i = np.arange(n)[:, None], np.arange(n)[None, :]
    matrix: Floats = np.cos(np.pi * k * (i + 0.5) / n) * np.sqrt(2.0 / n)
    matrix[0] /= np.sqrt(2.0)
    return matrix


@loose_kernel
def pull(nets: NodeNets, position: Floats, movable: Ints, slack_um: float, step: float, want: Floats) -> None:
    """Move every movable node by `step` of the way to where its nets want it, all at once.

    In each direction a net of k pins joins every pin to its two extreme pins with weight / ((k - 1) distance), whose
    quadratic energy equals the net's HPWL.  `slack_um` keeps the distance from vanishing.  `want` [V, 4] is scratch:
    sums of weights and of weight × wanted place, each in x and y.
    """
    for v in range(want.shape[0]):
        for i in range(4):
            want[v, i] = 0.0
    for k in range(nets.weight.size):
        first, last = unsigned(nets.start[k]), unsigned(nets.start[k + 1])
        degree = nets.start[k + 1] - nets.start[k]
        if degree == 2:
            join_two(nets.node, nets.offset_um, position, first, nets.weight[k], slack_um, want)
        else:
            join_many(nets.node, nets.offset_um, position, first, last, nets.weight[k] / (degree - 1), slack_um, want)
    for v in movable:
        for d in range(2):
            if want[v, d] > 0.0:
                position[v, d] += step * (want[v, 2 + d] / want[v, d] - position[v, d])


@loose_kernel
def join_two(
    node: Ints, offset: Floats, position: Floats, first: int, weight: float, slack_um: float, want: Floats
) -> None:
    """Add to `want` the springs of a net of the two entries `first` and `first` + 1."""
    second = first + unsigned(1)
    v, u = unsigned(node[first]), unsigned(node[second])
    v_x, v_y = position[v, 0] + offset[first, 0], position[v, 1] + offset[first, 1]
    u_x, u_y = position[u, 0] + offset[second, 0], position[u, 1] + offset[second, 1]
    w_x, w_y = weight / (abs(v_x - u_x) + slack_um), weight / (abs(v_y - u_y) + slack_um)
    want[v, 0] += w_x
    want[v, 1] += w_y
    want[v, 2] += w_x * (u_x - offset[first, 0])
    want[v, 3] += w_y * (u_y - offset[first, 1])
    want[u, 0] += w_x
    want[u, 1] += w_y
    want[u, 2] += w_x * (v_x - offset[second, 0])
    want[u, 3] += w_y * (v_y - offset[second, 1])


@loose_kernel
def join_many(
    node: Ints, offset: Floats, position: Floats, first: int, last: int, weight: float, slack_um: float, want: Floats
) -> None:
    """Add to `want` the springs of a net of the entries first..last-1, whose springs weigh `weight` / distance.

    Those of the two extreme entries in each direction are summed up on the side, and added at the end.
    """
    second = first + unsigned(1)
    v = unsigned(node[first])
    x_low = x_high = position[v, 0] + offset[first, 0]
    y_low = y_high = position[v, 1] + offset[first, 1]
    left = right = bottom = top = first
    for e in range(second, last):
        v = unsigned(node[e])
        x, y = position[v, 0] + offset[e, 0], position[v, 1] + offset[e, 1]
        left, right = e if x < x_low else left, e if x > x_high else right
        bottom, top = e if y < y_low else bottom, e if y > y_high else top
        x_low, x_high = min(x, x_low), max(x, x_high)
        y_low, y_high = min(y, y_low), max(y, y_high)
    right = second if left == right else right  # all in one place
    top = second if bottom == top else top
    left_w = left_x = right_w = right_x = bottom_w = bottom_y = top_w = top_y = 0.0
    for e in range(first, last):
        v = unsigned(node[e])
        dx, dy = offset[e, 0], offset[e, 1]
        x, y = position[v, 0] + dx, position[v, 1] + dy
        # Two weights by one division: p / a = p b / (a b).
        to_right, to_left = x_high - x + slack_um, x - x_low + slack_um
        to_top, to_bottom = y_high - y + slack_um, y - y_low + slack_um
        both_x, both_y = weight / (to_right * to_left), weight / (to_top * to_bottom)
        w_right = 0.0 if e == right else both_x * to_left
        w_left = 0.0 if e in (right, left) else both_x * to_right
        w_top = 0.0 if e == top else both_y * to_bottom
        w_bottom = 0.0 if e in (top, bottom) else both_y * to_top
        want[v, 0] += w_right + w_left
        want[v, 1] += w_top + w_bottom
        want[v, 2] += w_right * (x_high - dx) + w_left * (x_low - dx)
        want[v, 3] += w_top * (y_high - dy) + w_bottom * (y_low - dy)
        right_w, right_x = right_w + w_right, right_x + w_right * x
        left_w, left_x = left_w + w_left, left_x + w_left * x
        top_w, top_y = top_w + w_top, top_y + w_top * y
        bottom_w, bottom_y = bottom_w + w_bottom, bottom_y + w_bottom * y
    add_springs(node, offset, left, 0, left_w, left_x, want)
    add_springs(node, offset, right, 0, right_w, right_x, want)
    add_springs(node, offset, bottom, 1, bottom_w, bottom_y, want)
    add_springs(node, offset, top, 1, top_w, top_y, want)


@loose_kernel
def add_springs(node: Ints, offset: Floats, e: int, d: int, weight: float, moment: float, want: Floats) -> None:
    """Add springs of entry e in direction d: the sum of their weights, and that of weight × place of the other end."""
    v = unsigned(node[e])
    want[v, d] += weight
    want[v, 2 + d] += moment - weight * offset[e, d]


@njit(cache=True, nogil=True)
def field(arrays: SoftArrays, density: Floats, along_x: Floats, along_y: Floats) -> None:
    """Fill the electric field [R, C] of a density map, in grid cells: it points away from where things pile up."""
    rows, cols = density.shape
    waves = arrays.cos_rows @ density @ arrays.cos_cols.T
    for r in range(rows):
        for c in range(cols):
            squared = (np.pi * r / rows) ** 2 + (np.pi * c / cols) ** 2
            waves[r, c] = waves[r, c] / squared if squared > 0 else 0.0
    potential = arrays.cos_rows.T @ waves @ arrays.cos_cols
    for r in range(rows):
        for c in range(cols):
            # Central differences; the wall mirrors the potential.
            along_x[r, c] = (potential[r, max(c - 1, 0)] - potential[r, min(c + 1, cols - 1)]) / 2
            along_y[r, c] = (potential[max(r - 1, 0), c] - potential[min(r + 1, rows - 1), c]) / 2


@njit(cache=True, nogil=True)
def sample(grid: Floats, u: float, v: float) -> float:
    """Value of a map [R, C] at column coordinate u and row coordinate v (cell centers at ½), interpolated."""
    rows, cols = grid.shape
    u = min(max(u - 0.5, 0.0), cols - 1.0)
    v = min(max(v - 0.5, 0.0), rows - 1.0)
    c, r = min(int(u), max(cols - 2, 0)), min(int(v), max(rows - 2, 0))
    fu, fv = u - c, v - r
    c2, r2 = min(c + 1, cols - 1), min(r + 1, rows - 1)
    below = grid[r, c] * (1 - fu) + grid[r, c2] * fu
    above = grid[r2, c] * (1 - fu) + grid[r2, c2] * fu
    return float(below * (1 - fv) + above * fv)


@njit(cache=True, nogil=True)
def place_soft(arrays: SoftArrays, position: Floats, rounds: int) -> None:
    """Place the movable soft macros in `position` [V, 2] (µm, changed in place), hard macros staying where they are.

    Starts from the positions given.  More rounds are better and slower; 50 is the fast setting.
    """
    if arrays.movable.size:
        soft_rounds(arrays, position, position.copy(), 0, rounds, rounds)


@njit(cache=True, nogil=True)
def soft_rounds(arrays: SoftArrays, position: Floats, before: Floats, first: int, last: int, rounds: int) -> None:
    """Rounds first..last-1 of `place_soft`; `before` [V, 2] has where nodes were a round ago, for their momentum."""
    a = arrays.cost
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    want = np.empty((position.shape[0], 4))
    density = np.empty((a.rows, a.cols))
    along_x, along_y = np.empty((a.rows, a.cols)), np.empty((a.rows, a.cols))
    for i in range(first, last):
        for v in arrays.movable:
            for d in range(2):
                drift = MOMENTUM * (position[v, d] - before[v, d])
                before[v, d] = position[v, d]
                position[v, d] += drift
        step = PULL_FIRST * (PULL_LAST / PULL_FIRST) ** (i / max(rounds - 1, 1))
        pull(arrays.nets, position, arrays.movable, (w + h) / 2, step, want)
        density_map(a, position, density)
        field(arrays, density, along_x, along_y)
        for v in arrays.movable:
            u, t = position[v, 0] / w, position[v, 1] / h
            dx, dy = sample(along_x, u, t), sample(along_y, u, t)
            longest = max(abs(dx), abs(dy), 1.0)  # at most a cell at a time
            position[v, 0] += w * dx / longest
            position[v, 1] += h * dy / longest
            for d, side in ((0, a.canvas_width_um), (1, a.canvas_height_um)):
                half = min(a.size_um[v, d], side) / 2
                position[v, d] = min(max(position[v, d], half), side - half)
