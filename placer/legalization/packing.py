"""Packing: any legal places for the movable hard macros, if the canvas is too full to place them near their targets.

Macros are packed one after the other into snug corners (`free_space.snug_corner`), larger ones first.  A macro that
finds no room goes earlier in later tries (squeaky wheel optimization: Joslin and Clements, J. Artificial Intelligence
Research 10, 1999), and the orders are perturbed at random.  The work is bounded, so that a hopeless netlist is given up
within seconds.
"""

from __future__ import annotations

import numpy as np

from netlists.netlist import Floats, Ints, Netlist, cached_view, freeze
from netlists.rows.cover import blocked
from netlists.runtime.clock import OutOfTimeError
from placer.legalization.free_space import place_in_time

MAX_TRIES = 3000
"""Tries of one search, at most."""

MAX_WORK = 500_000_000
"""Effort of one search, at most: the third power of the number of rectangles placed, summed over the tries."""

URGENCY_STEP = 1.5
"""Factor by which a macro that finds no room counts as larger in all later tries."""

MAX_URGENCY = 1e4
"""Urgency of one macro above which all urgencies start again from 1."""

MAX_NOISE = 0.5
"""Largest standard deviation of the logarithm of the noise on the order of a perturbed try."""

DISTANCE_WEIGHTS = (0.0, 0.0, 0.2, 1.0, np.inf)
"""Weights of the distance to random targets, against snugness, from which perturbed tries draw."""


def fixed_rectangles(netlist: Netlist) -> Floats:
    """[F, 4] low x, low y, high x, high y in µm of the fixed hard macros, then of the areas that no row covers."""
    fixed = netlist.hard[netlist.fixed[netlist.hard]]
    half = netlist.size_um[fixed] / 2
    macros = np.hstack([netlist.position_um[fixed] - half, netlist.position_um[fixed] + half])
    return np.vstack([macros, blocked(netlist)])


def inflate(netlist: Netlist, spacing_um: float) -> tuple[Floats, Floats]:
    """Sizes [M, 2] of movable hard macros and fixed rectangles [F, 4], in µm, both larger by `spacing_um` in all.

    If the larger ones are disjoint, the real ones are `spacing_um` apart.  A macro grows to no more than the canvas:
    nothing lies beside one that is as long as the canvas.
    """
    size = np.minimum(netlist.size_um[netlist.movable_hard] + spacing_um, np.array(netlist.canvas_um))
    return size, fixed_rectangles(netlist) + np.array([-0.5, -0.5, 0.5, 0.5]) * spacing_um


Packing = tuple[Floats, float] | None
"""Legal centers [M, 2] and the spacing between macros, both in µm; or None."""


def pack(netlist: Netlist, spacings_um: tuple[float, ...], deadline: float = np.inf) -> Packing:
    """Legal centers [M, 2] of the movable hard macros and the spacing between them, or None if none were found.

    Of the spacings, which fall, the last is the one that the search is for; the result has the first spacing with which
    the order found has room.  The result depends on sizes, fixed macros and canvas alone; it is cached
    with the netlist.  Raises `OutOfTimeError` if the deadline comes first.
    """
    cached = _cache_entry(netlist, spacings_um)
    if not cached:
        cached.append(_search(netlist, spacings_um, deadline))
    return cached[0]


@cached_view
def _cache_entry(netlist: Netlist, spacings_um: tuple[float, ...]) -> list[Packing]:
    """A list that holds the packing once it is known."""
    return []


def _search(netlist: Netlist, spacings_um: tuple[float, ...], deadline: float) -> Packing:
    """The packing of `pack`, without the cache."""
    size, obstacle = inflate(netlist, spacings_um[-1])
    canvas, random = np.array(netlist.canvas_um), np.random.default_rng(0)
    keys = np.array([size.prod(axis=1), size.max(axis=1) ** 2, size[:, 0] ** 2, size[:, 1] ** 2])
    urgency, work = np.ones(len(size)), 0
    for attempt in range(MAX_TRIES):
        key, weight, target = keys[attempt % len(keys)], 0.0, np.tile(canvas / 2, (len(size), 1))
        if attempt >= len(keys):
            noise = np.exp(random.normal(0, random.uniform(0, MAX_NOISE), len(size)))
            key = key * urgency * noise
            weight, target = float(random.choice(DISTANCE_WEIGHTS)), random.uniform(0, 1, size.shape) * canvas
        order = np.argsort(-key, kind="stable")
        failed, center = place_in_time(order, target, size, obstacle, netlist.canvas_um, weight, deadline)
        if failed < 0:
            wider = _widen(netlist, spacings_um, order, target, weight, deadline)
            return wider or (freeze(center), spacings_um[-1])
        work += int(len(obstacle) + np.flatnonzero(order == failed)[0]) ** 3
        if work > MAX_WORK:
            break
        urgency[failed] *= URGENCY_STEP
        if urgency[failed] > MAX_URGENCY:  # the critical macros have all had their turns
            urgency[:] = 1.0
    return None


def _widen(
    netlist: Netlist, spacings_um: tuple[float, ...], order: Ints, target: Floats, weight: float, deadline: float
) -> Packing:
    """The same packing with the first spacing, except the last, that has room, if there is time to find it."""
    for spacing in spacings_um[:-1]:
        try:
            failed, center = place_in_time(
                order, target, *inflate(netlist, spacing), netlist.canvas_um, weight, deadline
            )
        except OutOfTimeError:
            break
        if failed < 0:
            return freeze(center), spacing
    return None
