"""What reading may take: HANG_S of processor time, and memory of MEMORY_FACTOR times the files and MEMORY_BYTES."""

from __future__ import annotations

import re
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

HANG_S = 5.0
"""Seconds of processor time after which an answer counts as a hang."""
WAIT_S = 60.0
"""Seconds by the clock, on a machine that may be busy, after which waiting without work counts as a hang, too."""
MEMORY_FACTOR = 10
"""Bytes of memory that reading may take per byte of the files."""
MEMORY_BYTES = 200_000_000
"""Bytes of memory that reading may take besides."""
CALLS = 6
"""Innermost calls of a fault that are shown."""
RESET_PEAK = "5"
"""Written to `clear_refs`: the peak of the memory begins anew; see proc(5)."""


class Hang(BaseException):
    """No answer in time; no handler of other errors catches it."""


class TooMuchMemory(Exception):
    """Reading took more memory than the limit."""


@dataclass
class Usage:
    """What a block of work took."""

    seconds: float = 0.0  # of processor time
    memory: int = 0  # bytes at the peak, beyond those before


def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """The handler of the timers."""
    raise Hang(f"no answer after {HANG_S:g} s of work or {WAIT_S:g} s of waiting")


@contextmanager
def measured() -> Iterator[Usage]:
    """The usage of a block, filled in when it ends; raises `Hang` in it after HANG_S of work or WAIT_S."""
    usage = Usage()
    before = reset_peak()
    began = time.process_time()
    timers = {signal.ITIMER_PROF: (signal.SIGPROF, HANG_S), signal.ITIMER_REAL: (signal.SIGALRM, WAIT_S)}
    handlers = {number: signal.signal(number, stop) for number, _ in timers.values()}
    try:
        for timer, (_, seconds) in timers.items():
            signal.setitimer(timer, seconds)
        yield usage
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        usage.seconds = time.process_time() - began
        usage.memory = max(0, memory("VmHWM") - before)


def demand_limits(usage: Usage, size: int) -> None:
    """Raise `Hang` or `TooMuchMemory` if reading files of `size` bytes took more than it may."""
    if usage.seconds > HANG_S:
        raise Hang(f"{usage.seconds:.1f} s")
    if usage.memory > (most := MEMORY_FACTOR * size + MEMORY_BYTES):
        raise TooMuchMemory(f"{usage.memory:,} bytes of memory for files of {size:,}, expected at most {most:,}")


def reset_peak() -> int:
    """Let the peak of this process's memory begin anew; the bytes that it has now."""
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    return memory("VmRSS")


def memory(field: str) -> int:
    """A field of the memory of this process in bytes: VmRSS, what it has, or VmHWM, its peak."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def describe(error: BaseException) -> tuple[str, str]:
    """A short name of a fault, the same for all that arise at one place, and its message with the innermost calls."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    calls = "".join(traceback.format_tb(error.__traceback__)[-CALLS:])
    return f"{type(error).__name__}{where}", f"{str(error)[:200]!r}\n{calls}"
