"""The numbers on memory, energy and mappings in JSON and reports add up to the totals, for every template."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dse.cli import app
from dse.model.cost import LEVELS, OPERANDS, PARTS
from dse.model.design import Design
from dse.model.evaluation import Evaluation, evaluate
from dse.model.overhead import Overhead
from dse.reports import evaluation, tables
from dse.templates import NAMES
from dse.templates.base import Count

NETWORKS = ("alexnet", "resnet18", "mobilenet_v2", "bert_base")
SIZES = {"tiled_fpga": {"tn": 16, "kernel": 11}}


def run(template: str, network: str) -> Evaluation:
    on_fpga = template.endswith("fpga")
    design = Design(
        template=template, network=network, batch=2,
        parameters=SIZES.get(template, {}), overhead=Overhead(layer_cycles=100, dram_efficiency=0.8),
        device="U250" if on_fpga else None, technology=None if on_fpga else "16nm",
    )  # fmt: skip
    return evaluate(design)


@pytest.mark.parametrize("template", NAMES)
@pytest.mark.parametrize("network", NETWORKS)
def test_sums_are_the_totals(template: str, network: str) -> None:
    found = run(template, network)
    summary = evaluation.summarize(found)
    json.dumps(summary, allow_nan=False)
    assert found.feasible
    layers = summary["layers"]
    for level in LEVELS:
        for operand in OPERANDS:
            each = sum(layer["accesses_bits"][level][operand] * layer["repeat"] for layer in layers)
            assert summary["accesses_bits"][level][operand] == each
        for layer in layers:
            assert sum(layer["accesses_bits"][level].values()) / 8e6 == pytest.approx(layer[f"{level}_mb"], rel=1e-12)
    assert sum(summary["accesses_bits"]["dram"].values()) / 8e6 == pytest.approx(summary["dram_mb"], rel=1e-12)
    for each in [summary, *layers]:
        assert list(each["energy_by_operand_mj"]) == list(PARTS)
        for part in PARTS:
            split = sum(each["energy_by_operand_mj"][part].values())
            assert split == pytest.approx(each["energy_parts_mj"][part], rel=1e-9, abs=1e-18)
        whole = sum(sum(split.values()) for split in each["energy_by_operand_mj"].values())
        assert whole == pytest.approx(each["energy_mj"], rel=1e-9)
    for layer in layers:
        assert layer["spatial_utilization"] * layer["temporal_utilization"] == pytest.approx(layer["utilization"])
        assert 0 <= layer["spatial_utilization"] <= 1 + 1e-12
        assert bool(layer["loop_nest"]) == bool(layer["macs"])


@pytest.mark.parametrize(
    ("template", "network"), [("systolic", "resnet18"), ("spatial", "alexnet"), ("adaptive", "nin")]
)
def test_bandwidth_needed(template: str, network: str) -> None:
    """With that DRAM bandwidth the traffic of a layer takes as long as its array computes; with less, longer."""
    found = run(template, network)
    for k, layer in enumerate(evaluation.summarize_layers(found)):
        if not layer["macs"]:
            assert layer["bandwidth_needed_gb_s"] is None
            continue
        needed = sum(layer["bandwidth_needed_gb_s"]["dram"].values())
        seconds = layer["compute_cycles"] / (found.cost.machine.designs[0, 0] * 1e6)
        assert needed * 1e9 * seconds == pytest.approx(layer["dram_mb"] * 1e6)
        assert needed <= evaluation.find_peak_bandwidths(found)["dram"] + 1e-9
        reached = found.cost.machine.timed[0, 1]
        if needed > reached:
            least = layer["dram_mb"] * 1e-3 / reached
            assert layer["latency_ms"] * 1e-3 >= least * 0.999
            assert found.cost.counts[0, k, Count.STALL] > 100


@pytest.mark.parametrize("network", ["alexnet", "resnet18", "mobilenet_v2"])
def test_memory_table(network: str) -> None:
    found = run("systolic", network)
    table = tables.make_memory_table(found)
    assert len(table.rows) == len(LEVELS) * len(OPERANDS)
    numbers = np.array([row[1:] for row in table.rows], np.float64)
    dram = numbers[[str(row[0]).startswith("dram") for row in table.rows]].sum(axis=0)
    assert dram[0] == pytest.approx(found.metrics()["dram_mb"])
    assert dram[1] == pytest.approx(found.metrics()["bandwidth_gb_s"])
    energy = found.totals().energy_pj[0] * 1e-9
    assert dram[2] == pytest.approx(energy[PARTS.index("dram")])
    assert np.isclose(numbers[:, 3].sum(), 100 * energy[1:5].sum() / energy.sum(), atol=0.7)


def test_json_and_report(tmp_path: Path) -> None:
    out = CliRunner().invoke(app, ["evaluate", "nvdla_64", "--json", "--out", str(tmp_path)])
    summary = json.loads(out.output)
    assert summary["layers"][0]["loop_nest"]
    assert json.loads((tmp_path / "metrics.json").read_text()) == summary
    html = (tmp_path / "report.html").read_text()
    assert "Accesses, energy and bandwidth of memory" in html
    assert "buffer, weight" in html
    assert summary["layers"][0]["loop_nest"][0].strip() in html
