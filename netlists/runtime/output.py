"""Output files that are written completely or not at all, in folders that can be written to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlists.errors import SettingsError


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A temporary name in the same folder under which to write a file, which is renamed to `target` after the block.

    If the block fails or is interrupted, the temporary file is removed and an older `target` is kept.  Raises `OSError`
    if it cannot be renamed.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


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


def write_file(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; raises `OSError`."""
    with replaced(path) as part:
        part.write_text(text, encoding="utf-8")
