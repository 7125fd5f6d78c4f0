"""Measured wires: what is moved over them, energy, delay, and costs with them."""

from __future__ import annotations

import json
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.model.cost import PARTS, Cost, build, reprice, totals
from dse.model.design import Design
from dse.model.evaluation import evaluate
from dse.model.technology import technology
from dse.model.wires import (
    FITTED,
    FITTED_WIRES,
    HALF_SIDE,
    LONGEST,
    TITLES,
    TRAFFIC,
    Traffic,
    WireModel,
    Wires,
    count_periods,
    describe_sizes,
    load_fitted,
    register_cycles,
    save_fitted,
    split_traffic,
)
from dse.templates import NAMES, template
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


ASICS = ("systolic", "row_stationary", "adaptive", "spatial")


def design_of(name: str, wires: str) -> Design:
    """The default design of a template at 28 nm."""
    return Design.model_validate({"template": name, "technology": "28nm", "wires": wires})


def test_a_law_of_powers_is_evaluated_as_it_reads() -> None:
    """A length of chip^0.5 × bank^2 × input_kb^-1, of one class and operand alone."""
    machine = plain().machine
    parts = machine.template, machine.technology, machine.hardware, machine.designs, machine.area_mm2
    sizes = describe_sizes(*parts)
    coefficients = np.full((TRAFFIC, LONGEST + 1, sizes.shape[2]), np.nan)
    coefficients[Traffic.DRAM, WEIGHT] = 0.0
    numeric = [each.name for each in machine.template.parameters if not each.choices]
    place = 6 + [name for name in numeric if name not in ("clock_mhz", "dram_gb_s")].index("input_kb")
    coefficients[Traffic.DRAM, WEIGHT, [1, 4, place]] = 0.5, 2.0, -1.0
    wires = WireModel("systolic", coefficients).estimate(*parts[1:])
    bank_mm2 = 8 * 16 * 1024 / machine.hardware.buffer_banks[0, WEIGHT] * 0.127 * 7 / 1e6
    expected = machine.area_mm2[0] ** 0.25 * bank_mm2 / 16
    assert wires.mean_mm[0, Traffic.DRAM, WEIGHT] == pytest.approx(expected)
    assert np.count_nonzero(wires.mean_mm) == 1
    assert not wires.longest_mm.any()
    coefficients[Traffic.DRAM, WEIGHT, 0] = 50.0
    longest = WireModel("systolic", coefficients).estimate(*parts[1:]).mean_mm.max()
    assert longest == pytest.approx(2 * sqrt(machine.area_mm2[0]))  # half the perimeter of the chip


@pytest.mark.parametrize("name", ASICS)
def test_bundled_wires_of_each_template(name: str) -> None:
    """There are lengths of all classes with traffic, and their error is at most half that of the plain estimate."""
    wires = evaluate(design_of(name, FITTED), NETWORK).cost.machine.wires
    assert wires
    assert (wires.mean_mm[0, Traffic.BUFFER, :OUTPUT] > 0).all()
    assert (wires.mean_mm[0, Traffic.DRAM] > 0).all()
    assert (wires.mean_mm[0, Traffic.ACCUMULATOR, OUTPUT] > 0) == (name != "spatial")  # it has no output buffer
    assert (wires.longest_mm[0, :-1] >= wires.mean_mm[0, :-1].max(axis=1) * 0.5).all()
    fit = json.loads(FITTED_WIRES.read_text())["templates"][name]
    assert fit["designs"] >= 30
    assert 0 < fit["fitted_error"] <= 0.5 * fit["naive_error"]


def test_fpgas_have_no_fitted_wires() -> None:
    assert [name for name in NAMES if load_fitted(name)] == [name for name in NAMES if not template(name).fpga]


@pytest.mark.parametrize("name", ASICS)
def test_fitted_wires_cost_the_same_in_one_design_and_in_many(name: str) -> None:
    """Sums over layers, of a block of designs, are those of the layers of one design with the same wires."""
    family, node = template(name), technology("28nm")
    row = np.array(design_of(name, FITTED).row())
    many = build(family, np.stack([row] * 5), node, wires=FITTED)
    sums = totals(many, NETWORK, search=True)
    one = evaluate(design_of(name, FITTED), NETWORK)
    assert np.array_equal(sums.counts[3], one.totals().counts[0])
    assert np.array_equal(sums.energy_pj[3], one.totals().energy_pj[0])
    layers = (one.cost.energy_pj * one.cost.repeats[:, None]).sum(axis=1)
    np.testing.assert_allclose(one.totals().energy_pj, layers)
    simple = evaluate(design_of(name, HALF_SIDE), NETWORK)
    assert simple.cost.wires is None
    parts = [PARTS.index(part) for part in PARTS if part not in ("wire", "network", "static")]
    assert np.array_equal(simple.totals().energy_pj[:, parts], one.totals().energy_pj[:, parts])
    assert one.cost.wires is not None
    back = reprice(one.cost, make_wires(0.0))  # registers of the fitted wires are taken out again
    assert np.array_equal(back.counts, simple.cost.counts)


def test_fitted_wires_are_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dse.model import wires

    coefficients = np.full((TRAFFIC, LONGEST + 1, 7), np.nan)
    coefficients[1, 2] = np.arange(7) / 8
    save_fitted(tmp_path / "fitted.json", {WireModel("systolic", coefficients): {"designs": 3}}, {"command": "fit"})
    content = json.loads((tmp_path / "fitted.json").read_text())
    assert content["command"] == "fit"
    assert content["templates"]["systolic"]["designs"] == 3
    monkeypatch.setattr(wires, "FITTED_WIRES", tmp_path / "fitted.json")
    again = load_fitted.__wrapped__("systolic")
    assert again
    assert np.array_equal(again.coefficients, coefficients, equal_nan=True)
    assert load_fitted.__wrapped__("spatial") is None
