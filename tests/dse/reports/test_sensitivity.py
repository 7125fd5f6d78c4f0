"""Explained variance of functions for which it is known, and sweeps against designs evaluated one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.reports.sensitivity import BINS, MOST_VALUES, assign_bins, compute_main_effects, sweep_parameters
from tests.dse.toy import space, toy

__all__ = ["toy"]


def test_effects_on_a_sum_are_the_variances_of_its_terms() -> None:
    rng = np.random.default_rng(1)
    a, b, c = rng.integers(0, 4, 20_000), rng.integers(0, 6, 20_000), rng.integers(0, 3, 20_000)
    values = np.stack([3.0 * a + 1.0 * b, 5.0 * (c == 1)], axis=1)
    names = np.array(["red", "green", "blue"])
    effects = compute_main_effects({"a": a.tolist(), "b": b.tolist(), "c": names[c].tolist()}, values)
    of_a, of_b = 9 * (4**2 - 1) / 12, (6**2 - 1) / 12  # variances of uniform integers
    assert effects[:, 0] == pytest.approx([of_a / (of_a + of_b), of_b / (of_a + of_b), 0.0], abs=0.01)
    assert effects[:, 1] == pytest.approx([0.0, 0.0, 1.0], abs=0.01)


def test_a_product_leaves_variance_to_the_combination() -> None:
    a, b = np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0])
    rows = np.tile(np.stack([a.ravel(), b.ravel()]), 200)
    effects = compute_main_effects({"a": rows[0].tolist(), "b": rows[1].tolist()}, (rows[0] * rows[1])[:, None])
    assert effects[:, 0] == pytest.approx([0.0, 0.0], abs=1e-3)


def test_many_values_are_binned() -> None:
    rng = np.random.default_rng(2)
    x, noise = rng.uniform(0, 1, 50_000), rng.uniform(0, 1, 50_000)
    effects = compute_main_effects({"x": x.tolist(), "noise": noise.tolist()}, (10 * x)[:, None])
    assert len(np.unique(assign_bins(x.tolist()))) == BINS
    # Within a bin of a 16th the values still vary by a 256th of their variance.
    assert effects[:, 0] == pytest.approx([1 - 1 / BINS**2, 0.0], abs=2e-3)
    assert len(np.unique(assign_bins([0.0] * 1000 + list(range(100))))) <= BINS


def test_a_parameter_counts_for_designs_that_have_it() -> None:
    rng = np.random.default_rng(3)
    has, x = rng.integers(0, 2, 10_000).astype(bool), rng.integers(0, 5, 10_000)
    values = np.where(has, 2.0 * x, 100.0)[:, None]
    column = [int(value) if own else None for value, own in zip(x, has, strict=True)]
    assert compute_main_effects({"x": column}, values)[0, 0] == pytest.approx(1.0)
    assert compute_main_effects({"x": x.tolist()}, values)[0, 0] < 0.01


def test_nothing_to_explain_and_too_few_designs() -> None:
    assert np.isnan(compute_main_effects({"x": [1, 2, 3, 4] * 5}, np.full((20, 1), 0.1))).all()
    assert np.isnan(compute_main_effects({"x": [1, 2, 3]}, np.array([[1.0], [2.0], [3.0]]))).all()
    assert np.isnan(compute_main_effects({"x": []}, np.zeros((0, 2)))).all()
    assert np.isnan(compute_main_effects({"x": [None, None]}, np.array([[1.0], [2.0]]))).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(30, 200), st.integers(1, 40))
def test_effects_are_fractions_whatever_the_order_and_the_scale(seed: int, n: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, count, n), rng.normal(size=(n, 2))
    effects = compute_main_effects({"x": x.tolist()}, y)
    known = ~np.isnan(effects)
    assert ((effects[known] >= 0) & (effects[known] <= 1 + 1e-12)).all()
    order = rng.permutation(n)
    again = compute_main_effects({"x": x[order].tolist()}, 3.0 - 7.0 * y[order])
    np.testing.assert_allclose(again, effects, atol=1e-9)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("number", [0, 777, 1500])
def test_a_sweep_changes_one_parameter_and_nothing_else(number: int) -> None:
    small = space()
    everything = small.values(np.arange(small.size))
    own = dict(zip(small.parameters, everything[number].tolist(), strict=True))
    found = sweep_parameters(small, number)
    assert [sweep.name for sweep in found] == ["rows", "columns", "buffer_kb", "order", "clock_mhz"]
    for sweep in found:
        choices = small.parts[0].choices[sweep.name].tolist()
        assert len(sweep.values) == len(choices)
        for k, value in enumerate(choices):
            index = np.flatnonzero((everything == list((own | {sweep.name: value}).values())).all(axis=1))
            alone = small.evaluate(index)
            assert sweep.feasible[k] == alone.feasible[0]
            assert sweep.reasons[k] == small.reasons[alone.reason[0]]
            for name, values in sweep.metrics.items():
                np.testing.assert_equal(values[k], alone.metrics[name][0])
        assert choices[sweep.own] == own[sweep.name]
    assert found[3].values == ["first", "second"]
    reasons = {reason for sweep in found for reason in sweep.reasons}
    assert "the buffer is smaller than one kernel" in reasons


@pytest.mark.usefixtures("toy")
def test_long_lists_are_thinned_and_keep_the_value_of_the_design() -> None:
    long = space(parameters={"rows": {"from": 1, "to": 1000}, "buffer_kb": 64}, conditions=None)
    (sweep,) = sweep_parameters(long, 501)
    assert len(sweep.values) in (MOST_VALUES, MOST_VALUES + 1)
    assert (sweep.values[0], sweep.values[sweep.own], sweep.values[-1]) == (1, 502, 1000)
    assert sweep_parameters(space(parameters={"rows": 8, "buffer_kb": 64}), 0) == []
