"""The files of a Bookshelf design (`.nodes .nets .pl .wts`), each parsed to a plain record.

Format: http://vlsicad.eecs.umich.edu/BK/ISPD06bench/BookshelfFormat.txt and the dialects of the ISPD-2002, ICCAD-04 and
ISPD-2005/2006 benchmarks.  Keywords may be in any case, `#` starts a comment, blanks around `:` are optional.  All
functions raise `NetlistError` naming file and line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from netlists.bookshelf_lines import check_count, check_numbers, declaration, pairs, word_lines
from netlists.errors import NetlistError
from netlists.netlist import ORIENTATIONS, Bools, Floats, Ints, frozen
from netlists.textfile import bad, hint, number

T = TypeVar("T")

MOVABLE, TERMINAL, TERMINAL_NI = 0, 1, 2
_DIRECTIONS = frozenset("IOBiob")
_ROLE = {"terminal": TERMINAL, "terminal_ni": TERMINAL_NI}
_CODE = {name: code for code, name in enumerate(ORIENTATIONS)}


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


def parse_nodes(path: Path, text: str) -> Nodes:
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
    check_count(path, declared, "NumNodes", len(lines))
    check_count(path, declared, "NumTerminals", terminals, role.count(TERMINAL))
    return Nodes(path, index, size, np.array(role, dtype=np.int8), frozen(np.array(lines, dtype=np.int64)))


def parse_nets(path: Path, text: str, index: dict[str, int]) -> Nets:
    """`NetDegree : D [NAME]`, then D times `NODE [I|O|B] [: X Y]`."""
    start, net_lines, names = [0], [0], []
    node: list[int] = []
    x: list[float] = []
    y: list[float] = []
    lines: list[int] = []
    declared: dict[str, tuple[int, int]] = {}
    left = degree = header = 0
    driver = -1
    line = 1
    for line, fields in word_lines(text):
        if left:
            v = index.get(fields[0])
            if v is None:
                raise _unknown_pin(path, line, fields, index, header, degree, left)
            direction, dx, dy = _pin(path, line, fields)
            node.append(v)
            x.append(dx)
            y.append(dy)
            lines.append(line)
            if direction == "O" and driver < 0:
                driver = len(node) - 1
            left -= 1
            if not left:
                if driver > start[-1]:
                    _move(node, driver, start[-1])
                    _move(x, driver, start[-1])
                    _move(y, driver, start[-1])
                    _move(lines, driver, start[-1])
                start.append(len(node))
            continue
        found = declaration(path, line, fields, "netdegree", "numnets", "numpins")
        if found is None:
            raise bad(path, line, f"found {' '.join(fields)[:60]!r}, expected 'NetDegree : D'")
        if found[0] != "netdegree":
            declared[found[0]] = line, found[1]
            continue
        left = degree = found[1]
        header, driver = line, -1
        name = " ".join(fields).partition(":")[2].split()[1:]
        names.append(name[0] if name else "")
        net_lines.append(line)
        if not degree:
            start.append(len(node))
    if left:
        raise bad(
            path, header, f"NetDegree is {degree}, but the file ends after {degree - left} pins, expected them all"
        )
    check_count(path, declared, "NumNets", len(names))
    check_count(path, declared, "NumPins", len(node))
    offset = pairs(x, y)
    check_numbers(path, offset, lines)
    if any(names):
        names = [name or f"net{k}" for k, name in enumerate(names)]
    return Nets(np.array(start), np.array(node, dtype=np.int64), offset, tuple(names) if any(names) else ())


def _move(values: list[T], source: int, target: int) -> None:
    values.insert(target, values.pop(source))


def _pin(path: Path, line: int, fields: list[str]) -> tuple[str, float, float]:
    """Direction and offset of a pin."""
    try:
        if len(fields) == 5 and fields[2] == ":" and fields[1] in _DIRECTIONS:
            return fields[1].upper(), float(fields[3]), float(fields[4])
        rest = " ".join(fields[1:]).replace(":", " ").split()
        direction = rest.pop(0).upper() if rest and rest[0] in _DIRECTIONS else ""
        if len(rest) in (0, 2):
            dx, dy = map(float, rest or ("0", "0"))
            return direction, dx, dy
    except ValueError:
        pass
    raise bad(path, line, f"found {' '.join(fields)[:60]!r}, expected 'NODE [I|O|B] [: X Y]'")


def _unknown_pin(
    path: Path, line: int, fields: list[str], index: dict[str, int], header: int, degree: int, left: int
) -> NetlistError:
    if declaration(path, line, fields, "netdegree"):
        message = (
            f"a new net after {degree - left} pins of the net of line {header}, expected {degree} as its NetDegree"
        )
        return bad(path, line, message)
    return bad(path, line, f"unknown node {fields[0]!r}, expected a node of .nodes{hint(fields[0], list(index))}")


def parse_pl(path: Path, text: str, index: dict[str, int]) -> Places:
    """`NAME X Y [: ORIENTATION] [/FIXED|/FIXED_NI]`."""
    nodes: dict[int, None] = {}
    x: list[float] = []
    y: list[float] = []
    how: list[tuple[int, bool, bool]] = []
    lines: list[int] = []
    known: dict[str, tuple[int, bool, bool]] = {}
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
    orientation, fixed, fixed_ni = np.array(how, dtype=np.int8).reshape(-1, 3).T
    return Places(
        path, np.fromiter(nodes, dtype=np.int64, count=len(nodes)), corner, orientation.copy(), fixed.astype(bool),
        fixed_ni.astype(bool), np.array(lines, dtype=np.int64),
    )  # fmt: skip


def _how_placed(path: Path, line: int, rest: str) -> tuple[int, bool, bool]:
    """Orientation, whether fixed and whether as an image without extent, from the end of a line."""
    orientation, fixed, fixed_ni = 0, False, False
    for word in rest.replace(":", " ").split():
        upper = word.upper()
        if upper in _CODE:
            orientation = _CODE[upper]
        elif upper in ("/FIXED", "/FIXED_NI"):
            fixed, fixed_ni = True, upper == "/FIXED_NI"
        else:
            raise bad(path, line, f"found {word[:40]!r}, expected an orientation ({', '.join(_CODE)}) or /FIXED")
    return orientation, fixed, fixed_ni


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
