"""Costs from scratch: for any number of shares, maps and terms are those of the full evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placer.cost import evaluate
from placer.cost.recompute import count_sums, recompute, set_from_sums, sum_share, update_pins
from placer.cost.state import CONGESTION, DENSITY, HPWL, PROXY, WIRELENGTH, new_state
from tests.placer.cost.test_proxy import random_placement


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 7), st.integers(1, 9))
def test_shares_add_up_to_the_exact_cost(seed: int, rows: int, cols: int, shares: int) -> None:
    placement = random_placement(seed, rows, cols, 1, False)
    whole = new_state(placement.netlist, placement.position_um, placement.orientation)
    recompute(whole)
    shared = new_state(placement.netlist, placement.position_um, placement.orientation)
    for v in range(placement.netlist.num_nodes):
        update_pins(shared, v)
    sums = np.full((shares, count_sums(shared)), np.nan)
    for k in range(shares):
        sum_share(shared, sums[k], k, shares)
    set_from_sums(shared, sums.sum(axis=0))
    for name in ("pin_um", "trial_pin_um", "pin_cell", "trial_pin_cell"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(whole, name))
    for name in ("density", "trial_density", "congestion", "trial_congestion"):
        np.testing.assert_allclose(getattr(shared, name), getattr(whole, name), atol=1e-12)
    assert not shared.vertical_ends.any()
    assert not shared.horizontal_ends.any()
    cost = evaluate(placement)
    for part, value in ((WIRELENGTH, cost.wirelength), (DENSITY, cost.density), (CONGESTION, cost.congestion),
                        (HPWL, cost.hpwl_um), (PROXY, cost.proxy)):  # fmt: skip
        assert shared.terms[part] == pytest.approx(value, rel=1e-9, abs=1e-12)
        assert whole.terms[part] == pytest.approx(value, rel=1e-9, abs=1e-12)
