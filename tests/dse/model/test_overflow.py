"""Counts of huge layers equal those of the kernels in plain Python and are below the bound; larger ones are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse.model.design import Design
from dse.model.evaluation import evaluate
from dse.model.overflow import LIMIT, corner, most_counts
from dse.space.file import load_space
from dse.templates import NAMES, template
from dse.templates.base import Count, scale_by_ppm
from dse.workloads.layers import PPM, Kind, Layer, Network, conv
from netlists.errors import DesignError
from tests import ROOT
from tests.dse.huge import cases, counts

CASES = 40  # per template


@pytest.fixture(scope="module")
def in_python() -> dict[str, Any]:
    """Counts by template, as `tests.dse.huge` prints them."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.dse.huge", str(CASES)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("name", NAMES)
def test_huge_counts_are_exact_and_below_the_bound(name: str, in_python: dict[str, Any]) -> None:
    ours = counts(name, CASES)
    assert ours == in_python[name]
    assert sum(reason == 0 for reason, _ in ours) > CASES / 8
    family = template(name)
    most = max(most_counts(family, corner(family, row), layer) for row, layer in cases(name, CASES))
    assert LIMIT > most > 0.9 * LIMIT
    largest = max(max(result) for reason, result in ours if reason == 0)
    assert min(min(result) for reason, result in ours if reason == 0) >= 0
    assert largest < most


# Two images of 7 × 8 pixels, 2 × 3 kernels that reach over 4 × 5 pixels, 2 × 4 outputs; words of at most 32 bits.
SMALL = Layer("small", Kind.CONV, 2, 3, 7, 8, 2, 3, stride_h=2, dilation_h=3, dilation_w=2, batch=2)
RANGES = {
    "weight_bits": (4.0, 8.0), "input_bits": (4.0, 16.0), "psum_bits": (16.0, 32.0),
    "clock_mhz": (100.0, 800.0), "dram_gb_s": (0.01, 1.0),  # 800 MHz and 80 bits per µs: 10 cycles per bit
}  # fmt: skip
SIDES = {"rows": (1.0, 3.0), "columns": (1.0, 5.0)}


@pytest.mark.parametrize(
    ("name", "own", "most"),
    [
        # 6 pairs of channels and 2 images: 576 MACs; (7 (1 + 6) + 8 · 2 · 3) · 8 = 776 pixels read for each pair, and
        # each MAC's 8 words, in 10 cycles per bit; MACs of 32² bits, and 4 words over 4 + 2 (3 + 5) hops.
        ("systolic", SIDES, (12 * 776 + 8 * 576) * 32 * 10 + 576 * (32 * 32 + 4 * 32 * 20)),
        # Whole windows: (7 + 2 (2 · 4 + 2)) (8 + 4 (3 · 3 + 1)) = 27 · 48 = 1296 pixels.
        ("spatial", {}, (12 * 1296 + 8 * 576) * 32 * 10 + 576 * (32 * 32 + 4 * 32 * 4)),
        ("adaptive", {}, (12 * 1296 + 8 * 576) * 32 * 10 + 576 * (32 * 32 + 4 * 32 * 4)),
        # Channels padded by 4 and 6: (2 + 4) (3 + 6) = 54 pairs, 5184 MACs; weights in all elements.
        (
            "row_stationary", SIDES | {"input_words": (1.0, 4.0), "psum_words": (1.0, 6.0)},
            (108 * 1296 + 8 * 5184) * 32 * 10 + 5184 * (32 * 32 + 4 * 32 * 32) + 36 * 32 * 15,
        ),
        # Half of the bandwidth is reached: 20 cycles per bit; a step fills and drains for 10 cycles.
        (
            "tiled_fpga", {"depth": (0.0, 10.0), "port_bits": (2.0, 8.0), "port_share": (0.5, 1.0)},
            (12 * 1296 + 8 * 576) * 32 * 20 + 576 * (32 * 32 + 4 * 32 * 24),
        ),
        # The port is slower than memory: 2 bits per cycle for an eighth of the time, 4 cycles per bit.
        (
            "tiled_fpga",
            {"depth": (0.0, 10.0), "port_bits": (2.0, 8.0), "port_share": (0.125, 1.0), "dram_gb_s": (10.0, 10.0)},
            (12 * 1296 + 8 * 576) * 32 * 4 + 576 * (32 * 32 + 4 * 32 * 24),
        ),
        # (2 + 4) (3 + 2) = 30 pairs, 2880 MACs; 10² pixels for each of 2880 / 6 outputs, 2 · 3 parts of a kernel, twice
        # through 3 lines; and half as much again in phases with fewer maps than elements.
        (
            "convolver_fpga",
            {
                "depth": (0.0, 10.0), "convolvers": (1.0, 4.0), "pes": (1.0, 2.0), "channels": (4.0, 8.0),
                "kernel": (2.0, 3.0), "tile": (1.0, 10.0), "tile_share": (0.5, 1.0), "stream_share": (0.25, 1.0),
            },
            1.5 * ((60 * 1296 + 8 * 2880) * 32 * 40 + 2880 * (32 * 32 + 4 * 32 * 24) + 480 * 100 * 6 * 2 * 3 * 32),
        ),
    ],
)  # fmt: skip
def test_the_bound_of_a_small_layer(name: str, own: dict[str, tuple[float, float]], most: float) -> None:
    assert most_counts(template(name), RANGES | own, SMALL) == most


def test_the_bound_of_layers_without_macs_and_of_own_words() -> None:
    values = RANGES | SIDES
    pool = Layer("pool", Kind.POOL, 2, 2, 7, 8, 2, 3)
    assert most_counts(template("systolic"), values, pool) == (2 * 7 * 8 + 2 * 6 * 6) * 32 * 10
    assert most_counts(template("systolic"), values, replace(pool, output_bits=64)) == (112 + 72) * 64 * 10


@given(st.integers(0, 2**62), st.integers(0, PPM))
def test_scaling_by_ppm_is_exact(count: int, ppm: int) -> None:
    assert scale_by_ppm(count, ppm) == count * ppm // PPM


@pytest.mark.parametrize("name", NAMES)
def test_zeros_of_a_layer_of_1e13_macs(name: str) -> None:
    family = template(name)
    where = {"device": "VU9P"} if family.fpga else {"technology": "28nm"}
    own = {"kernel": 3, "tm": 16, "tn": 4} if name == "tiled_fpga" else {}
    design = Design.model_validate({"template": name, "search_mapping": False, "batch": 4, "parameters": own,
                                    **where})  # fmt: skip
    zeros = 0.5
    layer = Layer("big", Kind.CONV, 512, 512, in_h=1024, in_w=1024, kernel_h=3, kernel_w=3, pad_top=1, pad_left=1,
                  pad_bottom=1, pad_right=1, input_zeros=zeros)  # fmt: skip
    assert design.batch * layer.macs > 9e12
    result = evaluate(design, Network("big", (layer,)))
    if result.feasible:
        row = result.cost.counts[0, 0]
        assert row[Count.MACS] == design.batch * layer.macs
        switching = design.batch * layer.macs * (1 - zeros if name == "row_stationary" else 1)
        assert row[Count.MULTIPLY] == int(switching) * 16 * 16
        assert (row >= 0).all()


@pytest.mark.parametrize(
    ("batch", "layer", "message"),
    [
        (10**6, conv("wide", (4096, 4096), 4096, 3, pad=1), "layer wide of 2.53e+21 MACs is too large for exact"),
        (1, conv("many", (64, 64), 56, 3, pad=1, repeat=2**40), "layer many of"),
        (1, Layer("copy", Kind.ELEMENTWISE, 2**40, 2**40, in_h=2**20), "layer copy of 0 MACs is too large"),
        (2**70, conv("end", (64, 64), 56, 3, pad=1), "layer first: batch is too large"),
    ],
)
def test_larger_sizes_are_refused_in_one_line(batch: int, layer: Layer, message: str) -> None:
    design = Design.model_validate({"template": "systolic", "technology": "28nm", "batch": batch})
    with pytest.raises(DesignError) as complaint:
        evaluate(design, Network("net", (conv("first", (3, 8), 8, 3), layer)))
    assert message in str(complaint.value)
    assert "expected less than 2^62" in str(complaint.value)
    assert "\n" not in str(complaint.value)


@pytest.mark.parametrize("batch", [10**9, 10**15, 10**400], ids=["9", "15", "400"])
def test_spaces_refuse_batches_that_are_too_large(batch: int) -> None:
    with pytest.raises(DesignError, match="expected less than 2\\^62"):
        load_space("tpu_28nm", batch=batch)
    assert load_space("tpu_28nm", batch=1000).batch == 1000
