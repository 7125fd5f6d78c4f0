"""What holds for every template: conservation laws, sums, reasons instead of exceptions, the same result each time."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest

from dse.model.cost import CHUNK, PARTS, Cost, Machine, build, evaluate, totals
from dse.model.devices import DEVICES
from dse.model.metrics import metrics, work
from dse.model.technology import technology
from dse.templates import NAMES, template
from dse.templates.base import CLOCK_MHZ, COUNTS, DRAM_GB_S, INPUT_BITS, WEIGHT_BITS, Count
from dse.workloads.layers import PPM, Kind, Layer, Network, conv
from netlists.errors import DesignError
from tests.benchmarks.cost_model import random_designs

DESIGNS = 40
MOST = 1_000_000  # a tile of a mapping, as `dse.model.design` allows
LAYERS = (
    conv("first", (3, 32), 33, 5, stride=2, pad=2),
    conv("square", (24, 40), 14, 3, pad=1, repeat=3),
    conv("grouped", (24, 36), 13, 3, pad=1, groups=4),
    conv("depthwise", (30, 30), 15, 3, pad=1, groups=30),
    conv("pointwise", (70, 90), 7, 1),
    conv("skipping", (16, 16), 15, 1, stride=3),
    conv("oblong", (8, 12), (9, 21), (1, 7), pad=(0, 3)),
    replace(conv("dilated", (12, 20), 17, 3), dilation_h=2, dilation_w=3),
    conv("batch", (16, 24), 10, 3, batch=3, input_zeros=0.4),
    conv("narrow words", (16, 24), 10, 3, weight_bits=4, input_bits=8, output_bits=8),
    Layer("fc", Kind.FC, 700, 130),
    Layer("tokens", Kind.FC, 64, 96, in_h=20, batch=2),
    Layer("product", Kind.MATMUL, 64, 80, in_h=20, groups=4, repeat=2),
    replace(conv("pool", (20, 20), 12, 3, stride=2), kind=Kind.POOL),
    Layer("sum", Kind.ELEMENTWISE, 20, 20, 12, 12, operands=2),
)
BUILT = [name for name in NAMES if find_spec(f"dse.templates.{name}")]
NETWORK = Network("all kinds", LAYERS)


def made_in(name: str) -> str:
    return "XC7Z045" if template(name).fpga else "28nm"


def machine_of(name: str, count: int = DESIGNS, seed: int = 1) -> Machine:
    designs = random_designs(template(name), count, np.random.default_rng(seed))
    return build(template(name), designs, technology(made_in(name)))


@cache
def cost_of(name: str, search: bool) -> Cost:
    return evaluate(machine_of(name), NETWORK, search=search)


def touched(layer: Layer) -> int:
    """Number of input elements under some position of the kernel, counted one by one."""
    axes = (
        (layer.in_h, layer.out_h, layer.kernel_h, layer.stride_h, layer.dilation_h, layer.pad_top),
        (layer.in_w, layer.out_w, layer.kernel_w, layer.stride_w, layer.dilation_w, layer.pad_left),
    )
    pixels = 1
    for size, outputs, kernel, stride, dilation, pad in axes:
        places = {o * stride + k * dilation - pad for o in range(outputs) for k in range(kernel)}
        pixels *= len([place for place in places if 0 <= place < size])
    return layer.batch * layer.operands * layer.in_channels * pixels


def bits(layer: Layer, designs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Word lengths [S] of weights, inputs, outputs."""
    given = designs[:, INPUT_BITS] if not layer.input_bits else np.full(len(designs), layer.input_bits)
    weight = designs[:, WEIGHT_BITS] if not layer.weight_bits else np.full(len(designs), layer.weight_bits)
    out = designs[:, INPUT_BITS] if not layer.output_bits else np.full(len(designs), layer.output_bits)
    return weight, given, out


each_template = pytest.mark.parametrize("name", BUILT)
each_way = pytest.mark.parametrize("search", [False, True])


@each_template
@each_way
def test_most_random_designs_fit_and_the_others_say_why(name: str, search: bool) -> None:
    cost = cost_of(name, search)
    assert cost.feasible.any(axis=0).all()  # every kind of layer runs on some design
    assert cost.feasible.mean() > 0.3
    assert not cost.counts[~cost.feasible].any()
    assert (cost.counts >= 0).all()
    texts = cost.machine.reasons
    assert texts[0] == ""
    assert all(texts[code] for code in np.unique(cost.reason) if code)


@each_template
@each_way
def test_every_multiplication_of_a_layer_is_done_once(name: str, search: bool) -> None:
    cost = cost_of(name, search)
    for k, layer in enumerate(LAYERS):
        fits = cost.feasible[:, k]
        assert (cost.counts[fits, k, Count.MACS] == layer.macs).all()
        weight, given, _ = bits(layer, cost.machine.designs)
        full = layer.macs * weight * given
        zeros = round(layer.input_zeros * PPM)
        gated = (layer.macs - layer.macs * zeros // PPM) * weight * given
        multiply = cost.counts[:, k, Count.MULTIPLY]
        assert ((multiply == full) | (multiply == gated))[fits].all()


@each_template
@each_way
def test_every_operand_crosses_the_chip_at_least_once(name: str, search: bool) -> None:
    cost = cost_of(name, search)
    for k, layer in enumerate(LAYERS):
        fits = cost.feasible[:, k]
        weight, given, out = bits(layer, cost.machine.designs)
        dram = cost.counts[:, k, Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1]
        inputs = touched(layer) * given * (1 - layer.input_zeros)  # a design may code zeros away
        least = np.column_stack([inputs, layer.weights * weight, layer.outputs * out])
        assert (dram >= least)[fits].all(), layer.name


@each_template
@each_way
def test_no_layer_is_faster_than_its_multipliers_and_its_memory(name: str, search: bool) -> None:
    cost = cost_of(name, search)
    machine, fits = cost.machine, cost.feasible
    macs = cost.counts[..., Count.MACS]
    dram = cost.counts[..., Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1].sum(axis=2)
    bits_per_cycle = machine.designs[:, DRAM_GB_S] * 8e3 / machine.designs[:, CLOCK_MHZ]
    assert (cost.counts[..., Count.COMPUTE] * machine.hardware.multipliers[:, None] >= macs)[fits].all()
    assert (cost.cycles >= dram / bits_per_cycle[:, None] - 1e-6)[fits].all()
    assert (cost.utilization <= 1).all()


@each_template
def test_a_search_is_never_slower_and_its_mapping_gives_its_cost(name: str) -> None:
    fixed, searched = cost_of(name, False), cost_of(name, True)
    assert (searched.feasible | ~fixed.feasible).all()
    assert (searched.cycles <= fixed.cycles)[fixed.feasible].all()
    again = evaluate(searched.machine, NETWORK, mappings=searched.mappings)
    np.testing.assert_array_equal(again.counts, searched.counts)
    np.testing.assert_array_equal(again.reason, searched.reason)


@each_template
def test_any_mapping_is_refused_or_obeys_the_laws(name: str) -> None:
    machine, rng = machine_of(name), np.random.default_rng(6)
    own = cost_of(name, False).mappings
    drawn = np.floor(10 ** rng.uniform(0, 3, own.shape)).astype(np.int64)
    drawn[rng.random(own.shape) < 0.3] = 0
    drawn[rng.random(own.shape) < 0.02] = MOST
    for column, choices in machine.template.codes.items():
        drawn[..., machine.template.mapping.index(column)] %= choices
    cost = evaluate(machine, NETWORK, mappings=np.where(rng.random(own.shape) < 0.6, own, drawn))
    fits = cost.feasible
    assert (cost.counts >= 0).all()
    macs = np.array([layer.macs for layer in LAYERS])
    assert (cost.counts[..., Count.MACS] == macs)[fits].all()
    assert (cost.counts[..., Count.COMPUTE] * machine.hardware.multipliers[:, None] >= macs)[fits].all()


@each_template
def test_the_energy_is_counts_times_prices(name: str) -> None:
    cost = cost_of(name, False)
    machine = cost.machine
    assert (machine.price_pj >= 0).all()
    for s in range(3):
        for k in range(len(LAYERS)):
            counts = cost.counts[s, k].tolist()
            spent = sum(count * price for count, price in zip(counts, machine.price_pj[s].tolist(), strict=True))
            moved = counts[Count.BUFFER_INPUT : Count.BUFFER_OUTPUT + 1]
            spent += sum(count * price for count, price in zip(moved, machine.wire_pj[s].tolist(), strict=True))
            assert cost.energy_pj[s, k].sum() == pytest.approx(spent, rel=1e-12)
    dram = (
        cost.counts[..., Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1]
        * machine.price_pj[:, None, Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1]
    )
    np.testing.assert_allclose(cost.energy_pj[..., PARTS.index("dram")], dram.sum(axis=2), rtol=1e-12)


@each_template
@each_way
def test_totals_are_the_sums_over_layers_and_repeats(name: str, search: bool) -> None:
    cost = cost_of(name, search)
    result = totals(cost.machine, NETWORK, search=search)
    fits = cost.feasible.all(axis=1)
    np.testing.assert_array_equal(result.reason == 0, fits)
    expected = (cost.counts * cost.repeats[:, None]).sum(axis=1)
    np.testing.assert_array_equal(result.counts[fits], expected[fits])
    assert not result.counts[~fits].any()
    layers = (cost.energy_pj * cost.repeats[:, None]).sum(axis=1)
    np.testing.assert_allclose(result.energy_pj[fits], layers[fits], rtol=1e-12)


@each_template
def test_threads_and_other_designs_do_not_change_a_design(name: str) -> None:
    machine = machine_of(name, 2 * CHUNK + 3, seed=2)
    one, many = totals(machine, NETWORK), totals(machine, NETWORK, threads=3)
    np.testing.assert_array_equal(one.counts, many.counts)
    np.testing.assert_array_equal(one.reason, many.reason)
    np.testing.assert_array_equal(one.energy_pj, many.energy_pj)
    last = build(machine.template, machine.designs[-1:], machine.technology)
    alone = totals(last, NETWORK)
    np.testing.assert_array_equal(alone.counts[0], one.counts[-1])
    np.testing.assert_array_equal(alone.energy_pj[0], one.energy_pj[-1])


def test_threads_are_started_only_if_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, threads: int) -> None:
            pools.append(threads)
            super().__init__(threads)

    monkeypatch.setattr("dse.model.cost.ThreadPoolExecutor", Pool)
    machine = machine_of("systolic", 3)
    totals(machine, NETWORK)
    assert pools == []
    totals(machine, NETWORK, threads=2)
    assert pools == [2]


@pytest.mark.compiled
def test_memory_grows_with_the_results_only() -> None:
    machine = machine_of("systolic", 6000, seed=3)
    totals(machine, NETWORK)  # compiles
    tracemalloc.start()
    try:
        totals(machine, NETWORK)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    every_layer = len(machine.designs) * len(LAYERS) * COUNTS * 8
    assert peak < every_layer / 3


@pytest.mark.compiled
@each_template
def test_extreme_parameters_are_marked_and_never_raise(name: str) -> None:
    family = template(name)
    rows = [[p.default for p in family.parameters] for _ in range(2 * len(family.parameters) + 2)]
    for k, p in enumerate(family.parameters):
        last = len(p.choices) - 1
        rows[2 * k][k], rows[2 * k + 1][k] = (0, last) if p.choices else (p.low, p.high)
    rows[-2] = [0 if p.choices else p.low for p in family.parameters]
    rows[-1] = [len(p.choices) - 1 if p.choices else p.high for p in family.parameters]
    machine = build(family, np.array(rows, np.float64), technology(made_in(name)))
    for search in (False, True):
        cost = evaluate(machine, NETWORK, search=search)
        assert (cost.counts >= 0).all()
        assert not cost.counts[~cost.feasible].any()
        macs = np.array([layer.macs for layer in LAYERS])
        assert (cost.counts[..., Count.MACS] == macs)[cost.feasible].all()


@pytest.mark.parametrize("name", [name for name in BUILT if name.endswith("fpga")])
def test_a_part_that_is_too_small_is_a_reason(name: str) -> None:
    family = template(name)
    designs = random_designs(family, 50, np.random.default_rng(4))
    small = DEVICES["XC7Z020"]
    machine = build(family, designs, small.fabric, small)
    needed = machine.hardware.resources
    over = np.any([needed[key] > getattr(small, key) for key in ("dsp", "bram", "lut", "ff")], axis=0)
    assert over.any()
    np.testing.assert_array_equal(machine.reason > 0, over)
    cost = evaluate(machine, NETWORK)
    assert not cost.counts[over].any()
    assert {machine.reasons[code] for code in cost.reason[over].ravel()} <= {
        f"the part has fewer {key}" for key in ("DSP", "BRAM", "LUT", "FF")
    }
    np.testing.assert_array_equal(totals(machine, NETWORK).reason[over], machine.reason[over])


def test_nodes_and_fabrics_are_not_mixed_up() -> None:
    designs = np.array([[p.default for p in template("systolic").parameters]])
    with pytest.raises(DesignError, match="built in an ASIC technology; VU9P is not one"):
        build(template("systolic"), designs, technology("VU9P"))


def test_metrics_agree_with_each_other() -> None:
    machine = machine_of("systolic", 5)
    result = metrics(machine, work(totals(machine, NETWORK)), batch=2)
    seconds = result["latency_ms"] / 1e3
    np.testing.assert_allclose(result["throughput_fps"], 2 / seconds)
    np.testing.assert_allclose(result["power_w"] * seconds, result["energy_mj"] / 1e3)
    np.testing.assert_allclose(result["edp"], result["energy_mj"] * result["latency_ms"])
    np.testing.assert_allclose(result["gops"] * 1e9 * seconds, 2 * NETWORK.macs)
    np.testing.assert_allclose(result["bandwidth_gb_s"] * seconds * 1e3, result["dram_mb"])
