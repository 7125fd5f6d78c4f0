"""Constants compared with the tables that they come from, prices with Eyeriss's ratios and published areas."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from dse.model.devices import DEVICES
from dse.model.technology import (
    TECHNOLOGIES,
    Technology,
    area_mm2,
    coefficients,
    scaled_node,
    technology,
    wire_pj_per_bit,
)
from dse.templates.base import COMMON, COUNTS, Count, Floats, Hardware
from netlists.errors import DesignError

ASIC = ("65nm", "45nm", "28nm", "16nm", "7nm")


def built(
    multipliers: float,
    buffer_kb: tuple[float, float, float],
    banks: float = 1,
    registers: tuple[float, float, float] = (0, 0, 0),
    shared: bool = False,
    floating: bool = False,
) -> Hardware:
    return Hardware(
        multipliers=np.array([multipliers]),
        buffer_bytes=1024 * np.array([buffer_kb], float),
        register_bytes=np.array([registers], float),
        elements=np.array([multipliers]),
        buffer_banks=np.full((1, 3), banks),
        shared_buffer=shared,
        floating_point=np.array([True]) if floating else None,
    )


def design(clock: float = 200, bits: float = 16, psum: float = 16) -> Floats:
    row = np.array([[clock, 4.2, bits, bits, psum]])
    assert row.shape[1] == len(COMMON)
    return row


EYERISS = built(168, (108, 108, 108), 27, (24, 448, 48), shared=True)


# Horowitz, ISSCC'14 (45 nm), and Jouppi et al., ISCA'21, table 2 (7 nm): pJ.
@pytest.mark.parametrize(
    ("node", "bits", "multiply", "add", "tolerance"),
    [
        ("45nm", 8, 0.2, 0.03, 0.10),
        ("45nm", 32, 3.1, 0.1, 0.10),
        ("7nm", 8, 0.07, 0.007, 0.40),
        ("7nm", 32, 1.48, 0.03, 0.40),
    ],
)
def test_arithmetic(node: str, bits: int, multiply: float, add: float, tolerance: float) -> None:
    price = coefficients(technology(node), built(1, (1, 1, 1)), design())[0]
    assert price[Count.MULTIPLY] * bits**2 == pytest.approx(multiply, rel=tolerance)
    assert price[Count.ADD] * bits == pytest.approx(add, rel=tolerance)


def test_floating_point() -> None:
    price = coefficients(technology("45nm"), built(1, (1, 1, 1), floating=True), design())[0]
    assert price[Count.MULTIPLY] * 32**2 == pytest.approx(3.7, rel=0.05)
    assert price[Count.ADD] * 32 == pytest.approx(0.9, rel=0.10)


@pytest.mark.parametrize(
    ("node", "kb", "pj"),
    [("45nm", 8, 10), ("45nm", 32, 20), ("45nm", 1024, 100), ("7nm", 8, 7.5), ("7nm", 32, 8.5), ("7nm", 1024, 14)],
)
def test_sram(node: str, kb: float, pj: float) -> None:
    assert technology(node).sram_pj(np.array(kb * 1024.0)) * 64 == pytest.approx(pj, rel=0.06)


def test_nodes_beyond_the_anchors_follow_their_last_step() -> None:
    """Two steps of 7 to 5 nm beyond 7 nm, and two of 45 to 65 nm beyond 45 nm."""
    small, large = scaled_node("small", 7 * (5 / 7) ** 2), scaled_node("large", 45 * (65 / 45) ** 2)
    assert small.operation == pytest.approx(0.35 * 0.70**2)
    assert large.operation == pytest.approx(1.58**2)
    assert small.sram_pj(np.array(8 * 1024.0)) == pytest.approx(7.5 / 64 * 0.78**2)
    assert large.sram_pj(np.array(8 * 1024.0)) == pytest.approx(10 / 64 * 1.58**2)
    # Between them a power law: halfway on a logarithmic scale, the geometric mean; the exponent of SRAM the mean.
    middle = scaled_node("middle", (45 * 7) ** 0.5)
    assert middle.operation == pytest.approx(0.35**0.5)
    growth = middle.sram_pj(np.array(16 * 1024.0)) / middle.sram_pj(np.array(8 * 1024.0))
    assert growth == pytest.approx(2 ** ((0.475 + 0.129) / 2))


def test_energy_of_wires_grows_with_the_square_of_the_supply() -> None:
    assert technology("65nm").wire_pj_mm == pytest.approx(0.12 / 0.81)
    assert technology("7nm").wire_pj_mm == pytest.approx(0.12 * 0.49 / 0.81)


def test_banks_make_a_buffer_cheaper() -> None:
    whole = coefficients(technology("28nm"), built(1, (64, 64, 64)), design())[0]
    banked = coefficients(technology("28nm"), built(1, (64, 64, 64), banks=16), design())[0]
    assert banked[Count.BUFFER_INPUT] < whole[Count.BUFFER_INPUT]
    assert banked[Count.MULTIPLY] == whole[Count.MULTIPLY]


def test_eyeriss_ratios() -> None:
    """ISCA'16 table IV: a 16-bit access over a 16-bit MAC at 65 nm."""
    node = technology("65nm")
    price = coefficients(node, EYERISS, design())[0]
    wire = wire_pj_per_bit(node, area_mm2(node, EYERISS, design()))[0]
    mac = price[Count.MULTIPLY] * 16**2 + price[Count.ADD] * 16
    assert price[Count.REGISTER_WEIGHT] * 16 / mac == pytest.approx(1, rel=0.30)  # of half a kilobyte
    assert price[Count.NETWORK_INPUT] * 16 / mac == pytest.approx(2, rel=0.30)
    assert (price[Count.BUFFER_INPUT] + wire[0]) * 16 / mac == pytest.approx(6, rel=0.30)
    assert price[Count.DRAM_INPUT] * 16 / mac == pytest.approx(200, rel=0.30)


@pytest.mark.parametrize(
    ("node", "hardware", "row", "published"),
    [
        ("28nm", built(2048, (256, 256, 0)), design(1000, 8, 32), 5.5),
        ("28nm", built(512, (128, 128, 0)), design(1000, 8, 32), 2.3),
        ("28nm", built(64, (64, 64, 0)), design(1000, 8, 32), 0.91),
        ("65nm", EYERISS, design(), 12.25),
        ("65nm", built(256, (2, 32, 2)), design(980, 16, 32), 3.02),
    ],
    ids=["nvdla2048", "nvdla512", "nvdla64", "eyeriss", "diannao"],
)
def test_areas(node: str, hardware: Hardware, row: Floats, published: float) -> None:
    assert area_mm2(technology(node), hardware, row)[0] == pytest.approx(published, rel=0.25)


def test_newer_nodes_cost_less() -> None:
    prices = np.stack([coefficients(technology(name), EYERISS, design())[0] for name in ASIC])
    static, dynamic = prices[:, : Count.STALL + 1], prices[:, Count.MULTIPLY :]
    assert (np.diff(dynamic, axis=0) <= 0).all()
    assert (static > 0).all()
    areas = [area_mm2(technology(name), EYERISS, design())[0] for name in ASIC]
    assert areas == sorted(areas, reverse=True)


def test_static_energy_of_a_cycle() -> None:
    """Leakage is power: at half the clock a cycle costs twice as much leakage; flip-flops cost the same."""
    node = technology("65nm")
    fast, slow = (coefficients(node, EYERISS, design(clock))[0, Count.COMPUTE] for clock in (200, 100))
    leakage = node.leakage_mw_mm2 * area_mm2(node, EYERISS, design())[0] * 1e3 / 200
    assert slow - fast == pytest.approx(leakage)
    # 576 bits of small register files and 80 of the pipeline in each of 168 elements, 5 fJ per bit at 45 nm.
    assert fast - leakage == pytest.approx(168 * (576 + 80) * 0.005 * 1.58)


def test_wires() -> None:
    node = technology("28nm")
    assert wire_pj_per_bit(node, np.array([16.0]))[0].tolist() == pytest.approx([2 * 0.12] * 3)
    assert not wire_pj_per_bit(technology("XC7Z045"), np.array([np.nan])).any()


def test_fabrics_cost_more_than_their_node() -> None:
    hardware = built(64, (32, 32, 32), 8)
    asic, fpga = (coefficients(technology(name), hardware, design(150))[0] for name in ("28nm", "XC7Z045"))
    assert fpga[Count.MULTIPLY] == pytest.approx(7.1 * asic[Count.MULTIPLY])
    assert fpga[Count.BUFFER_INPUT] == pytest.approx(2 * asic[Count.BUFFER_INPUT])
    assert fpga[Count.COMPUTE] * 150e6 * 1e-12 > technology("XC7Z045").static_mw / 1e3  # W
    assert fpga[Count.DRAM_INPUT] == asic[Count.DRAM_INPUT]


def test_an_fpga_clocks_the_flipflops_that_it_has_and_adds_floats_in_logic() -> None:
    part, node = technology("XC7Z045"), technology("28nm")
    hardware = built(64, (32, 32, 32), 8)
    counted = replace(hardware, resources={"ff": np.array([1e5])}, floating_point=np.array([True]))
    price = coefficients(part, counted, design(150))[0]
    static = part.static_mw * 1e3 / 150
    assert price[Count.COMPUTE] - static == pytest.approx(1e5 * 14 * 0.005 * node.operation)
    plain = coefficients(node, hardware, design(150))[0]
    assert price[Count.MULTIPLY] / plain[Count.MULTIPLY] == pytest.approx(7.1 * 3.7 / 3.1)
    assert price[Count.ADD] / plain[Count.ADD] == pytest.approx(14 * 9)


@pytest.mark.parametrize("node", TECHNOLOGIES.values(), ids=TECHNOLOGIES.keys())
def test_every_technology_prices_everything(node: Technology) -> None:
    for hardware in (EYERISS, built(64, (8, 0, 8), 0)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            price = coefficients(node, hardware, design())
        assert price.shape == (1, COUNTS)
        assert np.isfinite(price).all()
        assert (price >= 0).all()
        assert (price[:, [Count.COMPUTE, Count.MULTIPLY, Count.DRAM_INPUT]] > 0).all()
        assert price[0, Count.MACS] == 0  # priced by MULTIPLY and ADD


def test_parts_have_a_fabric() -> None:
    for part in DEVICES.values():
        assert part.fabric.fpga


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(DesignError, match=r"technology '65n' is unknown.*65nm"):
        technology("65n")
