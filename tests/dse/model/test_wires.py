"""Measured wires: what is moved over them, energy, delay, and costs with them."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.model.cost import PARTS, Cost, reprice
from dse.model.design import Design
from dse.model.evaluation import evaluate
from dse.model.technology import technology
from dse.model.wires import TITLES, TRAFFIC, Traffic, Wires, count_periods, register_cycles, split_traffic
from dse.templates.base import CLOCK_MHZ, COUNTS, INPUT, OUTPUT, WEIGHT, Count
from dse.workloads.layers import Kind, Layer, Network
from netlists.errors import DesignError

NETWORK = Network("two", (Layer("conv", Kind.CONV, 8, 8, 12, 12, 3, 3), Layer("pool", Kind.POOL, 8, 8, 10, 10, 2, 2)))
PITCH_MM = 0.03


def plain() -> Cost:
    """A small systolic array at 28 nm and 1 GHz on a convolution and a pooling layer."""
    parameters = {"rows": 8, "columns": 8, "input_kb": 16, "weight_kb": 16, "output_kb": 16, "clock_mhz": 1000}
    return evaluate(Design(template="systolic", technology="28nm", parameters=parameters), NETWORK).cost


def make_wires(mm: float = 0.0, **classes: float) -> Wires:
    """Wires of one length, except those of some classes, in an array of a known pitch."""
    longest = np.full((1, TRAFFIC), mm)
    for name, length in classes.items():
        longest[0, Traffic[name.upper()]] = length
    return Wires(np.repeat(longest[:, :, None], 3, axis=2), longest, np.array([PITCH_MM]))


def test_each_class_has_a_title() -> None:
    assert len(TITLES) == len(Traffic)


def test_a_buffer_exchanges_with_the_array_what_dram_does_not() -> None:
    counts = np.zeros(COUNTS, np.int64)
    counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1] = 10, 20, 30
    counts[Count.BUFFER_INPUT : Count.BUFFER_OUTPUT + 1] = 100, 20, 0
    counts[Count.NETWORK_INPUT : Count.NETWORK_OUTPUT + 1] = 7, 8, 9
    bits = split_traffic(counts)
    assert bits[Traffic.DRAM].tolist() == [10, 20, 30]
    assert bits[Traffic.BUFFER].tolist() == [90, 0, 0]
    assert bits[Traffic.ACCUMULATOR].tolist() == [0, 0, 0]
    assert bits[Traffic.ARRAY].tolist() == [7, 8, 9]
    assert not bits[Traffic.CONTROL].any()


def test_delay_of_a_repeated_wire() -> None:
    # 1.67 sqrt(FO4 · R · C): an inverter of 14 ps, 430 Ω and 0.2 pF per mm.
    assert technology("28nm").wire_ps_mm == pytest.approx(1.67 * sqrt(14 * 430 * 0.2))
    assert 20 < technology("7nm").wire_ps_mm < technology("28nm").wire_ps_mm < technology("65nm").wire_ps_mm < 100


def test_energy_is_bits_times_length_times_price() -> None:
    cost = plain()
    lengths = make_wires(0.5, dram=2.0, array=0.1)
    again = reprice(cost, lengths)
    bits = split_traffic(cost.counts)
    pj_mm = 0.12  # at 0.9 V
    wire = 2.0 * bits[:, :, Traffic.DRAM] + 0.5 * (bits[:, :, Traffic.BUFFER] + bits[:, :, Traffic.ACCUMULATOR])
    parts = dict(zip(PARTS, np.moveaxis(again.energy_pj, -1, 0), strict=True))
    before = dict(zip(PARTS, np.moveaxis(cost.energy_pj, -1, 0), strict=True))
    assert np.allclose(parts["wire"], pj_mm * wire.sum(axis=-1))
    hops = bits[:, :, Traffic.ARRAY].sum(axis=-1)  # each of which costs 3.2 pitches beside its wire
    assert np.allclose(parts["network"], pj_mm * (0.1 + 3.2 * PITCH_MM) * hops)
    assert (parts["wire"] > 0).all()  # of the pooling layer, too, whose data comes from DRAM
    for name in PARTS:
        if name not in ("wire", "network"):
            assert np.array_equal(parts[name], before[name]), name


def test_plain_costs_have_no_measured_wires() -> None:
    cost = plain()
    with pytest.raises(DesignError, match="the wires were not measured"):
        _ = cost.wire_periods


def test_estimated_lengths_give_the_plain_energy() -> None:
    cost = plain()
    half = float(np.sqrt(cost.machine.area_mm2[0])) / 2
    convolution = reprice(cost, make_wires(half)).energy_pj[0, 0, PARTS.index("wire")]
    assert convolution == pytest.approx(cost.energy_pj[0, 0, PARTS.index("wire")])


def test_long_wires_take_registers() -> None:
    cost = plain()
    mm = 1000 / technology("28nm").wire_ps_mm  # as far as a signal comes in one period
    wires = make_wires(0.9 * mm, dram=2.5 * mm, buffer=1.5 * mm, control=9 * mm)
    again = reprice(cost, wires)
    assert again.wire_periods[0].tolist() == pytest.approx([1.5, 0.9, 0.9, 2.5, 9])
    assert (again.cycles - cost.cycles).tolist() == [[3, 3]]  # two from DRAM, one to the array
    assert np.array_equal(again.counts[..., Count.STALL], cost.counts[..., Count.STALL])
    assert np.array_equal(reprice(cost, make_wires(0.9 * mm)).cycles, cost.cycles)


@given(periods=st.lists(st.floats(0, 20), min_size=TRAFFIC, max_size=TRAFFIC), more=st.floats(0, 5))
def test_longer_wires_never_take_fewer_registers(periods: list[float], more: float) -> None:
    row = np.array([periods])
    assert register_cycles(row + more)[0] >= register_cycles(row)[0] >= 0


def test_a_slower_clock_has_longer_periods() -> None:
    cost = plain()
    half = cost.machine.designs.copy()
    half[:, CLOCK_MHZ] /= 2
    node, wires = technology("28nm"), make_wires(3.0)
    whole = count_periods(node, wires, cost.machine.designs)
    assert np.allclose(count_periods(node, wires, half), whole / 2)


def test_operands_have_their_own_lengths() -> None:
    cost = plain()
    energies = []
    for operand in (INPUT, WEIGHT, OUTPUT):
        mean = np.zeros((1, TRAFFIC, 3))
        mean[0, Traffic.DRAM, operand] = 1.0
        energies.append(
            reprice(cost, Wires(mean, np.zeros((1, TRAFFIC)), np.zeros(1))).energy_pj[..., PARTS.index("wire")]
        )
    together = reprice(cost, make_wires(0.0, dram=1.0)).energy_pj[..., PARTS.index("wire")]
    assert np.allclose(sum(energies), together)
