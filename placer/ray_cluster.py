"""A connection to a Ray cluster, or to one that this process starts on its machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from netlists.errors import SettingsError

RETRIES = 3  # of work whose worker or node was lost
POLL_S = 1.0  # between two looks at a cluster that may have grown
CORES = len(os.sched_getaffinity(0))
LOCAL = "local"  # the address that stands for a cluster of this machine's cores


@contextmanager
def connected(address: str, workers: int = 1) -> Iterator[None]:
    """A connection to the Ray cluster at an address, or to one that lives as long as the block on this machine.

    Raises `SettingsError` when there is no such cluster, or none of its nodes has `workers` processors.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default workers hardly run beside anything else
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns of the older behavior
    import ray

    # Ray's own lines would tear the progress line.
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, num_cpus=max(CORES, workers), include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SettingsError(f"--ray {address}: {reason}; expected a cluster started by `ray start --head`") from None
    try:
        most = max(processors())
        if workers > most:
            raise SettingsError(f"a run takes {workers} workers, but no node of the cluster has more than {most:g} "
                                "processors; lower --workers")  # fmt: skip
        yield
    finally:
        ray.shutdown()


def processors() -> list[float]:
    """Of each living node of the connected cluster."""
    import ray

    return [node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
