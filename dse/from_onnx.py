"""Networks from ONNX files, and from torch modules through their ONNX export.

Every supported operator is in one of the sets of `dse.onnx_layers`; a model with another one is refused, with all of
them listed, unless the caller names those to leave out.  A layer is named after its weight (`conv1.weight` gives
`conv1`), else after its node.

Counted as layers: convolutions, matrix products (with a weight: fully connected, one pixel a row), pooling and
reductions, element-wise operators on two activations, normalizations over a row (softmax, layer norm), resizing and
look-ups in tables.  A transposed convolution is the equivalent convolution over its zero-stuffed input: MACs include
those with stuffed zeros, whose share is the layer's `input_zeros`.  Not counted: activation functions and arithmetic
with constants (done on the way out of the layer before), and what only renames or reorders elements (done by
addressing).  Parameters are kernels, biases, and the scale and shift of a normalization; those of tables and of
arithmetic that belongs to no layer are not counted.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from onnx import ModelProto

from dse.onnx_graph import SMALL, Parts, graph, inlined, operator, parts, read_model
from dse.onnx_layers import KNOWN, layers
from dse.workload import Kind, Layer, Network
from netlists.errors import DesignError, did_you_mean


def load_onnx(
    file: str | Path, batch: int | None = None, sizes: Mapping[str, int] | None = None, skip: Collection[str] = ()
) -> Network:
    """The network in an ONNX file, named after the file.

    `batch` is the number of images: a dynamic batch is fixed at it (1 without), a model exported with a fixed one is
    multiplied.  `sizes` gives other symbolic dimensions by name.  `skip` names unsupported operators to leave out.
    Weights are not read.  Raises `DesignError` for a file that is no model, sizes that are missing or unknown,
    operators that are not supported, and shapes that cannot be inferred.
    """
    return _network(read_model(file), str(file), Path(file).stem, batch, sizes or {}, skip)


def from_torch(module: Any, example: Any, batch: int | None = None, name: str | None = None) -> Network:
    """The network of a torch module in evaluation mode, traced with an example input (a tensor or a tuple of them).

    Sizes are the example's; `batch` multiplies its batch.  Raises `DesignError` when torch cannot export the module,
    or as `load_onnx` does.
    """
    title = name or type(module).__name__
    return _network(_export(module, example, title), title, title, batch, {}, ())


def _network(
    model: ModelProto, file: str, name: str, batch: int | None, sizes: Mapping[str, int], skip: Collection[str]
) -> Network:
    if batch is not None and batch < 1:
        raise DesignError(f"{file}: batch is {batch}; expected at least 1")
    model = inlined(model)
    found = parts(model)
    _demand_supported(found, file, skip)
    fixed = graph(model, found, file, batch, sizes)
    times, rest = divmod(batch or fixed.batch, fixed.batch)
    if rest or not times:
        raise DesignError(
            f"{file}: batch is {batch}, but the model has a fixed batch of {fixed.batch}; expected a multiple of it,"
            f" as in --batch {fixed.batch}, or a model exported with a dynamic batch"
        )
    return Network(name, tuple(_repeated(layer, times) for layer in layers(fixed)))


def _repeated(layer: Layer, times: int) -> Layer:
    """A layer for so many times as many images."""
    return layer.with_batch(times) if layer.kind == Kind.MATMUL else replace(layer, batch=layer.batch * times)


def _demand_supported(found: Parts, file: str, skip: Collection[str]) -> None:
    unsupported = Counter(name for node in found.nodes if (name := operator(node)) not in KNOWN)
    for name in skip:
        if name not in unsupported:
            raise DesignError(
                f"{file}: no unsupported operator {name!r} to leave out{did_you_mean(name, unsupported)};"
                f" the model has: {', '.join(unsupported) or 'none'}"
            )
    left = [f"{name} ({count})" for name, count in sorted(unsupported.items()) if name not in skip]
    if left:
        raise DesignError(f"{file}: unsupported operators: {', '.join(left)}; leave each out with --skip NAME")


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
