"""What each ONNX operator is to an accelerator, and the layer that a node makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import onnx
from onnx import NodeProto

from dse.onnx_graph import Graph, operator
from dse.workload import Kind, Layer
from netlists.errors import DesignError

# Every supported operator is in one of these.
POOLS = {"MaxPool", "AveragePool", "LpPool"}
REDUCTIONS = {
    "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin",
    "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare", "ArgMax", "ArgMin",
}  # fmt: skip
ARITHMETIC = {
    "Add", "Sub", "Mul", "Div", "Pow", "Mod", "Sum", "Mean", "Max", "Min", "PRelu", "Where", "And", "Or", "Xor",
    "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
}  # fmt: skip
# Read a whole row before they write it.
ROWS = {
    "Softmax", "LogSoftmax", "Hardmax", "LayerNormalization", "RMSNormalization", "InstanceNormalization",
    "GroupNormalization", "LpNormalization", "MeanVarianceNormalization",
}  # fmt: skip
COPIES = {"Gather", "GatherElements", "GatherND", "Resize", "Upsample"}  # count as reading what they write
# Act on a value on its way out of the layer before.
FUSED = {
    "Relu", "LeakyRelu", "ThresholdedRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Mish", "Tanh",
    "Elu", "Selu", "Celu", "Gelu", "Softplus", "Softsign", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Neg", "Abs",
    "Sign", "Floor", "Ceil", "Round", "Sin", "Cos", "Not", "IsNaN", "IsInf", "BatchNormalization", "LRN", "Dropout",
    "Cast", "CastLike", "Identity", "QuantizeLinear", "DequantizeLinear",
}  # fmt: skip
# Rename or reorder elements: done by the addresses that the next layer reads.
VIEWS = {
    "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Pad", "Expand", "Tile",
    "DepthToSpace", "SpaceToDepth",
}  # fmt: skip
PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
KNOWN = PRODUCTS | POOLS | REDUCTIONS | ARITHMETIC | ROWS | COPIES | FUSED | VIEWS


def layers(graph: Graph) -> list[Layer]:
    """The layers of a model whose operators are all known or have been left out; raises `DesignError`."""
    importer = _Importer(graph)
    for node in graph.parts.nodes:
        if operator(node) in KNOWN:
            importer.add(node)
    return importer.layers


class _Importer:
    """Appends the layers of nodes in their order."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layers: list[Layer] = []
        self.names: dict[str, int] = {}
        self.made_by: dict[str, int] = {}  # results of convolutions and products, biased or normalized: their layer
        self.roots: dict[str, str] = {}  # tensors that follow from one other, element by element: that one
        self.makers: tuple[tuple[set[str], Callable[[NodeProto], None]], ...] = (
            ({"Conv"}, self._conv),
            ({"ConvTranspose"}, self._conv_transpose),
            ({"Gemm"}, self._gemm),
            ({"MatMul"}, self._matmul),
            (POOLS, self._pool),
            (REDUCTIONS, self._reduction),
            (ARITHMETIC, self._arithmetic),
            (ROWS | COPIES, self._traffic),
            (FUSED, self._fused),
            ({"Reshape"}, self._reshape),
        )

    def add(self, node: NodeProto) -> None:
        for operators, make in self.makers:
            if node.op_type in operators:
                try:
                    make(node)
                except (TypeError, AttributeError, LookupError, ArithmeticError, ValueError):
                    raise self._refuse(node, "inputs or attributes break the operator's definition") from None

    def _append(self, node: NodeProto, weight: str, **values: Any) -> None:
        """A layer named after its weight or node, with the name's number from its second use on."""
        stored = self.graph.parts.trained.get(weight, "")
        name = stored.removesuffix(".weight") if stored.endswith(".weight") else node.name or node.output[0]
        count = self.names[name] = self.names.get(name, 0) + 1
        try:
            self.layers.append(Layer(name if count == 1 else f"{name}#{count}", **values))
        except DesignError as error:
            raise DesignError(f"{self.graph.name}: {error}") from None

    def _refuse(self, node: NodeProto, what: str) -> DesignError:
        return DesignError(f"{self.graph.name}: {node.op_type} {node.name or node.output[0]!r}: {what}")

    def _result(self, node: NodeProto) -> None:
        self.made_by[node.output[0]] = len(self.layers) - 1

    def _bias(self, node: NodeProto, index: int) -> int:
        return int(len(node.input) > index and node.input[index] in self.graph.parts.trained)

    def _kernel(self, node: NodeProto) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of the input and the kernel, as maps of two dimensions."""
        given, kernel = self.graph.shape(node.input[0]), self.graph.shape(node.input[1])
        if len(given) not in (3, 4) or len(given) != len(kernel):
            raise self._refuse(node, f"an input of {len(given) - 2} dimensions; expected a map of one or two")
        if node.input[1] not in self.graph.parts.constants:
            raise self._refuse(node, "the kernel is computed from activations; expected a constant")
        return (*given, 1)[:4], (*kernel, 1)[:4]

    def _conv(self, node: NodeProto) -> None:
        given, kernel = self._kernel(node)
        groups = attributes(node).get("group", 1)
        if given[1] != kernel[1] * groups:
            raise self._refuse(node, f"{given[1]} input channels; expected {kernel[1]} in each of {groups} groups")
        window = self._window(node, given, kernel[2:])
        self._append(node, node.input[1], kind=Kind.CONV, in_channels=given[1], out_channels=kernel[0], groups=groups,
                     batch=given[0], bias=self._bias(node, 2), **window)  # fmt: skip
        self._result(node)

    def _window(self, node: NodeProto, given: tuple[int, ...], kernel: tuple[int, ...]) -> dict[str, int]:
        """Sizes of a sliding window whose ends are padded such that the result is as large as the model has it."""
        values = attributes(node)
        out = (*self.graph.shape(node.output[0]), 1)[2:4]
        axes = len(self.graph.shape(node.output[0])) - 2
        strides, dilations = values.get("strides", [1] * axes), values.get("dilations", [1] * axes)
        pads = values.get("pads", [0] * 2 * axes)
        auto = values.get("auto_pad", b"NOTSET").decode()
        window: dict[str, int] = {}
        for axis, (letter, top, bottom) in enumerate((("h", "top", "bottom"), ("w", "left", "right"))):
            size = given[2 + axis]
            stride, dilation = (strides[axis], dilations[axis]) if axis < axes else (1, 1)
            begin, end = (pads[axis], pads[axes + axis]) if axis < axes else (0, 0)
            needed = (out[axis] - 1) * stride + dilation * (kernel[axis] - 1) + 1 - size
            if auto.startswith("SAME"):
                begin = (max(needed, 0) + (auto == "SAME_LOWER")) // 2
            if not needed <= begin + end < needed + stride:  # padded by name, or rounded up
                end = needed - begin
            window |= {f"in_{letter}": size, f"kernel_{letter}": kernel[axis], f"stride_{letter}": stride,
                       f"dilation_{letter}": dilation, f"pad_{top}": begin, f"pad_{bottom}": end}  # fmt: skip
        return window

    def _conv_transpose(self, node: NodeProto) -> None:
        """The convolution at stride 1 over the input with stride - 1 zeros between its elements."""
        given, kernel = self._kernel(node)
        values = attributes(node)
        groups = values.get("group", 1)
        if given[1] != kernel[0]:
            raise self._refuse(node, f"{given[1]} input channels; expected {kernel[0]}")
        out = (*self.graph.shape(node.output[0]), 1)[2:4]
        axes = len(self.graph.shape(node.output[0])) - 2
        strides, dilations = values.get("strides", [1] * axes), values.get("dilations", [1] * axes)
        pads = values.get("pads", [0] * 2 * axes)
        window: dict[str, int] = {}
        for axis, (letter, top, bottom) in enumerate((("h", "top", "bottom"), ("w", "left", "right"))):
            stride, dilation, begin = (strides[axis], dilations[axis], pads[axis]) if axis < axes else (1, 1, 0)
            size = (given[2 + axis] - 1) * stride + 1
            span = dilation * (kernel[2 + axis] - 1)
            window |= {f"in_{letter}": size, f"kernel_{letter}": kernel[2 + axis], f"dilation_{letter}": dilation,
                       f"pad_{top}": span - begin, f"pad_{bottom}": out[axis] + begin - size}  # fmt: skip
        zeros = 1 - given[2] * given[3] / (window["in_h"] * window["in_w"])
        self._append(node, node.input[1], kind=Kind.CONV, in_channels=given[1], out_channels=kernel[1] * groups,
                     groups=groups, batch=given[0], bias=self._bias(node, 2), input_zeros=zeros, **window)  # fmt: skip
        self._result(node)

    def _gemm(self, node: NodeProto) -> None:
        values = attributes(node)
        left, right = self.graph.shape(node.input[0]), self.graph.shape(node.input[1])
        left = left[::-1] if values.get("transA") else left
        right = right[::-1] if values.get("transB") else right
        self._product(node, left, right, self._bias(node, 2))

    def _matmul(self, node: NodeProto) -> None:
        left, right = self.graph.shape(node.input[0]), self.graph.shape(node.input[1])
        left = left if len(left) > 1 else (1, *left)
        right = right if len(right) > 1 else (*right, 1)
        self._product(node, left, right, 0)

    def _product(self, node: NodeProto, left: tuple[int, ...], right: tuple[int, ...], bias: int) -> None:
        """[..., rows, K] × [..., K, columns]: what both have many of are groups, what one has are rows or columns."""
        first, second = node.input[:2]
        if first in self.graph.parts.constants:  # as weights × activations transposed
            first, second = second, first
            left, right = (*right[:-2], right[-1], right[-2]), (*left[:-2], left[-1], left[-2])
        rank = max(len(left), len(right)) - 2
        many_left = (1,) * (rank - len(left) + 2) + left[:-2]
        many_right = (1,) * (rank - len(right) + 2) + right[:-2]
        if left[-1] != right[-2] or any(a != b for a, b in zip(many_left, many_right, strict=True) if 1 not in (a, b)):
            raise self._refuse(node, f"a product of {left} and {right}; expected sizes that fit")
        groups = prod(a for a, b in zip(many_left, many_right, strict=True) if a > 1 and b > 1)
        rows = left[-2] * prod(many_left) // groups
        columns = right[-1] * prod(many_right) // groups
        fixed = second in self.graph.parts.constants
        # Rows of several images are a batch of the layer; a product of activations has a group an image instead.
        images = self.graph.batch if fixed and rows % self.graph.batch == 0 else 1
        self._append(
            node, second, kind=Kind.FC if fixed else Kind.MATMUL, in_channels=groups * left[-1],
            out_channels=groups * columns, in_h=rows // images, groups=groups, batch=images, bias=bias,
        )  # fmt: skip
        self._result(node)

    def _pool(self, node: NodeProto) -> None:
        given = self.graph.shape(node.input[0])
        if len(given) not in (3, 4):
            raise self._refuse(node, f"an input of {len(given) - 2} dimensions; expected a map of one or two")
        kernel = (*attributes(node)["kernel_shape"], 1)[:2]
        if given == self.graph.shape(node.output[0]) and prod(kernel) == 1:
            self._same(node)
            return
        given = (*given, 1)[:4]
        window = self._window(node, given, kernel)
        self._append(node, "", kind=Kind.POOL, in_channels=given[1], out_channels=given[1], batch=given[0], **window)

    def _reduction(self, node: NodeProto) -> None:
        """One result of each window; of a map over all its pixels it is the pool that covers the map."""
        given, out = self.graph.shape(node.input[0]), prod(self.graph.shape(node.output[0]))
        if len(given) > 2 and out == given[0] * given[1]:
            batch, channels, high, wide = given[0], given[1], given[2], prod(given[3:])
        else:
            batch, channels, high, wide = 1, out, prod(given) // out, 1
        if high * wide == 1:
            self._same(node)
            return
        self._append(node, "", kind=Kind.POOL, in_channels=channels, out_channels=channels, batch=batch,
                     in_h=high, in_w=wide, kernel_h=high, kernel_w=wide)  # fmt: skip

    def _same(self, node: NodeProto) -> None:
        """The result follows from the first input element by element."""
        self.roots[node.output[0]] = self._root(node.input[0])

    def _root(self, tensor: str) -> str:
        return self.roots.get(tensor, tensor)

    def _arithmetic(self, node: NodeProto) -> None:
        """With a constant, or of one tensor with itself: on the way out of the layer before; else memory traffic."""
        given = [tensor for tensor in node.input if tensor not in self.graph.parts.constants]
        roots = {self._root(tensor): prod(self.graph.shape(tensor)) for tensor in given}
        if len(roots) > 1:
            size = prod(self.graph.shape(node.output[0]))
            # An operand that is broadcast stays on chip.
            self._traffic(node, operands=max(1, sum(elements == size for elements in roots.values())))
            return
        self.roots[node.output[0]] = self._root(given[0])
        index = self.made_by.get(given[0])
        others = [self.graph.shape(tensor) for tensor in node.input if tensor in self.graph.parts.trained]
        if node.op_type == "Add" and index is not None and self._is_bias(index, others):
            self._more_bias(index, 1)
            self.made_by[node.output[0]] = index

    def _is_bias(self, index: int, shapes: list[tuple[int, ...]]) -> bool:
        return [prod(shape) for shape in shapes] == [self.layers[index].out_channels]

    def _more_bias(self, index: int, count: int) -> None:
        self.layers[index] = replace(self.layers[index], bias=self.layers[index].bias + count)

    def _traffic(self, node: NodeProto, operands: int = 1) -> None:
        """Reads and writes as many elements as the result has."""
        if node.op_type == "Gather" and node.input[1] in self.graph.parts.constants:
            return  # a slice
        batch, channels, high, wide = as_map(self.graph.shape(node.output[0]))
        trained = sum(self._bias(node, index) for index in (1, 2)) if node.op_type == "LayerNormalization" else 0
        self._append(node, "", kind=Kind.ELEMENTWISE, in_channels=channels, out_channels=channels, in_h=high,
                     in_w=wide, batch=batch, operands=operands, bias=trained)  # fmt: skip

    def _reshape(self, node: NodeProto) -> None:
        """No layer, but where a size written into the model shows that it contradicts the sizes given."""
        given, out = self.graph.shape(node.input[0]), self.graph.shape(node.output[0])
        if prod(given) != prod(out):
            raise self._refuse(
                node, f"{list(given)} to {list(out)}; expected as many elements: the model was exported for other sizes"
            )

    def _fused(self, node: NodeProto) -> None:
        self._same(node)
        index = self.made_by.get(node.input[0])
        if node.op_type == "BatchNormalization" and index is not None:
            self._more_bias(index, self._bias(node, 1) + self._bias(node, 2))


def as_map(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Images, channels, height and width of a tensor: [N, C, H, W, ...], [N, tokens, C], [N, C] or [C]."""
    if len(shape) >= 4:
        return shape[0], shape[1], shape[2], prod(shape[3:])
    if len(shape) == 3:
        return shape[0], shape[2], shape[1], 1
    return (shape[0], shape[1], 1, 1) if len(shape) == 2 else (1, prod(shape), 1, 1)


def attributes(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
