"""A placement job under way: what its stages work on and leave behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Any

from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.runtime.interrupts import undisturbed
from placer.annealing.ray_searches import Fleet
from placer.cost import evaluate
from placer.incumbent import Incumbent, Listener
from placer.runs.settings import PlaceSettings


@dataclass(frozen=True)
class Stage:
    """The time that one stage of a job took, and the cost that it ended with."""

    name: str
    seconds: float
    cpu_seconds: float
    proxy: float | None  # of the clustered netlist, after the stage; None before there is a placement


class Job:
    """What the stages of a job share; each stage is a function of it, see `pipeline`.  Its clock begins to run."""

    placement: Placement
    """The placement so far; there is none before the first stage that makes one."""

    def __init__(self, netlist: Netlist, settings: PlaceSettings, listener: Listener | None) -> None:
        self.netlist = netlist  # to be placed; clustered after the first stage
        self.settings = settings
        self.budget_s = settings.budget_s  # until the macros are placed
        self.others: list[Placement] = []  # next to the placement, starts of further refinements
        self.fleet: Fleet | None = None  # refines on a Ray cluster
        self.stages: list[Stage] = []  # that have ended
        self.proxy: float | None = None  # after the last stage that changed it, of the clustered netlist
        self.hpwl_history: list[tuple[float, float]] = []  # (seconds, HPWL in µm) of the best placement of cells
        self.rounds: list[dict[str, Any]] = []  # of `placer.cells.place`, from the best to the worst
        self.interrupted = False  # by Ctrl-C: stages to come are hurried or left out
        self.cpu_started_s = cpu_seconds()
        limited = settings.iterations is None
        search_s, job_s = (self.search_fraction * self.budget_s, self.budget_s) if limited else (inf, inf)
        self.incumbent = Incumbent(settings.method, search_s, time.perf_counter(), listener, job_s)

    @property
    def macros_end(self) -> float:
        """When the macros should be placed, a moment of `perf_counter`."""
        return inf if self.settings.iterations is not None else self.incumbent.started + self.budget_s

    @property
    def search_fraction(self) -> float:
        """Fraction of the macros' time for the search by the method."""
        return 1 - self.settings.entry.refine_fraction if self.settings.refine else 1.0

    def limit_macros(self, seconds: float) -> None:
        """Give the macros so many seconds from now.

        The first legal placement may take longer, as the time of the cells is left, too.
        """
        if self.settings.iterations is None:
            began_s = self.incumbent.seconds
            self.budget_s = began_s + seconds
            self.incumbent.budget_s = began_s + self.search_fraction * seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left for the macros."""
        return self.budget_s - self.incumbent.seconds

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measures the block as a stage."""
        wall, cpu = time.perf_counter(), cpu_seconds()
        yield
        self.stages.append(Stage(name, time.perf_counter() - wall, cpu_seconds() - cpu, self.proxy))

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """In this block Ctrl-C ends the stage and marks the job as interrupted, once there is a placement to keep."""
        try:
            yield
        except KeyboardInterrupt:
            if not self.incumbent.pool:
                raise
            self.interrupted = True

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """In this short block Ctrl-C only marks the job as interrupted."""
        with undisturbed() as came:
            try:
                yield
            finally:
                self.interrupted = self.interrupted or bool(came)
                came.clear()

    def measure(self) -> float:
        """Note the proxy of the placement as the cost after the stage, and return it."""
        self.proxy = evaluate(self.placement).proxy
        return self.proxy


def cpu_seconds() -> float:
    """CPU time used by this process, all its threads and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
