"""Rows derived from cells: they depend on sizes alone, are reproducible, and a note describes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netlists import load, save
from netlists.netlist import Netlist, Rows
from netlists.rows.derived import add_note, cell_rows
from tests.designs import case, design


def chip(widths: list[float], heights: list[float], canvas: tuple[float, float] = (100.0, 100.0)) -> Netlist:
    """A macro and cells of these sizes, without rows."""
    cells = [(0.0, 0.0, w, h) for w, h in zip(widths, heights, strict=True)]
    return design([(0, 0, 20, 20)], cells, canvas=canvas)


@pytest.mark.parametrize(
    ("widths", "heights", "canvas", "expected"),  # height and site of a row, levels, sites
    [
        ([0.38, 0.57, 0.95], [1.4] * 3, (20, 20), (1.4, 0.19, 14, 105)),  # NanGate45
        ([0.054 * k for k in (3, 5, 8)], [0.27] * 3, (20, 20), (0.27, 0.054, 74, 370)),  # ASAP7
        ([2.0, 2.0], [2.0, 2.0], (200, 200), (2.0, 0.5, 100, 400)),  # one width: four sites per height
        ([12.0, 18.0], [2.0, 2.0], (200, 200), (2.0, 0.5, 100, 400)),
        ([0.1234, 0.4321], [0.64] * 2, (20, 20), (0.64, 0.01, 31, 2000)),  # no common divisor
        ([4.0, 6.0, 8.0], [8.0, 8.0, 16.0], (100, 100), (8.0, 2.0, 12, 50)),  # most are 8 high
        ([4.0] * 12, [3.0 + k for k in range(12)], (100, 100), (8.5, 2.0, 11, 50)),  # the median of 12 heights
    ],
)
def test_rows_follow_from_the_cells(
    widths: list[float], heights: list[float], canvas: tuple[float, float], expected: tuple[float, float, int, int]
) -> None:
    n = chip(widths, heights, canvas)
    rows = cell_rows(n)
    assert rows is not None
    result = (rows.height_um[0], rows.site_um[0], len(rows), rows.num_sites[0])
    assert result == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(rows.y_um, expected[0] * np.arange(len(rows)))
    assert not rows.x_um.any()
    assert np.ptp(rows.num_sites) == 0


def test_no_rows_without_cells_or_room() -> None:
    assert cell_rows(design([(0, 0, 20, 20)])) is None
    assert cell_rows(chip([2.0], [31.0], (30.0, 30.0))) is None
    assert cell_rows(chip([2.0], [0.0])) is None
    fixed = chip([2.0], [2.0])
    assert cell_rows(fixed.with_(fixed=np.array([False, True]))) is None


def test_rows_of_the_netlist_are_kept() -> None:
    rows = Rows(np.zeros(1), np.zeros(1), np.full(1, 5.0), np.ones(1), np.array([40]))
    n = chip([2.0], [2.0]).with_(rows=rows)
    assert cell_rows(n) is rows
    assert add_note(n) is n


def test_a_note_describes_the_rows() -> None:
    n = chip([0.38, 0.57], [1.4, 1.4], (20, 20))
    (note,) = add_note(n).notes
    assert "2 standard cells but no rows" in note
    assert "14 rows 1.4 µm high with sites 0.19 µm wide" in note
    assert not add_note(design([(0, 0, 20, 20)])).notes


@pytest.mark.parametrize("suffix", [".pb.txt", ".aux"])
def test_a_netlist_read_again_has_the_same_rows(suffix: str, tmp_path: Path) -> None:
    n = chip([0.38, 0.57], [1.4, 1.4], (40, 40))
    save(n, tmp_path / f"chip{suffix}")
    again = load(tmp_path / f"chip{suffix}")
    assert again.rows is None
    assert len(again.notes) == 1
    for before, after in zip(vars(cell_rows(n)).values(), vars(cell_rows(again)).values(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_flat_input_without_rows() -> None:
    n = load(case("p16_flat_without_rows"))
    assert "200 standard cells but no rows: they are placed on 100 rows 2 µm high" in n.notes[-1]
