"""What is known about each tensor while a model is walked through: type, shape, and the value of small constants.

Shapes follow node by node from the rules of `onnx.shape_inference`, values from `onnx.reference`, so that a chain of
Shape, Gather, Concat and Reshape resolves in one pass however long it is.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import onnx
import onnx.shape_inference
from onnx import GraphProto, NodeProto, TensorProto, TypeProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from dse.workloads.onnx.graph import CONTENT, SMALL
from dse.workloads.onnx.operators import KNOWN, RANDOM, SAME_SHAPE, WINDOWED, operator
from dse.workloads.onnx.plain import plain
from netlists.errors import DesignError

# Their results are no larger than the inputs, and their sizes follow from the values only.
BOUNDED = {"NonZero", "Compress", "Unique"}

GENERATED = re.compile(r"val_\d+")  # how torch's exporter names constants that are not parameters
FRACTIONS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE}


class Tensors:
    """Types, values and origins of tensors by name; `stored_types` are the types written in the file."""

    def __init__(self, name: str, opsets: Mapping[str, int], ir_version: int, stored_types: dict[str, TypeProto]):
        self.name = name
        self.opsets = dict(opsets)  # versions by domain; ONNX's own is the empty name
        self.ir_version = ir_version
        self.stored_types = stored_types
        self.types: dict[str, TypeProto] = {}
        self.values: dict[str, TensorProto] = {}
        self.constants: set[str] = {""}  # an input left out has an empty name
        self.stored: dict[str, tuple[str, ...]] = {}  # the tensors of the file that each constant is made from
        self.contents: dict[str, str] = {}  # the first tensor of the file with each content
        self.elements: dict[str, int] = {}  # the number of elements of each of these
        self.initializers: set[str] = set()  # those of them with fractions that no node holds
        self.believed: set[str] = set()  # tensors whose shape only the file states

    def store(self, tensor: TensorProto, name: str, initializer: bool = True) -> None:
        """Enter a tensor of the file; single numbers and whole numbers of 64 bits are not trained parameters.

        Raises `DesignError` if its values do not fit its dimensions.
        """
        self.types[name] = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        self.constants.add(name)
        if prod(tensor.dims) <= SMALL and tensor.data_location != TensorProto.EXTERNAL:
            try:
                numpy_helper.to_array(tensor)
            except (TypeError, ValueError, LookupError):
                raise DesignError(f"{self.name}: tensor {name!r}: its values do not fit its dimensions") from None
            self.values[name] = tensor
        if tensor.dims and tensor.data_type not in (TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING):
            content = next((entry.value for entry in tensor.metadata_props if entry.key == CONTENT), name)
            first = self.contents.setdefault(content, name)
            self.stored[name] = (first,)
            self.elements[first] = prod(tensor.dims)
            if initializer and tensor.data_type in FRACTIONS and not self._is_filler(name):
                self.initializers.add(first)

    def _is_filler(self, name: str) -> bool:
        """Whether torch's exporter made a tensor of one number throughout, as for a norm without a scale."""
        return bool(GENERATED.fullmatch(name)) and name in self.values and len(np.unique(self.value(name))) == 1

    def set_value(self, name: str, value: Any) -> None:
        """Enter a constant, an array or a number."""
        tensor = numpy_helper.from_array(np.asarray(value), name)
        self.types[name] = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
        self.constants.add(name)
        if prod(tensor.dims) <= SMALL:
            self.values[name] = tensor

    def value(self, name: str) -> Any:
        """The value of a small constant as an array, or None."""
        return numpy_helper.to_array(self.values[name]) if name in self.values else None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """A tensor's shape, or None unless every size is known."""
        return whole_shape(self.types[name]) if name in self.types else None

    def cut(self, name: str, source: str, axis: int, size: int | None) -> None:
        """Enter a part of `size` elements along an axis of a tensor of known shape; None: one, without the axis."""
        shape = list(self.shape(source) or ())
        axis %= len(shape)
        shape[axis : axis + 1] = [] if size is None else [size]
        self.types[name] = onnx.helper.make_tensor_type_proto(self.types[source].tensor_type.elem_type, shape)
        if source in self.constants:
            self.constants.add(name)
            self.stored[name] = self.stored.get(source, ())

    def stack(self, name: str, parts: Sequence[str], axis: int) -> None:
        """Enter a tensor that stacks others along a new axis."""
        shape = self.shape(parts[0]) if parts else None
        if shape is None:
            return
        axis %= len(shape) + 1
        whole = [*shape[:axis], len(parts), *shape[axis:]]
        self.types[name] = onnx.helper.make_tensor_type_proto(self.types[parts[0]].tensor_type.elem_type, whole)
        if self.constants.issuperset(parts):
            self.constants.add(name)
            values = [self.value(part) for part in parts]
            if all(value is not None for value in values) and prod(whole) <= SMALL:
                self.set_value(name, np.stack(values, axis))

    def is_constant(self, node: NodeProto) -> bool:
        """Whether no input of the model changes what a node computes."""
        needed: Iterable[str] = node.input
        if node.op_type in RANDOM:
            return False
        if node.op_type in ("Shape", "Size"):
            needed = ()  # shapes are fixed
        elif node.op_type == "CastLike":
            needed = node.input[:1]  # only the type of the other input matters
        return all(tensor in self.constants for tensor in needed)

    def add(self, node: NodeProto) -> None:
        """Enter what is known about a node's outputs; raises `DesignError` if sizes do not fit together."""
        constant = self.is_constant(node)
        if node.op_type == "Constant" and self._constant(node):
            return
        self._infer(node)
        if not constant:
            return
        self.constants.update(node.output)
        sources = tuple(dict.fromkeys(source for tensor in node.input for source in self.stored.get(tensor, ())))
        if sources and node.op_type not in ("Shape", "Size"):
            self.stored.update(dict.fromkeys(node.output, sources))
        self._evaluate(node)

    def _constant(self, node: NodeProto) -> bool:
        tensor = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
        if tensor is None:
            return False
        self.store(tensor, node.output[0], initializer=False)
        return True

    def _infer(self, node: NodeProto) -> None:
        for tensor, type_proto in self._inferred(node).items():
            self.types[tensor] = type_proto
        first = node.output[0] if node.output else ""
        first_type = self.types.get(node.input[0]) if node.input else None
        if first_type and self.shape(first) is None and plain(node).op_type in SAME_SHAPE:
            result = TypeProto()
            result.CopyFrom(self.types.get(first, first_type))
            result.tensor_type.shape.CopyFrom(first_type.tensor_type.shape)
            self.types[first] = result
        taken = self.shape(node.input[0]) if node.input else None
        # The window of a tensor with elements has a result with elements.
        filled = taken is not None and 0 not in taken and plain(node).op_type in WINDOWED
        for tensor in node.output:
            self._believe(tensor)
            shape = self.shape(tensor)
            if shape and min(shape) < int(filled):
                raise self.refuse(node, f"a result of {list(shape)}: its window does not fit the padded input")

    def _inferred(self, node: NodeProto) -> dict[str, TypeProto]:
        """The types that onnx infers; for an operator of another domain, those of the plain operator."""
        foreign = node.domain not in ("", "ai.onnx")
        node = plain(node) if foreign else node
        try:
            schema = onnx.defs.get_schema(node.op_type, self.opsets.get("", 1))
        except onnx.defs.SchemaError:
            return {}
        if schema.deprecated or any(tensor and tensor not in self.types for tensor in node.input):
            return {}
        types = {tensor: self.types[tensor] for tensor in node.input if tensor}
        if foreign:
            types = {tensor: _as_float(type_proto) for tensor, type_proto in types.items()}
        parts = [attribute.i for attribute in node.attribute if attribute.name == "num_outputs"]
        if parts and parts != [len(node.output)]:  # of Split, which onnx does not check
            raise self.refuse(node, f"{parts[0]} parts for {len(node.output)} outputs; expected equal numbers")
        data = {tensor: self.values[tensor] for tensor in node.input if tensor in self.values}
        opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        try:
            type_proto: dict[str, TypeProto] = onnx.shape_inference.infer_node_outputs(
                schema, node, types, data, opset_imports=opsets, ir_version=self.ir_version
            )
        except Exception as error:  # from inference and from the checker, which have no common type
            if operator(node) not in KNOWN and not self.is_constant(node):
                return {}  # not supported, which the message about operators reports
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise self.refuse(node, f"shapes do not fit together ({reason[0]})") from None
        return type_proto

    def _believe(self, tensor: str) -> None:
        """Take the stored shape of a tensor if inference left sizes open and does not contradict it."""
        if self.shape(tensor) is not None or tensor not in self.stored_types:
            return
        stored = self.stored_types[tensor]
        dims = whole_shape(stored)
        known = self.types.get(tensor)
        if dims is None or (known and not agrees(known, dims)):
            return
        self.types[tensor] = stored
        self.believed.add(tensor)

    def _evaluate(self, node: NodeProto) -> None:
        """Enter the values of outputs that are small, if the inputs' values are known."""
        if node.op_type in ("Shape", "Size"):
            self._shape_value(node)
            return
        if any(tensor and tensor not in self.values for tensor in node.input):
            return
        sizes = [self.shape(tensor) for tensor in node.output if tensor]
        if any(prod(size) > SMALL if size is not None else node.op_type not in BOUNDED for size in sizes):
            return
        for tensor, value in zip(node.output, self._computed(node), strict=False):
            if tensor and isinstance(value, np.ndarray | np.generic) and value.size <= SMALL:
                self.set_value(tensor, value)

    def _shape_value(self, node: NodeProto) -> None:
        shape = self.shape(node.input[0])
        if shape is None:
            return
        values = {attribute.name: attribute.i for attribute in node.attribute}
        part = shape[values.get("start", 0) : values.get("end", len(shape))]
        self.set_value(node.output[0], np.array(part if node.op_type == "Shape" else prod(shape), np.int64))

    def _computed(self, node: NodeProto) -> list[Any]:
        graph = GraphProto(name="node", node=[node])
        feeds = {tensor: self.value(tensor) for tensor in node.input if tensor}
        for tensor in feeds:
            graph.input.add().name = tensor
        for tensor in node.output:
            graph.output.add().name = tensor
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return list(ReferenceEvaluator(graph, opsets=self.opsets).run(None, feeds))
        except Exception:  # of many types: the value stays unknown; a shape that needs it is refused by name
            return []

    def refuse(self, node: NodeProto, what: str) -> DesignError:
        """The error that says what is wrong with a node."""
        return DesignError(f"{self.name}: {node.op_type} {node.name or node.output[0]!r}: {what}")


def whole_shape(type_proto: TypeProto) -> tuple[int, ...] | None:
    """The shape of a type, or None unless it is a tensor with all sizes known."""
    tensor = type_proto.tensor_type
    if not tensor.HasField("shape") or not all(dim.HasField("dim_value") for dim in tensor.shape.dim):
        return None
    return tuple(dim.dim_value for dim in tensor.shape.dim)


def agrees(known: TypeProto, dims: tuple[int, ...]) -> bool:
    """Whether the sizes of a type, as far as they are known, equal those of a shape."""
    if not known.tensor_type.HasField("shape"):
        return True
    known_dims = known.tensor_type.shape.dim
    return len(known_dims) == len(dims) and all(
        not dim.HasField("dim_value") or dim.dim_value == size for dim, size in zip(known_dims, dims, strict=True)
    )


def _as_float(type_proto: TypeProto) -> TypeProto:
    """The same tensor type with floating-point numbers, as the plain operator takes it."""
    result = TypeProto()
    result.CopyFrom(type_proto)
    if result.tensor_type.elem_type in (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32):
        result.tensor_type.elem_type = TensorProto.FLOAT
    return result
