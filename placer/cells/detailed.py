"""Standard cells on rows, around macros that stay: legalization by Abacus, moves across the chip, detailed placement.

coloquinte (Gouvine, https://github.com/Coloquinte/PlaceRoute) works on whole numbers and has no sites.  It gets the
runs of free sites as its rows, with sites of `SITE` units, and cells widened to whole sites.  Rounding its places to
the nearest site (halves always upward) then keeps cells apart, since all widths are whole sites.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlists.errors import LegalizationError
from netlists.legality.cells import free_rows
from netlists.netlist import Floats, Ints, Netlist, Rows
from netlists.placement import TOUCH, Placement
from netlists.rows.multi_row import rows_high
from placer.cells.abacus import assign_to_runs
from placer.cells.gaps import MOST_PINS, move_into_gaps
from placer.cells.multi_row_cells import place_multi_row_cells

SITE = 16
"""Units of coloquinte per site."""

STDOUT = 1
"""File descriptor of standard output."""

EFFORTS = (3, 6, 9)
"""Efforts of coloquinte, from 1 to 9, that are used one after the other: better placements, slower steps."""

SLOWER = 3.0
"""How many times as long as the longest step so far a step of the next effort takes, at most."""


@dataclass(frozen=True, eq=False)
class _Units:
    """K free rows, sorted by y and then by x, in units of coloquinte: sites are `SITE` wide, heights are rounded."""

    rows: Rows
    per_um: Floats  # [2] units per µm in x and in y
    origin_um: Floats  # [2] lower-left corner of the rows
    left: Ints  # [K] left ends in units
    bottom: Ints  # [K] bottoms in units
    height: int  # of each row in units

    def place_um(self, corner: Ints, sites: Ints) -> Floats:
        """[C, 2] lower-left corners on sites in µm for the corners [C, 2] in units of cells that are `sites` [C] wide.

        Each cell is in one row.
        """
        low = self.left.min()
        span = 2 * int(self.left.max() - low + SITE * self.rows.num_sites.max())
        # Of the rows with that bottom, the last one that starts at or before the cell.
        row = np.searchsorted(self.bottom * span + self.left, corner[:, 1] * span + corner[:, 0], side="right") - 1
        site = np.clip((corner[:, 0] - self.left[row] + SITE // 2) // SITE, 0, self.rows.num_sites[row] - sites)
        return np.column_stack([self.rows.x_um[row] + site * self.rows.site_um[row], self.rows.y_um[row]])


class _TimeUp(Exception):
    """Ends a detailed placement between two of its steps; after each of them cells are legal."""


class _Watch:
    """Ends a detailed placement before a step that, if as long as the longest so far, would end after the deadline."""

    def __init__(self, deadline: float) -> None:
        self.deadline, self.longest_s, self.last = deadline, 0.0, time.perf_counter()

    def __call__(self, _: object) -> None:
        """Called after each step; raises `_TimeUp` if there is no time for another."""
        now = time.perf_counter()
        self.longest_s, self.last = max(self.longest_s, now - self.last), now
        if not self.has_time(1.0):
            raise _TimeUp

    def has_time(self, slower: float) -> bool:
        """Whether there is time for a step that takes `slower` times as long as the longest so far."""
        return time.perf_counter() + slower * self.longest_s <= self.deadline


def legalize_cells(placement: Placement, deadline: float = np.inf) -> Placement:
    """All movable standard cells on sites of rows, without overlap, near their places, then moved for wirelength.

    Multi-row cells are placed first and then stay (`placer.cells.multi_row_cells`); the others are placed around them.
    Macros, fixed cells and all orientations stay.  The detailed placement continues while its next step is expected to
    end before `deadline` (of `time.perf_counter`); without a deadline it is deterministic.  Raises `LegalizationError`
    if there are no rows, if rows differ in height or site, or if the free rows have too little room.
    """
    n = placement.netlist
    cells = n.movable_cells
    if not cells.size:
        return placement
    units, slack = _units(placement, cells), TOUCH * max(n.canvas_um)
    sites = np.maximum(np.ceil((n.size_um[cells, 0] - slack) / units.rows.site_um[0]), 1).astype(int)
    high = rows_high(n.size_um[cells, 1], float(units.rows.height_um[0]), slack)
    _demand_room(n, cells, sites * high, units.rows)
    tall = high > 1
    if tall.any():
        placement = place_multi_row_cells(placement, cells[tall], sites[tall], high[tall], units.rows, slack)
        cells, sites = cells[~tall], sites[~tall]
        if not cells.size:
            return placement
        units = _units(placement, cells)
        _demand_room(n, cells, sites, units.rows)
    placement = move_into_gaps(_legalize_near(placement, cells, sites, units), cells, sites, units.rows)
    circuit = _circuit(placement, cells, sites, units)
    try:
        with _silence(), suppress(_TimeUp):
            _place_in_detail(circuit, _Watch(deadline))
    except RuntimeError as error:
        raise LegalizationError(f"no legal place for all {len(cells)} standard cells ({error}); use fewer or smaller "
                                "macros or a larger canvas") from None  # fmt: skip
    corner = np.column_stack([circuit.cell_x, circuit.cell_y])[cells]
    position = placement.position_um.copy()
    position[cells] = units.place_um(corner, sites) + n.size_um[cells] / 2
    return Placement(n, position, placement.orientation)


def _place_in_detail(circuit: Any, watch: _Watch) -> None:
    """Run detailed placement with every effort, each again until there is time for the next.  Raises `_TimeUp`."""
    from coloquinte import ColoquinteParameters  # slow to load

    done = 0
    while done < len(EFFORTS):
        circuit.place_detailed(ColoquinteParameters(EFFORTS[done]), watch)
        watch(None)
        done += watch.has_time(SLOWER)


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what coloquinte, which is not written in Python, writes to standard output."""
    sys.stdout.flush()
    original = os.dup(STDOUT)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), STDOUT)
        yield
    finally:
        os.dup2(original, STDOUT)
        os.close(original)


def _legalize_near(placement: Placement, cells: Ints, sites: Ints, units: _Units) -> Placement:
    """Cells on runs near their places, so that coloquinte's own legalization, which moves cells farther, does little.

    Cells without room stay; coloquinte finds places for them.
    """
    n, rows = placement.netlist, units.rows
    site = float(rows.site_um[0])
    corner = placement.position_um[cells] - n.size_um[cells] / 2
    run, first = assign_to_runs(corner / site, sites, rows.x_um / site, rows.num_sites, rows.y_um / site)
    fits = run >= 0
    run, first, position = run[fits], first[fits], placement.position_um.copy()
    corner = np.column_stack([rows.x_um[run] + site * first, rows.y_um[run]])
    position[cells[fits]] = corner + n.size_um[cells[fits]] / 2
    return Placement(n, position, placement.orientation)


def _units(placement: Placement, cells: Ints) -> _Units:
    """The free rows in whole numbers; raises `LegalizationError` if cells cannot be placed on them."""
    n = placement.netlist
    moves = np.zeros(n.num_nodes, dtype=bool)
    moves[cells] = True
    rows = free_rows(placement, moves)
    if not len(rows):
        raise LegalizationError(f"{n.name} has no free rows for {len(cells)} standard cells; expected rows (.scl)")
    height, site = float(rows.height_um[0]), float(rows.site_um[0])
    if np.ptp(rows.height_um) > TOUCH * height or np.ptp(rows.site_um) > TOUCH * site:
        raise LegalizationError(f"the rows of {n.name} differ in height or site; expected equal ones")
    height_units = max(int(np.rint(SITE * height / site)), 1)
    per_um = np.array([SITE / site, height_units / height])
    origin = np.array([rows.x_um.min(), rows.y_um.min()])
    left = np.rint((rows.x_um - origin[0]) * per_um[0]).astype(np.int64)
    bottom = np.rint((rows.y_um - origin[1]) * per_um[1]).astype(np.int64)
    order = np.lexsort((left, bottom))
    ordered = Rows(*(getattr(rows, f)[order] for f in ("x_um", "y_um", "height_um", "site_um", "num_sites")))
    return _Units(ordered, per_um, origin, left[order], bottom[order], height_units)


def _demand_room(netlist: Netlist, cells: Ints, sites: Ints, rows: Rows) -> None:
    """Raise `LegalizationError` if the cells need more sites than are free."""
    if sites.sum() > rows.num_sites.sum():
        raise LegalizationError(
            f"{len(cells)} standard cells need {sites.sum()} sites, but macros leave {rows.num_sites.sum()}; "
            "use fewer or smaller macros or a larger canvas"
        )


def _circuit(placement: Placement, cells: Ints, sites: Ints, units: _Units) -> Any:
    """The circuit for coloquinte: cells of one row, all other nodes as fixed points at their centers, nets, rows."""
    from coloquinte import CellOrientation, CellRowPolarity, Circuit, Rectangle, Row

    n = placement.netlist
    movable = np.zeros(n.num_nodes, dtype=bool)
    movable[cells] = True
    size = np.zeros((n.num_nodes, 2), dtype=np.int64)
    size[cells, 0], size[cells, 1] = SITE * sites, units.height
    # Cells are anchored at their lower-left corner, which widening does not move.
    anchor_um = np.where(movable[:, None], n.size_um / 2, 0.0)
    corner = np.rint((placement.position_um - anchor_um - units.origin_um) * units.per_um).astype(np.int64)
    offset_um = n.turned_offsets_um(placement.orientation) + anchor_um[n.connection_node]
    offset = np.rint(offset_um * units.per_um).astype(np.int64)
    circuit = Circuit(n.num_nodes)
    circuit.cell_width, circuit.cell_height = size.T.tolist()
    circuit.cell_x, circuit.cell_y = corner.T.tolist()
    circuit.cell_is_fixed = (~movable).tolist()
    circuit.cell_is_obstruction = movable.tolist()
    circuit.cell_orientation = [CellOrientation.N] * n.num_nodes
    circuit.cell_row_polarity = [CellRowPolarity.SAME] * n.num_nodes
    node, (x, y) = n.connection_node.tolist(), offset.T.tolist()
    start = n.net_start.tolist()
    for first, last, weight in zip(start, start[1:], n.net_weight.tolist(), strict=False):
        if 1 < last - first <= MOST_PINS and weight > 0:
            circuit.add_net(node[first:last], x[first:last], y[first:last], weight)
    circuit.rows = [
        Row(Rectangle(low, low + SITE * count, bottom, bottom + units.height), CellOrientation.N)
        for low, bottom, count in zip(
            units.left.tolist(), units.bottom.tolist(), units.rows.num_sites.tolist(), strict=True
        )
    ]
    circuit.check()
    return circuit
