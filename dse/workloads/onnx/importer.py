"""Networks from ONNX files, and from torch modules through their ONNX export.

Every supported operator is in one of the sets of `dse.workloads.onnx.operators`.  A model with other operators is
refused with a list of them, unless the caller names those to leave out; the network's notes then say so.  A layer is
named after its weight (`conv1.weight` gives `conv1`), or after its node if it has no such weight.

Counted as layers: convolutions, matrix products (with a weight: fully connected, one pixel per row), attention and
recurrent cells as the products that they consist of, pooling and reductions, element-wise operators on two activations,
normalizations over a row (softmax, layer norm), resizing and table look-ups.  A transposed convolution is the
equivalent convolution over its zero-stuffed input: MACs include those with stuffed zeros, whose fraction is the layer's
`input_zeros`.  Quantized operators count as the plain ones.  Not counted: activation functions and arithmetic with
constants (done on the way out of the layer before), and operators that only rename or reorder elements (done by
addressing).

Parameters are kernels, biases, the scale and shift of a normalization, and, beside the layers, tables and tensors that
are added to activations, multiplied or joined with them.  Each stored number counts once, however many layers use it.
A file does not distinguish trained tensors from others that are stored (a table of sines, for example).

Shapes are inferred from the inputs, whatever shapes the file stores: see `dse.workloads.onnx.tensors`.  Subgraphs are
followed: see `dse.workloads.onnx.walk`.  What counts as one input: see `dse.workloads.onnx.sizes`.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path
from typing import Any

from onnx import ModelProto

from dse.workloads.layers import Layer, Network
from dse.workloads.onnx.graph import SMALL, Graph, inputs, read_model
from dse.workloads.onnx.layers import find_layers
from dse.workloads.onnx.operators import KNOWN, list_operators
from dse.workloads.onnx.sizes import Sizes, fix, settle
from dse.workloads.onnx.walk import Walk
from netlists.errors import DesignError, did_you_mean


def load_onnx(
    file: str | Path,
    batch: int | None = None,
    sizes: Mapping[str, int] | None = None,
    skip: Collection[str] = (),
    counts: str | None = None,
) -> Network:
    """The network in an ONNX file, named after the file.

    `batch` is the number of inputs at once, and `counts` is the symbol or `input.axis` that it replaces; an empty
    `counts` means the only open size.  Without `counts` the only open size is replaced if it is a first axis or its
    name contains "batch".  A model of fixed sizes runs `batch` times.  `sizes` gives other symbolic dimensions by name.
    `skip` names unsupported operators to leave out.  Weights are not read.  Raises `DesignError` for a file that is not
    a model, sizes that are missing, unknown or not a batch, operators that are not supported, shapes that cannot be
    inferred, and a model without a layer.
    """
    return _network(read_model(file), str(file), Path(file).stem, batch, sizes or {}, skip, counts)


def from_torch(module: Any, example: Any, batch: int | None = None, name: str | None = None, axis: int = 0) -> Network:
    """The network of a torch module in evaluation mode, traced with an example input (a tensor or a tuple of them).

    Sizes are those of the example, whose first tensor counts inputs along `axis`; `batch` is a multiple of their
    number.  Raises `DesignError` if torch cannot export the module, and as `load_onnx` does.
    """
    title = name or type(module).__name__
    model = _export(module, example, title)
    first = next((info for info in inputs(model) if len(info.type.tensor_type.shape.dim) > axis), None)
    return _network(model, title, title, batch, {}, (), f"{first.name}.{axis}" if first else None)


def _network(model: ModelProto, file: str, name: str, batch: int | None, sizes: Mapping[str, int],
             skip: Collection[str], counts: str | None) -> Network:  # fmt: skip
    if batch is not None and batch < 1:
        raise DesignError(f"{file}: batch is {batch}; expected at least 1")
    settled = settle(model, file, batch, sizes, counts)
    walk = _walk(model, file, settled)
    left_out = _demand_supported(walk.operators, file, skip)
    graph_layers = find_layers(walk.graph())
    if not graph_layers.layers:
        raise DesignError(f"{file}: no layer{' is left' if skip else ''}; expected a network that computes something")
    _demand_batch(model, file, settled, graph_layers.layers)
    notes = [f"left out by --skip: {left_out}"] if skip else []
    if graph_layers.lost:
        notes.append(f"left out with them, because their shapes depend on them: {list_operators(graph_layers.lost)}")
    layers = tuple(layer.with_batch(settled.times) for layer in graph_layers.layers)
    inputs_at_once = settled.images * settled.times
    return Network(name, layers, inputs_at_once, settled.an_input(), (*notes, *walk.notes), graph_layers.beside)


def _walk(model: ModelProto, file: str, sizes: Sizes, times: int = 1) -> Walk:
    """Walk through the model with `times` as many inputs."""
    return Walk(fix(model, sizes, times), file, sizes.images * times, sizes.opened or times > 1, _layers)


def _layers(graph: Graph) -> list[Layer]:
    return list(find_layers(graph).layers)


def _demand_batch(model: ModelProto, file: str, sizes: Sizes, layers: tuple[Layer, ...]) -> None:
    """Raise `DesignError` unless inputs along the batch axis are independent, as far as their MACs tell.

    For twice as many inputs each layer has the same or twice the MACs; along a sequence, attention has four times the
    MACs, and a recurrent cell twice the steps.  A model that is only valid for its own batch passes.
    """
    if sizes.counts is None:
        return
    try:
        twice = find_layers(_walk(model, file, sizes, 2).graph()).layers
    except DesignError:
        return
    for one, two in zip(layers, twice, strict=False):
        if one.has_macs and (two.macs > 2 * one.macs or two.repeat != one.repeat):
            break
    else:
        if len(layers) == len(twice):
            return
        one = layers[-1]
    raise DesignError(
        f"{file}: {sizes.counts!r} does not count inputs, because the work of layer {one.name} is not proportional to"
        f" it; give its value with --size {sizes.counts}=N, and name the size that counts inputs with --batch NAME=N"
    )


def _demand_supported(operators: Counter[str], file: str, skip: Collection[str]) -> str:
    """Raise `DesignError` unless all operators are known or left out; returns those left out, with their numbers."""
    unsupported = Counter({name: count for name, count in operators.items() if name not in KNOWN})
    for name in skip:
        if name not in unsupported:
            raise DesignError(
                f"{file}: no unsupported operator {name!r} to leave out{did_you_mean(name, unsupported)};"
                f" the model has: {', '.join(unsupported) or 'none'}"
            )
    left = Counter({name: count for name, count in unsupported.items() if name not in skip})
    if left:
        raise DesignError(f"{file}: unsupported operators: {list_operators(left)}; leave each out with --skip NAME")
    return list_operators(unsupported)


def _export(module: Any, example: Any, name: str) -> ModelProto:
    """The module as a model without the values of large tensors."""
    import torch

    example = example if isinstance(example, tuple) else (example,)
    logger = logging.getLogger("torch.onnx")
    level, training = logger.level, module.training
    logger.setLevel(logging.ERROR)  # torch logs each package that it could have used
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside torch
            # Not optimized, as that folds batch norms into kernels, and parameters would not be the module's.
            program: Any = torch.onnx.export(module.eval(), example, dynamo=True, optimize=False, verbose=False)
    except ImportError as error:
        raise DesignError(f"{name}: torch's ONNX export needs a package ({error}); install onnxscript") from None
    except Exception as error:  # of many types, from tracing the module
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DesignError(f"{name}: torch cannot export it to ONNX: {lines[-1]}") from None
    finally:
        logger.setLevel(level)
        module.train(training)
    return without_values(program.model)


def without_values(model: Any) -> ModelProto:
    """An `onnx_ir` model in the form of a file, with large tensors by type and dimensions only.

    They become external tensors of a file that is never opened, so that no weight is copied.
    """
    import onnx_ir

    for value in model.graph.initializers.values():
        tensor = value.const_value
        if prod(tensor.shape) > SMALL:
            value.const_value = onnx_ir.ExternalTensor(
                "absent", offset=0, length=tensor.nbytes, dtype=tensor.dtype, shape=tensor.shape, name=value.name
            )
    result: ModelProto = onnx_ir.to_proto(model)
    return result
