"""Fresh sums: however many share them, the maps and costs are those of the full evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.cost import evaluate
from placer.cost.fresh import add_up, reset, size_of_sums, stand, take
from placer.cost.state import CONGESTION, DENSITY, HPWL, PROXY, WIRELENGTH, new_state
from tests.placer.cost.test_proxy import random_placement


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 7), st.integers(1, 9))
def test_shares_sum_up_to_the_exact_cost(seed: int, rows: int, cols: int, shares: int) -> None:
    placement = random_placement(seed, rows, cols, 1, False)
    whole = new_state(placement.netlist, placement.position_um, placement.orientation)
    reset(whole)
    shared = new_state(placement.netlist, placement.position_um, placement.orientation)
    for v in range(placement.netlist.num_nodes):
        stand(shared, v)
    sums = np.full((shares, size_of_sums(shared)), np.nan)
    for k in range(shares):
        add_up(shared, sums[k], k, shares)
    take(shared, sums.sum(axis=0))
    for name in ("point", "tried_point", "cell", "tried_cell"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(whole, name))
    for name in ("density", "tried_density", "load", "tried_load"):
        np.testing.assert_allclose(getattr(shared, name), getattr(whole, name), atol=1e-12)
    assert not shared.up.any()
    assert not shared.across.any()
    cost = evaluate(placement)
    for part, value in ((WIRELENGTH, cost.wirelength), (DENSITY, cost.density), (CONGESTION, cost.congestion),
                        (HPWL, cost.hpwl_um), (PROXY, cost.proxy)):  # fmt: skip
        assert shared.parts[part] == pytest.approx(value, rel=1e-9, abs=1e-12)
        assert whole.parts[part] == pytest.approx(value, rel=1e-9, abs=1e-12)
