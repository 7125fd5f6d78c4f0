"""Tiled FPGA accelerators: equality with the twin, conservation laws, the search, Zhang's published numbers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.model.cost import build, evaluate
from dse.model.design import design_row
from dse.model.devices import device
from dse.templates import fabric
from dse.templates.base import Count
from dse.templates.tiled_fpga import BANK_LUT, SYSTEM_FF, SYSTEM_LUT, TEMPLATE
from dse.validation.compare import compare
from dse.workloads.builtin import network
from dse.workloads.layers import Kind, conv, make_layer
from tests.dse.templates.twins_tiled_fpga import held_words, tiled_fpga
from tests.dse.twin import PAIRS, check_laws, equal, random_layer, run

Values = dict[str, float]
ZHANG: Values = {
    "clock_mhz": 100.0, "dram_gb_s": 4.5, "weight_bits": 32, "input_bits": 32, "psum_bits": 32, "tm": 64, "tn": 7,
    "tr": 13, "tc": 13, "kernel": 11, "stride": 4, "format": 0, "stationary": 0, "depth": 20, "port_bits": 128,
    "port_share": 0.82,
}  # fmt: skip


def random_design(rng: np.random.Generator) -> Values:
    return {
        "clock_mhz": float(rng.choice([100, 150, 333])),
        "dram_gb_s": float(rng.choice([0.05, 0.3, 1.6, 12.8])),
        "weight_bits": int(rng.choice([4, 8, 16, 32])),
        "input_bits": int(rng.choice([8, 16, 32])),
        "psum_bits": int(rng.choice([16, 24, 32])),
        "tm": int(rng.integers(1, 16)),
        "tn": int(rng.integers(1, 12)),
        "tr": int(rng.integers(1, 12)),
        "tc": int(rng.integers(1, 12)),
        "kernel": int(rng.choice([1, 3, 5, 7, 9])),
        "stride": int(rng.integers(1, 5)),
        "format": int(rng.integers(0, 3)),
        "stationary": int(rng.integers(0, 4)),
        "depth": int(rng.choice([0, 1, 20])),
        "port_bits": int(rng.choice([8, 32, 128])),
        "port_share": float(rng.choice([0.31, 0.82, 1.0])),
    }


def row(design: Values) -> list[float]:
    return design_row(TEMPLATE, design)


def check(seed: int, all_mappings: bool = True) -> str:
    """Twin and laws for one random pair: a random mapping, with `all_mappings` the default and the searched one too."""
    rng = np.random.default_rng(seed)
    design, layer = random_design(rng), random_layer(rng)
    drawn = [int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(0, 3))]
    result, why = equal(TEMPLATE, tiled_fpga, design, layer, drawn, all_mappings)
    for counts in result:
        if layer.kind <= Kind.MATMUL:
            check_laws(design, layer, counts, design["tm"] * design["tn"])
            moved = sum(counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1])
            assert sum(counts[: Count.STALL + 1]) >= moved / (2 * design["port_bits"] * design["port_share"])
    return why


def test_equals_twin() -> None:
    reasons = {check(seed, all_mappings=seed % 10 == 0) for seed in range(PAIRS)}
    assert reasons >= {"", "the weight buffer is made for smaller kernels"}


@settings(max_examples=60, deadline=None)
@given(st.integers(10_000, 2**32 - 1))
def test_equals_twin_anywhere(seed: int) -> None:
    check(seed)


@pytest.mark.compiled
def test_search_against_all_tiles() -> None:
    """The search is never slower than the default, and near the best of all tiles and operands of small maps."""
    gaps = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        design, layer = random_design(rng) | {"kernel": 9, "stationary": 3}, random_layer(rng)
        if layer.kind > Kind.MATMUL:
            continue
        searched, why, _ = run(TEMPLATE, row(design), layer, None, True)
        default, reason, _ = run(TEMPLATE, row(design), layer)
        tiles = product(range(1, layer.out_h + 1), range(1, layer.out_w + 1), range(3))
        result = [run(TEMPLATE, row(design), layer, list(tile)) for tile in tiles]
        cycles = [sum(counts[:3]) for counts, bad, _ in result if not bad]
        assert bool(why) == (not cycles)
        if cycles:
            gaps.append(sum(searched[:3]) / min(cycles))
            assert reason or sum(searched[:3]) <= sum(default[:3])
    assert max(gaps) < 1.1
    assert np.mean(gaps) < 1.005


def test_closed_form() -> None:
    """Zhang's table 3: one of two groups of AlexNet's layers with 64 × 7 multipliers."""
    sizes = [(3, 48, 55, 11, 4), (48, 128, 27, 5, 1), (256, 192, 13, 3, 1), (192, 192, 13, 3, 1), (192, 128, 13, 3, 1)]
    expected = [366025, 255150, 168831, 127764, 85176]
    drains = 0
    for (n, m, out, kernel, stride), cycles in zip(sizes, expected, strict=True):
        layer = conv("x", (n, m), (out - 1) * stride + kernel, kernel, stride)
        counts, reason, used = run(TEMPLATE, row(ZHANG | {"tr": 55, "tc": 55}), layer, [55, 55, 0])
        assert (reason, used[0]) == ("", 55)
        assert counts[Count.COMPUTE] == cycles
        drains += -(-m // 64) * -(-n // 7) * 20 * (n > 3)  # the paper leaves it out for conv1
    assert sum(expected) + drains == 1_008_246  # what the paper prints for one design over all layers


def test_conv1_without_groups_takes_both_groups_time() -> None:
    whole = run(TEMPLATE, row(ZHANG), conv("conv1", (3, 96), 227, 11, 4))[0]
    assert whole[Count.COMPUTE] == 2 * 366025


def test_hand_counted() -> None:
    """A 1 × 1 layer of 2 tiles and 2 × 2 folds: every transfer counted by hand."""
    design = ZHANG | {
        "weight_bits": 8, "input_bits": 8, "psum_bits": 32, "tm": 2, "tn": 2, "tr": 8, "tc": 8, "kernel": 1,
        "stride": 1, "depth": 3, "port_bits": 8, "port_share": 1.0, "dram_gb_s": 100.0, "format": 1,
    }  # fmt: skip
    layer = conv("x", (3, 3), (2, 1), 1)
    counts, _, _ = run(TEMPLATE, row(design), layer, [1, 1, 0])
    # 2 tiles × 2 × 2 folds of 1 cycle; blocks of 2 output channels read 3 inputs and 6 weights, of 1 read 3 and 3
    assert counts[: Count.STALL + 1] == [8, 8 * 3 + (2 + 4) + 1, 2 * (9 - 8) + 0]
    assert counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1] == [2 * 2 * 3 * 8, 2 * 9 * 8, 2 * 3 * 8]
    kept, _, _ = run(TEMPLATE, row(design), layer, [1, 1, 1])  # inputs stay: sums of 32 bits leave and come back
    assert kept[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1] == [2 * 3 * 8, 2 * 9 * 8, 2 * 3 * (8 + 2 * 32)]
    weights, _, _ = run(TEMPLATE, row(design), layer, [1, 1, 2])
    assert weights[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1] == [2 * 2 * 3 * 8, 9 * 8, 2 * 3 * (8 + 2 * 32)]


@pytest.mark.parametrize(
    ("groups", "inner", "outer", "batch", "passes"),
    [
        (96, 1, 1, 1, 6),  # depthwise: 16 side by side
        (40, 1, 1, 2, 2 * 3),  # 16, 16, 8 in each image
        (32, 1, 2, 1, 2),  # a multiplier of 2
        (8, 4, 4, 1, 2),
        (7, 5, 3, 3, 3 * 3),  # 3, 3, 1
        (4, 9, 4, 1, 4),  # two do not fit
        (3, 16, 33, 1, 3 * 2),  # not even one in one fold
    ],
)
def test_groups_side_by_side(groups: int, inner: int, outer: int, batch: int, passes: int) -> None:
    design = ZHANG | {"tm": 32, "tn": 16, "depth": 10, "dram_gb_s": 1e5, "port_bits": 65_536}
    layer = conv("x", (groups * inner, groups * outer), 14, 3, pad=1, groups=groups, batch=batch)
    counts, reason, _ = run(TEMPLATE, row(design), layer, [7, 7, 0])
    assert not reason
    assert counts[Count.COMPUTE] == passes * 14 * 14 * 9
    assert passes * 4 * 10 <= counts[Count.FILL] <= passes * 4 * 10 + 10
    assert counts[Count.MACS] == layer.macs
    halo = (4 * 9 * 9) * layer.in_channels * batch * 32
    assert counts[Count.DRAM_INPUT] == halo
    assert counts[Count.DRAM_WEIGHT] == layer.weights * batch * 32 * (1 if outer <= 32 else 4)  # no zeros are moved


def test_mobilenet_gains_what_its_lanes_allow() -> None:
    """Each depthwise layer takes ceil(channels / Tn) passes over its map; layers without groups do not change."""
    design = ZHANG | {"tm": 128, "tn": 16, "kernel": 7, "stride": 2, "tr": 14, "tc": 14, "stationary": 3}
    depthwise = 0
    for layer in network("mobilenet_v2").layers:
        if layer.kind == Kind.CONV:
            counts, _, _ = run(TEMPLATE, row(design), layer, None, True)
            area = layer.kernel_h * layer.kernel_w * layer.out_h * layer.out_w
            if layer.groups > 1:
                depthwise += 1
                assert counts[Count.COMPUTE] == -(-layer.groups // 16) * area
            else:
                assert counts[Count.COMPUTE] == -(-layer.in_channels // 16) * -(-layer.out_channels // 128) * area
    assert depthwise == 17


def test_loop_nest_says_which_groups_run_together() -> None:
    layer = conv("x", (40, 40), 14, 3, pad=1, groups=40)
    lines = TEMPLATE.loop_nest(row(ZHANG), layer, [7, 7, 0])
    assert "for group in 40 by 7:" in lines
    assert lines[-1] == "64 x 7 multipliers in parallel, 7 groups side by side, weight stays"
    assert "for group in 2:" in TEMPLATE.loop_nest(row(ZHANG), conv("y", (96, 256), 27, 5, groups=2), [7, 7, 0])


def test_reasons() -> None:
    wide = conv("x", (4, 4), 32, 11)
    assert run(TEMPLATE, row(ZHANG | {"kernel": 5}), wide)[1] == "the weight buffer is made for smaller kernels"
    narrow = make_layer(name="x", kind=Kind.CONV, in_channels=1, out_channels=1, in_h=100, in_w=100, kernel_h=1,
                        kernel_w=60, dilation_w=1)  # fmt: skip
    spread = make_layer(name="x", kind=Kind.CONV, in_channels=1, out_channels=1, in_h=200, in_w=200, kernel_h=2,
                        kernel_w=2, dilation_h=99, dilation_w=99)  # fmt: skip
    assert run(TEMPLATE, row(ZHANG), narrow)[1] == ""
    small = ZHANG | {"tr": 1, "tc": 1}
    for search in (False, True):
        text = run(TEMPLATE, row(small), spread, None, search)[1]
        assert text == "the input buffer does not hold the pixels of the tile"
    flat = conv("x", (4, 4), 40, 1)
    assert run(TEMPLATE, row(ZHANG), flat, [40, 40, 0])[1] == "the output buffer does not hold the tile"


@given(st.integers(1, 40_000), st.integers(1, 300))
def test_memory(depth: int, width: int) -> None:
    halves, luts, words_held = fabric.memory(depth, width)
    assert words_held == held_words(depth, width) >= depth
    assert (halves > 0) == (depth > 64) != (luts > 0)
    assert halves * 18 * 1024 + luts * 64 >= depth * width  # the most that they hold


def test_resources() -> None:
    result = TEMPLATE.hardware(np.array([row(ZHANG)])).resources
    assert result["dsp"] == 64 * 7 * 5
    assert result["bram"] == (2 * 448 + 2 * 64 + 2 * 7 * 7) / 2  # banks of a half each, of inputs 59 × 59 words: 7
    fixed = TEMPLATE.hardware(
        np.array([row(ZHANG | {"format": 1, "weight_bits": b, "input_bits": b}) for b in (8, 16, 24)])
    )
    assert list(fixed.resources["dsp"]) == [448, 448, 896]
    packed = TEMPLATE.hardware(
        np.array([row(ZHANG | {"format": 2, "weight_bits": b, "input_bits": 8}) for b in (8, 16)])
    )
    assert list(packed.resources["dsp"]) == [224, 448]


def test_memories_and_logic_on_paper() -> None:
    """64 × 7 multipliers of 16 bits; tiles of 59 × 59 inputs, kernels of 121 weights, 169 sums of 32 bits, twice."""
    hardware = TEMPLATE.hardware(np.array([row(ZHANG | {"format": 1, "weight_bits": 16, "input_bits": 16})]))
    assert hardware.multipliers[0] == hardware.elements[0] == 448
    assert hardware.buffer_banks[0].tolist() == [14, 896, 128]
    assert hardware.buffer_bytes[0].tolist() == [14 * 59 * 59 * 2, 896 * 121 * 2, 128 * 169 * 4]
    assert hardware.register_bytes[0].tolist() == [0, 2, 0]
    selects = 7 * 16 + 448 * 16 + 64 * 32 + (14 + 896 + 128) * BANK_LUT
    assert hardware.resources["lut"][0] == 448 * 32 + selects + SYSTEM_LUT
    assert hardware.resources["ff"][0] == 448 * (16 + 16 + 32) + SYSTEM_FF
    assert hardware.floating_point is not None
    assert not hardware.floating_point[0]
    small = TEMPLATE.hardware(np.array([row(ZHANG | {"tr": 1, "tc": 1, "kernel": 1})]))  # memories in LUTs, fp32
    assert small.floating_point is not None
    assert small.floating_point[0]
    words = (14 + 896 + 128) * 6 * 4  # groups of LUTs for 32 words of 32 bits, six each
    selects = (7 + 448 + 64) * 32 + (14 + 896 + 128) * BANK_LUT
    assert small.resources["bram"][0] == 0
    assert small.resources["lut"][0] == 448 * 300 + selects + words + SYSTEM_LUT
    assert small.resources["ff"][0] == 448 * (345 + 32) + SYSTEM_FF


def test_part_too_small() -> None:
    part = device("XC7Z020")
    machine = build(TEMPLATE, np.array([row(ZHANG), row(ZHANG | {"tm": 4})]), part.fabric, part)
    cost = evaluate(machine, network("alexnet").only([Kind.CONV]))
    assert machine.reasons[machine.reason[0]] == "the part has fewer DSP"
    assert machine.reason[1] == 0
    assert not cost.counts[0].any()
    assert cost.counts[1].any()
    assert cost.feasible.any(axis=1).tolist() == cost.feasible[:, 0].tolist() == [False, True]


def test_loop_nest() -> None:
    layer = network("alexnet").layers[2]
    lines = TEMPLATE.loop_nest(row(ZHANG), layer, [13, 14, 1])
    assert [line.split(" in ")[0] for line in lines[:5]] == [
        "for group", "for row", "for column", "for input channel", "for output channel",
    ]  # fmt: skip
    assert lines[-1].endswith("64 x 7 multipliers in parallel, input stays")


def test_published() -> None:
    rows = compare("zhang_fpga15").rows
    assert {(result.row, result.quantity) for result in rows} >= {("conv5", "latency_ms"), ("total", "compute_cycles")}
    for result in rows:
        assert result.ok is not False, result
        if result.quantity == "latency_ms":
            assert result.error_pct is not None
            assert abs(result.error_pct) < (3 if result.row == "total" else 5)
        if result.quantity in ("dsp", "bram", "lut", "ff"):
            assert result.ours == pytest.approx(result.theirs, rel=0.15)
