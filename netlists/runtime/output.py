"""Output files that are whole or not there at all, in folders that can be written to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlists.errors import SettingsError


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A name in the same folder to write a file under; it takes the place of `target` when the block ends.

    When the block fails, or Ctrl-C ends it, nothing is left and an older `target` stays.  Raises `OSError`.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def check_out(out: Path) -> None:
    """Raise `SettingsError` when the folder cannot be made or written to; nothing of the trial stays."""
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    try:
        # Permissions alone do not tell: the superuser has them all, and some file systems make no folders.
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
