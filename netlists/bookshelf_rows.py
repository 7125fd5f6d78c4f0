"""The rows of a Bookshelf design (`.scl`)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from netlists.bookshelf_lines import MAX_COUNT, check_count, declaration, word_lines
from netlists.netlist import Rows
from netlists.textfile import bad, number, whole

_PAIR = re.compile(r"(\w+)\s*:\s*(\S+)")


def parse_scl(path: Path, text: str) -> Rows:
    """Blocks from `CoreRow Horizontal` to `End`; each of its subrows is a row.  In units of the file."""
    rows: list[tuple[float, float, float, float, int]] = []
    block: dict[str, float] = {}
    declared: dict[str, tuple[int, int]] = {}
    start = blocks = before = 0
    for line, fields in word_lines(text):
        first = fields[0].lower()
        if first == "corerow":
            if start or [word.lower() for word in fields[1:]] != ["horizontal"]:
                raise bad(
                    path, line, f"found {' '.join(fields)[:60]!r}, expected {'End' if start else 'a horizontal row'}"
                )
            start, block, before = line, {}, len(rows)
            blocks += 1
        elif first == "end" and start:
            if len(rows) == before:
                raise bad(path, line, f"row of line {start} without sites, expected SubrowOrigin and NumSites")
            start = 0
        elif start:
            for key, value in _PAIR.findall(" ".join(fields)):
                _row_field(path, line, block, rows, key.lower(), value)
        elif found := declaration(path, line, fields, "numrows"):
            declared[found[0]] = line, found[1]
        else:
            raise bad(path, line, f"found {' '.join(fields)[:60]!r}, expected NumRows or CoreRow Horizontal")
    if start:
        raise bad(path, start, "unfinished CoreRow, expected End")
    check_count(path, declared, "NumRows", blocks)
    if not rows:
        raise bad(path, 1, "no rows, expected at least one CoreRow")
    x, y, height, site, sites = np.array(rows, dtype=np.float64).T
    return Rows(x.copy(), y.copy(), height.copy(), site.copy(), sites.astype(np.int64))


def _row_field(
    path: Path, line: int, block: dict[str, float], rows: list[tuple[float, float, float, float, int]], key: str,
    value: str,
) -> None:  # fmt: skip
    """Take one field of a row; the number of sites completes a subrow."""
    try:
        if key in ("coordinate", "height", "sitewidth", "sitespacing", "subroworigin"):
            block[key] = number(value)
        if key in ("height", "sitewidth", "sitespacing") and block[key] <= 0:
            raise bad(path, line, f"{key} is {value}, expected more than 0")
        if key == "numsites":
            spacing = block.get("sitespacing", block.get("sitewidth", 1.0))
            sites = whole(value, 1, MAX_COUNT)
            rows.append((block.pop("subroworigin"), block["coordinate"], block["height"], spacing, sites))
    except ValueError as error:
        raise bad(path, line, f"{key}: {error}") from None
    except KeyError as error:
        raise bad(path, line, f"NumSites before {error.args[0]}, expected it before") from None
