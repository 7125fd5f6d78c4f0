"""The netlist of a design: areas, widths of buses, ports, and that every tool can read it."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.floorplan import FloorplanSettings, to_netlist
from dse.floorplan.arrays import BUILDERS
from dse.floorplan.files import NETLIST, PLACEMENT, to_nanometers, write_floorplan
from dse.floorplan.netlist import plan_chip
from dse.floorplan.settings import GRANULARITIES
from dse.floorplan.sram import MAX_ASPECT, Sram
from dse.model.cost import Cost
from dse.model.design import Design
from dse.model.evaluation import evaluate
from dse.model.wires import Traffic
from dse.templates.base import INPUT, OUTPUT, WEIGHT, Count
from dse.templates.families import FAMILIES
from netlists import load, load_placement
from netlists.errors import DesignError, SettingsError
from netlists.netlist import Kind
from netlists.placement import Placement
from placer import place
from placer.cost import evaluate as proxy
from tests.dse.floorplan import LAYER, NETWORK, PARAMETERS, count_kind, make_design, place_in_rows

MEDIUM = FloorplanSettings()


def width(design: Design, traffic: Traffic, operand: int) -> int:
    """Bits of all nets of a class and operand."""
    chip = plan_chip(design, MEDIUM)
    pairs = zip(chip.traffic, chip.operands, chip.bits, strict=True)
    return sum(bits for each, x, bits in pairs if (each, x) == (traffic, operand))


def run(design: Design) -> Cost:
    """The cost of a design on the layer of these tests."""
    evaluation = evaluate(design, NETWORK)
    assert evaluation.feasible
    return evaluation.cost


def array_side(cost: Cost, operand: int) -> int:
    """Bits between the buffer of an operand and the array."""
    counts = cost.counts[0, 0]
    return int(counts[Count.BUFFER_INPUT + operand] - counts[Count.DRAM_INPUT + operand])


def test_every_asic_template_has_a_floorplan() -> None:
    assert set(BUILDERS) == {family.name for family in FAMILIES.values() if not family.fpga}


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("template", BUILDERS)
def test_macros_add_up_to_the_area_model(template: str, granularity: str) -> None:
    design = make_design(template)
    netlist = to_netlist(design, granularity=granularity, utilization=0.5)
    macros_mm2 = float(netlist.size_um.prod(axis=1).sum()) / 1e6
    area_mm2 = float(run(design).machine.area_mm2[0])
    assert macros_mm2 == pytest.approx(area_mm2, rel=0.001)  # the bar is 2%
    assert np.prod(netlist.canvas_um) / 1e6 == pytest.approx(area_mm2 / 0.5, rel=0.01)
    assert to_netlist(design, granularity=granularity, utilization=0.5).same_as(netlist)


@pytest.mark.parametrize("template", BUILDERS)
def test_every_net_has_a_driver_and_a_sink(template: str) -> None:
    netlist = to_netlist(make_design(template))
    for net in range(netlist.num_nets):
        nodes = netlist.connection_node[netlist.net_start[net] : netlist.net_start[net + 1]].tolist()
        assert len(nodes) == len(set(nodes)) >= 2
    assert set(netlist.connection_node.tolist()) == set(range(netlist.num_nodes))
    assert (netlist.net_weight >= 1).all()
    assert (netlist.net_weight == np.round(netlist.net_weight)).all()


@pytest.mark.parametrize("template", BUILDERS)
def test_ports_are_on_the_boundary(template: str) -> None:
    netlist = to_netlist(make_design(template))
    side, _ = netlist.canvas_um
    for v in netlist.ports.tolist():
        x, y = netlist.position_um[v].tolist()
        assert x == (side if netlist.node_names[v].startswith("dram") else 0)
        assert 0 < y < side


@pytest.mark.parametrize(("template", "macros"), [("systolic", 384), ("adaptive", 768)])
def test_256_elements_have_hundreds_of_macros_at_the_finest_banking(template: str, macros: int) -> None:
    parameters = {f"{name}_kb": 512 for name in ("input", "weight", "output")}
    netlist = to_netlist(make_design(template, **parameters), granularity="fine")
    # Systolic: 48 banks of 32 KiB, in SRAMs of 4 KiB.  Adaptive: a bank per multiplier and buffer.
    assert count_kind(netlist, Kind.HARD) == macros


@pytest.mark.parametrize(("template", "counts"), [("systolic", [24, 48, 48]), ("spatial", [16, 16, 32])])
def test_granularity_is_an_option(template: str, counts: list[int]) -> None:
    design = make_design(template)
    numbers = [count_kind(to_netlist(design, granularity=name), Kind.HARD) for name in ("coarse", "medium", "fine")]
    assert numbers == counts


@pytest.mark.parametrize("flow", ["ws", "os", "is"])
def test_systolic_buses_carry_what_the_model_counts(flow: str) -> None:
    design = make_design("systolic", dataflow=flow)
    cost = run(design)
    counts = cost.counts[0, 0]
    fill = 16 + 16 - 2 + (0 if flow == "os" else 16)
    runs = counts[Count.FILL] / fill
    moving = {"ws": [INPUT], "os": [INPUT, WEIGHT], "is": [WEIGHT]}[flow]
    for operand in (INPUT, WEIGHT):  # those that stay enter row by row before each run
        cycles = counts[Count.COMPUTE] if operand in moving else 16 * runs
        assert array_side(cost, operand) / cycles == width(design, Traffic.BUFFER, operand) == 16 * 16
    parts = LAYER.in_channels * LAYER.kernel_h * LAYER.kernel_w / 16  # parts of the window
    if flow != "os":  # each sum is written for each part, and read for each but the first
        fraction = (2 * parts - 1) / (2 * parts)
        both_ways = width(design, Traffic.ACCUMULATOR, OUTPUT)
        assert both_ways == 2 * 16 * 32
        assert array_side(cost, OUTPUT) / counts[Count.COMPUTE] == pytest.approx(fraction * both_ways)


def test_adaptive_buses_carry_what_the_model_counts() -> None:
    design = make_design("adaptive", scheme="inter_kernel", keep="sums")
    cost = run(design)
    cycles = cost.counts[0, 0, Count.COMPUTE]
    assert array_side(cost, INPUT) / cycles == width(design, Traffic.BUFFER, INPUT) == 16 * 16
    assert array_side(cost, WEIGHT) / cycles == width(design, Traffic.BUFFER, WEIGHT) == 16 * 16 * 16
    steps = LAYER.in_channels * LAYER.kernel_h * LAYER.kernel_w / 16
    written = run(make_design("adaptive", scheme="inter_kernel", keep="weights"))
    both_ways = width(design, Traffic.ACCUMULATOR, OUTPUT)
    assert both_ways == 2 * 16 * 32
    assert array_side(written, OUTPUT) / cycles == pytest.approx(both_ways * (2 * steps - 1) / (2 * steps))


def test_spatial_buses_carry_what_the_model_counts() -> None:
    design = make_design("spatial", atomic_c=32, atomic_k=16)
    cost = run(design)
    assert array_side(cost, INPUT) / cost.counts[0, 0, Count.COMPUTE] == width(design, Traffic.BUFFER, INPUT) == 32 * 16
    assert width(design, Traffic.BUFFER, WEIGHT) == 2 * 32 * 16  # two vectors per cycle
    assert width(design, Traffic.ACCUMULATOR, OUTPUT) == 0  # sums stay in the cells


def test_row_stationary_buses_have_the_widths_of_the_parameters() -> None:
    design = make_design("row_stationary", input_bus=2, filter_bus=4, psum_bus=3)
    assert width(design, Traffic.BUFFER, INPUT) == 2 * 16
    assert width(design, Traffic.BUFFER, WEIGHT) == 4 * 16
    assert width(design, Traffic.ACCUMULATOR, OUTPUT) == 2 * 3 * 32


@pytest.mark.parametrize("template", BUILDERS)
def test_each_operand_has_the_whole_dram_interface(template: str) -> None:
    design = make_design(template, dram_gb_s=4.2, clock_mhz=200)
    for operand in (INPUT, WEIGHT, OUTPUT):
        assert width(design, Traffic.DRAM, operand) == ceil(4.2 * 8000 / 200)
    narrow = make_design(template, dram_gb_s=0.1, clock_mhz=200)  # 4 bits: fewer than ports
    assert width(narrow, Traffic.DRAM, INPUT) == 4


def test_a_cut_through_a_systolic_array_carries_a_word_per_row() -> None:
    design = make_design("systolic", rows=20, columns=12)
    chip = plan_chip(design, MEDIUM)
    named = dict(zip(chip.net_names, chip.bits, strict=True))
    for j in range(7):
        assert sum(bits for name, bits in named.items() if name.startswith("array/input_right_")
                   and name.endswith(f"_{j}")) == 20 * 16  # fmt: skip
    for operand, bits in (("weight", 16), ("output", 32)):
        assert sum(named[f"array/{operand}_down_3_{j}"] for j in range(8)) == 12 * bits


@pytest.mark.parametrize("template", BUILDERS)
def test_files_read_back(template: str, tmp_path: Path) -> None:
    coloquinte = pytest.importorskip("coloquinte")
    netlist = to_netlist(make_design(template))
    placement = place_in_rows(netlist, seed=0).rounded()
    write_floorplan(tmp_path, placement)
    again = load(tmp_path / NETLIST)
    assert again.same_as(netlist)
    placed = load_placement(again, tmp_path / PLACEMENT)
    assert np.allclose(placed.position_um, placement.position_um)
    shelf = load(tmp_path / "bookshelf" / "netlist.aux")
    assert shelf.same_as(to_nanometers(placement))
    terms, own = proxy(Placement.given(shelf)), proxy(placement)
    assert terms.proxy == pytest.approx(own.proxy)
    assert terms.hpwl_um == pytest.approx(1000 * own.hpwl_um, rel=1e-6)
    circuit = coloquinte.Circuit.read_ispd(str(tmp_path / "bookshelf" / "netlist.aux"))
    assert (circuit.nb_cells, circuit.nb_nets) == (netlist.num_nodes, netlist.num_nets)


@pytest.mark.parametrize("template", BUILDERS)
def test_placer_places_them(template: str) -> None:
    netlist = to_netlist(make_design(template), granularity="coarse")
    result = place(netlist, method="greedy", iterations=1, workers=1)
    assert result.metrics["legal"]
    assert place(netlist, method="greedy", iterations=1, workers=1).metrics["proxy"] == result.metrics["proxy"]


@given(size_kb=st.floats(0.25, 1024), word_bits=st.integers(1, 4096), cell_um2=st.sampled_from([0.027, 0.127, 0.525]))
def test_srams_keep_their_area_and_are_not_slivers(size_kb: float, word_bits: int, cell_um2: float) -> None:
    sram = Sram(1024 * size_kb, word_bits, cell_um2)
    wide, tall = sram.size_um
    assert wide * tall == pytest.approx(8 * 1024 * size_kb * cell_um2 * 7)
    assert 1 / MAX_ASPECT - 1e-9 <= wide / tall <= MAX_ASPECT + 1e-9
    assert 2**sram.address_bits >= int(sram.words)


def test_the_shape_of_a_known_sram() -> None:
    # 1024 words of 32 bits: with 4 words per row 128 columns × 256 rows of cells twice as wide as high, a square.
    sram = Sram(4096, 32, 0.127)
    assert sram.aspect == 1.0
    assert sram.address_bits == 10
    assert sram.size_um[0] == pytest.approx((32768 * 0.127 * 7) ** 0.5)


@settings(deadline=None, max_examples=25)
@given(
    rows=st.integers(1, 80), columns=st.integers(1, 80), kb=st.floats(1, 300),
    granularity=st.sampled_from([*GRANULARITIES]),
)  # fmt: skip
def test_any_systolic_array_becomes_a_netlist(rows: int, columns: int, kb: float, granularity: str) -> None:
    netlist = to_netlist(make_design("systolic", rows=rows, columns=columns, input_kb=kb), granularity=granularity)
    assert (netlist.size_um < netlist.canvas_um).all()
    assert count_kind(netlist, Kind.SOFT) == 1 + min(rows, t := GRANULARITIES[granularity].tiles) * min(columns, t)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DesignError, match="no technology here"):
        to_netlist(Design(template="tiled_fpga", device="VX485T"))
    with pytest.raises(DesignError, match="has no floorplan"):
        to_netlist(Design(template="tiled_fpga", technology="28nm"))
    with pytest.raises(SettingsError, match=r"granularity is 'finer'; expected one of fine, medium, coarse.*'fine'"):
        to_netlist(make_design("systolic"), granularity="finer")
    with pytest.raises(SettingsError, match=r"utilization is 0.95; expected 0.1 to 0.9"):
        to_netlist(make_design("systolic"), utilization=0.95)


def test_options_change_the_settings() -> None:
    design, coarse = make_design("systolic"), FloorplanSettings("coarse", utilization=0.5)
    changed = to_netlist(design, coarse, utilization=0.4)
    assert changed.same_as(to_netlist(design, granularity="coarse", utilization=0.4))


def test_all_templates_have_parameters_here() -> None:
    assert set(PARAMETERS) == set(BUILDERS)
