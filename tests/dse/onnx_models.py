"""ONNX models of a few nodes, made for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from dse.from_onnx import load_onnx
from dse.onnx_graph import forget_values
from dse.workload import Network


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


CONV = helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 1], dilations=[1, 2], pads=[0, 1, 2, 3], group=2)
