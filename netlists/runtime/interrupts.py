"""Ctrl-C and what ends a job: one exit code, one line, and the ways in which it ends a command with nothing to save.

SIGTERM, which clusters send, and SIGHUP of a terminal that closes do what Ctrl-C does; signals that are ignored, as
under `nohup`, stay ignored.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end a command, which saves what it has."""
INTERRUPTED = 130
"""The exit code after each of them, as in shells after Ctrl-C: 128 plus its number."""
NOTHING = "stopped by Ctrl-C or a signal: nothing was found yet, nothing is written\n"
"""What is printed if there is nothing to save."""
STOPPED = "stopped by Ctrl-C or a signal; what is written is whole"
"""What is printed if a command was stopped at another moment."""


def stop_at_once(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End the process without an exception, which a library that is being loaded could swallow or change."""
    try:
        os.write(2, NOTHING.encode())
    finally:
        os._exit(INTERRUPTED)


def handle_signals() -> None:
    """From now on SIGTERM and SIGHUP raise `KeyboardInterrupt` as Ctrl-C does."""
    if threading.current_thread() is threading.main_thread():  # only the main thread may handle signals
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)


@contextmanager
def loading() -> Iterator[None]:
    """In this block, which loads libraries, Ctrl-C ends the process at once: there is nothing to save yet."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, stop_at_once)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, before[number])


@contextmanager
def nothing_to_save() -> Iterator[None]:
    """In this block Ctrl-C ends the command with one line; work that has something to save handles Ctrl-C itself."""
    try:
        yield
    except KeyboardInterrupt:
        print(NOTHING, end="", file=sys.stderr)
        sys.exit(INTERRUPTED)


@contextmanager
def undisturbed() -> Iterator[list[int]]:
    """In this short block, which saves a result, signals wait: `KeyboardInterrupt` is raised after it.

    The block gets the list of those that have come; if it clears the list, they have no further effect.
    """
    came = list[int]()
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in SIGNALS} if main else {}
    heeded = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in heeded:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        for number in heeded:
            signal.signal(number, before[number])
    if came:
        raise KeyboardInterrupt
