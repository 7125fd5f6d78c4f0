"""An ONNX file as nodes, shapes and constants, weights left on disk.

Only the dimensions of large tensors are used, never their values, so that a model takes no more memory than its graph
and external data files may be absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
from onnx.external_data_helper import load_external_data_for_tensor

from netlists.errors import DesignError

CONTENT = "content"  # the property of a tensor that equal ones share
SMALL = 1024  # elements up to which a tensor may be a shape or axes, whose values shape inference reads


@dataclass(frozen=True)
class Graph:
    """What importing needs of a model; every shape is a tuple of whole numbers."""

    name: str
    nodes: tuple[NodeProto, ...]  # those that compute with activations, in their order, subgraphs resolved
    shapes: Mapping[str, tuple[int, ...]]
    constants: Set[str]  # tensors that no input of the model changes
    stored: Mapping[str, tuple[str, ...]]  # constants made from tensors of the file: their names
    elements: Mapping[str, int]  # of each tensor of the file that may be trained
    initializers: Set[str]  # those that hold fractions and are stored as such, not written into a node
    batch: int  # inputs for which the shapes are

    def shape(self, tensor: str) -> tuple[int, ...]:
        """A tensor's shape; raises `DesignError` where inference did not find it."""
        if tensor not in self.shapes:
            raise DesignError(
                f"{self.name}: the shape of tensor {tensor!r} is unknown; expected a model whose shapes follow from its"
                " inputs: export it with all sizes fixed, or simplify it"
            )
        return self.shapes[tensor]

    def trained(self, tensor: str) -> bool:
        """Whether a scale, shift or table is made from an initializer, which tells it from a constant in the code."""
        return not self.initializers.isdisjoint(self.stored.get(tensor, ()))


def read_model(file: str | Path) -> ModelProto:
    """Read an ONNX file without its large tensors, its own functions inlined; raises `DesignError` when it is none."""
    path = Path(file)
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise DesignError(f"{path}: cannot be read ({error.strerror}); expected an ONNX model") from None
    except Exception:  # of the parser, which differ with its implementation
        raise DesignError(f"{path}: damaged or of another format; expected an ONNX model") from None
    if not model.graph.node or not model.opset_import:
        raise DesignError(f"{path}: holds no graph; expected an ONNX model")
    for tensor in _tensors(model.graph):
        _mark(tensor)
        if prod(tensor.dims) > SMALL:
            forget_values(tensor)
        elif tensor.data_location == TensorProto.EXTERNAL:
            _load(path, tensor)
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """The stored tensors of a graph and of the subgraphs within it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)


def _mark(tensor: TensorProto) -> None:
    """Note what a matrix holds in any order, so that a copy, transposed or not, is known for the same weights."""
    if len(tensor.dims) < 2 or len(tensor.raw_data) % 4 or not tensor.raw_data:
        return
    words = np.frombuffer(tensor.raw_data, np.uint32).astype(np.uint64)
    if words.min() != words.max():
        mark = f"{len(words)} {words.sum()} {(words * words).sum()} {(words * words * words).sum()}"
        tensor.metadata_props.add(key=CONTENT, value=mark)


def forget_values(tensor: TensorProto) -> None:
    """Keep a tensor's name, type and dimensions only."""
    for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "external_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL


def _load(path: Path, tensor: TensorProto) -> None:
    """Read a small tensor; weights may be absent, whole numbers are shapes and may not."""
    try:
        load_external_data_for_tensor(tensor, str(path.parent))
    except Exception as error:  # many types, by the reason: absent, outside of the folder, too short
        if tensor.data_type != TensorProto.INT64:
            return
        raise DesignError(
            f"{path}: the values of tensor {tensor.name!r} cannot be read ({str(error).splitlines()[0]}); expected its"
            " external data file beside it"
        ) from None
    tensor.data_location = TensorProto.DEFAULT


def inputs(model: ModelProto) -> Iterator[ValueInfoProto]:
    """Inputs of the model proper; old files list their initializers among them."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return (info for info in model.graph.input if info.name not in stored)
