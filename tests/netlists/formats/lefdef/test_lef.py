"""LEF libraries: geometry known on paper, and files that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlists.errors import NetlistError
from netlists.formats.lefdef.lef import Library, read_lef, union_area
from tests.netlists.formats.lefdef.inputs import LEF, write


def library(folder: Path, text: str = LEF) -> Library:
    return read_lef([write(folder, lef_text=text)[1]])


def test_masters(tmp_path: Path) -> None:
    ram = library(tmp_path).masters["RAM"]
    assert (ram.master_class, ram.size_um, ram.symmetry) == ("BLOCK", (20.0, 10.0), frozenset({"X", "Y", "R90"}))
    assert list(ram.pins) == ["A[0]", "Q", "VDD"]
    assert ram.pins["A[0]"].center_um == (4.0, 8.0)  # (3, 6), moved by the origin (1, 2)
    assert ram.pins["Q"].shapes == (("M2", 18.0, 1.0, 20.0, 5.0),)  # a path of width 2
    assert ram.pins["Q"].drives
    assert ram.pins["VDD"].is_supply
    assert ram.pins["VDD"].center_um is None
    assert ram.is_macro


def test_obstructions_block_layers(tmp_path: Path) -> None:
    ram = library(tmp_path).masters["RAM"]
    assert ram.blocked_fraction("M2") == 1.0
    assert ram.blocked_fraction("M3") == pytest.approx(9 / 20)  # one box from the first to the last repetition
    assert ram.blocked_fraction("M1") == 0.0


def test_sites_layers_and_grid(tmp_path: Path) -> None:
    found = library(tmp_path)
    assert found.sites["core"].size_um == (0.5, 2.0)
    assert list(found.layers) == ["M1", "M2", "M3"]  # the cut layer is none
    assert found.layers["M2"].pitch_um == (0.25, 0.2)
    assert found.grid_um == 0.005


def test_what_is_defined_twice_counts_once(tmp_path: Path) -> None:
    file = write(tmp_path)[1]
    assert read_lef([file, file]).repeated == 6
    assert len(read_lef([file, file]).masters) == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("END RAM", "END ROM", r"chip.lef:\d+: found `END 'ROM'` in MACRO RAM; expected `END RAM`"),
        ("SIZE 20 BY 10 ;", "", "MACRO RAM has no SIZE"),
        ("SIZE 20 BY 10 ;", "SIZE 20 BY ten ;", "SIZE of macro RAM: found 'ten'"),
        ("SIZE 20 BY 10 ;", "SIZE 20 BY -1 ;", "expected numbers of at least 0"),
        ("RECT 2 5 4 7 ;", "RECT 2 5 4 ;", "has 3 numbers; expected 4"),
        ("RECT 2 5 4 7 ;", "POLYGON ;", "has no points"),
        ("END V12", "END V13", "VIA V12 has no end"),
        ("VERSION 5.8 ;", "5.8 ;", r"chip.lef:1: found '5.8'; expected a LEF statement"),
    ],
)
def test_wrong_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in LEF
    with pytest.raises(NetlistError, match=message):
        library(tmp_path, LEF.replace(old, new, 1))


@pytest.mark.parametrize("part", range(40, len(LEF) - 15, 97))
def test_a_truncated_file_is_refused_or_what_was_read_is_whole(tmp_path: Path, part: int) -> None:
    try:
        found = library(tmp_path, LEF[:part])
    except NetlistError:
        return
    assert all(len(master.pins) >= 2 for master in found.masters.values())


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 4), max_size=6))
def test_area_of_a_union_counts_every_square_once(corners: list[tuple[int, int, int, int]]) -> None:
    boxes = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners]
    squares = {(x, y) for a, b, c, d in boxes for x in range(a, c) for y in range(b, d)}
    assert union_area(np.array(boxes, dtype=float).reshape(-1, 4)) == len(squares)
