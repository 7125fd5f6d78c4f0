"""Legalization that keeps the order of hard macros: for placements that are nearly legal, as global placements are.

Any two macros keep the order in which they stand along one axis, the one along which they are further apart: so none
jumps over another into a gap among the cells.  Chains of macros that are longer than the canvas lose links to the other
axis, those that need the least movement there first.  Then two linear programs, one per axis, move the macros apart
with the least total displacement (as in Chen, Chang and Yeh, "A constraint graph-based macro placement algorithm for
modern mixed-size circuit designs", IEEE TCAD 27(9), 2008).
"""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, eye_array, hstack, vstack

from netlists.legality.cells import with_halos
from netlists.legality.rules import rules
from netlists.netlist import Bools, Floats, Ints
from netlists.placement import Placement
from netlists.rows.cover import blocked
from netlists.rows.derived import cell_rows
from netlists.runtime.clock import over

MOST_MACROS = 1000
"""Number of macros and obstacles up to which orders are kept: the memory grows with the square of it."""

MOST_CHANGES = 4
"""Links that may go to the other axis, per macro."""


def keep_order(placement: Placement, *, deadline: float = np.inf) -> Placement | None:
    """The placement with its movable hard macros apart, halos included, inside their rooms and in the same order.

    Fixed macros and areas without rows are obstacles.  None if no such placement is found by the deadline (of
    `time.perf_counter`), or if there are more than `MOST_MACROS` macros and obstacles.
    """
    n, movable = placement.netlist, placement.netlist.movable_hard
    box = with_halos(placement, movable)
    obstacle = np.vstack([with_halos(placement, n.hard[n.fixed[n.hard]]), blocked(n)])
    if not 0 < len(box) + len(obstacle) <= MOST_MACROS:
        return None
    room = _room(placement, box)
    every = np.vstack([box, obstacle])
    target, size = (every[:, :2] + every[:, 2:]) / 2, every[:, 2:] - every[:, :2] + _gap(placement)
    low, high = target.copy(), target.copy()  # obstacles stay
    low[: len(box)], high[: len(box)] = room[:, :2] + size[: len(box)] / 2, room[:, 2:] - size[: len(box)] / 2
    links = order(target, size, low, high, len(box), deadline)
    if links is None:
        return None
    center = np.empty_like(target)
    for axis in range(2):
        found = least_displacement(target[:, axis], size[:, axis], low[:, axis], high[:, axis], links[axis], deadline)
        if found is None:
            return None
        center[:, axis] = found
    position = placement.position_um.copy()
    position[movable] += (center - target)[: len(box)]
    return Placement(n, position, placement.orientation)


def _gap(placement: Placement) -> Floats:
    """[2] room in µm between two macros for the grid on which they will be."""
    n = placement.netlist
    r, rows = rules(n), cell_rows(n)
    if r.active:
        return np.asarray(r.pitch_um[n.movable_hard].max(axis=0))
    return np.array([rows.site_um.max(), rows.height_um.max()]) if rows else np.zeros(2)


def _room(placement: Placement, box: Floats) -> Floats:
    """[M, 4] low x, low y, high x, high y in µm of where each movable hard macro may be with its halo.

    `box` [M, 4] holds the macros with their halos now.
    """
    n = placement.netlist
    canvas = np.array([0.0, 0.0, *n.canvas_um])
    r = rules(n)
    if not r.active:
        return np.tile(canvas, (len(box), 1))
    movable = n.movable_hard
    center, half = placement.position_um[movable], n.size_um[movable] / 2
    halo = np.hstack([center - half - box[:, :2], box[:, 2:] - center - half])
    room = r.room_um[movable] + halo * np.array([-1, -1, 1, 1])
    inside: Floats = np.clip(room, 0.0, np.tile(n.canvas_um, 2))
    return inside


def order(
    target: Floats, size: Floats, low: Floats, high: Floats, movable: int, deadline: float
) -> tuple[Bools, Bools] | None:  # fmt: skip
    """For each axis [M, M] which rectangles come before which, so that none overlap; None if not found by the deadline.

    Centers `target`, their limits `low` and `high`, and sizes are [M, 2] in µm; the first `movable` may move.
    """
    distance = target[None] - target[:, None]  # [i, j] from i to j
    gap = np.abs(distance) - (size[None] + size[:, None]) / 2
    along_y = gap[..., 1] > gap[..., 0]
    obstacles = np.arange(len(target)) >= movable
    ahead = distance > 0
    tie = np.triu(np.ones(ahead.shape[:2], dtype=bool), 1)
    ahead |= (distance == 0) & tie[..., None]
    pair = ~np.eye(len(target), dtype=bool) & ~(obstacles[:, None] & obstacles[None])
    axis = along_y.astype(np.int64)
    for _ in range(MOST_CHANGES * len(target)):
        if over(deadline):
            break
        links = [pair & (axis == a) & ahead[..., a] for a in range(2)]
        late, a = _late_chain(links[0], target[:, 0], size[:, 0], low[:, 0], high[:, 0]), 0
        if late is None:
            late, a = _late_chain(links[1], target[:, 1], size[:, 1], low[:, 1], high[:, 1]), 1
        if late is None:
            return links[0], links[1]
        i, j = late[:-1], late[1:]
        if not len(i):
            return None
        worst = int(np.argmax(gap[i, j, 1 - a]))
        gap[i[worst], j[worst], a] = gap[j[worst], i[worst], a] = -np.inf  # not back again
        if gap[i[worst], j[worst], 1 - a] == -np.inf:
            return None
        axis[i[worst], j[worst]] = axis[j[worst], i[worst]] = 1 - a
    return None


def _late_chain(link: Bools, target: Floats, size: Floats, low: Floats, high: Floats) -> Ints | None:
    """The rectangles of a chain of links [M, M] that does not fit within the limits; None if all fit.

    `target`, `size`, `low` and `high` [M] are centers, sizes and limits along one axis in µm.
    """
    rank = np.argsort(target, kind="stable")
    first, before = low.copy(), np.full(len(low), -1)
    for j in rank:
        sources = np.flatnonzero(link[:, j])
        if len(sources):
            reach = first[sources] + (size[sources] + size[j]) / 2
            k = int(reach.argmax())
            if reach[k] > first[j]:
                first[j], before[j] = reach[k], sources[k]
        if first[j] > high[j] + 1e-6:
            chain = [int(j)]
            while before[chain[-1]] >= 0:
                chain.append(int(before[chain[-1]]))
            return np.array(chain[::-1])
    return None


def least_displacement(
    target: Floats, size: Floats, low: Floats, high: Floats, link: Bools, deadline: float = np.inf
) -> Floats | None:  # fmt: skip
    """[M] the centers nearest the targets with linked rectangles apart along one axis; None if none by the deadline.

    `target`, `size`, and the limits `low` and `high` [M] are in µm; `link` [M, M] says which rectangle is before which.
    """
    through = link.astype(np.float32)
    needed = link & ~(through @ through > 0)  # the others follow from these
    i, j = np.nonzero(needed)
    count, rows = len(target), len(i)
    ones, k = np.ones(rows), np.arange(rows)
    apart = coo_array((np.concatenate([ones, -ones]), (np.concatenate([k, k]), np.concatenate([i, j]))), (rows, count))
    none, eye = coo_array((rows, count)), eye_array(count)
    # Variables: the centers, then their distances from the targets.
    matrix = vstack([hstack([apart, none]), hstack([eye, -eye]), hstack([-eye, -eye])]).tocsr()
    limit = np.concatenate([-(size[i] + size[j]) / 2, target, -target])
    distances = np.tile([0.0, np.inf], (count, 1))
    bounds = np.vstack([np.column_stack([low, np.maximum(low, high)]), distances])
    result = linprog(
        np.concatenate([np.zeros(count), np.ones(count)]), matrix, limit, bounds=bounds, method="highs",
        options={"time_limit": max(deadline - time.perf_counter(), 0.0)},
    )  # fmt: skip
    return result.x[:count] if result.status == 0 else None
