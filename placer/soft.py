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
from placer.cost.arrays import CostArrays, cost_arrays
from placer.cost.density import density_map
from placer.graph import NodeNets, node_nets

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


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def pull(nets: NodeNets, position: Floats, movable: Ints, slack_um: float, step: float, want: Floats) -> None:
    """Move every movable node by `step` of the way to where its nets want it, all at once.

    In each direction a net of k pins joins every pin to its two extreme pins with weight / ((k - 1) distance), whose
    quadratic energy equals the net's HPWL.  `slack_um` keeps the distance from vanishing.  `want` [2, V] is scratch.
    """
    for d in range(2):
        want[:] = 0.0
        for k in range(nets.weight.size):
            first, last = nets.start[k], nets.start[k + 1]
            low = high = first
            x_low = x_high = position[nets.node[first], d] + nets.offset_um[first, d]
            for e in range(first + 1, last):
                x = position[nets.node[e], d] + nets.offset_um[e, d]
                if x < x_low:
                    low, x_low = e, x
                elif x > x_high:
                    high, x_high = e, x
            if low == high:
                high = first if low != first else first + 1
            weight = nets.weight[k] / (last - first - 1)
            v_low, v_high = nets.node[low], nets.node[high]
            for e in range(first, last):
                v = nets.node[e]
                x = position[v, d] + nets.offset_um[e, d]
                if e != high:
                    w = weight / (x_high - x + slack_um)
                    want[0, v] += w
                    want[1, v] += w * (x_high - nets.offset_um[e, d])
                    want[0, v_high] += w
                    want[1, v_high] += w * (x - nets.offset_um[high, d])
                if e != low and e != high:
                    w = weight / (x - x_low + slack_um)
                    want[0, v] += w
                    want[1, v] += w * (x_low - nets.offset_um[e, d])
                    want[0, v_low] += w
                    want[1, v_low] += w * (x - nets.offset_um[low, d])
        for v in movable:
            if want[0, v] > 0.0:
                position[v, d] += step * (want[1, v] / want[0, v] - position[v, d])


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
    if arrays.movable.size == 0:
        return
    a = arrays.cost
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    want = np.empty((2, position.shape[0]))
    before = position.copy()
    density = np.empty((a.rows, a.cols))
    along_x, along_y = np.empty((a.rows, a.cols)), np.empty((a.rows, a.cols))
    for i in range(rounds):
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
