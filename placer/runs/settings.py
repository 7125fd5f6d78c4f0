"""The settings of a placement job."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from netlists.errors import SettingsError, demand_seed, did_you_mean
from netlists.runtime import device
from netlists.runtime.ray_connection import CORES
from placer.runs.methods import METHODS, Method

STARTS = ("scratch", "given")
"""Where a job begins: with a search, or from the placement of the input."""


@dataclass(frozen=True)
class PlaceSettings:
    """How to place.  Raises `SettingsError` if a value is out of range or two values contradict each other."""

    method: str = "rl"  # a name in METHODS
    budget_s: float = 120.0  # wall-clock seconds for the whole job, except loading files and kernels and writing files
    seed: int = 0
    workers: int = CORES  # threads
    weights: str | Path | None = None  # rl: file or training folder, or none; the bundled ones by default
    refine: bool = True  # longer soft-macro placements, then an exact-cost search over all macros
    iterations: int | None = None  # instead of the budget: the result then depends on seed and workers alone
    ray: str | None = None  # address of the cluster that refines; by default this machine does
    start: str = "scratch"  # one of STARTS; see `place`
    device: str = "auto"  # where torch computes; see `netlists.runtime.device`

    def __post_init__(self) -> None:
        for name, value, choices in (("method", self.method, tuple(METHODS)), ("start", self.start, STARTS)):
            if value not in choices:
                hint = did_you_mean(value, choices)
                raise SettingsError(f"{name} is {value!r}; expected one of {', '.join(choices)}{hint}")
        device.check(self.device)
        demand_seed(self.seed)
        if not 0 < self.budget_s < inf:
            raise SettingsError(f"budget is {self.budget_s} s; expected more than 0, and finite")
        for name, count in (("workers", self.workers), ("iterations", self.iterations)):
            if count is not None and count < 1:
                raise SettingsError(f"{name} is {count}; expected 1 or more")
        if self.ray is not None and not self.refines:
            raise SettingsError(
                "ray gives the refinement the cluster's processors, but this run has no refinement; leave ray out"
            )
        if self.weights is not None and (not self.entry.takes_weights or self.start == "given"):
            users = " or ".join(name for name, method in METHODS.items() if method.takes_weights)
            raise SettingsError(
                f"weights are for method {users} from scratch only; leave them out with method {self.method}, "
                f"start {self.start}"
            )

    @property
    def entry(self) -> Method:
        """The method's entry in the table."""
        return METHODS[self.method]

    @property
    def refines(self) -> bool:
        """Whether the result of the method is screened and refined."""
        return self.refine and self.entry.refine_fraction > 0

    @property
    def keeps_input(self) -> bool:
        """Whether the placement of the input is refined instead of one that is searched for."""
        return self.start == "given" and not self.entry.starts_from_input

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return asdict(self) | {"weights": str(self.weights) if self.weights is not None else None}
