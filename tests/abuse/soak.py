"""Explorations and placements in a row, in one Ray session, and the memory that they leave taken."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from netlists.runtime.ray_connection import connected
from netlists.synthetic.tiny import tiny_netlist

WARM_UP = 0.2
"""Fraction of the rounds before memory is measured for the first time: until then caches fill."""
MEGA = 1e6


@dataclass(frozen=True)
class Memory:
    """What processes hold for themselves, in MB."""

    own_mb: float
    workers_mb: float  # Ray's workers, which run the tasks

    @classmethod
    def now(cls) -> Memory:
        """Of this process and of those that it has started."""
        gc.collect()
        me = psutil.Process()
        workers = [child for child in me.children(recursive=True) if child.name().startswith("ray::")]
        return cls(me.memory_info().rss / MEGA, sum(child.memory_info().rss for child in workers) / MEGA)


def soak(rounds: int, folder: Path, progress: Callable[[int, Memory], None]) -> tuple[Memory, Memory]:
    """Memory after the warm-up and at the end of some rounds, each an exploration on Ray and a placement.

    `progress` is called from time to time with the round and the memory.
    """
    from dse.exploration.run import explore
    from dse.space.file import load_space
    from placer import place

    space, netlist = load_space("qiu_xc7z045"), tiny_netlist()
    first = None
    with connected(cores=1):
        for number in range(rounds):
            explore(space, folder / str(number), search="random", budget=200, seed=number, chunk=200)
            place(netlist, method="greedy", iterations=1, workers=1, seed=number)
            if number + 1 == max(1, round(WARM_UP * rounds)):
                first = Memory.now()
            if number % 10 == 0:
                progress(number, Memory.now())
        assert first is not None
        return first, Memory.now()
