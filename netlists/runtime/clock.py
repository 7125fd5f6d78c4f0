"""The time that a job has: deadlines are moments of `time.perf_counter`, infinite where there is none."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import inf
from typing import Protocol

from netlists.errors import LegalizationError


class OutOfTimeError(LegalizationError):
    """The time was up before there was a legal placement."""


class Clock(Protocol):
    """Until when a search may go on."""

    @property
    def deadline(self) -> float:
        """When episodes end, finished or not."""

    @property
    def last(self) -> float:
        """Until when an episode may be legalized; after `deadline` while there is no placement yet."""


@dataclass(frozen=True)
class Endless:
    """The clock of a search that ends by itself."""

    deadline: float = inf
    last: float = inf


ENDLESS = Endless()


def over(deadline: float) -> bool:
    """Whether a deadline has come."""
    return deadline < inf and time.perf_counter() >= deadline


def demand_time(deadline: float) -> None:
    """Raise `OutOfTimeError` when a deadline has come."""
    if over(deadline):
        raise OutOfTimeError("no legal placement was found within the budget; give it more seconds")
