"""Shapes follow from the inputs, whatever a file stores, through chains of small constants, for every operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from dse.workloads.onnx.importer import load_onnx
from dse.workloads.onnx.operators import SAME_SHAPE
from dse.workloads.onnx.tensors import Tensors
from netlists.errors import DesignError
from tests.dse.workloads.onnx.onnx_models import build, weights

CONVOLUTIONS = [
    helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
    helper.make_node("Relu", ["a"], ["r"]),
    helper.make_node("Conv", ["r", "v"], ["y"], pads=[1, 1, 1, 1]),
]
KERNELS = {"w": weights(8, 3, 3, 3), "v": weights(8, 8, 3, 3)}
MACS = 16 * 16 * 8 * (27 + 72)


@pytest.mark.parametrize("infos", [
    {},
    {"a": [1, 8, 16, 16], "r": [1, 8, 16, 16]},
    {"a": [7, 8, 99, 99]},
    {"r": [1, 8]},
    {"a": ["N", 8, "h", "w"], "r": ["M", 8, 16, 16]},
])  # fmt: skip
@pytest.mark.parametrize("out", [None, [1, 8, 16, 16], ["N", 8, 16, 16], ["N", "C", "h", "w"]])
def test_stored_shapes_are_not_believed(
    tmp_path: Path, infos: dict[str, list[int | str]], out: list[int | str] | None
) -> None:
    file = build(tmp_path / "m.onnx", CONVOLUTIONS, {"x": ["N", 3, 16, 16]}, KERNELS, outputs={"y": out}, infos=infos)
    assert load_onnx(file).macs == MACS
    result = load_onnx(file, batch=8)
    assert result.macs == 8 * MACS
    assert bool(result.notes) == (out == [1, 8, 16, 16])  # the file states another size


@pytest.mark.parametrize("out", [[2, 8, 16, 16], [1, 8, 16], [1, 8, 14, 16]])
def test_output_that_contradicts_fixed_inputs_is_refused(tmp_path: Path, out: list[int]) -> None:
    file = build(tmp_path / "m.onnx", CONVOLUTIONS, {"x": [1, 3, 16, 16]}, KERNELS, outputs={"y": out})
    with pytest.raises(DesignError, match=r"output 'y' is stored as \[.*\], but its shape is \[1, 8, 16"):
        load_onnx(file)


@pytest.mark.parametrize("infos", [{"h": [4, 8]}, {"h": [4, 8], "y": [9, 9]}])
def test_stored_shape_is_used_if_nothing_is_inferred(tmp_path: Path, infos: dict[str, list[int]]) -> None:
    nodes = [helper.make_node("Odd", ["x"], ["h"], domain="com.example"), helper.make_node("MatMul", ["h", "w"], ["y"])]
    file = build(tmp_path / "m.onnx", nodes, {"x": [4, 4]}, {"w": weights(8, 2)}, infos=infos, domains=["com.example"])
    result = load_onnx(file, skip=["com.example.Odd"])
    assert result.macs == 4 * 8 * 2
    assert result.notes[-1] == "1 shapes are taken from the file, because they cannot be inferred ('h')"


def number(name: str, value: object) -> NodeProto:
    array = np.asarray(value, np.int64)
    return helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(array, name))


def chain_by_shape() -> list[NodeProto]:
    """[N, C, H, W] to [N, H * W, C] as tracing writes it."""
    return [
        helper.make_node("Shape", ["x"], ["s"]), number("0", 0), number("1", 1), number("2", 2), number("3", 3),
        number("first", [0]),
        *(helper.make_node("Gather", ["s", str(k)], [f"d{k}"]) for k in range(4)),
        helper.make_node("Mul", ["d2", "d3"], ["area"]),
        *(helper.make_node("Unsqueeze", [name, "first"], [f"{name}_"]) for name in ("d0", "d1", "area")),
        helper.make_node("Concat", ["d0_", "d1_", "area_"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["rows"], perm=[0, 2, 1]),
    ]  # fmt: skip


def chain_by_range() -> list[NodeProto]:
    """The same permutation from Range, Slice, Where and Expand."""
    return [
        helper.make_node("Shape", ["x"], ["s"]), number("zero", 0), number("one", 1), number("four", 4),
        number("begin", [0]), number("two", [2]), number("none", [-1]),
        helper.make_node("Range", ["zero", "four", "one"], ["axes"]),
        helper.make_node("Slice", ["s", "begin", "two"], ["front"]),
        helper.make_node("ConstantOfShape", ["one_"], ["made"],
                         value=helper.make_tensor("v", TensorProto.INT64, [1], [-1])),
        number("one_", [1]), helper.make_node("Equal", ["made", "none"], ["same"]),
        helper.make_node("Where", ["same", "none", "two"], ["rest"]),
        helper.make_node("Expand", ["rest", "one_"], ["rest_"]),
        helper.make_node("Concat", ["front", "rest_"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["rows"], perm=[0, 2, 1]),
    ]  # fmt: skip


def chain_by_fractions() -> list[NodeProto]:
    """Sizes that go through floating point and back, as of an upsampling by 2 that a slice undoes."""
    return [
        helper.make_node("Shape", ["x"], ["s"], start=2, end=4),
        helper.make_node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["scale"], value_float=2.0),
        helper.make_node("Mul", ["f", "scale"], ["g"]), helper.make_node("Floor", ["g"], ["fl"]),
        helper.make_node("Cast", ["fl"], ["big"], to=TensorProto.INT64),
        helper.make_node("Shape", ["x"], ["nc"], end=2), helper.make_node("Concat", ["nc", "big"], ["sizes"], axis=0),
        helper.make_node("Resize", ["x", "", "", "sizes"], ["up"], mode="nearest"),
        number("b", [0, 0]), number("ax", [2, 3]), helper.make_node("Slice", ["up", "b", "s", "ax"], ["down"]),
        number("to", [0, 0, -1]), helper.make_node("Reshape", ["down", "to"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["rows"], perm=[0, 2, 1]),
    ]  # fmt: skip


@pytest.mark.parametrize("chain", [chain_by_shape, chain_by_range, chain_by_fractions])
def test_chains_of_small_constants_resolve(tmp_path: Path, chain: object) -> None:
    nodes = sorted(chain(), key=lambda node: bool(node.input))  # type: ignore[operator]
    product = helper.make_node("MatMul", ["rows", "w"], ["y"])
    file = build(tmp_path / "m.onnx", [*nodes, product], {"x": ["N", 6, 5, 4]}, {"w": weights(6, 3)})
    assert [layer.macs for layer in load_onnx(file, batch=2).layers if layer.has_macs] == [2 * 20 * 6 * 3]


@pytest.mark.parametrize("depth", [3, 60])
def test_shapes_that_depend_on_shapes_resolve_in_one_pass(tmp_path: Path, depth: int) -> None:
    nodes, given = [], "x"
    for k in range(depth):
        nodes += [helper.make_node("Shape", [given], [f"s{k}"]), helper.make_node("MatMul", [given, "w"], [f"h{k}"]),
                  helper.make_node("Reshape", [f"h{k}", f"s{k}"], [f"r{k}"])]  # fmt: skip
        given = f"r{k}"
    file = build(tmp_path / "m.onnx", nodes, {"x": ["N", 5, 8]}, {"w": weights(8, 8)})
    assert load_onnx(file, batch=2).macs == depth * 2 * 5 * 8 * 8


@pytest.mark.parametrize(("given", "stored"), [("ConstantOfShape", [10**6, 10**6]), ("Expand", [10**9, 10**6])])
def test_large_constants_are_not_computed(tmp_path: Path, given: str, stored: list[int]) -> None:
    made = [helper.make_node(given, ["s"] if given == "ConstantOfShape" else ["one", "s"], ["big"]),
            helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0),
            helper.make_node("Add", ["h", "most"], ["y"])]  # fmt: skip
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), *made]
    numbers = {"w": weights(8, 2), "s": np.array(stored), "one": np.ones((1, 1), np.float32)}
    assert load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [4, 8]}, numbers)).macs == 64


ATTRIBUTES: dict[str, Any] = {
    "Cast": {"to": TensorProto.FLOAT16},
    "LRN": {"size": 3},
    "GroupNormalization": {"num_groups": 2},
}
KINDS = {"Not": TensorProto.BOOL}


@pytest.mark.parametrize("name", sorted(SAME_SHAPE - {"ReverseSequence", "RotaryEmbedding", "CumSum"}))
def test_result_is_as_large_as_the_input(name: str) -> None:
    """Inferred by onnx, or by our own rule if onnx has none."""
    opset = max(version for version in (21, onnx.defs.onnx_opset_version()) if onnx.defs.has(name, version))
    schema = onnx.defs.get_schema(name, opset)
    tensors = Tensors("m", {"": opset}, 10, {})
    tensors.types["x"] = helper.make_tensor_type_proto(KINDS.get(name, TensorProto.FLOAT), [2, 8, 8, 8])
    tensors.types["v"] = helper.make_tensor_type_proto(TensorProto.FLOAT, [8])
    if name == "DequantizeLinear":
        tensors.types["x"].tensor_type.elem_type = TensorProto.INT8
    given = ["x", *["v"] * (schema.min_input - 1)]
    made = ["y", *(f"y{k}" for k in range(1, schema.min_output))]
    tensors.add(helper.make_node(name, given, made, **ATTRIBUTES.get(name, {})))
    assert tensors.shape("y") == (2, 8, 8, 8)


@pytest.mark.parametrize(("node", "stored"), [
    (helper.make_node("Conv", ["x", "w"], ["a"]), {"w": weights(8, 3, 3, 3)}),
    (helper.make_node("MaxPool", ["x"], ["a"], kernel_shape=[3, 2]), {}),
    (helper.make_node("AveragePool", ["x"], ["a"], kernel_shape=[2, 4], strides=[2, 2]), {}),
    (helper.make_node("ConvInteger", ["q", "w"], ["a"]), {"w": np.zeros((8, 3, 1, 3), np.int8)}),
])  # fmt: skip
def test_window_that_barely_does_not_fit_is_an_error(tmp_path: Path, node: NodeProto, stored: dict[str, Any]) -> None:
    """Its result would be empty, while another layer computes something."""
    other = helper.make_node("Conv", ["x", "v"], ["y"])
    inputs: dict[str, list[int | str | None]] = {"x": ["N", 3, 2, 2], "q": ["N", 3, 2, 2]}
    kernels = {**stored, "v": weights(4, 3, 1, 1)}
    file = build(tmp_path / "m.onnx", [node, other], inputs, kernels, outputs={"a": None, "y": None},
                 kinds={"q": TensorProto.INT8})  # fmt: skip
    with pytest.raises(DesignError, match=rf"{node.op_type} 'a': a result of .*0.*: its window does not fit"):
        load_onnx(file)
