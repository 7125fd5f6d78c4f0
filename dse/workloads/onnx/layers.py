"""The layers that ONNX nodes make, and the trained numbers that belong to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from onnx import NodeProto

from dse.workloads.layers import Kind, Layer
from dse.workloads.onnx.graph import Graph
from dse.workloads.onnx.operators import (
    ARITHMETIC,
    COPIES,
    FUSED,
    KNOWN,
    NORMALIZATIONS,
    POOLS,
    PRODUCTS,
    RECURRENT,
    REDUCTIONS,
    ROWS,
    operator,
)  # fmt: skip
from dse.workloads.onnx.products import MAKERS
from dse.workloads.onnx.windows import attributes, flat_window, pooled_volume, windows
from netlists.errors import DesignError


@dataclass(frozen=True)
class Found:
    """The layers of a graph, the trained numbers beside them, and the operators left out for want of a shape."""

    layers: tuple[Layer, ...]
    beside: int
    lost: Counter[str]


def find(graph: Graph) -> Found:
    """The layers of a graph; operators that are not known are left out.

    What follows from those and has no shape of its own goes with them.  Raises `DesignError` for a node that breaks its
    definition, and for a convolution or product whose shape went.
    """
    importer = Importer(graph)
    gone: set[str] = set()
    lost: Counter[str] = Counter()
    for node in graph.nodes:
        if operator(node) not in KNOWN:
            gone.update(node.output)
        elif gone.intersection(node.input) and not all(t in graph.shapes for t in (*node.input, *node.output) if t):
            if node.op_type in PRODUCTS | RECURRENT.keys():
                raise importer.refuse(node, "its shape is not known without the operators left out; simplify the model")
            gone.update(node.output)
            lost[operator(node)] += 1
        else:
            importer.add(node)
    return Found(tuple(importer.layers), importer.beside, lost)


class Importer:
    """Appends the layers of nodes in their order."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layers: list[Layer] = []
        self.beside = 0
        self.names: Counter[str] = Counter()
        self.left = dict(graph.elements)  # of each stored tensor, the numbers that no layer has yet
        self.made_by: dict[str, int] = {}  # results of convolutions and products, biased or normalized: their layer
        self.roots: dict[str, str] = {}  # tensors that follow from one other, element by element: that one
        self.makers: tuple[tuple[Iterable[str], Callable[[NodeProto], None]], ...] = (
            (POOLS, self._pool),
            (REDUCTIONS, self._reduction),
            (ARITHMETIC, self._arithmetic),
            (NORMALIZATIONS, self._normalization),
            (ROWS | COPIES, self._traffic),
            (FUSED, self._fused),
            ({"Reshape"}, self._reshape),
            ({"Concat"}, self._concat),
        )

    def add(self, node: NodeProto) -> None:
        """Append what a node makes; of a tensor without elements that is nothing."""
        try:
            if any(0 in self.graph.shapes.get(tensor, ()) for tensor in node.output[:1]):
                return
            if node.op_type in MAKERS:
                MAKERS[node.op_type](self, node)
            for operators, make in self.makers:
                if operator(node) in operators:
                    make(node)
                    break
        except (TypeError, AttributeError, LookupError, ArithmeticError, ValueError):
            raise self.refuse(node, "inputs or attributes break the operator's definition") from None

    def append(self, node: NodeProto, weight: str, biases: Sequence[str] = (), part: str = "",
               again: bool = False, **values: Any) -> None:  # fmt: skip
        """A layer named after its weight or node, with the name's number from its second use on.

        `biases` are tensors of a number an output channel; `part` is added to the name; `again`: the weights are those
        of the layer before.
        """
        stored = self.graph.stored.get(weight, ("",))[0]
        named = stored.removesuffix(".weight") if stored.endswith(".weight") else node.name or node.output[0]
        name = named + part
        self.names[name] += 1
        count = self.names[name]
        held = [tensor for tensor in biases if tensor in self.graph.stored]
        try:
            layer = Layer(name if count == 1 else f"{name}#{count}", bias=len(held), **values)
        except DesignError as error:
            raise DesignError(f"{self.graph.name}: {error}") from None
        if again:
            self.layers.append(replace(layer, shared=layer.parameters))
            return
        kernel = 0 if layer.kind == Kind.MATMUL else layer.weights
        own = self.claim(weight, kernel)
        biases_too = layer.bias * layer.out_channels if kernel and not own else 0
        self.layers.append(replace(layer, shared=kernel - own + biases_too))

    def claim(self, tensor: str, count: int) -> int:
        """Take so many numbers of the stored tensors that a constant is made from; how many no layer had yet.

        Only of kernels and tables: exporters store equal vectors once, as the scales of an untrained network are, so
        that those are shared only with their kernel.
        """
        taken = 0
        for source in self.graph.stored.get(tensor, ()):
            part = min(count - taken, self.left[source])
            self.left[source] -= part
            taken += part
        return taken

    def refuse(self, node: NodeProto, what: str) -> DesignError:
        return DesignError(f"{self.graph.name}: {node.op_type} {node.name or node.output[0]!r}: {what}")

    def result(self, node: NodeProto) -> None:
        """The node's result is that of the last layer, whose bias or normalization may follow."""
        self.made_by[node.output[0]] = len(self.layers) - 1

    def alone(self, tensor: str) -> None:
        """Trained numbers that belong to no layer, of a table all of its rows; single numbers are none."""
        if not self.graph.trained(tensor):
            return
        shape, sources = self.graph.shape(tensor), self.graph.stored[tensor]
        if prod(shape) < 2:
            return
        whole = self.graph.elements[sources[0]] if len(sources) == 1 else prod(shape)
        vector = len(sources) == 1 and max(shape) == prod(shape) == whole
        self.beside += whole if vector else self.claim(tensor, whole)

    def _pool(self, node: NodeProto) -> None:
        given, out = self.graph.shape(node.input[0]), self.graph.shape(node.output[0])
        if len(given) not in (3, 4, 5):
            raise self.refuse(node, f"an input of {len(given) - 2} dimensions; expected a map of one, two or three")
        values = attributes(node)
        kernel = values["kernel_shape"]
        if given == out and prod(kernel) == 1:
            self._same(node)
            return
        if len(given) == 5:
            window = pooled_volume(given[2:], out[2:])
        else:
            window = flat_window(windows(values, given[2:], kernel, out[2:]))
        self.append(node, "", kind=Kind.POOL, in_channels=given[1], out_channels=given[1], batch=given[0], **window)

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
        self.append(node, "", kind=Kind.POOL, in_channels=channels, out_channels=channels, batch=batch,
                    in_h=high, in_w=wide, kernel_h=high, kernel_w=wide)  # fmt: skip

    def _same(self, node: NodeProto) -> None:
        """The result follows from the first input element by element."""
        for tensor in node.output:
            self.roots[tensor] = self._root(node.input[0])

    def _root(self, tensor: str) -> str:
        return self.roots.get(tensor, tensor)

    def _arithmetic(self, node: NodeProto) -> None:
        """With a constant, or of one tensor with itself: on the way out of the layer before; else memory traffic."""
        given = [tensor for tensor in node.input if tensor not in self.graph.constants]
        size = prod(self.graph.shape(node.output[0]))
        # A single number, as the scale of a dynamic quantization, acts on the way out as well.
        roots = {self._root(tensor): elements for tensor in given
                 if (elements := prod(self.graph.shape(tensor))) > 1 or size == 1}  # fmt: skip
        if len(roots) > 1:
            # An operand that is broadcast stays on chip.
            self._traffic(node, operands=max(1, sum(elements == size for elements in roots.values())))
            return
        self.roots[node.output[0]] = next(iter(roots), self._root(given[0]))
        index = self.made_by.get(given[0])
        others = [tensor for tensor in node.input if tensor in self.graph.stored]
        if node.op_type == "Add" and index is not None and self._is_bias(index, others):
            self._more_bias(index)
            self.made_by[node.output[0]] = index
            return
        for tensor in others:
            self.alone(tensor)

    def _is_bias(self, index: int, tensors: Sequence[str]) -> bool:
        """Whether the only tensor is one of the file with a number for each channel of a layer."""
        counts = [prod(self.graph.shape(tensor)) for tensor in tensors if len(self.graph.stored[tensor]) == 1]
        return len(tensors) == 1 and counts == [self.layers[index].out_channels]

    def _more_bias(self, index: int) -> None:
        """One more trained number a channel of a layer, unless another layer has all of its numbers."""
        layer = self.layers[index]
        shared = layer.out_channels if layer.shared and not layer.parameters else 0
        self.layers[index] = replace(layer, bias=layer.bias + 1, shared=layer.shared + shared)

    def _traffic(self, node: NodeProto, operands: int = 1) -> None:
        """Reads and writes as many elements as the result has."""
        if node.op_type == "Gather":
            self.alone(node.input[0])  # a table
            if node.input[1] in self.graph.constants:
                return  # a slice
        batch, channels, high, wide = as_map(self.graph.shape(node.output[0]))
        self.append(node, "", kind=Kind.ELEMENTWISE, in_channels=channels, out_channels=channels, in_h=high,
                    in_w=wide, batch=batch, operands=operands)  # fmt: skip

    def _normalization(self, node: NodeProto) -> None:
        """Memory traffic, with its scale and shift."""
        self._traffic(node)
        self._scales(node, len(self.layers) - 1)

    def _scales(self, node: NodeProto, index: int | None) -> None:
        """Scale and shift as numbers a channel of a layer, or beside it if they are not as many."""
        for tensor in node.input[1:3]:
            if tensor not in self.graph.stored or not self.graph.trained(tensor):
                continue
            if index is not None and self._is_bias(index, [tensor]):
                self._more_bias(index)
            else:
                self.alone(tensor)

    def _reshape(self, node: NodeProto) -> None:
        """No layer, but where a size written into the model shows that it contradicts the sizes given."""
        given, out = self.graph.shape(node.input[0]), self.graph.shape(node.output[0])
        if prod(given) != prod(out):
            raise self.refuse(
                node, f"{list(given)} to {list(out)}; expected as many elements: the model was exported for other sizes"
            )

    def _concat(self, node: NodeProto) -> None:
        for tensor in node.input:
            self.alone(tensor)

    def _fused(self, node: NodeProto) -> None:
        self._same(node)
        if node.op_type == "BatchNormalization":
            self._scales(node, self.made_by.get(node.input[0]))


def as_map(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Images, channels, height and width of a tensor: [N, C, H, W, ...], [N, tokens, C], [N, C] or [C]."""
    if len(shape) >= 4:
        return shape[0], shape[1], shape[2], prod(shape[3:])
    if len(shape) == 3:
        return shape[0], shape[2], shape[1], 1
    return (shape[0], shape[1], 1, 1) if len(shape) == 2 else (1, prod(shape), 1, 1)
