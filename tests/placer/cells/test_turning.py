"""Macros turned for wirelength: as an obvious search does it, among allowed orientations, and never for the worse."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.constraints import Constraints, Turns
from netlists.legality.rules import rules
from netlists.netlist import ORIENTATIONS, Netlist
from netlists.placement import Placement
from placer.cells.turning import SWEEPS, turn_macros
from placer.cost import evaluate
from tests.placer.cells.test_place import flat


def turned_slowly(placement: Placement) -> Placement:
    """Each macro in turn in the first of the best of its four mirrored forms, by the HPWL of the whole netlist."""
    n, orientation = placement.netlist, placement.orientation.copy()
    for _ in range(SWEEPS):
        for v in n.movable_hard:
            lengths = {}
            for code in (orientation[v] ^ k for k in range(4)):
                if code == orientation[v] or not n.constraints or rules(n).allowed[v, code]:
                    trial = orientation.copy()
                    trial[v] = code
                    lengths[code] = evaluate(Placement(n, placement.position_um, trial)).hpwl_um
            orientation[v] = min(lengths, key=lambda code, of=lengths: round(of[code], 6))  # type: ignore[misc]
    return Placement(n, placement.position_um, orientation)


def somewhere(seed: int, netlist: Netlist) -> Placement:
    rng = np.random.default_rng(seed)
    orientation = netlist.orientation.copy()
    orientation[:4] = rng.integers(0, 8, 4)
    anywhere = rng.random(netlist.position_um.shape) * netlist.canvas_um
    position = np.where(netlist.fixed[:, None], netlist.position_um, anywhere)
    return Placement(netlist, position, orientation)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_macros_are_turned_as_an_obvious_search_turns_them(seed: int) -> None:
    start = somewhere(seed, flat(seed % 3, cells=40))
    turned = turn_macros(start)
    np.testing.assert_array_equal(turned.orientation, turned_slowly(start).orientation)
    np.testing.assert_array_equal(turned.position_um, start.position_um)
    assert evaluate(turned).hpwl_um <= evaluate(start).hpwl_um * (1 + 1e-12)


def test_macros_that_may_not_be_turned_stay() -> None:
    n = flat(cells=40)
    upright = Constraints(turns=(Turns("*", ("N", "S")),))
    free, bound = (turn_macros(somewhere(1, each)).orientation for each in (n, n.with_(constraints=upright)))
    assert {ORIENTATIONS[code] for code in free[:4]} - {"N", "S"}
    start = somewhere(1, n).orientation
    for v in range(4):
        assert bound[v] == start[v] or ORIENTATIONS[bound[v]] in ("N", "S")
