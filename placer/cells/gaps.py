"""Cells moved across the chip into gaps in rows in which their nets are shorter.

Legalization puts a cell that a global placement left inside of a macro beside it, and one that finds its row full into
another.  Detailed placement exchanges neighbors and does not bring such cells back.  Here each cell looks where its
nets would be shortest, as in the global swaps of Pan, Viswanathan and Chu, "An efficient and effective detailed
placement algorithm", ICCAD 2005, and goes into the best gap near there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.netlist import Bools, Floats, Ints, Rows
from netlists.placement import Placement
from placer.cells.abacus import NONE

MOST_PINS = 200
"""Pins of a net, at most; nets with more are left out of gaps and detailed placement.  No single cell makes them much
longer, and every move of one of their cells would read all of their pins (with the clock and reset nets of a flat
ariane133 this takes a minute per pass)."""

SWEEPS = 8
"""Times that every cell is tried, at most."""

LEAST_MOVED = 0.002
"""Fraction of the cells that must have moved in a sweep for another one."""

LEVELS = 500
"""Rows, nearest first, in which a gap is looked for at most."""

REACH = 1000
"""Sites on either side of the best place in a run in which a gap is looked for, at most."""

LEAST_GAIN = 0.1
"""Least gain of a move, in heights of a row."""

TINY = 1e-6
"""Fraction of a site that counts as rounding."""


class Gaps(NamedTuple):
    """R runs of free sites, sorted by y and then by x, and which of their S sites are taken; lengths in µm."""

    x: Floats  # [R] left ends
    y: Floats  # [R] bottoms
    sites: Ints  # [R] number of sites
    first: Ints  # [R] the first of the sites of a run among all sites
    level: Ints  # [L+1] the first run of each of the L heights of bottoms
    taken: Bools  # [S]
    site: float  # width of a site


class Pins(NamedTuple):
    """P connections of nodes to N nets; lengths in µm."""

    by_node: Ints  # [P] connections by their node
    of_node: Ints  # [V+1] the first of each node in `by_node`
    node: Ints  # [P]
    net: Ints  # [P]
    of_net: Ints  # [N+1] the first connection of each net
    weight: Floats  # [N]; 0 for nets that are left out
    offset: Floats  # [P, 2] from the center of the node, turned with it
    at: Floats  # [P, 2]


def move_into_gaps(placement: Placement, cells: Ints, sites: Ints, rows: Rows) -> Placement:
    """The placement with cells [C] that are `sites` [C] wide moved into gaps; the HPWL is not longer than before.

    `rows` are the runs of free sites, sorted by y and then by x.  Nets of more than `MOST_PINS` pins do not count.
    Cells that are on no run go into a gap if they find one near, whatever that does to wirelength.  Deterministic.
    """
    n = placement.netlist
    gaps, pins = _gaps(rows), _pins(placement)
    center = placement.position_um[cells].copy()
    half = n.size_um[cells] / 2
    run, first = find_runs(center - half, sites, gaps)
    least = LEAST_GAIN * float(rows.height_um[0])
    for _ in range(SWEEPS):
        if sweep(cells, sites, half, center, run, first, gaps, pins, least) <= LEAST_MOVED * len(cells):
            break
    position = placement.position_um.copy()
    position[cells] = center
    return Placement(n, position, placement.orientation)


def _gaps(rows: Rows) -> Gaps:
    """The runs with no site taken."""
    count = rows.num_sites.astype(np.int64)
    level = np.append(np.flatnonzero(np.diff(rows.y_um, prepend=-np.inf) > 0), len(rows))
    first = np.concatenate([[0], np.cumsum(count)])
    return Gaps(
        rows.x_um.copy(), rows.y_um.copy(), count, first[:-1].copy(), level.astype(np.int64),
        np.zeros(int(first[-1]), dtype=bool), float(rows.site_um[0]),
    )  # fmt: skip


def _pins(placement: Placement) -> Pins:
    """The connections of a placement."""
    n = placement.netlist
    by_node, of_node = n.connections_by_node()
    offset = n.turned_offsets_um(placement.orientation)
    weight = np.where(np.diff(n.net_start) <= MOST_PINS, n.net_weight, 0.0)
    return Pins(
        by_node, of_node, n.connection_node.copy(), n.connection_net.copy(), n.net_start.copy(), weight, offset,
        placement.position_um[n.connection_node] + offset,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def find_runs(corner: Floats, sites: Ints, gaps: Gaps) -> tuple[Ints, Ints]:
    """The run [C] of each cell and its first site in it; `NONE` for cells that are not on free sites of one run.

    `corner` [C, 2] are the lower-left corners in µm of cells that are `sites` [C] wide.  The sites become taken.
    """
    run, first = np.full(len(sites), NONE), np.full(len(sites), NONE)
    bottoms = gaps.y[gaps.level[:-1]]
    for c in range(len(sites)):
        near = np.searchsorted(bottoms, corner[c, 1] - gaps.site / 2)
        if near == len(bottoms) or abs(bottoms[near] - corner[c, 1]) > gaps.site / 2:
            continue
        low, high = gaps.level[near], gaps.level[near + 1]
        r = low + np.searchsorted(gaps.x[low:high], corner[c, 0] + gaps.site / 2) - 1
        if r < low:
            continue
        s = int(np.floor((corner[c, 0] - gaps.x[r]) / gaps.site + 0.5))
        if s < 0 or s + sites[c] > gaps.sites[r]:
            continue
        begin = gaps.first[r] + s
        if not gaps.taken[begin : begin + sites[c]].any():
            gaps.taken[begin : begin + sites[c]] = True
            run[c], first[c] = r, s
    return run, first


@njit(cache=True, nogil=True)
def sweep(
    cells: Ints, sites: Ints, half: Floats, center: Floats, run: Ints, first: Ints, gaps: Gaps, pins: Pins,
    least: float,
) -> int:  # fmt: skip
    """Move each of the cells [C] in turn if that shortens its nets by `least` µm; returns how many have moved.

    `half` [C, 2] are half their sizes and `center` [C, 2] their centers in µm, `run` and `first` [C] as of `find_runs`;
    the last three change with the cells.
    """
    moved, boxes = 0, np.empty((64, 5))
    for c in range(len(cells)):
        v = cells[c]
        pin_count = pins.of_node[v + 1] - pins.of_node[v]
        if pin_count > len(boxes):
            boxes = np.empty((2 * pin_count, 5))
        count = surrounding(v, pins, boxes)
        if not count:
            continue
        x, y = center[c, 0], center[c, 1]
        best_x, best_y = nearest_best(x, boxes, count, 0), nearest_best(y, boxes, count, 1)
        now = span(x, boxes, count, 0) + span(y, boxes, count, 1)
        lost = run[c] == NONE
        if not lost and now - span(best_x, boxes, count, 0) - span(best_y, boxes, count, 1) < least:
            continue
        limit = np.inf if lost else now - least
        r, s = best_gap(best_x - half[c, 0], best_y - half[c, 1], half[c], sites[c], limit, gaps, boxes, count)
        if r == NONE:
            continue
        if not lost:
            begin = gaps.first[run[c]] + first[c]
            gaps.taken[begin : begin + sites[c]] = False
        begin = gaps.first[r] + s
        gaps.taken[begin : begin + sites[c]] = True
        run[c], first[c] = r, s
        center[c, 0], center[c, 1] = gaps.x[r] + s * gaps.site + half[c, 0], gaps.y[r] + half[c, 1]
        for i in range(pins.of_node[v], pins.of_node[v + 1]):
            p = pins.by_node[i]
            pins.at[p, 0], pins.at[p, 1] = center[c, 0] + pins.offset[p, 0], center[c, 1] + pins.offset[p, 1]
        moved += 1
    return moved


@njit(cache=True, nogil=True)
def surrounding(v: int, pins: Pins, boxes: Floats) -> int:
    """Fill a row of `boxes` [K, 5] for each net of node v that counts and has pins of other nodes.

    The columns are low and high x of the center at which the node begins to stretch the net, low and high y, in µm; and
    the weight of the net.  Returns the number of rows.
    """
    count, i = 0, pins.of_node[v]
    while i < pins.of_node[v + 1]:
        p = pins.by_node[i]
        net = pins.net[p]
        own_left = own_right = pins.offset[p, 0]
        own_bottom = own_top = pins.offset[p, 1]
        i += 1
        while i < pins.of_node[v + 1] and pins.net[pins.by_node[i]] == net:  # further pins on the same net
            x, y = pins.offset[pins.by_node[i], 0], pins.offset[pins.by_node[i], 1]
            own_left, own_right = min(own_left, x), max(own_right, x)
            own_bottom, own_top = min(own_bottom, y), max(own_top, y)
            i += 1
        if pins.weight[net] <= 0:
            continue
        left = bottom = np.inf
        right = top = -np.inf
        for q in range(pins.of_net[net], pins.of_net[net + 1]):
            if pins.node[q] != v:
                left, right = min(left, pins.at[q, 0]), max(right, pins.at[q, 0])
                bottom, top = min(bottom, pins.at[q, 1]), max(top, pins.at[q, 1])
        if left <= right:
            boxes[count, 0], boxes[count, 1] = left - own_left, right - own_right
            boxes[count, 2], boxes[count, 3] = bottom - own_bottom, top - own_top
            boxes[count, 4] = pins.weight[net]
            count += 1
    return count


@njit(cache=True, nogil=True)
def span(at: float, boxes: Floats, count: int, axis: int) -> float:
    """The weighted length in µm along an axis of the nets in `boxes` [K, 5] for a node with its center there.

    The first `count` rows are used; they are in µm, see `surrounding`.
    """
    total = 0.0
    for k in range(count):
        total += boxes[k, 4] * (max(boxes[k, 2 * axis + 1], at) - min(boxes[k, 2 * axis], at))
    return total


@njit(cache=True, nogil=True)
def nearest_best(here: float, boxes: Floats, count: int, axis: int) -> float:
    """The coordinate nearest to `here` at which the nets in `boxes` [K, 5] are shortest along an axis; see `span`.

    All are in µm.
    """
    edges = np.empty(2 * count)
    weights = np.empty(2 * count)
    for k in range(count):
        edges[2 * k], edges[2 * k + 1] = boxes[k, 2 * axis], boxes[k, 2 * axis + 1]
        weights[2 * k] = weights[2 * k + 1] = boxes[k, 4]
    order = np.argsort(edges)
    half, passed, k = weights.sum() / 2, 0.0, 0
    while k < len(order) - 1 and passed + weights[order[k]] < half * (1 - 1e-9):
        passed += weights[order[k]]
        k += 1
    low = high = edges[order[k]]
    if passed + weights[order[k]] <= half * (1 + 1e-9) and k + 1 < len(order):
        high = edges[order[k + 1]]
    return float(min(max(here, low), high))


@njit(cache=True, nogil=True)
def best_gap(
    x: float, y: float, half: Floats, wide: int, limit: float, gaps: Gaps, boxes: Floats, count: int
) -> tuple[int, int]:  # fmt: skip
    """The run and the first site of the gap that makes the nets shortest, and shorter than `limit`; or `NONE` twice.

    At the corner x, y they would be shortest; away from it they only get longer, along each axis.  `half` [2] is half
    the size of the cell in µm and `wide` its width in sites.
    """
    levels = len(gaps.level) - 1
    bottoms = gaps.y[gaps.level[:-1]]
    up = int(np.searchsorted(bottoms, y))
    down = up - 1
    least = span(x + half[0], boxes, count, 0)
    best_run, best_site = NONE, NONE
    for _ in range(LEVELS):
        above = down < 0 or (up < levels and bottoms[up] - y <= y - bottoms[down])
        level = up if above else down
        if level == levels:
            break
        up, down = (up + 1, down) if above else (up, down - 1)
        tall = span(bottoms[level] + half[1], boxes, count, 1)
        if least + tall >= limit:
            up, down = (levels, down) if above else (up, NONE)
            continue
        r, s, found = best_gap_of_level(x, half[0], wide, limit - tall, gaps, level, boxes, count)
        if r != NONE:
            best_run, best_site, limit = r, s, found + tall
    return best_run, best_site


@njit(cache=True, nogil=True)
def best_gap_of_level(
    x: float, half: float, wide: int, limit: float, gaps: Gaps, level: int, boxes: Floats, count: int
) -> tuple[int, int, float]:  # fmt: skip
    """The run and the first site of the best gap at a level, and the length in x, if that is below `limit`.

    Runs are tried from x to the left and to the right.  `boxes` [K, 5] are in µm, as in `span`; see `best_gap`.
    """
    low, high = gaps.level[level], gaps.level[level + 1]
    middle = low + int(np.searchsorted(gaps.x[low:high], x)) - 1  # the last run that begins before x
    best_run, best_site = NONE, NONE
    for side in (-1, 1):
        r = middle if side < 0 else max(middle, low)
        while low <= r < high:
            last = gaps.sites[r] - wide
            if last >= 0:
                nearest = max(x, gaps.x[r]) if side > 0 else min(x, gaps.x[r] + last * gaps.site)
                if span(nearest + half, boxes, count, 0) >= limit:
                    break
                s = next_gap((x - gaps.x[r]) / gaps.site, side, wide, r, gaps)
                if s != NONE:
                    found = span(gaps.x[r] + s * gaps.site + half, boxes, count, 0)
                    if found < limit:
                        best_run, best_site, limit = r, s, found
            r += side
    return best_run, best_site, limit


@njit(cache=True, nogil=True)
def next_gap(x: float, side: int, wide: int, r: int, gaps: Gaps) -> int:
    """The first site of the gap of `wide` sites in run r that is nearest to x among those that begin on one side of it.

    `x` is in sites from the left end of the run, and `side` is -1 for left and 1 for right.  `NONE` if there is no gap
    within `REACH`.
    """
    begin, count = gaps.first[r], gaps.sites[r]
    # The sites of a gap, from the one nearest to x.
    s = max(int(np.ceil(x - TINY)), 0) if side > 0 else min(int(np.floor(x + TINY)), count - wide) + wide - 1
    free, tried = 0, 0
    while 0 <= s < count and tried < REACH:
        free = 0 if gaps.taken[begin + s] else free + 1
        if free == wide:
            return s - wide + 1 if side > 0 else s
        s += side
        tried += 1
    return NONE
