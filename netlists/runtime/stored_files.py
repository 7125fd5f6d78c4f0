"""Read files that others may have written or damaged: regular files of bounded size, and JSON that commands wrote.

Whatever was done to a file, the answer is its data or one error.
"""

from __future__ import annotations

import json
import os
import stat
from errno import EFBIG, EINVAL
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

MAX_BYTES = 100_000_000
"""The largest file that is read."""
QUOTED = 60
"""Most characters of a value in a message."""


def read_bytes(file: str | Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Pipes and devices, which may have no end, are not read.  Raises `OSError`, whose `strerror` says what is wrong, and
    `ValueError` for an impossible name.
    """
    # A pipe without a writer is opened at once, and then refused.
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        kind = os.fstat(opened.fileno())
        if not stat.S_ISREG(kind.st_mode):
            what = "Is a directory" if stat.S_ISDIR(kind.st_mode) else "a pipe or a device, no regular file"
            raise OSError(EINVAL, what, str(file))
        data = opened.read(min(kind.st_size, most) + 1)  # memory is taken for as much as is asked for
    if len(data) > most:
        raise OSError(EFBIG, f"it has more than {most:,} bytes", str(file))
    return data


def read_json(file: Path, model: type[BaseModel]) -> dict[str, Any]:
    """The object in a JSON file, all of whose fields that `model` names have the types that it states.

    Raises `OSError` if the file cannot be read, and `ValueError` with one line on what is wrong.
    """
    text = read_bytes(file, MAX_BYTES).decode("utf-8")
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    demand_fields(content, model)
    fields: dict[str, Any] = content
    return fields


def demand_fields(content: Any, model: type[BaseModel]) -> None:
    """Raise `ValueError` that names the first field of an object that is not as `model` states."""
    if not isinstance(content, dict):
        raise ValueError("it is no object with fields")
    try:
        model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))[:QUOTED] or "it"
        value = "" if first["type"] == "missing" else f", not {repr(first['input'])[:QUOTED]}"
        raise ValueError(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}{value}") from None
