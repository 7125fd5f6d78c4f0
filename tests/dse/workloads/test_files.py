"""Networks of spaces and designs: paths relative to the file, sizes, skipped operators, and what messages ask for."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import onnx
import pytest
import yaml
from onnx import TensorProto, helper

from dse.exploration.results import load_results
from dse.exploration.run import explore
from dse.exploration.selection import network_options, rebuild_space, select_design
from dse.model.evaluation import evaluate
from dse.reports.exploration import build_report
from dse.space.file import load_space
from netlists.errors import DesignError
from tests import SHARED
from tests.dse import Command

CASES = SHARED / "cases" / "dse" / "spaces"


def model(file: Path, symbol: str, operator: str) -> Path:
    """A matrix product of a symbolic number of rows, then an unknown operator."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="product"),
        helper.make_node(operator, ["y"], ["z"], domain="mine"),
    ]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, symbol, 16])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        [helper.make_tensor("w", TensorProto.FLOAT, [16, 8], [0.0] * 128)],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), file)
    return file


def sequence_first(file: Path) -> Path:
    """A matrix product of a sequence of any length, and of any number of images on the second axis."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["steps", "images", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("w", TensorProto.FLOAT, [16, 8], [0.0] * 128)],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), file)
    return file


def space(file: Path, networks: list[str], **fields: Any) -> Path:
    content = {
        "template": "systolic", "technology": "28nm", "networks": dict.fromkeys(networks, 1.0),
        "parameters": {"rows": [8, 16], "columns": 8}, "objectives": [{"latency_ms": "min"}], **fields,
    }  # fmt: skip
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "spaces").mkdir()
    model(tmp_path / "nets" / "a.onnx", "rows", "Odd")
    file = space(tmp_path / "spaces" / "s.yaml", ["../nets/a.onnx"], sizes={"rows": 10}, skip=["mine.Odd"])
    for here, path in ((tmp_path, Path("spaces/s.yaml")), (tmp_path / "nets", file), (file.parent, Path("s.yaml"))):
        monkeypatch.chdir(here)
        ((network, _),) = load_space(path).networks
        assert network.macs == 10 * 16 * 8
    design = tmp_path / "spaces" / "d.yaml"
    fields = {"network": "../nets/a.onnx", "sizes": {"rows": 4}, "skip": ["mine.Odd"]}
    design.write_text(yaml.safe_dump({"template": "systolic", "technology": "28nm", **fields}))
    monkeypatch.chdir(tmp_path / "nets")
    assert evaluate(design).network.macs == 4 * 16 * 8
    assert evaluate(design, "a.onnx", sizes={"rows": 5}, skip=["mine.Odd"]).network.macs == 5 * 16 * 8


def test_several_files_take_the_sizes_and_operators_that_they_have(tmp_path: Path) -> None:
    model(tmp_path / "a.onnx", "rows", "Odd")
    model(tmp_path / "b.onnx", "tokens", "Even")
    given: dict[str, Any] = {"sizes": {"rows": 10, "tokens": 3}, "skip": ["mine.Odd", "mine.Even"]}
    file = space(tmp_path / "s.yaml", ["a.onnx", "b.onnx", "alexnet"], **given)
    whole = load_space(file)
    assert [network.macs for network, _ in whole.networks][:2] == [10 * 16 * 8, 3 * 16 * 8]
    result = explore(whole, tmp_path / "out")
    sizes = [own.sizes for own in network_options(rebuild_space(result)).values()]
    assert sizes == [{"rows": 10}, {"tokens": 3}, {}]
    front = build_report(result).front
    assert front
    assert front.title.startswith(f"{len(result.front):,} designs")
    for field, value, name in (("sizes", {"row": 1}, "row"), ("skip", ["Odd"], "Odd")):
        wrong: dict[str, Any] = {field: value}
        with pytest.raises(DesignError, match=rf"s\.yaml: {field}: none of the networks has '{name}'"):
            load_space(space(tmp_path / "s.yaml", ["a.onnx", "b.onnx"], **wrong))


def test_what_explore_asks_for_can_be_done_with_it(dse: Command, tmp_path: Path) -> None:
    model(tmp_path / "a.onnx", "rows", "Odd")
    file, out = space(tmp_path / "s.yaml", ["a.onnx"]), tmp_path / "out"
    code, _, err = dse("explore", file, "--out", out)
    assert (code, err.count("\n")) == (2, 1)
    assert "give each a value with --size NAME=N" in err
    code, _, err = dse("explore", file, "--out", out, "--size", "rows=7")
    assert code == 2
    assert "--skip" in err
    assert dse("explore", file, "--out", out, "--skip", "mine.Odd", "--size", "rows=0")[0] == 2
    given = ("--skip", "mine.Odd", "--size", "rows=7", "--batch", "2")
    code, printed, _ = dse("explore", file, "--out", out, *given)
    assert code == 0
    assert "2 designs evaluated" in printed
    result = load_results(out)
    assert (result.space["sizes"], result.space["skip"], result.space["batch"]) == ({"rows": 7}, ["mine.Odd"], 2)
    again = evaluate(select_design(result))
    assert again.network.macs == 2 * 7 * 16 * 8
    assert result.knee
    assert again.metrics()["latency_ms"] == result.knee["latency_ms"]
    code, printed, _ = dse("evaluate", out)
    assert code == 0
    assert "product" in printed
    assert dse("report", out)[0] == 0
    code, _, err = dse("explore", file, "--out", out, "--resume", "--skip", "mine.Odd", "--size", "rows=8")
    assert "cannot resume, as space was another" in err
    assert dse("explore", file, "--out", out, *given, "--resume")[0] == 0


def test_sizes_without_an_onnx_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match="sizes: none of the networks has 'rows'"):
        load_space(space(tmp_path / "s.yaml", ["alexnet"]), sizes={"rows": 1})
    with pytest.raises(DesignError, match=r"sizes\.rows"):
        load_space(space(tmp_path / "s.yaml", ["alexnet"], sizes={"rows": -1}))


def test_shared_case(dse: Command, tmp_path: Path) -> None:
    file = CASES / "onnxskip.yaml"
    if not file.is_file():
        pytest.skip(f"needs {file.name} of ../shared/cases/dse")
    words = shlex.split("--skip NonMaxSuppression --size H=64 --size W=64")
    assert dse("explore", file, "--out", tmp_path / "out", *words)[0] == 0
    assert load_results(tmp_path / "out").feasible == 2


def test_a_space_names_what_counts_inputs(dse: Command, tmp_path: Path) -> None:
    sequence_first(tmp_path / "a.onnx")
    file, out = space(tmp_path / "s.yaml", ["a.onnx"]), tmp_path / "out"
    code, _, err = dse("explore", file, "--out", out)
    assert code == 2
    assert "the one that counts inputs with --batch NAME=N" in err
    assert dse("explore", file, "--out", out, "--size", "steps=5", "--batch", "images=3")[0] == 0
    result = load_results(out)
    assert (result.space["batch"], result.space["counts"]) == (3, "images")
    assert evaluate(select_design(result)).network.macs == 3 * 5 * 16 * 8
    assert dse("evaluate", out)[0] == 0
    for wrong in ("images=0", "=3", "many"):
        assert dse("explore", file, "--out", tmp_path / "none", "--size", "steps=5", "--batch", wrong)[0] == 2


def test_evaluate_takes_other_sizes_than_explore_did(dse: Command, tmp_path: Path) -> None:
    model(tmp_path / "a.onnx", "rows", "Odd")
    model(tmp_path / "b.onnx", "tokens", "Even")
    given: dict[str, Any] = {"sizes": {"rows": 10, "tokens": 3}, "skip": ["mine.Odd", "mine.Even"]}
    one, two = tmp_path / "one", tmp_path / "two"
    explore(load_space(space(tmp_path / "s.yaml", ["a.onnx"], sizes={"rows": 10}, skip=["mine.Odd"])), one)
    explore(load_space(space(tmp_path / "t.yaml", ["a.onnx", "b.onnx"], **given)), two)
    result = json.loads(dse("evaluate", one, "--size", "rows=20", "--json")[1])
    assert result["layers"][0]["macs"] == 20 * 16 * 8
    result = json.loads(dse("evaluate", two, "--size", "tokens=5", "--json")[1])
    assert [each["layers"][0]["macs"] for each in result["networks"]] == [10 * 16 * 8, 5 * 16 * 8]
    for wrong, message in ((("--size", "row=1"), "row"), (("--skip", "Foo"), "Foo"), (("--batch", "n=2"), "n")):
        for out in (one, two):
            code, _, err = dse("evaluate", out, *wrong)
            assert (code, err.count("\n")) == (2, 1)
            assert f"'{message}'" in err


def test_explore_and_its_report_say_what_an_input_is(dse: Command, tmp_path: Path) -> None:
    model(tmp_path / "a.onnx", "rows", "Odd")
    sequence_first(tmp_path / "b.onnx")
    alone = space(tmp_path / "s.yaml", ["a.onnx"], sizes={"rows": 10}, skip=["mine.Odd"])
    both = space(tmp_path / "t.yaml", ["a.onnx", "b.onnx", "alexnet"], sizes={"rows": 10, "steps": 5},
                 skip=["mine.Odd"], counts="images")  # fmt: skip
    own, other = "one input: one run of the model: x [1, 10, 16]", "b: one input: one of N along 'images': x [5, N, 16]"
    note = "note: left out by --skip: mine.Odd (1)"
    for file, told in ((alone, [own, note]), (both, [f"a: {own}", f"a: {note}", other])):
        out = tmp_path / file.stem
        printed = dse("explore", file, "--out", out)[1].splitlines()
        assert [line for line in printed if "one input" in line or "note" in line] == told
        assert set(told) <= set(build_report(load_results(out)).story)


def test_a_report_from_another_folder_says_where_paths_begin(
    dse: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model(tmp_path / "a.onnx", "rows", "Odd")
    space(tmp_path / "s.yaml", ["a.onnx"], sizes={"rows": 10}, skip=["mine.Odd"])
    monkeypatch.chdir(tmp_path)
    assert dse("explore", "s.yaml", "--out", "out")[0] == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for command in ("report", "evaluate"):
        code, _, err = dse(command, "../out")
        assert (code, err.count("\n")) == (2, 1)
        assert "paths of networks are relative to the folder in which `dse explore` ran" in err
    monkeypatch.chdir(tmp_path)
    assert dse("report", "out")[0] == 0


def test_several_files_take_axes_by_their_place(tmp_path: Path) -> None:
    sequence_first(tmp_path / "a.onnx")
    sequence_first(tmp_path / "b.onnx")
    model(tmp_path / "c.onnx", "rows", "Odd")
    given: dict[str, Any] = {"skip": ["mine.Odd"], "sizes": {"x.0": 5}}  # which is fixed in the last one
    file = space(tmp_path / "s.yaml", ["a.onnx", "b.onnx", "c.onnx"], **given)
    result = [network.macs for network, _ in load_space(file, batch=3, counts="x.1").networks]
    assert result == [3 * 5 * 16 * 8] * 2 + [3 * 16 * 8]
