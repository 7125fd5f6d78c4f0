"""Read back JSON files that commands wrote: whatever was done to them in between, the answer is data or one error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

MAX_BYTES = 100_000_000
"""The largest file that is read."""
QUOTED = 60
"""Most characters of a value in a message."""


def read_json(file: Path, model: type[BaseModel]) -> dict[str, Any]:
    """The object in a JSON file, all of whose fields that `model` names have the types that it states.

    Raises `OSError` if the file cannot be read, and `ValueError` with one line on what is wrong.
    """
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
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
