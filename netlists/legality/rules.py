"""The rules of a netlist's constraints for its hard macros, as arrays for kernels, and how a placement breaks them.

Two macros may be next to each other in two ways: they touch, if neither of the sides that face each other has pins (or
as `Constraints.abut` says), or a channel apart, so that cells and wires fit between them.  What is in between would be
a sliver: room that nothing can use.  Macros that face each other in neither direction keep a channel in one of the
two, or touch it with a corner.  The canvas edge is a wall, with the macro's own halo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from netlists.constraints import ORIENTATION_NAMES, Box, Constraints, matches
from netlists.netlist import ORIENTATION_MATRIX, Bools, Floats, Ints, Netlist, cached_view
from netlists.placement import Placement
from netlists.runtime.kernel import kernel
from netlists.tolerance import TOUCH

LEFT, BOTTOM, RIGHT, TOP = range(4)
"""Sides of a macro: columns of `Rules.halo_um` and `Rules.closed`."""
DIRECTIONS = np.array([[-1, 0], [0, -1], [1, 0], [0, 1]])
"""[4, 2] the direction in which each side faces."""


def _turned_sides() -> npt.NDArray[np.int64]:
    """[8, 4] which side of the macro in orientation N is at each side when it is turned."""
    sides = np.empty((8, 4), dtype=np.int64)
    for orientation, matrix in enumerate(ORIENTATION_MATRIX):
        for side, direction in enumerate(DIRECTIONS):
            at_home = matrix.T @ direction
            sides[orientation, side] = int(np.flatnonzero((at_home == DIRECTIONS).all(axis=1))[0])
    return sides


TURNED_SIDE = _turned_sides()
"""[8, 4] which side of the macro in orientation N is at each side of the turned macro."""


class Rules(NamedTuple):
    """The constraints of V nodes; the arrays are empty if there are none."""

    active: bool
    halo_um: Floats  # [V, 4] by side, for orientation N
    closed: Bools  # [V, 4] whether that side may touch another macro or the canvas edge
    channel_um: float
    room_um: Floats  # [V, 4] the box in which the node must be: low x, low y, high x, high y
    allowed: Bools  # [V, 8] orientations
    pitch_um: Floats  # [V, 2] of the grid for lower-left corners; 0 for anywhere
    offset_um: Floats  # [V, 8, 2] of that grid, for each orientation
    canvas_um: Floats  # [2]
    slack_um: float  # what counts as rounding


@cached_view
def rules(netlist: Netlist) -> Rules:
    """The rules that the constraints of a netlist make; not active if there are none.

    The arrays are not frozen: kernels are compiled once, for writable arrays.
    """
    constraints, canvas = netlist.constraints, np.array(netlist.canvas_um)
    count = netlist.num_nodes if constraints else 0
    halo, closed = np.zeros((count, 4)), np.ones((count, 4), dtype=bool)
    room, allowed = np.tile([0.0, 0.0, *canvas], (count, 1)), np.ones((count, 8), dtype=bool)
    pitch, offset = np.zeros((count, 2)), np.zeros((count, 8, 2))
    slack = 2 * TOUCH * float(canvas.max())
    channel = constraints.channel_um if constraints else 0.0
    if constraints:
        hard = netlist.hard.tolist()
        _fill_halos(netlist, constraints, hard, halo)
        _fill_room(netlist, constraints, hard, room)
        _fill_turns(netlist, constraints, hard, allowed)
        if constraints.abut != "any":
            closed[hard] = False if constraints.abut == "never" else ~sides_with_pins(netlist)[hard]
        if constraints.snap == "grid" and constraints.grid_um:
            pitch[hard] = constraints.grid_um
            offset[:] = -np.array(netlist.origin_um) % constraints.grid_um
        elif constraints.snap == "grid" and netlist.rows and not netlist.def_file:
            rows = netlist.rows
            pitch[hard] = rows.site_um.min(), rows.height_um.min()
            offset[:] = rows.x_um.min(), rows.y_um.min()
        elif constraints.snap == "tracks" and netlist.tracks:
            pitch, offset = netlist.tracks.pitch_um.copy(), netlist.tracks.offset_um.copy()
    return Rules(constraints is not None, halo, closed, channel, room, allowed, pitch, offset, canvas, slack)


def sides_with_pins(netlist: Netlist) -> Bools:
    """[V, 4] which sides of each node, in orientation N, have pins of nets: each pin counts for the nearest side."""
    on_net = np.zeros(len(netlist.pin_node), dtype=bool)
    on_net[netlist.net_pin] = True
    pins = np.flatnonzero(on_net)
    node, offset = netlist.pin_node[pins], netlist.pin_offset_um[pins]
    half = netlist.size_um[node] / 2
    distance = np.column_stack([half + offset, half - offset])  # left, bottom, right, top
    sides = np.zeros((netlist.num_nodes, 4), dtype=bool)
    sides[node, np.argmin(np.abs(distance), axis=1)] = True
    return sides


def named_nodes(netlist: Netlist, glob: str, nodes: list[int]) -> list[int]:
    """Those of the nodes that a glob of constraints names; one that is the name of a node names only that."""
    if (v := netlist.find(glob)) is not None:
        return [v] if v in nodes else []
    masters = netlist.masters or ("",) * netlist.num_nodes
    return [v for v in nodes if matches(glob, netlist.node_names[v], masters[v])]


def _fill_halos(netlist: Netlist, constraints: Constraints, hard: list[int], halo: Floats) -> None:
    for entry in constraints.halos:
        sides = entry.left_um, entry.bottom_um, entry.right_um, entry.top_um
        halo[named_nodes(netlist, entry.nodes, hard)] = sides


def _fill_room(netlist: Netlist, constraints: Constraints, hard: list[int], room: Floats) -> None:
    """Fences and guides, and the distance from the canvas edge; of several boxes the largest in which a node fits."""
    canvas = np.array(netlist.canvas_um)
    inner = np.concatenate([np.full(2, constraints.boundary_um), canvas - constraints.boundary_um])
    room[hard] = inner
    for region in constraints.regions:
        for glob in region.nodes:
            for v in named_nodes(netlist, glob, hard):
                box = np.array(_best_box(region.boxes_um, netlist.size_um[v]))
                room[v, :2], room[v, 2:] = np.maximum(inner[:2], box[:2]), np.minimum(inner[2:], box[2:])


def _best_box(boxes: tuple[Box, ...], size: Floats) -> Box:
    """The largest of the boxes in which a node fits, or the largest of all."""

    def rank(box: Box) -> tuple[bool, float]:
        width, height = box[2] - box[0], box[3] - box[1]
        return bool(width >= size[0] and height >= size[1]), width * height

    return max(boxes, key=rank)


def _fill_turns(netlist: Netlist, constraints: Constraints, hard: list[int], allowed: Bools) -> None:
    for turns in constraints.turns:
        mask = np.array([name in turns.orientations for name in ORIENTATION_NAMES])
        for v in named_nodes(netlist, turns.nodes, hard):
            allowed[v] &= mask


@kernel
def may_be_at(r: Rules, size_um: Floats, v: int, x: float, y: float, orientation: int) -> bool:
    """Whether a macro may be centered at (x, y) in µm as far as its room and the canvas edge are concerned.

    `size_um` [V, 2] has the sizes.
    """
    low_x, high_x = x - size_um[v, 0] / 2, x + size_um[v, 0] / 2
    low_y, high_y = y - size_um[v, 1] / 2, y + size_um[v, 1] / 2
    room = r.room_um[v]
    if low_x < room[0] - r.slack_um or low_y < room[1] - r.slack_um:
        return False
    if high_x > room[2] + r.slack_um or high_y > room[3] + r.slack_um:
        return False
    for side in range(4):
        if side == LEFT:
            gap = low_x
        elif side == BOTTOM:
            gap = low_y
        elif side == RIGHT:
            gap = r.canvas_um[0] - high_x
        else:
            gap = r.canvas_um[1] - high_y
        home = TURNED_SIDE[orientation, side]
        need = max(r.channel_um, r.halo_um[v, home])
        if gap < need - r.slack_um and not (gap <= r.slack_um and r.closed[v, home]):
            return False
    return True


@kernel
def keep_apart(
    r: Rules, size_um: Floats, v: int, x: float, y: float, orientation: int, u: int, ux: float, uy: float, turned: int
) -> bool:
    """Whether macros v at (x, y) and u at (ux, uy), centers in µm, touch as they may or are a channel apart.

    `size_um` [V, 2] has the sizes; `orientation` and `turned` are the orientations of v and u.
    """
    dx = abs(x - ux) - (size_um[v, 0] + size_um[u, 0]) / 2
    dy = abs(y - uy) - (size_um[v, 1] + size_um[u, 1]) / 2
    slack = r.slack_um
    if dx < -slack and dy < -slack:
        return False
    side = RIGHT if x < ux else LEFT
    mine, other = TURNED_SIDE[orientation, side], TURNED_SIDE[turned, LEFT + RIGHT - side]
    if dx >= max(r.channel_um, r.halo_um[v, mine] + r.halo_um[u, other]) - slack:
        return True
    closed_x = r.closed[v, mine] and r.closed[u, other]
    side = TOP if y < uy else BOTTOM
    mine, other = TURNED_SIDE[orientation, side], TURNED_SIDE[turned, BOTTOM + TOP - side]
    if dy >= max(r.channel_um, r.halo_um[v, mine] + r.halo_um[u, other]) - slack:
        return True
    closed_y = r.closed[v, mine] and r.closed[u, other]
    touch_x, touch_y = abs(dx) <= slack, abs(dy) <= slack
    if touch_x:  # face to face, or corner to corner
        return bool(dy >= -slack or closed_x)
    return bool(touch_y and (dx >= -slack or closed_y))


@kernel
def on_grid(r: Rules, size_um: Floats, v: int, center_um: float, axis: int, orientation: int) -> float:
    """The coordinate nearest `center_um` along an axis with which the lower-left corner is on the grid.

    `size_um` [V, 2] has the sizes.
    """
    pitch = r.pitch_um[v, axis]
    if pitch <= 0.0:
        return center_um
    half, offset = size_um[v, axis] / 2, r.offset_um[v, orientation, axis]
    return float(offset + np.round((center_um - half - offset) / pitch) * pitch + half)


@dataclass(frozen=True, eq=False)
class RuleViolations:
    """How a placement breaks the rules, as indices of movable hard macros."""

    close: Ints  # [K, 2] pairs that are neither a channel apart nor touch as they may; one of the two may be fixed
    outside: Ints  # [K] outside their room, or too near the canvas edge
    turned: Ints  # [K] in an orientation that is not allowed
    off_grid: Ints  # [K] with the lower-left corner off the grid

    def __bool__(self) -> bool:
        return bool(len(self.close) or len(self.outside) or len(self.turned) or len(self.off_grid))


def rule_violations(placement: Placement) -> RuleViolations:
    """How a placement breaks the rules of its netlist's constraints; pairs of fixed macros are left out."""
    n = placement.netlist
    r, movable = rules(n), n.movable_hard
    none = np.empty(0, dtype=np.int64)
    if not r.active:
        return RuleViolations(none.reshape(-1, 2), none, none, none)
    position, orientation = placement.position_um, placement.orientation.astype(np.int64)
    # Copies: the kernel is compiled once, for writable arrays.
    pairs = close_pairs(r, n.size_um.copy(), position.copy(), orientation, n.hard.copy(), n.fixed.copy())
    bad = [not may_be_at(r, n.size_um, v, position[v, 0], position[v, 1], orientation[v]) for v in movable]
    return RuleViolations(
        pairs, movable[np.array(bad, dtype=bool)], movable[~r.allowed[movable, orientation[movable]]],
        off_grid(placement, r.pitch_um, r.offset_um, r.slack_um),
    )  # fmt: skip


def off_grid(placement: Placement, pitch_um: Floats, offset_um: Floats, slack_um: float) -> Ints:
    """[K] the movable hard macros whose lower-left corner is off a grid by more than `slack_um`.

    `pitch_um` [V, 2] and `offset_um` [V, 8, 2] are as in `Rules`.
    """
    n = placement.netlist
    macros = n.movable_hard
    pitch = pitch_um[macros]
    corner = placement.position_um[macros] - n.size_um[macros] / 2 - offset_um[macros, placement.orientation[macros]]
    steps = np.where(pitch > 0, corner / np.where(pitch > 0, pitch, 1.0), 0.0)
    return np.asarray(macros[(np.abs(steps - np.round(steps)) * pitch > slack_um).any(axis=1)])


@njit(cache=True)
def close_pairs(r: Rules, size_um: Floats, position: Floats, orientation: Ints, hard: Ints, fixed: Bools) -> Ints:
    """[K, 2] the pairs of hard macros, at least one of them movable, that `keep_apart` refuses.

    `size_um` and the centers `position` [V, 2] are in µm, `orientation` [V], `fixed` [V] is a mask, `hard` [M] are
    indices.
    """
    count = 0
    for round_ in range(2):
        if round_ == 1:
            pairs = np.empty((count, 2), dtype=np.int64)
            count = 0
        for i in range(len(hard)):
            for j in range(i):
                v, u = hard[i], hard[j]
                if fixed[v] and fixed[u]:
                    continue
                if not keep_apart(
                    r, size_um, v, position[v, 0], position[v, 1], orientation[v], u, position[u, 0], position[u, 1],
                    orientation[u],
                ):  # fmt: skip
                    if round_ == 1:
                        pairs[count] = u, v
                    count += 1
    return pairs
