"""Standard cells higher than a row: which nodes of a design are multi-row cells, and how many rows each takes.

Bookshelf has no node types: a movable node higher than a row is a macro or a multi-row cell.  Flip-flops and buffers of
two to four rows are about as wide as other cells; macros are far wider (in the ICCAD-04 designs at least 15 times).
"""

from __future__ import annotations

import numpy as np

from netlists.netlist import Bools, Floats, Ints
from netlists.tolerance import TOUCH

MAX_ROWS = 4
"""A multi-row cell is at most this many rows high."""

MAX_WIDTHS = 6.0
"""A multi-row cell is at most this many times as wide as the median of the cells of one row."""


def is_cell(size: Floats, row_height: float) -> Bools:
    """[V] whether nodes of sizes [V, 2] are standard cells: no higher than a row, or multi-row cells.

    Sizes and `row_height` share one unit.  If there are no cells of one row to compare with, no node is taken for a
    multi-row cell.
    """
    low: Bools = size[:, 1] <= row_height
    with_area = low & (size > 0).all(axis=1)
    if not with_area.any():
        return low
    narrow = size[:, 0] <= MAX_WIDTHS * np.median(size[with_area, 0])
    return np.asarray(low | (narrow & (size[:, 1] <= MAX_ROWS * row_height * (1 + TOUCH))))


def rows_high(height: Floats, row_height: float, slack: float) -> Ints:
    """[C] number of rows, at least 1, that cells of heights [C] take.

    An excess of up to `slack` over a whole number of rows is rounding.  All lengths share one unit.
    """
    count = np.ceil((height - slack) / row_height).astype(np.int64)
    return np.maximum(count, 1)
