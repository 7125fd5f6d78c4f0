"""Processes that tests start: Ctrl-C has its usual effect in them, and they end with the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import pytest

from tests import ROOT


@contextmanager
def started(
    *arguments: str, wrapper: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Python with some arguments, in a group of processes that is killed at the end of the block, whatever happens.

    It does not inherit that Ctrl-C is ignored, as a test run in the background of a script does.  `wrapper` is a
    command that runs the one behind it, `variables` is the environment instead of that of this process.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*wrapper, sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True, env=variables,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with process:  # waits for it, and closes its pipes
            pass


def finished(
    *arguments: str, timeout: float = 120, wrapper: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The end of Python with some arguments; see `started`."""
    with started(*arguments, wrapper=wrapper, variables=variables) as process:
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def in_own_mounts(script: str) -> list[str]:
    """A wrapper that first runs a shell script, which may mount file systems that only the command sees."""
    return ["unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh"]


def demand_mounts() -> None:
    """Skip the test if this user may not mount."""
    try:
        tried = subprocess.run([*in_own_mounts("mount -t tmpfs none /mnt"), "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if tried.returncode:
        pytest.skip("this user may not mount file systems")
