"""Networks from ONNX files, and from torch modules through their ONNX export.

Every supported operator is in one of the sets of `dse.workloads.onnx.operators`; a model with another one is refused,
with all of them listed, unless the caller names those to leave out, which the network's notes then say.  A layer is
named after its weight (`conv1.weight` gives `conv1`), else after its node.

Counted as layers: convolutions, matrix products (with a weight: fully connected, one pixel a row), attention and
recurrent cells as the products that they are, pooling and reductions, element-wise operators on two activations,
normalizations over a row (softmax, layer norm), resizing and look-ups in tables.  A transposed convolution is the
equivalent convolution over its zero-stuffed input: MACs include those with stuffed zeros, whose share is the layer's
`input_zeros`.  Quantized operators count as the plain ones.  Not counted: activation functions and arithmetic with
constants (done on the way out of the layer before), and what only renames or reorders elements (done by addressing).

Parameters are kernels, biases, the scale and shift of a normalization, and, beside the layers, tables and tensors that
are added to activations, multiplied or joined with them.  Each stored number counts once however many layers use it.  A
file does not tell trained tensors from others that are stored (a table of sines, say).

Shapes are inferred afresh from the inputs, whatever the file stores of them: see `dse.workloads.onnx.tensors`.
Subgraphs are followed: see `dse.workloads.onnx.walk`.  What counts as one input: see `dse.workloads.onnx.sizes`.
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
from dse.workloads.onnx.layers import find
from dse.workloads.onnx.operators import KNOWN, told
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

    `batch` is the number of inputs at once and `counts` the symbol or `input.axis` that it replaces, empty for the only
    open size; without it, that is replaced if it is a first axis or named batch.  A model of fixed sizes runs so many
    times.
    `sizes` gives other symbolic dimensions by name.  `skip` names unsupported operators to leave out.  Weights are not
    read.  Raises `DesignError` for a file that is no model, sizes that are missing, unknown or no batch, operators that
    are not supported, shapes that cannot be inferred, and a model without a layer.
    """
    return _network(read_model(file), str(file), Path(file).stem, batch, sizes or {}, skip, counts)


def from_torch(module: Any, example: Any, batch: int | None = None, name: str | None = None, axis: int = 0) -> Network:
    """The network of a torch module in evaluation mode, traced with an example input (a tensor or a tuple of them).

    Sizes are the example's, whose first tensor counts inputs along `axis`; `batch` is a multiple of them.  Raises
    `DesignError` when torch cannot export the module, or as `load_onnx` does.
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
    found = find(walk.graph())
    if not found.layers:
        raise DesignError(f"{file}: no layer{' is left' if skip else ''}; expected a network that computes something")
    _demand_batch(model, file, settled, found.layers)
    notes = [f"left out by --skip: {left_out}"] if skip else []
    if found.lost:
        notes.append(f"left out with that, as their shapes depend on it: {told(found.lost)}")
    layers = tuple(layer.with_batch(settled.times) for layer in found.layers)
    inputs_at_once = settled.images * settled.times
    return Network(name, layers, inputs_at_once, settled.an_input(), (*notes, *walk.notes), found.beside)


def _walk(model: ModelProto, file: str, sizes: Sizes, times: int = 1) -> Walk:
    """Walk through the model with so many times as many inputs."""
    return Walk(fix(model, sizes, times), file, sizes.images * times, sizes.opened or times > 1, _layers)


def _layers(graph: Graph) -> list[Layer]:
    return list(find(graph).layers)


def _demand_batch(model: ModelProto, file: str, sizes: Sizes, layers: tuple[Layer, ...]) -> None:
    """Raise `DesignError` unless inputs along the batch axis are independent, as far as their MACs tell.

    Twice as many take each layer as it is or with twice the MACs; along a sequence, attention takes four times as many
    and a recurrent cell twice the steps.  A model that holds for its batch only passes.
    """
    if sizes.counts is None:
        return
    try:
        twice = find(_walk(model, file, sizes, 2).graph()).layers
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
        f"{file}: {sizes.counts!r} does not count inputs, as the work of layer {one.name} is not in proportion to it;"
        f" give it with --size {sizes.counts}=N, and the one that does with --batch NAME=N"
    )


def _demand_supported(operators: Counter[str], file: str, skip: Collection[str]) -> str:
    """Raise `DesignError` unless all operators are known or left out; those, with how many there are."""
    unsupported = Counter({name: count for name, count in operators.items() if name not in KNOWN})
    for name in skip:
        if name not in unsupported:
            raise DesignError(
                f"{file}: no unsupported operator {name!r} to leave out{did_you_mean(name, unsupported)};"
                f" the model has: {', '.join(unsupported) or 'none'}"
            )
    left = Counter({name: count for name, count in unsupported.items() if name not in skip})
    if left:
        raise DesignError(f"{file}: unsupported operators: {told(left)}; leave each out with --skip NAME")
    return told(unsupported)


def _export(module: Any, example: Any, name: str) -> ModelProto:
    """The module as a model without the values of large tensors."""
    import torch

    example = example if isinstance(example, tuple) else (example,)
    logger = logging.getLogger("torch.onnx")
    level, training = logger.level, module.training
    logger.setLevel(logging.ERROR)  # torch mentions each package that it could have used
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside torch
            # Without optimization: it folds batch norms into kernels, and parameters would not be the module's.
            program: Any = torch.onnx.export(module.eval(), example, dynamo=True, optimize=False, verbose=False)
    except ImportError as error:
        raise DesignError(f"{name}: torch's ONNX export needs a package ({error}); install onnxscript") from None
    except Exception as error:  # of many types, from tracing what the module does
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DesignError(f"{name}: torch cannot export it to ONNX: {lines[-1]}") from None
    finally:
        logger.setLevel(level)
        module.train(training)
    return without_values(program.model)


def without_values(model: Any) -> ModelProto:
    """An `onnx_ir` model as a file holds it, its large tensors by type and dimensions only.

    They go as external tensors of a file that is never opened, so that no weight is copied.
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
