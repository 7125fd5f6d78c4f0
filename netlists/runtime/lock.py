"""Locks that keep other processes out of a folder to which one writes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netlists.errors import SettingsError
from netlists.runtime.output import remove_abandoned

LOCK = ".lock"
"""Name of the lock file in a folder for as long as a command writes to it."""


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Keep other commands out of a folder for as long as the block lasts; it is made if it is missing.

    What killed commands left there is removed.  If the block writes nothing, what was made is removed again.  Raises
    `SettingsError` if another command writes there.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with hold_lock(folder / LOCK):
            remove_abandoned(folder, "*", 0.0)
            try:
                yield
            finally:
                (folder / LOCK).unlink(missing_ok=True)
    finally:
        remove_empty(missing)


def remove_empty(folders: list[Path]) -> None:
    """Remove folders, each inside the next, up to the first that is not empty."""
    with suppress(OSError):
        for path in folders:
            path.rmdir()


@contextmanager
def hold_lock(file: Path) -> Iterator[None]:
    """Hold the lock for as long as the block lasts; the system frees it even if the process is killed.

    Raises `SettingsError` if another process holds it.  A file system without locks keeps nobody out.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if not _lock(descriptor):
            owner = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            raise SettingsError(f"{file.parent}: another run (process {owner}) writes to this folder; wait for it, or "
                                "choose another folder")  # fmt: skip
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Take the lock of a file, unless another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the file system has no locks
        return True
    return os.fstat(descriptor).st_nlink > 0  # its owner may have deleted it since it was opened here
