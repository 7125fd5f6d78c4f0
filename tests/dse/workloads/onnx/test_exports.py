"""Networks of ten kinds from both of torch's exporters: MACs and parameters are those that hooks count in torch."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from dse.workloads.onnx.importer import load_onnx
from tests.dse.workloads.onnx.torch_exports import EXPORTS, counted, example, trained


def export(module: nn.Module, given: torch.Tensor, file: Path, script: bool, opened: bool) -> None:
    """Export as users do, with an open batch or as the example is; skips if the newer exporter lacks a package."""
    if not script and importlib.util.find_spec("onnxscript") is None:
        pytest.skip("torch's newer exporter needs onnxscript, which is not installed")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if script:
            axes = {"x": {0: "batch"}} if opened else None
            torch.onnx.export(module, (given,), file, dynamo=False, input_names=["x"], dynamic_axes=axes)
        else:
            shapes = ({0: torch.export.Dim("batch")},) if opened else None
            torch.onnx.export(module, (given,), file, dynamo=True, verbose=False, dynamic_shapes=shapes)


@pytest.mark.parametrize(
    ("script", "opened"),
    [(True, True), (True, False), (False, True)],
    ids=["script-batch", "script-fixed", "dynamo-batch"],
)
@pytest.mark.parametrize("name", EXPORTS)
def test_counts_are_those_of_hooks(tmp_path: Path, name: str, script: bool, opened: bool) -> None:
    make, shape = EXPORTS[name]
    torch.manual_seed(1)
    module = trained(make())
    given = example(shape if opened else (1, *shape[1:]))
    export(module, given, tmp_path / "net.onnx", script, opened)
    result = load_onnx(tmp_path / "net.onnx")
    assert (result.macs, result.parameters) == counted(module, given)
    assert load_onnx(tmp_path / "net.onnx", batch=3).macs == 3 * result.macs


@pytest.mark.parametrize("script", [True, False], ids=["script", "dynamo"])
def test_tied_weights_count_once(tmp_path: Path, script: bool) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.Embedding(70, 16), nn.Linear(16, 70, bias=False)
            self.head.weight = self.words.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(self.head(self.words(x)))

    module = trained(Tied())
    export(module, torch.randint(0, 70, (2, 24)), tmp_path / "net.onnx", script, opened=True)
    assert load_onnx(tmp_path / "net.onnx").parameters == 70 * 16
