"""Which design of a front to build: what people decide by, weighed against each other.

A design is chosen by performance, energy or power, and accuracy.  Sizes are budgets: what an FPGA part holds is there
whether it is used or not, and so is an area that a constraint limits.  A size decides only where it has no budget, or
where a space has no other objective.

Objectives count by their logarithm: twice the energy is worth half the latency, whatever the front's extent, so the
recommended design has the least product of them (latency × energy: the energy-delay product; power × latency² is the
same).  On the front one percent more of one objective then costs about one percent of the others: its knee.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dse.model.devices import RESOURCES
from dse.templates.base import Floats

SPEED = ("latency_ms", "cycles", "throughput_fps", "gops")
ENERGY = ("energy_mj", "edp")
BUDGETED = ("area_mm2", "buffer_kb", "multipliers")  # where a constraint says how much there is
LEAST_ERROR = 1e-3  # percent, as far as an accuracy counts


def deciding(objectives: Sequence[str], constraints: Mapping[str, Any]) -> list[bool]:
    """Which objectives the recommendation follows: all but sizes with a budget, all where nothing else is left."""
    found = [
        name not in RESOURCES and not (name in BUDGETED and (constraints.get(name) or {}).get("max") is not None)
        for name in objectives
    ]
    return found if any(found) else [True] * len(found)


def recommended(values: Floats, objectives: Sequence[str], constraints: Mapping[str, Any]) -> int:
    """The row of values [n, K] to build, with the objectives' names [K]; smaller is better.

    Of equally good ones the row with the least of the other objectives, then the first.
    """
    chosen = np.array(deciding(objectives, constraints))
    columns = np.stack([_scaled(name, column) for name, column in zip(objectives, values.T, strict=True)], axis=1)
    weights = np.array([_weight(name, objectives) for name in objectives])
    score, rest = columns[:, chosen] @ weights[chosen], columns[:, ~chosen].sum(axis=1)
    return int(np.lexsort((rest, score))[0])


def _weight(name: str, objectives: Sequence[str]) -> float:
    """Speed counts twice beside power: one of them is in the power already, as energy per time."""
    power = "power_w" in objectives and not any(energy in objectives for energy in ENERGY)
    return 2.0 if power and name in SPEED else 1.0


def _scaled(name: str, column: Floats) -> Floats:
    """Logarithm of an objective [n], signed so that smaller is better; of an accuracy that of the error left."""
    size = np.abs(column)
    if name == "accuracy":
        return np.log(np.maximum((100.0 if size.max() > 1 else 1.0) - size, LEAST_ERROR))
    if name in RESOURCES:
        return np.sign(column) * np.log1p(size)
    return np.asarray(np.sign(column) * np.log(np.maximum(size, np.finfo(float).tiny)))
