"""The settings of a placement job."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netlists.errors import SettingsError, demand_seed, did_you_mean
from netlists.runtime import device

METHODS = ("rl", "gradient", "greedy", "random", "anneal")
STARTS = ("scratch", "given")


@dataclass(frozen=True)
class PlaceSettings:
    """How to place; raises `SettingsError` where a value is out of range."""

    method: str = "rl"
    budget_s: float = 120.0  # wall clock for the whole job; loading files and kernels and writing files not included
    seed: int = 0
    workers: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))  # threads
    weights: str | Path | None = None  # rl: file or training folder, or none; the bundled ones by default
    refine: bool = True  # longer soft-macro placements, then exact-cost search over all macros
    iterations: int | None = None  # instead of the budget: the result then depends on seed and workers alone
    ray: str | None = None  # address of the cluster that refines; this machine without one
    start: str = "scratch"  # or "given": from the legalized positions of the input instead of a search; see `place`
    device: str = "auto"  # rl, gradient: where torch computes; see `device.py`

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            hint = did_you_mean(self.method, METHODS)
            raise SettingsError(f"method is {self.method!r}; expected one of {', '.join(METHODS)}{hint}")
        if self.start not in STARTS:
            hint = did_you_mean(self.start, STARTS)
            raise SettingsError(f"start is {self.start!r}; expected one of {', '.join(STARTS)}{hint}")
        device.check(self.device)
        demand_seed(self.seed)
        if not 0 < self.budget_s < np.inf:
            raise SettingsError(f"budget is {self.budget_s} s; expected more than 0, and finite")
        if self.workers < 1:
            raise SettingsError(f"workers is {self.workers}; expected 1 or more")
        if self.ray is not None and (self.method == "anneal" or not self.refine):
            raise SettingsError(
                "ray gives the refinement the cluster's processors, but this run has no refinement; leave ray out"
            )
        if self.iterations is not None and self.iterations < 1:
            raise SettingsError(f"iterations is {self.iterations}; expected 1 or more")
        if self.weights is not None and (self.method != "rl" or self.start == "given"):
            raise SettingsError(
                f"weights are for method rl from scratch only; leave them out with method {self.method}, "
                f"start {self.start}"
            )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"weights": str(self.weights) if self.weights is not None else None}
