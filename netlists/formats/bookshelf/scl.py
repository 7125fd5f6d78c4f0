"""The rows of a Bookshelf design (`.scl`)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from netlists.formats.bookshelf.lines import MAX_COUNT, compare_count, declaration, word_lines
from netlists.formats.textfile import bad, number, whole
from netlists.netlist import Rows

_PAIR = re.compile(r"(\w+)\s*:\s*(\S+)")
_LENGTHS = ("coordinate", "height", "sitewidth", "sitespacing", "subroworigin")


def parse_scl(path: Path, text: str, notes: list[str]) -> Rows:
    """Blocks from `CoreRow Horizontal` to `End`; each of its subrows is a row.  In units of the file.

    What could be mended goes to `notes`: counts that do not agree, sites without a width, subrows without sites.
    """
    rows: list[tuple[float, float, float, float, int]] = []
    block: dict[str, float] = {}
    subrows: list[tuple[float, int]] = []
    declared: dict[str, tuple[int, int]] = {}
    start = blocks = zero = 0
    for line, fields in word_lines(text):
        first = fields[0].lower()
        if first == "corerow":
            if start or [word.lower() for word in fields[1:]] != ["horizontal"]:
                raise bad(
                    path, line, f"found {' '.join(fields)[:60]!r}, expected {'End' if start else 'a horizontal row'}"
                )
            start, block, subrows = line, {}, []
            blocks += 1
        elif first == "end" and start:
            if not subrows or block.keys() & {"subroworigin", "numsites"}:
                raise bad(path, line, f"row of line {start} without sites, expected SubrowOrigin and NumSites")
            zero += not block.get("sitespacing", block.get("sitewidth", 1.0))
            rows += _rows_of(path, line, block, subrows)
            start = 0
        elif start:
            for key, value in _PAIR.findall(" ".join(fields)):
                _row_field(path, line, block, subrows, key.lower(), value)
        elif found := declaration(path, line, fields, "numrows"):
            declared[found[0]] = line, found[1]
        else:
            raise bad(path, line, f"found {' '.join(fields)[:60]!r}, expected NumRows or CoreRow Horizontal")
    if start:
        raise bad(path, start, "unfinished CoreRow, expected End")
    compare_count(path, declared, "NumRows", (blocks, len(rows)), notes)
    if zero:
        notes.append(f"{path.name}: Sitespacing is 0 in {zero} of {blocks} rows; Sitewidth is used or, if that is 0, 1")
    return _filled(path, rows, notes)


def _filled(path: Path, rows: list[tuple[float, float, float, float, int]], notes: list[str]) -> Rows:
    """The rows that have sites."""
    filled = [row for row in rows if row[4]]
    if not filled:
        raise bad(path, 1, f"{f'all {len(rows)} rows have 0 sites' if rows else 'no rows'}, expected at least one "
                  "CoreRow with NumSites")  # fmt: skip
    if len(filled) < len(rows):
        notes.append(f"{path.name}: {len(rows) - len(filled)} of {len(rows)} rows have 0 sites, and are left out")
    x, y, height, site, sites = np.array(filled, dtype=np.float64).T
    return Rows(x.copy(), y.copy(), height.copy(), site.copy(), sites.astype(np.int64))


def _rows_of(
    path: Path, line: int, block: dict[str, float], subrows: list[tuple[float, int]]
) -> list[tuple[float, float, float, float, int]]:
    """The subrows of a block that ends on this line: x, y, height, distance between sites, number of sites."""
    missing = next((key for key in ("coordinate", "height") if key not in block), None)
    if missing:
        raise bad(path, line, f"End of a row without {missing.capitalize()}, expected it before")
    spacing = block.get("sitespacing") or block.get("sitewidth") or 1.0
    return [(x, block["coordinate"], block["height"], spacing, sites) for x, sites in subrows]


def _row_field(
    path: Path, line: int, block: dict[str, float], subrows: list[tuple[float, int]], key: str, value: str
) -> None:
    """Take one field of a row; the number of sites completes a subrow."""
    try:
        if key in _LENGTHS:
            block[key] = number(value)
        if key == "height" and block[key] <= 0:
            raise bad(path, line, f"{key} is {value}, expected more than 0")
        if key in ("sitewidth", "sitespacing") and block[key] < 0:
            raise bad(path, line, f"{key} is {value}, expected at least 0")
        if key == "numsites":
            block[key] = whole(value.removesuffix(".0"), 0, MAX_COUNT)
        if "numsites" in block and "subroworigin" in block:
            subrows.append((block.pop("subroworigin"), int(block.pop("numsites"))))
    except ValueError as error:
        raise bad(path, line, f"{key}: {error}") from None
