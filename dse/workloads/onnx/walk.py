"""Walks through an ONNX graph in its order: shapes and constants of every tensor, with subgraphs resolved.

An `If` with a constant condition is replaced by the branch taken.  If the condition depends on the input, one of two
branches of equal work is counted; of different work, the one with more is counted, with a note, because an accelerator
has to be built for it.  `Loop` and `Scan` are unrolled if their number of iterations is constant.  Anything else is
refused by name.  A tensor that a body takes from outside is an input of its operators like any other, so nothing that
depends on the model's input is lost.  Sequences of tensors, which exporters use for lists, are resolved too: see
`dse.workloads.onnx.sequences`.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TypeProto

from dse.workloads.layers import Layer
from dse.workloads.onnx.graph import Graph, inputs
from dse.workloads.onnx.operators import PRODUCTS, RECURRENT, list_operators, operator
from dse.workloads.onnx.plain import plain
from dse.workloads.onnx.sequences import Sequences
from dse.workloads.onnx.tensors import Tensors, agrees, whole_shape
from netlists.errors import DesignError

MAX_STEPS = 50_000  # most operators and iterations after unrolling
Scope = MutableMapping[str, str]  # a name in a graph or body: the tensor's name in the whole
Work = Callable[[Graph], list[Layer]]


class Walk:
    """The walk through a model whose inputs have fixed sizes.

    `resized` says whether these are other sizes than those that the file stores shapes for; `work` makes layers of
    nodes, to compare branches.  Raises `DesignError` for a model that cannot be resolved.
    """

    def __init__(self, model: ModelProto, name: str, batch: int, resized: bool, work: Work) -> None:
        opsets = {"" if opset.domain == "ai.onnx" else opset.domain: opset.version for opset in model.opset_import}
        stored = {info.name: info.type for info in (*model.graph.value_info, *model.graph.output)}
        self.name = name
        self.batch = batch
        self.work = work
        self.tensors = Tensors(name, opsets, model.ir_version, stored)
        self.sequences = Sequences(self.tensors)
        self.nodes: list[NodeProto] = []
        self.operators: Counter[str] = Counter()  # of all activation nodes, including those of branches not taken
        self.ahead: Counter[str] = Counter()  # products of constants
        self.notes: list[str] = []
        self.steps = 0
        self.scope: Scope = {}
        for info in inputs(model):
            self.tensors.types[info.name] = info.type
        self._enter(model.graph, self.scope, "")
        self._run(model.graph.node, self.scope, "")
        self._check_outputs(model, resized)
        if self.ahead:
            self.notes.append(
                f"computed ahead, because no input of the model reaches them: {list_operators(self.ahead)}"
            )
        if self.tensors.believed:
            few = ", ".join(map(repr, sorted(self.tensors.believed)[:3]))
            self.notes.append(
                f"{len(self.tensors.believed)} shapes are taken from the file, because they cannot be inferred ({few})"
            )

    def graph(self, nodes: Sequence[NodeProto] | None = None) -> Graph:
        """The graph of all nodes so far, or of some of them."""
        tensors = self.tensors
        shapes = {
            tensor: shape
            for tensor, type_proto in tensors.types.items()
            if (shape := whole_shape(type_proto)) is not None
        }
        selection = tuple(self.nodes if nodes is None else nodes)
        return Graph(self.name, selection, shapes, tensors.constants, tensors.stored, tensors.elements,
                     tensors.initializers, self.batch)  # fmt: skip

    def _enter(self, graph: GraphProto, scope: Scope, prefix: str) -> None:
        """Enter the stored tensors of a graph."""
        for tensor in graph.initializer:
            scope[tensor.name] = prefix + tensor.name
            self.tensors.store(tensor, prefix + tensor.name)
        for sparse in graph.sparse_initializer:
            name = sparse.values.name
            scope[name] = prefix + name
            self.tensors.types[prefix + name] = onnx.helper.make_tensor_type_proto(
                sparse.values.data_type, list(sparse.dims)
            )
            self.tensors.constants.add(prefix + name)
            self.tensors.stored[prefix + name] = (prefix + name,)
            if len(sparse.values.dims) != 1 or sparse.values.dims[0] < 0:
                raise DesignError(f"{self.name}: the sparse tensor {name!r} has values of shape "
                                  f"{list(sparse.values.dims)}; expected a list of them")  # fmt: skip
            self.tensors.elements[prefix + name] = sparse.values.dims[0]  # nonzero ones

    def _run(self, nodes: Sequence[NodeProto], scope: Scope, prefix: str) -> None:
        for node in nodes:
            self._step(node)
            follow = {"If": self._if, "Loop": self._loop, "Scan": self._scan}.get(node.op_type)
            if follow and node.domain in ("", "ai.onnx"):
                follow(node, scope, prefix)
                continue
            scope.update({tensor: prefix + tensor for tensor in node.output if tensor})
            named = self.sequences.follow(_renamed(node, scope, prefix))
            if named is not None:
                self._add(named)

    def _add(self, node: NodeProto) -> None:
        if not node.output:
            return
        constant, computed = self.tensors.is_constant(node), plain(node)
        self.tensors.add(node)
        if not constant:
            self.nodes.append(computed)
            self.operators[operator(computed)] += 1
        elif operator(computed) in PRODUCTS | RECURRENT.keys():
            self.ahead[operator(computed)] += 1

    def _step(self, node: NodeProto) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise self.tensors.refuse(
                node, f"the model unrolls to more than {MAX_STEPS:,} operators; expected fewer iterations"
            )

    def _if(self, node: NodeProto, scope: Scope, prefix: str) -> None:
        condition = scope.get(node.input[0], node.input[0])
        bodies = {side: self._attribute(node, f"{side}_branch").g for side in ("then", "else")}
        value = self.tensors.value(condition)
        if value is not None:
            side = "then" if bool(value.reshape(-1)[0]) else "else"
            results = self._body(bodies[side], scope, f"{prefix}{_place(node)}/{side}/")
            scope.update(zip(node.output, results, strict=False))
            return
        before, sides = self.nodes, {}
        for side, body in bodies.items():
            self.nodes = []
            sides[side] = (self._body(body, scope, f"{prefix}{_place(node)}/{side}/"), self.nodes)
        self.nodes = before
        results, nodes = sides[self._busier(node, {side: nodes for side, (_, nodes) in sides.items()})]
        shapes = [[self.tensors.shape(tensor) for tensor in outputs] for outputs, _ in sides.values()]
        if shapes[0] != shapes[-1]:
            raise self.tensors.refuse(
                node, f"its condition depends on the input and its branches give shapes {shapes[0]} and {shapes[-1]};"
                " expected one shape, or a constant condition"
            )  # fmt: skip
        self.nodes += nodes
        for outer, inner in zip(node.output, results, strict=False):
            # Chosen by the input, hence an activation whatever the branches are.
            scope[outer] = prefix + outer
            self.tensors.types[prefix + outer] = self.tensors.types.get(inner, TypeProto())
            self.nodes.append(NodeProto(op_type="Identity", name=node.name, input=[inner], output=[prefix + outer]))

    def _busier(self, node: NodeProto, sides: dict[str, list[NodeProto]]) -> str:
        """The branch with more work; the first of two with the same."""
        work = {side: [replace(layer, name="") for layer in self.work(self.graph(nodes))]
                for side, nodes in sides.items()}  # fmt: skip
        first, second = work
        if work[first] == work[second]:
            return first
        sizes = {side: _size(layers) for side, layers in work.items()}
        more = max(sizes, key=sizes.__getitem__)
        both = ", ".join(f"{side} {macs / 1e6:g} MMAC" for side, (macs, _) in sizes.items())
        self.notes.append(
            f"If {_title(node)!r}: its condition depends on the input; the branch with more work counts: {more}"
            f" ({both})"
        )
        return more

    def _loop(self, node: NodeProto, scope: Scope, prefix: str) -> None:
        body = self._attribute(node, "body").g
        carried = [scope.get(tensor, tensor) for tensor in node.input[2:]]
        times = self._number(node, scope, 0, "number of iterations")
        proceed = self._number(node, scope, 1, "first condition") in (None, True)
        outer, stacked = self._opened(node, body, scope, prefix), _lists(node.output[len(carried) :])
        index = 0
        while proceed and (times is None or index < times):
            place = f"{prefix}{_place(node)}/{index}/"
            counter, condition = place + body.input[0].name, place + body.input[1].name
            self.tensors.set_value(counter, np.array(index, np.int64))
            self.tensors.set_value(condition, np.array(True))
            condition, *carried = self._iteration(node, body, outer, [counter, condition, *carried], place, stacked)
            value = self.tensors.value(condition)
            if value is None:
                raise self.tensors.refuse(
                    node, "its end depends on the input; expected a constant number of iterations"
                )
            proceed = bool(value.reshape(-1)[0])
            index += 1
        self._close(node, scope, prefix, carried, stacked, [0] * len(stacked))

    def _attribute(self, node: NodeProto, name: str) -> AttributeProto:
        attribute: AttributeProto | None = next((each for each in node.attribute if each.name == name), None)
        if attribute is None:
            raise self.tensors.refuse(node, f"has no {name}; its definition requires one")
        return attribute

    def _opened(self, node: NodeProto, body: GraphProto, scope: Scope, prefix: str) -> Scope:
        """The scope around all iterations, with the tensors that the body stores."""
        outer: Scope = ChainMap({}, scope)
        self._enter(body, outer, f"{prefix}{_place(node)}/")
        return outer

    def _iteration(self, node: NodeProto, body: GraphProto, outer: Scope, sources: Sequence[str], place: str,
                   stacked: list[list[str]]) -> list[str]:  # fmt: skip
        """Walk through a body once; returns the carried tensors, and appends the others to `stacked`."""
        self._step(node)
        inner: Scope = ChainMap(dict(zip((info.name for info in body.input), sources, strict=True)), outer)
        results = self._results(body, inner, place)
        on = len(results) - len(stacked)
        for parts, result in zip(stacked, results[on:], strict=True):
            parts.append(result)
        return results[:on]

    def _close(self, node: NodeProto, scope: Scope, prefix: str, carried: Sequence[str], stacked: list[list[str]],
               axes: Sequence[int]) -> None:  # fmt: skip
        """Enter the outputs of all iterations: the carried tensors of the last one, and the stacked ones of each."""
        scope.update(zip(node.output, carried, strict=False))
        for tensor, parts, axis in zip(node.output[len(carried) :], stacked, axes, strict=True):
            self.tensors.stack(prefix + tensor, parts, axis)
            scope[tensor] = prefix + tensor

    def _number(self, node: NodeProto, scope: Scope, index: int, what: str) -> Any:
        """The single number of an input, None without that input; raises `DesignError` unless it is constant."""
        tensor = node.input[index] if len(node.input) > index else ""
        if not tensor:
            return None
        value = self.tensors.value(scope.get(tensor, tensor))
        if value is None:
            raise self.tensors.refuse(node, f"its {what} depends on the input; expected a constant")
        return value.reshape(-1)[0].item()

    def _scan(self, node: NodeProto, scope: Scope, prefix: str) -> None:
        if self.tensors.opsets.get("", 1) < 9:
            raise self.tensors.refuse(node, "is from an opset before 9; export the model with a newer one")
        values = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        body, count = self._attribute(node, "body").g, self._attribute(node, "num_scan_inputs").i
        sources = [scope.get(tensor, tensor) for tensor in node.input]
        carried, scanned = sources[:-count], sources[-count:]
        axes = values.get("scan_input_axes", [0] * count)
        shapes = [self.tensors.shape(tensor) for tensor in scanned]
        lengths = {shape[axis] if shape else None for shape, axis in zip(shapes, axes, strict=True)}
        length = lengths.pop()
        if length is None or lengths:
            raise self.tensors.refuse(
                node, "the lengths that it scans are unknown or differ; expected one fixed length"
            )
        outer, stacked = self._opened(node, body, scope, prefix), _lists(node.output[len(carried) :])
        for index in range(length):
            place = f"{prefix}{_place(node)}/{index}/"
            slices = [place + info.name for info in body.input[len(carried) :]]
            for tensor, source, axis in zip(slices, scanned, axes, strict=True):
                self.tensors.cut(tensor, source, axis, None)
            carried = self._iteration(node, body, outer, [*carried, *slices], place, stacked)
        self._close(node, scope, prefix, carried, stacked, values.get("scan_output_axes", [0] * len(stacked)))

    def _body(self, body: GraphProto, scope: Scope, prefix: str) -> list[str]:
        """Walk through a body without inputs; returns the names of its outputs in the whole."""
        inner: Scope = ChainMap({}, scope)
        self._enter(body, inner, prefix)
        return self._results(body, inner, prefix)

    def _results(self, body: GraphProto, scope: Scope, prefix: str) -> list[str]:
        self.tensors.stored_types.update({prefix + info.name: info.type for info in body.value_info})
        self._run(body.node, scope, prefix)
        return [scope.get(info.name, info.name) for info in body.output]

    def _check_outputs(self, model: ModelProto, resized: bool) -> None:
        """Compare outputs with their stored shapes: differences due to other input sizes are noted, others refused."""
        for info in model.graph.output:
            shape = self.tensors.shape(self.scope.get(info.name, info.name))
            if shape is None or agrees(info.type, shape):
                continue
            stored = [dim.dim_value if dim.HasField("dim_value") else "?" for dim in info.type.tensor_type.shape.dim]
            text = f"output {info.name!r} is stored as {stored}".replace("'?'", "?")
            if not resized or len(stored) != len(shape):
                raise DesignError(
                    f"{self.name}: {text}, but its shape is {list(shape)} according to the inputs; export the model"
                    " again, or remove the stored shapes"
                )
            self.notes.append(f"{text}; the sizes given make it {list(shape)}, which counts")


def _renamed(node: NodeProto, scope: Scope, prefix: str) -> NodeProto:
    """A node with the names of the whole; the node itself if those are its own."""
    sources = [scope.get(tensor, tensor) for tensor in node.input]
    results = [scope.get(tensor, tensor) for tensor in node.output]
    if sources == list(node.input) and results == list(node.output):
        return node
    copy = NodeProto()
    copy.CopyFrom(node)
    del copy.input[:], copy.output[:]
    copy.input.extend(sources)
    copy.output.extend(results)
    copy.name = prefix + node.name if node.name else ""
    return copy


def _title(node: NodeProto) -> str:
    return node.name or _place(node)


def _place(node: NodeProto) -> str:
    """The prefix of the tensors within a node's body: its first output, a name that no other node has."""
    return next(filter(None, node.output), node.op_type)


def _lists(outputs: Sequence[str]) -> list[list[str]]:
    return [[] for _ in outputs]


def _size(layers: Sequence[Layer]) -> tuple[int, int]:
    """Numbers of MACs and of elements moved."""
    macs = sum(layer.macs * layer.repeat for layer in layers)
    return macs, sum((layer.inputs + layer.outputs) * layer.repeat for layer in layers)
