"""What a cluster that this process starts offers to others: loopback addresses alone, and a token of its own."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys

import psutil
import pytest

from netlists.errors import SettingsError
from netlists.runtime.ray_connection import LOCAL, _demand_loopback, connected
from tests import ROOT

# Ray's clients leave log files and sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def listening(process: psutil.Process) -> list[tuple[str, str, int]]:
    """Name, address and port of every TCP socket on which a process and all that it started listen."""
    sockets = []
    for each in (process, *process.children(recursive=True)):
        try:
            connections, name = each.net_connections("tcp"), each.name()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        sockets += [(name, c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN]
    return sockets


def is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def test_addresses_that_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "::1", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "::ffff:0.0.0.0", "192.0.2.2")))


STRANGER = """
import sys
from ray._raylet import GcsClient
try:
    client = GcsClient(address=sys.argv[1])
    client.internal_kv_keys(b"", timeout=5)
except Exception as error:
    print("refused:", error)
else:
    print("let in")
"""


def ask_as_stranger(address: str, token: str) -> str:
    """What a process that knows a token is told by the control service of a cluster."""
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, address], cwd=ROOT, env={**os.environ, "RAY_AUTH_TOKEN": token},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH")}


def test_an_embedded_cluster_is_closed_to_others() -> None:
    import ray

    before = variables()
    with connected(LOCAL, cores=1):
        token = ray.get(ray.remote(os.getenv).remote("RAY_AUTH_TOKEN"))
        assert token
        sockets = listening(psutil.Process())
        address = ray.get_runtime_context().gcs_address
        assert ask_as_stranger(address, token) == "let in"
        refusal = ask_as_stranger(address, "0" * len(token))
    assert refusal.startswith("refused:")
    assert "token" in refusal
    assert variables() == before
    assert {"gcs_server", "raylet"} <= {name for name, _, _ in sockets}
    assert len(sockets) >= 5
    assert [entry for entry in sockets if not is_loopback(entry[1])] == []


def test_a_ray_that_ignores_the_loopback_address_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "nodes", lambda: [{"NodeManagerAddress": "192.0.2.2"}])
    with pytest.raises(SettingsError, match=r"other machines reach .* 192\.0\.2\.2; install"):
        _demand_loopback()
