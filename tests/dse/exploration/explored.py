"""Explorations of the toy space in this process: no cluster is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dse.exploration.results import Result, load_results, write_front
from dse.exploration.store import open_store
from dse.exploration.summary import empty_summary, summarize
from dse.space.space import DesignSpace

RUN: dict[str, Any] = {"search": "exhaustive", "budget": None, "seed": 0, "version": "0"}


def explored(
    folder: Path, space: DesignSpace, *, chunks: int = 8, complete: bool = True, fraction: float = 1.0, **run: Any
) -> Result:
    """Explore a space from its first design to its last in some chunks; without the last one if not `complete`."""
    with open_store(folder, space, RUN | run, resume=False) as store:
        found = empty_summary(space)
        for number, index in enumerate(np.array_split(np.arange(space.size), chunks)[: chunks - (not complete)]):
            chunk, _ = summarize(space, index, fraction)
            after = found.merge(chunk.without_sample())
            store.add(number, chunk, found, after, number + 0.5, None)
            found = after
        store.finish(found, chunks - 0.5, complete)
    result = load_results(folder)
    write_front(result)
    return result
