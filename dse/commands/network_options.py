"""The options of commands that read networks: sizes of an ONNX file, operators to leave out."""

from __future__ import annotations

from typing import Annotated

import typer

from netlists.errors import SettingsError

Sizes = Annotated[list[str] | None, typer.Option(metavar="NAME=N", help="A symbolic size of an .onnx file; repeatable")]
Batch = Annotated[
    str | None,
    typer.Option(
        metavar="[NAME=]N",
        help="Inputs at once; NAME: the size of an .onnx file that counts them, or input.axis",
    ),
]
Skip = Annotated[list[str] | None, typer.Option(metavar="OPERATOR", help="Leave out of an .onnx file; repeatable")]


def sizes_of(texts: list[str] | None) -> dict[str, int]:
    """`NAME=N` as a mapping; raises `SettingsError`."""
    sizes = {}
    for text in texts or []:
        name, _, size = text.rpartition("=")
        if not name or not size.isdecimal():
            raise SettingsError(f"--size is {text!r}; expected NAME=N with N at least 0, as in sequence=128")
        sizes[name] = int(size)
    return sizes


def batch_of(text: str | None) -> tuple[str | None, int | None]:
    """`N` or `NAME=N` as a name (empty: the only open size) and a number, None without; raises `SettingsError`."""
    if text is None:
        return None, None
    name, equals, number = text.rpartition("=")
    if not number.isdecimal() or int(number) < 1 or (equals and not name):
        raise SettingsError(f"--batch is {text!r}; expected a number from 1, or NAME=N, as in images=8")
    return name, int(number)
