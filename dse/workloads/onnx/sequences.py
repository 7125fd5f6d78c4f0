"""Sequences of tensors in an ONNX graph, which exporters use for lists: resolved to the tensors that they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import NodeProto, TypeProto

from dse.workloads.onnx.tensors import Tensors
from dse.workloads.onnx.windows import attributes
from netlists.errors import DesignError


class Sequences:
    """The tensors that each sequence holds, in their order."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.elements: dict[str, list[str]] = {}
        self.rules: dict[str, Callable[[NodeProto], NodeProto | None]] = {
            "SequenceEmpty": self._construct,
            "SequenceConstruct": self._construct,
            "SplitToSequence": self._split,
            "SequenceInsert": self._insert,
            "SequenceErase": self._erase,
            "SequenceLength": self._length,
            "SequenceAt": self._at,
            "ConcatFromSequence": self._concat,
            "Identity": self._identity,
        }

    def follow(self, node: NodeProto) -> NodeProto | None:
        """The operator on tensors that a node is, or None for one that only changes a sequence.

        Raises `DesignError` if what a sequence holds depends on the model's input.
        """
        if node.op_type not in self.rules:
            return node
        try:
            return self.rules[node.op_type](node)
        except (TypeError, LookupError, ArithmeticError, ValueError):
            raise self.tensors.refuse(node, "inputs or attributes break the operator's definition") from None

    def _of(self, node: NodeProto) -> list[str]:
        elements = self.elements.get(node.input[0])
        if elements is None:
            raise self._unknown(node)
        return elements

    def _unknown(self, node: NodeProto) -> DesignError:
        return self.tensors.refuse(node, "what its sequence holds depends on the input; expected constant positions")

    def _position(self, node: NodeProto, index: int, default: int) -> int:
        if len(node.input) <= index or not node.input[index]:
            return default
        value = self.tensors.value(node.input[index])
        if value is None:
            raise self._unknown(node)
        return int(value.reshape(-1)[0])

    def _set(self, node: NodeProto, elements: list[str]) -> None:
        self.elements[node.output[0]] = elements
        self.tensors.types[node.output[0]] = TypeProto()

    def _construct(self, node: NodeProto) -> None:
        self._set(node, list(node.input))

    def _insert(self, node: NodeProto) -> None:
        elements = self._of(node)
        at = self._position(node, 2, len(elements))
        self._set(node, [*elements[:at], node.input[1], *elements[at:]])

    def _erase(self, node: NodeProto) -> None:
        elements = list(self._of(node))
        del elements[self._position(node, 1, -1)]
        self._set(node, elements)

    def _length(self, node: NodeProto) -> None:
        self.tensors.set_value(node.output[0], np.array(len(self._of(node)), np.int64))

    def _at(self, node: NodeProto) -> NodeProto:
        return _make_node("Identity", node, [self._of(node)[self._position(node, 1, 0)]])

    def _identity(self, node: NodeProto) -> NodeProto | None:
        if node.input[0] not in self.elements:
            return node
        self._set(node, self.elements[node.input[0]])
        return None

    def _concat(self, node: NodeProto) -> NodeProto | None:
        elements, values = self._of(node), attributes(node)
        if values.get("new_axis"):
            self.tensors.stack(node.output[0], elements, values["axis"])
            return None
        return _make_node("Concat", node, elements)

    def _split(self, node: NodeProto) -> None:
        values = attributes(node)
        axis, shape = values.get("axis", 0), self.tensors.shape(node.input[0])
        if shape is None:
            raise self._unknown(node)
        sizes = self._sizes(node, shape[axis], values)
        parts = [f"{node.output[0]}/{k}" for k in range(len(sizes))]
        for part, size in zip(parts, sizes, strict=True):
            self.tensors.cut(part, node.input[0], axis, size)
        self._set(node, parts)

    def _sizes(self, node: NodeProto, whole: int, values: dict[str, Any]) -> list[int | None]:
        """Sizes of the parts along the axis; None: one element, without the axis."""
        if len(node.input) < 2 or not node.input[1]:
            return [1 if values.get("keepdims", 1) else None] * whole
        value = self.tensors.value(node.input[1])
        if value is None:
            raise self._unknown(node)
        if value.ndim:
            return [int(size) for size in value]
        return [min(int(value), whole - start) for start in range(0, whole, int(value))]


def _make_node(op_type: str, node: NodeProto, inputs: list[str]) -> NodeProto:
    result = NodeProto(op_type=op_type, name=node.name, input=inputs, output=node.output)
    result.attribute.extend(attribute for attribute in node.attribute if attribute.name == "axis")
    return result
