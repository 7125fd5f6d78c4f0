"""Design spaces: numbering, evaluation, what files may contain, and the messages for what is wrong."""

from __future__ import annotations

import math
import os
import pickle
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dse.model.design import Design
from dse.model.devices import RESOURCES
from dse.model.evaluation import evaluate
from dse.model.metrics import METRICS
from dse.space.file import MAX_SIZE, catalog, load_space, make_space
from dse.space.space import BLOCK, DesignSpace
from dse.workloads.layers import Network
from netlists.errors import DesignError
from tests.dse.toy import CONTENT, space, toy

__all__ = ["toy"]
pytestmark = pytest.mark.usefixtures("toy")

TWO: dict[str, Any] = {
    "template": None,
    "technology": None,
    "parameters": None,
    "conditions": None,
    "spaces": [
        {"template": "toy", "technology": "28nm", "parameters": {"rows": [8, 16], "buffer_kb": [16, 32, 64]}},
        {
            "template": "toy",
            "technology": "45nm",
            "parameters": {"columns": [4, 8, 12, 16], "rows": [64, 32, 16], "order": "second", "buffer_kb": 64},
            "conditions": ["rows < columns * 8"],
        },
    ],
}


def lists() -> list[list[float]]:
    """The values of each parameter of the toy space."""
    return [[*range(4, 45, 4)], [3, 6, 8, 16, 32], [1, 2, 4, 8, 16, 32, 64], [0, 1], [100, 150, 200], [12.8]]


def test_designs_are_numbered_like_nested_loops() -> None:
    small = space()
    everything = np.array(list(product(*lists())))
    assert small.size == len(everything) == 2310
    assert small.parameters == ("rows", "columns", "buffer_kb", "order", "clock_mhz", "dram_gb_s")
    index = np.random.default_rng(0).permutation(small.size)
    assert np.array_equal(small.values(index), everything[index])
    (part,) = small.parts
    assert np.array_equal(part.index(part.digits(index)), index)


def test_numbers_beyond_the_end_begin_again() -> None:
    part = space().parts[0]
    row = part.designs(np.arange(part.size - 2, part.size + 2))
    assert np.array_equal(row, part.designs(np.array([part.size - 2, part.size - 1, 0, 1])))


def test_several_templates_number_one_after_the_other() -> None:
    both = space(**TWO)
    assert both.size == 6 + 12
    assert both.parameters == ("template", "rows", "buffer_kb", "columns", "order")
    values = both.values(np.array([0, 5, 6, 17]))
    nan = math.nan
    expected = [[0, 8, 16, nan, nan], [0, 16, 64, nan, nan], [1, 64, 64, 4, 1], [1, 16, 64, 16, 1]]
    assert np.array_equal(values, np.array(expected), equal_nan=True)
    result = both.evaluate(np.arange(18)[::-1])
    for row, number in enumerate(range(17, -1, -1)):
        alone = both.evaluate(np.array([number]))
        assert np.array_equal(alone.objectives[0], result.objectives[row])
    assert result.feasible.sum() == 18 - 3  # 4 columns exclude 64 and 32 rows, 8 columns exclude 64


def test_numbers_outside_are_refused() -> None:
    small = space()
    with pytest.raises(DesignError, match="design 2310 is not one of 0 to 2309"):
        small.evaluate(np.array([3, 2310]))
    with pytest.raises(DesignError, match="-1"):
        small.values(np.array([-1]))


def test_every_design_costs_what_its_file_costs() -> None:
    """The numbers of a design in a block are, bit for bit, those of the design file that the space writes for it."""
    small = space(constraints={"area_mm2": {"max": 1.0}, "latency_ms": {"min": 2, "max": 40}})
    index = np.arange(0, small.size, 23)
    result = small.evaluate(index)
    seen = set()
    for row, number in enumerate(index.tolist()):
        design = Design(**small.describe(number))
        parameters = design.parameters
        reason = small.reasons[result.reason[row]]
        seen.add(reason)
        assert result.feasible[row] == (reason == "")
        if int(parameters["rows"]) * int(parameters["columns"]) > 1024:
            assert reason == "rows * columns <= 1024 does not hold"
            continue
        evaluation = evaluate(design)
        if not evaluation.feasible:
            assert reason == "the buffer is smaller than one kernel"
            assert np.isnan(result.metrics["latency_ms"][row])
            continue
        alone = evaluation.metrics()
        for name in METRICS:
            assert np.array_equal(result.metrics[name][row], alone[name], equal_nan=True)
        if alone["area_mm2"] > 1.0:
            assert reason == "area_mm2 is above 1"
        elif not 2 <= alone["latency_ms"] <= 40:
            assert reason == "latency_ms is below 2 or above 40"
        else:
            assert reason == ""
            assert result.objectives[row].tolist() == [alone["latency_ms"], alone["area_mm2"]]
        if reason:
            assert np.isinf(result.objectives[row]).all()
    assert len(seen) == 5


def test_blocks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    small = space()
    index = np.random.default_rng(1).integers(0, small.size, 300)
    once = small.evaluate(index)
    assert len(index) < BLOCK
    monkeypatch.setattr("dse.space.space.BLOCK", 17)
    monkeypatch.setattr("dse.model.cost.CHUNK", 5)
    again = small.evaluate(index, threads=3)
    assert np.array_equal(once.objectives, again.objectives)
    assert np.array_equal(once.reason, again.reason)
    for name in small.metrics:
        assert np.array_equal(once.metrics[name], again.metrics[name], equal_nan=True)


def test_several_networks_are_weighted() -> None:
    index = np.arange(400, 440)
    first = space(parameters={"rows": [8, 16], "buffer_kb": 64}, batch=2).evaluate(np.arange(2)).metrics
    second = space(parameters={"rows": [8, 16], "buffer_kb": 64}, batch=2, networks={"vgg16": 1}).evaluate(np.arange(2))
    both = space(parameters={"rows": [8, 16], "buffer_kb": 64}, batch=2, networks={"alexnet": 3, "vgg16": 1})
    mixed = both.evaluate(np.arange(2)).metrics
    for name in ("latency_ms", "energy_mj", "dram_mb"):
        assert mixed[name] == pytest.approx(0.75 * first[name] + 0.25 * second.metrics[name])
    assert mixed["throughput_fps"] == pytest.approx(2e3 / mixed["latency_ms"])
    assert mixed["edp"] == pytest.approx(mixed["energy_mj"] * mixed["latency_ms"])
    assert mixed["power_w"] == pytest.approx(mixed["energy_mj"] / mixed["latency_ms"])
    assert both.describe(0)["network"] == "alexnet"
    assert len(index) == 40


def test_weights_that_yaml_reads_as_text_are_numbers() -> None:
    both = space(networks={"vgg16": "9", "alexnet": "1e3"})
    assert both.content["networks"] == {"vgg16": 9.0, "alexnet": 1000.0}
    assert both.describe(0)["network"] == "alexnet"


def test_maximized_objectives_turn_their_sign() -> None:
    small = space(objectives=[{"throughput_fps": "max"}, {"energy_mj": "min"}])
    result = small.evaluate(np.arange(1000, 1040))
    runs = result.feasible
    assert runs.any()
    assert np.array_equal(result.objectives[runs, 0], -result.metrics["throughput_fps"][runs])
    assert np.array_equal(result.objectives[runs, 1], result.metrics["energy_mj"][runs])


def test_accuracy_comes_from_its_table() -> None:
    accuracy = {"parameter": "weight_bits", "table": {8: 86.3, 16: 86.66, 4: 70}}
    parameters = {"weight_bits": [16, 4, 8], "buffer_kb": 64}
    small = space(parameters=parameters, accuracy=accuracy, constraints={"accuracy": {"min": 80}}, conditions=[])
    result = small.evaluate(np.arange(3))
    assert result.metrics["accuracy"].tolist() == [86.66, 70, 86.3]
    assert result.feasible.tolist() == [True, False, True]
    with pytest.raises(DesignError, match="accuracy: the table has no weight_bits 2"):
        space(parameters={"weight_bits": [16, 2]}, accuracy=accuracy, conditions=[])


@pytest.mark.parametrize("metric", ["bandwidth_gb_s", *RESOURCES])
def test_constraints_of_parts_and_bandwidth(metric: str) -> None:
    content = load_space("zhang_vx485t").content | {"search_mapping": False}
    free, index = make_space(content, "free"), np.arange(0, 30_000, 97)
    alone = free.evaluate(index)
    actual = alone.metrics[metric]
    most = float(np.median(actual[alone.feasible]))
    bound = make_space(content | {"constraints": {metric: {"max": most}}}, "bound")
    result = bound.evaluate(index)
    assert np.array_equal(result.feasible, alone.feasible & (actual <= most))
    broken = bound.reasons.index(f"{metric} is above {most:g}")
    assert np.array_equal(result.reason == broken, alone.feasible & (actual > most))
    assert 0 < result.feasible.sum() < alone.feasible.sum()


def test_spaces_can_be_pickled() -> None:
    small = space(**TWO)
    there = pickle.loads(pickle.dumps(small))
    assert isinstance(there, DesignSpace)
    assert np.array_equal(there.evaluate(np.arange(18)).objectives, small.evaluate(np.arange(18)).objectives)


def test_a_pickled_space_needs_no_files_of_networks(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(
        "layer, ifmap h, ifmap w, filter h, filter w, channels, filters, stride,\nconv, 8, 8, 3, 3, 4, 16, 1,\n"
    )
    packed = pickle.dumps(space(networks={str(file): 1.0}))
    file.unlink()
    assert pickle.loads(packed).evaluate(np.arange(40)).feasible.any()


def test_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(CONTENT), encoding="utf-8")
    assert load_space(file).size == 2310
    assert load_space(file).name == "mine"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"templte": "toy"}, "field 'templte' is unknown; did you mean 'template'"),
    ({"template": None}, "template"),
    ({"template": "systolik"}, "template 'systolik' is unknown; did you mean 'systolic'"),
    ({"technology": "27nm"}, "technology '27nm' is unknown"),
    ({"technology": None, "device": "VX485T"}, "template toy takes a technology"),
    ({"networks": {"alexnett": 1}}, "network 'alexnett' is unknown; did you mean 'alexnet'"),
    ({"networks": {"alexnet": 0}}, "networks.alexnet: weight is 0"),
    ({"networks": {}}, "networks"),
    ({"only": ["convolution"]}, "kind 'convolution' is unknown"),
    ({"batch": 0}, "batch"),
    ({"search_mapping": "perhaps"}, "search_mapping"),
    ({"parameters": {}}, "parameters"),
    ({"parameters": {"row": 3}}, "parameters: toy has no parameter 'row'; did you mean 'rows'"),
    ({"parameters": {"rows": 0}}, "parameters: rows is 0"),
    ({"parameters": {"rows": [4, 4]}}, "parameters.rows: expected a list of different values"),
    ({"parameters": {"rows": []}}, "parameters.rows: expected a list"),
    ({"parameters": {"rows": {"from": 9, "to": 4}}}, "parameters.rows: from 9 to 4 by 1"),
    ({"parameters": {"rows": {"from": 1, "to": 4, "step": 0}}}, "parameters.rows.step"),
    ({"parameters": {"rows": {"form": 1, "to": 4}}}, "parameters.rows.*'form'|parameters.rows.from"),
    ({"parameters": {"rows": {"from": 1, "to": 1e9, "step": 1e-6}}}, "parameters.rows"),
    ({"parameters": {"rows": {"from": 1, "to": math.inf}}}, "parameters.rows"),
    ({"parameters": {"rows": {"powers_of_two": [3, 8]}}}, "parameters.rows: powers_of_two is \\[3, 8\\]"),
    ({"parameters": {"rows": {"powers_of_two": [8, 4]}}}, "parameters.rows: powers_of_two"),
    ({"parameters": {"rows": [10**400]}}, "yaml:.*is not a number of at most 64 bits"),
    ({"parameters": {"rows": "many"}}, "rows is 'many'"),
    ({"parameters": {"order": ["third"]}}, "order is 'third'; expected one of first, second"),
    ({"conditions": ["rows * column < 3"]}, "'column' is not a parameter; did you mean 'columns'"),
    ({"conditions": [f"rows < {10**400}"]}, "is not a number"),
    ({"conditions": "rows < 3"}, "conditions"),
    ({"objectives": []}, "objectives"),
    ({"objectives": [{"latency": "min"}]}, "objectives: metric 'latency' is unknown; did you mean 'latency_ms'"),
    ({"objectives": [{"latency_ms": "least"}]}, "objectives.0.latency_ms"),
    ({"objectives": [{"dsp": "min"}]}, "objectives: template toy has no dsp"),
    ({"objectives": [{"cycles": "min", "edp": "min"}]}, "expected one metric per entry"),
    ({"objectives": [{"cycles": "min"}, {"cycles": "max"}]}, "objectives: expected each metric once"),
    ({"objectives": [{"accuracy": "max"}]}, "objectives: metric 'accuracy' is unknown"),
    ({"constraints": {"power": {"max": 1}}}, "constraints: metric 'power' is unknown; did you mean 'power_w'"),
    ({"constraints": {"power_w": {}}}, "constraints.power_w: has no bound; expected min or max"),
    ({"constraints": {"power_w": {"maximum": 3}}}, "constraints.power_w.maximum"),
    ({"constraints": {"power_w": {"min": 5, "max": 3}}}, "constraints.power_w: min is 5, max is 3"),
    ({"accuracy": {"parameter": "bits", "table": {16: 1}}}, "accuracy: template toy has no parameter 'bits'"),
    ({**TWO, "spaces": []}, "spaces: is empty; expected at least one"),
    ({**TWO, "spaces": [TWO["spaces"][0], {"template": "toy"}]}, "spaces.1.parameters"),
    ({**TWO, "spaces": [{**TWO["spaces"][0], "device": "VU9P"}]}, "spaces.0.template toy takes a technology"),
    ({"spaces": TWO["spaces"]}, "beside `spaces`"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = tmp_path / "wrong.yaml"
    content = {key: value for key, value in {**CONTENT, **changes}.items() if value is not None}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(DesignError, match=message) as raised:
        load_space(file)
    assert str(raised.value).startswith(f"{file}:")
    assert "\n" not in str(raised.value)


def test_the_size_of_a_space_is_limited() -> None:
    many = {"from": 1, "to": 1024}
    parameters = {"rows": many, "columns": many, "buffer_kb": many, "clock_mhz": {"from": 1, "to": 9999}}
    with pytest.raises(DesignError, match=re.escape(f"expected at most {MAX_SIZE:.0e}")):
        make_space({**CONTENT, "parameters": parameters}, "large")
    del parameters["clock_mhz"]
    large = make_space({**CONTENT, "parameters": parameters, "conditions": []}, "large")
    assert large.size == 2**30
    last = large.values(np.array([large.size - 1]))
    assert last.tolist() == [[1024, 1024, 1024]]
    bits = {"from": 1, "to": 64}
    parameters |= {
        "clock_mhz": many,
        "dram_gb_s": many,
        "weight_bits": bits,
        "input_bits": bits,
        "psum_bits": {"from": 64, "to": 64},
    }
    entry = {"template": "toy", "technology": "28nm", "parameters": parameters}  # 2^62: three are beyond 64 bits
    with pytest.raises(DesignError, match=r"they span 1\.38e\+19 designs"):
        space(**{**TWO, "spaces": [entry] * 3})


@pytest.mark.parametrize("text", ["", "- 1", "a: b: c", "[" * 5000, "1: 2"])
def test_files_that_are_not_a_space(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DesignError, match=r"broken\.yaml:"):
        load_space(file)


def test_a_name_that_cannot_be_stored(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"\xff.yaml")
    file.write_text(yaml.safe_dump(CONTENT), encoding="utf-8")
    with pytest.raises(DesignError, match="the name is not UTF-8"):
        load_space(file)


def test_missing_files_and_names(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match=r"nothing\.yaml: cannot be read"):
        load_space(tmp_path / "nothing.yaml")
    with pytest.raises(DesignError, match="did you mean 'tpu_28nm'"):
        load_space("tpu_28")


def test_the_published_unrolling_is_the_fastest() -> None:
    """Zhang et al. chose Tm = 64, Tn = 7 for AlexNet in two groups, which is the fastest unrolling in the space."""
    whole = load_space("zhang_vx485t")
    parameters = {**whole.content["parameters"], "tr": 13, "tc": 13, "stationary": "output"}
    one = make_space({**whole.content, "parameters": parameters}, "zhang")
    halves = [
        layer if layer.groups == 2 else replace(layer, groups=2, in_channels=2 * layer.in_channels)
        for layer in one.networks[0][0].layers
    ]
    one.networks = ((Network("halves", tuple(halves)), 1.0),)
    index = np.arange(one.size)
    cycles = one.evaluate(index).objectives[:, 0]
    best = one.describe(int(index[np.argmin(cycles)]))["parameters"]
    assert (best["tm"], best["tn"]) == (64, 7)


@pytest.mark.parametrize("name", catalog())
def test_ready_made_spaces_evaluate_like_their_designs(name: str) -> None:
    """Enough designs are feasible, and their files give the same numbers (equal layers are evaluated once here)."""
    ready = load_space(name)
    index = np.random.default_rng(0).integers(0, ready.size, 20_000)
    index = index[ready.holds(index)][:400]
    result = ready.evaluate(index)
    assert result.feasible.mean() > 0.02
    for row in np.flatnonzero(result.feasible)[: 3 if len(ready.networks) == 1 else 0]:
        alone = evaluate(Design(**ready.describe(int(index[row])))).metrics()
        assert all(np.array_equal(result.metrics[key][row], alone[key], equal_nan=True) for key in METRICS)
