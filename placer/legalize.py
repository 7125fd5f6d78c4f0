"""Legalization: any placement of hard macros to one without overlap inside the canvas, moving them little.

Macros are placed one after the other at the free place nearest their target (largest first); when one finds no room
it goes first in the next try, and when that does not help macros are packed into corners, ever more tightly.  Then
macros of equal size swap places, slide together and are put back one by one, as long as that brings them nearer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netlists.errors import LegalizationError
from netlists.netlist import Floats, Ints, Netlist
from netlists.placement import TOUCH, Placement
from placer.free_space import place_in_order
from placer.relax import ROUNDING, disjoint, displacement, improve, push_apart, settle

HAIR = 1e-6
"""Spacing left between macros, as a part of the canvas, where there is room: float32 sums see no overlap either."""
PROMOTIONS = 8  # tries with the macro that found no room placed first
SHUFFLES = 60  # tries to pack in a perturbed order


def legalize(placement: Placement, *, spacing_um: float | None = None) -> Placement:
    """A placement without overlaps of hard macros, all inside the canvas, near the given one.

    Fixed hard macros are obstacles; soft macros, ports, cells and all orientations stay.  An input whose movable hard
    macros are inside the canvas and disjoint (in strict float64 arithmetic, at least `spacing_um` apart) comes back
    unchanged; where only rounding makes it overlap, macros move by no more than that.  Otherwise macros end at least
    `spacing_um` apart; by default a millionth of the canvas, or less where only an exact tiling fits.  Deterministic.
    Raises `LegalizationError` when the macros need more area than there is, or when no place was found for one.
    """
    n, side = placement.netlist, max(placement.netlist.canvas_um)
    movable, obstacle, canvas = n.movable_hard, fixed_rectangles(n), n.canvas_um
    center, size = placement.position_um[movable], n.size_um[movable]
    if disjoint(center, size, obstacle, *canvas, spacing_um or 0.0):
        return placement
    check_area(n, obstacle)
    if spacing_um is None:
        settled = settle(center, size, obstacle, canvas, TOUCH * side)
        if np.abs(settled - center).max() < HAIR * side and disjoint(settled, size, obstacle, *canvas, 0.0):
            return _moved(placement, settled)
    for spacing in (HAIR * side, ROUNDING * side) if spacing_um is None else (spacing_um + ROUNDING * side,):
        found = _solve(center, size, obstacle, canvas, spacing)
        if found is not None and disjoint(found, size, obstacle, *canvas, spacing_um or 0.0):
            return _moved(placement, found)
    if spacing_um is None:  # an exact tiling: solve for macros smaller by rounding, then settle them
        found = _solve(center, size, obstacle, canvas, -TOUCH / 4 * side)
        if found is not None:
            tiled = _moved(placement, settle(found, size, obstacle, canvas, TOUCH / 2 * side))
            if not tiled.violations():
                return tiled
    raise LegalizationError(_no_room(n, center, size, obstacle))


def fixed_rectangles(netlist: Netlist) -> Floats:
    """[F, 4] low x, low y, high x, high y of the fixed hard macros."""
    fixed = netlist.hard[netlist.fixed[netlist.hard]]
    half = netlist.size_um[fixed] / 2
    return np.hstack([netlist.position_um[fixed] - half, netlist.position_um[fixed] + half])


def check_area(netlist: Netlist, obstacle: Floats) -> None:
    """Raise `LegalizationError` when the movable hard macros need more area than the fixed ones leave."""
    width, height = netlist.canvas_um
    movable = netlist.movable_hard
    needed = float(netlist.size_um[movable].prod(axis=1).sum())
    left = width * height - covered_area(obstacle, width, height)
    if needed > left * (1 + TOUCH):
        largest = movable[np.argsort(-netlist.size_um[movable].prod(axis=1), kind="stable")]
        raise LegalizationError(
            f"{len(movable)} movable hard macros need {needed:g} µm², but only {left:g} µm² of the canvas are free of "
            f"fixed macros; the largest are {_names(netlist, largest)}; enlarge the canvas"
        )


def covered_area(rectangle: Floats, width: float, height: float) -> float:
    """Area of the union of rectangles [F, 4] inside a width by height canvas."""
    clipped = np.clip(rectangle, 0, [width, height, width, height])
    xs, ys = np.unique(clipped[:, [0, 2]]), np.unique(clipped[:, [1, 3]])
    covered = np.zeros((max(len(xs) - 1, 0), max(len(ys) - 1, 0)), dtype=bool)
    for x0, y0, x1, y1 in clipped:
        columns = slice(np.searchsorted(xs, x0), np.searchsorted(xs, x1))
        covered[columns, np.searchsorted(ys, y0) : np.searchsorted(ys, y1)] = True
    return float(np.diff(xs) @ covered @ np.diff(ys)) if covered.size else 0.0


def _solve(
    target: Floats, true_size: Floats, obstacle: Floats, canvas_um: tuple[float, float], spacing: float
) -> Floats | None:
    """Centers [M, 2] at least `spacing` apart and half of it from the edges, or None where none were found."""
    size = true_size + spacing
    grown = obstacle + np.array([-0.5, -0.5, 0.5, 0.5]) * spacing
    pushed = [push_apart(target, size, grown, canvas_um, first) for first in (0, 1)]
    starts = [start for start in (*pushed, _place_nearest(target, size, grown, canvas_um)) if start is not None]
    if not starts:
        starts = [start for start in [_pack(target, size, grown, canvas_um)] if start is not None]
    improved = [improve(start, target, size, grown, canvas_um) for start in starts]
    return min(improved, key=lambda center: displacement(center, target), default=None)


def _place_nearest(target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float]) -> Floats | None:
    """Every macro at the free place nearest its target, in the better of two orders; or None."""
    best: Floats | None = None
    for key in (size.prod(axis=1), size.max(axis=1)):
        order = np.argsort(-key, kind="stable")
        for _ in range(PROMOTIONS if best is None else 1):
            failed, center = place_in_order(order, target, size, obstacle, *canvas_um, np.inf)
            if failed < 0:
                if best is None or displacement(center, target) < displacement(best, target):
                    best = center
                break
            order = np.concatenate([[failed], order[order != failed]])
    return best


def _pack(target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float]) -> Floats | None:
    """Macros packed into corners, as near their targets as a tried order and weight of distance allow; or None."""
    for order, distance_weight in _packings(size):
        failed, center = place_in_order(order, target, size, obstacle, *canvas_um, distance_weight)
        if failed < 0:
            return center
    return None


def _packings(size: Floats) -> Iterator[tuple[Ints, float]]:
    """Orders [M] to pack in and weights of distance against snugness, the gentlest first."""
    keys = (size.prod(axis=1), size.max(axis=1) ** 2, size[:, 0] ** 2, size[:, 1] ** 2)
    for distance_weight in (8.0, 2.0, 0.5, 0.0):
        for key in keys[:2]:
            yield np.argsort(-key, kind="stable"), distance_weight
    random = np.random.default_rng(0)
    for attempt in range(SHUFFLES):
        noise = np.exp(random.normal(0, 0.1 + 0.4 * attempt / SHUFFLES, len(size)))
        weight = float(random.choice([0.0, 0.2, 1.0]))
        yield np.argsort(-keys[attempt % len(keys)] * noise, kind="stable"), weight


def _moved(placement: Placement, center: Floats) -> Placement:
    position = placement.position_um.copy()
    position[placement.netlist.movable_hard] = center
    return Placement(placement.netlist, position, placement.orientation)


def _names(netlist: Netlist, nodes: Ints) -> str:
    shown = ", ".join(repr(netlist.node_names[i]) for i in nodes[:3])
    return shown + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")


def _no_room(netlist: Netlist, center: Floats, size: Floats, obstacle: Floats) -> str:
    order = np.argsort(-size.prod(axis=1), kind="stable")
    failed, _ = place_in_order(order, center, size, obstacle, *netlist.canvas_um, 0.0)
    used = size.prod(axis=1).sum() + covered_area(obstacle, *netlist.canvas_um)
    part = used / (netlist.canvas_um[0] * netlist.canvas_um[1])
    return (
        f"no legal placement found: hard macros cover {part:.1%} of the canvas and none of the packings tried has room "
        f"for {netlist.node_names[netlist.movable_hard[max(failed, 0)]]!r}; enlarge the canvas or free fixed macros"
    )
