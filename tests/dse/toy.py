"""A tiny accelerator family for tests of spaces and searches, and a space of it that is fast to evaluate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import dse.templates
from dse.space.file import make_space
from dse.space.space import DesignSpace
from dse.templates.base import (
    BUFFER_INPUT,
    COMPUTE,
    DRAM_WEIGHT,
    OWN,
    STALL,
    Floats,
    Hardware,
    Ints,
    Parameter,
    Template,
    count_operations,
    dram_cycles,
    layer_macs,
)
from dse.templates.families import Family
from dse.workloads.layers import BATCH, KIND, C, M, P, Q, R, S

ROWS, COLUMNS, BUFFER_KB, ORDER = range(OWN, OWN + 4)


def _run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints, reasons: Any) -> None:
    """Tiles of rows × columns output and input channels; a small buffer loads weights several times."""
    for s, design in enumerate(designs):
        for k, layer in enumerate(layers):
            if layer[KIND] > 2:
                continue
            folds = -(-int(layer[M]) // int(design[ROWS])) * -(-int(layer[C]) // int(design[COLUMNS]))
            pixels = int(layer[BATCH] * layer[P] * layer[Q])
            if design[BUFFER_KB] * 1024 < layer[C] * layer[R] * layer[S]:
                reasons[s, k] = 1
                continue
            out = counts[s, k]
            count_operations(design, layer, out, False)
            out[COMPUTE] = folds * pixels * int(layer[R] * layer[S]) + int(design[ORDER])
            again = 1 + pixels // int(design[BUFFER_KB] * 64)
            out[DRAM_WEIGHT] = int(layer[M] * layer[C] * layer[R] * layer[S]) * int(design[2]) * again
            out[BUFFER_INPUT] = layer_macs(layer) // int(design[ROWS]) * int(design[3])
            out[STALL] = max(0, dram_cycles(design, out[DRAM_WEIGHT]) - out[COMPUTE])


def _hardware(designs: Floats) -> Hardware:
    elements = designs[:, ROWS] * designs[:, COLUMNS]
    size = len(designs)
    return Hardware(
        multipliers=elements,
        buffer_bytes=np.repeat(designs[:, BUFFER_KB, None] * 1024, 3, axis=1),
        register_bytes=np.full((size, 3), 4.0),
        elements=elements,
        buffer_banks=np.ones((size, 3)),
    )


def _default_mapping(designs: Floats, layers: Ints) -> Ints:
    return np.zeros((len(designs), len(layers), 1), np.int64)


def _loop_nest(design: Sequence[float], layer: Any, mapping: Sequence[int]) -> list[str]:
    return []


TOY = Template(
    family=Family(name="toy", title="Toy", after="none", source="none"),
    own=(
        Parameter("rows", 8, "PEs", "output channels at once", 1, 1024),
        Parameter("columns", 8, "PEs", "input channels at once", 1, 1024),
        Parameter("buffer_kb", 16, "KiB", "each buffer", 1, 4096),
        Parameter("order", 0, "", "loop order", 0, 1, choices=("first", "second")),
    ),
    mapping=("none",),
    run=_run,
    default_mapping=_default_mapping,
    hardware=_hardware,
    loop_nest=_loop_nest,
    reasons=("", "the buffer is smaller than one kernel"),
)

CONTENT: dict[str, Any] = {
    "template": "toy",
    "technology": "28nm",
    "networks": {"alexnet": 1.0},
    "only": ["conv"],
    "parameters": {
        "rows": {"from": 4, "to": 44, "step": 4},
        "columns": [3, 6, 8, 16, 32],
        "buffer_kb": {"powers_of_two": [1, 64]},
        "order": ["first", "second"],
        "clock_mhz": {"from": 100, "to": 200, "step": 50},
        "dram_gb_s": 12.8,
    },
    "conditions": ["rows * columns <= 1024"],
    "objectives": [{"latency_ms": "min"}, {"area_mm2": "min"}],
}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the family under the name `toy`."""
    module = ModuleType("dse.templates.toy")
    module.TEMPLATE = TOY  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dse.templates.toy", module)
    monkeypatch.setattr(dse.templates, "NAMES", (*dse.templates.NAMES, "toy"))


def space(**changes: Any) -> DesignSpace:
    """The space of `CONTENT` with some fields replaced; None leaves one out."""
    content = {key: value for key, value in {**CONTENT, **changes}.items() if value is not None}
    return make_space(content, "toy")
