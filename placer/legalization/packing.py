"""Packing: any legal places for the movable hard macros, where the canvas is too full to look near their targets.

Macros are packed one after the other into snug corners (`free_space.snug_corner`), larger ones first.  Who finds no
room goes earlier in later tries (squeaky wheel optimization: Joslin and Clements, J. Artificial Intelligence Research
10, 1999), and orders are perturbed ever more.  The work is bounded: a hopeless netlist is found out in seconds.
"""

from __future__ import annotations

import numpy as np

from netlists.netlist import Floats, Ints, Netlist, cached_view, freeze
from netlists.rows.cover import blocked
from netlists.runtime.clock import OutOfTimeError
from placer.legalization.free_space import place_in_time

TRIES = 3000
WORK = 500_000_000
"""Effort spent on one search: the third power of the number of rectangles placed, summed over the tries."""
URGENCY, MOST_URGENT = 1.5, 1e4  # who finds no room counts as so many times larger from then on, up to a limit
WEIGHTS = (0.0, 0.0, 0.2, 1.0, np.inf)
"""Of the distance to random targets against snugness, in perturbed tries."""


def fixed_rectangles(netlist: Netlist) -> Floats:
    """[F, 4] low x, low y, high x, high y of the fixed hard macros, then of what no row covers."""
    fixed = netlist.hard[netlist.fixed[netlist.hard]]
    half = netlist.size_um[fixed] / 2
    macros = np.hstack([netlist.position_um[fixed] - half, netlist.position_um[fixed] + half])
    return np.vstack([macros, blocked(netlist)])


def grown(netlist: Netlist, spacing_um: float) -> tuple[Floats, Floats]:
    """Movable hard macros [M, 2] and fixed rectangles [F, 4] that are `spacing_um` apart where these are disjoint.

    A macro grows to no more than the canvas: one as long as that has nothing beside it anyway.
    """
    size = np.minimum(netlist.size_um[netlist.movable_hard] + spacing_um, np.array(netlist.canvas_um))
    return size, fixed_rectangles(netlist) + np.array([-0.5, -0.5, 0.5, 0.5]) * spacing_um


Packed = tuple[Floats, float] | None
"""Legal centers [M, 2] and the spacing that they keep."""


def packing(netlist: Netlist, spacings_um: tuple[float, ...], deadline: float = np.inf) -> Packed:
    """Legal centers [M, 2] of the movable hard macros and the spacing they keep, or None where none were found.

    Of the spacings, falling, the last is searched for, and the first kept that the order found admits.  The result
    depends on sizes, fixed macros and canvas alone; it is stored with the netlist.  Raises
    `OutOfTimeError` when the deadline comes first.
    """
    known = _known(netlist, spacings_um)
    if not known:
        known.append(_packed(netlist, spacings_um, deadline))
    return known[0]


@cached_view
def _known(netlist: Netlist, spacings_um: tuple[float, ...]) -> list[Packed]:
    """The packing once it is known."""
    return []


def _packed(netlist: Netlist, spacings_um: tuple[float, ...], deadline: float) -> Packed:
    """What `packing` finds."""
    size, obstacle = grown(netlist, spacings_um[-1])
    canvas, random = np.array(netlist.canvas_um), np.random.default_rng(0)
    keys = np.array([size.prod(axis=1), size.max(axis=1) ** 2, size[:, 0] ** 2, size[:, 1] ** 2])
    urgency, work = np.ones(len(size)), 0
    for attempt in range(TRIES):
        key, weight, target = keys[attempt % 4], 0.0, np.tile(canvas / 2, (len(size), 1))
        if attempt >= len(keys):
            noise = np.exp(random.normal(0, random.uniform(0, 0.5), len(size)))
            key = key * urgency * noise
            weight, target = float(random.choice(WEIGHTS)), random.uniform(0, 1, size.shape) * canvas
        order = np.argsort(-key, kind="stable")
        failed, center = place_in_time(order, target, size, obstacle, netlist.canvas_um, weight, deadline)
        if failed < 0:
            return _loosened(netlist, spacings_um, order, target, weight, deadline) or (freeze(center), spacings_um[-1])
        work += int(len(obstacle) + np.flatnonzero(order == failed)[0]) ** 3
        if work > WORK:
            break
        urgency[failed] *= URGENCY
        if urgency[failed] > MOST_URGENT:  # those who matter have taken turns: begin anew
            urgency[:] = 1.0
    return None


def _loosened(
    netlist: Netlist, spacings_um: tuple[float, ...], order: Ints, target: Floats, weight: float, deadline: float
) -> Packed:
    """The same packing at the first spacing but the last that has room, if there is time to find that out."""
    for spacing in spacings_um[:-1]:
        try:
            failed, center = place_in_time(order, target, *grown(netlist, spacing), netlist.canvas_um, weight, deadline)
        except OutOfTimeError:
            break
        if failed < 0:
            return freeze(center), spacing
    return None
