"""Layers and designs near the bound of exact counts; run as a program, prints their counts by kernels in plain Python.

Without Numba (NUMBA_DISABLE_JIT=1) kernels compute with Python's and NumPy's numbers, and any sum or product that
leaves 64 bits on the way raises an error instead of wrapping around.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from dse.model.design import design_row
from dse.model.overflow import LIMIT, corner, most_counts
from dse.templates import NAMES, template
from dse.templates.base import COUNTS, Template
from dse.workloads.layers import Kind, Layer
from netlists.errors import DesignError

FAR = ("batch", "in_channels", "out_channels", "in_h", "in_w")


def design(family: Template, rng: np.random.Generator) -> list[float]:
    """Values from a wide range of each parameter."""
    values: dict[str, Any] = {}
    for parameter in family.parameters:
        if parameter.choices:
            values[parameter.name] = int(rng.integers(len(parameter.choices)))
        elif parameter.name.endswith("_bits") and parameter.name != "port_bits":
            values[parameter.name] = int(rng.choice([1, 8, 16, 32, 64]))
        else:
            low, high = max(parameter.low, parameter.default / 8), min(parameter.high, parameter.default * 8)
            drawn = float(np.exp(rng.uniform(np.log(max(low, 1e-3)), np.log(max(high, low, 2e-3)))))
            values[parameter.name] = int(max(drawn, parameter.low)) if parameter.whole else drawn
    return design_row(family, values)


def layer(rng: np.random.Generator) -> Layer:
    """A convolution or product with some very large bounds, and measured zeros."""
    while True:
        sizes = {name: int(2 ** rng.uniform(0, 12)) for name in FAR}
        groups = int(rng.choice([1, 1, 1, 2, 64]))
        kernel = int(rng.choice([1, 1, 3, 5, 7]))
        values = {f"{name}_{axis}": int(rng.choice(some)) for axis in "hw"
                  for name, some in (("stride", (1, 1, 2, 5)), ("dilation", (1, 1, 3)))}  # fmt: skip
        sizes["in_channels"], sizes["out_channels"] = sizes["in_channels"] * groups, sizes["out_channels"] * groups
        try:
            return Layer("huge", Kind.CONV, **sizes, kernel_h=kernel, kernel_w=kernel, groups=groups,
                         input_zeros=float(rng.uniform(0, 1)), **values)  # fmt: skip
        except DesignError:
            continue


def cases(name: str, count: int) -> list[tuple[list[float], Layer]]:
    """Designs and layers of a template that are accepted, most of them with the largest batch possible."""
    rng, family, result = np.random.default_rng(NAMES.index(name)), template(name), list[tuple[list[float], Layer]]()
    while len(result) < count:
        row, drawn = design(family, rng), layer(rng)
        most = most_counts(family, corner(family, row), drawn)
        if most >= LIMIT:
            continue
        batch = int(drawn.batch * LIMIT / most * rng.choice([0.999, 0.9, 1e-6]))
        if batch >= 1:
            drawn = replace(drawn, batch=batch)
            assert most_counts(family, corner(family, row), drawn) < LIMIT
            result.append((row, drawn))
    return result


def counts(name: str, count: int) -> list[Any]:
    """Reason and counts of each case, without and with a search."""
    family, result = template(name), []
    for row, drawn in cases(name, count):
        designs, layers = np.array([row]), np.array([drawn.row()], np.int64)
        for search in (False, True)[: 1 + (prod((drawn.out_h, drawn.out_w)) < 10**4)]:
            out, reason = np.zeros((1, 1, COUNTS), np.int64), np.zeros((1, 1), np.int16)
            family.run(designs, layers, family.default_mapping(designs, layers), search, out, reason)
            result.append([int(reason[0, 0]), out[0, 0].tolist() if reason[0, 0] == 0 else []])
    return result


if __name__ == "__main__":
    np.seterr(over="raise")
    print(json.dumps({name: counts(name, int(sys.argv[1])) for name in NAMES}))
