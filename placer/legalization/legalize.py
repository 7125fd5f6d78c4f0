"""Legalization: any placement of hard macros to one without overlap inside the canvas, moving them little.

Macros are placed one after the other at the free place nearest their target (largest first); when one finds no room
it goes first in the next try, and when that does not help macros are packed into corners, near their targets or, at
last, anywhere (`pack.py`).  Then macros of equal size swap places, slide together and are put back one by one, as long
as that brings them nearer.
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
from placer.legalization.displacement import ROUNDING, disjoint, displacement, improve, push_apart, settle
from placer.legalization.free_space import place_in_order, place_in_time
from placer.legalization.packing import fixed_rectangles, grown, packing

PROMOTIONS = 8  # tries with the macro that found no room placed first
DISTANCE_WEIGHTS = (4.0, 0.5)  # against snugness, where macros are packed near their targets


def legalize(placement: Placement, *, spacing_um: float | None = None, deadline: float = np.inf) -> Placement:
    """A placement without overlaps of hard macros, all inside the canvas, near the given one.

    Fixed hard macros and what no row covers are obstacles; soft macros, ports, cells and all orientations stay.  An
    input whose movable hard macros are inside the canvas and disjoint (in strict float64 arithmetic, at least
    `spacing_um` apart) comes back unchanged; where only rounding makes it overlap, macros move by no more than that.
    Otherwise macros end at least `spacing_um` apart; by default a millionth of the canvas, or less where only an exact
    tiling fits.  Deterministic, unless a `deadline` (of `time.perf_counter`) comes: then the first placement found is
    the result.
    Raises `LegalizationError` when macros cannot fit (see `check_room`), or when no place was found for one, and
    `OutOfTimeError` when the deadline comes before there is a placement.
    """
    n, canvas, side = placement.netlist, placement.netlist.canvas_um, max(placement.netlist.canvas_um)
    target, size, obstacle = placement.position_um[n.movable_hard], n.size_um[n.movable_hard], fixed_rectangles(n)
    if disjoint(target, size, obstacle, *canvas, spacing_um or 0.0):
        return placement
    demand_time(deadline)
    check_room(n)
    if spacing_um is None:
        settled = settle(target, size, obstacle, canvas, TOUCH * side)
        if np.abs(settled - target).max() < MACRO_GAP * side and disjoint(settled, size, obstacle, *canvas, 0.0):
            return _moved(placement, settled)
    # Macros smaller by rounding find an exact tiling, which is then settled.
    usual = (MACRO_GAP * side, ROUNDING * side, -TOUCH / 4 * side)
    spacings = usual if spacing_um is None else (spacing_um + ROUNDING * side,)
    for found, spacing in _solutions(n, target, spacings, deadline):
        if spacing < 0:
            tiled = _moved(placement, settle(found, size, obstacle, canvas, TOUCH / 2 * side))
            if not tiled.violations():
                return tiled
        elif disjoint(found, size, obstacle, *canvas, spacing_um or 0.0):
            return _moved(placement, found)
    raise LegalizationError(_no_room(n, target, deadline))


@cached_view
def check_room(netlist: Netlist) -> None:
    """Raise `LegalizationError` where no legal placement can exist.

    That is when movable hard macros need more area than the fixed ones leave, when one of them has no place among the
    fixed ones, or when two of them fit neither side by side nor one above the other.
    """
    width, height = netlist.canvas_um
    movable = netlist.movable_hard
    size = netlist.size_um[movable]
    needed = float(size.prod(axis=1).sum())
    left = width * height - covered_area(fixed_rectangles(netlist), width, height)
    if needed > left * (1 + 3 * TOUCH):  # both sides of a macro may be larger than the canvas by TOUCH
        largest = movable[np.argsort(-size.prod(axis=1), kind="stable")]
        raise LegalizationError(
            f"{len(movable)} movable hard macros need {needed:g} µm², but only {left:g} µm² of the canvas are free of "
            f"{_obstacles(netlist)}; the largest are {_names(netlist, largest)}; enlarge the canvas"
        )
    loose, obstacle = grown(netlist, -TOUCH * max(netlist.canvas_um))
    target = np.tile(np.array(netlist.canvas_um) / 2, (len(movable), 1))
    for m in range(len(movable) if len(obstacle) else 0):
        failed, _ = place_in_order(np.array([m]), target, loose, obstacle, width, height, np.inf)
        if failed >= 0:
            raise LegalizationError(
                f"hard macro {_names(netlist, movable[[m]])}, {size[m, 0]:g} by {size[m, 1]:g} µm, has no place among "
                f"{_obstacles(netlist)} on the canvas of {width:g} by {height:g} µm; free some of them"
            )
    long = np.flatnonzero((loose > target).any(axis=1))  # more than half the canvas; one of such a pair is
    clash = (size[long, None] + size > 2 * target * (1 + TOUCH)).all(axis=2) & (long[:, None] != np.arange(len(size)))
    if clash.any():
        first, second = np.argwhere(clash)[0]
        raise LegalizationError(
            f"hard macros {_names(netlist, movable[[long[first], second]])} fit neither side by side nor one above the "
            f"other on the canvas of {width:g} by {height:g} µm; enlarge the canvas"
        )


def _obstacles(netlist: Netlist) -> str:
    """What fixed rectangles are, in words."""
    count = int(netlist.fixed[netlist.hard].sum())
    fixed = f"{count} fixed macros" if count else "fixed macros"
    return f"{fixed} and areas without rows" if len(blocked(netlist)) else fixed


def covered_area(rectangle: Floats, width: float, height: float) -> float:
    """Area of the union of rectangles [F, 4] inside a width by height canvas."""
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
    """Centers [M, 2] and the spacing they keep from each other, the nearest to the targets first.

    Raises `OutOfTimeError` when the deadline comes before there are any.
    """
    canvas_um = netlist.canvas_um
    for spacing in spacings:
        size, obstacle = grown(netlist, spacing)
        demand_time(deadline)
        pushed = [push_apart(target, size, obstacle, canvas_um, first) for first in (0, 1)]
        starts = [*pushed, _place_nearest(target, size, obstacle, canvas_um, deadline)]
        found = [start for start in starts if start is not None]
        improved = [improve(start, target, size, obstacle, canvas_um, deadline) for start in found]
        if improved:
            yield min(improved, key=lambda center: displacement(center, target)), spacing
    packed = packing(netlist, spacings, deadline)
    if packed is None:
        return
    size, obstacle = grown(netlist, spacings[0])
    near = _pack_near(target, size, obstacle, canvas_um, deadline)
    if near is not None:
        yield improve(near, target, size, obstacle, canvas_um, deadline), spacings[0]
    anywhere, spacing = packed
    yield improve(anywhere.copy(), target, *grown(netlist, spacing), canvas_um, deadline), spacing


def _place_nearest(
    target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], deadline: float
) -> Floats | None:
    """Every macro at the free place nearest its target, in the better of two orders; or None."""
    best: Floats | None = None
    for key in (size.prod(axis=1), size.max(axis=1)):
        order = np.argsort(-key, kind="stable")
        for _ in range(PROMOTIONS if best is None else 1):
            try:
                failed, center = place_in_time(order, target, size, obstacle, canvas_um, np.inf, deadline)
            except OutOfTimeError:
                return best
            if failed < 0:
                if best is None or displacement(center, target) < displacement(best, target):
                    best = center
                break
            order = np.concatenate([[failed], order[order != failed]])
    return best


def _pack_near(
    target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], deadline: float
) -> Floats | None:
    """Macros packed into corners, larger ones first, as near their targets as a weight tried allows; or None."""
    order = np.argsort(-size.prod(axis=1), kind="stable")
    for distance_weight in DISTANCE_WEIGHTS:
        try:
            failed, center = place_in_time(order, target, size, obstacle, canvas_um, distance_weight, deadline)
        except OutOfTimeError:
            break
        if failed < 0:
            return center
    return None


def _moved(placement: Placement, center: Floats) -> Placement:
    position = placement.position_um.copy()
    position[placement.netlist.movable_hard] = center
    return Placement(placement.netlist, position, placement.orientation)


def _names(netlist: Netlist, nodes: Ints) -> str:
    shown = ", ".join(repr(netlist.node_names[i]) for i in nodes[:3])
    return shown + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")


def _no_room(netlist: Netlist, target: Floats, deadline: float) -> str:
    size, obstacle = grown(netlist, 0.0)
    order = np.argsort(-size.prod(axis=1), kind="stable")
    failed, _ = place_in_time(order, target, size, obstacle, netlist.canvas_um, 0.0, deadline)
    used = size.prod(axis=1).sum() + covered_area(obstacle, *netlist.canvas_um)
    part = used / (netlist.canvas_um[0] * netlist.canvas_um[1])
    return (
        f"no legal placement found: hard macros cover {part:.1%} of the canvas and none of the packings tried has room "
        f"for {netlist.node_names[netlist.movable_hard[max(failed, 0)]]!r}; enlarge the canvas or free fixed macros"
    )
