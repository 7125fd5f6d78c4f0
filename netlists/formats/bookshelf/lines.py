"""Lines of Bookshelf files as words, the counts that they declare, and their checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from netlists.errors import at
from netlists.formats.textfile import LIMIT, bad, whole
from netlists.netlist import Floats, Ints

MAX_COUNT = 10**9
_COMMENT = re.compile(r"(?:^|\s)#.*")
_HEADER = re.compile(r"(?i)(UCLA\b.*|(nodes|nets|wts|pl|scl|route|shapes) \d+\.\d+)")


def word_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of every line that has some, without comments and the `[UCLA] nodes 1.0` on top."""
    first = True
    for line, words in enumerate(text.split("\n"), 1):
        fields = (_COMMENT.sub("", words) if "#" in words else words).split()
        if fields:
            if not (first and _HEADER.fullmatch(" ".join(fields))):
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


def compare_count(
    path: Path, declared: dict[str, tuple[int, int]], keyword: str, found: tuple[int, ...], notes: list[str]
) -> None:
    """Note a declared count that is none of those found: files cut and joined by hand often keep the old one."""
    line, count = declared.get(keyword.lower(), (0, found[0]))
    if count not in found:
        notes.append(at(path.name, line, f"{keyword} is {count}, but the file has {found[0]}; all {found[0]} are used"))


def check_numbers(path: Path, values: Floats, lines: list[int] | Ints) -> None:
    """No NaN, infinite or huge number in any row of values [K, 2]."""
    wrong = np.flatnonzero(~(np.abs(values) <= LIMIT).all(axis=1))
    if wrong.size:
        x, y = values[wrong[0]]
        raise bad(path, int(lines[wrong[0]]), f"found {x:g} and {y:g}, expected numbers within ±{LIMIT:g}")


def pairs(x: list[float], y: list[float]) -> Floats:
    """[K, 2] array of two columns."""
    return np.column_stack([np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)])
