"""The time limits of a job: deadlines are values of `time.perf_counter` in seconds, infinite if there is no limit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import Protocol

from netlists.errors import LegalizationError


class OutOfTimeError(LegalizationError):
    """The deadline came before there was a legal placement."""


class Clock(Protocol):
    """The deadlines of a search."""

    @property
    def deadline(self) -> float:
        """When episodes end, complete or not."""

    @property
    def last(self) -> float:
        """When the legalization of an episode ends; later than `deadline` as long as there is no placement."""


@dataclass(frozen=True)
class Endless:
    """The clock of a search without a time limit."""

    deadline: float = inf
    last: float = inf


ENDLESS = Endless()
"""The clock by default."""


def over(deadline: float) -> bool:
    """Whether a deadline has passed."""
    return deadline < inf and time.perf_counter() >= deadline


def demand_time(deadline: float) -> None:
    """Raise `OutOfTimeError` if a deadline has passed."""
    if over(deadline):
        raise OutOfTimeError("no legal placement was found within the budget; give it more seconds")
