"""A lock file that keeps other processes out of a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlists.errors import SettingsError


@contextmanager
def hold_lock(file: Path) -> Iterator[None]:
    """Hold the lock for as long as the block lasts; the system frees it even if the process is killed.

    Raises `SettingsError` if another process holds it.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = os.fstat(descriptor).st_nlink > 0  # its owner may have deleted it since it was opened here
        except OSError:
            free = False
        if not free:
            owner = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            raise SettingsError(f"{file.parent}: another exploration (process {owner}) writes to this folder; wait for"
                                " it, or choose another folder")  # fmt: skip
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)
