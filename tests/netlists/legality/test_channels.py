"""Slivers, blocked pin sides, macros off tracks: answers known on paper."""

from __future__ import annotations

import numpy as np

from netlists.constraints import Constraints, Halo
from netlists.legality.channels import find_channels
from netlists.legality.rules import LEFT, RIGHT
from netlists.netlist import Kind, TrackGrid
from tests.netlists.legality.test_rules import at, two_macros

HALO = Halo("*", 5.0, 5.0, 5.0, 5.0)


def test_a_gap_between_macros_that_face_each_other_is_a_sliver() -> None:
    found = find_channels(at(two_macros(), (60.0, 50.0, "N"), (83.0, 54.0, "N")), 10.0)
    assert found.slivers.tolist() == [[70.0, 49.0, 73.0, 55.0]]
    assert not len(find_channels(at(two_macros(), (60.0, 50.0, "N"), (83.0, 54.0, "N")), 3.0).slivers)
    assert not len(find_channels(at(two_macros(), (60.0, 50.0, "N"), (83.0, 61.0, "N")), 10.0).slivers)
    assert not len(find_channels(at(two_macros(), (60.0, 50.0, "N"), (80.0, 50.0, "N")), 10.0).slivers)


def test_cells_in_slivers_are_found() -> None:
    netlist = two_macros(count=3)
    netlist = netlist.with_(
        kind=np.array([Kind.HARD, Kind.HARD, Kind.CELL], dtype=np.int8),
        size_um=np.array([[20.0, 10.0], [20.0, 10.0], [1.0, 1.0]]),
    )  # fmt: skip
    inside = at(netlist, (60.0, 50.0, "N"), (83.0, 50.0, "N"), (71.0, 50.0, "N"))
    assert find_channels(inside, 10.0).cells.tolist() == [2]
    assert not len(find_channels(at(netlist, (60.0, 50.0, "N"), (83.0, 50.0, "N"), (71.0, 90.0, "N")), 10.0).cells)


def test_pins_that_touch_or_are_in_the_halo_are_blocked() -> None:
    netlist = two_macros(Constraints(halos=(HALO,)))
    face_to_face = find_channels(at(netlist, (60.0, 50.0, "FN"), (82.0, 50.0, "N")))
    assert face_to_face.blocked_sides.tolist() == [[0, RIGHT], [1, LEFT]]
    assert not len(find_channels(at(netlist, (60.0, 50.0, "N"), (80.0, 50.0, "FN"))).blocked_sides)
    assert find_channels(at(netlist, (60.0, 50.0, "N"), (12.0, 50.0, "N"))).blocked_sides.tolist() == [[1, LEFT]]
    assert find_channels(at(two_macros(), (60.0, 50.0, "N"), (10.0, 50.0, "N"))).blocked_sides.tolist() == [[1, LEFT]]


def test_macros_off_their_tracks() -> None:
    grid = TrackGrid(np.array([[0.0, 0.5], [0.0, 0.5]]), np.full((2, 8, 2), 0.1))
    placement = at(two_macros().with_(tracks=grid), (60.03, 50.1, "N"), (100.0, 50.0, "N"))
    assert find_channels(placement).off_tracks.tolist() == [1]
    assert list(find_channels(placement).counts.values()) == [0, 0, 0, 1]
