"""What counts as one input, and which open size the batch replaces; a message asks for it if that is open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from onnx import NodeProto, helper
from torch import nn
from typer.testing import CliRunner

from dse.cli import app
from dse.model.evaluation import evaluate
from dse.validation.publication import find_design
from dse.workloads.onnx.importer import from_torch, load_onnx
from netlists.errors import DesignError
from tests.dse.workloads.onnx.onnx_models import build, weights

PRODUCT = [helper.make_node("MatMul", ["x", "w"], ["y"])]
W = {"w": weights(8, 8)}


def attention(first: list[int]) -> list[NodeProto]:
    """Self-attention along the axis that a permutation of [*, *, 8] brings to the middle."""
    return [
        helper.make_node("Transpose", ["x"], ["q"], perm=first),
        helper.make_node("Transpose", ["q"], ["k"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "k"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"]),
        helper.make_node("MatMul", ["p", "q"], ["o"]),
        helper.make_node("MatMul", ["o", "w"], ["y"]),
    ]


def test_fixed_sizes_are_one_input(tmp_path: Path) -> None:
    """[sequence, batch, features]: the first axis is not a batch, but nothing says so."""
    file = build(tmp_path / "m.onnx", attention([1, 0, 2]), {"x": [100, 1, 8]}, W)
    result = load_onnx(file, batch=1)
    assert result.macs == 2 * 100 * 100 * 8 + 100 * 64
    assert result.an_input == "one run of the model: x [100, 1, 8]"
    assert load_onnx(file, batch=3).macs == 3 * result.macs
    assert load_onnx(file, batch=3, counts="x.1").macs == 3 * result.macs
    assert load_onnx(file, batch=3, counts="x.1").an_input == "one of N along 'x.1': x [100, N, 8]"


@pytest.mark.parametrize(("given", "counts", "sizes"), [
    (["N", 5, 8], None, {}), ([None, 5, 8], None, {}), (["images", 5, 8], None, {}), ([5, "batch", 8], None, {}),
    (["N", "tokens", 8], None, {"tokens": 5}), (["tokens", "N", 8], "N", {"tokens": 5}),
    (["tokens", None, 8], "x.1", {"tokens": 5}), ([5, "N", 8], "N", {}), ([5, "N", 8], "x.1", {}),
    ([5, "N", 8], "", {}), (["N", 5, 8], "", {}), (["tokens", "N", 8], "", {"tokens": 5}),
])  # fmt: skip
def test_batch_replaces_one_size(
    tmp_path: Path, given: list[int | str | None], counts: str | None, sizes: dict[str, int]
) -> None:
    file = build(tmp_path / "m.onnx", PRODUCT, {"x": given}, W)
    for batch in (1, 4):
        (layer,) = load_onnx(file, batch, sizes, counts=counts).layers
        assert (layer.macs, layer.batch) == (batch * 5 * 64, batch)


@pytest.mark.parametrize(("given", "open_sizes"), [
    (["tokens", "N", 8], "'tokens' .*, 'N' "), ([1, "tokens", 8], "'tokens' "),
    (["N", None, None, 8], "'N' .*'x.1' .*'x.2'"),
])  # fmt: skip
def test_open_sizes_are_not_guessed(tmp_path: Path, given: list[int | str | None], open_sizes: str) -> None:
    with pytest.raises(DesignError, match=rf"without a value: {open_sizes}.*--size NAME=N, or .* --batch NAME=N"):
        load_onnx(build(tmp_path / "m.onnx", PRODUCT, {"x": given}, W), batch=8)


@pytest.mark.parametrize(("counts", "what"), [("n", "no axis 'n' for the batch; the model's inputs have: N, x.1"),
                                              ("x.7", "no axis 'x.7' for the batch"),
                                              ("x.2", "batch is 3, but axis x.2 is fixed at 8")])  # fmt: skip
def test_impossible_batch_axes(tmp_path: Path, counts: str, what: str) -> None:
    with pytest.raises(DesignError, match=what):
        load_onnx(build(tmp_path / "m.onnx", PRODUCT, {"x": ["N", 5, 8]}, W), 3, {"N": 2}, counts=counts)


@pytest.mark.parametrize("counts", ["x.1", "x.2"])
def test_a_fixed_axis_beside_an_open_size(tmp_path: Path, counts: str) -> None:
    file = build(tmp_path / "m.onnx", PRODUCT, {"x": ["N", 5, 8]}, W)
    with pytest.raises(DesignError, match="symbolic sizes without a value: 'N'; give each a value with --size"):
        load_onnx(file, 40, counts=counts)
    assert load_onnx(file, 40, {"N": 2}, counts="x.1").macs == 8 * 2 * 5 * 64


def test_batch_given_twice(tmp_path: Path) -> None:
    file = build(tmp_path / "m.onnx", PRODUCT, {"x": ["N", 5, 8]}, W)
    with pytest.raises(DesignError, match="size N is given twice, by --size and --batch"):
        load_onnx(file, 3, {"N": 2}, counts="N")


CELL = [helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=2)]
CELL_WEIGHTS = {"w": weights(1, 8, 8), "r": weights(1, 8, 2)}


def test_a_sequence_is_not_a_batch(tmp_path: Path) -> None:
    """Attention takes four times the products along twice the sequence, a recurrent cell twice the steps."""
    turned = build(tmp_path / "m.onnx", attention([1, 0, 2]), {"x": ["s", 1, 8]}, W)
    with pytest.raises(DesignError, match="'s' does not count inputs, because the work of layer s is not proportional"):
        load_onnx(turned)
    assert load_onnx(turned, sizes={"s": 10}).macs == 2 * 10 * 10 * 8 + 10 * 64
    steps = build(tmp_path / "cell.onnx", CELL, {"x": ["s", "b", 8]}, CELL_WEIGHTS)
    with pytest.raises(DesignError, match="'s' does not count inputs, because the work of layer y/state"):
        load_onnx(steps, 4, {"b": 1}, counts="s")
    assert load_onnx(steps, 4, {"s": 3}, counts="b").macs == 4 * 3 * 8 * (8 + 2)


def test_other_inputs_may_lack_the_batch(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["text", "w"], ["t"]),
             helper.make_node("Transpose", ["t"], ["u"]), helper.make_node("MatMul", ["h", "u"], ["y"])]  # fmt: skip
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": ["N", 8], "text": [6, 8]}, W), batch=2)
    assert result.macs == 2 * 64 + 6 * 64 + 2 * 6 * 8
    assert result.an_input == "one of N along 'N': x [N, 8], text [6, 8]"


@pytest.mark.parametrize(("axis", "shape"), [(0, (3, 10, 16)), (1, (10, 3, 16))])
def test_torch_module_with_either_layout(axis: int, shape: tuple[int, ...]) -> None:
    module = nn.TransformerEncoderLayer(16, 2, 32, batch_first=axis == 0)
    result = from_torch(module, torch.zeros(shape), batch=6, axis=axis)
    assert result.macs == 6 * (10 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * 10 * 10 * 16)


def test_a_plain_batch_is_the_only_open_size_in_every_command(tmp_path: Path) -> None:
    file = str(build(tmp_path / "m.onnx", PRODUCT, {"x": [5, "n", 8]}, W))
    for command in (["networks", file], ["evaluate", "nvdla_64", "--network", file]):
        output = CliRunner().invoke(app, [*command, "--batch", "4", "--json"])
        assert output.exit_code == 0, output.output
        result = json.loads(output.output)
        assert result["one_input"] == "one of N along 'n': x [5, N, 8]"
        assert result["layers"][0]["macs"] == 4 * 5 * 64


def test_an_empty_cache_is_a_size(tmp_path: Path) -> None:
    """Keys of the past, of which there may be none, before the present ones."""
    nodes = [helper.make_node("Concat", ["past", "x"], ["all"], axis=1),
             helper.make_node("Transpose", ["all"], ["k"], perm=[0, 2, 1]),
             helper.make_node("MatMul", ["x", "k"], ["y"])]  # fmt: skip
    file = str(build(tmp_path / "m.onnx", nodes, {"x": ["batch", 1, 8], "past": ["batch", "p", 8]}, {}))
    for past in (0, 6):
        output = CliRunner().invoke(app, ["networks", file, "--batch", "2", "--size", f"p={past}", "--json"])
        assert output.exit_code == 0, output.output
        assert json.loads(output.output)["macs"] == 2 * (past + 1) * 8


def test_commands_say_what_an_input_is(tmp_path: Path) -> None:
    nodes = [*PRODUCT, helper.make_node("NonZero", ["y"], ["z"])]
    file = str(build(tmp_path / "m.onnx", nodes, {"x": ["s", "n", 8]}, W))
    options = ["--network", file, "--batch", "n=4", "--size", "s=5", "--skip", "NonZero"]
    output = CliRunner().invoke(app, ["evaluate", "nvdla_64", *options])
    assert output.exit_code == 0, output.output
    assert "one input: one of N along 'n': x [5, N, 8]" in output.output
    assert "note: left out by --skip: NonZero (1)" in output.output
    listed = CliRunner().invoke(app, ["networks", file, *options[2:]])
    assert "note: left out by --skip: NonZero (1)" in listed.output
    out = tmp_path / "run"
    for arguments in (["evaluate", "nvdla_64", *options, "--out", str(out)], ["networks", file, *options[2:]]):
        result = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
        assert result["one_input"] == "one of N along 'n': x [5, N, 8]"
        assert result["notes"] == ["left out by --skip: NonZero (1)"]
    assert "left out by --skip: NonZero (1)" in (out / "report.html").read_text()
    assert "one of N along &#39;n&#39;: x [5, N, 8]" in (out / "report.html").read_text()
    assert json.loads((out / "metrics.json").read_text())["batch"] == 4


@pytest.mark.parametrize("given", ["0", "n=", "=4", "n=x", "-1", "2.5"])
def test_batches_that_are_not_numbers(given: str) -> None:
    output = CliRunner().invoke(app, ["networks", "resnet18", "--batch", given])
    assert "--batch is" in str(output.exception)
    assert "expected a number from 1, or NAME=N" in str(output.exception)


def test_built_in_networks_have_no_axes_to_name() -> None:
    output = CliRunner().invoke(app, ["evaluate", "nvdla_64", "--network", "resnet18", "--batch", "n=4"])
    assert "resnet18 is not an .onnx file" in str(output.exception)


@pytest.mark.parametrize("fixed", [True, False])
def test_network_keeps_its_work_when_a_design_takes_it(tmp_path: Path, fixed: bool) -> None:
    """A model as it stands is one input, and planes of a volume are not inputs, whatever the batches of the layers."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    file = build(tmp_path / "m.onnx", nodes, {"x": [4 if fixed else "N", 3, 6, 9, 9]}, {"w": weights(8, 3, 3, 3, 3)})
    one = load_onnx(file)
    assert one.macs == (4 if fixed else 1) * 4 * 49 * 8 * 81
    assert evaluate(find_design("nvdla_64"), one).network.macs == one.macs
    three = load_onnx(file, batch=3)
    assert (three.batch, three.macs) == (3, 3 * one.macs)
    assert three.with_batch(6).macs == one.with_batch(6).macs == 6 * one.macs
    with pytest.raises(DesignError, match="batch is 4; expected a multiple of 3, the batch of network m"):
        three.with_batch(4)


@pytest.mark.parametrize(
    ("arguments", "macs"), [(["--batch", "6"], 6), (["--batch", "n=6"], 6), (["--size", "n=6"], 6)]
)
def test_batch_is_the_only_open_size_if_it_is_given(tmp_path: Path, arguments: list[str], macs: int) -> None:
    file = str(build(tmp_path / "m.onnx", PRODUCT, {"x": [5, "n", 8]}, W))
    result = json.loads(CliRunner().invoke(app, ["networks", file, *arguments, "--json"]).output)
    assert result["macs"] == macs * 5 * 64
    assert "NAME=N" in str(CliRunner().invoke(app, ["networks", file]).exception)
