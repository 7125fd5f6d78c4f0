"""Explorations of the toy space in this process: no cluster is started."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dse.exploration.results import Result, load_results, write_front
from dse.exploration.store import Run, open_store
from dse.exploration.summary import empty_summary, summarize
from dse.space.space import DesignSpace

RUN = Run("exhaustive", seed=0, version="0")


def explore_toy(
    folder: Path, space: DesignSpace, *, chunks: int = 8, complete: bool = True, fraction: float = 1.0
) -> Result:
    """Explore a space from its first design to its last in some chunks; without the last one if not `complete`."""
    with open_store(folder, space, RUN, resume=False) as store:
        summary = empty_summary(space)
        for number, index in enumerate(np.array_split(np.arange(space.size), chunks)[: chunks - (not complete)]):
            chunk, _ = summarize(space, index, fraction)
            after = summary.merge(chunk.without_sample())
            store.add(number, chunk, summary, after, number + 0.5, None)
            summary = after
        store.finish(summary, chunks - 0.5, complete)
    result = load_results(folder)
    write_front(result)
    return result
