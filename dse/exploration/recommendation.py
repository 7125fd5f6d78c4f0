"""Which design of a front to build: the objectives that decide, weighed against each other.

Performance, energy or power, and accuracy decide.  Sizes are budgets: the resources of an FPGA part are there whether
they are used or not, and so is an area that a constraint limits.  A size decides only if it has no budget, or if a
space has no other objectives.

Objectives count by their logarithms: twice the energy is worth half the latency, whatever the extent of the front, so
the recommended design has the least product of them (latency × energy: the energy-delay product; power × latency² is
the same).  On the front one percent more of one objective then costs about one percent of the others: its knee.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dse.model.devices import RESOURCES
from dse.templates.base import Floats

SPEED = ("latency_ms", "cycles", "throughput_fps", "gops")
"""Metrics of performance."""
ENERGY = ("energy_mj", "edp")
"""Metrics that hold the energy."""
BUDGETED = ("area_mm2", "buffer_kb", "multipliers")
"""Sizes that have a budget if a constraint limits them."""
LEAST_ERROR = 1e-3
"""Percent of error below which accuracies count the same."""


def decides(objectives: Sequence[str], constraints: Mapping[str, Any]) -> list[bool]:
    """Which objectives the recommendation follows: all except sizes with a budget, or all if nothing else is left.

    `constraints` are those of the space file.
    """
    mask = [
        name not in RESOURCES and not (name in BUDGETED and (constraints.get(name) or {}).get("max") is not None)
        for name in objectives
    ]
    return mask if any(mask) else [True] * len(mask)


def recommend(values: Floats, objectives: Sequence[str], constraints: Mapping[str, Any]) -> int:
    """The row to build of values [n, K] of the objectives [K], signed such that smaller is better.

    Ties go to the row with the least of the other objectives, then to the first.
    """
    mask = np.array(decides(objectives, constraints))
    columns = np.stack([_scale(name, column) for name, column in zip(objectives, values.T, strict=True)], axis=1)
    weights = np.array([_weight(name, objectives) for name in objectives])
    score, rest = columns[:, mask] @ weights[mask], columns[:, ~mask].sum(axis=1)
    return int(np.lexsort((rest, score))[0])


def _weight(name: str, objectives: Sequence[str]) -> float:
    """Speed counts twice beside power, which is energy per time and so holds it once already."""
    power = "power_w" in objectives and not any(energy in objectives for energy in ENERGY)
    return 2.0 if power and name in SPEED else 1.0


def _scale(name: str, column: Floats) -> Floats:
    """Logarithm of an objective [n], signed such that smaller is better; for an accuracy that of its error."""
    size = np.abs(column)
    if name == "accuracy":
        return np.log(np.maximum((100.0 if size.max() > 1 else 1.0) - size, LEAST_ERROR))
    if name in RESOURCES:
        return np.sign(column) * np.log1p(size)
    return np.asarray(np.sign(column) * np.log(np.maximum(size, np.finfo(float).tiny)))
