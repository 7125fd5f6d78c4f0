"""A connection to a Ray cluster, or to one that this process starts; Ray is loaded when it is needed."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from netlists.errors import SettingsError, first_line

LOCAL = "local"  # the address that stands for a cluster of this machine's cores
ANSWER_S = 10.0  # in which a cluster has to answer


@contextmanager
def connected(address: str = LOCAL, cores: int | None = None) -> Iterator[None]:
    """A connection to the Ray cluster at an address, or to one of `cores` (by default all) of this machine.

    Does nothing where the caller has a connection already.  Raises `SettingsError` when there is no such cluster,
    or it does not start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default workers hardly run beside anything else
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns of the older behavior
    import ray

    if ray.is_initialized():
        yield
        return
    # Ray's own lines would tear the progress line.
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == LOCAL:
            ray.init(address=LOCAL, num_cpus=cores or len(os.sched_getaffinity(0)), include_dashboard=False, **quiet)
        else:
            _reach(address)
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        reason = first_line(error)
        do = "try again when this machine is less busy"
        if address != LOCAL:
            do = "expected a cluster started by `ray start --head`"
        raise SettingsError(f"--ray {address}: {reason}; {do}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise `OSError` or `ValueError` where no cluster answers: Ray would try for minutes, and write what it tries."""
    from ray._private.services import canonicalize_bootstrap_address

    if (where := canonicalize_bootstrap_address(address.removeprefix("ray://"))) is not None:
        host, _, port = where.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()


def processors() -> dict[str, float]:
    """Of each living node of the connected cluster, by its id."""
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeID"]: node["Resources"].get("CPU", 0.0) for node in nodes if node["Alive"]}
