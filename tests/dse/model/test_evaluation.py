"""Evaluations of one design: sums over some layers, means over several networks, designs that do not run."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from dse.model.design import Design
from dse.model.evaluation import Evaluation, evaluate, mean_metrics
from dse.templates.base import Count
from dse.workloads.layers import Kind, Layer, Network, conv

DESIGN = Design(
    template="systolic", technology="28nm", search_mapping=False,
    parameters={"rows": 8, "columns": 8, "input_kb": 16, "weight_kb": 16, "output_kb": 16},
)  # fmt: skip
TWICE = Network("twice", (conv("a", (8, 8), 12, 3, repeat=2), Layer("b", Kind.FC, 100, 50)))
WIDE = Network("wide", (conv("fits", (8, 8), 12, 3), conv("wide", (8, 8), 3000, 3)))


def test_sums_count_repeats() -> None:
    run = evaluate(DESIGN, TWICE)
    a, b = (run.cost.counts[0, layer] for layer in (0, 1))
    assert run.feasible
    assert run.reasons == ["", ""]
    np.testing.assert_array_equal(run.totals().counts[0], 2 * a + b)
    np.testing.assert_array_equal(run.totals([1]).counts[0], b)
    assert not run.totals([]).counts.any()
    assert run.metrics([0])["cycles"] == 2 * a[: Count.STALL + 1].sum()


def test_units_of_a_cost() -> None:
    """A clock of 250 MHz takes 4 ns, and 8 bits are a byte."""
    cost = evaluate(DESIGN.model_copy(update={"parameters": {**DESIGN.parameters, "clock_mhz": 250}}), TWICE).cost
    np.testing.assert_allclose(cost.seconds, cost.cycles * 4e-9, rtol=1e-12)
    for level, first in (("dram", Count.DRAM_INPUT), ("register", Count.REGISTER_INPUT)):
        np.testing.assert_array_equal(8 * cost.bytes_moved(level), cost.counts[..., first : first + 3])
    macs = [8 * 8 * 9 * 100, 100 * 50]
    np.testing.assert_allclose(cost.utilization, [macs] / (cost.cycles * 64))


def test_a_layer_that_does_not_run_has_no_sum() -> None:
    run = evaluate(DESIGN, WIDE)
    assert not run.feasible
    assert run.reasons == ["", "half the input buffer does not hold the input lines that one tile needs"]
    assert run.totals().reason[0] == run.cost.reason[0, 1] > 0
    assert not run.totals().counts.any()
    assert run.totals([0]).reason[0] == 0
    assert isnan(run.metrics()["cycles"])
    assert run.metrics()["multipliers"] == 64


def mean_of(*networks: Network) -> tuple[list[Evaluation], dict[str, float]]:
    runs = [evaluate(DESIGN, network) for network in networks]
    return runs, mean_metrics(runs, [1.0, 3.0])


def test_the_mean_weighs_networks() -> None:
    """Cycles, energy, MACs and traffic are means; what is a ratio of them is that of the means."""
    other = Network("other", (Layer("c", Kind.FC, 300, 70),))
    runs, mean = mean_of(TWICE, other)
    first, second = (run.metrics() for run in runs)
    for name in ("cycles", "latency_ms", "energy_mj", "dram_mb"):
        assert mean[name] == pytest.approx((first[name] + 3 * second[name]) / 4), name
    macs = (TWICE.macs + 3 * other.macs) / 4
    assert mean["gops"] == pytest.approx(2e-6 * macs / mean["latency_ms"])
    assert mean["edp"] == pytest.approx(mean["energy_mj"] * mean["latency_ms"])


def test_the_mean_with_a_network_that_does_not_run_is_unknown() -> None:
    _, mean = mean_of(TWICE, WIDE)
    assert isnan(mean["cycles"])
    assert isnan(mean["edp"])
    assert mean["multipliers"] == 64


def test_the_mappings_of_a_design_replace_the_default_ones() -> None:
    plain = evaluate(DESIGN, TWICE)
    own = evaluate(DESIGN.model_copy(update={"mappings": {"a": {"block": 50, "order": 0}}}), TWICE)
    assert own.cost.mappings[0, 0].tolist() == [0, 50]
    np.testing.assert_array_equal(own.cost.mappings[0, 1], plain.cost.mappings[0, 1])
    # 100 pixels in two blocks of 50: as many cycles to compute, each of 9 folds of the window fills the array twice.
    assert own.cost.counts[0, 0, Count.COMPUTE] == plain.cost.counts[0, 0, Count.COMPUTE] == 9 * 100
    assert own.cost.counts[0, 0, Count.FILL] == 2 * plain.cost.counts[0, 0, Count.FILL] == 2 * 9 * (2 * 8 + 8 - 2)
