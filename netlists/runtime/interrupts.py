"""Ctrl-C: its exit code, its one line, and the two ways in which it ends a command that has nothing to save yet."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells: 128 plus the number of the signal."""
NOTHING = "stopped by Ctrl-C: nothing was found yet, nothing is written\n"
"""What is printed if there is nothing to save."""


def stop_at_once(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End the process without an exception, which a library that is being loaded could swallow or change."""
    os.write(2, NOTHING.encode())
    os._exit(INTERRUPTED)


@contextmanager
def loading() -> Iterator[None]:
    """In this block, which loads libraries, Ctrl-C ends the process at once: there is nothing to save yet."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    before = signal.signal(signal.SIGINT, stop_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def nothing_to_save() -> Iterator[None]:
    """In this block Ctrl-C ends the command with one line; work that has something to save handles Ctrl-C itself."""
    try:
        yield
    except KeyboardInterrupt:
        print(NOTHING, end="", file=sys.stderr)
        sys.exit(INTERRUPTED)
