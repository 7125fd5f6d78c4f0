"""The tasks of an exploration: what is sent to a worker, what it computes, what comes back."""

from __future__ import annotations

import pickle
import zlib
from functools import lru_cache
from typing import Any

from dse.exploration.summary import Summary, summarize
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints
from netlists.errors import ChipscapeError, first_line
from netlists.runtime.ray_connection import why_lost

RETRIES = 5
"""How often a task is repeated after its worker or node was lost."""


def make_task() -> Any:
    """`run_task` as a Ray task, which is repeated if a worker or node is lost."""
    import ray

    return ray.remote(num_cpus=1, max_retries=RETRIES)(run_task)


def run_task(handle: list[Any], index: Ints | range, fraction: float, learns: bool) -> bytes:
    """Evaluate designs, by number [n], of the space behind a handle; `receive` unpacks the answer.

    `fraction` of the designs are sampled; their objectives return if the search learns from them.  Compressed, most
    answers are below 100 KB, which Ray sends at once; larger ones go through its object store, for which a worker
    waits some 10 ms.
    """
    return zlib.compress(pickle.dumps(summarize(_open_space(handle[0]), index, fraction, learns)), level=1)


@lru_cache(maxsize=1)
def _open_space(handle: Any) -> DesignSpace:
    import ray

    space: DesignSpace = ray.get(handle)
    return space


def receive(answer: Any, chunk: int) -> tuple[Summary, Floats]:
    """The summary of a task and the objectives [n, K] of its designs.

    Raises the task's own `ChipscapeError`, or a `ChipscapeError` that says why it failed or that its workers were lost.
    """
    import ray

    try:
        result: tuple[Summary, Floats] = pickle.loads(zlib.decompress(ray.get(answer)))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ChipscapeError):
            raise error.cause from None
        reason = first_line(error.cause)
        raise ChipscapeError(f"chunk {chunk}: a task failed ({reason}); expected the same version of"
                             " Chipscape on every node") from error.cause  # fmt: skip
    except ray.exceptions.RayError as error:
        raise ChipscapeError(f"{RETRIES + 1} workers were lost over chunk {chunk}, the last as follows:"
                             f" {why_lost(error)}; see `ray status`, continue with --resume") from None  # fmt: skip
    return result
