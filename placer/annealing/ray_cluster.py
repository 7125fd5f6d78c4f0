"""A Ray cluster for work of this package: how many processors a run takes, how often a lost one is repeated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from netlists.errors import SettingsError
from netlists.runtime import ray_connection
from netlists.runtime.ray_connection import processors

RETRIES = 3  # of work whose worker or node was lost
POLL_S = 1.0  # between two looks at a cluster that may have grown
CORES = len(os.sched_getaffinity(0))


@contextmanager
def connected(address: str, workers: int = 1) -> Iterator[None]:
    """A connection to the Ray cluster at an address, or to one that lives as long as the block on this machine.

    Raises `SettingsError` when there is no such cluster, or none of its nodes has `workers` processors.
    """
    with ray_connection.connected(address, max(CORES, workers)):
        most = max(processors().values())
        if workers > most:
            raise SettingsError(f"a run takes {workers} workers, but no node of the cluster has more than {most:g} "
                                "processors; lower --workers")  # fmt: skip
        yield
