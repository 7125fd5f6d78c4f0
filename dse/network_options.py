"""The options of commands that read networks: sizes of an ONNX file, operators to leave out."""

from __future__ import annotations

from typing import Annotated

import typer

from netlists.errors import SettingsError

Sizes = Annotated[list[str] | None, typer.Option(metavar="NAME=N", help="A symbolic size of an .onnx file; repeatable")]
Skip = Annotated[list[str] | None, typer.Option(metavar="OPERATOR", help="Leave out of an .onnx file; repeatable")]


def sizes_of(texts: list[str] | None) -> dict[str, int]:
    """`NAME=N` as a mapping; raises `SettingsError`."""
    sizes = {}
    for text in texts or []:
        name, _, size = text.rpartition("=")
        if not name or not size.isdecimal() or int(size) < 1:
            raise SettingsError(f"--size is {text!r}; expected NAME=N with N at least 1, as in sequence=128")
        sizes[name] = int(size)
    return sizes
