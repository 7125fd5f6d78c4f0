"""Collects the layers of an ONNX graph in their order, with their names and the parameters that belong to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from onnx import NodeProto

from dse.workloads.layers import Kind, Layer
from dse.workloads.onnx.graph import Graph
from netlists.errors import DesignError


class LayerCollector:
    """The layers of a graph so far, and the parameters that belong to none of them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layers: list[Layer] = []
        self.beside = 0  # parameters that belong to no layer
        self.names: Counter[str] = Counter()  # how often each name of a layer was used
        self.unclaimed = dict(graph.elements)  # elements of each stored tensor that no layer has yet
        self.made_by: dict[str, int] = {}  # results of convolutions and products, biased or normalized: their layer

    def append(self, node: NodeProto, weight: str, biases: Sequence[str] = (), part: str = "",
               again: bool = False, **values: Any) -> None:  # fmt: skip
        """Append a layer named after its weight or node; from its second use on, a name is followed by a number.

        `biases` are tensors of one number per output channel; `part` is added to the name; with `again` the weights are
        those of the layer before.  `values` are fields of `Layer`.  Raises `DesignError` for values that do not form a
        layer.
        """
        stored = self.graph.stored.get(weight, ("",))[0]
        stem = stored.removesuffix(".weight") if stored.endswith(".weight") else node.name or node.output[0]
        name = stem + part
        self.names[name] += 1
        count = self.names[name]
        stored_biases = [tensor for tensor in biases if tensor in self.graph.stored]
        try:
            layer = Layer(name if count == 1 else f"{name}#{count}", bias=len(stored_biases), **values)
        except DesignError as error:
            raise DesignError(f"{self.graph.name}: {error}") from None
        if again:
            self.layers.append(replace(layer, shared=layer.parameters))
            return
        kernel = 0 if layer.kind == Kind.MATMUL else layer.weights
        own = self.claim(weight, kernel)
        shared_biases = layer.bias * layer.out_channels if kernel and not own else 0
        self.layers.append(replace(layer, shared=kernel - own + shared_biases))

    def claim(self, tensor: str, count: int) -> int:
        """Claim that many elements of the stored tensors that a constant is made from; returns how many were unclaimed.

        This is for kernels and tables only: exporters store equal vectors once, such as the scales of an untrained
        network, so those are shared only together with their kernel.
        """
        total = 0
        for source in self.graph.stored.get(tensor, ()):
            part = min(count - total, self.unclaimed[source])
            self.unclaimed[source] -= part
            total += part
        return total

    def refuse(self, node: NodeProto, what: str) -> DesignError:
        """The error that says what is wrong with a node."""
        return DesignError(f"{self.graph.name}: {node.op_type} {node.name or node.output[0]!r}: {what}")

    def mark_result(self, node: NodeProto) -> None:
        """Note that the node's result is that of the last layer, whose bias or normalization may follow."""
        self.made_by[node.output[0]] = len(self.layers) - 1

    def add_beside(self, tensor: str) -> None:
        """Add trained parameters that belong to no layer: all rows of a table; single numbers do not count."""
        if not self.graph.trained(tensor):
            return
        shape, sources = self.graph.shape(tensor), self.graph.stored[tensor]
        if prod(shape) < 2:
            return
        whole = self.graph.elements[sources[0]] if len(sources) == 1 else prod(shape)
        vector = len(sources) == 1 and max(shape) == prod(shape) == whole
        self.beside += whole if vector else self.claim(tensor, whole)

    def is_bias(self, index: int, tensors: Sequence[str]) -> bool:
        """Whether the only tensor is one of the file with one number per output channel of a layer."""
        counts = [prod(self.graph.shape(tensor)) for tensor in tensors if len(self.graph.stored[tensor]) == 1]
        return len(tensors) == 1 and counts == [self.layers[index].out_channels]

    def add_bias(self, index: int) -> None:
        """Add one trained parameter per output channel to a layer, unless another layer has all of its parameters."""
        layer = self.layers[index]
        shared = layer.out_channels if layer.shared and not layer.parameters else 0
        self.layers[index] = replace(layer, bias=layer.bias + 1, shared=layer.shared + shared)
