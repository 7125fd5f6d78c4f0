"""Output files that are written completely or not at all, in folders that can be written to."""

from __future__ import annotations

import glob
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from netlists.errors import SettingsError

ABANDONED_S = 600.0
"""Seconds after which a temporary file without a process is removed: one on another machine may still be writing it."""


PLAIN_CHARACTERS = 120
"""Most characters of a plain name: the methods and numbers that follow it fit into the 255 bytes of a name."""
PLAIN_NAME = re.compile(rf"\w[\w.+-]{{0,{PLAIN_CHARACTERS - 1}}}", re.ASCII)
"""What every file system takes as a name of its own."""
NOT_PLAIN = re.compile(r"[^\w+-]", re.ASCII)
"""Characters of other names that are replaced."""
MARK_DIGITS = 12
"""Hexadecimal digits that tell names apart that become alike."""


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A temporary name in the same folder under which to write a file, which is renamed to `target` after the block.

    If the block fails or is interrupted, the temporary file is removed and an older `target` is kept.  What processes
    that were killed left under such names is removed.  Raises `OSError` if the file cannot be renamed.
    """
    remove_abandoned(target.parent, glob.escape(target.name))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def remove_abandoned(folder: Path, name: str) -> None:
    """Remove temporary files and folders for a name, which may be a glob, whose processes were killed some time ago."""
    for part in folder.glob(f".{name}.*.part"):
        with suppress(OSError):  # another process may remove it too
            if time.time() - part.stat().st_mtime > ABANDONED_S and not _is_running(part.name.split(".")[-2]):
                shutil.rmtree(part) if part.is_dir() else part.unlink()


def _is_running(pid: str) -> bool:
    """Whether there is a process with a number; also if the text is none, so that what is not ours is kept."""
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        return True
    return True


def check_out(out: Path) -> None:
    """Raise `SettingsError` if the folder cannot be created or written to; the check leaves nothing behind."""
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    try:
        # Permissions are not enough: the superuser has all of them, and some file systems cannot create folders.
        with tempfile.TemporaryDirectory(dir=existing, prefix=".trial-"):
            pass
    except OSError as error:
        raise SettingsError(
            f"--out {out}: {existing} is not a folder that can be written to ({error.strerror}); choose another"
        ) from None


def folder_name(text: str) -> str:
    """A text as the name of a folder: the text itself if it is a plain one, otherwise like it and no other's.

    Names of designs come from files of others, and may hold separators of paths, `..`, or thousands of characters.
    """
    if PLAIN_NAME.fullmatch(text):
        return text
    mark = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:MARK_DIGITS]
    return f"{NOT_PLAIN.sub('_', text)[:PLAIN_CHARACTERS]}-{mark}"


def write_file(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; raises `OSError`."""
    with replaced(path) as part:
        part.write_text(text, encoding="utf-8")
