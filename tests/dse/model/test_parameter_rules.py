"""Values that break a rule between parameters: refused in designs, refused or not feasible in spaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dse.model.design import Design, load_design
from dse.model.evaluation import evaluate
from dse.space.file import catalog, load_space, make_space
from dse.validation.publication import load_publication, names
from netlists.errors import DesignError
from tests import SHARED

CASES = SHARED / "cases" / "dse" / "spaces"
WHERE = {"tiled_fpga": {"device": "XC7Z020"}, "convolver_fpga": {"device": "XC7Z020"}}
BITS8 = {"weight_bits": 8, "input_bits": 8}


def design(template: str, parameters: dict[str, Any], **fields: Any) -> dict[str, Any]:
    where = WHERE.get(template, {"technology": "28nm"})
    return {"template": template, "network": "alexnet", "parameters": parameters, **where, **fields}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            design("systolic", {"psum_bits": 1}),
            "psum_bits is 1, weight_bits is 16, input_bits is 16; expected at least",
        ),
        (design("spatial", BITS8 | {"psum_bits": 15}), "psum_bits is 15"),
        (design("convolver_fpga", {"psum_bits": 31}), "psum_bits is 31"),
        (design("row_stationary", {"psum_bits": 15}), "expected at least the longer of weight_bits and input_bits"),
        (design("adaptive", BITS8 | {"psum_bits": 4}), "psum_bits is 4"),
        (design("tiled_fpga", BITS8 | {"format": "fp32"}), "format is 'fp32', input_bits is 8, weight_bits is 8"),
        (design("tiled_fpga", {"format": "fp32"}), "expected 32 bits of weights and inputs for fp32"),
        (design("tiled_fpga", {"format": "packed8"}), "at most 8 bits of weights and inputs for packed8"),
        (design("tiled_fpga", {"weight_bits": 32, "input_bits": 32, "psum_bits": 31}), "psum_bits is 31"),
        (design("tiled_fpga", {"clock_mhz": 2000}), "clock_mhz is 2000; expected at most 891 MHz on an FPGA"),
        (design("systolic", {"dram_gb_s": 0}), "dram_gb_s is 0; expected a number of GB/s from 0.001"),
        (design("systolic", {"input_kb": 0.0001}), "input_kb is 0.0001; expected a number of KiB from 1"),
        (design("systolic", {"rows": -4}), "rows is -4; expected a whole number of rows from 1"),
        (
            design("systolic", BITS8 | {"psum_bits": 16}, layers={"conv1": {"weight_bits": 16}}),
            "layers.conv1: psum_bits is 16, weight_bits is 16, input_bits is 8",
        ),
    ],
)
def test_designs_that_break_a_rule(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    file = tmp_path / "design.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(DesignError) as complaint:
        load_design(file)
    assert str(complaint.value).startswith(f"{file}: ")
    assert message in str(complaint.value)
    assert "\n" not in str(complaint.value)
    if "layers" not in content:
        space = {key: value for key, value in content.items() if key != "network"}
        space |= {"networks": {"alexnet": 1}, "objectives": [{"latency_ms": "min"}]}
        with pytest.raises(DesignError, match="; expected"):
            make_space(space, "space")


@pytest.mark.parametrize(
    ("template", "parameters"),
    [
        ("systolic", {"psum_bits": 32}),
        ("systolic", {"weight_bits": 64, "input_bits": 64, "psum_bits": 64}),  # there are no wider sums
        ("row_stationary", {"psum_bits": 16}),  # Eyeriss
        ("adaptive", {"psum_bits": 16}),
        ("tiled_fpga", {"weight_bits": 32, "input_bits": 32, "format": "fp32", "tm": 8, "tn": 4}),
        ("tiled_fpga", BITS8 | {"format": "packed8", "psum_bits": 16}),
    ],
)
def test_designs_that_break_no_rule(template: str, parameters: dict[str, Any]) -> None:
    assert Design.model_validate(design(template, parameters)).row()


def test_the_number_format_follows_the_words() -> None:
    small = {"tm": 8, "tn": 4, "tr": 7, "tc": 7}
    blocks = {}
    for bits in (8, 16, 32):
        parameters = small | {"weight_bits": bits, "input_bits": bits}
        result = evaluate(Design.model_validate(design("tiled_fpga", parameters)), search=False).cost.machine.hardware
        assert result.floating_point is not None
        blocks[bits] = float(result.resources["dsp"][0]), bool(result.floating_point[0])
    assert blocks == {8: (32.0, False), 16: (32.0, False), 32: (160.0, True)}


def test_a_space_keeps_values_that_fit_some_others() -> None:
    parameters = {"rows": [8, 16], "weight_bits": [4, 8, 16], "input_bits": 8, "psum_bits": [16, 24]}
    space = make_space(
        {"template": "systolic", "technology": "28nm", "networks": {"alexnet": 1}, "parameters": parameters,
         "objectives": [{"energy_mj": "min"}]}, "mine",
    )  # fmt: skip
    result = space.evaluate(np.arange(space.size))
    for number, feasible in enumerate(result.feasible.tolist()):
        values = space.describe(number)["parameters"]
        assert feasible == (values["psum_bits"] >= values["weight_bits"] + values["input_bits"])
    with pytest.raises(DesignError, match=r"psum_bits is 8 with weight_bits 4 or 8 or 16, input_bits 8; expected"):
        make_space(space.content | {"parameters": parameters | {"psum_bits": [8, 24]}}, "mine")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"constraints": {"latency_ms": {"max": -1}}}, "constraints.latency_ms: max is -1; expected at least 0"),
        ({"networks": {"alexnet": 0}}, "networks.alexnet: weight is 0; expected a finite number above 0"),
        ({"accuracy": {"parameter": "rows", "table": {8: 101}}}, "accuracy: rows 8 has 101; expected a percentage"),
        ({"accuracy": {"parameter": "rows", "table": {8: float("nan")}}}, "expected a percentage"),
    ],
)
def test_spaces_with_meaningless_numbers(changes: dict[str, Any], message: str) -> None:
    content = {"template": "systolic", "technology": "28nm", "networks": {"alexnet": 1}, "parameters": {"rows": 8},
               "objectives": [{"energy_mj": "min"}]}  # fmt: skip
    with pytest.raises(DesignError) as complaint:
        make_space(content | changes, "mine")
    assert message in str(complaint.value)


def test_ready_made_designs_and_spaces_break_no_rule() -> None:
    for name in names():
        assert load_publication(name).whole_design.row()
    for name in catalog():
        assert load_space(name).size


def test_shared_cases() -> None:
    if not CASES.is_dir():
        pytest.skip(f"needs {CASES.name} of ../shared/cases/dse")
    assert evaluate(CASES / "fp32_trap.yaml").feasible
    with pytest.raises(DesignError, match=r"oneobj\.yaml: parameters: psum_bits is 1 .*; expected at least"):
        load_space(CASES / "oneobj.yaml")
