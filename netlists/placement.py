"""`Placement`: where the nodes of a netlist lie, and what is wrong with it; the `Placer` protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from netlists.errors import PlacementError
from netlists.netlist import Floats, Ints, Netlist
from netlists.rows.cover import blocked
from netlists.tolerance import TOUCH as TOUCH  # those who look at placements need it


@dataclass(frozen=True, eq=False)
class Violations:
    """What makes a placement of hard macros illegal, as node indices; true if something of it can be mended."""

    overlaps: Ints  # [K, 2] pairs of hard macros that overlap, at least one of them movable
    out_of_canvas: Ints  # movable hard macros that stick out of the canvas
    outside_rows: Ints  # movable hard macros on a part of the canvas that no row covers
    fixed_overlaps: Ints  # [K, 2] pairs of fixed hard macros that overlap
    fixed_out_of_canvas: Ints  # fixed hard macros that stick out of the canvas

    def __bool__(self) -> bool:
        return bool(len(self.overlaps) or len(self.out_of_canvas) or len(self.outside_rows))


@dataclass(frozen=True, eq=False)
class Placement:
    """Center positions [V, 2] in µm and orientations [V] (index into ORIENTATIONS) for the nodes of a netlist.

    Raises `PlacementError` when shapes differ, a position is not finite, or a fixed node was moved.
    """

    netlist: Netlist
    position_um: Floats
    orientation: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        n = self.netlist
        if self.position_um.shape != (n.num_nodes, 2) or self.orientation.shape != (n.num_nodes,):
            raise PlacementError(
                f"placement has shapes {self.position_um.shape} and {self.orientation.shape}; "
                f"expected ({n.num_nodes}, 2) and ({n.num_nodes},)"
            )
        lost = np.flatnonzero(~np.isfinite(self.position_um).all(axis=1))
        if lost.size:
            raise PlacementError(
                f"node {n.node_names[lost[0]]!r} has no position ({lost.size} of {n.num_nodes} nodes); "
                "give a placement file or run `placer place`"
            )
        moved = np.flatnonzero(n.fixed & (self.position_um != n.position_um).any(axis=1))
        if moved.size:
            raise PlacementError(f"fixed node {n.node_names[moved[0]]!r} was moved; leave fixed nodes where they are")
        self.position_um.flags.writeable = False
        self.orientation.flags.writeable = False

    @classmethod
    def given(cls, netlist: Netlist) -> Placement:
        """The placement in the netlist's own file; raises `PlacementError` where a node has none."""
        return cls(netlist, netlist.position_um, netlist.orientation)

    def violations(self) -> Violations:
        """The hard macros that overlap, stick out of the canvas or lie where no row is.

        Widths and heights are those stored, whatever the orientation.
        """
        n = self.netlist
        hard = n.hard
        low = self.position_um[hard] - n.size_um[hard] / 2
        high = self.position_um[hard] + n.size_um[hard] / 2
        slack = TOUCH * max(n.canvas_um)
        outside = (low < -slack).any(axis=1) | (high > np.array(n.canvas_um) + slack).any(axis=1)
        pairs = overlapping_pairs(low, high, slack)
        fixed = n.fixed[hard]
        both_fixed = fixed[pairs].all(axis=1)
        stray = np.zeros(len(hard), dtype=bool)
        for bare in blocked(n):
            stray |= ((low < bare[2:] - slack) & (high > bare[:2] + slack)).all(axis=1)
        return Violations(
            hard[pairs[~both_fixed]], hard[outside & ~fixed], hard[stray & ~fixed], hard[pairs[both_fixed]],
            hard[outside & fixed],
        )  # fmt: skip


def overlapping_pairs(low: Floats, high: Floats, slack: float) -> Ints:
    """[K, 2] index pairs i < j of rectangles [M, 2] corners that overlap by more than `slack` both ways."""
    order = np.argsort(low[:, 0], kind="stable")
    left = low[order, 0]
    found: list[Ints] = []
    for k, i in enumerate(order):
        # Sorted by left edge: only those that start before i ends can touch it.
        stop = np.searchsorted(left, high[i, 0] - slack)
        rest = order[k + 1 : stop]
        hit = rest[np.minimum(high[i, 1], high[rest, 1]) - np.maximum(low[i, 1], low[rest, 1]) > slack]
        hit = hit[np.minimum(high[i, 0], high[hit, 0]) - low[hit, 0] > slack]
        found.append(np.column_stack([np.full(hit.size, i), hit]))
    pairs = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    return np.sort(pairs, axis=1)


class Placer(Protocol):
    """Anything that places a netlist; the same seed gives the same placement."""

    def __call__(self, netlist: Netlist, *, seed: int) -> Placement: ...
