"""The time limit of a job: deadlines are values of `time.perf_counter` in seconds, infinite if there is none."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import Protocol

from netlists.errors import LegalizationError


class OutOfTimeError(LegalizationError):
    """The deadline passed before a legal placement was found."""


class Clock(Protocol):
    """How long a search may continue."""

    @property
    def deadline(self) -> float:
        """When episodes end, finished or not, in seconds of `time.perf_counter`."""

    @property
    def last(self) -> float:
        """Until when an episode may be legalized; later than `deadline` if there is no placement yet."""


@dataclass(frozen=True)
class Endless:
    """The clock of a search without a time limit."""

    deadline: float = inf
    last: float = inf


ENDLESS = Endless()


def over(deadline: float) -> bool:
    """Whether a deadline has passed."""
    return deadline < inf and time.perf_counter() >= deadline


def demand_time(deadline: float) -> None:
    """Raise `OutOfTimeError` if a deadline has passed."""
    if over(deadline):
        raise OutOfTimeError("no legal placement was found within the budget; give it more seconds")
