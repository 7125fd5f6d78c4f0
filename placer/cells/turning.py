"""Turning hard macros for wirelength: each in turn takes the mirrored form in which its nets are shortest."""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.legality.rules import rules
from netlists.netlist import ORIENTATION_MATRIX, Bools, Floats, Ints
from netlists.placement import Placement
from placer.legalization.by_rules import FLIPS

MOST_PINS = 1000
"""Pins of a net, at most; nets with more hardly change with one macro."""

SWEEPS = 2
"""Times that each macro is turned."""


def turn_macros(placement: Placement) -> Placement:
    """The placement with its movable hard macros in allowed orientations of the same width and height.

    The HPWL, without nets of more than `MOST_PINS` pins, is never longer than before.
    """
    n = placement.netlist
    by_node, start = n.connections_by_node()
    at = placement.pins_um()
    orientation = placement.orientation.astype(np.int64)
    allowed = rules(n).allowed.copy() if n.constraints else np.ones((n.num_nodes, len(ORIENTATION_MATRIX)), dtype=bool)
    turn(
        n.movable_hard, placement.position_um.copy(), orientation, allowed, by_node, start,
        n.connection_net.copy(), n.connection_offset_um.copy(), n.net_start.copy(), n.net_weight.copy(), at,
    )  # fmt: skip
    return Placement(n, placement.position_um, orientation.astype(np.int8))


@njit(cache=True, nogil=True)
def turn(
    macros: Ints, position: Floats, orientation: Ints, allowed: Bools, by_node: Ints, start: Ints, net: Ints,
    offset: Floats, net_start: Ints, weight: Floats, at: Floats,
) -> None:  # fmt: skip
    """Change the `orientation` [V] of `macros` [M] and the places `at` [P, 2] of their pins where that shortens nets.

    `position` [V, 2] are centers and `offset` [P, 2] those of pins in orientation N, all in µm.  Node v has the pins
    `by_node` [P] from `start` [V+1] of v to that of v + 1, and the `net` [P] n of a pin, with `weight` [N], has those
    from `net_start` [N+1] of n to that of n + 1.  `allowed` [V, 8] are orientations.
    """
    for _ in range(SWEEPS):
        for v in macros:
            first, best, chosen = orientation[v], np.inf, -1
            for k in range(FLIPS):
                code = first ^ k
                if k > 0 and not allowed[v, code]:
                    continue
                put_pins(v, code, position, by_node, start, offset, at)
                length = 0.0
                for i in range(start[v], start[v + 1]):
                    n = net[by_node[i]]
                    if net_start[n + 1] - net_start[n] <= MOST_PINS:
                        length += weight[n] * half_perimeter(at, net_start[n], net_start[n + 1])
                if length < best * (1 - 1e-12):
                    best, chosen = length, code
            orientation[v] = chosen if chosen >= 0 else first
            put_pins(v, orientation[v], position, by_node, start, offset, at)


@njit(cache=True, nogil=True)
def put_pins(v: int, code: int, position: Floats, by_node: Ints, start: Ints, offset: Floats, at: Floats) -> None:
    """Set the places `at` [P, 2] of the pins of node v for an orientation; the other arguments as in `turn`."""
    matrix = ORIENTATION_MATRIX[code]
    for i in range(start[v], start[v + 1]):
        p = by_node[i]
        for d in range(2):
            at[p, d] = position[v, d] + matrix[d, 0] * offset[p, 0] + matrix[d, 1] * offset[p, 1]


@njit(cache=True, nogil=True)
def half_perimeter(at: Floats, first: int, last: int) -> float:
    """Half the perimeter in µm of the box around the pins first..last-1 at the places `at` [P, 2]."""
    length = 0.0
    for d in range(2):
        low, high = at[first, d], at[first, d]
        for p in range(first + 1, last):
            low, high = min(low, at[p, d]), max(high, at[p, d])
        length += high - low
    return length
