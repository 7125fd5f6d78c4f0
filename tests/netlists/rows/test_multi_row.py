"""Nodes higher than a row: standard cells or macros."""

from __future__ import annotations

import numpy as np
import pytest

from netlists.formats.bookshelf.reader import read
from netlists.rows.multi_row import is_cell, rows_high
from tests.designs import case


@pytest.mark.parametrize(
    ("size", "cell"),
    [
        ((6, 12), True),
        ((60, 12), True),  # one row high, whatever the width
        ((9, 24), True),
        ((20, 36), True),
        ((20, 48), True),
        ((20, 48.1), False),
        ((20, 60), False),  # five rows
        ((37, 24), False),  # as wide as a macro
        ((9, 18), True),  # one row and a half: takes two
    ],
)
def test_cells_are_low_and_narrow(size: tuple[float, float], cell: bool) -> None:
    others = [(4, 12), (6, 12), (8, 12), (0, 0)]
    assert is_cell(np.array([*others, size], dtype=float), 12.0).tolist() == [True, True, True, True, cell]


def test_without_cells_of_one_row_all_others_are_macros() -> None:
    sizes = np.array([(60, 48), (60, 48), (9, 24), (0, 0)], dtype=float)
    assert is_cell(sizes, 12.0).tolist() == [False, False, False, True]


def test_rows_a_cell_takes() -> None:
    heights = np.array([0.0, 5.0, 12.0, 12.0 + 1e-9, 18.0, 24.0, 36.0 - 1e-9, 48.1])
    assert rows_high(heights, 12.0, 1e-6).tolist() == [1, 1, 1, 1, 2, 2, 3, 5]


@pytest.mark.parametrize(
    ("name", "cells", "macros"),
    [("b07_multirow_cells", 4500, 1), ("b12_only_macros", 0, 4), ("b14_L_shape_rows", 60, 5)],
)
def test_inputs(name: str, cells: int, macros: int) -> None:
    n = read(case(name) / f"{name}.aux")  # not `load`, which refuses the first one as too full
    assert (len(n.cells), len(n.movable_hard)) == (cells, macros)
