"""The tasks of an exploration: what is sent to a worker, what it does, what comes back."""

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

RETRIES = 5  # of a task whose worker or node was lost


def make_task() -> Any:
    """`evaluate` as Ray runs it, again where a worker or node is lost."""
    import ray

    return ray.remote(num_cpus=1, max_retries=RETRIES)(evaluate)


def evaluate(handle: list[Any], index: Ints | range, share: float, learns: bool) -> bytes:
    """A task: evaluate designs [n] of the space behind a handle; what `received` unpacks.

    Compressed, most answers are below 100 KB, which Ray sends at once; larger ones go through its object store, for
    which a worker waits some 10 ms.
    """
    return zlib.compress(pickle.dumps(summarize(_opened(handle[0]), index, share, learns)), level=1)


@lru_cache(maxsize=1)
def _opened(handle: Any) -> DesignSpace:
    import ray

    space: DesignSpace = ray.get(handle)
    return space


def received(answer: Any, chunk: int) -> tuple[Summary, Floats]:
    """What a task returned; raises `ChipscapeError`: its own, or why it failed, or that its workers were lost."""
    import ray

    try:
        found: tuple[Summary, Floats] = pickle.loads(zlib.decompress(ray.get(answer)))
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ChipscapeError):
            raise error.cause from None
        reason = first_line(error.cause)
        raise ChipscapeError(f"chunk {chunk}: a task failed ({reason}); expected the same version of"
                             " Chipscape on every node") from error.cause  # fmt: skip
    except ray.exceptions.RayError as error:
        raise ChipscapeError(f"{RETRIES + 1} workers were lost over chunk {chunk}, the last one as follows:"
                             f" {why_lost(error)}; see `ray status`, then go on with --resume") from None  # fmt: skip
    return found
