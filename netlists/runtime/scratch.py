"""Temporary folders that no other user can enter, for Ray and, if need be, for compiled kernels.

Names in a folder that all users share, as `/tmp`, are random.  A folder is removed at the end of its process or, if
that was killed, by the next one that needs such a folder: each holds a lock file, which is free then.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netlists.runtime.lock import LOCK, hold_lock

PREFIX = "chipscape-"
"""Beginning of the names of the folders; random letters follow."""
LONGEST = 40
"""Most characters of the path of a folder with sockets, whose whole names may have 107."""
SHORT = "/tmp"
"""Where folders with sockets are if the usual place has a longer name."""
YOUNG_S = 60.0
"""Seconds for which a folder is left alone, as it may not have its lock yet."""


@contextmanager
def private_folder(has_sockets: bool = False) -> Iterator[Path]:
    """A new folder for as long as the block lasts; raises `OSError` if there is no place for it."""
    place = tempfile.gettempdir()
    if has_sockets and len(place) + len(f"/{PREFIX}12345678") > LONGEST:
        place = SHORT
    remove_left(Path(place))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with hold_lock(folder / LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_left(place: Path) -> None:
    """Remove the folders of this user's processes that were killed."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another process may remove it, too, and not all are ours
            status = folder.lstat()
            if status.st_uid == os.getuid() and time.time() - status.st_ctime > YOUNG_S and _is_free(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)


def _is_free(lock: Path) -> bool:
    """Whether the process that held a lock is gone; raises `OSError` if there is no such lock, or it is held."""
    descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)
    return True
