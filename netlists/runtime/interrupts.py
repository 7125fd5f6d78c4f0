"""Ctrl-C: its exit code and text, and how it ends a command whose libraries are still being loaded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130  # the exit code after Ctrl-C, as shells have it
NOTHING = "stopped by Ctrl-C: nothing was found yet, nothing is written\n"


def stop_at_once(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End the process, as an exception would be lost or changed on its way through a library that is being loaded."""
    os.write(2, NOTHING.encode())
    os._exit(INTERRUPTED)


@contextmanager
def loading() -> Iterator[None]:
    """While libraries are loaded, before there is anything to be saved."""
    if threading.current_thread() is not threading.main_thread():  # no other may handle signals
        yield
        return
    before = signal.signal(signal.SIGINT, stop_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
