"""The files of a Bookshelf design (`.nodes .nets .pl .wts .scl`), each parsed to a plain record.

What is wrong but can be understood (a count that does not agree, an unknown tag) is added to `notes`, one line each.

Format: http://vlsicad.eecs.umich.edu/BK/ISPD06bench/BookshelfFormat.txt and the dialects of the ISPD-2002, ICCAD-04 and
ISPD-2005/2006/2011 benchmarks and of DREAMPlace (grammar of Limbo).  Keywords may be in any case, `#` starts a comment,
blanks around `:` are optional.  The parsers raise `NetlistError` naming file and line.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from netlists.errors import NetlistError, at
from netlists.formats.bookshelf.lines import (
    MAX_COUNT,
    check_numbers,
    compare_count,
    declaration,
    pairs,
    word_lines,
)
from netlists.formats.textfile import MAX_QUOTED, file_error, hint, number, unexpected, whole
from netlists.netlist import ORIENTATIONS, Bools, Floats, Ints, Rows, freeze

MOVABLE = 0  # role of a node in a `.nodes` file without a keyword
TERMINAL = 1  # role of a `terminal`, a fixed node
TERMINAL_NI = 2  # role of a `terminal_NI`, a fixed node that others may be placed on

_DIRECTIONS = frozenset("IOBiob")
_ROLE = {"terminal": TERMINAL, "terminal_ni": TERMINAL_NI}
_CODE = {name: code for code, name in enumerate(ORIENTATIONS)}
_BLANK_IN_TAG = re.compile(r"/\s+")
_TAGS = {"FIXED": (True, False), "FIXED_NI": (True, True), "PLACED": (False, False), "UNPLACED": (False, False)}
"""Whether a tag fixes a node, and whether others may then be placed on the node."""
_PAIR = re.compile(r"(\w+)\s*:\s*(\S+)")
_LENGTHS = ("coordinate", "height", "sitewidth", "sitespacing", "subroworigin")


@dataclass(frozen=True, eq=False)
class Nodes:
    """A `.nodes` file."""

    path: Path
    index: dict[str, int]  # index of each of the V names
    size: Floats  # [V, 2] width and height in units of the file
    role: npt.NDArray[np.int8]  # [V] MOVABLE, TERMINAL or TERMINAL_NI
    line: Ints  # [V] line number


@dataclass(frozen=True, eq=False)
class Nets:
    """A `.nets` file; the driver of a net (its first output, else its first pin) has been moved to the front."""

    path: Path
    start: Ints  # [N+1] net n has the pins start[n]:start[n+1]
    node: Ints  # [P] the node of each pin
    offset: Floats  # [P, 2] from the center of the node, in units of the file
    names: tuple[str, ...]  # [N], or empty if no net has a name


@dataclass(frozen=True, eq=False)
class Places:
    """A `.pl` file of K lines."""

    path: Path
    node: Ints  # [K] the node of each line
    corner: Floats  # [K, 2] lower left, in units of the file
    orientation: npt.NDArray[np.int8]  # [K] index into ORIENTATIONS
    fixed: Bools  # [K] whether tagged /FIXED or /FIXED_NI
    fixed_ni: Bools  # [K] whether tagged /FIXED_NI
    line: Ints  # [K] line number


def parse_nodes(path: Path, text: str, notes: list[str]) -> Nodes:
    """Parse a `.nodes` file of lines `NAME WIDTH HEIGHT [terminal|terminal_NI]`; raises `NetlistError`."""
    index: dict[str, int] = {}
    width: list[float] = []
    height: list[float] = []
    role: list[int] = []
    lines: list[int] = []
    declared: dict[str, tuple[int, int]] = {}
    line = 1
    try:
        for line, fields in word_lines(text):
            name = fields[0]
            if name[:3].lower() == "num" and (count := declaration(path, line, fields, "numnodes", "numterminals")):
                declared[count[0]] = line, count[1]
                continue
            kind = _ROLE.get(fields[3].lower()) if len(fields) == 4 else MOVABLE
            if len(fields) not in (3, 4) or kind is None:
                raise unexpected(path, line, " ".join(fields), "'NAME WIDTH HEIGHT [terminal]'")
            if name in index:
                raise file_error(path, line, f"node {name!r} is defined a second time, expected every name once")
            index[name] = len(lines)
            width.append(float(fields[1]))
            height.append(float(fields[2]))
            role.append(kind)
            lines.append(line)
    except ValueError:
        raise file_error(path, line, f"found {fields[1]!r} and {fields[2]!r}, expected a width and a height") from None
    size = pairs(width, height)
    check_numbers(path, size, lines)
    negative = np.flatnonzero((size < 0).any(axis=1))
    if negative.size:
        w, h = size[negative[0]]
        raise file_error(path, lines[negative[0]], f"size is {w:g} by {h:g}, expected two numbers of at least 0")
    terminals = len(lines) - role.count(MOVABLE)
    compare_count(path, declared, "NumNodes", (len(lines),), notes)
    compare_count(path, declared, "NumTerminals", (terminals, role.count(TERMINAL)), notes)
    return Nodes(path, index, size, np.array(role, dtype=np.int8), freeze(np.array(lines, dtype=np.int64)))


def parse_nets(path: Path, text: str, index: dict[str, int], notes: list[str]) -> Nets:
    """Parse a `.nets` file: `NetDegree : D [NAME]`, then lines `NODE [I|O|B] [: X Y]` up to the next net.

    There should be D of these lines for each net; if not, those that are there are used.  Raises `NetlistError`.
    """
    start, names = [0], list[str]()
    node: list[int] = []
    x: list[float] = []
    y: list[float] = []
    lines: list[int] = []
    headers: list[tuple[int, int]] = []  # line and NetDegree of each net
    declared: dict[str, tuple[int, int]] = {}
    driver = -1
    for line, fields in word_lines(text):
        v = index.get(fields[0]) if headers else None
        if v is not None:
            direction, dx, dy = _pin(path, line, fields)
            node.append(v)
            x.append(dx)
            y.append(dy)
            lines.append(line)
            if direction == "O" and driver < 0:
                driver = len(node) - 1
            continue
        count = declaration(path, line, fields, "netdegree", "numnets", "numpins")
        if count is None:
            raise _pin_error(path, line, fields, index, bool(headers))
        if count[0] != "netdegree":
            declared[count[0]] = line, count[1]
            continue
        if headers:
            _move_driver_first((node, x, y, lines), driver, start[-1])
            start.append(len(node))
        driver = -1
        headers.append((line, count[1]))
        name = " ".join(fields).partition(":")[2].split()[1:]
        names.append(name[0] if name else "")
    if headers:
        _move_driver_first((node, x, y, lines), driver, start[-1])
        start.append(len(node))
    _compare_degrees(path, headers, np.diff(start), notes)
    compare_count(path, declared, "NumNets", (len(names),), notes)
    compare_count(path, declared, "NumPins", (len(node),), notes)
    offset = pairs(x, y)
    check_numbers(path, offset, lines)
    if any(names):
        names = [name or f"net{k}" for k, name in enumerate(names)]
    return Nets(path, np.array(start), np.array(node, dtype=np.int64), offset, tuple(names) if any(names) else ())


def _move_driver_first(columns: tuple[list[Any], ...], driver: int, first: int) -> None:
    """Move the driver of a net to the front of its pins, in each column."""
    if driver > first:
        for values in columns:
            values.insert(first, values.pop(driver))


def _compare_degrees(path: Path, headers: list[tuple[int, int]], pins: Ints, notes: list[str]) -> None:
    """Add a note if the numbers of pins [N] of the nets differ from their NetDegrees."""
    wrong = [k for k, (_, degree) in enumerate(headers) if degree != pins[k]]
    if wrong:
        line, degree = headers[wrong[0]]
        more = f" (and so on for {len(wrong) - 1} more nets)" if len(wrong) > 1 else ""
        message = f"NetDegree is {degree}, but {pins[wrong[0]]} pins follow{more}; the pins that follow are used"
        notes.append(at(path.name, line, message))


def _pin(path: Path, line: int, fields: list[str]) -> tuple[str, float, float]:
    """Direction and offset of a pin."""
    try:
        if len(fields) == 5 and fields[2] == ":" and fields[1] in _DIRECTIONS:
            return fields[1].upper(), float(fields[3]), float(fields[4])
        rest = " ".join(fields[1:]).replace(":", " ").split()
        direction = rest.pop(0).upper() if rest and rest[0] in _DIRECTIONS else ""
        if len(rest) in (0, 2, 4, 5):  # some files have the size and the name of the pin after the offset
            dx, dy = (float(number) for number in rest[:2] or ("0", "0"))
            return direction, dx, dy
    except ValueError:
        pass
    raise unexpected(path, line, " ".join(fields), "'NODE [I|O|B] [: X Y]'")


def _pin_error(path: Path, line: int, fields: list[str], index: dict[str, int], in_net: bool) -> NetlistError:
    """The error for a line that is neither a pin nor a declaration."""
    if not in_net:
        return unexpected(path, line, " ".join(fields), "'NetDegree : D'")
    return _unknown_node(path, line, fields[0], index)


def _unknown_node(path: Path, line: int, name: str, index: dict[str, int]) -> NetlistError:
    """The error for a name that is not in `.nodes`."""
    return file_error(path, line, f"unknown node {name!r}, expected a node of .nodes{hint(name, list(index))}")


def parse_pl(path: Path, text: str, index: dict[str, int], notes: list[str]) -> Places:
    """Parse a `.pl` file of lines `NAME X Y [: ORIENTATION] [/FIXED|/FIXED_NI|/PLACED|/UNPLACED]`.

    A note is added on other tags, which have no effect.  Raises `NetlistError`.
    """
    nodes: dict[int, None] = {}
    x: list[float] = []
    y: list[float] = []
    attributes: list[tuple[int, bool, bool, str]] = []
    lines: list[int] = []
    known: dict[str, tuple[int, bool, bool, str]] = {}
    line = 1
    try:
        for line, fields in word_lines(text):
            v = index.get(fields[0])
            if v is None:
                raise _unknown_node(path, line, fields[0], index)
            if v in nodes:
                raise file_error(path, line, f"node {fields[0]!r} is placed a second time, expected every name once")
            if len(fields) < 3:
                raise unexpected(path, line, " ".join(fields), "'NAME X Y [: ORIENTATION]'")
            nodes[v] = None
            x.append(float(fields[1]))
            y.append(float(fields[2].rstrip(":")))
            rest = " ".join(fields[3:])
            if rest not in known:
                known[rest] = _place_attributes(path, line, rest)
            attributes.append(known[rest])
            lines.append(line)
    except ValueError:
        raise file_error(path, line, f"found {fields[1]!r} and {fields[2]!r}, expected two coordinates") from None
    corner = pairs(x, y)
    check_numbers(path, corner, lines)
    for tag, count in Counter(tag for _, _, _, tag in attributes if tag).items():
        notes.append(f"{path.name}: the tag {tag} of {count} nodes is not known, and has no effect")
    orientation, fixed, fixed_ni = np.array([each[:3] for each in attributes], dtype=np.int8).reshape(-1, 3).T
    return Places(
        path, np.fromiter(nodes, dtype=np.int64, count=len(nodes)), corner, orientation.copy(), fixed.astype(bool),
        fixed_ni.astype(bool), np.array(lines, dtype=np.int64),
    )  # fmt: skip


def _place_attributes(path: Path, line: int, rest: str) -> tuple[int, bool, bool, str]:
    """Orientation, whether fixed, whether others may be placed on the node, and an unknown tag, from a line's end."""
    orientation, fixed, fixed_ni, unknown = 0, False, False, ""
    for word in _BLANK_IN_TAG.sub("/", rest.replace(":", " ")).replace("/", " /").split():
        upper = word.upper()
        if upper in _CODE:
            orientation = _CODE[upper]
        elif upper.lstrip("/") in _TAGS:
            this_fixed, this_ni = _TAGS[upper.lstrip("/")]
            fixed, fixed_ni = fixed or this_fixed, fixed_ni or this_ni
        elif upper.startswith("/"):
            unknown = word[:MAX_QUOTED]
        else:
            raise unexpected(path, line, word, f"an orientation ({', '.join(_CODE)}) or /FIXED")
    return orientation, fixed, fixed_ni, unknown


def parse_wts(path: Path, text: str) -> dict[str, float]:
    """Parse a `.wts` file of lines `NAME WEIGHT`; raises `NetlistError`.

    The last weight of a name counts.  In some files the names are those of nodes.
    """
    weights: dict[str, float] = {}
    for line, fields in word_lines(text):
        try:
            name, weight = fields
            weights[name] = number(weight)
        except ValueError:
            raise unexpected(path, line, " ".join(fields), "'NAME WEIGHT'") from None
        if weights[name] < 0:
            raise file_error(path, line, f"weight of {name!r} is {weights[name]:g}, expected at least 0")
    return weights


def parse_scl(path: Path, text: str, notes: list[str]) -> Rows:
    """Parse a `.scl` file of blocks from `CoreRow Horizontal` to `End`; each subrow becomes a row, in file units.

    A note is added on what could be repaired: counts that do not agree, sites without a width, subrows without sites.
    Raises `NetlistError`.
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
                raise unexpected(path, line, " ".join(fields), "End" if start else "a horizontal row")
            start, block, subrows = line, {}, []
            blocks += 1
        elif first == "end" and start:
            if not subrows or block.keys() & {"subroworigin", "numsites"}:
                raise file_error(path, line, f"row of line {start} without sites, expected SubrowOrigin and NumSites")
            zero += not block.get("sitespacing", block.get("sitewidth", 1.0))
            rows += _rows_of(path, line, block, subrows)
            start = 0
        elif start:
            for key, value in _PAIR.findall(" ".join(fields)):
                _row_field(path, line, block, subrows, key.lower(), value)
        elif count := declaration(path, line, fields, "numrows"):
            declared[count[0]] = line, count[1]
        else:
            raise unexpected(path, line, " ".join(fields), "NumRows or CoreRow Horizontal")
    if start:
        raise file_error(path, start, "unfinished CoreRow, expected End")
    compare_count(path, declared, "NumRows", (blocks, len(rows)), notes)
    if zero:
        notes.append(f"{path.name}: Sitespacing is 0 in {zero} of {blocks} rows; Sitewidth is used or, if that is 0, 1")
    return _rows_with_sites(path, rows, notes)


def _rows_with_sites(path: Path, rows: list[tuple[float, float, float, float, int]], notes: list[str]) -> Rows:
    """The rows that have sites."""
    usable = [row for row in rows if row[4]]
    if not usable:
        problem = f"all {len(rows)} rows have 0 sites" if rows else "no rows"
        raise file_error(path, 1, f"{problem}, expected at least one CoreRow with NumSites")
    if len(usable) < len(rows):
        notes.append(f"{path.name}: {len(rows) - len(usable)} of {len(rows)} rows have 0 sites and are left out")
    x, y, height, site, sites = np.array(usable, dtype=np.float64).T
    return Rows(x.copy(), y.copy(), height.copy(), site.copy(), sites.astype(np.int64))


def _rows_of(
    path: Path, line: int, block: dict[str, float], subrows: list[tuple[float, int]]
) -> list[tuple[float, float, float, float, int]]:
    """The subrows of a block that ends on this line: x, y, height, distance between sites, number of sites."""
    missing = next((key for key in ("coordinate", "height") if key not in block), None)
    if missing:
        raise file_error(path, line, f"End of a row without {missing.capitalize()}, expected it before")
    spacing = block.get("sitespacing") or block.get("sitewidth") or 1.0
    return [(x, block["coordinate"], block["height"], spacing, sites) for x, sites in subrows]


def _row_field(
    path: Path, line: int, block: dict[str, float], subrows: list[tuple[float, int]], key: str, value: str
) -> None:
    """Store one field of a row; the number of sites completes a subrow."""
    try:
        if key in _LENGTHS:
            block[key] = number(value)
        if key == "height" and block[key] <= 0:
            raise file_error(path, line, f"{key} is {value}, expected more than 0")
        if key in ("sitewidth", "sitespacing") and block[key] < 0:
            raise file_error(path, line, f"{key} is {value}, expected at least 0")
        if key == "numsites":
            block[key] = whole(value.removesuffix(".0"), 0, MAX_COUNT)
        if "numsites" in block and "subroworigin" in block:
            subrows.append((block.pop("subroworigin"), int(block.pop("numsites"))))
    except ValueError as error:
        raise file_error(path, line, f"{key}: {error}") from None
