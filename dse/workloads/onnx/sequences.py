"""Sequences of tensors in an ONNX graph, as exporters write lists: which tensors they hold, so that none is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import NodeProto, TypeProto

from dse.workloads.onnx.tensors import Tensors
from dse.workloads.onnx.windows import attributes
from netlists.errors import DesignError


class Sequences:
    """The tensors of each sequence, in their order."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.held: dict[str, list[str]] = {}
        self.followed: dict[str, Callable[[NodeProto], NodeProto | None]] = {
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

        Raises `DesignError` where what a sequence holds depends on the model's input.
        """
        if node.op_type not in self.followed:
            return node
        try:
            return self.followed[node.op_type](node)
        except (TypeError, LookupError, ArithmeticError, ValueError):
            raise self.tensors.refuse(node, "inputs or attributes break the operator's definition") from None

    def _of(self, node: NodeProto) -> list[str]:
        found = self.held.get(node.input[0])
        if found is None:
            raise self._unknown(node)
        return found

    def _unknown(self, node: NodeProto) -> DesignError:
        return self.tensors.refuse(node, "what its sequence holds depends on the input; expected constant positions")

    def _position(self, node: NodeProto, index: int, default: int) -> int:
        if len(node.input) <= index or not node.input[index]:
            return default
        value = self.tensors.value(node.input[index])
        if value is None:
            raise self._unknown(node)
        return int(value.reshape(-1)[0])

    def _made(self, node: NodeProto, held: list[str]) -> None:
        self.held[node.output[0]] = held
        self.tensors.types[node.output[0]] = TypeProto()

    def _construct(self, node: NodeProto) -> None:
        self._made(node, list(node.input))

    def _insert(self, node: NodeProto) -> None:
        held = self._of(node)
        at = self._position(node, 2, len(held))
        self._made(node, [*held[:at], node.input[1], *held[at:]])

    def _erase(self, node: NodeProto) -> None:
        held = list(self._of(node))
        del held[self._position(node, 1, -1)]
        self._made(node, held)

    def _length(self, node: NodeProto) -> None:
        self.tensors.set_value(node.output[0], np.array(len(self._of(node)), np.int64))

    def _at(self, node: NodeProto) -> NodeProto:
        return _plain("Identity", node, [self._of(node)[self._position(node, 1, 0)]])

    def _identity(self, node: NodeProto) -> NodeProto | None:
        if node.input[0] not in self.held:
            return node
        self._made(node, self.held[node.input[0]])
        return None

    def _concat(self, node: NodeProto) -> NodeProto | None:
        held, given = self._of(node), attributes(node)
        if given.get("new_axis"):
            self.tensors.stack(node.output[0], held, given["axis"])
            return None
        return _plain("Concat", node, held)

    def _split(self, node: NodeProto) -> None:
        given = attributes(node)
        axis, shape = given.get("axis", 0), self.tensors.shape(node.input[0])
        if shape is None:
            raise self._unknown(node)
        sizes = self._sizes(node, shape[axis], given)
        parts = [f"{node.output[0]}/{k}" for k in range(len(sizes))]
        for part, size in zip(parts, sizes, strict=True):
            self.tensors.cut(part, node.input[0], axis, size)
        self._made(node, parts)

    def _sizes(self, node: NodeProto, whole: int, given: dict[str, Any]) -> list[int | None]:
        """Of the parts along the axis; None: one element, without the axis."""
        if len(node.input) < 2 or not node.input[1]:
            return [1 if given.get("keepdims", 1) else None] * whole
        value = self.tensors.value(node.input[1])
        if value is None:
            raise self._unknown(node)
        if value.ndim:
            return [int(size) for size in value]
        return [min(int(value), whole - start) for start in range(0, whole, int(value))]


def _plain(op_type: str, node: NodeProto, given: list[str]) -> NodeProto:
    made = NodeProto(op_type=op_type, name=node.name, input=given, output=node.output)
    made.attribute.extend(attribute for attribute in node.attribute if attribute.name == "axis")
    return made
