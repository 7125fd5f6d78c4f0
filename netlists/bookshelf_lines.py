"""Lines of Bookshelf files as words, the counts that they declare, and their checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from netlists.netlist import Floats, Ints
from netlists.textfile import LIMIT, bad, whole

MAX_COUNT = 10**9
_COMMENT = re.compile(r"(?:^|\s)#.*")


def word_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of every line that has some, without comments and the `UCLA nodes 1.0` on top."""
    first = True
    for line, words in enumerate(text.split("\n"), 1):
        fields = (_COMMENT.sub("", words) if "#" in words else words).split()
        if fields:
            if not (first and fields[0].upper() == "UCLA"):
                yield line, fields
            first = False


def declaration(path: Path, line: int, fields: list[str], *keywords: str) -> tuple[str, int] | None:
    """Keyword and value of a line like `NumNodes : 5`, else None."""
    match = re.match(r"(\w+)\s*:\s*(\S*)", " ".join(fields))
    if match is None or match[1].lower() not in keywords:
        return None
    try:
        return match[1].lower(), whole(match[2], 0, MAX_COUNT)
    except ValueError as error:
        raise bad(path, line, str(error)) from None


def check_count(path: Path, declared: dict[str, tuple[int, int]], keyword: str, *found: int) -> None:
    """The declared count must be one of those found."""
    line, count = declared.get(keyword.lower(), (0, found[0]))
    if count not in found:
        raise bad(path, line, f"{keyword} is {count}, but {found[0]} were found, expected both to agree")


def check_numbers(path: Path, values: Floats, lines: list[int] | Ints) -> None:
    """No NaN, infinite or huge number in any row of values [K, 2]."""
    wrong = np.flatnonzero(~(np.abs(values) <= LIMIT).all(axis=1))
    if wrong.size:
        x, y = values[wrong[0]]
        raise bad(path, int(lines[wrong[0]]), f"found {x:g} and {y:g}, expected numbers within ±{LIMIT:g}")


def pairs(x: list[float], y: list[float]) -> Floats:
    """[K, 2] array of two columns."""
    return np.column_stack([np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)])
