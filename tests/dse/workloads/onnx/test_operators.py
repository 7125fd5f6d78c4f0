"""Operators that are several layers or equal another one: attention, einsum, quantized, recurrent, volumes, norms."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import NodeProto, TensorProto, helper
from torch import nn

from dse.workloads.layers import Kind, Layer
from dse.workloads.onnx.importer import from_torch, load_onnx
from netlists.errors import DesignError
from tests.dse.workloads.onnx.onnx_models import build, weights


def multiplying(layers: tuple[Layer, ...]) -> list[Layer]:
    return [layer for layer in layers if layer.has_macs]


@pytest.mark.parametrize(
    ("query", "key", "value", "given", "groups", "rows"),
    [
        ((2, 6, 32), (2, 9, 32), (2, 9, 32), {"q_num_heads": 4, "kv_num_heads": 4}, 8, 6),
        ((1, 6, 32), (1, 9, 8), (1, 9, 16), {"q_num_heads": 4, "kv_num_heads": 1}, 1, 24),
        ((2, 8, 5, 16), (2, 2, 7, 16), (2, 2, 7, 12), {}, 4, 20),
        ((1, 4, 1, 16), (1, 4, 1, 16), (1, 4, 1, 16), {"is_causal": 1}, 4, 1),
    ],
)  # fmt: skip
def test_attention(
    tmp_path: Path, query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], given: dict[str, Any],
    groups: int, rows: int,
) -> None:  # fmt: skip
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"], **given)
    result = load_onnx(build(tmp_path / "m.onnx", [node], {"q": query, "k": key, "v": value}))
    heads = query[1] if len(query) == 4 else given["q_num_heads"]
    shared = key[1] if len(key) == 4 else given["kv_num_heads"]
    wide, out = (query[3], value[3]) if len(query) == 4 else (query[2] // heads, value[2] // shared)
    steps, columns = (query[2], key[2]) if len(query) == 4 else (query[1], key[1])
    scores, softmax, values = result.layers
    assert (scores.macs, values.macs) == tuple(query[0] * heads * steps * columns * each for each in (wide, out))
    assert (scores.groups, scores.in_h) == (values.groups, values.in_h) == (groups, rows)
    assert scores.weights == prod(key)  # keys of shared heads once
    assert values.weights == prod(value)
    assert (softmax.kind, softmax.outputs) == (Kind.ELEMENTWISE, query[0] * heads * steps * columns)


@pytest.mark.parametrize("past", [0, 1, 15])
def test_attention_with_a_cache(tmp_path: Path, past: int) -> None:
    node = helper.make_node("Attention", ["q", "k", "v", "", "pk", "pv"], ["y", "nk", "nv"])
    new, old = ("batch", 4, 1, 16), ("batch", 4, "past", 16)
    inputs: dict[str, tuple[int | str, ...]] = {"q": new, "k": new, "v": new, "pk": old, "pv": old}
    file = build(tmp_path / "m.onnx", [node], inputs)
    assert load_onnx(file, batch=2, sizes={"past": past}).macs == 2 * 2 * 4 * (past + 1) * 16


@pytest.mark.parametrize("past", [0, 7])
def test_empty_cache_of_plain_operators(tmp_path: Path, past: int) -> None:
    """An empty part is not a layer, whether its size is open or fixed in the file."""
    nodes = [helper.make_node("Softmax", ["pk"], ["old"]), helper.make_node("Concat", ["old", "k"], ["all"], axis=2),
             helper.make_node("Transpose", ["all"], ["turned"], perm=[0, 1, 3, 2]),
             helper.make_node("MatMul", ["q", "turned"], ["y"])]  # fmt: skip
    for size in ("past", past):
        file = build(tmp_path / "m.onnx", nodes, {"q": [1, 4, 1, 16], "pk": [1, 4, size, 16], "k": [1, 4, 1, 16]})
        result = load_onnx(file, sizes={"past": past} if size == "past" else {})
        assert result.macs == 4 * (past + 1) * 16
        assert len(result.layers) == 1 + (past > 0)


EQUATIONS = [
    ("bhqd,bhkd->bhqk", (2, 3, 4, 8), (2, 3, 5, 8)),
    ("bhqk,bkhd->bqhd", (2, 3, 4, 5), (2, 5, 3, 8)),
    ("...ij,...jk->...ik", (2, 3, 4, 8), (2, 3, 8, 5)),
    ("...ij,jk", (2, 4, 8), (8, 5)),
    ("abc,cd->abd", (2, 4, 8), (8, 5)),
    ("ij,kj->ki", (4, 8), (5, 8)),
    ("abcd,ad->abc", (2, 3, 4, 8), (2, 8)),
]


@pytest.mark.parametrize(("equation", "left", "right"), EQUATIONS)
@pytest.mark.parametrize("fixed", ["", "x", "w"])
def test_einsum_is_the_product(
    tmp_path: Path, equation: str, left: tuple[int, ...], right: tuple[int, ...], fixed: str
) -> None:
    node = helper.make_node("Einsum", ["x", "w"], ["y"], equation=equation)
    shapes = {"x": left, "w": right}
    stored = {fixed: weights(*shapes.pop(fixed))} if fixed else {}
    (layer,) = load_onnx(build(tmp_path / "m.onnx", [node], shapes, stored)).layers
    a, b = torch.randn(left), torch.randn(right)
    result = torch.einsum(equation, a, b)
    whole = equation if "->" in equation else equation + "->...ik"
    inner = {letter for letter in whole.split("->")[0] if letter.isalpha()} - set(whole.split("->")[1])
    sizes = dict(zip(equation.split(",")[0].replace("...", "")[::-1], left[::-1], strict=False))
    assert layer.macs == result.numel() * prod(sizes[letter] for letter in inner)
    assert layer.outputs == result.numel()
    assert layer.kind == (Kind.FC if fixed else Kind.MATMUL)
    assert layer.weights == prod({"x": left, "w": right}[fixed or "w"])


@pytest.mark.parametrize(("equation", "shapes", "what"), [
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], "one or two operands"),
    ("ii->i", [(3, 3)], "without a diagonal"),
    ("ij->i", [(3, 4)], "write it as ReduceSum"),
    ("ij,k->ik", [(3, 4), (5,)], "write it as ReduceSum"),
    ("i,j->ij", [(3,), (4,)], "write it as Mul"),
])  # fmt: skip
def test_einsum_that_is_not_a_product_is_refused(
    tmp_path: Path, equation: str, shapes: list[tuple[int, ...]], what: str
) -> None:
    names = [f"x{k}" for k in range(len(shapes))]
    node = helper.make_node("Einsum", names, ["y"], equation=equation)
    with pytest.raises(DesignError, match=rf"m.onnx: Einsum 'y': .*{what}"):
        load_onnx(build(tmp_path / "m.onnx", [node], dict(zip(names, shapes, strict=True))))


def test_einsum_that_only_reorders_is_not_a_layer(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Einsum", ["x"], ["t"], equation="abc->cab"),
        helper.make_node("MatMul", ["t", "w"], ["y"]),
    ]
    (layer,) = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [2, 3, 4]}, {"w": weights(3, 5)})).layers
    assert layer.macs == 4 * 2 * 3 * 5


BYTES = {"x": TensorProto.UINT8}
SCALES = {"s": np.float32(0.1), "z": np.uint8(3)}
Q = ["s", "z"]


def quantized(*dims: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(3).integers(0, 255, dims, np.uint8)


@pytest.mark.parametrize(
    ("nodes", "given", "stored", "plain"),
    [
        ([helper.make_node("QLinearConv", ["x", *Q, "w", *Q, *Q, "b"], ["y"], pads=[1, 1, 1, 1], strides=[2, 2])],
         [1, 4, 9, 9], {"w": quantized(6, 4, 3, 3), "b": np.arange(6, dtype=np.int32)},
         [helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[1, 1, 1, 1], strides=[2, 2])]),
        ([helper.make_node("QLinearMatMul", ["x", *Q, "w", *Q, *Q], ["y"])], [2, 5, 8], {"w": quantized(8, 3)},
         [helper.make_node("MatMul", ["x", "w"], ["y"])]),
        ([helper.make_node("ConvInteger", ["x", "w", "z", "z"], ["y"], group=2)], [1, 4, 9, 9],
         {"w": quantized(6, 2, 3, 3)}, [helper.make_node("Conv", ["x", "w"], ["y"], group=2)]),
        ([helper.make_node("MatMulInteger", ["x", "w", "z"], ["y"])], [3, 8], {"w": quantized(8, 5)},
         [helper.make_node("MatMul", ["x", "w"], ["y"])]),
    ],
    ids=["QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"],
)  # fmt: skip
def test_quantized_operators_are_the_plain_ones(
    tmp_path: Path, nodes: list[NodeProto], given: list[int], stored: dict[str, np.ndarray], plain: list[NodeProto]
) -> None:
    result = load_onnx(build(tmp_path / "q.onnx", nodes, {"x": given}, {**stored, **SCALES}, kinds=BYTES))
    numbers = {name: value.astype(np.float32) for name, value in stored.items()}
    expected = load_onnx(build(tmp_path / "m.onnx", plain, {"x": given}, numbers))
    assert result.layers == expected.layers
    assert result.parameters == sum(value.size for value in stored.values())


def test_operators_of_onnx_runtime(tmp_path: Path) -> None:
    """A residual block as its quantizer writes it."""

    def made(name: str, given: list[str], out: str, **values: Any) -> NodeProto:
        return helper.make_node(name, given, [out], domain="com.microsoft", **values)

    nodes = [helper.make_node("QLinearConv", ["x", *Q, "w", *Q, *Q], ["c"], pads=[1, 1, 1, 1]),
             made("QLinearLeakyRelu", ["c", *Q, *Q], "r"), made("QLinearAdd", ["r", *Q, "x", *Q, *Q], "a"),
             made("QLinearConcat", [*Q, "a", *Q, "x", *Q], "j", axis=1),
             made("QLinearGlobalAveragePool", ["j", *Q, *Q], "p", channels_last=0),
             helper.make_node("Flatten", ["p"], ["f"]),
             made("QGemm", ["f", *Q, "v", *Q, "b", *Q], "y", transB=1)]  # fmt: skip
    stored = {"w": quantized(4, 4, 3, 3), "v": quantized(7, 8), "b": np.arange(7, dtype=np.int32), **SCALES}
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [1, 4, 6, 6]}, stored, kinds=BYTES,
                            domains=["com.microsoft"]))  # fmt: skip
    assert [layer.kind for layer in result.layers] == [Kind.CONV, Kind.ELEMENTWISE, Kind.POOL, Kind.FC]
    assert result.macs == 36 * 4 * 4 * 9 + 8 * 7
    assert result.parameters == 4 * 4 * 9 + 8 * 7 + 7


@pytest.mark.parametrize("name", ["QLinearReduceMean", "MultiHeadAttention", "NhwcConv"])
def test_other_operators_of_onnx_runtime_are_refused_by_name(tmp_path: Path, name: str) -> None:
    node = helper.make_node(name, ["x"], ["y"], domain="com.microsoft")
    with pytest.raises(DesignError, match=rf"unsupported operators: com.microsoft.{name} \(1\)"):
        load_onnx(build(tmp_path / "m.onnx", [node], {"x": [1, 4]}, domains=["com.microsoft"]))


def test_dynamic_quantization_is_its_product(tmp_path: Path) -> None:
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
             helper.make_node("MatMulInteger", ["q", "w", "z"], ["i"]),
             helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
             helper.make_node("Mul", ["s", "ws"], ["both"]), helper.make_node("Mul", ["f", "both"], ["y"])]  # fmt: skip
    stored = {"w": quantized(8, 5), "ws": np.float32(0.1)}
    (layer,) = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [3, 8]}, stored)).layers
    assert (layer.kind, layer.macs) == (Kind.FC, 3 * 8 * 5)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("directions", [1, 2])
def test_recurrent_layers(tmp_path: Path, name: str, layout: int, directions: int) -> None:
    """The same counts as torch's module of that name, which also has one bias per product."""
    module = getattr(nn, name)(5, 4, bidirectional=directions == 2)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[name]
    node = helper.make_node(name, ["x", "w", "r", "b"], ["y"], hidden_size=4, layout=layout,
                            direction="bidirectional" if directions == 2 else "forward")  # fmt: skip
    stored = {"w": weights(directions, gates * 4, 5), "r": weights(directions, gates * 4, 4),
              "b": weights(directions, 2 * gates * 4)}  # fmt: skip
    given = [2, 7, 5] if layout else [7, 2, 5]
    result = load_onnx(build(tmp_path / "m.onnx", [node], {"x": given}, stored), batch=4, counts=f"x.{1 - layout}")
    assert result.macs == 4 * 7 * gates * 4 * (5 + 4) * directions
    assert result.parameters == sum(parameter.numel() for parameter in module.parameters())
    steps = [layer.repeat for layer in result.layers if layer.in_channels == 4]
    assert steps == [1, 6] * directions
    assert {layer.batch for layer in result.layers} == {4}


def test_recurrent_layer_whose_weights_do_not_fit(tmp_path: Path) -> None:
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=4)
    stored = {"w": weights(1, 16, 6), "r": weights(1, 16, 4)}
    with pytest.raises(DesignError, match=r"LSTM 'y': weights \[1, 16, 6\] and \[1, 16, 4\]; expected \[D, 16, 5\]"):
        load_onnx(build(tmp_path / "m.onnx", [node], {"x": [7, 2, 5]}, stored))


@pytest.mark.parametrize(("kernel", "stride", "pad", "dilation", "groups"), [
    ((3, 3, 3), 1, 1, 1, 1), ((1, 3, 3), (1, 2, 2), (0, 1, 1), 1, 2), ((3, 1, 2), 2, (1, 0, 0), (2, 1, 1), 4),
])  # fmt: skip
def test_convolution_of_a_volume_is_one_of_maps(
    kernel: tuple[int, int, int], stride: int, pad: int, dilation: int, groups: int
) -> None:
    module = nn.Conv3d(4, 8, kernel, stride, pad, dilation, groups)
    x = torch.randn(2, 4, 6, 7, 9)
    (layer,) = from_torch(module, x).layers
    out = module(x)
    assert layer.outputs == out.numel()
    assert layer.macs == out.numel() * 4 // groups * prod(kernel)
    assert layer.parameters == sum(parameter.numel() for parameter in module.parameters())
    # The planes under the kernel as channels, which a convolution of maps turns into the same result.
    wide = int(module.padding[0])
    deep = nn.functional.pad(x, (0, 0, 0, 0, wide, wide))
    planes = [torch.stack([deep[:, :, d * module.stride[0] + k * module.dilation[0]] for k in range(kernel[0])], 2)
              for d in range(out.shape[2])]  # fmt: skip
    maps = torch.stack(planes, 1).flatten(0, 1).flatten(1, 2)
    assert maps.shape == (layer.batch, layer.in_channels, layer.in_h, layer.in_w)
    same = nn.functional.conv2d(maps, module.weight.flatten(1, 2), module.bias, module.stride[1:], module.padding[1:],
                                module.dilation[1:], groups)  # fmt: skip
    assert torch.allclose(same.reshape(2, -1, *same.shape[1:]).transpose(1, 2), out, atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride"), [((2, 2, 2), None), ((3, 3, 3), (2, 2, 2)), ((1, 2, 2), (1, 2, 2))])
def test_pool_of_a_volume_moves_its_elements(kernel: tuple[int, ...], stride: tuple[int, ...] | None) -> None:
    module = nn.MaxPool3d(kernel, stride)
    x = torch.randn(2, 4, 6, 8, 8)
    (layer,) = from_torch(module, x).layers
    assert (layer.kind, layer.inputs, layer.outputs) == (Kind.POOL, x.numel(), module(x).numel())


def test_transposed_convolution_of_a_volume_is_refused_by_name() -> None:
    with pytest.raises(DesignError, match=r"unsupported operators: ConvTranspose3D \(1\)"):
        from_torch(nn.ConvTranspose3d(2, 3, 2), torch.zeros(1, 2, 4, 4, 4))


@pytest.mark.parametrize(("name", "stored", "given", "opset"), [
    ("GroupNormalization", ["g", "b"], {"num_groups": 2}, 18),
    ("GroupNormalization", ["g", "b"], {"num_groups": 4}, 21),
    ("MeanVarianceNormalization", [], {"axes": [0, 2, 3]}, 13),
    ("InstanceNormalization", ["g", "b"], {}, 17),
    ("RMSNormalization", ["g"], {"axis": 1}, 23),
])  # fmt: skip
def test_normalizations_need_no_stored_shapes(
    tmp_path: Path, name: str, stored: list[str], given: dict[str, Any], opset: int
) -> None:
    count = 2 if (name, opset) == ("GroupNormalization", 18) else 8
    numbers = {each: weights(*((8, 4, 4) if name[0] == "R" else (count,)), seed=k) for k, each in enumerate(stored)}
    nodes = [helper.make_node(name, ["x", *stored], ["n"], **given), helper.make_node("Conv", ["n", "w"], ["y"])]
    result = load_onnx(build(tmp_path / "m.onnx", nodes, {"x": [2, 8, 4, 4]}, {**numbers, "w": weights(3, 8, 1, 1)},
                            opset=opset))  # fmt: skip
    norm, conv = result.layers
    assert (norm.kind, norm.inputs, norm.outputs) == (Kind.ELEMENTWISE, 256, 256)
    assert conv.macs == 2 * 16 * 8 * 3
    assert result.parameters == sum(value.size for value in numbers.values()) + 24
