"""Small designs with rows, macros and cells, for tests of legality and legalization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netlists.netlist import Kind, Netlist, Rows
from tests import SHARED

CASES = SHARED / "cases" / "placer"
BOTH = tuple[float, float]
Box = tuple[float, float, float, float]  # low x, low y, width, height


def case(name: str) -> Path:
    """A small input in ../shared; skips where it is absent."""
    folder = CASES / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}: the shared inputs are not here")
    return folder


def row_set(parts: list[Box], height: float = 10.0, site: float = 1.0) -> Rows:
    """Rows that fill rectangles from their lower-left corner up, in whole sites."""
    found = [
        (x, y + height * k, round(width / site)) for x, y, width, tall in parts for k in range(round(tall / height))
    ]
    x, y, sites = (np.array(values) for values in zip(*found, strict=True))
    full = np.full(len(found), 1.0)
    return Rows(x.astype(np.float64), y.astype(np.float64), height * full, site * full, sites.astype(np.int64))


def design(
    macros: list[Box], cells: list[Box] | None = None, *, rows: Rows | None = None, canvas: BOTH = (100.0, 100.0),
    fixed: tuple[int, ...] = (), chain: bool = True,
) -> Netlist:  # fmt: skip
    """Hard macros, then cells, at their corners; nodes named in `fixed` are fixed; a net joins each to the next."""
    boxes = np.array([*macros, *(cells or [])], dtype=np.float64).reshape(-1, 4)
    count, nets = len(boxes), max(len(boxes) - 1, 0) if chain else 0
    pins = np.repeat(np.arange(count), 2)[1:-1][: 2 * nets]
    return Netlist(
        name="design", node_names=tuple(f"n{k}" for k in range(count)),
        kind=np.array([Kind.HARD] * len(macros) + [Kind.CELL] * (count - len(macros)), dtype=np.int8),
        size_um=boxes[:, 2:].copy(), fixed=np.isin(np.arange(count), fixed),
        position_um=boxes[:, :2] + boxes[:, 2:] / 2,
        orientation=np.zeros(count, dtype=np.int8), pin_node=pins.astype(np.int64),
        pin_offset_um=np.zeros((2 * nets, 2)), net_start=2 * np.arange(nets + 1), net_pin=np.arange(2 * nets),
        net_weight=np.ones(nets), canvas_um=canvas, grid=(10, 10), rows=rows,
    )  # fmt: skip
