"""The spatial template: the slow twin, conservation, NVDLA's table, channel extension, passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.model.cost import build, evaluate
from dse.model.design import design_row
from dse.model.technology import technology
from dse.templates.base import Count
from dse.templates.spatial import KEEPS, TEMPLATE
from dse.validation.compare import compare
from dse.validation.publication import names
from dse.workloads.builtin import network
from dse.workloads.layers import Kind, conv, make_layer
from tests.dse.templates.twins_spatial import count
from tests.dse.twin import PAIRS, as_row, random_layer, run

# NVDLA primer, "Example area and performance": atomic-C, atomic-K, buffer KB, GB/s, frames per second of ResNet-50.
PRIMER = [
    (64, 32, 512, 20, 269), (64, 16, 256, 15, 153), (32, 16, 256, 10, 93), (32, 8, 256, 5, 46), (16, 8, 256, 2, 20),
    (8, 8, 128, 1, 7.3), (8, 4, 128, 0.5, 3.6),
]  # fmt: skip


def random_values(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "clock_mhz": float(rng.choice([200, 1000])), "dram_gb_s": float(rng.choice([0.01, 0.1, 1, 20])),
        "weight_bits": int(rng.choice([8, 16])), "input_bits": int(rng.choice([8, 16])), "psum_bits": 34,
        "atomic_c": int(rng.integers(1, 70)), "atomic_k": int(rng.integers(1, 40)),
        "buffer_kb": float(rng.choice([1, 1.5, 3, 8, 512])), "weight_share": float(rng.choice([0.2, 0.5, 0.75])),
        "image_mode": str(rng.choice(["off", "on"])),
    }  # fmt: skip


def test_counts_equal_the_slow_twins() -> None:
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(PAIRS):
        layer, values, keep = random_layer(rng), random_values(rng), int(rng.integers(len(KEEPS)))
        counts, reason, _ = run(TEMPLATE, design_row(TEMPLATE, values), layer, [keep])
        expected = count(values, layer, KEEPS[keep])
        if isinstance(expected, str):
            assert expected in reason
            refused += 1
        else:
            assert (reason, counts) == ("", as_row(expected)), (values, layer, KEEPS[keep])
    assert PAIRS / 100 < refused < PAIRS / 2


def preference(counts: list[int]) -> tuple[int, int, int]:
    """The search minimizes cycles, then DRAM traffic, then what buffers of inputs and weights move."""
    dram, buffers = counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1], counts[Count.BUFFER_INPUT : Count.BUFFER_OUTPUT]
    return sum(counts[: Count.STALL + 1]), sum(dram), sum(buffers)


def test_nothing_is_lost_and_search_takes_the_better_mapping() -> None:
    rng = np.random.default_rng(2)
    won = [0, 0]
    for _ in range(800):
        layer, values = random_layer(rng), random_values(rng)
        row = design_row(TEMPLATE, values)
        tried = [run(TEMPLATE, row, layer, [keep]) for keep in range(len(KEEPS))]
        actual, reason, mapping = run(TEMPLATE, row, layer, search=True)
        times = [sum(counts[:3]) for counts, why, _ in tried if not why]
        assert bool(reason) == (not times)
        if reason or not layer.has_macs:
            continue
        won[mapping[0]] += 1
        assert preference(actual) == min(preference(counts) for counts, why, _ in tried if not why)
        weight, given, result = (
            layer.weight_bits or int(row[2]),
            layer.input_bits or int(row[3]),
            layer.output_bits or int(row[3]),
        )
        for counts, why, _ in tried:
            if why:
                continue
            assert counts[Count.MACS] == layer.macs
            assert counts[Count.COMPUTE] * values["atomic_c"] * values["atomic_k"] >= layer.macs
            assert counts[Count.DRAM_WEIGHT] >= layer.weights * weight
            assert counts[Count.DRAM_OUTPUT] >= layer.outputs * result
            touched = min(layer.in_h, layer.out_h) * min(layer.in_w, layer.out_w) * layer.in_channels * layer.batch
            assert counts[Count.DRAM_INPUT] >= touched * given
            moved = sum(counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1])
            assert sum(counts[:3]) >= moved / (values["dram_gb_s"] * 8e3 / values["clock_mhz"])
    assert min(won) > 50


@pytest.mark.parametrize(("atomic_c", "atomic_k", "buffer_kb", "gb_s", "fps"), PRIMER)
def test_frames_per_second_of_nvdla_are_within_a_fifth(
    atomic_c: int, atomic_k: int, buffer_kb: int, gb_s: float, fps: float
) -> None:
    values = {
        "clock_mhz": 1000, "weight_bits": 8, "input_bits": 8, "dram_gb_s": gb_s,
        "atomic_c": atomic_c, "atomic_k": atomic_k, "buffer_kb": buffer_kb,
    }  # fmt: skip
    machine = build(TEMPLATE, np.array([design_row(TEMPLATE, values)]), technology("28nm"))
    cost = evaluate(machine, network("resnet50"))
    assert cost.feasible.all()
    assert 1 / (cost.seconds[0] * cost.repeats).sum() == pytest.approx(fps, rel=0.2)


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("nvdla")])
def test_published_files_are_within_their_bars(name: str) -> None:
    rows = compare(name).rows
    assert any(row.quantity == "fps" and row.ok for row in rows)
    assert all(row.ok is not False for row in rows)


def test_images_join_columns_and_lines() -> None:
    first = conv("conv1", (3, 64), 224, 7, stride=2, pad=3)
    pixels = 112 * 112 * 64 // 32
    for vector, mode, cycles in ((64, "on", 4), (64, "off", 49), (96, "on", 2), (8, "on", 21), (21, "on", 7)):
        row = design_row(TEMPLATE, {"atomic_c": vector, "image_mode": mode})
        assert run(TEMPLATE, row, first)[0][Count.COMPUTE] == cycles * pixels, (vector, mode)
    inner = conv("conv2", (64, 64), 56, 3, pad=1)
    assert run(TEMPLATE, design_row(TEMPLATE, {}), inner)[0][Count.COMPUTE] == 9 * 56 * 56 * 2


def test_what_does_not_fit_is_read_in_passes() -> None:
    layer = conv("conv", (64, 256), 32, 1)  # 64 KiB of inputs, 16 KiB of weights
    values = {"weight_bits": 8, "input_bits": 8, "weight_share": 0.5}
    inputs, weights = 64 * 1024 * 8, 16 * 1024 * 8

    def traffic(buffer_kb: float, keep: str) -> tuple[float, float]:
        counts, _, _ = run(
            TEMPLATE, design_row(TEMPLATE, values | {"buffer_kb": buffer_kb}), layer, [KEEPS.index(keep)]
        )
        return counts[Count.DRAM_INPUT] / inputs, counts[Count.DRAM_WEIGHT] / weights

    assert traffic(256, "inputs") == traffic(256, "weights") == (1, 1)
    assert traffic(64, "inputs") == traffic(64, "weights") == (1, 1)  # the weights fit
    assert traffic(32, "inputs") == (1, 8)  # strips of 4 lines
    assert traffic(32, "weights") == (2, 1)  # 128 kernels at once


def test_one_pixel_waits_for_weights() -> None:
    layer = make_layer(name="fc", kind=Kind.FC, in_channels=640, out_channels=64)
    counts, _, _ = run(TEMPLATE, design_row(TEMPLATE, {"atomic_c": 64, "atomic_k": 32}), layer)
    assert counts[Count.COMPUTE : Count.STALL] == [20, 300]  # 16 cycles per set of weights: 6.25% (unit description)


def test_a_loop_nest_follows_the_mapping() -> None:
    row = design_row(TEMPLATE, {"buffer_kb": 32, "input_bits": 8, "weight_bits": 8})
    layer = conv("conv", (64, 256), 32, 1, groups=2)
    first, second = (TEMPLATE.loop_nest(row, layer, [KEEPS.index(keep)]) for keep in KEEPS)
    assert first[0] == second[0] == "for group in 2:"
    assert first[1] == "for strip of 8 x 32 pixels in 1 x 32 x 32:"
    assert second[1] == "for block of kernels in 128 by 128:"
    assert first[-1] == "32 kernels x 64 channels, pixel by pixel of the stripe"


def test_hardware_has_one_buffer() -> None:
    hardware = TEMPLATE.hardware(np.array([design_row(TEMPLATE, {"buffer_kb": 256})]))
    assert hardware.shared_buffer
    assert hardware.buffer_bytes[0].tolist() == [262144] * 3
    assert (hardware.multipliers[0], hardware.elements[0]) == (2048, 32)
    assert hardware.buffer_banks[0].tolist() == [16] * 3
    assert hardware.register_bytes[0].tolist() == [64 * 2, 2 * 64 * 2, 32 * 4]  # two sets of weights, 32 sums
