"""Counts of huge layers equal those of the kernels in plain Python and are below the bound; larger ones are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
