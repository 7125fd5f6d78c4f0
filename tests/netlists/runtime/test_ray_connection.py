"""What a cluster that this process starts offers to others: loopback addresses alone, and a token of its own."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from netlists.errors import SettingsError
from netlists.runtime.ray_connection import LOCAL, _demand_loopback, connected
from tests import ROOT
from tests.abuse.sockets import is_loopback, listening

# Ray's clients leave log files and sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


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

    before, handler = variables(), signal.getsignal(signal.SIGTERM)
    with connected(LOCAL, cores=1):
        session = Path(ray._private.worker._global_node.get_session_dir_path())  # type: ignore[attr-defined]
        folder = session.parents[1]
        private = folder.stat()
        assert signal.getsignal(signal.SIGTERM) is handler
        token = ray.get(ray.remote(os.getenv).remote("RAY_AUTH_TOKEN"))
        assert token
        sockets = listening(psutil.Process())
        address = ray.get_runtime_context().gcs_address
        assert ask_as_stranger(address, token) == "let in"
        refusal = ask_as_stranger(address, "0" * len(token))
    assert refusal.startswith("refused:")
    assert "token" in refusal
    assert variables() == before
    assert (stat.S_IMODE(private.st_mode), private.st_uid) == (0o700, os.getuid())
    assert re.fullmatch(r"chipscape-\w{8}", folder.name)
    assert not folder.exists()
    assert {"gcs_server", "raylet"} <= {name for name, _, _ in sockets}
    assert len(sockets) >= 5
    assert [entry for entry in sockets if not is_loopback(entry[1])] == []


def test_a_ray_that_ignores_the_loopback_address_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "nodes", lambda: [{"NodeManagerAddress": "192.0.2.2"}])
    with pytest.raises(SettingsError, match=r"other machines reach .* 192\.0\.2\.2; install"):
        _demand_loopback()


def test_every_cluster_is_started_in_one_place() -> None:
    sources = [path for package in ("netlists", "placer", "dse", "plots") for path in (ROOT / package).rglob("*.py")]
    starters = {path.relative_to(ROOT).as_posix() for path in sources if "ray.init(" in path.read_text()}
    assert starters == {"netlists/runtime/ray_connection.py"}
