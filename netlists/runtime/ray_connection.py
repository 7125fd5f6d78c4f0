"""A connection to a Ray cluster, or to one that this process starts; Ray is loaded only when it is needed."""

from __future__ import annotations

import ipaddress
import logging
import os
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from netlists.errors import SettingsError, first_line
from netlists.runtime.scratch import private_folder

LOCAL = "local"
"""The address that stands for a cluster of this machine's processors."""
CORES = len(os.sched_getaffinity(0))
"""Processors of this machine that this process may use."""
RETRIES = 3
"""How often work is repeated if its worker or node is lost."""
POLL_S = 1.0
"""Seconds between two looks at a cluster that may have grown."""
STORE_BYTES = 2 * 2**30
"""Most bytes of memory for the objects of a cluster of this machine; more of them go to files."""
ANSWER_S = 10.0
"""Seconds within which a cluster has to answer."""


@contextmanager
def connected(address: str = LOCAL, cores: int | None = None, *, needed: int = 0) -> Iterator[None]:
    """A connection to the Ray cluster at an address, or to one of this machine that lives as long as the block.

    A cluster of this machine has `cores` processors, by default all, and at least the `needed` ones.  Its processes
    listen on the loopback address alone, and answer only to those that know a random token.  If the caller is connected
    already, the block uses that connection.  Raises `SettingsError` if there is no such cluster, it does not start, it
    could be reached from other machines, or none of its nodes has the processors `needed` by one run.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default workers hardly run beside anything else
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns of the older behavior
    import ray

    if ray.is_initialized():
        _demand_processors(needed)
        yield
        return
    with ExitStack() as stack:
        folder = None
        if address == LOCAL:
            # Ray opens its folder to everyone, so it gets one in a folder that is closed.
            folder = stack.enter_context(private_folder(has_sockets=True)) / "ray"
            stack.enter_context(_private_token())
        try:
            _connect(address, cores or max(CORES, needed), folder)
            _demand_processors(needed)
            yield
        finally:
            ray.shutdown()


def _connect(address: str, cores: int, folder: Path | None) -> None:
    """Connect to a cluster, or start one of this machine with some processors and a folder; raises `SettingsError`."""
    import ray

    # Ray's own lines would tear the progress line.
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address == LOCAL:
            with _loopback(), _own_signals():
                ray.init(
                    address=LOCAL, num_cpus=cores, include_dashboard=False, object_store_memory=choose_store_bytes(),
                    _temp_dir=str(folder), **quiet,
                )  # fmt: skip
        else:
            _reach(address)
            with _own_signals():
                ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        remedy = "try again when this machine is less busy"
        if address != LOCAL:
            remedy = "expected a cluster started by `ray start --head`"
        raise SettingsError(f"--ray {address}: {first_line(error)}; {remedy}") from None
    if address == LOCAL:
        _demand_loopback()


def choose_store_bytes() -> int:
    """Bytes for the objects of a cluster of this machine: Ray's fraction of the memory, but at most STORE_BYTES.

    Ray refuses to start with more than 10 GB if `/dev/shm` is smaller, as it is in containers.
    """
    from ray._common.utils import get_system_memory
    from ray._private.ray_constants import DEFAULT_OBJECT_STORE_MEMORY_PROPORTION

    return min(STORE_BYTES, int(DEFAULT_OBJECT_STORE_MEMORY_PROPORTION * get_system_memory()))


@contextmanager
def _own_signals() -> Iterator[None]:
    """In this block Ray does not replace the handler of SIGTERM by one that saves nothing."""
    from ray._private import utils

    before = utils.set_sigterm_handler
    utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = before


@contextmanager
def _loopback() -> Iterator[None]:
    """In this block a new cluster gets the loopback address, to which its processes then bind.

    Ray has no setting for it: it replaces `_node_ip_address="127.0.0.1"` by the address on the network, except on
    systems where it supports no clusters.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _demand_loopback() -> None:
    """Raise `SettingsError` if the address of a node of the connected cluster is not a loopback address."""
    import ray

    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if not ipaddress.ip_address(host := node["NodeManagerAddress"]).is_loopback:
            raise SettingsError(f"this version of Ray ({ray.__version__}) lets other machines reach the cluster that "
                                f"it starts here, at {host}; install the version in constraints.txt")  # fmt: skip


@contextmanager
def _private_token() -> Iterator[None]:
    """In this block a random token protects the cluster that is started in it from other users of this machine.

    Its processes inherit the token.  Ray's default is a token in the home folder, in a file that others may read.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in token}
    os.environ.update(token)
    _read_token()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        _read_token()


def _read_token() -> None:
    """Let Ray look again at the variables that say which token to use."""
    try:
        from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
    except ImportError:  # older versions have no tokens
        return
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


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
