"""Lines of Bookshelf files as words, the counts that they declare, and checks of both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from netlists.errors import at
from netlists.formats.textfile import LIMIT, file_error, whole
from netlists.netlist import Floats, Ints

MAX_COUNT = 10**9
"""Larger counts than this are a mistake in the file."""

_COMMENT = re.compile(r"(?:^|\s)#.*")
_HEADER = re.compile(r"(?i)(UCLA\b.*|(nodes|nets|wts|pl|scl|route|shapes) \d+\.\d+)")


def word_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of every line that has words, without comments and the header `[UCLA] nodes 1.0`."""
    first = True
    for line, words in enumerate(text.split("\n"), 1):
        fields = (_COMMENT.sub("", words) if "#" in words else words).split()
        if fields:
            if not (first and _HEADER.fullmatch(" ".join(fields))):
                yield line, fields
            first = False


def declaration(path: Path, line: int, fields: list[str], *keywords: str) -> tuple[str, int] | None:
    """Keyword and value of a line such as `NumNodes : 5`; None if it has none of the keywords."""
    match = re.match(r"(\w+)\s*:\s*(\S*)", " ".join(fields))
    if match is None or match[1].lower() not in keywords:
        return None
    try:
        return match[1].lower(), whole(match[2], 0, MAX_COUNT)
    except ValueError as error:
        raise file_error(path, line, str(error)) from None


def compare_count(
    path: Path, declared: dict[str, tuple[int, int]], keyword: str, counts: tuple[int, ...], notes: list[str]
) -> None:
    """Add a note if a declared count is none of the acceptable `counts`; the first is the number of entries used.

    Files that were cut and joined by hand often keep the old count.
    """
    line, count = declared.get(keyword.lower(), (0, counts[0]))
    if count not in counts:
        notes.append(
            at(path.name, line, f"{keyword} is {count}, but the file has {counts[0]}; all {counts[0]} are used")
        )


def check_numbers(path: Path, values: Floats, lines: list[int] | Ints) -> None:
    """Raise `NetlistError` for a NaN, infinite or huge number in values [K, 2]; row k of them is from line lines[k]."""
    wrong = np.flatnonzero(~(np.abs(values) <= LIMIT).all(axis=1))
    if wrong.size:
        x, y = values[wrong[0]]
        raise file_error(path, int(lines[wrong[0]]), f"found {x:g} and {y:g}, expected numbers within ±{LIMIT:g}")


def pairs(x: list[float], y: list[float]) -> Floats:
    """[K, 2] array of two columns of values."""
    return np.column_stack([np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)])
