"""Output files that are written completely or not at all, one by one or together, in folders that can be written to."""

from __future__ import annotations

import glob
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from netlists.errors import SettingsError

ABANDONED_S = 600.0
"""Seconds after which a temporary file without a process is removed: one on another machine may still be writing it."""

STAGED = ".new"
"""Name of the folder of files that are complete and only have to be renamed; see `replaced_together`."""


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
    that were killed left under such names is removed.  Errors of the system name `target`.  Raises `OSError` if the
    file cannot be renamed.
    """
    remove_abandoned(target.parent, glob.escape(target.name))
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, target)
    except OSError as error:
        if error.errno and error.filename in (None, part, str(part)):  # a write that fails names no file
            error.filename, error.filename2 = str(target), None
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replaced_together(folder: Path) -> Iterator[Path]:
    """A folder in which to write files that then replace those of the same names in `folder`, all of them or none.

    If the block fails or is interrupted, `folder` stays as it was.  After the block the files are renamed one after
    another; if the process is killed meanwhile, `complete` renames the others.  Raises `OSError`.
    """
    complete(folder)
    remove_abandoned(folder, STAGED.strip("."))
    part = folder / f"{STAGED}.{os.getpid()}.part"
    part.mkdir()
    try:
        yield part
        part.rename(folder / STAGED)  # from this moment on, the new files count
    finally:
        shutil.rmtree(part, ignore_errors=True)
    complete(folder)


def complete(folder: Path) -> None:
    """Rename what a process that was killed in `replaced_together` has left to be renamed in a folder."""
    staged = folder / STAGED
    if staged.is_symlink() or not staged.is_dir():
        return
    with suppress(OSError):  # of a folder that can only be read, or in which another process does the same
        for file in sorted(path for path in staged.rglob("*") if not path.is_dir()):
            target = folder / file.relative_to(staged)
            target.parent.mkdir(exist_ok=True)
            os.replace(file, target)
        shutil.rmtree(staged)


def remove_abandoned(folder: Path, name: str, seconds: float = ABANDONED_S) -> None:
    """Remove temporary files and folders for a name, which may be a glob, whose processes were killed `seconds` ago."""
    for part in folder.glob(f".{name}.*.part"):
        with suppress(OSError):  # another process may remove it too
            if time.time() - part.stat().st_mtime >= seconds and not _is_running(part.name.split(".")[-2]):
                shutil.rmtree(part) if part.is_dir() else part.unlink()


def _is_running(pid: str) -> bool:
    """Whether there is a process with a number; true also if the text is none, so that what is not ours is kept."""
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
        remove_abandoned(existing, "trial", 0.0)
        trial = existing / f".trial.{os.getpid()}.part"
        trial.mkdir()
        trial.rmdir()
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
