"""Processes that tests start: Ctrl-C has its usual effect in them, and they end with the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests import ROOT


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Python with some arguments, in a group of processes that is killed at the end of the block, whatever happens.

    It does not inherit that Ctrl-C is ignored, as a test run in the background of a script does.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
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


def finished(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """The end of Python with some arguments."""
    with started(*arguments) as process:
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)
