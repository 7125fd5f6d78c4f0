"""The time that a system adds to that of the models: none by default, cycles per layer, and DRAM below its peak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from dse.model.cost import build, totals
from dse.model.design import Design, load_design
from dse.model.evaluation import evaluate
from dse.model.overhead import NONE, Overhead
from dse.space.file import load_space
from dse.validation.publication import find_design
from netlists.errors import DesignError

DESIGNS = ("nvdla_64", "zhang_fpga15", "qiu_fpga16", "tpu_isca17", "eyeriss_jssc17", "cbrain_dac16")


def with_overhead(name: str, **fields: float) -> Design:
    return find_design(name).model_copy(update={"overhead": Overhead.model_validate(fields)})


@pytest.mark.parametrize("name", DESIGNS)
def test_cycles_per_layer(name: str) -> None:
    plain, slow = evaluate(find_design(name)), evaluate(with_overhead(name, layer_cycles=5000))
    layers = sum(layer.repeat for layer in plain.network.layers)
    assert slow.metrics()["cycles"] == plain.metrics()["cycles"] + 5000 * layers
    assert slow.metrics()["dram_mb"] == plain.metrics()["dram_mb"]
    assert np.array_equal(slow.cost.cycles, plain.cost.cycles + 5000)


@pytest.mark.parametrize("name", DESIGNS)
def test_dram_efficiency_is_less_bandwidth(name: str) -> None:
    design = find_design(name)
    half = design.parameters["dram_gb_s"] / 2
    slow = evaluate(with_overhead(name, dram_efficiency=0.5))
    same = evaluate(design.model_copy(update={"parameters": {**design.parameters, "dram_gb_s": half}}))
    assert np.array_equal(slow.cost.counts, same.cost.counts)
    ports = name == "zhang_fpga15"  # whose ports are slower than half of its memory
    assert ports or slow.metrics()["latency_ms"] > evaluate(design).metrics()["latency_ms"]


@pytest.mark.parametrize("name", DESIGNS)
def test_none_by_default(name: str) -> None:
    assert find_design(name).overhead == NONE == Overhead(layer_cycles=0, dram_efficiency=1)


def test_sums_of_an_exploration_include_it() -> None:
    result = evaluate(with_overhead("nvdla_64", layer_cycles=777, dram_efficiency=0.6))
    machine = result.cost.machine
    sums = totals(machine, result.network, search=True)
    assert sums.cycles[0] == result.totals().cycles[0]
    assert build(machine.template, machine.designs, machine.technology).overhead == NONE


def test_spaces(tmp_path: Path) -> None:
    part = {"template": "spatial", "technology": "28nm", "parameters": {"atomic_c": [8, 16]}}
    whole = {"networks": {"resnet18": 1}, "objectives": [{"latency_ms": "min"}], "search_mapping": True}
    slow = {**part, "overhead": {"layer_cycles": 9000, "dram_efficiency": 0.7}}
    file = tmp_path / "space.yaml"
    file.write_text(yaml.safe_dump({**whole, "spaces": [part, slow]}))
    space = load_space(file)
    result = space.evaluate(np.arange(4)).metrics["latency_ms"]
    assert result[2] > result[0]
    assert result[3] > result[1]
    for index in range(4):
        assert evaluate(Design.model_validate(space.describe(index))).metrics()["latency_ms"] == result[index]


@pytest.mark.parametrize(
    "wrong", [{"dram_efficiency": 0}, {"dram_efficiency": 1.5}, {"layer_cycles": -1}, {"cycles": 5}]
)
def test_wrong(tmp_path: Path, wrong: dict[str, float]) -> None:
    file = tmp_path / "design.yaml"
    file.write_text(yaml.safe_dump({"template": "spatial", "technology": "28nm", "overhead": wrong}))
    with pytest.raises(DesignError, match=rf"design\.yaml: .*overhead.{next(iter(wrong))}"):
        load_design(file)
