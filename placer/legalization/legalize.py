"""Legalization: moves the hard macros of any placement into the canvas and apart, as little as possible.

Macros are placed one after the other at the free place nearest their target, the largest first.  A macro that finds no
room goes first in the next try; if that does not help, macros are packed into corners, near their targets or, as a last
resort, anywhere (`placer.legalization.packing`).  Then macros of equal size swap places, all slide together, and they
are reinserted one by one, as long as this brings them nearer their targets (`placer.legalization.displacement`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netlists.errors import LegalizationError
from netlists.netlist import Floats, Ints, Netlist, cached_view
from netlists.placement import Placement
from netlists.rows.cover import blocked
from netlists.runtime.clock import OutOfTimeError, demand_time
from netlists.tolerance import MACRO_GAP, TOUCH
from placer.legalization.displacement import (
    ROUNDING,
    disjoint,
    push_apart,
    reduce_displacement,
    resolve_rounding,
    total_displacement,
)
from placer.legalization.free_space import place_in_order, place_in_time
from placer.legalization.packing import fixed_rectangles, inflate, pack

PROMOTIONS = 8
"""Tries in one order, each with the macro that found no room in the previous one placed first."""

DISTANCE_WEIGHTS = (4.0, 0.5)
"""Weights of the distance, against snugness, that are tried when macros are packed near their targets."""


def legalize(placement: Placement, *, spacing_um: float | None = None, deadline: float = np.inf) -> Placement:
    """A placement near the given one in which hard macros do not overlap and lie inside the canvas.

    Fixed hard macros and areas that no row covers are obstacles; soft macros, ports, cells and all orientations stay.
    A placement whose movable hard macros are inside the canvas and disjoint (in strict float64 arithmetic, at least
    `spacing_um` apart) is returned unchanged; if only rounding makes them overlap, they move by no more than that.
    Otherwise macros end at least `spacing_um` apart: by default a millionth of the canvas, or less if only an exact
    tiling fits.  Deterministic, unless the `deadline` (of `time.perf_counter`) comes: then the first placement found
    is returned.  Raises `LegalizationError` if macros cannot fit (see `check_room`) or no place is found for one, and
    `OutOfTimeError` if the deadline comes before there is a placement.
    """
    n, canvas, side = placement.netlist, placement.netlist.canvas_um, max(placement.netlist.canvas_um)
    target, size, obstacle = placement.position_um[n.movable_hard], n.size_um[n.movable_hard], fixed_rectangles(n)
    if disjoint(target, size, obstacle, *canvas, spacing_um or 0.0):
        return placement
    demand_time(deadline)
    check_room(n)
    if spacing_um is None:
        exact = resolve_rounding(target, size, obstacle, canvas, TOUCH * side)
        if np.abs(exact - target).max() < MACRO_GAP * side and disjoint(exact, size, obstacle, *canvas, 0.0):
            return _with_macros_at(placement, exact)
    # Macros made smaller by a rounding error find an exact tiling, whose overlaps are then resolved.
    usual = (MACRO_GAP * side, ROUNDING * side, -TOUCH / 4 * side)
    spacings = usual if spacing_um is None else (spacing_um + ROUNDING * side,)
    for center, spacing in _solutions(n, target, spacings, deadline):
        if spacing < 0:
            exact = resolve_rounding(center, size, obstacle, canvas, TOUCH / 2 * side)
            tiling = _with_macros_at(placement, exact)
            if not tiling.violations():
                return tiling
        elif disjoint(center, size, obstacle, *canvas, spacing_um or 0.0):
            return _with_macros_at(placement, center)
    raise LegalizationError(_no_room_message(n, target, deadline))


@cached_view
def check_room(netlist: Netlist) -> None:
    """Raise `LegalizationError` if no legal placement can exist.

    That is the case if the movable hard macros need more area than the fixed ones leave, if one of them has no place
    among the fixed ones, or if two of them fit neither side by side nor one above the other.
    """
    width, height = netlist.canvas_um
    movable = netlist.movable_hard
    size = netlist.size_um[movable]
    needed = float(size.prod(axis=1).sum())
    free = width * height - covered_area(fixed_rectangles(netlist), width, height)
    if needed > free * (1 + 3 * TOUCH):  # both sides of a macro may be larger than the canvas by TOUCH
        largest = movable[np.argsort(-size.prod(axis=1), kind="stable")]
        raise LegalizationError(
            f"{len(movable)} movable hard macros need {needed:g} µm², but only {free:g} µm² of the canvas are free of "
            f"{_describe_obstacles(netlist)}; the largest are {_names(netlist, largest)}; enlarge the canvas"
        )
    loose, obstacle = inflate(netlist, -TOUCH * max(netlist.canvas_um))
    target = np.tile(np.array(netlist.canvas_um) / 2, (len(movable), 1))
    for m in range(len(movable) if len(obstacle) else 0):
        failed, _ = place_in_order(np.array([m]), target, loose, obstacle, width, height, np.inf)
        if failed >= 0:
            raise LegalizationError(
                f"hard macro {_names(netlist, movable[[m]])}, {size[m, 0]:g} by {size[m, 1]:g} µm, has no place among "
                f"{_describe_obstacles(netlist)} on the canvas of {width:g} by {height:g} µm; free some of them"
            )
    # Of two such macros at least one is longer than half the canvas.
    long = np.flatnonzero((loose > target).any(axis=1))
    clash = (size[long, None] + size > 2 * target * (1 + TOUCH)).all(axis=2) & (long[:, None] != np.arange(len(size)))
    if clash.any():
        first, second = np.argwhere(clash)[0]
        raise LegalizationError(
            f"hard macros {_names(netlist, movable[[long[first], second]])} fit neither side by side nor one above the "
            f"other on the canvas of {width:g} by {height:g} µm; enlarge the canvas"
        )


def _describe_obstacles(netlist: Netlist) -> str:
    """The fixed rectangles of a netlist, in words for an error message."""
    count = int(netlist.fixed[netlist.hard].sum())
    fixed = f"{count} fixed macros" if count else "fixed macros"
    return f"{fixed} and areas without rows" if len(blocked(netlist)) else fixed


def covered_area(rectangle: Floats, width: float, height: float) -> float:
    """The area in µm² of the union of rectangles inside a `width` by `height` canvas.

    `rectangle` [F, 4] holds low x, low y, high x and high y in µm.
    """
    clipped = np.clip(rectangle, 0, [width, height, width, height])
    xs, ys = np.unique(clipped[:, [0, 2]]), np.unique(clipped[:, [1, 3]])
    covered = np.zeros((max(len(xs) - 1, 0), max(len(ys) - 1, 0)), dtype=bool)
    for x0, y0, x1, y1 in clipped:
        columns = slice(np.searchsorted(xs, x0), np.searchsorted(xs, x1))
        covered[columns, np.searchsorted(ys, y0) : np.searchsorted(ys, y1)] = True
    return float(np.diff(xs) @ covered @ np.diff(ys)) if covered.size else 0.0


def _solutions(
    netlist: Netlist, target: Floats, spacings: tuple[float, ...], deadline: float
) -> Iterator[tuple[Floats, float]]:
    """Centers [M, 2] and the spacing between the macros, in µm, in the order in which they are tried.

    Raises `OutOfTimeError` if the deadline comes before there are any.
    """
    canvas_um = netlist.canvas_um
    for spacing in spacings:
        size, obstacle = inflate(netlist, spacing)
        demand_time(deadline)
        apart = [push_apart(target, size, obstacle, canvas_um, first) for first in (0, 1)]
        starts = [*apart, _place_nearest(target, size, obstacle, canvas_um, deadline)]
        legal = [start for start in starts if start is not None]
        nearer = [reduce_displacement(start, target, size, obstacle, canvas_um, deadline) for start in legal]
        if nearer:
            yield min(nearer, key=lambda center: total_displacement(center, target)), spacing
    packing = pack(netlist, spacings, deadline)
    if packing is None:
        return
    size, obstacle = inflate(netlist, spacings[0])
    near = _pack_near(target, size, obstacle, canvas_um, deadline)
    if near is not None:
        yield reduce_displacement(near, target, size, obstacle, canvas_um, deadline), spacings[0]
    anywhere, spacing = packing
    yield reduce_displacement(anywhere.copy(), target, *inflate(netlist, spacing), canvas_um, deadline), spacing


def _place_nearest(
    target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], deadline: float
) -> Floats | None:
    """Centers [M, 2] with every macro at the free place nearest its target, in the better of two orders; or None."""
    best: Floats | None = None
    for key in (size.prod(axis=1), size.max(axis=1)):
        order = np.argsort(-key, kind="stable")
        for _ in range(PROMOTIONS if best is None else 1):
            try:
                failed, center = place_in_time(order, target, size, obstacle, canvas_um, np.inf, deadline)
            except OutOfTimeError:
                return best
            if failed < 0:
                if best is None or total_displacement(center, target) < total_displacement(best, target):
                    best = center
                break
            order = np.concatenate([[failed], order[order != failed]])
    return best


def _pack_near(
    target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], deadline: float
) -> Floats | None:
    """Centers [M, 2] of macros packed into corners, larger ones first, near their targets if they fit there; or None.

    The weights of the distance fall, and the first one with which all macros find room is used.
    """
    order = np.argsort(-size.prod(axis=1), kind="stable")
    for distance_weight in DISTANCE_WEIGHTS:
        try:
            failed, center = place_in_time(order, target, size, obstacle, canvas_um, distance_weight, deadline)
        except OutOfTimeError:
            break
        if failed < 0:
            return center
    return None


def _with_macros_at(placement: Placement, center: Floats) -> Placement:
    """The placement with its movable hard macros at the centers [M, 2] in µm."""
    position = placement.position_um.copy()
    position[placement.netlist.movable_hard] = center
    return Placement(placement.netlist, position, placement.orientation)


def _names(netlist: Netlist, nodes: Ints) -> str:
    """The names of the first three nodes, and the number of further ones."""
    names = ", ".join(repr(netlist.node_names[i]) for i in nodes[:3])
    return names + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")


def _no_room_message(netlist: Netlist, target: Floats, deadline: float) -> str:
    """The error message for macros that no search could place."""
    size, obstacle = inflate(netlist, 0.0)
    order = np.argsort(-size.prod(axis=1), kind="stable")
    failed, _ = place_in_time(order, target, size, obstacle, netlist.canvas_um, 0.0, deadline)
    used = size.prod(axis=1).sum() + covered_area(obstacle, *netlist.canvas_um)
    fraction = used / (netlist.canvas_um[0] * netlist.canvas_um[1])
    return (
        f"no legal placement found: hard macros cover {fraction:.1%} of the canvas and none of the packings tried has "
        f"room for {netlist.node_names[netlist.movable_hard[max(failed, 0)]]!r}; enlarge the canvas or free fixed "
        "macros"
    )
