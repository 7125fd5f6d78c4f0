"""A connection to a Ray cluster, or to one that this process starts; Ray is loaded only when it is needed."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from netlists.errors import SettingsError, first_line

LOCAL = "local"
"""The address that stands for a cluster of this machine's processors."""
CORES = len(os.sched_getaffinity(0))
"""Processors of this machine that this process may use."""
RETRIES = 3
"""How often work is repeated if its worker or node is lost."""
POLL_S = 1.0
"""Seconds between two looks at a cluster that may have grown."""
ANSWER_S = 10.0
"""Seconds within which a cluster has to answer."""


@contextmanager
def connected(address: str = LOCAL, cores: int | None = None, *, needed: int = 0) -> Iterator[None]:
    """A connection to the Ray cluster at an address, or to one of this machine that lives as long as the block.

    A cluster of this machine has `cores` processors, by default all, and at least the `needed` ones.  If the caller is
    connected already, the block uses that connection.  Raises `SettingsError` if there is no such cluster, it does not
    start, or none of its nodes has the processors `needed` by one run.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default workers hardly run beside anything else
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns of the older behavior
    import ray

    if ray.is_initialized():
        _demand_processors(needed)
        yield
        return
    # Ray's own lines would tear the progress line.
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, num_cpus=cores or max(CORES, needed), include_dashboard=False, **quiet)
        else:
            _reach(address)
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        remedy = "try again when this machine is less busy"
        if address != LOCAL:
            remedy = "expected a cluster started by `ray start --head`"
        raise SettingsError(f"--ray {address}: {first_line(error)}; {remedy}") from None
    try:
        _demand_processors(needed)
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise `OSError` or `ValueError` if no cluster answers: Ray would try for minutes, and print every attempt."""
    from ray._private.services import canonicalize_bootstrap_address

    if (where := canonicalize_bootstrap_address(address.removeprefix("ray://"))) is not None:
        host, _, port = where.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()


def _demand_processors(needed: int) -> None:
    """Raise `SettingsError` if no node of the connected cluster has the processors that one run needs."""
    if needed and needed > (most := max(processors().values())):
        raise SettingsError(f"a run takes {needed} workers, but no node of the cluster has more than {most:g} "
                            "processors; lower --workers")  # fmt: skip


def processors() -> dict[str, float]:
    """The number of processors of each living node of the connected cluster, by the id of the node."""
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeID"]: node["Resources"].get("CPU", 0.0) for node in nodes if node["Alive"]}


def wait_for(references: Iterable[Any], seconds: float | None, count: int = 1) -> list[Any]:
    """The references to results that are ready as soon as `count` are, or after some seconds, maybe none.

    Without `seconds` it waits as long as it takes.
    """
    import ray

    ready, _ = ray.wait(list(references), num_returns=count, timeout=seconds)
    return list(ready)


def why_lost(error: Exception) -> str:
    """Why Ray lost a worker or a node, in one sentence, from the error that it raises for the result."""
    return str(error).strip().splitlines()[-1].partition(". ")[0].strip()
