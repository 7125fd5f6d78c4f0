"""Sliding windows of ONNX nodes, and products of tensors, as the bounds of loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import onnx
from onnx import NodeProto

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """A window along one axis, padded so that the result is as large as in the model."""

    size: int  # elements of the input
    kernel: int  # elements of the kernel
    stride: int
    dilation: int
    begin: int  # padding before the input
    end: int  # padding after the input
    out: int  # elements of the result

    def fields(self, axis: str) -> dict[str, int]:
        """The window as fields of a layer along `h` or `w`."""
        top, bottom = ("top", "bottom") if axis == "h" else ("left", "right")
        return {f"in_{axis}": self.size, f"kernel_{axis}": self.kernel, f"stride_{axis}": self.stride,
                f"dilation_{axis}": self.dilation, f"pad_{top}": self.begin, f"pad_{bottom}": self.end}  # fmt: skip


ONE = Window(1, 1, 1, 1, 0, 0, 1)


def attributes(node: NodeProto) -> dict[str, Any]:
    """The attributes of a node by name."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def windows(
    values: Mapping[str, Any], in_shape: Sequence[int], kernel: Sequence[int], out: Sequence[int]
) -> list[Window]:
    """The windows of a convolution or pool along each spatial axis, from its attributes, input, kernel and result."""
    axes = len(in_shape)
    strides, dilations, pads = _steps(values, axes)
    auto = values.get("auto_pad", b"NOTSET").decode()
    result = []
    for axis in range(axes):
        stride, dilation = strides[axis], dilations[axis]
        begin, end = pads[axis], pads[axes + axis]
        needed = (out[axis] - 1) * stride + dilation * (kernel[axis] - 1) + 1 - in_shape[axis]
        if auto.startswith("SAME"):
            begin = (max(needed, 0) + (auto == "SAME_LOWER")) // 2
        if not needed <= begin + end < needed + stride:  # padded by name, or rounded up
            end = needed - begin
        result.append(Window(in_shape[axis], kernel[axis], stride, dilation, begin, end, out[axis]))
    return result


def stuffed_windows(
    values: Mapping[str, Any], in_shape: Sequence[int], kernel: Sequence[int], out: Sequence[int]
) -> list[Window]:
    """The windows of a transposed convolution: at stride 1, over the input with stride - 1 zeros between elements."""
    axes = len(in_shape)
    strides, dilations, pads = _steps(values, axes)
    result = []
    for axis in range(axes):
        size = (in_shape[axis] - 1) * strides[axis] + 1
        span = dilations[axis] * (kernel[axis] - 1)
        begin, end = span - pads[axis], out[axis] + pads[axis] - size
        result.append(Window(size, kernel[axis], 1, dilations[axis], begin, end, out[axis]))
    return result


def _steps(values: Mapping[str, Any], axes: int) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    strides, dilations = values.get("strides", [1] * axes), values.get("dilations", [1] * axes)
    return strides, dilations, values.get("pads", [0] * 2 * axes)


def flat_window(axes: Sequence[Window]) -> dict[str, Any]:
    """The fields of a layer for the last two of the windows, or for a single window along the height."""
    high, wide = (*axes, ONE)[:2] if len(axes) < 3 else axes[-2:]
    return high.fields("h") | wide.fields("w")


def pooled_volume(in_shape: Sequence[int], out: Sequence[int]) -> dict[str, Any]:
    """The fields of a pool over a volume: depth joins the height, and it reads and writes as many elements."""
    high = even_window(in_shape[0] * in_shape[1], out[0] * out[1])
    return high.fields("h") | even_window(in_shape[2], out[2]).fields("w")


def even_window(size: int, out: int) -> Window:
    """The window whose strides spread `out` results evenly over `size` elements."""
    stride = max(1, size // out)
    kernel = max(1, size - (out - 1) * stride)
    return Window(size, kernel, stride, 1, 0, max(0, (out - 1) * stride + kernel - size), out)


@dataclass(frozen=True)
class Product:
    """[..., rows, inner] × [..., inner, columns]; axes that both have are groups, others are rows or columns."""

    groups: int
    rows: int
    inner: int
    columns: int


def find_product(left: Shape, right: Shape) -> Product | None:
    """The product of two tensors of matrices, or None if their sizes do not fit."""
    rank = max(len(left), len(right)) - 2
    many_left = (1,) * (rank - len(left) + 2) + left[:-2]
    many_right = (1,) * (rank - len(right) + 2) + right[:-2]
    pairs = list(zip(many_left, many_right, strict=True))
    if left[-1] != right[-2] or any(a != b for a, b in pairs if 1 not in (a, b)):
        return None
    groups = prod(a for a, b in pairs if a > 1 and b > 1)
    return Product(groups, left[-2] * prod(many_left) // groups, left[-1], right[-1] * prod(many_right) // groups)


def parse_einsum(equation: str, shapes: Sequence[Shape]) -> tuple[list[str], str, dict[str, int]] | None:
    """The letters of each operand and of the result, and the size of each letter, with the ellipsis spelled out.

    None for an equation that takes a diagonal or does not fit its operands.
    """
    left, _, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        return None
    spare = "".join(chr(code) for code in range(0x3B1, 0x3C9))  # Greek, which an equation cannot hold
    longest = max(len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True))
    spelled = [term.replace("...", spare[longest - (len(shape) - len(term) + 3) : longest])
               for term, shape in zip(terms, shapes, strict=True)]  # fmt: skip
    sizes: dict[str, int] = {}
    for term, shape in zip(spelled, shapes, strict=True):
        if len(term) != len(shape) or len(set(term)) != len(term):
            return None
        for letter, size in zip(term, shape, strict=True):
            if sizes.get(letter, 1) != 1 and size not in (1, sizes[letter]):
                return None
            sizes[letter] = max(size, sizes.get(letter, 1)) if size else 0
    joined = "".join(spelled)
    implied = "".join(sorted({letter for letter in joined if joined.count(letter) == 1 and letter not in spare}))
    result = right.replace("...", spare[:longest]) if "->" in equation else spare[:longest] + implied
    return spelled, result, sizes
