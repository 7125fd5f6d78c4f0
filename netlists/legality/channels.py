"""What a designer looks for between hard macros: slivers, cells in them, blocked pin sides, macros off their tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlists.legality.cells import overlapping
from netlists.legality.rules import BOTTOM, LEFT, RIGHT, TOP, TURNED_SIDE, Rules, off_grid, rules, sides_with_pins
from netlists.netlist import Floats, Ints
from netlists.placement import Placement


@dataclass(frozen=True, eq=False)
class Channels:
    """The findings; sides are those of `legality.rules`, as they lie on the canvas."""

    least_um: float  # width below which a gap is a sliver
    slivers: Floats  # [K, 4] low x, low y, high x, high y in µm of the gaps between macros that face each other
    cells: Ints  # [K] cells that are in slivers, at least partly
    blocked_sides: Ints  # [K, 2] macro and side with pins that touches a macro or the canvas edge, or is in its halo
    off_tracks: Ints  # [K] movable hard macros whose pins are on no routing tracks; empty if the tracks are unknown

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of the findings, for a table."""
        return {
            f"Gaps between macros under {self.least_um:g} µm": len(self.slivers),
            "Cells in these gaps": len(self.cells),
            "Macro sides with pins that are blocked": len(self.blocked_sides),
            "Macros off routing tracks": len(self.off_tracks),
        }


def find_channels(placement: Placement, least_um: float | None = None) -> Channels:
    """Look for slivers narrower than `least_um`, by default the channel that the constraints ask for, and the rest."""
    n, r = placement.netlist, rules(placement.netlist)
    if least_um is None:
        least_um = max(r.channel_um, 2 * float(r.halo_um.max(initial=0.0)))
    low, high = placement.position_um - n.size_um / 2, placement.position_um + n.size_um / 2
    slack = r.slack_um
    slivers = _slivers(low[n.hard], high[n.hard], least_um, slack)
    cells = np.empty(0, dtype=np.int64)
    if len(slivers) and n.cells.size:
        hit = overlapping(low[n.cells], high[n.cells], slivers[:, :2], slivers[:, 2:], slack, False)
        cells = n.cells[hit]
    off_tracks = np.empty(0, dtype=np.int64)
    if n.tracks:
        off_tracks = off_grid(placement, n.tracks.pitch_um, n.tracks.offset_um, slack)
    return Channels(least_um, slivers, cells, _blocked_sides(placement, r, slack), off_tracks)


def _slivers(low: Floats, high: Floats, least_um: float, slack: float) -> Floats:
    """[K, 4] the gaps between rectangles [M, 2] that face each other closer than `least_um` without touching."""
    boxes = []
    for axis in (0, 1):
        other = 1 - axis
        for i in range(len(low)):
            gap = low[:, axis] - high[i, axis]
            bottom, top = np.maximum(low[:, other], low[i, other]), np.minimum(high[:, other], high[i, other])
            near = np.flatnonzero((gap > slack) & (gap < least_um - slack) & (top - bottom > slack))
            box = np.empty((len(near), 4))
            box[:, axis], box[:, axis + 2] = high[i, axis], low[near, axis]
            box[:, other], box[:, other + 2] = bottom[near], top[near]
            boxes.append(box)
    return np.vstack(boxes) if boxes else np.empty((0, 4))


def _blocked_sides(placement: Placement, r: Rules, slack: float) -> Ints:
    """[K, 2] macros and their sides with pins beside which something is closer than the halo of that side."""
    n = placement.netlist
    hard, pins = n.hard, sides_with_pins(n)
    low = placement.position_um[hard] - n.size_um[hard] / 2
    high = placement.position_um[hard] + n.size_um[hard] / 2
    found = []
    for i, v in enumerate(hard.tolist()):
        for side in (LEFT, BOTTOM, RIGHT, TOP):
            home = TURNED_SIDE[placement.orientation[v], side]
            if not pins[v, home]:
                continue
            axis, other, upper = side % 2, 1 - side % 2, side >= RIGHT
            need = max(float(r.halo_um[v, home]) if r.active else 0.0, 2 * slack)
            edge = n.canvas_um[axis] - high[i, axis] if upper else low[i, axis]
            gap = low[:, axis] - high[i, axis] if upper else low[i, axis] - high[:, axis]
            facing = np.minimum(high[:, other], high[i, other]) - np.maximum(low[:, other], low[i, other]) > slack
            beside = facing & (gap > -slack) & (gap < need - slack)
            if edge < need - slack or beside.any():
                found.append((v, side))
    return np.array(found, dtype=np.int64).reshape(-1, 2)
