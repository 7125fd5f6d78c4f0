"""The layers of ONNX operators that multiply: convolutions, matrix products, attention, recurrent cells.

A convolution over a volume is one convolution over maps per plane of the result, whose channels are those of all planes
under the kernel.  Attention is two products of activations with a softmax between them; query heads that share a key
and value head are additional rows of one product, and products that a mask discards are counted, because an array that
does not skip them computes them.  A recurrent layer is a product with the input over all steps, and one product with
its own state per step; its gates are part of these layers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from onnx import NodeProto

from dse.workloads.layers import Kind
from dse.workloads.onnx.collector import LayerCollector
from dse.workloads.onnx.operators import RECURRENT
from dse.workloads.onnx.windows import (
    ONE,
    Product,
    Shape,
    attributes,
    find_product,
    flat_window,
    parse_einsum,
    stuffed_windows,
    windows,
)


def _kernel(collector: LayerCollector, node: NodeProto, axes: int) -> tuple[Shape, Shape]:
    """Shapes of the input and the kernel of a convolution over at most `axes` dimensions."""
    in_shape, kernel = collector.graph.shape(node.input[0]), collector.graph.shape(node.input[1])
    if not 3 <= len(in_shape) <= axes + 2 or len(in_shape) != len(kernel):
        most = "one or two" if axes == 2 else "one, two or three"
        raise collector.refuse(node, f"an input of {len(in_shape) - 2} dimensions; expected a map of {most}")
    if node.input[1] not in collector.graph.constants:
        raise collector.refuse(node, "the kernel is computed from activations; expected a constant")
    return in_shape, kernel


def _conv(collector: LayerCollector, node: NodeProto) -> None:
    in_shape, kernel = _kernel(collector, node, 3)
    values = attributes(node)
    groups = values.get("group", 1)
    if in_shape[1] != kernel[1] * groups:
        raise collector.refuse(node, f"{in_shape[1]} input channels; expected {kernel[1]} in each of {groups} groups")
    axes = windows(values, in_shape[2:], kernel[2:], collector.graph.shape(node.output[0])[2:])
    deep = axes[0] if len(axes) == 3 else ONE
    collector.append(
        node, node.input[1], node.input[2:3], kind=Kind.CONV, in_channels=in_shape[1] * deep.kernel,
        out_channels=kernel[0], groups=groups, batch=in_shape[0] * deep.out, **flat_window(axes),
    )  # fmt: skip
    collector.mark_result(node)


def _conv_transpose(collector: LayerCollector, node: NodeProto) -> None:
    """The convolution at stride 1 over the input with stride - 1 zeros between its elements."""
    in_shape, kernel = _kernel(collector, node, 2)
    values = attributes(node)
    groups = values.get("group", 1)
    if in_shape[1] != kernel[0]:
        raise collector.refuse(node, f"{in_shape[1]} input channels; expected {kernel[0]}")
    axes = stuffed_windows(values, in_shape[2:], kernel[2:], collector.graph.shape(node.output[0])[2:])
    zeros = 1 - prod(in_shape[2:]) / prod(window.size for window in axes)
    collector.append(
        node, node.input[1], node.input[2:3], kind=Kind.CONV, in_channels=in_shape[1], out_channels=kernel[1] * groups,
        groups=groups, batch=in_shape[0], input_zeros=zeros, **flat_window(axes),
    )  # fmt: skip
    collector.mark_result(node)


def _gemm(collector: LayerCollector, node: NodeProto) -> None:
    values = attributes(node)
    left, right = collector.graph.shape(node.input[0]), collector.graph.shape(node.input[1])
    left = left[::-1] if values.get("transA") else left
    right = right[::-1] if values.get("transB") else right
    _multiply(collector, node, left, right, node.input[2] if len(node.input) > 2 else "")


def _matmul(collector: LayerCollector, node: NodeProto) -> None:
    left, right = collector.graph.shape(node.input[0]), collector.graph.shape(node.input[1])
    left = left if len(left) > 1 else (1, *left)
    right = right if len(right) > 1 else (*right, 1)
    _multiply(collector, node, left, right, "")


def _multiply(collector: LayerCollector, node: NodeProto, left: Shape, right: Shape, bias: str) -> None:
    first, second = node.input[:2]
    if first in collector.graph.constants:  # as weights × activations transposed
        first, second = second, first
        left, right = (*right[:-2], right[-1], right[-2]), (*left[:-2], left[-1], left[-2])
    product = find_product(left, right)
    if product is None:
        raise collector.refuse(node, f"a product of {left} and {right}; expected sizes that fit")
    _append_product(collector, node, product, second, bias)


def _append_product(
    collector: LayerCollector, node: NodeProto, product: Product, second: str, bias: str = "", part: str = ""
) -> None:
    """Append a product: rows of several inputs are its batch, or groups in a product of activations."""
    graph = collector.graph
    fixed = second in graph.constants
    images = graph.batch if fixed and product.rows % graph.batch == 0 else 1
    collector.append(
        node, second, [bias], part, kind=Kind.FC if fixed else Kind.MATMUL, in_channels=product.groups * product.inner,
        out_channels=product.groups * product.columns, in_h=product.rows // images, groups=product.groups, batch=images,
    )  # fmt: skip
    collector.mark_result(node)


def _einsum(collector: LayerCollector, node: NodeProto) -> None:
    """A product of two tensors whose letters are in both and the result, in both only, or in one and the result."""
    equation = attributes(node)["equation"].decode()
    parts = parse_einsum(equation, [collector.graph.shape(tensor) for tensor in node.input])
    if parts is None or len(node.input) > 2:
        raise collector.refuse(node, f"{equation}; expected one or two operands without a diagonal; write it as MatMul")
    terms, result, sizes = parts
    if len(terms) == 1:
        if set(terms[0]) != set(result):
            raise collector.refuse(node, f"{equation}; expected no sum over one operand; write it as ReduceSum")
        return
    left, right = (set(term) for term in terms)
    if (left ^ right) - set(result):
        raise collector.refuse(node, f"{equation}; expected no sum over one operand; write it as ReduceSum and MatMul")
    order = list(node.input)
    if order[0] in collector.graph.constants:
        order, left, right = order[::-1], right, left
    inner = (left & right) - set(result)
    if not inner:
        raise collector.refuse(node, f"{equation}; expected a sum over what both operands have; write it as Mul")
    counts = [prod(sizes[letter] for letter in letters)
              for letters in (left & right & set(result), left - right, inner, right - left)]  # fmt: skip
    _append_product(collector, node, Product(*counts), order[1])


def _attention(collector: LayerCollector, node: NodeProto) -> None:
    attrs = attributes(node)
    query, key, value = (collector.graph.shape(tensor) for tensor in node.input[:3])
    heads, shared = (query[1], key[1]) if len(query) == 4 else (attrs["q_num_heads"], attrs["kv_num_heads"])
    batch, rows, wide = (query[0], query[2], query[3]) if len(query) == 4 else (*query[:2], query[2] // heads)
    columns, out = (key[2], value[3]) if len(key) == 4 else (key[1], value[2] // shared)
    if len(node.input) > 4 and node.input[4]:
        columns += collector.graph.shape(node.input[4])[2]  # of the cache
    if heads % shared:
        raise collector.refuse(node, f"{heads} query heads; expected a multiple of {shared} key and value heads")
    groups, stacked = batch * shared, rows * (heads // shared)
    _append_product(collector, node, Product(groups, stacked, wide, columns), node.input[1], part="/scores")
    collector.append(node, "", part="/softmax", kind=Kind.ELEMENTWISE, in_channels=columns, out_channels=columns,
                    in_h=rows * heads, batch=batch)  # fmt: skip
    _append_product(collector, node, Product(groups, stacked, columns, out), node.input[2], part="/values")


def _recurrent(collector: LayerCollector, node: NodeProto) -> None:
    """For each direction, one product with the input over all steps, and one product with the state per step."""
    graph = collector.graph
    in_shape, weights, state = (graph.shape(tensor) for tensor in node.input[:3])
    if not {*node.input[1:3]} <= graph.constants:
        raise collector.refuse(node, "the weights are computed from activations; expected constants")
    steps, batch = in_shape[:2] if not attributes(node).get("layout") else in_shape[1::-1]
    directions, hidden = weights[0], state[2]
    out = RECURRENT[node.op_type] * hidden
    if (weights[1:], state[1]) != ((out, in_shape[2]), out):
        expected = f"[D, {out}, {in_shape[2]}] and [D, {out}, {hidden}]"
        raise collector.refuse(node, f"weights {list(weights)} and {list(state)}; expected {expected}")
    bias = node.input[3:4]
    for direction in range(directions):
        side = "" if direction == 0 else "/reverse"
        collector.append(node, node.input[1], bias, f"{side}/input", kind=Kind.FC, in_channels=in_shape[2],
                        out_channels=out, in_h=steps, batch=batch)  # fmt: skip
        for repeat in filter(None, (1, steps - 1)):
            collector.append(node, node.input[2], bias, f"{side}/state", again=repeat != 1, kind=Kind.FC,
                            in_channels=hidden, out_channels=out, batch=batch, repeat=repeat)  # fmt: skip
    for tensor in node.input[7:8]:
        collector.add_beside(tensor)  # peepholes


MAKERS: dict[str, Callable[[LayerCollector, NodeProto], None]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Einsum": _einsum,
    "Attention": _attention,
    **dict.fromkeys(RECURRENT, _recurrent),
}
