"""The files of a Bookshelf design (`.nodes .nets .pl .wts`), each parsed to a plain record.

What can be understood in spite of itself (a count that does not agree, an unknown tag) goes to `notes`, a line each.

Format: http://vlsicad.eecs.umich.edu/BK/ISPD06bench/BookshelfFormat.txt and the dialects of the ISPD-2002, ICCAD-04 and
ISPD-2005/2006/2011 benchmarks and of DREAMPlace (grammar of Limbo).  Keywords may be in any case, `#` starts a comment,
blanks around `:` are optional.  All functions raise `NetlistError` naming file and line.
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
from netlists.formats.bookshelf.lines import check_numbers, compare_count, declaration, pairs, word_lines
from netlists.formats.textfile import bad, hint, number
from netlists.netlist import ORIENTATIONS, Bools, Floats, Ints, frozen

MOVABLE, TERMINAL, TERMINAL_NI = 0, 1, 2
_DIRECTIONS = frozenset("IOBiob")
_ROLE = {"terminal": TERMINAL, "terminal_ni": TERMINAL_NI}
_CODE = {name: code for code, name in enumerate(ORIENTATIONS)}
_BLANK_IN_TAG = re.compile(r"/\s+")
_TAGS = {"FIXED": (True, False), "FIXED_NI": (True, True), "PLACED": (False, False), "UNPLACED": (False, False)}
"""Whether a tag fixes a node, and whether the node then takes no room (others may lie on it)."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """A `.nodes` file."""

    path: Path
    index: dict[str, int]  # of each of the V names
    size: Floats  # [V, 2]
    role: npt.NDArray[np.int8]  # [V] MOVABLE, TERMINAL or TERMINAL_NI
    line: Ints  # [V]


@dataclass(frozen=True, eq=False)
class Nets:
    """A `.nets` file; the driver of a net (its first output, else its first pin) has been moved to the front."""

    path: Path
    start: Ints  # [N+1]
    node: Ints  # [P]
    offset: Floats  # [P, 2] from the center of the node
    names: tuple[str, ...]  # [N], or empty where none has a name


@dataclass(frozen=True, eq=False)
class Places:
    """A `.pl` file of K lines."""

    path: Path
    node: Ints  # [K]
    corner: Floats  # [K, 2] lower left
    orientation: npt.NDArray[np.int8]  # [K]
    fixed: Bools  # [K] /FIXED or /FIXED_NI
    fixed_ni: Bools  # [K]
    line: Ints  # [K]


def parse_nodes(path: Path, text: str, notes: list[str]) -> Nodes:
    """`NAME WIDTH HEIGHT [terminal|terminal_NI]`."""
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
            if name[:3].lower() == "num" and (found := declaration(path, line, fields, "numnodes", "numterminals")):
                declared[found[0]] = line, found[1]
                continue
            kind = _ROLE.get(fields[3].lower()) if len(fields) == 4 else MOVABLE
            if len(fields) not in (3, 4) or kind is None:
                raise bad(path, line, f"found {' '.join(fields)[:60]!r}, expected 'NAME WIDTH HEIGHT [terminal]'")
            if name in index:
                raise bad(path, line, f"node {name!r} is defined a second time, expected every name once")
            index[name] = len(lines)
            width.append(float(fields[1]))
            height.append(float(fields[2]))
            role.append(kind)
            lines.append(line)
    except ValueError:
        raise bad(path, line, f"found {fields[1]!r} and {fields[2]!r}, expected a width and a height") from None
    size = pairs(width, height)
    check_numbers(path, size, lines)
    negative = np.flatnonzero((size < 0).any(axis=1))
    if negative.size:
        w, h = size[negative[0]]
        raise bad(path, lines[negative[0]], f"size is {w:g} by {h:g}, expected two numbers of at least 0")
    terminals = len(lines) - role.count(MOVABLE)
    compare_count(path, declared, "NumNodes", (len(lines),), notes)
    compare_count(path, declared, "NumTerminals", (terminals, role.count(TERMINAL)), notes)
    return Nodes(path, index, size, np.array(role, dtype=np.int8), frozen(np.array(lines, dtype=np.int64)))


def parse_nets(path: Path, text: str, index: dict[str, int], notes: list[str]) -> Nets:
    """`NetDegree : D [NAME]`, then lines `NODE [I|O|B] [: X Y]` up to the next net, D of them by right."""
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
        found = declaration(path, line, fields, "netdegree", "numnets", "numpins")
        if found is None:
            raise _no_pin(path, line, fields, index, bool(headers))
        if found[0] != "netdegree":
            declared[found[0]] = line, found[1]
            continue
        if headers:
            _drive((node, x, y, lines), driver, start[-1])
            start.append(len(node))
        driver = -1
        headers.append((line, found[1]))
        name = " ".join(fields).partition(":")[2].split()[1:]
        names.append(name[0] if name else "")
    if headers:
        _drive((node, x, y, lines), driver, start[-1])
        start.append(len(node))
    _compare_degrees(path, headers, np.diff(start), notes)
    compare_count(path, declared, "NumNets", (len(names),), notes)
    compare_count(path, declared, "NumPins", (len(node),), notes)
    offset = pairs(x, y)
    check_numbers(path, offset, lines)
    if any(names):
        names = [name or f"net{k}" for k, name in enumerate(names)]
    return Nets(path, np.array(start), np.array(node, dtype=np.int64), offset, tuple(names) if any(names) else ())


def _drive(columns: tuple[list[Any], ...], driver: int, first: int) -> None:
    """Move the driver of a net to the front of its pins, in each column."""
    if driver > first:
        for values in columns:
            values.insert(first, values.pop(driver))


def _compare_degrees(path: Path, headers: list[tuple[int, int]], found: Ints, notes: list[str]) -> None:
    """Note the nets that have another number of pins than their NetDegree."""
    wrong = [k for k, (_, degree) in enumerate(headers) if degree != found[k]]
    if wrong:
        line, degree = headers[wrong[0]]
        more = f" (and so on for {len(wrong) - 1} more nets)" if len(wrong) > 1 else ""
        message = f"NetDegree is {degree}, but {found[wrong[0]]} pins follow{more}; the pins that follow are used"
        notes.append(at(path.name, line, message))


def _pin(path: Path, line: int, fields: list[str]) -> tuple[str, float, float]:
    """Direction and offset of a pin."""
    try:
        if len(fields) == 5 and fields[2] == ":" and fields[1] in _DIRECTIONS:
            return fields[1].upper(), float(fields[3]), float(fields[4])
        rest = " ".join(fields[1:]).replace(":", " ").split()
        direction = rest.pop(0).upper() if rest and rest[0] in _DIRECTIONS else ""
        if len(rest) in (0, 2, 4, 5):  # some have the size of the pin, and its name, after the offset
            dx, dy = (float(number) for number in rest[:2] or ("0", "0"))
            return direction, dx, dy
    except ValueError:
        pass
    raise bad(path, line, f"found {' '.join(fields)[:60]!r}, expected 'NODE [I|O|B] [: X Y]'")


def _no_pin(path: Path, line: int, fields: list[str], index: dict[str, int], in_net: bool) -> NetlistError:
    """The error for a line that is neither a pin nor a declaration."""
    if not in_net:
        return bad(path, line, f"found {' '.join(fields)[:60]!r}, expected 'NetDegree : D'")
    return bad(path, line, f"unknown node {fields[0]!r}, expected a node of .nodes{hint(fields[0], list(index))}")


def parse_pl(path: Path, text: str, index: dict[str, int], notes: list[str]) -> Places:
    """`NAME X Y [: ORIENTATION] [/FIXED|/FIXED_NI|/PLACED|/UNPLACED]`; other tags are noted and mean nothing."""
    nodes: dict[int, None] = {}
    x: list[float] = []
    y: list[float] = []
    how: list[tuple[int, bool, bool, str]] = []
    lines: list[int] = []
    known: dict[str, tuple[int, bool, bool, str]] = {}
    line = 1
    try:
        for line, fields in word_lines(text):
            v = index.get(fields[0])
            if v is None:
                raise bad(
                    path, line, f"unknown node {fields[0]!r}, expected a node of .nodes{hint(fields[0], list(index))}"
                )
            if v in nodes:
                raise bad(path, line, f"node {fields[0]!r} is placed a second time, expected every name once")
            if len(fields) < 3:
                raise bad(path, line, f"found {' '.join(fields)[:60]!r}, expected 'NAME X Y [: ORIENTATION]'")
            nodes[v] = None
            x.append(float(fields[1]))
            y.append(float(fields[2].rstrip(":")))
            rest = " ".join(fields[3:])
            if rest not in known:
                known[rest] = _how_placed(path, line, rest)
            how.append(known[rest])
            lines.append(line)
    except ValueError:
        raise bad(path, line, f"found {fields[1]!r} and {fields[2]!r}, expected two coordinates") from None
    corner = pairs(x, y)
    check_numbers(path, corner, lines)
    for tag, count in Counter(tag for _, _, _, tag in how if tag).items():
        notes.append(f"{path.name}: the tag {tag} of {count} nodes is not known, and has no effect")
    orientation, fixed, fixed_ni = np.array([each[:3] for each in how], dtype=np.int8).reshape(-1, 3).T
    return Places(
        path, np.fromiter(nodes, dtype=np.int64, count=len(nodes)), corner, orientation.copy(), fixed.astype(bool),
        fixed_ni.astype(bool), np.array(lines, dtype=np.int64),
    )  # fmt: skip


def _how_placed(path: Path, line: int, rest: str) -> tuple[int, bool, bool, str]:
    """Orientation, whether fixed, whether as an image without extent, and an unknown tag, from the end of a line."""
    orientation, fixed, fixed_ni, unknown = 0, False, False, ""
    for word in _BLANK_IN_TAG.sub("/", rest.replace(":", " ")).replace("/", " /").split():
        upper = word.upper()
        if upper in _CODE:
            orientation = _CODE[upper]
        elif upper.lstrip("/") in _TAGS:
            this_fixed, this_ni = _TAGS[upper.lstrip("/")]
            fixed, fixed_ni = fixed or this_fixed, fixed_ni or this_ni
        elif upper.startswith("/"):
            unknown = word[:40]
        else:
            raise bad(path, line, f"found {word[:40]!r}, expected an orientation ({', '.join(_CODE)}) or /FIXED")
    return orientation, fixed, fixed_ni, unknown


def parse_wts(path: Path, text: str) -> dict[str, float]:
    """`NAME WEIGHT`, the last one of a name counts; in some files the names are those of nodes."""
    weights: dict[str, float] = {}
    for line, fields in word_lines(text):
        try:
            name, weight = fields
            weights[name] = number(weight)
        except ValueError:
            raise bad(path, line, f"found {' '.join(fields)[:60]!r}, expected 'NAME WEIGHT'") from None
        if weights[name] < 0:
            raise bad(path, line, f"weight of {name!r} is {weights[name]:g}, expected at least 0")
    return weights
