"""What the slow twins of the templates share: word lengths, DRAM time, operations, laws, random layers."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dse.model.design import design_row
from dse.templates.base import COUNTS, Count, Template
from dse.templates.strips import touched_lines
from dse.workloads.layers import Kind, Layer, make_layer
from netlists.errors import DesignError

PAIRS = 1_000 if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" else 10_000
"""Random pairs of a design and a layer on which a template is compared with its twin; fewer if it is interpreted."""


def words(design: Mapping[str, Any], layer: Layer) -> tuple[int, int, int]:
    """Bits of a weight, an input, an output."""
    given = int(design["input_bits"])
    return layer.weight_bits or int(design["weight_bits"]), layer.input_bits or given, layer.output_bits or given


def dram_cycles(design: Mapping[str, Any], bits: int) -> int:
    per_cycle: float = design["dram_gb_s"] * 8e3 / design["clock_mhz"]
    return math.ceil(bits / per_cycle)


def switched(design: Mapping[str, Any], layer: Layer) -> dict[Count, int]:
    weight, given, _ = words(design, layer)
    return {
        Count.MACS: layer.macs,
        Count.MULTIPLY: layer.macs * weight * given,
        Count.ADD: layer.macs * int(design["psum_bits"]),
    }


def traffic_only(design: Mapping[str, Any], layer: Layer) -> dict[Count, int]:
    """Counts of pooling and element-wise layers."""
    _, given, result = words(design, layer)
    out = dict.fromkeys(Count, 0)
    out[Count.DRAM_INPUT], out[Count.DRAM_OUTPUT] = layer.inputs * given, layer.outputs * result
    out[Count.STALL] = dram_cycles(design, out[Count.DRAM_INPUT] + out[Count.DRAM_OUTPUT])
    return out


def as_row(counts: dict[Count, int]) -> list[int]:
    return [counts[count] for count in Count]


def check_laws(design: Mapping[str, Any], layer: Layer, counts: list[int], multipliers: float) -> None:
    """Check lower bounds that hold for any schedule of a layer with multiplications."""
    weight_bits, input_bits, output_bits = words(design, layer)
    cycles = sum(counts[: Count.STALL + 1])
    high = touched_lines(layer.out_h, layer.kernel_h, layer.stride_h, layer.dilation_h)[0]
    wide = touched_lines(layer.out_w, layer.kernel_w, layer.stride_w, layer.dilation_w)[0]
    pixels = min(high, layer.in_h) * min(wide, layer.in_w) * layer.in_channels * layer.batch
    assert counts[Count.MACS] == layer.macs
    assert counts[Count.DRAM_INPUT] >= pixels * input_bits
    assert counts[Count.DRAM_WEIGHT] >= layer.weights * weight_bits
    assert counts[Count.DRAM_OUTPUT] >= layer.outputs * output_bits
    assert cycles * multipliers >= layer.macs
    assert cycles >= dram_cycles(design, sum(counts[Count.DRAM_INPUT : Count.DRAM_OUTPUT + 1]))


def random_layer(rng: np.random.Generator) -> Layer:
    """A small layer of any kind: groups, depthwise, stride, dilation, batch, odd sizes, own word lengths."""
    while True:
        kind = Kind(rng.choice([0, 0, 0, 0, 0, 1, 2, 3, 4]))
        groups, wide = int(rng.choice([1, 1, 1, 2, 3])), kind in (Kind.CONV, Kind.POOL)
        inner, outer = int(rng.integers(1, 24)), int(rng.integers(1, 24))
        if kind == Kind.CONV and rng.random() < 0.2:
            groups, inner, outer = int(rng.integers(2, 12)), 1, 1  # depthwise
        if kind in (Kind.POOL, Kind.ELEMENTWISE):
            groups, outer = 1, inner
        values: dict[str, object] = {
            "name": "layer", "kind": kind, "groups": groups, "in_channels": inner * groups,
            "out_channels": outer * groups, "in_h": int(rng.integers(1, 15)),
        }  # fmt: skip
        if kind != Kind.MATMUL:
            values |= {"batch": int(rng.choice([1, 1, 2, 3]))}
        if kind == Kind.ELEMENTWISE:
            values |= {"operands": 2}
        if wide:
            values |= {"in_w": int(rng.integers(1, 15))}
            for axis, ends in (("h", ("top", "bottom")), ("w", ("left", "right"))):
                values |= {
                    f"kernel_{axis}": int(rng.choice([1, 2, 3, 5, 7])),
                    f"stride_{axis}": int(rng.integers(1, 5)),
                }
                values |= {f"dilation_{axis}": int(rng.choice([1, 1, 1, 2, 3]))}
                values |= {f"pad_{end}": int(rng.integers(0, 3)) for end in ends}
        if rng.random() < 0.2:
            values |= {f"{x}_bits": int(rng.choice([4, 8])) for x in ("weight", "input", "output")}
        try:
            return make_layer(**values)
        except DesignError:
            continue


def run(
    template: Template, row: list[float], layer: Layer, mapping: list[int] | None = None, search: bool = False
) -> tuple[list[int], str, list[int]]:
    """Counts, reason and mapping of one layer on one design; without a mapping the default one."""
    designs, layers = np.array([row]), np.array([layer.row()])
    mappings = template.default_mapping(designs, layers) if mapping is None else np.array([[mapping]], np.int64)
    counts, reasons = np.zeros((1, 1, COUNTS), np.int64), np.zeros((1, 1), np.int16)
    template.run(designs, layers, mappings, search, counts, reasons)
    return counts[0, 0].tolist(), template.reasons[reasons[0, 0]], mappings[0, 0].tolist()


Slow = Callable[[dict[str, float], Layer, list[int]], tuple[dict[Count, int], str]]
"""A twin: counts of a design on a layer with a mapping, and why it does not run."""


def equal(
    template: Template, slow: Slow, design: dict[str, float], layer: Layer, drawn: list[int], all_mappings: bool
) -> tuple[list[list[int]], str]:
    """Check that counts of a layer equal those of the twin; returns them, and the reason if it does not run.

    For the random mapping `drawn`, and with `all_mappings` for the default and the searched mapping too.
    """
    result, why = [], ""
    for mapping, search in ((drawn, False), (None, False), (None, True))[: None if all_mappings else 1]:
        counts, reason, used = run(template, design_row(template, design), layer, mapping, search)
        twin, why = slow(design, layer, used)
        assert reason == why, (design, layer, used, search)
        if not reason:
            assert counts == as_row(twin), (design, layer, used, search)
            result.append(counts)
    return result, why
