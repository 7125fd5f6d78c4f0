"""The verdict on a placement: counts of everything that makes it illegal, for terminal, JSON, reports and sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlists.legality.cells import CellViolations, cell_violations, on_sites
from netlists.legality.rules import RuleViolations, rule_violations
from netlists.netlist import Ints
from netlists.placement import TOUCH, Placement, Violations

COUNTS = (
    "overlaps", "fixed_overlaps", "out_of_canvas", "fixed_out_of_canvas", "macros_outside_rows", "macros_off_rows",
    "cell_overlaps", "cells_out_of_canvas", "cells_off_rows",
    "macros_too_close", "macros_outside_fences", "macros_misoriented", "macros_off_grid",
)  # fmt: skip
"""Keys of `Legality.counts`:
    overlaps             pairs of hard macros that overlap
    fixed_overlaps       of these, pairs of two fixed macros, which no placer can repair
    out_of_canvas        hard macros that extend beyond the canvas
    fixed_out_of_canvas  of these, fixed macros
    macros_outside_rows  movable hard macros on a part of the canvas that no row covers (see `netlists.rows.cover`)
    macros_off_rows      movable hard macros whose lower-left corner is not on a site of a row, if the design has rows
    cell_overlaps        cells that overlap another cell or a hard macro, unless both are fixed
    cells_out_of_canvas  movable cells that extend beyond the canvas
    cells_off_rows       movable cells that are not on the sites of rows and inside them
    macros_too_close     pairs of hard macros that neither touch as they may nor are a channel apart
    macros_outside_fences  movable hard macros outside their fence or guide, or too near the canvas edge
    macros_misoriented   movable hard macros in an orientation that is not allowed
    macros_off_grid      movable hard macros whose lower-left corner is not on the grid of the constraints
"""


@dataclass(frozen=True, eq=False)
class Legality:
    """What is wrong with a placement, as node indices."""

    macros: Violations
    macros_off_rows: Ints  # [K] movable hard macros whose lower-left corner is not on a site of a row
    cells: CellViolations
    rules: RuleViolations

    @property
    def counts(self) -> dict[str, int]:
        """The number of each of `COUNTS`."""
        macros, cells, rules = self.macros, self.cells, self.rules
        numbers = (
            len(macros.overlaps) + len(macros.fixed_overlaps), len(macros.fixed_overlaps),
            len(macros.out_of_canvas) + len(macros.fixed_out_of_canvas), len(macros.fixed_out_of_canvas),
            len(macros.outside_rows), len(self.macros_off_rows),
            len(cells.overlaps), len(cells.out_of_canvas), len(cells.off_rows),
            len(rules.close), len(rules.outside), len(rules.turned), len(rules.off_grid),
        )  # fmt: skip
        return dict(zip(COUNTS, numbers, strict=True))


def legality(placement: Placement) -> Legality:
    """The verdict on a placement; sizes are used as they are stored, whatever the orientation.

    Overlaps and misalignments of up to `TOUCH` times the longer side of the canvas are rounding and do not count.
    """
    return Legality(
        placement.violations(), macros_off_rows(placement), cell_violations(placement), rule_violations(placement)
    )


def macros_off_rows(placement: Placement) -> Ints:
    """[K] the movable hard macros whose lower-left corner is not on a site of a row.

    There are none in a design without rows, or from a DEF file, whose rows are cut around macros.
    """
    n = placement.netlist
    if n.rows is None or n.def_file:
        return np.empty(0, dtype=np.int64)
    macros = n.movable_hard
    corner = placement.position_um[macros] - n.size_um[macros] / 2
    return macros[~on_sites(corner, n.rows, TOUCH * max(n.canvas_um))]


def is_legal(counts: Mapping[str, Any]) -> bool | None:
    """Whether all of `COUNTS` are 0; None if the mapping lacks those that every verdict has."""
    if "overlaps" not in counts or "out_of_canvas" not in counts:
        return None
    return not any(counts.get(key, 0) for key in COUNTS)
