"""ONNX operators: the bounds of each as a layer, and nodes that break their definition."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from dse.workloads.layers import Kind, Layer
from dse.workloads.onnx.importer import from_torch
from netlists.errors import DesignError
from tests.dse.workloads.onnx.onnx_models import CONV, imported


def test_convolution_keeps_every_attribute(tmp_path: Path) -> None:
    (layer,) = imported(tmp_path, [CONV], [2, 4, 9, 10], {"w": (6, 2, 3, 2), "b": (6,)}).layers
    assert layer == Layer(
        "y", Kind.CONV, 4, 6, 9, 10, 3, 2, 2, 1, 1, 2, pad_top=0, pad_left=1, pad_bottom=2, pad_right=3, groups=2,
        batch=2, bias=1,
    )  # fmt: skip
    assert (layer.out_h, layer.out_w) == (5, 12)


@pytest.mark.parametrize(("auto", "pads", "out"), [("SAME_UPPER", (0, 1), 4), ("SAME_LOWER", (1, 0), 4),
                                                   ("VALID", (0, 0), 3)])  # fmt: skip
def test_padding_by_name(tmp_path: Path, auto: str, pads: tuple[int, int], out: int) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2], auto_pad=auto)
    (layer,) = imported(tmp_path, [node], [1, 3, 8, 8], {"w": (4, 3, 3, 3)}).layers
    assert (layer.pad_top, layer.pad_bottom) == (layer.pad_left, layer.pad_right) == pads
    assert layer.out_h == layer.out_w == out


def test_pool_that_rounds_up(tmp_path: Path) -> None:
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    (layer,) = imported(tmp_path, [node], [1, 3, 54, 56]).layers
    assert (layer.kind, layer.out_h, layer.out_w, layer.pad_top, layer.pad_bottom) == (Kind.POOL, 27, 28, 0, 1)


@pytest.mark.parametrize(("stride", "pad", "extra", "dilation", "groups"), [(2, 1, 1, 1, 1), (3, 0, 0, 2, 2),
                                                                            (1, 2, 0, 1, 4)])  # fmt: skip
def test_transposed_convolution_is_the_equivalent_convolution(
    stride: int, pad: int, extra: int, dilation: int, groups: int
) -> None:
    module = nn.ConvTranspose2d(4, 8, (3, 4), stride, pad, extra, groups, dilation=dilation)
    x = torch.randn(2, 4, 5, 6)
    (layer,) = from_torch(module, x).layers
    out = module(x)
    assert (layer.batch, layer.out_channels, layer.out_h, layer.out_w) == tuple(out.shape)
    # The convolution of the layer's bounds, over the stuffed input with the kernel turned around, computes the same.
    stuffed = torch.zeros(2, 4, layer.in_h, layer.in_w)
    stuffed[:, :, ::stride, ::stride] = x
    ends = (layer.pad_left, layer.pad_right, layer.pad_top, layer.pad_bottom)
    kernel = module.weight.reshape(groups, -1, *module.weight.shape[1:]).transpose(1, 2).flatten(0, 1).flip(2, 3)
    same = nn.functional.conv2d(nn.functional.pad(stuffed, ends), kernel, module.bias, dilation=dilation, groups=groups)
    assert torch.allclose(same, out, atol=1e-5)
    assert layer.input_zeros == pytest.approx(float((stuffed == 0).float().mean()))
    assert layer.parameters == sum(parameter.numel() for parameter in module.parameters())


def test_one_dimensional_convolution(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[2], pads=[1, 1])
    (layer,) = imported(tmp_path, [node], [1, 3, 16], {"w": (8, 3, 3)}).layers
    assert layer.macs == 8 * 8 * 3 * 3
    assert (layer.in_h, layer.in_w, layer.kernel_h, layer.kernel_w, layer.out_w) == (16, 1, 3, 1, 1)


@pytest.mark.parametrize(
    ("left", "right", "kind", "groups", "rows", "channels", "out"),
    [
        ((2, 5, 7), (7, 3), Kind.FC, 1, 5, 7, 3),
        ((2, 3, 5, 7), (2, 3, 7, 4), Kind.FC, 6, 5, 42, 24),
        ((2, 3, 5, 7), (3, 7, 4), Kind.FC, 3, 5, 21, 12),
    ],
)  # fmt: skip
def test_matrix_products(
    tmp_path: Path, left: tuple[int, ...], right: tuple[int, ...], kind: Kind, groups: int, rows: int, channels: int,
    out: int
) -> None:  # fmt: skip
    (layer,) = imported(
        tmp_path, [helper.make_node("MatMul", ["x", "w"], ["y"])], left, {"w": right}, counts="x.0"
    ).layers
    expected = torch.zeros(left) @ torch.zeros(right)
    assert layer.macs == expected.numel() * left[-1]
    assert layer.outputs == expected.numel()
    assert layer.weights == torch.zeros(right).numel()
    result = (layer.kind, layer.groups, layer.in_h, layer.in_channels, layer.out_channels)
    assert result == (kind, groups, rows, channels, out)


def test_weights_on_the_left(tmp_path: Path) -> None:
    (layer,) = imported(
        tmp_path, [helper.make_node("MatMul", ["w", "x"], ["y"])], [2, 7, 5], {"w": (3, 7)}, counts="x.0"
    ).layers
    assert (layer.kind, layer.batch, layer.in_h, layer.in_channels, layer.out_channels) == (Kind.FC, 2, 5, 7, 3)


def test_activation_of_a_tensor_with_itself_is_free(tmp_path: Path) -> None:
    swish = [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])]
    both = [*swish[:1], helper.make_node("MaxPool", ["x"], ["m"], kernel_shape=[1, 1], strides=[2, 2]),
            helper.make_node("MaxPool", ["s"], ["n"], kernel_shape=[1, 1], strides=[2, 2]),
            helper.make_node("Mul", ["m", "n"], ["y"])]  # fmt: skip
    with pytest.raises(DesignError, match=r"model.onnx: no layer"):
        imported(tmp_path, swish, [1, 3, 8, 8])
    last = imported(tmp_path, both, [1, 3, 8, 8]).layers[-1]
    assert (last.kind, last.operands, last.inputs, last.outputs) == (Kind.ELEMENTWISE, 2, 2 * 48, 48)


def test_squeeze_and_excitation_reads_the_map_again(tmp_path: Path) -> None:
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Sigmoid", ["p"], ["s"]),
             helper.make_node("Mul", ["x", "s"], ["y"])]  # fmt: skip
    pool, scale = imported(tmp_path, nodes, [1, 3, 8, 8]).layers
    assert (pool.kind, pool.kernel_h, pool.outputs) == (Kind.POOL, 8, 3)
    assert (scale.kind, scale.operands, scale.inputs) == (Kind.ELEMENTWISE, 1, 192)


def test_softmax_and_tables_are_traffic(tmp_path: Path) -> None:
    (layer,) = imported(tmp_path, [helper.make_node("Softmax", ["x"], ["y"])], [2, 12, 8, 8]).layers
    assert (layer.kind, layer.inputs, layer.outputs) == (Kind.ELEMENTWISE, 1536, 1536)
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        helper.make_node("Gather", ["w", "i"], ["y"]),
    ]
    (layer,) = imported(tmp_path, nodes, [1, 8], {"w": (100, 16)}).layers
    assert (layer.kind, layer.outputs) == (Kind.ELEMENTWISE, 128)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Conv", ["x"], ["y"]),
        helper.make_node("Conv", ["x", "w"], ["y"], strides=[0, 0]),
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[1]),
        helper.make_node("MaxPool", ["x"], ["y"]),
        helper.make_node("Gemm", ["x"], ["y"]),
    ],
)
def test_nodes_that_break_their_definition(tmp_path: Path, node: onnx.NodeProto) -> None:
    with pytest.raises(DesignError, match=r"model.onnx: "):
        imported(tmp_path, [node], [1, 3, 8, 8], {"w": (4, 3, 3, 3)})
