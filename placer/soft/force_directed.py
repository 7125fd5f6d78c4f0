"""Force-directed placement of soft macros (cell clusters) around hard macros that stay: fast, run in every episode.

Each round pulls every movable node toward the position where the springs of its nets are in balance (the bound-to-bound
model of Spindler et al., "Kraftwerk2", TCAD 2008, eq. 10) and pushes it along the electric field of the density (Lu et
al., "ePlace", TODAES 2015, section 4); the push grows relative to the pull from round to round.  Nothing here is
reported: the exact cost judges the result.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.netlist import Floats, Ints, Netlist
from netlists.runtime.kernel import kernel, loose_kernel, unsigned
from placer.cost.arrays import CostArrays, cost_arrays
from placer.cost.density import density_map
from placer.soft.node_nets import NodeNets, node_nets

MOMENTUM = 0.8
"""Fraction of a node's last displacement that is repeated in the next round.

With it, 50 rounds do what 200 do without, measured on four real designs and a synthetic one.
"""

FIRST_PULL = 0.8
"""Fraction of the way to its balance that a node is pulled in the first round; it falls geometrically."""

LAST_PULL = 0.04
"""Fraction of the way to its balance that a node is pulled in the last round."""

WEIGHT_X = 0
"""Column of the springs of a node: sum of their weights in x; that in y follows."""
WEIGHT_Y = 1
"""Column of the springs of a node: sum of their weights in y."""
MOMENT_X = 2
"""Column of the springs of a node: sum of weight × the position in µm at which the spring has length 0, in x."""
MOMENT_Y = 3
"""Column of the springs of a node: the same sum in y."""
SPRING_COLUMNS = 4
"""Number of columns of the springs of a node."""


class SoftArrays(NamedTuple):
    """What the kernels need: the merged nets, the grid, and the cosine transform that gives the electric field."""

    nets: NodeNets
    cost: CostArrays
    movable: Ints  # [M] soft macros and cells that are not fixed
    cos_rows: Floats  # [R, R] orthonormal DCT-II
    cos_cols: Floats  # [C, C]


def soft_arrays(netlist: Netlist) -> SoftArrays:
    """The arrays of a netlist for `place_soft` and `pull`."""
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
def pull(nets: NodeNets, position: Floats, movable: Ints, slack_um: float, step: float, springs: Floats) -> None:
    """Move every movable node by a fraction `step` of the way to the balance of its springs, all at once.

    `position` [V, 2] has the centers in µm, `movable` the indices [M] of the nodes.  In each direction a net of k pins
    has springs of weight / ((k - 1) distance) from every pin to its two extreme pins, whose quadratic energy equals the
    net's HPWL; `slack_um` is added to the distance, so that it is never 0.  `springs` [V, 4] is scratch: columns
    WEIGHT_X, WEIGHT_Y, MOMENT_X, MOMENT_Y.
    """
    for v in range(springs.shape[0]):
        for i in range(SPRING_COLUMNS):
            springs[v, i] = 0.0
    for k in range(nets.weight.size):
        first, last = unsigned(nets.start[k]), unsigned(nets.start[k + 1])
        degree = nets.start[k + 1] - nets.start[k]
        if degree == 2:
            add_two_pin_net(nets.node, nets.offset_um, position, first, nets.weight[k], slack_um, springs)
        else:
            add_larger_net(
                nets.node, nets.offset_um, position, first, last, nets.weight[k] / (degree - 1), slack_um, springs
            )
    for v in movable:
        for d in range(2):
            if springs[v, WEIGHT_X + d] > 0.0:
                position[v, d] += step * (springs[v, MOMENT_X + d] / springs[v, WEIGHT_X + d] - position[v, d])


@loose_kernel
def add_two_pin_net(
    node: Ints, offset: Floats, position: Floats, first: int, weight: float, slack_um: float, springs: Floats
) -> None:
    """Add the springs of a net of the two entries `first` and `first` + 1 to `springs` [V, 4].

    `node` [E] has the index, `offset` [E, 2] the offset in µm of each entry; `position` [V, 2] the centers in µm.
    """
    second = first + unsigned(1)
    v, u = unsigned(node[first]), unsigned(node[second])
    v_x, v_y = position[v, 0] + offset[first, 0], position[v, 1] + offset[first, 1]
    u_x, u_y = position[u, 0] + offset[second, 0], position[u, 1] + offset[second, 1]
    w_x, w_y = weight / (abs(v_x - u_x) + slack_um), weight / (abs(v_y - u_y) + slack_um)
    springs[v, WEIGHT_X] += w_x
    springs[v, WEIGHT_Y] += w_y
    springs[v, MOMENT_X] += w_x * (u_x - offset[first, 0])
    springs[v, MOMENT_Y] += w_y * (u_y - offset[first, 1])
    springs[u, WEIGHT_X] += w_x
    springs[u, WEIGHT_Y] += w_y
    springs[u, MOMENT_X] += w_x * (v_x - offset[second, 0])
    springs[u, MOMENT_Y] += w_y * (v_y - offset[second, 1])


@loose_kernel
def add_larger_net(
    node: Ints, offset: Floats, position: Floats, first: int, last: int, weight: float, slack_um: float, springs: Floats
) -> None:
    """Add the springs of a net of the entries first..last-1, of `weight` / distance each, to `springs` [V, 4].

    `node` [E] has the index, `offset` [E, 2] the offset in µm of each entry; `position` [V, 2] the centers in µm.  The
    springs of the two extreme entries in each direction are summed up separately and added at the end.
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
    right = second if left == right else right  # all pins at one position
    top = second if bottom == top else top
    left_w = left_x = right_w = right_x = bottom_w = bottom_y = top_w = top_y = 0.0
    for e in range(first, last):
        v = unsigned(node[e])
        dx, dy = offset[e, 0], offset[e, 1]
        x, y = position[v, 0] + dx, position[v, 1] + dy
        # Two weights with one division: p / a = p b / (a b).
        to_right, to_left = x_high - x + slack_um, x - x_low + slack_um
        to_top, to_bottom = y_high - y + slack_um, y - y_low + slack_um
        both_x, both_y = weight / (to_right * to_left), weight / (to_top * to_bottom)
        w_right = 0.0 if e == right else both_x * to_left
        w_left = 0.0 if e in (right, left) else both_x * to_right
        w_top = 0.0 if e == top else both_y * to_bottom
        w_bottom = 0.0 if e in (top, bottom) else both_y * to_top
        springs[v, WEIGHT_X] += w_right + w_left
        springs[v, WEIGHT_Y] += w_top + w_bottom
        springs[v, MOMENT_X] += w_right * (x_high - dx) + w_left * (x_low - dx)
        springs[v, MOMENT_Y] += w_top * (y_high - dy) + w_bottom * (y_low - dy)
        right_w, right_x = right_w + w_right, right_x + w_right * x
        left_w, left_x = left_w + w_left, left_x + w_left * x
        top_w, top_y = top_w + w_top, top_y + w_top * y
        bottom_w, bottom_y = bottom_w + w_bottom, bottom_y + w_bottom * y
    add_springs(node, offset, left, 0, left_w, left_x, springs)
    add_springs(node, offset, right, 0, right_w, right_x, springs)
    add_springs(node, offset, bottom, 1, bottom_w, bottom_y, springs)
    add_springs(node, offset, top, 1, top_w, top_y, springs)


@loose_kernel
def add_springs(node: Ints, offset: Floats, e: int, d: int, weight: float, moment: float, springs: Floats) -> None:
    """Add to `springs` [V, 4] several springs of entry e in direction d (0 for x, 1 for y).

    `weight` is the sum of their weights, `moment` that of weight × position of the other end in µm.  `node` [E] has the
    index, `offset` [E, 2] the offset in µm of each entry.
    """
    v = unsigned(node[e])
    springs[v, WEIGHT_X + d] += weight
    springs[v, MOMENT_X + d] += moment - weight * offset[e, d]


@njit(cache=True, nogil=True)
def field(arrays: SoftArrays, density: Floats, along_x: Floats, along_y: Floats) -> None:
    """Fill in the electric field of a map `density` [R, C]: it points away from where density is high.

    `along_x` and `along_y` [R, C] are its components, in grid cells per round.
    """
    rows, cols = density.shape
    waves = arrays.cos_rows @ density @ arrays.cos_cols.T
    for r in range(rows):
        for c in range(cols):
            squared = (np.pi * r / rows) ** 2 + (np.pi * c / cols) ** 2
            waves[r, c] = waves[r, c] / squared if squared > 0 else 0.0
    potential = arrays.cos_rows.T @ waves @ arrays.cos_cols
    for r in range(rows):
        for c in range(cols):
            # Central differences; the boundary mirrors the potential.
            along_x[r, c] = (potential[r, max(c - 1, 0)] - potential[r, min(c + 1, cols - 1)]) / 2
            along_y[r, c] = (potential[max(r - 1, 0), c] - potential[min(r + 1, rows - 1), c]) / 2


@kernel
def sample(grid: Floats, u: float, v: float) -> float:
    """The value of a map `grid` [R, C] at column coordinate u and row coordinate v, interpolated linearly.

    Coordinates are in grid cells; the centers of cells are at ½.
    """
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
    """Move the soft macros in `position` [V, 2] (centers in µm, changed in place); hard macros stay where they are.

    Starts from the current positions.  More rounds are better and slower; 50 is the fast setting.
    """
    if arrays.movable.size:
        soft_rounds(arrays, position, position.copy(), 0, rounds, rounds)


@njit(cache=True, nogil=True)
def soft_rounds(arrays: SoftArrays, position: Floats, before: Floats, first: int, last: int, rounds: int) -> None:
    """Rounds first..last-1 of the `rounds` of `place_soft`.

    `position` [V, 2] has the centers in µm, `before` [V, 2] those of one round earlier, for the momentum.
    """
    a = arrays.cost
    w, h = a.cell_width_um, a.cell_height_um
    springs = np.empty((position.shape[0], SPRING_COLUMNS))
    density = np.empty((a.rows, a.cols))
    along_x, along_y = np.empty((a.rows, a.cols)), np.empty((a.rows, a.cols))
    for i in range(first, last):
        drift(arrays, position, before)
        step = FIRST_PULL * (LAST_PULL / FIRST_PULL) ** (i / max(rounds - 1, 1))
        pull(arrays.nets, position, arrays.movable, (w + h) / 2, step, springs)
        density_map(a, position, density)
        field(arrays, density, along_x, along_y)
        push(arrays, position, along_x, along_y)


@kernel
def drift(arrays: SoftArrays, position: Floats, before: Floats) -> None:
    """Move the soft macros on by a part of their last move: `position` and `before` [V, 2] are centers in µm."""
    for v in arrays.movable:
        for d in range(2):
            further = MOMENTUM * (position[v, d] - before[v, d])
            before[v, d] = position[v, d]
            position[v, d] += further


@kernel
def push(arrays: SoftArrays, position: Floats, along_x: Floats, along_y: Floats) -> None:
    """Let a field push the soft macros, at most one grid cell far, and keep them in the canvas.

    `position` [V, 2] has the centers in µm; `along_x` and `along_y` [R, C] are the field in grid cells.
    """
    a = arrays.cost
    w, h = a.cell_width_um, a.cell_height_um
    for v in arrays.movable:
        u, t = position[v, 0] / w, position[v, 1] / h
        dx, dy = sample(along_x, u, t), sample(along_y, u, t)
        longest = max(abs(dx), abs(dy), 1.0)
        position[v, 0] += w * dx / longest
        position[v, 1] += h * dy / longest
        for d in range(2):
            side = a.canvas_width_um if d == 0 else a.canvas_height_um
            half = min(a.size_um[v, d], side) / 2
            position[v, d] = min(max(position[v, d], half), side - half)
