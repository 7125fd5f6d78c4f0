"""What the stages of a placement job take and give."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """What one stage of the job took and gave."""

    name: str
    seconds: float
    cpu_seconds: float
    proxy: float | None  # after the stage, of the clustered netlist; None before there is a placement


class Stages:
    """Measures stages as they run."""

    def __init__(self) -> None:
        self.started, self.cpu_started = time.perf_counter(), cpu_seconds()
        self.done: list[Stage] = []
        self.proxy: float | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), cpu_seconds()
        yield
        self.done.append(Stage(name, time.perf_counter() - wall, cpu_seconds() - cpu, self.proxy))


def cpu_seconds() -> float:
    """CPU time used by this process, all its threads and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
