"""A packing is legal, is found even if there are few, and a hopeless search ends in time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from netlists.netlist import Netlist
from netlists.synthetic.generate import GeneratorSettings, generate, random_case
from placer.legalization.displacement import disjoint
from placer.legalization.packing import inflate, pack
from tests.placer.legalization.test_legalize import blocks


def is_legal(netlist: Netlist, spacings_um: tuple[float, ...]) -> bool:
    packing = pack(netlist, spacings_um)
    assert packing is not None
    center, spacing = packing
    assert spacing in spacings_um
    size, obstacle = inflate(netlist, spacing)
    return disjoint(center, size * (1 - 1e-12), obstacle, *netlist.canvas_um, 0.0)


@pytest.mark.parametrize("seed", range(12))
def test_packings_are_legal_and_widely_spaced_if_there_is_room(seed: int) -> None:
    netlist = generate(random_case(seed, low=0.5), seed)
    assert is_legal(netlist, (1e-3, 0.0))


def test_the_place_between_fixed_macros_is_found() -> None:
    # Columns of fixed macros leave a gap for each movable one; only one assignment fits them all.
    wide = np.array([18.0, 14.0, 10.0, 6.0, 2.0])
    walls = np.cumsum(np.concatenate([[0.0], wide + 10])) + 5
    size = [(10.0, 100.0)] * 6 + [(w, 90.0) for w in wide]
    netlist = blocks(
        size, (float(walls[-1] + 5), 100.0), fixed=np.arange(11) < 6,
        position_um=np.vstack([np.column_stack([walls, np.full(6, 50.0)]), np.zeros((5, 2))]),
    )  # fmt: skip
    assert is_legal(netlist, (0.0,))


def test_two_large_macros_find_the_only_corners_for_both() -> None:
    # Each of the two has many places, but together they must be at opposite ends.
    netlist = blocks([(55.0, 70.0), (44.0, 95.0), (40.0, 25.0), (10.0, 28.0)], (100.0, 100.0))
    assert is_legal(netlist, (1e-4, 0.0))


def test_the_widest_spacing_with_room_is_kept() -> None:
    netlist = blocks([(10.0, 10.0)] * 9, (33.0, 33.0))
    for wide, expected in ((0.5, 0.5), (2.0, 0.1)):
        packing = pack(netlist, (wide, 0.1))
        assert packing is not None
        assert packing[1] == expected


def test_the_same_netlist_is_packed_once() -> None:
    netlist = generate(GeneratorSettings(hard_macros=60, hard_coverage=0.7, nets=0), 0)
    first, again = pack(netlist, (0.0,)), pack(netlist, (0.0,))
    assert first is again
    assert first is not None
    assert not first[0].flags.writeable


@pytest.mark.parametrize("macros", [3, 30, 300])
def test_a_hopeless_search_ends(macros: int) -> None:
    # Three macros of which no two fit side by side and no three one above the other, and any number of small ones.
    start = time.process_time()
    assert pack(blocks([(51.0, 34.0)] * 3 + [(1.0, 1.0)] * macros, (100.0, 100.0)), (0.0,)) is None
    assert time.process_time() - start < 20  # about 2 s
