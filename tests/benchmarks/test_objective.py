"""The study of objectives exchanges only equal macros and prints rank correlations that are known."""

from __future__ import annotations

import numpy as np

from netlists.placement import Placement
from netlists.synthetic.tiny import tiny_netlist_with_rows
from tests.benchmarks import flat
from tests.benchmarks.objective import correlations, exchanged
from tests.benchmarks.test_flat import CORNERS, places_of


def test_exchanged_macros_take_each_others_places() -> None:
    chip = tiny_netlist_with_rows()
    start = flat.put(chip, places_of(chip, *CORNERS))
    seen = set()
    for seed in range(20):
        other: Placement = exchanged(start, 1, seed)
        places = [tuple(at) for at in other.position_um[chip.hard]]
        assert sorted(places) == sorted(tuple(at) for at in start.position_um[chip.hard])
        np.testing.assert_array_equal(other.position_um[chip.cells], start.position_um[chip.cells])
        seen.add(tuple(places))
    assert len(seen) == 4  # as it was, and each of the three pairs


def test_correlations_of_orders() -> None:
    routed = [1.0, 2.0, 3.0, 4.0]
    rows = [{"routed_um": x, "overflow": 0.0, "same": 10 * x, "reverse": -x, "none": 1.0} for x in routed]
    lines = [line.split() for line in correlations(rows)]
    assert lines[1:] == [["same", "1.00", "1.00"], ["reverse", "-1.00", "-1.00"], ["none", "0.00", "0.00"]]
