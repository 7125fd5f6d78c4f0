"""The layers that ONNX nodes make, and the trained parameters that belong to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

from onnx import NodeProto

from dse.workloads.layers import Kind, Layer
from dse.workloads.onnx.collector import LayerCollector
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


@dataclass(frozen=True)
class GraphLayers:
    """The layers of a graph, the number of trained parameters beside them, and the operators left out with others."""

    layers: tuple[Layer, ...]
    beside: int
    lost: Counter[str]  # operators whose shapes are unknown because another operator was left out


def find_layers(graph: Graph) -> GraphLayers:
    """The layers of a graph; unsupported operators are left out.

    Nodes that follow from those and have no shape of their own are left out with them.  Raises `DesignError` for a node
    that breaks its definition, and for a convolution or product whose shape is unknown.
    """
    importer = Importer(graph)
    gone: set[str] = set()
    lost: Counter[str] = Counter()
    for node in graph.nodes:
        if operator(node) not in KNOWN:
            gone.update(node.output)
        elif gone.intersection(node.input) and not all(t in graph.shapes for t in (*node.input, *node.output) if t):
            if node.op_type in PRODUCTS | RECURRENT.keys():
                raise importer.collector.refuse(
                    node, "its shape is unknown without the operators left out; simplify the model"
                )
            gone.update(node.output)
            lost[operator(node)] += 1
        else:
            importer.add(node)
    return GraphLayers(tuple(importer.collector.layers), importer.collector.beside, lost)


class Importer:
    """Adds the layers of nodes, in the order of the nodes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.collector = LayerCollector(graph)
        self.roots: dict[str, str] = {}  # tensors that follow from another one, element by element: that one
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
        """Add what a node makes; a node whose result has no elements makes nothing.

        Raises `DesignError` if the node breaks the definition of its operator.
        """
        try:
            if any(0 in self.graph.shapes.get(tensor, ()) for tensor in node.output[:1]):
                return
            if node.op_type in MAKERS:
                MAKERS[node.op_type](self.collector, node)
            for operators, make in self.makers:
                if operator(node) in operators:
                    make(node)
                    break
        except (TypeError, AttributeError, LookupError, ArithmeticError, ValueError):
            raise self.collector.refuse(node, "inputs or attributes break the operator's definition") from None

    def _pool(self, node: NodeProto) -> None:
        in_shape, out = self.graph.shape(node.input[0]), self.graph.shape(node.output[0])
        if len(in_shape) not in (3, 4, 5):
            raise self.collector.refuse(
                node, f"an input of {len(in_shape) - 2} dimensions; expected a map of one, two or three"
            )
        values = attributes(node)
        kernel = values["kernel_shape"]
        if in_shape == out and prod(kernel) == 1:
            self._keep_elements(node)
            return
        if len(in_shape) == 5:
            window = pooled_volume(in_shape[2:], out[2:])
        else:
            window = flat_window(windows(values, in_shape[2:], kernel, out[2:]))
        self.collector.append(
            node, "", kind=Kind.POOL, in_channels=in_shape[1], out_channels=in_shape[1], batch=in_shape[0], **window
        )

    def _reduction(self, node: NodeProto) -> None:
        """One result per window; a reduction of a map over all its pixels is the pool that covers the map."""
        in_shape, out = self.graph.shape(node.input[0]), prod(self.graph.shape(node.output[0]))
        if len(in_shape) > 2 and out == in_shape[0] * in_shape[1]:
            batch, channels, high, wide = in_shape[0], in_shape[1], in_shape[2], prod(in_shape[3:])
        else:
            batch, channels, high, wide = 1, out, prod(in_shape) // out, 1
        if high * wide == 1:
            self._keep_elements(node)
            return
        self.collector.append(node, "", kind=Kind.POOL, in_channels=channels, out_channels=channels, batch=batch,
                          in_h=high, in_w=wide, kernel_h=high, kernel_w=wide)  # fmt: skip

    def _keep_elements(self, node: NodeProto) -> None:
        """Note that the result follows from the first input element by element."""
        for tensor in node.output:
            self.roots[tensor] = self._root(node.input[0])

    def _root(self, tensor: str) -> str:
        return self.roots.get(tensor, tensor)

    def _arithmetic(self, node: NodeProto) -> None:
        """Memory traffic; with a constant, or of one tensor with itself, part of the layer before."""
        operands = [tensor for tensor in node.input if tensor not in self.graph.constants]
        size = prod(self.graph.shape(node.output[0]))
        # A single number, such as the scale of a dynamic quantization, is part of the layer before as well.
        roots = {self._root(tensor): elements for tensor in operands
                 if (elements := prod(self.graph.shape(tensor))) > 1 or size == 1}  # fmt: skip
        if len(roots) > 1:
            # An operand that is broadcast stays on chip.
            self._traffic(node, operands=max(1, sum(elements == size for elements in roots.values())))
            return
        self.roots[node.output[0]] = next(iter(roots), self._root(operands[0]))
        index = self.collector.made_by.get(operands[0])
        stored = [tensor for tensor in node.input if tensor in self.graph.stored]
        if node.op_type == "Add" and index is not None and self.collector.is_bias(index, stored):
            self.collector.add_bias(index)
            self.collector.made_by[node.output[0]] = index
            return
        for tensor in stored:
            self.collector.add_beside(tensor)

    def _traffic(self, node: NodeProto, operands: int = 1) -> None:
        """Reads and writes as many elements as the result has."""
        if node.op_type == "Gather":
            self.collector.add_beside(node.input[0])  # a table
            if node.input[1] in self.graph.constants:
                return  # a slice
        batch, channels, high, wide = as_map(self.graph.shape(node.output[0]))
        self.collector.append(node, "", kind=Kind.ELEMENTWISE, in_channels=channels, out_channels=channels, in_h=high,
                          in_w=wide, batch=batch, operands=operands)  # fmt: skip

    def _normalization(self, node: NodeProto) -> None:
        """Memory traffic, with its scale and shift."""
        self._traffic(node)
        self._scales(node, len(self.collector.layers) - 1)

    def _scales(self, node: NodeProto, index: int | None) -> None:
        """Add scale and shift as parameters per channel of a layer, or beside it if their number differs."""
        for tensor in node.input[1:3]:
            if tensor not in self.graph.stored or not self.graph.trained(tensor):
                continue
            if index is not None and self.collector.is_bias(index, [tensor]):
                self.collector.add_bias(index)
            else:
                self.collector.add_beside(tensor)

    def _reshape(self, node: NodeProto) -> None:
        """No layer, but a check: a size written into the model may contradict the sizes given."""
        in_shape, out = self.graph.shape(node.input[0]), self.graph.shape(node.output[0])
        if prod(in_shape) != prod(out):
            raise self.collector.refuse(
                node,
                f"{list(in_shape)} to {list(out)}; expected as many elements: the model was exported for other sizes",
            )

    def _concat(self, node: NodeProto) -> None:
        for tensor in node.input:
            self.collector.add_beside(tensor)

    def _fused(self, node: NodeProto) -> None:
        self._keep_elements(node)
        if node.op_type == "BatchNormalization":
            self._scales(node, self.collector.made_by.get(node.input[0]))


def as_map(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Images, channels, height and width of a tensor: [N, C, H, W, ...], [N, tokens, C], [N, C] or [C]."""
    if len(shape) >= 4:
        return shape[0], shape[1], shape[2], prod(shape[3:])
    if len(shape) == 3:
        return shape[0], shape[2], shape[1], 1
    return (shape[0], shape[1], 1, 1) if len(shape) == 2 else (1, prod(shape), 1, 1)
