"""ONNX models of a few nodes, made for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dse.workloads.layers import Network
from dse.workloads.onnx.graph import forget_values
from dse.workloads.onnx.importer import load_onnx


def model(nodes: Sequence[onnx.NodeProto], given: Sequence[int | str],
          weights: Mapping[str, Sequence[int]] | None = None, file: Path | None = None,
          domains: Sequence[str] = ()) -> onnx.ModelProto:  # fmt: skip
    """A model with one input x and output y; its weights have no values."""
    stored = [
        TensorProto(name=name, dims=list(dims), data_type=TensorProto.FLOAT) for name, dims in (weights or {}).items()
    ]
    for tensor in stored:
        forget_values(tensor)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, list(given))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "graph", [x], [y], stored)
    opsets = [helper.make_opsetid("", 20), *(helper.make_opsetid(domain, 1) for domain in domains)]
    made = helper.make_model(graph, opset_imports=opsets)
    if file:
        file.write_bytes(made.SerializeToString())
    return made


def imported(tmp_path: Path, nodes: Sequence[onnx.NodeProto], given: Sequence[int | str],
             weights: Mapping[str, Sequence[int]] | None = None, **options: object) -> Network:  # fmt: skip
    file = tmp_path / "model.onnx"
    model(nodes, given, weights, file)
    return load_onnx(file, **options)  # type: ignore[arg-type]


def build(file: Path, nodes: Sequence[onnx.NodeProto], inputs: Mapping[str, Sequence[int | str | None]],
          stored: Mapping[str, Any] | None = None, *, outputs: Mapping[str, Any] | None = None,
          infos: Mapping[str, Any] | None = None, opset: int = 23, kinds: Mapping[str, int] | None = None,
          domains: Sequence[str] = ()) -> Path:  # fmt: skip
    """Write a model of any inputs; `stored` has arrays, `outputs` and `infos` shapes, `kinds` types of inputs."""

    def info(name: str, dims: Any) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, (kinds or {}).get(name, TensorProto.FLOAT), dims)

    made = helper.make_graph(
        list(nodes), "graph", [info(name, list(dims)) for name, dims in inputs.items()],
        [info(name, dims) for name, dims in (outputs or {nodes[-1].output[0]: None}).items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (stored or {}).items()],
        value_info=[info(name, dims) for name, dims in (infos or {}).items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    file.write_bytes(helper.make_model(made, opset_imports=opsets).SerializeToString())
    return file


def body(name: str, nodes: Sequence[onnx.NodeProto], inputs: Sequence[str], outputs: Sequence[str]) -> onnx.GraphProto:
    """The body of an If, Loop or Scan: its tensors have no stored types."""
    return helper.make_graph(list(nodes), name, [onnx.ValueInfoProto(name=each) for each in inputs],
                             [onnx.ValueInfoProto(name=each) for each in outputs])  # fmt: skip


def weights(*dims: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Random numbers; tensors of the same seed and size are the same weights."""
    return np.random.default_rng(seed).standard_normal(dims, np.float32)


CONV = helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 1], dilations=[1, 2], pads=[0, 1, 2, 3], group=2)
