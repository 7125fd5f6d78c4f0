"""What constraints ask of hard macros, written out macro by macro and pair by pair: the twin of `legality.rules`."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import combinations

from netlists.constraints import Constraints
from netlists.netlist import ORIENTATION_MATRIX, ORIENTATIONS, Netlist
from netlists.placement import Placement

SIDES = ("left", "bottom", "right", "top")
FACING = {"left": (-1.0, 0.0), "bottom": (0.0, -1.0), "right": (1.0, 0.0), "top": (0.0, 1.0)}
ROUNDING = 2e-9  # of the longer side of the canvas


class Box:
    """A macro where it is placed, with the halo and the pins of each of its four sides as they lie on the canvas."""

    def __init__(self, placement: Placement, constraints: Constraints, v: int) -> None:
        n = placement.netlist
        self.name, self.fixed = n.node_names[v], bool(n.fixed[v])
        (x, y), (w, h) = placement.position_um[v].tolist(), n.size_um[v].tolist()
        self.low, self.high = (x - w / 2, y - h / 2), (x + w / 2, y + h / 2)
        self.orientation = ORIENTATIONS[placement.orientation[v]]
        halo, pins = dict.fromkeys(SIDES, 0.0), sides_with_pins(n, v)
        for entry in constraints.halos:
            if named(n, entry.nodes, v):
                halo = {side: getattr(entry, f"{side}_um") for side in SIDES}
        self.halo, self.closed = {}, {}
        for side in SIDES:
            at = turned(side, self.orientation)
            self.halo[at] = halo[side]
            self.closed[at] = constraints.abut == "any" or (constraints.abut == "pinless" and side not in pins)


def named(n: Netlist, glob: str, v: int) -> bool:
    """Whether a glob names a node: its name, or its master after `master:`."""
    if glob in n.node_names:
        return n.node_names[v] == glob
    if glob.startswith("master:"):
        return bool(n.masters) and fnmatchcase(n.masters[v], glob.removeprefix("master:"))
    return fnmatchcase(n.node_names[v], glob)


def turned(side: str, orientation: str) -> str:
    """Where a side of the macro in orientation N lies after turning it."""
    x, y = ORIENTATION_MATRIX[ORIENTATIONS.index(orientation)] @ FACING[side]
    return next(name for name, (a, b) in FACING.items() if (a, b) == (x, y))


def sides_with_pins(n: Netlist, v: int) -> set[str]:
    """The sides of a node in orientation N that are nearest to one of its connected pins."""
    w, h = n.size_um[v].tolist()
    sides = set()
    for pin in sorted(set(n.net_pin.tolist())):
        if n.pin_node[pin] == v:
            dx, dy = n.pin_offset_um[pin].tolist()
            distance = {"left": w / 2 + dx, "bottom": h / 2 + dy, "right": w / 2 - dx, "top": h / 2 - dy}
            sides.add(min(SIDES, key=lambda side: abs(distance[side])))
    return sides


def broken_rules(placement: Placement) -> list[str]:
    """Everything about the movable hard macros of a placement that breaks a constraint of its netlist, in words."""
    n = placement.netlist
    constraints = n.constraints or Constraints()
    slack = ROUNDING * max(n.canvas_um)
    boxes = [Box(placement, constraints, v) for v in n.hard.tolist()]
    wrong = []
    for v, box in zip(n.hard.tolist(), boxes, strict=True):
        if not box.fixed:
            wrong += alone(n, constraints, v, box, slack)
    for a, b in combinations(boxes, 2):
        if not (a.fixed and b.fixed) and not side_by_side(a, b, constraints.channel_um, slack):
            wrong.append(f"{a.name} and {b.name} are too close")
    return wrong


def alone(n: Netlist, constraints: Constraints, v: int, box: Box, slack: float) -> list[str]:
    """What is wrong with one macro, whatever the others do."""
    wrong = []
    for side, gap in zip(SIDES, (*box.low, n.canvas_um[0] - box.high[0], n.canvas_um[1] - box.high[1]), strict=True):
        if gap < constraints.boundary_um - slack:
            wrong.append(f"{box.name} is {gap} from the {side} edge of the canvas")
        need = max(constraints.channel_um, box.halo[side])
        touches = abs(gap) <= slack and box.closed[side]
        if gap < need - slack and not touches:
            wrong.append(f"{box.name} leaves a sliver of {gap} at the {side} edge of the canvas")
    for blockage in constraints.blockages:
        if overlap(box, blockage.box_um, slack):
            wrong.append(f"{box.name} is on a blockage")
    for region in constraints.regions:
        if any(named(n, glob, v) for glob in region.nodes) and not any(
            inside(box, each, slack) for each in region.boxes_um
        ):
            wrong.append(f"{box.name} is out of its region")
    wrong += [
        f"{box.name} is turned to {box.orientation}"
        for turns in constraints.turns
        if named(n, turns.nodes, v) and box.orientation not in turns.orientations
    ]
    if constraints.snap == "grid" and constraints.grid_um:
        for low, origin in zip(box.low, n.origin_um, strict=True):
            steps = (low + origin) / constraints.grid_um
            if abs(steps - round(steps)) * constraints.grid_um > slack:
                wrong.append(f"{box.name} is off the grid")
    return wrong


def overlap(box: Box, area: tuple[float, float, float, float], slack: float) -> bool:
    """Whether a macro and an area overlap in both directions."""
    wide: float = min(box.high[0], area[2]) - max(box.low[0], area[0])
    tall: float = min(box.high[1], area[3]) - max(box.low[1], area[1])
    return wide > slack and tall > slack


def inside(box: Box, area: tuple[float, float, float, float], slack: float) -> bool:
    """Whether a macro is inside an area."""
    low = min(box.low[0] - area[0], box.low[1] - area[1])
    high = min(area[2] - box.high[0], area[3] - box.high[1])
    return bool(min(low, high) >= -slack)


def side_by_side(a: Box, b: Box, channel: float, slack: float) -> bool:
    """Whether two macros are a channel apart in one direction, or touch as they may."""
    touching = []
    for axis, low_side, high_side in ((0, "left", "right"), (1, "bottom", "top")):
        first, second = (a, b) if a.low[axis] + a.high[axis] < b.low[axis] + b.high[axis] else (b, a)
        gap = second.low[axis] - first.high[axis]
        if gap >= max(channel, first.halo[high_side] + second.halo[low_side]) - slack:
            return True
        touching.append((gap, first.closed[high_side] and second.closed[low_side]))
    (gap_x, closed_x), (gap_y, closed_y) = touching
    if abs(gap_x) <= slack:
        return gap_y >= -slack or closed_x  # corner to corner, or face to face
    if abs(gap_y) <= slack:
        return gap_x >= -slack or closed_y
    return False
