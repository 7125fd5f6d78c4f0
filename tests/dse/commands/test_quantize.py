"""The command `dse quantize`: tables, JSON, word lengths for a design file, and one line for mistakes of the user."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from dse.model.design import Design
from tests.dse import Command

MODULE = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv1 = torch.nn.Conv2d(1, 4, 3)
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.conv1(x).relu().mean((2, 3)))

def net():
    return Net()
"""


@pytest.fixture
def model(tmp_path: Path) -> tuple[str, Path]:
    """A model and its data."""
    (tmp_path / "net.py").write_text(MODULE)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(40, 1, 6, 6)).astype(np.float32), y=rng.integers(3, size=40))
    return f"{tmp_path / 'net.py'}:net", tmp_path / "data.npz"


def test_accuracy_and_fraction_lengths_are_printed(dse: Command, model: tuple[str, Path]) -> None:
    code, out, _ = dse("quantize", model[0], "--data", model[1], "--bits", "8x8,4x6")
    assert code == 0
    assert "8×8" in out
    assert "4×6" in out
    assert "conv1" in out


def test_json_and_a_file_for_designs(dse: Command, model: tuple[str, Path], tmp_path: Path) -> None:
    code, out, _ = dse(
        "quantize", model[0], "--data", model[1], "--bits", "4x8", "--json", "--out", tmp_path / "layers.yaml"
    )
    assert code == 0
    (found,) = json.loads(out)
    assert (found["weight_bits"], found["activation_bits"]) == (4, 8)
    assert 0 <= found["accuracy_per_layer"] <= 1
    assert found["layers"]["conv1"]["weight"]["bits"] == 4
    layers = yaml.safe_load((tmp_path / "layers.yaml").read_text())["layers"]
    assert layers["fc"] == {"weight_bits": 4, "input_bits": 8, "output_bits": 8}
    assert Design(template="systolic", layers=layers).layers["conv1"].weight_bits == 4


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--bits", "8"), "--bits is '8'; expected"),
        (("--bits", "8x8,"), "expected bits of weights"),
        (("--bits", "1x8"), "expected 2 to 32"),
        (("--data", "none.npz"), "none.npz"),
    ],
)
def test_mistakes_are_one_line(dse: Command, model: tuple[str, Path], args: tuple[str, ...], said: str) -> None:
    code, out, err = dse("quantize", model[0], *(() if "--data" in args else ("--data", model[1])), *args)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
