"""Convolvers on an FPGA: equality with the twin, conservation laws, the search, Qiu's published numbers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.model.design import design_row
from dse.templates.base import Count
from dse.templates.convolver_fpga import REASONS, STAGES, SYSTEM_FF, SYSTEM_LUT, TEMPLATE
from dse.validation.compare import compare
from dse.workloads.builtin import network
from dse.workloads.layers import Kind, conv
from tests.dse.templates.twins_convolver_fpga import convolver_fpga
from tests.dse.twin import PAIRS, check_laws, equal, random_layer, run, words

Values = dict[str, float]
QIU: Values = {
    "clock_mhz": 150.0, "dram_gb_s": 4.2, "weight_bits": 16, "input_bits": 16, "psum_bits": 32, "pes": 2,
    "convolvers": 64, "kernel": 3, "tile": 28, "channels": 64, "depth": 20, "dsp_taps": 6, "tile_share": 0.186,
    "stream_share": 0.28,
}  # fmt: skip


def random_design(rng: np.random.Generator) -> Values:
    return {
        "clock_mhz": float(rng.choice([100, 150, 333])),
        "dram_gb_s": float(rng.choice([0.05, 0.3, 1.6, 12.8])),
        "weight_bits": int(rng.choice([4, 8, 16])),
        "input_bits": int(rng.choice([8, 16])),
        "psum_bits": int(rng.choice([16, 24, 32])),
        "pes": int(rng.integers(1, 6)),
        "convolvers": int(rng.integers(1, 20)),
        "kernel": int(rng.integers(1, 5)),
        "tile": int(rng.integers(1, 12)),
        "channels": int(rng.integers(1, 20)),
        "depth": int(rng.choice([0, 1, 20])),
        "dsp_taps": int(rng.integers(0, 12)),
        "tile_share": float(rng.choice([0.186, 0.77, 1.0])),
        "stream_share": float(rng.choice([0.28, 0.91])),
    }


def row(design: Values) -> list[float]:
    return design_row(TEMPLATE, design)


def check(seed: int, all_mappings: bool = True) -> str:
    """Twin and laws for one random pair: a random mapping, with `all_mappings` the default and the searched one too."""
    rng = np.random.default_rng(seed)
    design, layer = random_design(rng), random_layer(rng)
    drawn = [int(rng.integers(1, 9)), int(rng.integers(1, 9))]
    result, why = equal(TEMPLATE, convolver_fpga, design, layer, drawn, all_mappings)
    for counts in result:
        if layer.kind <= Kind.MATMUL:
            check_laws(design, layer, counts, design["pes"] * design["convolvers"] * design["kernel"] ** 2)
            assert counts[Count.DRAM_OUTPUT] == layer.outputs * words(design, layer)[2]
    return why


def test_equals_twin() -> None:
    assert {check(seed, all_mappings=seed % 10 == 0) for seed in range(PAIRS)} == {"", *REASONS[1:3]}


@settings(max_examples=60, deadline=None)
@given(st.integers(10_000, 2**32 - 1))
def test_equals_twin_anywhere(seed: int) -> None:
    check(seed)


@pytest.mark.compiled
def test_search_against_all_tiles() -> None:
    """The search is never slower than the default, and near the best of all tiles of small maps."""
    gaps = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        design, layer = random_design(rng), random_layer(rng)
        searched, why, _ = run(TEMPLATE, row(design), layer, None, True)
        default, reason, _ = run(TEMPLATE, row(design), layer)
        assert why == reason
        if why or layer.kind > Kind.MATMUL:
            continue
        sides = product(range(1, layer.out_h + 1), range(1, layer.out_h * layer.out_w + 1))
        result = [run(TEMPLATE, row(design), layer, list(tile)) for tile in sides]
        assert sum(searched[:3]) <= sum(default[:3])
        gaps.append(sum(searched[:3]) / min(sum(counts[:3]) for counts, bad, _ in result if not bad))
    assert max(gaps) < 1.3
    assert np.mean(gaps) < 1.005


def test_computation_alone() -> None:
    """What 2 × 64 convolvers need for VGG16 if nothing waits: 784 cycles per phase, CONV5 as long as with 28 × 28."""
    expected = {"conv1": 21.41, "conv2": 16.06, "conv3": 26.76, "conv4": 26.76, "conv5": 32.11}
    result = dict.fromkeys(expected, 0.0)
    for layer in network("vgg16").layers:
        if layer.kind == Kind.CONV:
            result[layer.name[:5]] += run(TEMPLATE, row(QIU), layer)[0][Count.COMPUTE] / 150e3
    assert result == pytest.approx(expected, abs=0.01)


def test_hand_counted() -> None:
    """Two tiles of one output row each, 5 maps into 3: phases, bundles and kernels counted by hand."""
    design = QIU | {
        "pes": 2, "convolvers": 4, "tile": 4, "channels": 2, "depth": 5, "weight_bits": 8, "input_bits": 8,
        "dram_gb_s": 1000.0, "tile_share": 1.0,
    }  # fmt: skip
    counts, reason, used = run(TEMPLATE, row(design), conv("x", (5, 3), (4, 6), 3, 3), None)
    # 1 × 2 outputs under a stride of 3, one tile of 1 × 2; 2 chunks of maps (2, 1), one phase each, 2 bundles of inputs
    assert (reason, used) == ("", [1, 2])
    assert counts[Count.COMPUTE] == 2 * 2 * 16
    assert counts[Count.FILL] == 2 * 2 * 5 + 1 + 1
    assert counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1] == [2 * 2 * 4 * 18 * 8, 4 * 2 * 4 * 9 * 8, 3 * 2 * 8]


def test_larger_kernels_take_parts() -> None:
    base = run(TEMPLATE, row(QIU), conv("x", (64, 64), 28, 3, pad=1))[0][Count.COMPUTE]
    assert run(TEMPLATE, row(QIU), conv("x", (64, 64), 20, 5, pad=2))[0][Count.COMPUTE] == 4 * base
    spread = conv("x", (64, 64), 20, 3, pad=2, dilation_h=2, dilation_w=2)
    assert run(TEMPLATE, row(QIU), spread)[0][Count.COMPUTE] == 4 * base


def test_fully_connected_layers_wait_for_memory() -> None:
    fc7 = network("vgg16").layers[-2]
    counts = run(TEMPLATE, row(QIU), fc7)[0]
    read = counts[Count.DRAM_INPUT] + counts[Count.DRAM_WEIGHT]
    assert sum(counts[:3]) == pytest.approx(read / (224 * 0.28), rel=0.01)
    fast = run(TEMPLATE, row(QIU | {"weight_bits": 4, "input_bits": 8}), fc7)[0]
    assert sum(counts[:3]) / sum(fast[:3]) == pytest.approx(4, rel=0.02)


def test_reasons() -> None:
    large = conv("x", (4, 4), 64, 31, pad=15)
    for search in (False, True):
        assert run(TEMPLATE, row(QIU), large, None, search)[1] == REASONS[1]
    assert run(TEMPLATE, row(QIU), conv("x", (4, 4), 64, 3), [29, 4])[1] == REASONS[2]


def test_resources() -> None:
    values = [QIU, QIU | {"dsp_taps": 9}, QIU | {"weight_bits": 4, "input_bits": 8}, QIU | {"kernel": 2}]
    result = TEMPLATE.hardware(np.array([row(value) for value in values]))
    assert list(result.multipliers) == [1152, 1152, 1152, 512]
    assert list(result.resources["dsp"]) == [768, 1152, 768, 512]
    assert result.resources["lut"][0] > result.resources["lut"][1]
    assert result.resources["ff"][0] > result.resources["ff"][2]
    # halves: 2 × 64 inputs of 900 words; 128 kernels 144 bits wide; 2 × 2 outputs of 32 × 784 words of 32 bits
    assert result.resources["bram"][0] == (2 * 64 + 128 * 4 + 4 * 49) / 2 + 16


def test_memories_and_logic_on_paper() -> None:
    """2 × 64 convolvers of 3 × 3, six products of each in DSP blocks; tiles of 30 × 30 inputs of 16 bits."""
    hardware = TEMPLATE.hardware(np.array([row(QIU)]))
    assert hardware.elements[0] == 128
    assert hardware.buffer_banks[0].tolist() == [128, 128, 4]
    assert hardware.buffer_bytes[0].tolist() == [128 * 900 * 2, 128 * 64 * 9 * 2, 4 * 32 * 784 * 4]
    assert hardware.register_bytes[0].tolist() == [2 * 28 * 2, 9 * 2, 0]  # two lines, a kernel
    products, adders = 128 * 3, 128 * 3 + 2 * 63
    lines = 128 * 6 * 4  # of 28 words of 32 bits, in LUTs
    logic = products * 16 * 16 * 1.1 + adders * 32 + 1152 * 16
    assert hardware.resources["lut"][0] == pytest.approx(logic + lines + SYSTEM_LUT)
    assert hardware.resources["ff"][0] == 1152 * 48 + products * STAGES * 32 + adders * 32 + SYSTEM_FF


def test_loop_nest() -> None:
    layer = network("vgg16").layers[1]
    assert TEMPLATE.loop_nest(row(QIU), layer, [28, 28]) == [
        "for row in 224 by 28:",
        "for column in 224 by 28:",
        "for output channel in 64 by 64:",
        "for bundle of input channels in 1: load inputs",
        "for output channel by 2: load kernels",
        "stream 784 pixels 1 times through 64 convolvers",
    ]


def test_published() -> None:
    rows = compare("qiu_fpga16").rows
    assert {(result.row, result.quantity) for result in rows} >= {("CONV", "latency_ms"), ("total", "bram")}
    for result in rows:
        assert result.ok, result
        if result.row.startswith("CONV") and result.quantity == "latency_ms":
            assert result.error_pct is not None
            assert abs(result.error_pct) < 1
