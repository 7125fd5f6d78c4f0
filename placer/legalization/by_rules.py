"""Legalization under constraints: every hard macro at the nearest place that the rules of the netlist allow.

Macros are placed one after the other, the largest first, each at the nearest center at which it is in its room, clear
of blocked areas, and touches its neighbors or is a channel apart (`netlists.legality.rules`), in the first allowed
orientation that has such a place.  Candidates for x and y are the target, the ends of the room, and the coordinates at
which the macro would touch another macro, blocked area or edge, or be a channel apart.  A macro that finds no place
goes first in the next try; later tries pack towards a corner or at random places, in other orders.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.errors import LegalizationError
from netlists.legality.rules import TURNED_SIDE, Rules, keep_apart, may_be_at, on_grid, rule_violations, rules
from netlists.netlist import Floats, Ints, Netlist, cached_view
from netlists.placement import Placement
from netlists.rows.cover import blocked
from netlists.runtime.clock import demand_time, over
from netlists.runtime.kernel import kernel
from placer.legalization.legalize import legalize

PROMOTIONS = 12
"""Tries near the targets, each with the macro that found no place in the previous one placed first."""

PACKINGS = 24
"""Further tries that pack macros towards a corner of the canvas or towards random places."""

SNUGNESS = (0.0, 0.5, 0.8, 0.95)
"""How much of its squared distance a place near the target loses if all four sides touch something: it wastes no room.

The values are used in turn; packings use the last one.
"""

FLIPS = 4
"""Orientations with the same width and height: those whose indices differ in the last two bits only."""


def legalize_by_rules(placement: Placement, *, deadline: float = np.inf) -> Placement:
    """A placement near the given one that keeps the constraints of its netlist, with macros turned where they must be.

    A placement that keeps them is returned unchanged.  Raises `LegalizationError` naming the constraints if none is
    found, and `OutOfTimeError` at the deadline (of `time.perf_counter`).
    """
    n = placement.netlist
    if not placement.violations() and not rule_violations(placement):
        return placement
    demand_time(deadline)
    demand_feasible(n)
    movable = n.movable_hard
    area = n.size_um[movable].prod(axis=1)
    order, random = movable[np.argsort(-area, kind="stable")], np.random.default_rng(0)
    failed = -1
    board, start, turned = _board(n), placement.position_um.copy(), placement.orientation.astype(np.int64)
    for attempt in range(PROMOTIONS + PACKINGS):
        snug = SNUGNESS[attempt % len(SNUGNESS)] if attempt < PROMOTIONS else SNUGNESS[-1]
        if attempt and over(deadline):
            break
        target = placement.position_um
        if attempt >= PROMOTIONS:
            target, order = _other_try(n, order, attempt - PROMOTIONS, random)
        failed, position, orientation = place_by_rules(*board, order, target.copy(), start, turned, snug)
        if failed < 0:
            return Placement(n, position, orientation.astype(np.int8))
        order = np.concatenate([[failed], order[order != failed]])
    assert n.constraints
    raise LegalizationError(
        f"no placement found that keeps all constraints ({n.constraints.summary}): "
        f"{n.node_names[failed]!r} has no place left among {len(n.hard)} hard macros on {n.canvas_um[0]:g} by "
        f"{n.canvas_um[1]:g} µm; expected more room: relax one of them or enlarge the canvas"
    )


def make_legal(placement: Placement, *, deadline: float = np.inf) -> Placement:
    """The placement, or a legal one near it: apart and inside the canvas, and under the constraints if there are any.

    Raises as `legalize` and `legalize_by_rules` do.
    """
    if placement.netlist.constraints:
        return legalize_by_rules(placement, deadline=deadline)
    return legalize(placement, deadline=deadline) if placement.violations() else placement


def follow_guides(netlist: Netlist) -> Netlist:
    """The netlist, or one without guides and with a note on it if no placement is found that keeps to them."""
    if not netlist.constraints or not netlist.constraints.has_guides:
        return netlist
    middle = np.array(netlist.canvas_um) / 2
    position = np.where(np.isfinite(netlist.position_um), netlist.position_um, middle)
    try:
        legalize_by_rules(Placement(netlist, position, netlist.orientation))
    except LegalizationError as error:
        note = f"guides are not followed: {error}"
        return netlist.with_(constraints=netlist.constraints.without_guides(), notes=(*netlist.notes, note))
    return netlist


def _board(n: Netlist) -> tuple[Rules, Floats, Floats, Ints]:
    """The first arguments of `place_by_rules`; copies, as the kernel is compiled once, for writable arrays."""
    return rules(n), n.size_um.copy(), blocked(n).copy(), n.hard[n.fixed[n.hard]]


def _other_try(n: Netlist, order: Ints, count: int, random: np.random.Generator) -> tuple[Floats, Ints]:
    """Targets [V, 2] in µm and an order of the macros for a try that no longer looks for places near their targets."""
    canvas = np.array(n.canvas_um)
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * canvas
    if count < len(corners):
        target = np.tile(corners[count], (n.num_nodes, 1))
        return target, order[np.argsort(-n.size_um[order].max(axis=1), kind="stable")]
    target = np.tile(random.uniform(0, 1, 2) * canvas, (n.num_nodes, 1))
    noise = np.exp(random.normal(0, 0.5, len(order)))
    return target, order[np.argsort(-n.size_um[order].prod(axis=1) * noise, kind="stable")]


@cached_view
def demand_feasible(n: Netlist) -> None:
    """Raise `LegalizationError` naming a macro and the constraints that leave it no place even alone."""
    r, movable, middle = rules(n), n.movable_hard, np.tile(np.array(n.canvas_um) / 2, (n.num_nodes, 1))
    board, start, turned = _board(n), np.where(n.fixed[:, None], n.position_um, middle), n.orientation.astype(np.int64)
    assert n.constraints
    for v in movable:
        width, height = n.size_um[v]
        room = r.room_um[v]
        name = n.node_names[v]
        if room[2] - room[0] < width - r.slack_um or room[3] - room[1] < height - r.slack_um:
            raise LegalizationError(
                f"hard macro {name!r} is {width:g} by {height:g} µm, but its fence and the distance of "
                f"{n.constraints.boundary_um:g} µm to the canvas edge leave {max(room[2] - room[0], 0):g} by "
                f"{max(room[3] - room[1], 0):g} µm; expected at least its size"
            )
        same = [code for code in range(8) if code // FLIPS == n.orientation[v] // FLIPS]
        if not r.allowed[v, same].any():
            raise LegalizationError(
                f"hard macro {name!r} may have none of the orientations with its width and height; expected one of "
                "them: allow one, or turn it in the input"
            )
        failed, _, _ = place_by_rules(*board, np.array([v]), middle, start, turned, 0.0)
        if failed >= 0:
            raise LegalizationError(
                f"hard macro {name!r}, {width:g} by {height:g} µm, has no place even alone among fixed macros and "
                f"under its constraints ({n.constraints.summary}); expected one: relax one of them"
            )


@njit(cache=True, nogil=True)
def place_by_rules(
    r: Rules, size_um: Floats, bare: Floats, fixed: Ints, order: Ints, target: Floats, position: Floats,
    orientation: Ints, snug: float,
) -> tuple[int, Floats, Ints]:  # fmt: skip
    """Place the macros `order` [M] one by one: the first without a place or -1, centers [V, 2], orientations [V].

    `size_um`, `target` and `position` [V, 2] are in µm, `bare` [K, 4] low x, low y, high x, high y in µm of blocked
    areas, `fixed` [F] indices of the macros that stand already; `snug` is one of `SNUGNESS`.
    """
    place, turned = position.copy(), orientation.copy()
    placed = np.empty(len(fixed) + len(order), dtype=np.int64)
    placed[: len(fixed)] = fixed
    count = len(fixed)
    most = 6 * len(placed) + 2 * len(bare) + 8
    xs, ys = np.empty(most), np.empty(most)
    best = np.empty(3)
    for v in order:
        best[0] = np.inf
        first = turned[v]
        found = -1
        for k in range(FLIPS):
            orient = first ^ k
            if not r.allowed[v, orient]:
                continue
            before = best[0]
            nx = fill_lines(r, size_um, bare, placed, count, place, turned, v, target[v, 0], orient, 0, xs)
            ny = fill_lines(r, size_um, bare, placed, count, place, turned, v, target[v, 1], orient, 1, ys)
            nx, ny = sort_by_distance(xs, nx, target[v, 0]), sort_by_distance(ys, ny, target[v, 1])
            search_lines(
                r, size_um, bare, placed, count, place, turned, v, orient, target[v], xs, nx, ys, ny, snug, best
            )
            if best[0] < before:
                found = orient
        if found < 0:
            return v, place, turned
        place[v, 0], place[v, 1], turned[v] = best[1], best[2], found
        placed[count] = v
        count += 1
    return -1, place, turned


@kernel
def fill_lines(
    r: Rules, size_um: Floats, bare: Floats, placed: Ints, count: int, place: Floats, turned: Ints, v: int,
    target: float, orientation: int, axis: int, lines: Floats,
) -> int:  # fmt: skip
    """Fill `lines` [L] with candidates in µm for the center of macro v along an axis, on its grid; returns how many."""
    half, pitch = size_um[v, axis] / 2, r.pitch_um[v, axis] / 2
    low, high = r.room_um[v, axis] + half, r.room_um[v, axis + 2] - half
    low_halo, high_halo = r.halo_um[v, TURNED_SIDE[orientation, axis]], r.halo_um[v, TURNED_SIDE[orientation, axis + 2]]
    lines[0], lines[1], lines[2] = min(max(target, low), high), low, high
    lines[3] = max(r.channel_um, low_halo) + half + pitch
    lines[4] = r.canvas_um[axis] - max(r.channel_um, high_halo) - half - pitch
    n = 5
    for i in range(count):
        u = placed[i]
        x, apart = place[u, axis], half + size_um[u, axis] / 2
        below = max(r.channel_um, high_halo + r.halo_um[u, TURNED_SIDE[turned[u], axis]])
        above = max(r.channel_um, low_halo + r.halo_um[u, TURNED_SIDE[turned[u], axis + 2]])
        lines[n], lines[n + 1] = x - apart, x + apart
        lines[n + 2], lines[n + 3] = x - apart - below - pitch, x + apart + above + pitch
        lines[n + 4], lines[n + 5] = x - apart + 2 * half, x + apart - 2 * half  # with edges in line
        n += 6
    for k in range(len(bare)):
        lines[n], lines[n + 1] = bare[k, axis] - half - pitch, bare[k, axis + 2] + half + pitch
        n += 2
    kept = 0
    for i in range(n):
        x = on_grid(r, size_um, v, lines[i], axis, orientation)
        if low - r.slack_um <= x <= high + r.slack_um:
            lines[kept] = x
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def sort_by_distance(lines: Floats, count: int, target: float) -> int:
    """Sort the first `count` of the lines [L] by their distance from the target, in µm, in place.

    Of equal ones one is kept; returns the number of those that are left.
    """
    part = np.sort(lines[:count])
    kept = 0
    for i in range(count):
        if kept == 0 or part[i] - part[kept - 1] > 0.0:
            part[kept] = part[i]
            kept += 1
    lines[:kept] = part[np.argsort(np.abs(part[:kept] - target))]
    return kept


@kernel
def search_lines(
    r: Rules, size_um: Floats, bare: Floats, placed: Ints, count: int, place: Floats, turned: Ints, v: int,
    orientation: int, target: Floats, xs: Floats, nx: int, ys: Floats, ny: int, snug: float, best: Floats,
) -> None:  # fmt: skip
    """Find the center on two of the lines, each sorted by distance, that is nearest the target and allowed.

    `xs` and `ys` [L] are in µm, `target` [2] too; `best` [3] holds the squared distance, reduced by snugness, and the
    center of the best so far and is updated.
    """
    clash = 0  # which placed macro was in the way last: often it is so again
    for i in range(nx):
        dx2 = (xs[i] - target[0]) ** 2
        if dx2 * (1.0 - snug) >= best[0]:
            return
        for j in range(ny):
            distance = dx2 + (ys[j] - target[1]) ** 2
            if distance * (1.0 - snug) >= best[0]:
                break
            clash = find_clash(r, size_um, bare, placed, count, place, turned, v, xs[i], ys[j], orientation, clash)
            if clash != count:
                continue
            if snug > 0.0:
                distance *= 1.0 - snug * touching_sides(r, size_um, placed, count, place, v, xs[i], ys[j]) / 4
            if distance < best[0]:
                best[0], best[1], best[2] = distance, xs[i], ys[j]
            if snug == 0.0:
                break


@kernel
def touching_sides(
    r: Rules, size_um: Floats, placed: Ints, count: int, place: Floats, v: int, x: float, y: float
) -> int:  # fmt: skip
    """How many sides of macro v at (x, y) in µm touch the canvas edge or one of the first `count` placed macros.

    `size_um` and the centers `place` [V, 2] are in µm, `placed` [P] are indices.
    """
    half_x, half_y = size_um[v, 0] / 2, size_um[v, 1] / 2
    left, right = x - half_x <= r.slack_um, x + half_x >= r.canvas_um[0] - r.slack_um
    bottom, top = y - half_y <= r.slack_um, y + half_y >= r.canvas_um[1] - r.slack_um
    for i in range(count):
        u = placed[i]
        dx, dy = place[u, 0] - x, place[u, 1] - y
        gap_x, gap_y = abs(dx) - half_x - size_um[u, 0] / 2, abs(dy) - half_y - size_um[u, 1] / 2
        if abs(gap_x) <= r.slack_um and gap_y < -r.slack_um:
            left, right = left or dx < 0, right or dx > 0
        if abs(gap_y) <= r.slack_um and gap_x < -r.slack_um:
            bottom, top = bottom or dy < 0, top or dy > 0
    return int(left) + int(right) + int(bottom) + int(top)


@kernel
def find_clash(
    r: Rules, size_um: Floats, bare: Floats, placed: Ints, count: int, place: Floats, turned: Ints, v: int, x: float,
    y: float, orientation: int, first: int,
) -> int:  # fmt: skip
    """What keeps macro v from being centered at (x, y) in µm: the place in `placed` of a macro, or `count` for nothing.

    Without a macro in the way it is -1 for an edge, its room or a blocked area.  The search begins with macro `first`.
    `size_um` and the centers `place` [V, 2] are in µm, `bare` [K, 4] are blocked areas in µm, `placed` [P] are indices
    and `turned` [V] orientations.
    """
    if 0 <= first < count:
        u = placed[first]
        if not keep_apart(r, size_um, v, x, y, orientation, u, place[u, 0], place[u, 1], turned[u]):
            return first
    if not may_be_at(r, size_um, v, x, y, orientation):
        return -1
    low_x, high_x = x - size_um[v, 0] / 2 + r.slack_um, x + size_um[v, 0] / 2 - r.slack_um
    low_y, high_y = y - size_um[v, 1] / 2 + r.slack_um, y + size_um[v, 1] / 2 - r.slack_um
    for k in range(len(bare)):
        if low_x < bare[k, 2] and high_x > bare[k, 0] and low_y < bare[k, 3] and high_y > bare[k, 1]:
            return -1
    for i in range(count):
        u = placed[i]
        if not keep_apart(r, size_um, v, x, y, orientation, u, place[u, 0], place[u, 1], turned[u]):
            return i
    return count
