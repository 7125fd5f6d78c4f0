"""The `#` lines of Circuit Training's files: canvas, grid, routing, blockages, counts of nodes.

A `.plc` has them on any line, a netlist before its first node.

    # FP bbox: {0.0 0.0} {1599.99 1600.06}
    # Columns : 24  Rows : 21
    # Width : 1433.406  Height : 1433.406
    # Blockage : 0.0 100.0 3000.0 300.0 1.0
    # HARD_MACROs     :       133

`FP bbox` (lower-left and upper-right corner) is what place-and-route tools write at the top of a flat netlist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from netlists.constraints import Blockage, Constraints
from netlists.errors import NetlistError
from netlists.formats.textfile import file_error, number, whole
from netlists.netlist import Ints, Kind, Routing

T = TypeVar("T")

MAX_GRID = 10_000
"""More columns or rows than this are a mistake in the file."""

CANVAS_LINE = "# Width : W  Height : H"
"""The form of the line with the canvas, for messages."""

BOX_LINE = "# FP bbox: {X Y} {X Y}"
"""The form of the line with the canvas of a flat netlist, for messages."""

BLOCKAGE_LINE = "# Blockage : X Y X Y RATE"
"""The form of the line of a blockage, for messages."""

GRID_LINE = "# Columns : C  Rows : R"
"""The form of the line with the grid, for messages."""

COUNTS = (
    "HARD_MACROs", "HARD_MACRO_PINs", "MACROs", "MACRO_PINs", "PORTs", "SOFT_MACROs", "SOFT_MACRO_PINs", "STDCELLs",
)  # fmt: skip
"""The counts of a `.plc`, in the order of its lines."""

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
_BLOCKAGE = re.compile(r"#\s*Blockage\s*:(.*)")


class Field(NamedTuple):
    """The values of a line of a header as text, and their position in the file."""

    path: Path
    line: int
    values: tuple[str, ...]

    def convert(self, convert_one: Callable[[str], T]) -> list[T]:
        """The converted values; raises `NetlistError` naming file and line on a `ValueError` of `convert_one`."""
        try:
            return [convert_one(value) for value in self.values]
        except ValueError as error:
            raise file_error(self.path, self.line, str(error)) from None


class Box(NamedTuple):
    """The canvas in the coordinates of a file, in µm."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Header:
    """The `#` lines of a file; if a field occurs twice, the first one counts."""

    path: Path
    fields: dict[str, Field]
    counts: dict[str, int]  # those of COUNTS that the file has
    blockages: tuple[Field, ...]  # the blockages, not read yet

    def over(self, other: Header) -> Header:
        """This header, with the fields of the other one that it lacks."""
        return Header(self.path, {**other.fields, **self.fields}, self.counts, self.blockages + other.blockages)

    def box(self) -> Box | None:
        """The canvas, or None if the file has none; raises `NetlistError` for one without an area."""
        if "canvas" in self.fields:
            field = self.fields["canvas"]
            x, y, (width, height) = 0.0, 0.0, field.convert(number)
        elif "box" in self.fields:
            field = self.fields["box"]
            corners = re.findall(r"[^\s{},()]+", field.values[0])
            if len(corners) != 4:
                raise file_error(field.path, field.line, f"FP bbox has {len(corners)} numbers, expected '{BOX_LINE}'")
            x, y, right, top = Field(field.path, field.line, tuple(corners)).convert(number)
            width, height = right - x, top - y
        else:
            return None
        if width <= 0 or height <= 0:
            raise file_error(field.path, field.line, f"canvas is {width:g} by {height:g}, expected more than 0")
        return Box(x, y, width, height)

    def grid(self, name: str = "grid") -> tuple[int, int] | None:
        """Rows and columns of the grid (or of `congestion_grid`), or None if the file has none.

        Raises `NetlistError` for numbers that are not those of a grid.
        """
        if name not in self.fields:
            return None
        columns, rows = self.fields[name].convert(lambda token: whole(token, 1, MAX_GRID))
        return rows, columns

    def constraints(self, origin_um: tuple[float, float]) -> Constraints | None:
        """The blockages, on a canvas whose lower-left corner is at `origin_um` in the file; None without any.

        A rate of 1 or more, of the area that is blocked, makes a hard blockage, a lower one a partial one.  Raises
        `NetlistError` naming file and line for one that is not a box and a rate.
        """
        blockages = []
        for field in self.blockages:
            values = field.convert(number)
            if len(values) not in (4, 5):
                raise file_error(
                    field.path, field.line, f"blockage has {len(values)} numbers, expected '{BLOCKAGE_LINE}'"
                )
            low_x, low_y, high_x, high_y = (v - origin_um[i % 2] for i, v in enumerate(values[:4]))
            kind = "hard" if not values[4:] or values[4] >= 1 else "partial"
            try:
                blockages.append(Constraints(blockages=(Blockage((low_x, low_y, high_x, high_y), kind),)).blockages[0])
            except NetlistError as error:
                raise file_error(field.path, field.line, str(error)) from None
        return Constraints(blockages=tuple(blockages)) if blockages else None

    def routing(self) -> Routing:
        """Routing capacity; fields that the file lacks have the values of Circuit Training's own files.

        Raises `NetlistError` naming file and line for a capacity out of range.
        """
        routing = Routing()
        for name, keys in _ROUTING.items():
            if name in self.fields:
                field = self.fields[name]
                values: dict[str, Any] = dict(zip(keys, field.convert(number), strict=True))
                try:
                    routing = replace(routing, **values)
                except NetlistError as error:
                    raise file_error(field.path, field.line, str(error)) from None
        return replace(routing, smoothing=int(routing.smoothing))


def read_header(path: Path, comments: Iterable[tuple[int, str]]) -> Header:
    """The header from the `#` lines of a file, each with its line number."""
    fields: dict[str, Field] = {}
    counts: dict[str, int] = {}
    blockages: list[Field] = []
    for line, comment in comments:
        text = comment.strip()
        if blockage := _BLOCKAGE.match(text):
            blockages.append(Field(path, line, tuple(blockage[1].split())))
        if count := _COUNT.match(text):
            counts.setdefault(count[1], int(count[2]))
        for name, pattern in _FIELDS.items():
            if match := pattern.match(text):
                fields.setdefault(name, Field(path, line, match.groups()))
    return Header(path, fields, counts, tuple(blockages))


def node_counts(nodes: Ints, pins: Ints) -> dict[str, int]:
    """The `COUNTS` of a netlist, given the numbers of nodes [4] of each `Kind` and of pins [4] on them."""
    hard, soft = Kind.HARD, Kind.SOFT
    counts = (
        nodes[hard], pins[hard], nodes[hard] + nodes[soft], pins.sum(), nodes[Kind.PORT], nodes[soft], pins[soft],
        nodes[Kind.CELL],
    )  # fmt: skip
    return dict(zip(COUNTS, map(int, counts), strict=True))
