"""Progress of long work on stderr: one live line or bar on a terminal, plain lines from time to time elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from netlists.errors import printable
from netlists.runtime.command import warn

STARTING = "starting; the first time kernels are compiled, for about a minute"
"""The first line of work that begins with loading kernels."""
PLAIN_LINE_S = 5.0
"""Seconds between two lines of progress that go to a file."""


@contextmanager
def live_line(starting: str = STARTING) -> Iterator[Callable[[str], None]]:
    """A function that shows a line; on a terminal it replaces the last one, the first of which is `starting`."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(Text(printable(starting))) as status:
            yield lambda line: status.update(Text(printable(line)))
    else:
        yield _plain_lines()


@contextmanager
def live_bar(starting: str = STARTING) -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows a line, the amount that is done and the total: as a bar on a terminal."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(
            BarColumn(), TextColumn("{task.description}", markup=False), console=console, transient=True
        ) as bar:
            task = bar.add_task(printable(starting), total=None)
            yield lambda line, done, total: bar.update(task, completed=done, total=total, description=printable(line))
    else:
        warn(starting)
        plain = _plain_lines()
        yield lambda line, done, total: plain(line)


def _plain_lines() -> Callable[[str], None]:
    """A function that prints lines, but at most one per PLAIN_LINE_S; it drops the others."""
    last = 0.0

    def plain(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_LINE_S:
            last = time.monotonic()
            warn(line)

    return plain
