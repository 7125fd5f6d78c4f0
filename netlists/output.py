"""Output files that are whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
