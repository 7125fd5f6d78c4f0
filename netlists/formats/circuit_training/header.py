"""What the `#` lines of Circuit Training's files say: canvas, grid, routing, blockages, counts of nodes.

A `.plc` has them anywhere, a netlist before its first node.

    # FP bbox: {0.0 0.0} {1599.99 1600.06}
    # Columns : 24  Rows : 21
    # Width : 1433.406  Height : 1433.406
    # Blockage : 0.0 100.0 3000.0 300.0 1.0
    # HARD_MACROs     :       133

`FP bbox` (lower-left and upper-right corner) is what place-and-route tools write at the head of a flat netlist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from netlists.errors import NetlistError
from netlists.formats.textfile import bad, number, whole
from netlists.netlist import Ints, Kind, Routing

T = TypeVar("T")

MAX_GRID = 10_000
"""More columns or rows than this are a mistake in the file."""

CANVAS, BOX, GRID = "# Width : W  Height : H", "# FP bbox: {X Y} {X Y}", "# Columns : C  Rows : R"
"""The lines that say them, for complaints."""

COUNTS = ("HARD_MACROs", "HARD_MACRO_PINs", "MACROs", "MACRO_PINs", "PORTs", "SOFT_MACROs", "SOFT_MACRO_PINs",
          "STDCELLs")  # fmt: skip
"""What a `.plc` counts, in the order of its lines."""

_FIELDS = {
    "canvas": re.compile(r"#\s*Width\s*:\s*(\S+)\s+Height\s*:\s*(\S+)"),
    "box": re.compile(r"#\s*FP bbox\s*:(.*)"),
    "grid": re.compile(r"#\s*Columns\s*:\s*(\S+)\s+Rows\s*:\s*(\S+)"),
    "congestion_grid": re.compile(r"#\s*Congestion Columns\s*:\s*(\S+)\s+Congestion Rows\s*:\s*(\S+)"),
    "routes": re.compile(r"#\s*Routes per micron,\s*hor\s*:\s*(\S+)\s+ver\s*:\s*(\S+)"),
    "macro_routes": re.compile(r"#\s*Routes used by macros,\s*hor\s*:\s*(\S+)\s+ver\s*:\s*(\S+)"),
    "smoothing": re.compile(r"#\s*Smoothing factor\s*:\s*(\S+)"),
}
_ROUTING = {
    "routes": ("horizontal_per_um", "vertical_per_um"),
    "macro_routes": ("macro_horizontal_per_um", "macro_vertical_per_um"),
    "smoothing": ("smoothing",),
}
_COUNT = re.compile(rf"#\s*({'|'.join(COUNTS)})\s*:\s*(\d{{1,15}})\s*$")
_BLOCKAGE = re.compile(r"#\s*Blockage\s*:")


class Field(NamedTuple):
    """The values of a line of a header, as text, and where they stand."""

    path: Path
    line: int
    values: tuple[str, ...]

    def converted(self, convert: Callable[[str], T]) -> list[T]:
        """The values; a `ValueError` of `convert` becomes a `NetlistError` naming file and line."""
        try:
            return [convert(value) for value in self.values]
        except ValueError as error:
            raise bad(self.path, self.line, str(error)) from None


class Box(NamedTuple):
    """The canvas in the coordinates of a file, in µm."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Header:
    """The `#` lines of a file; of a field that comes twice, the first."""

    path: Path
    fields: dict[str, Field]
    counts: dict[str, int]  # of COUNTS, those that the file has
    blockages: int

    def over(self, other: Header) -> Header:
        """This header, with the fields of the other where it has none of its own."""
        return Header(self.path, {**other.fields, **self.fields}, self.counts, self.blockages)

    def box(self) -> Box | None:
        """The canvas, or None where there is none; raises `NetlistError` for one without an area."""
        if "canvas" in self.fields:
            field = self.fields["canvas"]
            x, y, (width, height) = 0.0, 0.0, field.converted(number)
        elif "box" in self.fields:
            field = self.fields["box"]
            corners = re.findall(r"[^\s{},()]+", field.values[0])
            if len(corners) != 4:
                raise bad(field.path, field.line, f"FP bbox has {len(corners)} numbers, expected '{BOX}'")
            x, y, right, top = Field(field.path, field.line, tuple(corners)).converted(number)
            width, height = right - x, top - y
        else:
            return None
        if width <= 0 or height <= 0:
            raise bad(field.path, field.line, f"canvas is {width:g} by {height:g}, expected more than 0")
        return Box(x, y, width, height)

    def grid(self, name: str = "grid") -> tuple[int, int] | None:
        """Rows and columns of the grid (or of `congestion_grid`), or None; raises `NetlistError` for no grid."""
        if name not in self.fields:
            return None
        columns, rows = self.fields[name].converted(lambda token: whole(token, 1, MAX_GRID))
        return rows, columns

    def routing(self) -> Routing:
        """Routing capacity; fields that the file lacks are those of Circuit Training's own files."""
        routing = Routing()
        for name, keys in _ROUTING.items():
            if name in self.fields:
                field = self.fields[name]
                values: dict[str, Any] = dict(zip(keys, field.converted(number), strict=True))
                try:
                    routing = replace(routing, **values)
                except NetlistError as error:
                    raise bad(field.path, field.line, str(error)) from None
        return replace(routing, smoothing=int(routing.smoothing))


def read_header(path: Path, comments: Iterable[tuple[int, str]]) -> Header:
    """The header from the `#` lines of a file, each with its number."""
    fields: dict[str, Field] = {}
    counts: dict[str, int] = {}
    blockages = 0
    for line, comment in comments:
        text = comment.strip()
        blockages += _BLOCKAGE.match(text) is not None
        if count := _COUNT.match(text):
            counts.setdefault(count[1], int(count[2]))
        for name, pattern in _FIELDS.items():
            if match := pattern.match(text):
                fields.setdefault(name, Field(path, line, match.groups()))
    return Header(path, fields, counts, blockages)


def node_counts(nodes: Ints, pins: Ints) -> dict[str, int]:
    """The `COUNTS` of a netlist, given the number of its nodes and of the pins on them, of each `Kind`."""
    hard, soft = Kind.HARD, Kind.SOFT
    found = (nodes[hard], pins[hard], nodes[hard] + nodes[soft], pins.sum(), nodes[Kind.PORT], nodes[soft], pins[soft],
             nodes[Kind.CELL])  # fmt: skip
    return dict(zip(COUNTS, map(int, found), strict=True))
