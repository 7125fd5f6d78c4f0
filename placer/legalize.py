"""Legalization: any placement of hard macros to one without overlap inside the canvas, moving them little.

Macros are placed one after the other at the free place nearest their target (largest first); when one finds no room
it goes first in the next try, and when that does not help macros are packed into corners, ever more tightly.  Then
macros of equal size swap places, slide together and are put back one by one, as long as that brings them nearer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit
from scipy.optimize import linear_sum_assignment

from netlists.errors import LegalizationError
from netlists.netlist import Bools, Floats, Ints, Netlist
from netlists.placement import TOUCH, Placement
from placer.free_space import place_in_order, reinsert
from placer.slide import relations, slide, spread

HAIR = 1e-6
"""Spacing left between macros, as a part of the canvas, where there is room: float32 sums see no overlap either."""
ROUNDING = 1e-14
"""The least spacing, as a part of the canvas: what float64 sums may be off by."""

PROMOTIONS = 8  # tries with the macro that found no room placed first
SHUFFLES = 60  # tries to pack in a perturbed order
IMPROVEMENTS = 4  # rounds of swap, slide and reinsert


def legalize(placement: Placement, *, spacing_um: float | None = None) -> Placement:
    """A placement without overlaps of hard macros, all inside the canvas, near the given one.

    Fixed hard macros are obstacles; soft macros, ports, cells and all orientations stay.  An input whose movable hard
    macros are inside the canvas and disjoint (in strict float64 arithmetic, at least `spacing_um` apart) comes back
    unchanged.  Otherwise macros end at least `spacing_um` apart; by default a millionth of the canvas, or less where
    only an exact tiling fits.  Deterministic.  Raises `LegalizationError` when the macros need more area than there
    is, or when no place was found for one.
    """
    n = placement.netlist
    movable = n.movable_hard
    obstacle = fixed_rectangles(n)
    center, size = placement.position_um[movable], n.size_um[movable]
    if disjoint(center, size, obstacle, *n.canvas_um, spacing_um or 0.0):
        return placement
    check_area(n, obstacle)
    side = max(n.canvas_um)
    spacings = (HAIR * side, ROUNDING * side) if spacing_um is None else (spacing_um + ROUNDING * side,)
    for spacing in spacings:
        found = _solve(center, size, obstacle, n.canvas_um, spacing)
        if found is not None and disjoint(found, size, obstacle, *n.canvas_um, spacing_um or 0.0):
            return _moved(placement, found)
    if spacing_um is None:  # an exact tiling: solve for macros smaller by rounding, then spread them
        found = _solve(center, size, obstacle, n.canvas_um, -TOUCH / 4 * side)
        if found is not None:
            tiled = _moved(placement, _spread_exactly(found, size, obstacle, n.canvas_um))
            if not tiled.violations():
                return tiled
    raise LegalizationError(_no_room(n, center, size, obstacle))


def fixed_rectangles(netlist: Netlist) -> Floats:
    """[F, 4] low x, low y, high x, high y of the fixed hard macros."""
    fixed = netlist.hard[netlist.fixed[netlist.hard]]
    half = netlist.size_um[fixed] / 2
    return np.hstack([netlist.position_um[fixed] - half, netlist.position_um[fixed] + half])


@njit(cache=True)
def disjoint(
    center: Floats, size: Floats, obstacle: Floats, canvas_w: float, canvas_h: float, spacing_um: float
) -> bool:
    """Whether macros [M, 2] lie in the canvas, apart from each other and from obstacles [F, 4]; no tolerance."""
    low, high = center - size / 2, center + size / 2
    for i in range(len(center)):
        if low[i, 0] < 0 or low[i, 1] < 0 or high[i, 0] > canvas_w or high[i, 1] > canvas_h:
            return False
        for j in range(i):
            if (
                low[i, 0] - high[j, 0] < spacing_um and low[j, 0] - high[i, 0] < spacing_um
                and low[i, 1] - high[j, 1] < spacing_um and low[j, 1] - high[i, 1] < spacing_um
            ):  # fmt: skip
                return False
        for k in range(len(obstacle)):
            if (
                low[i, 0] - obstacle[k, 2] < spacing_um and obstacle[k, 0] - high[i, 0] < spacing_um
                and low[i, 1] - obstacle[k, 3] < spacing_um and obstacle[k, 1] - high[i, 1] < spacing_um
            ):  # fmt: skip
                return False
    return True


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
    center = _place_nearest(target, size, grown, canvas_um)
    if center is None:
        center = _pack(target, size, grown, canvas_um)
    return None if center is None else _improve(center, target, size, grown, canvas_um)


def _place_nearest(target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float]) -> Floats | None:
    """Every macro at the free place nearest its target, in the better of two orders; or None."""
    best: Floats | None = None
    for key in (size.prod(axis=1), size.max(axis=1)):
        order = np.argsort(-key, kind="stable")
        for _ in range(PROMOTIONS if best is None else 1):
            failed, center = place_in_order(order, target, size, obstacle, *canvas_um, np.inf)
            if failed < 0:
                if best is None or _displacement(center, target) < _displacement(best, target):
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


def _displacement(center: Floats, target: Floats) -> float:
    return float(np.hypot(*(center - target).T).sum())


def _improve(center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float]) -> Floats:
    """Swap equal macros, slide them together and reinsert them, while the summed displacement falls."""
    groups = _equal_sizes(size)
    best = _displacement(center, target)
    for _ in range(IMPROVEMENTS):
        for group in groups:
            distance = np.hypot(*(center[group][:, None] - target[group]).transpose(2, 0, 1))
            place, macro = linear_sum_assignment(distance)
            center[group[macro]] = center[group[place]]
        for axis in (0, 1):
            center = _slide_all(center, target, size, obstacle, canvas_um, axis)
        far = np.hypot(*(center - target).T)
        reinsert(np.argsort(-far, kind="stable"), center, target, size, obstacle, *canvas_um)
        now = _displacement(center, target)
        if now > 0.99 * best:
            break
        best = now
    return center


def _equal_sizes(size: Floats) -> list[Ints]:
    _, group_of = np.unique(size, axis=0, return_inverse=True)
    members = [np.flatnonzero(group_of == g) for g in range(group_of.max() + 1)]
    return [group for group in members if len(group) > 1]


def _with_obstacles(center: Floats, size: Floats, obstacle: Floats) -> tuple[Floats, Floats, Bools]:
    """Macros and then obstacles as centers [M+F, 2], sizes [M+F, 2] and whether they move [M+F]."""
    all_center = np.vstack([center, (obstacle[:, :2] + obstacle[:, 2:]) / 2])
    all_size = np.vstack([size, obstacle[:, 2:] - obstacle[:, :2]])
    return all_center, all_size, np.arange(len(all_center)) < len(center)


def _slide_all(
    center: Floats, target: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float], axis: int
) -> Floats:
    """Slide macros along one axis; what comes back is legal and not farther from the targets.

    Weights 1 / distance turn the squares that `slide` minimizes into distances (reweighted least squares).
    """
    side = max(canvas_um)
    position, extent, moves = _with_obstacles(center, size, obstacle)
    (here, across), (width, height) = position.T.copy()[[axis, 1 - axis]], extent.T.copy()[[axis, 1 - axis]]
    pairs = relations(here, across, width, height, moves, ROUNDING / 2 * side)
    goal = np.vstack([target, position[len(center) :]])
    best, best_sum = center, _displacement(center, target)
    for _ in range(3):
        weight = 1 / (np.hypot(*(np.vstack([best, goal[len(center) :]]) - goal).T) + 1e-3 * side)
        along = slide(here, goal[:, axis].copy(), width, weight, moves, pairs, canvas_um[axis])
        new = center.copy()
        new[:, axis] = along[: len(center)]
        total = _displacement(new, target)
        if total >= best_sum or not disjoint(new, size - ROUNDING / 2 * side, obstacle, *canvas_um, 0.0):
            break
        best, best_sum = new, total
    return best


def _spread_exactly(center: Floats, size: Floats, obstacle: Floats, canvas_um: tuple[float, float]) -> Floats:
    """Undo overlaps of the size of rounding, in x and then in y, as far as the tiling leaves room."""
    for axis in (0, 1):
        position, extent, moves = _with_obstacles(center, size, obstacle)
        slack = TOUCH / 2 * max(canvas_um)
        (along, across), (width, height) = position.T.copy()[[axis, 1 - axis]], extent.T.copy()[[axis, 1 - axis]]
        pairs = relations(along, across, width, height, moves, slack)
        spread(along, width, moves, pairs, canvas_um[axis])
        center = center.copy()
        center[:, axis] = along[: len(center)]
    return center


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
