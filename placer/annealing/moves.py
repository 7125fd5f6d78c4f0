"""What the exact search tries next: changes of one or two macros, most of them derived from the nets.

Soft macros may go anywhere on the canvas; a hard macro only where it overlaps no other hard macro, outside blocked
areas, and, if the netlist has constraints, where `netlists.legality.rules` lets it be.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from netlists.legality.rules import BOTTOM, LEFT, RIGHT, TOP, TURNED_SIDE, Rules, keep_apart, may_be_at, on_grid, rules
from netlists.netlist import Floats, Ints, Netlist
from netlists.rows.cover import blocked
from netlists.runtime.kernel import kernel
from placer.cost.incremental import add_to_trial
from placer.cost.state import CostState


class MoveKind(IntEnum):
    """The kinds of moves, those of soft macros first."""

    SOFT_STEP = 0  # a soft macro by a random distance, near ones more often
    SOFT_TO_PIN = 1  # to within a grid cell of a pin that it is connected to
    SOFT_SHIFT = 2  # by exactly one grid cell
    SOFT_SWAP = 3  # two soft macros exchange their positions
    SOFT_ANYWHERE = 4  # to a random position
    HARD_STEP = 5  # a hard macro by a random distance, near ones more often, often along one axis only
    HARD_SWAP = 6  # two hard macros exchange their positions
    HARD_FLIP = 7  # to another orientation with the same width and height
    HARD_ABUT = 8  # beside another hard macro, aligned with it
    HARD_TO_PIN = 9  # near a pin that it is connected to
    HARD_ALIGN = 10  # one edge onto a grid line
    HARD_ANYWHERE = 11  # to a random position


NUM_KINDS = len(MoveKind)
"""Number of kinds of moves; kernels read it as a constant."""

FIRST_HARD = int(MoveKind.HARD_STEP)
"""The first kind of move of hard macros; all kinds below it are of soft macros."""

FREQUENCIES = {
    MoveKind.SOFT_STEP: 6.0,
    MoveKind.SOFT_TO_PIN: 6.0,
    MoveKind.SOFT_SHIFT: 2.0,
    MoveKind.SOFT_SWAP: 0.8,
    MoveKind.SOFT_ANYWHERE: 0.5,
    MoveKind.HARD_STEP: 1.2,
    MoveKind.HARD_SWAP: 1.2,
    MoveKind.HARD_FLIP: 0.8,
    MoveKind.HARD_ABUT: 0.4,
    MoveKind.HARD_TO_PIN: 0.4,
    MoveKind.HARD_ALIGN: 0.7,
    MoveKind.HARD_ANYWHERE: 0.4,
}
"""How often each kind of move is tried, relative to the others; from the gain per second on four real designs."""

LONGEST_SOFT_CELLS = 5.0
"""Longest step of a soft macro, in grid cells."""

LONGEST_HARD_CELLS = 2.0
"""Longest step of a hard macro, in grid cells."""

STEP_RANGE = 100.0
"""Longest step over shortest; the logarithms of the lengths are distributed evenly."""

PIN_RANGE_CELLS = 4.0
"""Distance from a pin, in grid cells, within which a hard macro connected to it is tried."""

GAP_FACTOR = 1.001
"""An abutting macro keeps this many times the least distance from its neighbor, so that rounding does not matter."""

SETTLING_STEPS = 4
"""Slivers beside a macro that are closed or widened before it is tried, if there are constraints."""

CHANNEL_SHARE = 0.5
"""Fraction of the moves beside another macro that keep a channel, if there are constraints; others touch it."""

LOW_X = 0
"""Column of `Moves.blocked`: the left edge."""
LOW_Y = 1
"""Column of `Moves.blocked`: the bottom edge."""
HIGH_X = 2
"""Column of `Moves.blocked`: the right edge."""
HIGH_Y = 3
"""Column of `Moves.blocked`: the top edge."""

NOTHING = -1
"""Instead of the index of a node or a pin: there is none."""


class Moves(NamedTuple):
    """Which nodes a search may move, where hard macros may go, and how often each kind of move is tried."""

    soft: Ints  # [M] movable soft macros and cells
    hard: Ints  # [M] movable hard macros
    obstacle: Ints  # [M] hard macros, including fixed ones
    blocked: Floats  # [K, 4] rectangles in µm that hard macros must keep out of: columns LOW_X, LOW_Y, HIGH_X, HIGH_Y
    gap_um: float  # least distance of hard macros from each other and from what is blocked
    rules: Rules  # of the netlist's constraints
    chance: Floats  # [NUM_KINDS] cumulative probabilities of the kinds, up to 1


def allow_moves(netlist: Netlist, gap_um: float) -> Moves:
    """All moves of the movable nodes of a netlist, with the usual frequencies."""
    soft = netlist.movable_soft
    frequency = np.array([FREQUENCIES[kind] for kind in MoveKind])
    frequency[:FIRST_HARD] *= soft.size > 0
    frequency[FIRST_HARD:] *= netlist.movable_hard.size > 0
    # Copies: kernels are compiled once, for writable arrays, as those of a subset of the nodes are.
    hard, every = netlist.movable_hard.copy(), netlist.hard.copy()
    return Moves(soft.copy(), hard, every, blocked(netlist).copy(), gap_um, rules(netlist), cumulate(frequency))


def cumulate(frequency: Floats) -> Floats:
    """Cumulative probabilities [NUM_KINDS] of kinds of moves with relative frequencies, numbers [NUM_KINDS].

    All are 1 if all frequencies are 0.
    """
    total = np.sum(frequency)
    chance: Floats = np.cumsum(frequency) / total if total > 0 else np.ones(len(frequency))
    chance[chance >= chance[-1]] = 1.0  # in spite of rounding
    return chance


@kernel
def propose(state: CostState, moves: Moves, kind: int, rng: np.random.Generator) -> bool:
    """Put a random move of some kind into the trial; false if the one that was drawn is not legal."""
    if kind < FIRST_HARD:
        return propose_soft(state, moves, kind, rng)
    return propose_hard(state, moves, kind, rng)


@kernel
def propose_soft(state: CostState, moves: Moves, kind: int, rng: np.random.Generator) -> bool:
    """Put a random move of one or two soft macros into the trial; false if there is none."""
    a = state.arrays
    w, h = a.cell_width_um, a.cell_height_um
    v = pick(moves.soft, rng)
    x, y = state.position_um[v, 0], state.position_um[v, 1]
    if kind == MoveKind.SOFT_STEP:
        reach = draw_step(LONGEST_SOFT_CELLS, rng)
        move_soft(state, v, x + w * reach * draw_offset(rng), y + h * reach * draw_offset(rng))
    elif kind == MoveKind.SOFT_TO_PIN:
        q = draw_connected_pin(state, v, rng)
        if q == NOTHING:
            return False
        move_soft(state, v, state.pin_um[q, 0] + w * draw_offset(rng), state.pin_um[q, 1] + h * draw_offset(rng))
    elif kind == MoveKind.SOFT_SHIFT:
        # By exactly one cell, so that the routes of the macro move to the next row or column.
        direction = int(4 * rng.random())
        by = 1.0 if direction % 2 == 0 else -1.0
        move_soft(state, v, x + by * w * (direction < 2), y + by * h * (direction >= 2))
    elif kind == MoveKind.SOFT_SWAP:
        u = pick(moves.soft, rng)
        if u == v:
            return False
        move_soft(state, v, state.position_um[u, 0], state.position_um[u, 1])
        move_soft(state, u, x, y)
    else:
        move_soft(state, v, a.canvas_width_um * rng.random(), a.canvas_height_um * rng.random())
    return True


@kernel
def propose_hard(state: CostState, moves: Moves, kind: int, rng: np.random.Generator) -> bool:
    """Put a random legal move of one or two hard macros into the trial; false if the one drawn is not legal."""
    v = pick(moves.hard, rng)
    x, y, orientation = state.position_um[v, 0], state.position_um[v, 1], state.orientation[v]
    if kind == MoveKind.HARD_SWAP:
        return swap_hard(state, moves, v, pick(moves.hard, rng))
    if kind == MoveKind.HARD_FLIP:
        # N, S, FN and FS have indices that differ in the last two bits only, and so do E, W, FE and FW.
        return turn_hard(state, moves, v, orientation ^ (1 + int(3 * rng.random())))
    if kind == MoveKind.HARD_TO_PIN:
        q = draw_connected_pin(state, v, rng)
        if q == NOTHING:
            return False
        x = state.pin_um[q, 0] + PIN_RANGE_CELLS * state.arrays.cell_width_um * draw_offset(rng)
        y = state.pin_um[q, 1] + PIN_RANGE_CELLS * state.arrays.cell_height_um * draw_offset(rng)
    elif kind == MoveKind.HARD_ABUT:
        x, y = draw_beside(state, moves, v, pick(moves.obstacle, rng), rng)
    else:
        x, y = draw_hard_center(state, v, kind, rng)
    if moves.rules.active:
        x, y = settle(state, moves, v, x, y, orientation)
        if x == state.position_um[v, 0] and y == state.position_um[v, 1]:
            return False
    if not fits(state, moves, v, x, y, orientation, NOTHING):
        return False
    add_to_trial(state, v, x, y, orientation)
    return True


@kernel
def settle(state: CostState, moves: Moves, v: int, x: float, y: float, orientation: int) -> tuple[float, float]:
    """A center near (x, y) in µm at which hard macro v touches its neighbors or is a channel apart, if one is found.

    Most random centers leave slivers beside neighbors: of these one after the other is closed, or widened to a channel,
    whichever is the shorter way.
    """
    size, position, r = state.arrays.size_um, state.position_um, moves.rules
    for _ in range(SETTLING_STEPS):
        x = settle_at_edge(r, size, v, x, orientation, 0)
        y = settle_at_edge(r, size, v, y, orientation, 1)
        clash = NOTHING
        for u in moves.obstacle:
            if u != v and not keep_apart(
                r, size, v, x, y, orientation, u, position[u, 0], position[u, 1], state.orientation[u]
            ):  # fmt: skip
                clash = u
                break
        if clash == NOTHING:
            break
        u, turned = clash, state.orientation[clash]
        new_x = settle_beside(r, size, v, x, orientation, u, position[u, 0], turned, 0)
        new_y = settle_beside(r, size, v, y, orientation, u, position[u, 1], turned, 1)
        if abs(new_x - x) <= abs(new_y - y):
            x = new_x
        else:
            y = new_y
    return on_grid(r, size, v, x, 0, orientation), on_grid(r, size, v, y, 1, orientation)


@kernel
def settle_beside(
    r: Rules, size_um: Floats, v: int, at: float, orientation: int, u: int, other: float, turned: int, axis: int
) -> float:
    """The coordinate nearest `at` in µm with which macro v is a channel from u along an axis, or touches it.

    `other` is the coordinate of u in µm, `size_um` [V, 2] has the sizes; `orientation` and `turned` are those of v
    and u.
    """
    above = at >= other
    mine = TURNED_SIDE[orientation, axis if above else axis + 2]
    facing = TURNED_SIDE[turned, axis + 2 if above else axis]
    apart = (size_um[v, axis] + size_um[u, axis]) / 2
    channel = apart + max(r.channel_um, r.halo_um[v, mine] + r.halo_um[u, facing]) + r.pitch_um[v, axis] / 2
    gap = abs(at - other)
    if r.closed[v, mine] and r.closed[u, facing] and gap - apart < channel - gap:
        return float(other + apart if above else other - apart)
    return float(other + channel if above else other - channel)


@kernel
def settle_at_edge(r: Rules, size_um: Floats, v: int, at: float, orientation: int, axis: int) -> float:
    """The coordinate nearest `at` in µm at which macro v is in its room, and touches the canvas edge or keeps clear.

    `size_um` [V, 2] has the sizes.
    """
    half = size_um[v, axis] / 2
    at = min(max(at, r.room_um[v, axis] + half), r.room_um[v, axis + 2] - half)
    low, high = TURNED_SIDE[orientation, axis], TURNED_SIDE[orientation, axis + 2]
    gap, clear = at - half, max(r.channel_um, r.halo_um[v, low])
    if gap < clear:
        at = half if r.closed[v, low] and gap < clear - gap else half + clear + r.pitch_um[v, axis] / 2
    gap, clear = r.canvas_um[axis] - at - half, max(r.channel_um, r.halo_um[v, high])
    if gap < clear:
        touches = r.closed[v, high] and gap < clear - gap
        at = r.canvas_um[axis] - half - (0.0 if touches else clear + r.pitch_um[v, axis] / 2)
    return float(at)


@kernel
def turn_hard(state: CostState, moves: Moves, v: int, orientation: int) -> bool:
    """Put a hard macro in another orientation into the trial; false if that is not legal."""
    x, y = state.position_um[v, 0], state.position_um[v, 1]
    if moves.rules.active:
        x = on_grid(moves.rules, state.arrays.size_um, v, x, 0, orientation)
        y = on_grid(moves.rules, state.arrays.size_um, v, y, 1, orientation)
        if not (moves.rules.allowed[v, orientation] and fits(state, moves, v, x, y, orientation, NOTHING)):
            return False
    add_to_trial(state, v, x, y, orientation)
    return True


@kernel
def draw_hard_center(state: CostState, v: int, kind: int, rng: np.random.Generator) -> tuple[float, float]:
    """A new center in µm of hard macro v by a step, on a grid line or anywhere."""
    a = state.arrays
    w, h = a.cell_width_um, a.cell_height_um
    x, y = state.position_um[v, 0], state.position_um[v, 1]
    if kind == MoveKind.HARD_STEP:
        reach, axes = draw_step(LONGEST_HARD_CELLS, rng), rng.random()
        x += w * reach * draw_offset(rng) * (axes < 2 / 3)
        y += h * reach * draw_offset(rng) * (axes > 1 / 3)
    elif kind == MoveKind.HARD_ANYWHERE:
        x, y = a.canvas_width_um * rng.random(), a.canvas_height_um * rng.random()
    else:
        # HARD_ALIGN: an edge on a grid line, the nearest one or the one before or after it.
        side, lines = int(4 * rng.random()), int(3 * rng.random()) - 1
        half = (0.5 if side % 2 == 0 else -0.5) * a.size_um[v, side // 2]
        if side < 2:
            x = (np.round((x + half) / w) + lines) * w - half
        else:
            y = (np.round((y + half) / h) + lines) * h - half
    return x, y


@kernel
def swap_hard(state: CostState, moves: Moves, v: int, u: int) -> bool:
    """Put the exchange of the centers of two hard macros into the trial; false if it is not legal."""
    if u == v:
        return False
    size, position = state.arrays.size_um, state.position_um
    x, y, ux, uy = position[v, 0], position[v, 1], position[u, 0], position[u, 1]
    if moves.rules.active:
        return swap_by_rules(state, moves, v, u)
    equal = size[u, 0] == size[v, 0] and size[u, 1] == size[v, 1]
    # The two do not overlap each other afterwards either: the distance between them stays the same.
    if not equal and not (
        fits(state, moves, v, ux, uy, state.orientation[v], u) and fits(state, moves, u, x, y, state.orientation[u], v)
    ):
        return False
    add_to_trial(state, v, ux, uy, state.orientation[v])
    add_to_trial(state, u, x, y, state.orientation[u])
    return True


@kernel
def swap_by_rules(state: CostState, moves: Moves, v: int, u: int) -> bool:
    """Put the exchange of centers and orientations of two hard macros into the trial; false if it is not legal.

    With the orientations, macros of one master leave all distances from pins to neighbors as they are.
    """
    size, position, r = state.arrays.size_um, state.position_um, moves.rules
    turned_v, turned_u = state.orientation[u], state.orientation[v]
    if not (r.allowed[v, turned_v] and r.allowed[u, turned_u]):
        return False
    x = on_grid(r, size, v, position[u, 0], 0, turned_v)
    y = on_grid(r, size, v, position[u, 1], 1, turned_v)
    ux = on_grid(r, size, u, position[v, 0], 0, turned_u)
    uy = on_grid(r, size, u, position[v, 1], 1, turned_u)
    if not keep_apart(r, size, v, x, y, turned_v, u, ux, uy, turned_u):
        return False
    if not (fits(state, moves, v, x, y, turned_v, u) and fits(state, moves, u, ux, uy, turned_u, v)):
        return False
    add_to_trial(state, v, x, y, turned_v)
    add_to_trial(state, u, ux, uy, turned_u)
    return True


@kernel
def draw_beside(state: CostState, moves: Moves, v: int, u: int, rng: np.random.Generator) -> tuple[float, float]:
    """A center in µm of hard macro v on one side of hard macro u, aligned with its low end, middle or high end."""
    size = state.arrays.size_um
    x, y = state.position_um[u, 0], state.position_um[u, 1]
    side, align = int(4 * rng.random()), int(3 * rng.random()) - 1
    sign = 1 if side % 2 == 0 else -1
    gap = GAP_FACTOR * moves.gap_um
    if moves.rules.active:  # touching, or a channel apart
        gap = channel_between(state, moves.rules, v, u, side) if rng.random() < CHANNEL_SHARE else 0.0
    if side < 2:
        return x + sign * ((size[u, 0] + size[v, 0]) / 2 + gap), y + align * (size[u, 1] - size[v, 1]) / 2
    return x + align * (size[u, 0] - size[v, 0]) / 2, y + sign * ((size[u, 1] + size[v, 1]) / 2 + gap)


@kernel
def channel_between(state: CostState, r: Rules, v: int, u: int, side: int) -> float:
    """The least gap in µm, if they do not touch, of hard macro v right, left, on top or below (`side` 0 to 3) of u."""
    facing = (RIGHT, LEFT, TOP, BOTTOM)
    opposite = (LEFT, RIGHT, BOTTOM, TOP)
    home_u = TURNED_SIDE[state.orientation[u], facing[side]]
    home_v = TURNED_SIDE[state.orientation[v], opposite[side]]
    gap = max(r.channel_um, r.halo_um[v, home_v] + r.halo_um[u, home_u])
    return float(gap + r.pitch_um[v, 0 if side < 2 else 1] / 2)  # the grid may take half a pitch of it


@kernel
def fits_by_rules(state: CostState, moves: Moves, v: int, x: float, y: float, orientation: int, absent: int) -> bool:
    """`fits` for a netlist with constraints."""
    size, position, r, bare = state.arrays.size_um, state.position_um, moves.rules, moves.blocked
    if not may_be_at(r, size, v, x, y, orientation):
        return False
    low_x, high_x = x - size[v, 0] / 2 + r.slack_um, x + size[v, 0] / 2 - r.slack_um
    low_y, high_y = y - size[v, 1] / 2 + r.slack_um, y + size[v, 1] / 2 - r.slack_um
    for k in range(len(bare)):
        if low_x < bare[k, HIGH_X] and high_x > bare[k, LOW_X] and low_y < bare[k, HIGH_Y] and high_y > bare[k, LOW_Y]:
            return False
    for u in moves.obstacle:
        if u in (v, absent):
            continue
        if not keep_apart(r, size, v, x, y, orientation, u, position[u, 0], position[u, 1], state.orientation[u]):
            return False
    return True


@kernel
def fits(state: CostState, moves: Moves, v: int, x: float, y: float, orientation: int, absent: int) -> bool:
    """Whether hard macro v, centered at (x, y) in µm, is on the canvas and apart from what is blocked and all others.

    Its orientation matters only to the rules of constraints.  Node `absent` does not count among the other hard
    macros; it may be `NOTHING`.
    """
    if moves.rules.active:
        return fits_by_rules(state, moves, v, x, y, orientation, absent)
    a, position = state.arrays, state.position_um
    w, h = a.size_um[v, 0], a.size_um[v, 1]
    if x < w / 2 or x > a.canvas_width_um - w / 2 or y < h / 2 or y > a.canvas_height_um - h / 2:
        return False
    for u in moves.obstacle:
        if (
            abs(x - position[u, 0]) < (w + a.size_um[u, 0]) / 2 + moves.gap_um
            and abs(y - position[u, 1]) < (h + a.size_um[u, 1]) / 2 + moves.gap_um
            and u != v
            and u != absent
        ):
            return False
    low_x, high_x = x - w / 2 - moves.gap_um, x + w / 2 + moves.gap_um
    low_y, high_y = y - h / 2 - moves.gap_um, y + h / 2 + moves.gap_um
    bare = moves.blocked
    for k in range(len(bare)):
        if low_x < bare[k, HIGH_X] and high_x > bare[k, LOW_X] and low_y < bare[k, HIGH_Y] and high_y > bare[k, LOW_Y]:
            return False
    return True


@kernel
def move_soft(state: CostState, v: int, x: float, y: float) -> None:
    """Put a soft macro into the trial with its center at (x, y) in µm, or as near as possible inside the canvas."""
    a = state.arrays
    half_w = min(a.size_um[v, 0], a.canvas_width_um) / 2
    half_h = min(a.size_um[v, 1], a.canvas_height_um) / 2
    x = min(max(x, half_w), a.canvas_width_um - half_w)
    y = min(max(y, half_h), a.canvas_height_um - half_h)
    add_to_trial(state, v, x, y, state.orientation[v])


@kernel
def draw_connected_pin(state: CostState, v: int, rng: np.random.Generator) -> int:
    """A random pin of a random net of a node; `NOTHING` if it has no net."""
    pins = state.pins
    first, last = pins.pin_start[pins.node_start[v]], pins.pin_start[pins.node_start[v + 1]]
    if first == last:
        return NOTHING
    n = pins.pin_net[first + int(rng.random() * (last - first))]
    start, end = pins.net_start[n], pins.net_start[n + 1]
    pin: int = pins.net_pin[start + int(rng.random() * (end - start))]
    return pin


@kernel
def pick(nodes: Ints, rng: np.random.Generator) -> int:
    """A random one of the indices `nodes` [M]."""
    node: int = nodes[int(rng.random() * nodes.size)]
    return node


@kernel
def draw_step(longest: float, rng: np.random.Generator) -> float:
    """A random length up to `longest`, in its unit; short ones are more frequent."""
    length: float = longest * STEP_RANGE ** -rng.random()
    return length


@kernel
def draw_offset(rng: np.random.Generator) -> float:
    """A random number between -1 and 1."""
    return 2.0 * rng.random() - 1.0
