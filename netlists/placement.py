"""`Placement`: the positions of the nodes of a netlist, and its violations; the `Placer` protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from netlists.errors import PlacementError
from netlists.netlist import Floats, Ints, Netlist
from netlists.rows.cover import blocked
from netlists.tolerance import TOUCH as TOUCH  # exported, as most users of placements need it


@dataclass(frozen=True, eq=False)
class Violations:
    """What makes a placement of hard macros illegal, as node indices; true if moving macros can repair some of it."""

    overlaps: Ints  # [K, 2] pairs of hard macros that overlap, at least one of them movable
    out_of_canvas: Ints  # [K] movable hard macros that extend beyond the canvas
    outside_rows: Ints  # [K] movable hard macros on a part of the canvas that no row covers
    fixed_overlaps: Ints  # [K, 2] pairs of fixed hard macros that overlap
    fixed_out_of_canvas: Ints  # [K] fixed hard macros that extend beyond the canvas

    def __bool__(self) -> bool:
        return bool(len(self.overlaps) or len(self.out_of_canvas) or len(self.outside_rows))


@dataclass(frozen=True, eq=False)
class Placement:
    """Center positions [V, 2] in µm and orientations [V] (index into ORIENTATIONS) for the nodes of a netlist.

    Raises `PlacementError` if shapes differ, a position is not finite, or a fixed node was moved.
    """

    netlist: Netlist
    position_um: Floats  # [V, 2]
    orientation: npt.NDArray[np.int8]  # [V]

    def __post_init__(self) -> None:
        n = self.netlist
        if self.position_um.shape != (n.num_nodes, 2) or self.orientation.shape != (n.num_nodes,):
            raise PlacementError(
                f"placement has shapes {self.position_um.shape} and {self.orientation.shape}; "
                f"expected ({n.num_nodes}, 2) and ({n.num_nodes},)"
            )
        unplaced = np.flatnonzero(~np.isfinite(self.position_um).all(axis=1))
        if unplaced.size:
            raise PlacementError(
                f"node {n.node_names[unplaced[0]]!r} has no position ({unplaced.size} of {n.num_nodes} nodes); "
                "give a placement file or run `placer place`"
            )
        moved = np.flatnonzero(n.fixed & (self.position_um != n.position_um).any(axis=1))
        if moved.size:
            raise PlacementError(f"fixed node {n.node_names[moved[0]]!r} was moved; leave fixed nodes where they are")
        self.position_um.flags.writeable = False
        self.orientation.flags.writeable = False

    @classmethod
    def given(cls, netlist: Netlist) -> Placement:
        """The placement in the netlist's own file; raises `PlacementError` if a node has no position there."""
        return cls(netlist, netlist.position_um, netlist.orientation)

    def pins_um(self) -> Floats:
        """[P, 2] the places of all connections in µm."""
        n = self.netlist
        return self.position_um[n.connection_node] + n.turned_offsets_um(self.orientation)

    def net_lengths_um(self) -> Floats:
        """[N] half the perimeter of the box around the pins of each net in µm; 0 for a net without pins."""
        pins, counts = self.pins_um(), np.diff(self.netlist.net_start)
        lengths, first = np.zeros(len(counts)), self.netlist.net_start[:-1][counts > 0]
        if len(first):
            boxes = np.maximum.reduceat(pins, first) - np.minimum.reduceat(pins, first)
            lengths[counts > 0] = boxes.sum(axis=1)
        return lengths

    def corner_units(self) -> Floats:
        """[V, 2] lower-left corners in the file of a DEF design, in whole database units."""
        n = self.netlist
        return np.asarray(np.round((self.position_um - n.size_um / 2 + n.origin_um) * n.units_per_um))

    def rounded(self) -> Placement:
        """The same with the corners of movable nodes at whole database units, as a DEF file can state them.

        Nodes whose sizes are whole numbers of units do not overlap afterwards if they did not before.
        """
        n = self.netlist
        if not n.units_per_um:
            return self
        center_um = self.corner_units() / n.units_per_um - n.origin_um + n.size_um / 2
        return Placement(n, np.where(n.fixed[:, None], self.position_um, center_um), self.orientation.copy())

    def violations(self) -> Violations:
        """The hard macros that overlap, extend beyond the canvas or are on a part of it that no row covers.

        Widths and heights are used as they are stored, whatever the orientation.
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
        off_rows = np.zeros(len(hard), dtype=bool)
        for rectangle in blocked(n):
            off_rows |= ((low < rectangle[2:] - slack) & (high > rectangle[:2] + slack)).all(axis=1)
        return Violations(
            hard[pairs[~both_fixed]], hard[outside & ~fixed], hard[off_rows & ~fixed], hard[pairs[both_fixed]],
            hard[outside & fixed],
        )  # fmt: skip


def overlapping_pairs(low: Floats, high: Floats, slack: float) -> Ints:
    """[K, 2] pairs of indices i < j of rectangles that overlap by more than `slack` in both directions.

    Their corners are `low` and `high` [M, 2], in the unit of `slack`.
    """
    order = np.argsort(low[:, 0], kind="stable")
    left = low[order, 0]
    pairs_of: list[Ints] = []
    for k, i in enumerate(order):
        # Rectangles are sorted by their left edge: only those that begin before the right edge of i can overlap it.
        stop = np.searchsorted(left, high[i, 0] - slack)
        rest = order[k + 1 : stop]
        hit = rest[np.minimum(high[i, 1], high[rest, 1]) - np.maximum(low[i, 1], low[rest, 1]) > slack]
        hit = hit[np.minimum(high[i, 0], high[hit, 0]) - low[hit, 0] > slack]
        pairs_of.append(np.column_stack([np.full(hit.size, i), hit]))
    pairs = np.concatenate(pairs_of) if pairs_of else np.empty((0, 2), dtype=np.int64)
    return np.sort(pairs, axis=1)


class Placer(Protocol):
    """A function that places a netlist; the same seed gives the same placement."""

    def __call__(self, netlist: Netlist, *, seed: int) -> Placement: ...
