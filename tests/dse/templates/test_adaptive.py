"""The adaptive template: the slow twin, conservation, and what C-Brain's abstract says about the schemes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dse.model.cost import Cost, build, evaluate
from dse.model.design import design_row
from dse.model.technology import technology
from dse.templates.adaptive import KEEPS, SCHEMES, STAYS, TEMPLATE
from dse.templates.base import Count
from dse.validation.compare import compare
from dse.workloads.builtin import network
from dse.workloads.layers import Kind, conv
from tests.dse.templates.twins_adaptive import count
from tests.dse.twin import PAIRS, as_row, random_layer, run


def random_values(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "clock_mhz": float(rng.choice([200, 1000])), "dram_gb_s": float(rng.choice([0.01, 0.1, 1, 20])),
        "weight_bits": int(rng.choice([8, 16])), "input_bits": int(rng.choice([8, 16])),
        "psum_bits": int(rng.choice([16, 32])), "tin": int(rng.integers(1, 33)), "tout": int(rng.integers(1, 33)),
        "input_kb": float(rng.choice([1, 1.5, 4, 64])), "weight_kb": float(rng.choice([1, 2.5, 64])),
        "output_kb": float(rng.choice([1, 2, 64])),
    }  # fmt: skip


def test_counts_equal_the_slow_twins() -> None:
    rng = np.random.default_rng(1)
    refused = dict.fromkeys(("inputs", "kernels", "sums"), 0)
    for _ in range(PAIRS):
        layer, values = random_layer(rng), random_values(rng)
        if rng.random() < 0.02:
            values |= {"tout": 300, "psum_bits": 64}
        mapping = [int(rng.integers(len(names))) for names in (SCHEMES, KEEPS, STAYS)]
        counts, reason, _ = run(TEMPLATE, design_row(TEMPLATE, values), layer, mapping)
        expected = count(values, layer, SCHEMES[mapping[0]], KEEPS[mapping[1]], STAYS[mapping[2]])
        if isinstance(expected, str):
            assert expected in reason
            refused[expected] += 1
        else:
            assert (reason, counts) == ("", as_row(expected)), (values, layer, mapping)
    assert refused["inputs"] > PAIRS / 200
    assert refused["kernels"] > PAIRS / 200


def test_sums_of_one_pixel_have_to_fit() -> None:
    row = design_row(TEMPLATE, {"tout": 256, "psum_bits": 64, "output_kb": 1})
    assert "partial sums" in run(TEMPLATE, row, conv("conv", (4, 256), 8, 1))[1]


def preference(counts: list[int]) -> tuple[int, int, int]:
    """The search minimizes cycles, then DRAM traffic, then what buffers move."""
    levels = counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1], counts[Count.BUFFER_INPUT : Count.BUFFER_OUTPUT + 1]
    return sum(counts[: Count.STALL + 1]), sum(levels[0]), sum(levels[1])


def test_nothing_is_lost_and_search_takes_the_best_mapping() -> None:
    rng = np.random.default_rng(2)
    won = dict.fromkeys(SCHEMES, 0)
    for _ in range(600):
        layer, values = random_layer(rng), random_values(rng)
        values |= {"scheme": str(rng.choice(["adaptive", *SCHEMES])), "keep": str(rng.choice(["adaptive", *KEEPS]))}
        row = design_row(TEMPLATE, values)
        tried = [
            run(TEMPLATE, row, layer, [scheme, keep, stay])
            for scheme in range(len(SCHEMES)) if values["scheme"] in ("adaptive", SCHEMES[scheme])
            for keep in range(len(KEEPS)) if values["keep"] in ("adaptive", KEEPS[keep])
            for stay in range(len(STAYS))
        ]  # fmt: skip
        actual, reason, mapping = run(TEMPLATE, row, layer, search=True)
        times = [sum(counts[:3]) for counts, why, _ in tried if not why]
        assert bool(reason) == (not times)
        if reason or not layer.has_macs:
            continue
        won[SCHEMES[mapping[0]]] += 1
        assert preference(actual) == min(preference(counts) for counts, why, _ in tried if not why)
        weight, result = layer.weight_bits or int(row[2]), layer.output_bits or int(row[3])
        for counts, why, _ in tried:
            if not why:
                assert counts[Count.MACS] == layer.macs
                assert counts[Count.COMPUTE] * values["tin"] * values["tout"] >= layer.macs
                assert counts[Count.DRAM_WEIGHT] >= layer.weights * weight
                assert counts[Count.DRAM_OUTPUT] >= layer.outputs * result
                moved = sum(counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1])
                assert sum(counts[:3]) >= moved / (values["dram_gb_s"] * 8e3 / values["clock_mhz"])
    assert min(won.values()) > 20


def test_the_default_mapping_has_the_fewest_steps() -> None:
    first, inner = conv("conv1", (3, 96), 227, 11, stride=4), conv("conv3", (256, 384), 13, 3, pad=1)
    row = design_row(TEMPLATE, {})
    assert run(TEMPLATE, row, first)[2] == [SCHEMES.index("intra_kernel"), 1, 0]
    assert run(TEMPLATE, row, inner)[2] == [SCHEMES.index("inter_kernel"), 1, 0]
    fixed = design_row(TEMPLATE, {"scheme": "partition", "keep": "sums"})
    assert run(TEMPLATE, fixed, inner)[2] == [SCHEMES.index("partition"), 0, 0]


@pytest.mark.parametrize(
    ("scheme", "steps"), [("inter_kernel", 121), ("intra_kernel", 3 * 8), ("partition", 3 * 3 * 3)]
)
def test_cycles_of_alexnets_first_layer(scheme: str, steps: int) -> None:
    layer = conv("conv1", (3, 96), 227, 11, stride=4)
    counts, _, _ = run(TEMPLATE, design_row(TEMPLATE, {"scheme": scheme, "dram_gb_s": 1000}), layer)
    assert counts[Count.COMPUTE] == steps * 55 * 55 * 96 // 16


def cost(name: str, lanes: int, **values: object) -> Cost:
    """Cost of the convolutions of a network on lanes × lanes, with words of 16 bits."""
    common = {"clock_mhz": 1000, "dram_gb_s": 25.6, "psum_bits": 16, "tin": lanes, "tout": lanes}
    machine = build(TEMPLATE, np.array([design_row(TEMPLATE, common | values)]), technology("45nm"))
    result = evaluate(machine, network(name).only([Kind.CONV]))
    assert result.feasible.all()
    return result


FIXED = {"scheme": "inter_kernel", "keep": "sums"}


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "nin"])
def test_the_first_layer_is_four_to_eight_times_as_fast(name: str) -> None:
    """The abstract: 4.0x to 8.3x for some layers of well-known networks."""
    speedup = cost(name, 16, **FIXED).cycles[0] / cost(name, 16).cycles[0]
    assert 4.0 <= speedup[0] <= 8.3
    assert (speedup >= 1).all()


def test_buffers_move_about_a_tenth() -> None:
    """The abstract: 90.3% of the energy of on-chip memory saved; here bits, on 32 × 32 lanes."""
    saved = []
    for name in ("alexnet", "googlenet", "vgg16", "nin"):
        adaptive, fixed = (
            (result.counts[0, :, Count.BUFFER_INPUT : Count.BUFFER_OUTPUT + 1].sum(axis=1) * result.repeats).sum()
            for result in (cost(name, 32), cost(name, 32, **FIXED))
        )
        saved.append(1 - adaptive / fixed)
    assert np.mean(saved) == pytest.approx(0.903, abs=0.02)


def test_a_loop_nest_follows_the_mapping() -> None:
    row, layer = design_row(TEMPLATE, {}), conv("conv1", (6, 32), 227, 11, stride=4, groups=2)
    assert TEMPLATE.loop_nest(row, layer, [1, 1, 0]) == [
        "for group in 2:",
        "for strip of input lines of 1 x 55 x 55:",
        "for kernels by 16:",
        "for step in 24:",
        "for pixel:",
        "intra_kernel: 16 inputs x 16 kernels",
    ]
    assert TEMPLATE.loop_nest(row, layer, [0, 0, 1])[1] == "for block of kernels in 16:"


def test_hardware_is_tin_times_tout() -> None:
    hardware = TEMPLATE.hardware(np.array([design_row(TEMPLATE, {"tin": 16, "tout": 8, "weight_kb": 32})]))
    assert (hardware.multipliers[0], hardware.elements[0]) == (128, 8)
    assert hardware.buffer_bytes[0].tolist() == [1048576, 32768, 1048576]
    words = {"tin": 16, "tout": 8, "input_kb": 64, "weight_kb": 32, "output_kb": 4, "input_bits": 8, "psum_bits": 24}
    others = words | {"input_kb": 1024, "weight_kb": 1024, "output_kb": 1}
    small = TEMPLATE.hardware(np.array([design_row(TEMPLATE, words), design_row(TEMPLATE, others)]))
    assert small.buffer_banks.tolist() == [[256, 128, 16], [128, 128, 1]]
    assert small.register_bytes[0].tolist() == [16, 32, 3]


def test_against_the_publication() -> None:
    missed = [row.row for row in compare("cbrain_dac16").rows if not row.ok]
    # See the file's notes: 10x, while the abstract reports up to 8.3x, and 81% saved on the smaller array.
    assert missed == ["alexnet conv1, 32 x 32", "nin conv1, 32 x 32", "alexnet, 16 x 16", "googlenet, 16 x 16"]
