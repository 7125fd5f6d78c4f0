"""What the exact search tries next: changes of one or two macros, most of them computed from the nets.

Soft macros may go anywhere in the canvas; a hard macro only where it overlaps no other and rows are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netlists.netlist import Floats, Ints, Netlist
from netlists.rows.cover import blocked
from netlists.runtime.kernel import kernel
from placer.cost.incremental import put
from placer.cost.state import State

KINDS = (
    "soft step", "soft to pin", "soft shift", "soft swap", "soft anywhere",
    "hard step", "hard swap", "hard flip", "hard abut", "hard to pin", "hard align", "hard anywhere",
)  # fmt: skip
SOFT_STEP, SOFT_TO_PIN, SOFT_SHIFT, SOFT_SWAP, SOFT_ANYWHERE = range(5)
HARD_STEP, HARD_SWAP, HARD_FLIP, HARD_ABUT, HARD_TO_PIN, HARD_ALIGN, HARD_ANYWHERE = range(5, 12)
SHARES = (6.0, 6.0, 2.0, 0.8, 0.5, 1.2, 1.2, 0.8, 0.4, 0.4, 0.7, 0.4)
"""How often each kind is tried; from what each gained a second on four real designs."""

LONGEST_SOFT, LONGEST_HARD = 5.0, 2.0  # steps in grid cells; lengths are spread evenly over their logarithm
STEP_RANGE = 100.0  # longest over shortest
PIN_RANGE = 4.0  # grid cells around a pin in which a hard macro connected to it is tried


class Movers(NamedTuple):
    """Which nodes may move, and how often each kind of proposal is made."""

    soft: Ints  # soft macros and cells
    hard: Ints
    obstacle: Ints  # hard macros, fixed ones too
    blocked: Floats  # [K, 4] low x, low y, high x, high y of what no row covers
    gap_um: float  # least distance of hard macros from each other and from what is blocked
    chance: Floats  # [KINDS] summed up to 1


def movers(netlist: Netlist, gap_um: float) -> Movers:
    """The movers of a netlist, with the usual shares of proposals."""
    soft = netlist.movable_soft
    share = np.array(SHARES)
    share[:HARD_STEP] *= soft.size > 0
    share[HARD_STEP:] *= netlist.movable_hard.size > 0
    # Copies: compiled once for arrays that may be written, as those of a part of the nodes are.
    hard, every = netlist.movable_hard.copy(), netlist.hard.copy()
    return Movers(soft.copy(), hard, every, blocked(netlist).copy(), gap_um, chances(share))


def chances(share: Floats) -> Floats:
    """[KINDS] shares summed up to 1; all 1 where nothing may move."""
    total = np.sum(share)
    chance: Floats = np.cumsum(share) / total if total > 0 else np.ones(len(share))
    chance[chance >= chance[-1]] = 1.0  # whatever the rounding
    return chance


@kernel
def propose(state: State, movers: Movers, kind: int, rng: np.random.Generator) -> bool:
    """Put a random change of some kind into the trial; False where it found none that is legal."""
    if kind < HARD_STEP:
        return propose_soft(state, movers, kind, rng)
    return propose_hard(state, movers, kind, rng)


@kernel
def propose_soft(state: State, movers: Movers, kind: int, rng: np.random.Generator) -> bool:
    """A change of one or two soft macros."""
    a = state.arrays
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    v = pick(movers.soft, rng)
    x, y = state.position[v, 0], state.position[v, 1]
    if kind == SOFT_STEP:
        reach = step(LONGEST_SOFT, rng)
        put_soft(state, v, x + w * reach * around(rng), y + h * reach * around(rng))
    elif kind == SOFT_TO_PIN:
        p = connected_point(state, v, rng)
        if p < 0:
            return False
        put_soft(state, v, state.point[p, 0] + w * around(rng), state.point[p, 1] + h * around(rng))
    elif kind == SOFT_SHIFT:
        # By exactly one cell: the macro's routes move to the next row or column.
        direction = int(4 * rng.random())
        by = 1.0 if direction % 2 == 0 else -1.0
        put_soft(state, v, x + by * w * (direction < 2), y + by * h * (direction >= 2))
    elif kind == SOFT_SWAP:
        u = pick(movers.soft, rng)
        if u == v:
            return False
        put_soft(state, v, state.position[u, 0], state.position[u, 1])
        put_soft(state, u, x, y)
    else:
        put_soft(state, v, a.canvas_width_um * rng.random(), a.canvas_height_um * rng.random())
    return True


@kernel
def propose_hard(state: State, movers: Movers, kind: int, rng: np.random.Generator) -> bool:
    """A change of one or two hard macros, legal."""
    a = state.arrays
    w, h = a.canvas_width_um / a.cols, a.canvas_height_um / a.rows
    v = pick(movers.hard, rng)
    x, y, turn = state.position[v, 0], state.position[v, 1], state.orientation[v]
    if kind == HARD_SWAP:
        return swap_hard(state, movers, v, pick(movers.hard, rng))
    if kind == HARD_FLIP:
        # N, S, FN and FS, and E, W, FE and FW, differ in the last two bits.
        put(state, v, x, y, turn ^ (1 + int(3 * rng.random())))
        return True
    if kind == HARD_STEP:
        reach, way = step(LONGEST_HARD, rng), rng.random()
        x += w * reach * around(rng) * (way < 2 / 3)
        y += h * reach * around(rng) * (way > 1 / 3)
    elif kind == HARD_ABUT:
        x, y = beside(state, movers, v, pick(movers.obstacle, rng), rng)
    elif kind == HARD_TO_PIN:
        p = connected_point(state, v, rng)
        if p < 0:
            return False
        x = state.point[p, 0] + PIN_RANGE * w * around(rng)
        y = state.point[p, 1] + PIN_RANGE * h * around(rng)
    elif kind == HARD_ANYWHERE:
        x, y = a.canvas_width_um * rng.random(), a.canvas_height_um * rng.random()
    else:
        # An edge on a grid line: the nearest, or the one before or after it.
        side, lines = int(4 * rng.random()), int(3 * rng.random()) - 1
        half = (0.5 if side % 2 == 0 else -0.5) * a.size_um[v, side // 2]
        if side < 2:
            x = (np.round((x + half) / w) + lines) * w - half
        else:
            y = (np.round((y + half) / h) + lines) * h - half
    if not fits(state, movers, v, x, y, -1):
        return False
    put(state, v, x, y, turn)
    return True


@kernel
def swap_hard(state: State, movers: Movers, v: int, u: int) -> bool:
    """Exchange the centers of two hard macros where that is legal."""
    if u == v:
        return False
    size, position = state.arrays.size_um, state.position
    x, y, ux, uy = position[v, 0], position[v, 1], position[u, 0], position[u, 1]
    equal = size[u, 0] == size[v, 0] and size[u, 1] == size[v, 1]
    # Each other they do not overlap: their distance stays.
    if not equal and not (fits(state, movers, v, ux, uy, u) and fits(state, movers, u, x, y, v)):
        return False
    put(state, v, ux, uy, state.orientation[v])
    put(state, u, x, y, state.orientation[u])
    return True


@kernel
def beside(state: State, movers: Movers, v: int, u: int, rng: np.random.Generator) -> tuple[float, float]:
    """A place of hard macro v on one side of hard macro u, aligned with its low end, middle or high end."""
    size = state.arrays.size_um
    x, y = state.position[u, 0], state.position[u, 1]
    side, align = int(4 * rng.random()), int(3 * rng.random()) - 1
    sign = 1 if side % 2 == 0 else -1
    gap = 1.001 * movers.gap_um
    if side < 2:
        return x + sign * ((size[u, 0] + size[v, 0]) / 2 + gap), y + align * (size[u, 1] - size[v, 1]) / 2
    return x + align * (size[u, 0] - size[v, 0]) / 2, y + sign * ((size[u, 1] + size[v, 1]) / 2 + gap)


@kernel
def fits(state: State, movers: Movers, v: int, x: float, y: float, absent: int) -> bool:
    """Whether hard macro v, centered at (x, y), lies in the canvas, apart from what is blocked and from all hard
    macros but `absent`."""
    a, position = state.arrays, state.position
    w, h = a.size_um[v, 0], a.size_um[v, 1]
    if x < w / 2 or x > a.canvas_width_um - w / 2 or y < h / 2 or y > a.canvas_height_um - h / 2:
        return False
    for u in movers.obstacle:
        if (
            abs(x - position[u, 0]) < (w + a.size_um[u, 0]) / 2 + movers.gap_um
            and abs(y - position[u, 1]) < (h + a.size_um[u, 1]) / 2 + movers.gap_um
            and u != v
            and u != absent
        ):
            return False
    low_x, high_x = x - w / 2 - movers.gap_um, x + w / 2 + movers.gap_um
    low_y, high_y = y - h / 2 - movers.gap_um, y + h / 2 + movers.gap_um
    bare = movers.blocked
    for k in range(len(bare)):
        if low_x < bare[k, 2] and high_x > bare[k, 0] and low_y < bare[k, 3] and high_y > bare[k, 1]:
            return False
    return True


@kernel
def put_soft(state: State, v: int, x: float, y: float) -> None:
    """Put a soft macro at (x, y), or as near as it stays in the canvas."""
    a = state.arrays
    half_w = min(a.size_um[v, 0], a.canvas_width_um) / 2
    half_h = min(a.size_um[v, 1], a.canvas_height_um) / 2
    x = min(max(x, half_w), a.canvas_width_um - half_w)
    y = min(max(y, half_h), a.canvas_height_um - half_h)
    put(state, v, x, y, state.orientation[v])


@kernel
def connected_point(state: State, v: int, rng: np.random.Generator) -> int:
    """A random point of a random net of a node; -1 where it has no net."""
    p = state.points
    first, last = p.point_start[p.start[v]], p.point_start[p.start[v + 1]]
    if first == last:
        return -1
    n = p.point_net[first + int(rng.random() * (last - first))]
    start, end = p.net_start[n], p.net_start[n + 1]
    point: int = p.net_point[start + int(rng.random() * (end - start))]
    return point


@kernel
def pick(nodes: Ints, rng: np.random.Generator) -> int:
    """One of the nodes."""
    node: int = nodes[int(rng.random() * nodes.size)]
    return node


@kernel
def step(longest: float, rng: np.random.Generator) -> float:
    """A length up to `longest`."""
    length: float = longest * STEP_RANGE ** -rng.random()
    return length


@kernel
def around(rng: np.random.Generator) -> float:
    """A number between -1 and 1."""
    return 2.0 * rng.random() - 1.0
