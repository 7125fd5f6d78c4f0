"""The command `dse`: what it prints and writes, and one line without a traceback for mistakes of the user."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dse.cli import COMMANDS
from dse.model.design import Design
from dse.model.evaluation import evaluate
from tests.dse import Command

DESIGN = """
template: systolic
technology: 28nm
network: alexnet
parameters: {rows: 32, columns: 32}
"""


@pytest.fixture
def design(tmp_path: Path) -> Path:
    file = tmp_path / "design.yaml"
    file.write_text(DESIGN, encoding="utf-8")
    return file


def test_evaluate_prints_one_json_object(dse: Command, design: Path) -> None:
    code, out, err = dse("evaluate", design, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["feasible"] is True
    assert found["design"] == {
        "template": "systolic", "technology": "28nm", "network": "alexnet",
        "parameters": {"rows": 32, "columns": 32},
    }  # fmt: skip
    layers = found["layers"]
    assert found["cycles"] == sum(layer["cycles"] for layer in layers)
    assert all(
        layer["cycles"] == layer["compute_cycles"] + layer["fill_cycles"] + layer["stall_cycles"] for layer in layers
    )
    assert found["energy_mj"] == pytest.approx(sum(layer["energy_mj"] for layer in layers))
    assert found["energy_mj"] == pytest.approx(sum(found["energy_parts_mj"].values()))
    again = evaluate(Design.model_validate(found["design"]))
    assert again.metrics()["energy_mj"] == found["energy_mj"]


def test_evaluate_prints_a_table_with_totals(dse: Command, design: Path) -> None:
    code, out, _ = dse("evaluate", design)
    found = evaluate(design)
    assert code == 0
    for k, layer in enumerate(found.network.layers):
        assert layer.name in out
        assert f"{found.cost.cycles[0, k]:,}" in out
    assert "latency " in out
    assert " mm²" in out


def test_evaluate_takes_network_batch_and_mapping(dse: Command, design: Path) -> None:
    runs = {}
    for name, options in {"one": (), "four": ("--batch", "4"), "fixed": ("--no-search",)}.items():
        code, out, _ = dse("evaluate", design, "--network", "resnet18", "--json", *options)
        assert code == 0
        runs[name] = json.loads(out)
    assert {run["network"] for run in runs.values()} == {"resnet18"}
    assert runs["four"]["batch"] == 4
    assert runs["four"]["layers"][0]["macs"] == 4 * runs["one"]["layers"][0]["macs"]
    assert runs["fixed"]["cycles"] >= runs["one"]["cycles"]


def test_evaluate_prints_loop_nests(dse: Command, design: Path) -> None:
    code, out, _ = dse("evaluate", design, "--loop-nest")
    assert code == 0
    assert re.search(r"\n\nconv1\nfor .*\n  for .*\n    for ", out)


def test_evaluate_writes_a_self_contained_report(dse: Command, design: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    code, out, _ = dse("evaluate", design, "--out", folder)
    assert code == 0
    assert f"report: {folder / 'report.html'}" in out
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["energy.png", "metrics.json", "report.html", "roofline.png"]
    assert json.loads((folder / "metrics.json").read_text())["feasible"] is True
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('<img src="data:image/png;base64,') == 2
    assert "http" not in page.replace("http-equiv", "")
    assert "template: systolic" in page


def test_a_design_that_does_not_fit_is_marked_with_the_reason(dse: Command, tmp_path: Path) -> None:
    small = tmp_path / "small.yaml"
    small.write_text(DESIGN.replace("rows: 32", "rows: 32, input_kb: 1"), encoding="utf-8")
    code, out, err = dse("evaluate", small, "--out", tmp_path / "run")
    assert code == 1
    assert err == "does not run: alexnet: half the input buffer does not hold the input lines that one tile needs\n"
    assert "does not fit" in out
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["feasible"] is False
    assert found["latency_ms"] is None
    assert any("input buffer" in layer["reason"] for layer in found["layers"])
    assert "input buffer" in (tmp_path / "run" / "report.html").read_text()


def test_names_from_files_are_escaped(dse: Command, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "{title: '<b>[red]x', source: s, status: t, design: {template: systolic, technology: 28nm, network: alexnet},"
        " compare: [{name: '[bold]<i>', layers: all, cycles: 1}]}"
    )
    code, out, _ = dse("validate", mine)
    assert code == 0
    assert "[bold]<i>" in out
    assert "<b>[red]x" in out


def test_validate_prints_the_comparison(dse: Command, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        f"title: mine\nsource: paper\nstatus: verified\ndesign: {{{', '.join(DESIGN.strip().splitlines())}}}\n"
        "tolerance: {cycles: [1, 1]}\ncompare: [{name: total, layers: all, cycles: 5}]\n"
    )
    code, out, _ = dse("validate", mine)
    assert code == 0  # a miss is a result, no error
    assert "miss" in out
    assert "0 of 1 numbers within their bars" in out
    (found,) = json.loads(dse("validate", mine, "--json")[1])
    (row,) = found["rows"]
    assert (found["status"], row["quantity"], row["theirs"], row["ok"]) == ("verified", "cycles", 5, False)


def test_networks_templates_and_devices_are_listed(dse: Command) -> None:
    listed = json.loads(dse("networks", "--json")[1])
    assert {"alexnet", "vgg16", "resnet50"} <= {net["name"] for net in listed}
    alexnet = json.loads(dse("networks", "alexnet", "--json")[1])
    assert alexnet["macs"] == sum(layer["macs"] * layer["repeat"] for layer in alexnet["layers"]) == 724_406_816
    rows = json.loads(dse("templates", "systolic", "--json")[1])["parameters"]
    assert {"name": "rows", "default": 128, "unit": "rows"}.items() <= next(
        row for row in rows if row["name"] == "rows"
    ).items()
    parts = {part["name"]: part for part in json.loads(dse("devices", "--json")[1])}
    assert parts["XC7Z045"]["dsp"] == 900
    assert "28nm" in parts
    for command in (
        ("networks",),
        ("networks", "alexnet"),
        ("templates", "systolic"),
        ("devices",),
        ("devices", "28nm"),
    ):
        code, out, err = dse(*command)
        assert (code, err) == (0, "")
        assert command[-1] in out or "XC7Z045" in out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("evaluate", "no.yaml"), "no.yaml: no such file"),
        (("evaluate", "DESIGN", "--batch", "0"), "--batch is '0'"),
        (("evaluate", "DESIGN", "--network", "alexne"), "did you mean 'alexnet'"),
        (("evaluate", "DESIGN", "--network", "no.onnx"), "no.onnx"),
        (("evaluate", "DESIGN", "--out", "DESIGN"), "--out"),
        (("evaluate", "DESIGN", "--size", "n"), "expected NAME=N"),
        (("evaluate", "DESIGN", "--size", "n=1"), "is not an .onnx file"),
        (("networks", "resnet5"), "did you mean 'resnet50'"),
        (("templates", "sistolic"), "did you mean 'systolic'"),
        (("devices", "XC7Z45"), "did you mean 'XC7Z045'"),
        (("validate", "no"), "no such file"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(dse: Command, design: Path, command: tuple[str, ...], said: str) -> None:
    code, out, err = dse(*(str(design) if word == "DESIGN" else word for word in command))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [command.__name__ for command in COMMANDS])
def test_every_command_explains_itself(dse: Command, command: str) -> None:
    code, out, _ = dse(command, "--help")
    assert code == 0
    assert f"Example: dse {command}" in " ".join(out.split())


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dse", "evaluate", "none.yaml"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_what_a_design_says_of_layers_holds_for_its_own_network(dse: Command) -> None:
    code, out, err = dse("evaluate", "eyeriss_jssc17", "--network", "vgg16", "--json")
    assert code == 0
    assert "`mappings` of the design holds for alexnet only" in err
    assert json.loads(out)["design"]["network"] == "vgg16"
    given, searched = (
        json.loads(dse("evaluate", "eyeriss_jssc17", *option, "--json")[1]) for option in ((), ("--search",))
    )
    assert searched["cycles"] < given["cycles"]


def test_numbers_of_a_design_that_does_not_fit_are_dashes(dse: Command, design: Path) -> None:
    design.write_text(DESIGN.replace("columns: 32", "columns: 32, input_kb: 1"), encoding="utf-8")
    code, out, _ = dse("evaluate", design)
    assert code == 1
    assert "power – W" in out
    assert "nan" not in out
