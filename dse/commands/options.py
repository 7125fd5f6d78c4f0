"""Options that several commands share: JSON output, and the sizes, batch and operators of networks."""

from __future__ import annotations

from typing import Annotated

import typer

from netlists.errors import SettingsError

Json = Annotated[bool, typer.Option("--json", help="JSON instead of tables")]
Sizes = Annotated[list[str] | None, typer.Option(metavar="NAME=N", help="A symbolic size of an .onnx file; repeatable")]
Batch = Annotated[
    str | None,
    typer.Option(
        metavar="[NAME=]N",
        help="Inputs at once; NAME: the size of an .onnx file that counts them, or input.axis",
    ),
]
Skip = Annotated[list[str] | None, typer.Option(metavar="OPERATOR", help="Leave out of an .onnx file; repeatable")]


def parse_sizes(texts: list[str] | None) -> dict[str, int]:
    """The sizes of several `NAME=N`, by name; raises `SettingsError`."""
    sizes = {}
    for text in texts or []:
        name, _, size = text.rpartition("=")
        if not name or not size.isdecimal():
            raise SettingsError(f"--size is {text!r}; expected NAME=N with N at least 0, as in sequence=128")
        sizes[name] = int(size)
    return sizes


def parse_batch(text: str | None) -> tuple[str | None, int | None]:
    """The name and the number of `N` or `NAME=N`, both None without a text; raises `SettingsError`.

    The name is empty if there is none: it stands for the only open size.
    """
    if text is None:
        return None, None
    name, equals, number = text.rpartition("=")
    if not number.isdecimal() or int(number) < 1 or (equals and not name):
        raise SettingsError(f"--batch is {text!r}; expected a number from 1, or NAME=N, as in images=8")
    return name, int(number)
