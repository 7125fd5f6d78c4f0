"""A packing is legal, is found where few are, and is given up in time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from netlists.netlist import Netlist
from netlists.synthetic.generate import GeneratorSettings, generate, random_case
from placer.legalization.displacement import disjoint
from placer.legalization.packing import grown, packing
from tests.placer.legalization.test_legalize import blocks


def is_legal(netlist: Netlist, spacings_um: tuple[float, ...]) -> bool:
    found = packing(netlist, spacings_um)
    assert found is not None
    center, spacing = found
    assert spacing in spacings_um
    size, obstacle = grown(netlist, spacing)
    return disjoint(center, size * (1 - 1e-12), obstacle, *netlist.canvas_um, 0.0)


@pytest.mark.parametrize("seed", range(12))
def test_packings_are_legal_and_widely_spaced_where_there_is_room(seed: int) -> None:
    netlist = generate(random_case(seed, low=0.5), seed)
    assert is_legal(netlist, (1e-3, 0.0))


def test_the_place_between_fixed_macros_is_found() -> None:
    # Columns of fixed macros leave a gap for each movable one; only one order of gaps takes them all.
    wide = np.array([18.0, 14.0, 10.0, 6.0, 2.0])
    walls = np.cumsum(np.concatenate([[0.0], wide + 10])) + 5
    size = [(10.0, 100.0)] * 6 + [(w, 90.0) for w in wide]
    netlist = blocks(
        size, (float(walls[-1] + 5), 100.0), fixed=np.arange(11) < 6,
        position_um=np.vstack([np.column_stack([walls, np.full(6, 50.0)]), np.zeros((5, 2))]),
    )  # fmt: skip
    assert is_legal(netlist, (0.0,))


def test_two_large_macros_find_the_only_corners_for_both() -> None:
    # Either alone has many places, together they have to stand at opposite ends.
    netlist = blocks([(55.0, 70.0), (44.0, 95.0), (40.0, 25.0), (10.0, 28.0)], (100.0, 100.0))
    assert is_legal(netlist, (1e-4, 0.0))


def test_the_widest_spacing_with_room_is_kept() -> None:
    netlist = blocks([(10.0, 10.0)] * 9, (33.0, 33.0))
    for wide, kept in ((0.5, 0.5), (2.0, 0.1)):
        found = packing(netlist, (wide, 0.1))
        assert found is not None
        assert found[1] == kept


def test_the_same_netlist_is_packed_once() -> None:
    netlist = generate(GeneratorSettings(hard_macros=60, hard_coverage=0.7, nets=0), 0)
    first, again = packing(netlist, (0.0,)), packing(netlist, (0.0,))
    assert first is again
    assert first is not None
    assert not first[0].flags.writeable


@pytest.mark.parametrize("macros", [3, 30, 300])
def test_the_hopeless_is_given_up(macros: int) -> None:
    # Three macros of which no two fit side by side and no three above each other, and as many as wanted besides.
    start = time.process_time()
    assert packing(blocks([(51.0, 34.0)] * 3 + [(1.0, 1.0)] * macros, (100.0, 100.0)), (0.0,)) is None
    assert time.process_time() - start < 20  # about 2 s
