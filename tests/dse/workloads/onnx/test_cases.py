"""The ONNX files of ../shared: the right number of MACs, or the right message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dse.workloads.onnx.importer import load_onnx
from netlists.errors import DesignError
from tests import SHARED

CASES = SHARED / "cases" / "dse"


def case(name: str) -> Path:
    file = CASES / name
    if not file.exists():
        pytest.skip(f"../shared/cases/dse/{name} is absent")
    return file


@pytest.mark.parametrize(
    ("name", "options", "macs", "parameters"),
    [
        ("attention23/m.onnx", {}, 2 * 8 * 128 * 128 * 64, 0),
        ("conv3d/m.onnx", {}, 16 * 112 * 112 * 64 * 3 * 27, 64 * 3 * 27),
        ("einsum/m.onnx", {}, 8 * 64 * 64 * 32, 0),
        ("gemm_transA/m.onnx", {}, 8 * 64 * 10, 64 * 10 + 10),
        ("if_torch/m.onnx", {"sizes": {"h": 8, "w": 16}}, 16 * (32 * 3 * 24 + 64 * 32 * 3 + 40 * 64),
         32 * 3 * 24 + 32 + 64 * 32 * 3 + 64 + 40 * 64 + 40),
        ("llm_decode/m.onnx", {"sizes": {"past": 0}}, 4096 * (4 * 4096 + 3 * 11008) + 2 * 4096,
         4096 * (4 * 4096 + 3 * 11008)),
        ("llm_decode/m.onnx", {"sizes": {"past": 127}, "batch": 2}, 2 * 4096 * (4 * 4096 + 3 * 11008 + 2 * 128),
         4096 * (4 * 4096 + 3 * 11008)),
        ("nms/m.onnx", {"sizes": {"H": 8, "W": 8}, "skip": ["NonMaxSuppression"]}, 8 * 16 * 64, 8 * 16),
        ("norms/m.onnx", {}, 32 * 32 * 32 * 16 * 9, 32 * 16 * 9 + 4 * 32),
        ("opshapes/o.onnx", {}, 36 * 4 * 4 * 9, 4 * 4 * 9),
        ("qdq/m.onnx", {}, 32 * 32 * 8 * 27, 8 * 27 + 8),
        ("qlinear/m.onnx", {}, 30 * 30 * 8 * 27, 8 * 27),
        ("sdpa/m.onnx", {}, 2 * 4 * 64 * 64 * 32, 0),
        ("stale_batch/m.onnx", {"batch": 8}, 25_952_256, 8 * 27 + 8 * 72),
        ("torch_script/pad_script.onnx", {}, 32 * 32 * (16 * 27 + 32 * 16 * 9), 16 * 27 + 16 + 32 * 16 * 9 + 32),
        ("torch_script/shuf_script.onnx", {}, 16 * 16 * (8 * 4 + 16 * 8), 8 * 4 + 8 + 16 * 8 + 16),
    ],
)  # fmt: skip
def test_right_value(name: str, options: dict[str, Any], macs: int, parameters: int) -> None:
    result = load_onnx(case(name), **options)
    assert (result.macs, result.parameters) == (macs, parameters)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kernel_over_map_nopad/m.onnx", {}, "Conv .* a result of .* its window does not fit the padded input"),
        ("if_torch/m.onnx", {}, "symbolic sizes without a value: 'n' .*'h' .*'w' .*--size NAME=N"),
        ("if_torch/m.onnx", {"sizes": {"h": 9, "w": 16}}, "Conv .*shapes do not fit together"),
        ("llm_decode/m.onnx", {}, "symbolic sizes without a value: 'batch' .*'past' .*--batch NAME=N"),
        ("nms/m.onnx", {"sizes": {"H": 8, "W": 8}}, r"unsupported operators: NonMaxSuppression \(1\)"),
    ],
)
def test_right_message(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DesignError, match=message) as raised:
        load_onnx(case(name), **options)
    assert "\n" not in str(raised.value)
