"""The routing estimate again, slow and obvious: shortest trees by dynamic programming, routes as lists of edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from netlists.netlist import Floats
from placer.routing.estimation import MARGIN, PASSES, WEIGHT
from placer.routing.patterns import BEND, HISTORY, KNEE, LEAST_TRACKS, SPREAD, STEP

Point = tuple[float, float]
Edge = tuple[str, int, int]
"""h and the row and the left column, or v and the lower row and the column."""


def span(points: Sequence[Point]) -> float:
    """Length of a minimum spanning tree (Prim)."""
    inside, outside, total = [points[0]], list(points[1:]), 0.0
    while outside:
        length, nearest = min((apart(a, b), b) for a in inside for b in outside)
        total += length
        inside.append(nearest)
        outside.remove(nearest)
    return total


def apart(a: Point, b: Point) -> float:
    """Rectilinear distance."""
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def shortest_tree(pins: Sequence[Point]) -> float:
    """Length of a shortest rectilinear Steiner tree: Dreyfus and Wagner, Networks 1(3), 1971, on the Hanan grid.

    A shortest tree on the grid lines through the pins is as short as any: Hanan, SIAM J. Appl. Math. 14(2), 1966.
    """
    places = list(product(sorted({x for x, _ in pins}), sorted({y for _, y in pins})))
    count = len(pins) - 1
    best = {(1 << k, p): apart(pins[k], p) for k in range(count) for p in places}
    for group in range(1, 1 << count):
        if group.bit_count() < 2:
            continue
        parts = [part for part in range(1, group) if part & group == part]
        joined = {p: min(best[part, p] + best[group ^ part, p] for part in parts) for p in places}
        best |= {(group, p): min(joined[q] + apart(p, q) for q in places) for p in places}
    return best[(1 << count) - 1, tuple(pins[-1])] if count else 0.0  # type: ignore[index]


class SlowRouter:
    """The router on edges by name: `demand`, `legs` of all routes, `overflow`."""

    def __init__(self, horizontal: Floats, vertical: Floats) -> None:
        """Take tracks across the right edges and across the top edges of all gcells, [R, C] each."""
        self.rows, self.cols = horizontal.shape
        self.capacity: dict[Edge, float] = {}
        for r, c in product(range(self.rows), range(self.cols)):
            self.capacity |= {("h", r, c): float(horizontal[r, c]), ("v", r, c): float(vertical[r, c])}
        self.demand = dict.fromkeys(self.capacity, 0)
        self.history = dict.fromkeys(self.capacity, 0)
        self.weight = WEIGHT
        self.legs: dict[int, int] = {}
        self.overflow = 0.0

    def cost(self, edge: Edge) -> int:
        """Cost of one more route over an edge."""
        load = (self.demand[edge] + 1) / max(self.capacity[edge], LEAST_TRACKS)
        return STEP + self.history[edge] + int(SPREAD * load + self.weight * max(load - KNEE, 0.0))

    def overfull(self) -> set[Edge]:
        """The edges with more wires than tracks."""
        return {edge for edge, used in self.demand.items() if used > self.capacity[edge]}

    def candidates(self, end: Sequence[int], margin: int) -> Iterator[tuple[int, list[Edge], int]]:
        """Leg, edges and bends of all routes, in the order in which the first of equal ones counts."""
        r1, c1, r2, c2 = end
        columns = range(max(min(c1, c2) - margin, 0), min(max(c1, c2) + margin, self.cols - 1) + 1)
        rows = range(max(min(r1, r2) - margin, 0), min(max(r1, r2) + margin, self.rows - 1) + 1)
        for c in columns if r1 != r2 else [min(c1, c2)]:
            bends = (c != c1) + (c != c2) if r1 != r2 else 0
            yield c, edges_of(end, c), bends
        for r in rows if c1 != c2 else [min(r1, r2)]:
            bends = (r != r1) + (r != r2) if c1 != c2 else 0
            yield -1 - r, edges_of(end, -1 - r), bends

    def run(self, ends: Sequence[Sequence[int]]) -> None:
        """Route all connections, and again those that use an overfull edge; keep the best pass."""
        order = sorted(range(len(ends)), key=lambda k: abs(ends[k][0] - ends[k][2]) + abs(ends[k][1] - ends[k][3]))
        legs: dict[int, int] = {}
        margin, best = 0, (float("inf"), self.demand, legs)
        for _ in range(1 + PASSES):
            for k in order:
                if k in legs:
                    route = edges_of(ends[k], legs[k])
                    if not self.overfull().intersection(route):
                        continue
                    self.add(route, -1)
                routes = [(sum(map(self.cost, edges)) + BEND * bends, leg)
                          for leg, edges, bends in self.candidates(ends[k], margin)]  # fmt: skip
                legs[k] = min(routes, key=lambda each: each[0])[1]
                self.add(edges_of(ends[k], legs[k]), 1)
            overflow = sum(max(self.demand[e] - self.capacity[e], 0.0) for e in self.demand)
            if overflow < best[0]:
                best = overflow, dict(self.demand), dict(legs)
            if not overflow:
                break
            for edge in self.overfull():
                self.history[edge] += HISTORY
            margin, self.weight = max(2 * margin, MARGIN), 2 * self.weight
        self.overflow, self.demand, self.legs = best

    def add(self, edges: Sequence[Edge], change: int) -> None:
        """Add to the demand of edges."""
        for edge in edges:
            self.demand[edge] += change


def edges_of(end: Any, leg: int) -> list[Edge]:
    """The edges of a route from row and column to row and column."""
    r1, c1, r2, c2 = map(int, end)
    if leg >= 0:
        return [*horizontal(r1, c1, leg), *vertical(leg, r1, r2), *horizontal(r2, leg, c2)]
    row = -1 - leg
    return [*vertical(c1, r1, row), *horizontal(row, c1, c2), *vertical(c2, row, r2)]


def horizontal(row: int, start: int, end: int) -> list[Edge]:
    """The edges along a row."""
    return [("h", row, c) for c in range(min(start, end), max(start, end))]


def vertical(col: int, start: int, end: int) -> list[Edge]:
    """The edges along a column."""
    return [("v", r, col) for r in range(min(start, end), max(start, end))]
