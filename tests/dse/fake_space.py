"""A design space with a cheap cost function, ties, infeasible designs, and workers that die on request."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from dse.space.space import DesignSpace, Evaluated
from dse.templates.base import Floats, Ints

COLORS = ("red", "green", "blue")


class FakeSpace(DesignSpace):
    """Designs with a width and a color; a fifth of them is not feasible.

    Each evaluation takes at least `seconds` and writes a line with its number of designs to `log`.  The first one for
    which the file `deadly` is missing creates it and dies; all die if `deadly` is a folder.
    """

    def __init__(
        self, size: int, *, seconds: float = 0.0, log: str = "", deadly: str = "", error: Exception | None = None
    ) -> None:
        self.name, self.content, self.size = "fake", {"size": size}, size
        self.networks = ()
        self.objectives = (("time", "min"), ("speed", "max"), ("area", "min"))
        self.metrics = ("area", "speed", "time", "width")  # one of them has the name of a parameter
        self.parameters, self.reasons = ("width", "color"), ("", "the number ends in 0 or 5")
        self.options: dict[str, Any] = {"seconds": seconds, "log": log, "deadly": deadly, "error": error}

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.size, self.options)

    def values(self, index: Ints) -> Floats:
        return np.stack([index // 3, index % 3], axis=1).astype(np.float64)

    def describe(self, index: int) -> dict[str, Any]:
        return {"template": "fake", "parameters": {"width": index // 3, "color": COLORS[index % 3]}}

    def holds(self, index: Ints) -> Any:
        return np.ones(len(index), bool)

    def evaluate(self, index: Ints, threads: int = 1) -> Evaluated:
        self._misbehave(len(index))
        feasible = index % 5 != 0
        x = index.astype(np.float64)
        fast = x * 7919 % 1009
        time_, area = 1.0 + fast // 10, 0.1 + (1009 - fast) // 7 + x * 104_729 % 499 // 5
        metrics: dict[str, Floats] = {
            "time": time_,
            "area": area,
            "speed": 200.0 - x * 31 % 173,
            "width": x // 3,
        }
        metrics["width"][index % 7 == 0] = np.nan
        objectives = np.stack([time_, -metrics["speed"], area], axis=1)
        objectives[~feasible] = np.inf

        def measure(rows: Ints) -> dict[str, Floats]:
            return {name: values[rows] for name, values in metrics.items()}

        return Evaluated(measure, objectives, feasible, np.where(feasible, 0, 1).astype(np.int16))

    def _misbehave(self, n: int) -> None:
        time.sleep(self.options["seconds"])
        if self.options["error"]:
            raise self.options["error"]
        deadly = Path(self.options["deadly"])
        if self.options["deadly"] and (deadly.is_dir() or not deadly.exists()):
            if not deadly.exists():
                deadly.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.options["log"]:
            with open(self.options["log"], "a") as log:
                log.write(f"{n}\n")


def _made(size: int, options: dict[str, Any]) -> FakeSpace:
    return FakeSpace(size, **options)


def true_front(space: DesignSpace) -> list[int]:
    """Numbers of the Pareto set of a whole space, computed design by design; the first one of equal objectives."""
    result = space.evaluate(np.arange(space.size))
    rows = {tuple(row): k for k, row in reversed(list(enumerate(result.objectives.tolist()))) if result.feasible[k]}
    points = list(rows)
    return sorted(
        rows[p] for p in points if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in points)
    )
