"""An ONNX file as nodes, shapes and constants: symbolic sizes fixed, shapes inferred, weights left on disk.

Only the dimensions of large tensors are used, never their values, so that a model takes no more memory than its graph
and external data files may be absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
import onnx.inliner
import onnx.shape_inference
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
from onnx.external_data_helper import load_external_data_for_tensor

from netlists.errors import DesignError, did_you_mean

SMALL = 1024  # elements up to which a tensor may be a shape or axes, whose values shape inference reads


@dataclass(frozen=True)
class Parts:
    """The nodes of a model, told apart from what only prepares constants for them."""

    nodes: tuple[NodeProto, ...]  # those that compute with activations, in their order
    constants: frozenset[str]  # tensors that no input of the model changes
    trained: dict[str, str]  # constants made from a stored tensor: that one's name


@dataclass(frozen=True)
class Graph:
    """What importing needs of a model; every shape is a tuple of whole numbers."""

    name: str
    parts: Parts
    shapes: dict[str, tuple[int, ...]]
    batch: int  # images for which the shapes are

    def shape(self, tensor: str) -> tuple[int, ...]:
        """A tensor's shape; raises `DesignError` where inference did not find it."""
        if tensor not in self.shapes:
            raise DesignError(
                f"{self.name}: the shape of tensor {tensor!r} is unknown; expected a model whose shapes follow from its"
                " inputs: export it with all sizes fixed, or simplify it"
            )
        return self.shapes[tensor]


def read_model(file: str | Path) -> ModelProto:
    """Read an ONNX file without its large tensors; raises `DesignError` when it is none."""
    path = Path(file)
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise DesignError(f"{path}: cannot be read ({error.strerror}); expected an ONNX model") from None
    except Exception:  # of the parser, which differ with its implementation
        raise DesignError(f"{path}: damaged or of another format; expected an ONNX model") from None
    if not model.graph.node or not model.opset_import:
        raise DesignError(f"{path}: holds no graph; expected an ONNX model")
    for tensor in model.graph.initializer:
        if prod(tensor.dims) > SMALL:
            forget_values(tensor)
        elif tensor.data_location == TensorProto.EXTERNAL and tensor.data_type == TensorProto.INT64:
            _load(path, tensor)
    return model


def forget_values(tensor: TensorProto) -> None:
    """Keep a tensor's name, type and dimensions only."""
    for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "external_data"):
        tensor.ClearField(field)
    tensor.data_location = TensorProto.EXTERNAL


def _load(path: Path, tensor: TensorProto) -> None:
    try:
        load_external_data_for_tensor(tensor, str(path.parent))
    except Exception as error:  # many types, by the reason: absent, outside of the folder, too short
        raise DesignError(
            f"{path}: the values of tensor {tensor.name!r} cannot be read ({str(error).splitlines()[0]}); expected its"
            " external data file beside it"
        ) from None
    tensor.data_location = TensorProto.DEFAULT


def operator(node: NodeProto) -> str:
    """An operator's name, with its domain unless that is ONNX's own and its dimensions where they are over two."""
    name = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    axes = next((len(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"), 0)
    return f"{name}{axes}D" if axes > 2 else name


def inlined(model: ModelProto) -> ModelProto:
    """The model with calls of its own functions replaced by their bodies."""
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def parts(model: ModelProto) -> Parts:
    """Tell constants from activations."""
    trained = {tensor.name: tensor.name for tensor in model.graph.initializer}
    constants = {*trained, ""}  # an input left out has an empty name
    nodes = [node for node in model.graph.node if not _constant(node, constants, trained)]
    return Parts(tuple(nodes), frozenset(constants), trained)


def _constant(node: NodeProto, constants: set[str], trained: dict[str, str]) -> bool:
    """Whether a node computes with constants only; then its outputs are entered as constants too."""
    needed = list(node.input)
    if node.op_type in ("Shape", "Size"):
        needed = []  # shapes are fixed
    elif node.op_type == "CastLike":
        needed = needed[:1]  # the other input gives its type only
    if any(tensor not in constants for tensor in needed):
        return False
    constants.update(node.output)
    stored = [a.t for a in node.attribute if a.type == AttributeProto.TENSOR and node.op_type == "Constant"]
    sources = [trained[tensor] for tensor in needed if tensor in trained]
    sources += [node.output[0] for tensor in stored if tensor.dims]  # a single number is no weight
    trained.update({tensor: sources[0] for tensor in node.output if sources})
    return True


def graph(model: ModelProto, found: Parts, name: str, batch: int | None, sizes: Mapping[str, int]) -> Graph:
    """Fix symbolic sizes and infer shapes; raises `DesignError` that names what is missing.

    `batch` is for a first dimension without a fixed size; the batch of the shapes is in the result.
    """
    images = _fix_sizes(model, name, 1 if batch is None else batch, sizes)
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError, TypeError) as error:
        raise DesignError(f"{name}: shapes do not fit together ({str(error).splitlines()[0]})") from None
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for info in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        dims = info.type.tensor_type.shape.dim
        if info.type.tensor_type.HasField("shape") and all(dim.dim_value > 0 for dim in dims):
            shapes[info.name] = tuple(dim.dim_value for dim in dims)
    return Graph(name, found, shapes, images)


def inputs(model: ModelProto) -> Iterator[ValueInfoProto]:
    """Inputs of the model proper; old files list their initializers among them."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return (info for info in model.graph.input if info.name not in stored)


def _fix_sizes(model: ModelProto, name: str, batch: int, sizes: Mapping[str, int]) -> int:
    """Replace symbolic sizes everywhere and return the batch for which the model's shapes then are."""
    fixed: dict[str, int] = {}
    missing: list[str] = []
    for info in inputs(model):
        dims = info.type.tensor_type.shape.dim
        if not info.type.tensor_type.HasField("shape"):
            raise DesignError(f"{name}: input {info.name!r} has no shape; expected a tensor of known rank")
        for axis, dim in enumerate(dims):
            if dim.dim_value > 0:
                continue
            symbol = dim.dim_param or f"{info.name}.{axis}"
            dim.dim_param = symbol
            if symbol in sizes:
                fixed[symbol] = sizes[symbol]
            elif axis == 0 and len(dims) > 1:
                fixed[symbol] = batch
            else:
                missing.append(f"{symbol!r} (axis {axis} of input {info.name!r})")
    _complain(name, missing, fixed, sizes)
    _substitute((*model.graph.input, *model.graph.value_info, *model.graph.output), fixed)
    ranks = [list(info.type.tensor_type.shape.dim) for info in inputs(model)]
    return int(ranks[0][0].dim_value) if ranks and len(ranks[0]) > 1 else 1


def _complain(name: str, missing: list[str], fixed: Mapping[str, int], sizes: Mapping[str, int]) -> None:
    if missing:
        raise DesignError(
            f"{name}: symbolic sizes without a value: {', '.join(dict.fromkeys(missing))}; give each with --size NAME=N"
        )
    for symbol, size in sizes.items():
        if symbol not in fixed:
            known = ", ".join(fixed) or "none"
            raise DesignError(
                f"{name}: no symbolic size {symbol!r}{did_you_mean(symbol, fixed)}; the model's inputs have: {known}"
            )
        if size < 1:
            raise DesignError(f"{name}: size {symbol} is {size}; expected at least 1")


def _substitute(infos: Iterable[ValueInfoProto], fixed: Mapping[str, int]) -> None:
    """Put numbers for names; a size given by an expression of names is left to inference."""
    for info in infos:
        for dim in info.type.tensor_type.shape.dim:
            if dim.dim_param in fixed:
                dim.dim_value = fixed[dim.dim_param]
            elif dim.HasField("dim_param"):
                dim.ClearField("dim_param")
