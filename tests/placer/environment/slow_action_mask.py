"""The action mask in exact fractions, cell by cell: a slow twin of `placer/environment/action_mask.py`."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import sqrt

from netlists.netlist import Floats, Ints, Netlist
from netlists.tolerance import MACRO_GAP

Point = tuple[Fraction, Fraction]


def exact(values: object) -> tuple[Fraction, ...]:
    return tuple(Fraction(float(v)) for v in values)  # type: ignore[attr-defined]


def preferred_offset(size: float, cell: float) -> Fraction:
    """½ for macros that are 1, 3, 5, ... cells or at most half a cell long, otherwise 0."""
    small = size / cell < 0.5 + 1e-6
    odd = any(abs(size / cell - count) < 1e-6 for count in range(1, 200, 2))
    return Fraction(1, 2) if odd or small else Fraction(0)


class Cell:
    """Cell (r, c) of the grid and the boxes that the center of a macro must avoid in it."""

    def __init__(self, netlist: Netlist, position: Floats, blockers: Ints, node: int, r: int, c: int) -> None:
        canvas, size, counts = exact(netlist.canvas_um), exact(netlist.size_um[node]), netlist.grid[::-1]
        side = [canvas[d] / counts[d] for d in (0, 1)]
        self.low = [max((c, r)[d] * side[d], size[d] / 2) for d in (0, 1)]
        self.high = [min(((c, r)[d] + 1) * side[d], canvas[d] - size[d] / 2) for d in (0, 1)]
        self.empty = self.low[0] > self.high[0] or self.low[1] > self.high[1]
        preferred = [((c, r)[d] + preferred_offset(float(size[d]), float(side[d]))) * side[d] for d in (0, 1)]
        self.target = [min(max(preferred[d], self.low[d]), self.high[d]) for d in (0, 1)]
        hair = Fraction(MACRO_GAP) * max(canvas)
        self.boxes = []
        for u in blockers:
            at, reach = exact(position[u]), [(size[d] + Fraction(float(netlist.size_um[u, d]))) / 2 for d in (0, 1)]
            self.boxes.append([(at[d] - reach[d] - hair, at[d] + reach[d] + hair) for d in (0, 1)])

    def free(self, point: Point) -> bool:
        """Whether the macro's center may lie at a point."""
        if self.empty or not all(self.low[d] <= point[d] <= self.high[d] for d in (0, 1)):
            return False
        return not any(all(box[d][0] < point[d] < box[d][1] for d in (0, 1)) for box in self.boxes)

    def away(self, point: Point) -> float:
        """Distance from the preferred place, moved into the canvas."""
        return sqrt(sum((point[d] - self.target[d]) ** 2 for d in (0, 1)))

    def candidates(self) -> list[Point]:
        """Crossings of the edges of boxes and cell and of the lines through the preferred place."""
        lines = [
            [self.target[d], self.low[d], self.high[d], *(x for box in self.boxes for x in box[d])] for d in (0, 1)
        ]
        return list(product(*lines))  # type: ignore[arg-type]

    def samples(self, count: int) -> list[Point]:
        """A raster of count by count points."""
        lines = [
            [self.low[d] + (self.high[d] - self.low[d]) * Fraction(i, count - 1) for i in range(count)] for d in (0, 1)
        ]
        return list(product(*lines))  # type: ignore[arg-type]

    def nearest(self) -> float | None:
        """Distance of the nearest free point; None if the macro does not fit."""
        return min((self.away(p) for p in self.candidates() if self.free(p)), default=None)
