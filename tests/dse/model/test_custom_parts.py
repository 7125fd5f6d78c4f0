"""Parts and nodes that users describe: read, checked, and used wherever a name can be."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from dse.cli import app
from dse.exploration.run import explore
from dse.exploration.selection import rebuild_design, rebuild_space
from dse.model.custom_parts import find_device, find_technology
from dse.model.design import Design, load_design
from dse.model.devices import device
from dse.model.evaluation import evaluate
from dse.model.technology import TECHNOLOGIES, scaled_node, technology
from dse.space.file import load_space, make_space
from netlists.errors import ChipscapeError, DesignError

PART = {"dsp": 1728, "bram": 312, "lut": 230_400, "ff": 460_800, "dram_gb_s": 19.2, "node_nm": 16}
NODES = ("65nm", "45nm", "28nm", "22nm", "16nm", "7nm", "5nm")
TILED = {"tm": 16, "tn": 8, "tr": 14, "tc": 14, "kernel": 7, "stride": 2, "format": "fixed"}


def written(folder: Path, name: str, content: dict[str, Any]) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_part_as_the_built_in_one() -> None:
    """A part with the numbers of a built-in part costs the same."""
    known = device("ZU9EG")
    own = {**{key: getattr(known, key) for key in ("dsp", "bram", "lut", "ff", "dram_gb_s")},
           "node_nm": 16, "volt": 0.85, "static_mw": 700}  # fmt: skip
    design = Design(template="tiled_fpga", device="ZU9EG", network="resnet18", parameters=TILED)
    ours = evaluate(design.model_copy(update={"device": own})).metrics()
    assert ours == pytest.approx(evaluate(design).metrics(), rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("name", NODES)
def test_a_node_scaled_is_the_built_in_one(name: str) -> None:
    known, scaled = technology(name), find_technology({"node_nm": technology(name).node_nm})
    for quantity in ("volt", "area_over_45nm", "cell_um2", "leakage_mw_mm2", "multiply_pj", "add_pj", "dram_pj"):
        assert getattr(scaled, quantity) == pytest.approx(getattr(known, quantity)), quantity


def test_scaled_nodes_lie_in_order() -> None:
    nodes = [scaled_node("own", nm) for nm in (130, 90, 65, 55, 45, 40, 28, 22, 20, 16, 14, 12, 10, 7, 6, 5, 4, 3)]
    sizes = np.array([64.0, 8192.0, 2**20])
    for older, newer in pairwise(nodes):
        assert newer.multiply_pj < older.multiply_pj
        assert newer.area_over_45nm < older.area_over_45nm
        assert newer.cell_um2 < older.cell_um2
        assert np.all(newer.sram_pj(sizes[1:]) < older.sram_pj(sizes[1:]))
        assert np.all(newer.register_pj(sizes) < older.register_pj(sizes))


def test_explicit_energies() -> None:
    own = find_technology({
        "node_nm": 22,
        "energies": {
            "multiply_8bit_pj": 0.64, "add_32bit_pj": 0.32, "sram_pj_per_bit": {8: 0.1, 128: 0.4},
            "register_pj_per_bit": {0.5: 0.02}, "wire_pj_per_bit_mm": 0.07, "flipflop_pj_per_cycle": 0.001,
            "dram_pj_per_bit": 4,
        },
    })  # fmt: skip
    assert own.multiply_pj * 64 == pytest.approx(0.64)
    assert own.add_pj * 32 == pytest.approx(0.32)
    assert own.sram_pj(np.array([8, 32, 128]) * 1024.0) == pytest.approx([0.1, 0.2, 0.4])
    assert own.register_pj(np.array(512.0)) == pytest.approx(0.02)
    assert (own.wire_pj_mm, own.flipflop_pj, own.dram_pj) == (0.07, 0.001, 4)
    design = Design(template="systolic", technology="22nm", network="alexnet")
    changed = design.model_copy(update={"technology": {"node_nm": 22, "energies": {"dram_pj_per_bit": 4}}})
    before, after = (evaluate(each).totals().energy_pj[0] for each in (design, changed))
    assert after[4] == pytest.approx(before[4] / 5)  # dram
    assert np.delete(after, 4) == pytest.approx(np.delete(before, 4))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"dsp": -1}, "dsp is -1; expected a whole number from 0 to 1000000"),
        ({"dsp": 1.5}, "dsp is 1.5; expected a whole number from 0"),
        ({"bram": True}, "bram is True; expected a whole number"),
        ({"lut": "many"}, "lut is 'many'; expected a whole number"),
        ({"dram_gb_s": 0}, "dram_gb_s is 0; expected a number from 0.001"),
        ({"dram_gb_s": float("nan")}, "dram_gb_s is nan; expected a number"),
        ({"node_nm": 1}, "node_nm is 1; expected a number from 3 to 180"),
        ({"ff": None}, "ff is None; expected"),
        ({"dps": 3}, "field dps is unknown"),
        ({"name": "ZU9EG"}, "name is 'ZU9EG', which is built in"),
        ({"name": 7}, "name is 7; expected text"),
    ],
)
def test_wrong_parts(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    file = written(tmp_path, "part.yaml", PART | change)
    with pytest.raises(DesignError) as raised:
        find_device(str(file))
    text = str(raised.value)
    assert str(file) in text
    assert complaint in text
    assert "\n" not in text
    assert "expected" in text


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"energies": 3}, "energies is 3; expected"),
        ({"energies": {"multiply_8bit_pj": -1}}, "energies.multiply_8bit_pj is -1; expected a number from 0"),
        ({"energies": {"mac_pj": 1}}, "field energies.mac_pj is unknown"),
        ({"energies": {"sram_pj_per_bit": 1}}, "energies.sram_pj_per_bit is 1; expected one or two sizes"),
        ({"energies": {"sram_pj_per_bit": {}}}, "energies.sram_pj_per_bit is {}; expected one or two sizes"),
        ({"energies": {"sram_pj_per_bit": {"big": 1}}}, "size is 'big'; expected a number"),
        ({"volt": 12}, "volt is 12; expected a number from 0.3 to 2"),
        ({"dsp": 12}, "field dsp is unknown"),
    ],
)
def test_wrong_nodes(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    file = written(tmp_path, "node.yaml", {"node_nm": 22} | change)
    with pytest.raises(DesignError) as raised:
        find_technology(str(file))
    assert str(file) in str(raised.value)
    assert complaint in str(raised.value)
    assert "expected" in str(raised.value)


@pytest.mark.parametrize("missing", [*PART])
def test_what_a_part_needs(missing: str) -> None:
    content = {key: value for key, value in PART.items() if key != missing}
    with pytest.raises(DesignError, match=f"field {missing} is missing; expected a"):
        find_device(content)


def test_a_design_names_a_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "parts/mine.yaml", PART)
    design = {"template": "tiled_fpga", "device": "parts/mine.yaml", "network": "resnet18", "parameters": TILED}
    file = written(tmp_path, "design.yaml", design)
    monkeypatch.chdir("/")
    result = evaluate(str(file))
    assert result.device is not None
    assert (result.device.name, result.device.dsp) == ("mine", 1728)
    assert result.cost.machine.designs[0, 1] == 19.2  # the board's memory, because the design has no own bandwidth
    assert load_design(file).device == {"name": "mine"} | PART  # needs no other file any more
    again = written(tmp_path, "elsewhere/again.yaml", result.design.model_dump(mode="json", exclude_defaults=True))
    assert evaluate(str(again)).metrics() == pytest.approx(result.metrics(), rel=0, abs=0, nan_ok=True)


def test_a_design_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    file = written(tmp_path, "design.yaml", {"template": "systolic", "technology": "none.yaml", "network": "alexnet"})
    with pytest.raises(DesignError, match=r"none\.yaml: cannot be read"):
        evaluate(str(file))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"device": 5}, "device is 5; expected a name, a .yaml file, or the fields of one"),
        ({"device": ["ZU9EG"]}, "device is ['ZU9EG']; expected a name"),
        ({"device": {"dsp": 4}}, "device: field bram is missing; expected a whole number"),
        ({"device": "part.yaml"}, "part.yaml: dsp is -4; expected a whole number"),
        ({"technology": {"node_nm": "small"}}, "technology: node_nm is 'small'; expected a number"),
    ],
)
def test_complaints_name_the_file_that_names_the_part(tmp_path: Path, place: dict[str, Any], message: str) -> None:
    written(tmp_path, "part.yaml", PART | {"dsp": -4})
    template = "tiled_fpga" if "device" in place else "systolic"
    design = written(tmp_path, "design.yaml", {"template": template, "network": "alexnet"} | place)
    part = {"template": template, "parameters": {"clock_mhz": [100]}} | place
    whole = {"networks": {"alexnet": 1}, "objectives": [{"latency_ms": "min"}]}
    spaces = [written(tmp_path, "one.yaml", whole | part), written(tmp_path, "more.yaml", whole | {"spaces": [part]})]
    for file, load in ((design, load_design), (spaces[0], load_space), (spaces[1], load_space)):
        with pytest.raises(DesignError) as raised:
            load(file)
        assert str(raised.value).startswith(f"{file}: ")
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_space_names_files_beside_it(tmp_path: Path) -> None:
    written(tmp_path, "node.yaml", {"node_nm": 12, "energies": {"sram_pj_per_bit": {8: 0.1, 1024: 0.5}}})
    part = {"technology": "node.yaml", "template": "systolic", "parameters": {"rows": [8, 16], "columns": [8, 16]}}
    whole = {"networks": {"alexnet": 1}, "objectives": [{"latency_ms": "min"}, {"energy_mj": "min"}]}
    single = load_space(written(tmp_path, "single.yaml", {**whole, **part}))
    several = load_space(written(tmp_path, "several.yaml", {**whole, "spaces": [part, {**part, "technology": "28nm"}]}))
    for space in (single, several):
        result = space.evaluate(np.arange(4)).metrics
        for index in range(4):
            cost = evaluate(Design.model_validate(space.describe(index))).metrics()
            assert cost["energy_mj"] == result["energy_mj"][index]
    assert several.evaluate(np.arange(8)).metrics["energy_mj"][4] > result["energy_mj"][0]
    again = make_space(json.loads(json.dumps(single.content)), "again")  # as in a stored exploration
    assert again.evaluate(np.arange(4)).metrics["energy_mj"] == pytest.approx(
        single.evaluate(np.arange(4)).metrics["energy_mj"], rel=0
    )


def test_exploration_of_a_custom_part(tmp_path: Path) -> None:
    written(tmp_path, "mine.yaml", PART)
    space = {
        "template": "tiled_fpga", "device": "mine.yaml", "networks": {"resnet18": 1},
        "overhead": {"layer_cycles": 1000},
        "parameters": {**TILED, "tm": [8, 16]}, "objectives": [{"latency_ms": "min"}],
    }  # fmt: skip
    result = explore(load_space(written(tmp_path, "space.yaml", space)), tmp_path / "run", search="exhaustive")
    (tmp_path / "mine.yaml").unlink()
    knee = result.knee
    assert knee is not None
    assert evaluate(rebuild_design(rebuild_space(result), knee)).metrics()["latency_ms"] == knee["latency_ms"]


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "part.yaml", PART)
    written(tmp_path, "node.yaml", {"node_nm": 12})
    run = CliRunner().invoke
    assert "1,728" in run(app, ["devices", "part.yaml"]).output
    assert "node" in run(app, ["devices", "node.yaml"]).output
    moved = json.loads(run(app, ["evaluate", "nvdla_64", "--technology", "node.yaml", "--json"]).stdout)
    assert moved["design"]["technology"] == {"name": "node", "node_nm": 12}
    moved = json.loads(run(app, ["evaluate", "qiu_fpga16", "--device", "part.yaml", "--json"]).stdout)
    assert moved["part_used_pct"]["dsp"] == pytest.approx(100 * moved["dsp"] / 1728)
    failed = run(app, ["evaluate", "qiu_fpga16", "--device", "nowhere.yaml"])
    assert isinstance(failed.exception, ChipscapeError)


def test_new_nodes_are_cheaper_in_order() -> None:
    costs = [evaluate(Design(template="spatial", technology=name, network="alexnet")).metrics() for name in NODES]
    for older, newer in pairwise(costs):
        assert newer["energy_mj"] < older["energy_mj"]
        assert newer["area_mm2"] < older["area_mm2"]
    assert set(NODES) <= set(TECHNOLOGIES)
