"""An ONNX file as nodes, shapes and constants, with the weights left on disk.

Only the dimensions of large tensors are kept, and a mark by which equal ones are recognized, never their values.  A
model thus takes no more memory than its graph, and external data files may be absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx.inliner
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
from onnx.external_data_helper import load_external_data_for_tensor

from dse.workloads.layers import is_size
from netlists.errors import DesignError, first_line

CONTENT = "content"  # the property of a tensor that equal ones share
MAX_DATA = 1 << 30  # bytes; larger files of external data are not read
SMALL = 1024  # elements; up to this size a tensor may be a shape or axes, whose values shape inference reads


@dataclass(frozen=True)
class Graph:
    """What importing needs to know about a model; every shape is a tuple of whole numbers."""

    name: str
    nodes: tuple[NodeProto, ...]  # those that compute with activations, in their order, with subgraphs resolved
    shapes: Mapping[str, tuple[int, ...]]
    constants: Set[str]  # tensors that no input of the model changes
    stored: Mapping[str, tuple[str, ...]]  # constants made from tensors of the file: the names of those
    elements: Mapping[str, int]  # number of elements of each tensor of the file that may be trained
    initializers: Set[str]  # those of them that hold fractions and are not written into a node
    batch: int  # number of inputs that the shapes are for

    def shape(self, tensor: str) -> tuple[int, ...]:
        """A tensor's shape; raises `DesignError` if inference did not find it."""
        if tensor not in self.shapes:
            raise DesignError(
                f"{self.name}: the shape of tensor {tensor!r} is unknown; expected a model whose shapes follow from its"
                " inputs: export it with all sizes fixed, or simplify it"
            )
        return self.shapes[tensor]

    def trained(self, tensor: str) -> bool:
        """Whether a scale, shift or table is made from an initializer, unlike a constant in the code."""
        return not self.initializers.isdisjoint(self.stored.get(tensor, ()))


def read_model(file: str | Path) -> ModelProto:
    """Read an ONNX file without large tensors, with its functions inlined; raises `DesignError` if it is not one."""
    path = Path(file)
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise DesignError(f"{path}: cannot be read ({error.strerror}); expected an ONNX model") from None
    except Exception:  # from the parser; types differ with its implementation
        raise DesignError(f"{path}: damaged or in another format; expected an ONNX model") from None
    if not model.graph.node or not model.opset_import:
        raise DesignError(f"{path}: contains no graph; expected an ONNX model")
    names = (*_names(model.graph), *(opset.domain for opset in model.opset_import))
    if not all(isinstance(name, str) for name in names):
        raise DesignError(f"{path}: damaged, with names that are not text; expected an ONNX model")
    for tensor in _tensors(model.graph):
        _mark(path, tensor)
        if prod(tensor.dims) > SMALL:
            forget_values(tensor)
        elif tensor.data_location == TensorProto.EXTERNAL:
            _load(path, tensor)
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _names(graph: GraphProto) -> Iterator[object]:
    """All names in a graph and its subgraphs; the parser returns bytes for those that are not text."""
    for info in (*graph.input, *graph.output, *graph.value_info):
        yield info.name
        yield from (dim.dim_param for dim in info.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        yield from (tensor.name, *(text for entry in tensor.external_data for text in (entry.key, entry.value)))
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            yield from _names(attribute.g)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """The stored tensors of a graph and of the subgraphs within it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)


def all_nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """The nodes of a graph and of the subgraphs within it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            yield from all_nodes(attribute.g)


def _mark(path: Path, tensor: TensorProto) -> None:
    """Mark a matrix by its elements in any order, so that a copy, transposed or not, counts as the same weights."""
    words = _words(path, tensor)
    if len(tensor.dims) > 1 and len(words) and words.min() != words.max():
        mark = f"{len(words)} {words.sum(dtype=np.uint64)} {(words * words).sum(dtype=np.uint64)}"
        tensor.metadata_props.add(key=CONTENT, value=mark)


def _words(path: Path, tensor: TensorProto) -> npt.NDArray[np.uint32]:
    """The elements of a matrix as words; external data are read too if the file exists and is not huge."""
    none = np.zeros(0, np.uint32)
    if tensor.data_location != TensorProto.EXTERNAL:
        return none if len(tensor.raw_data) % 4 else np.frombuffer(tensor.raw_data, np.uint32)
    stored = {entry.key: entry.value for entry in tensor.external_data}
    file, length, offset = path.parent / stored.get("location", ""), stored.get("length", ""), stored.get("offset", "0")
    if file.parent != path.parent or not file.is_file() or not (is_size(length) and is_size(offset)):
        return none
    fits = 4 <= int(length) <= file.stat().st_size - int(offset) and file.stat().st_size <= MAX_DATA
    return np.memmap(file, np.uint32, "r", int(offset), int(length) // 4) if fits else none


def forget_values(tensor: TensorProto) -> None:
    """Keep a tensor's name, type and dimensions only."""
    for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "external_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL


def _load(path: Path, tensor: TensorProto) -> None:
    """Read a small tensor; weights may be absent, but whole numbers may be shapes and must be there."""
    try:
        load_external_data_for_tensor(tensor, str(path.parent))
    except Exception as error:  # the type depends on the reason: absent, outside of the folder, too short
        if tensor.data_type != TensorProto.INT64:
            return
        raise DesignError(
            f"{path}: the values of tensor {tensor.name!r} cannot be read ({first_line(error)}); expected its"
            " external data file beside it"
        ) from None
    tensor.data_location = TensorProto.DEFAULT


def inputs(model: ModelProto) -> Iterator[ValueInfoProto]:
    """Inputs of the model without initializers, which old files list among them."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return (info for info in model.graph.input if info.name not in stored)
