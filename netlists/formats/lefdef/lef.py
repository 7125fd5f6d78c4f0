"""LEF: the sites, layers and masters (macros and standard cells) of a technology.

Source: LEF/DEF 5.8 Language Reference, chapter 1.  Read are units, manufacturing grid, sites, routing layers and macros
with pins and obstructions; vias, rules, electrical properties and extensions are skipped, as placement needs none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from netlists.formats.lefdef.words import Words, shorten
from netlists.formats.textfile import read_text
from netlists.netlist import Floats

SKIPPED_BLOCKS = ("VIA", "VIARULE", "NONDEFAULTRULE", "ARRAY", "IRDROP", "NOISETABLE", "CORRECTIONTABLE")

Shape = tuple[str, float, float, float, float]
"""Layer, low x, low y, high x, high y in µm; polygons and paths are given by their bounding boxes."""


@dataclass(frozen=True)
class Site:
    """A placement site: rows are made of such."""

    name: str
    site_class: str  # CORE or PAD
    size_um: tuple[float, float]
    symmetry: frozenset[str]  # of X, Y, R90


@dataclass(frozen=True)
class Layer:
    """A routing layer."""

    name: str
    direction: str  # HORIZONTAL, VERTICAL, ...; empty if the file does not say
    pitch_um: tuple[float, float]  # in x and y; 0 if the file does not say
    width_um: float  # default wire width; 0 if the file does not say


@dataclass(frozen=True)
class MasterPin:
    """A pin of a master."""

    name: str
    direction: str  # INPUT, OUTPUT, INOUT, FEEDTHRU; INPUT if the file does not say
    use: str  # SIGNAL, POWER, GROUND, CLOCK, ANALOG; SIGNAL if the file does not say
    shapes: tuple[Shape, ...]  # of all ports, relative to the lower-left corner of the master

    @property
    def center_um(self) -> tuple[float, float] | None:
        """The center of the bounding box of all shapes, from the lower-left corner; None without shapes."""
        if not self.shapes:
            return None
        box = bounding_box(self.shapes)
        return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2

    @property
    def drives(self) -> bool:
        """Whether the pin is an output."""
        return self.direction.startswith("OUTPUT")

    @property
    def is_supply(self) -> bool:
        """Whether the pin is for power or ground."""
        return self.use in ("POWER", "GROUND")


@dataclass(frozen=True)
class Master:
    """A macro of LEF: a block, pad or standard cell, of which components are instances."""

    name: str
    master_class: str  # BLOCK, CORE, PAD, RING, COVER, ENDCAP; CORE if the file does not say
    size_um: tuple[float, float]  # for orientation N
    symmetry: frozenset[str]  # of X, Y, R90
    site: str  # empty if the file does not say
    pins: dict[str, MasterPin]
    obstructions: tuple[Shape, ...]  # relative to the lower-left corner

    @property
    def is_macro(self) -> bool:
        """Whether it is placed as a hard macro: blocks, pads and rings are, standard cells and end caps are not."""
        return self.master_class in ("BLOCK", "PAD", "RING")

    def blocked_fraction(self, layer: str) -> float:
        """The fraction of its area that obstructions cover on a layer; overlapping ones count once."""
        boxes = np.array([shape[1:] for shape in self.obstructions if shape[0] == layer], dtype=np.float64)
        area = self.size_um[0] * self.size_um[1]
        return union_area(boxes) / area if area > 0 and len(boxes) else 0.0


@dataclass
class Library:
    """What LEF files hold, several of them together; of things defined twice the first definition counts."""

    sites: dict[str, Site] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)  # routing layers, from the lowest
    masters: dict[str, Master] = field(default_factory=dict)
    grid_um: float = 0.0  # manufacturing grid; 0 if no file has one
    repeated: int = 0  # masters, sites and layers that were defined before


def read_lef(paths: Iterable[str | Path]) -> Library:
    """Read LEF files (`.gz` too), technology before cells as all tools want it.

    Raises `NetlistError` naming file and line if one cannot be read or breaks the syntax.
    """
    library = Library()
    for path in paths:
        _Reader(Words(Path(path), read_text(Path(path))), library).read()
    return library


def bounding_box(shapes: Iterable[Shape]) -> tuple[float, float, float, float]:
    """Low x, low y, high x, high y in µm of all shapes."""
    boxes = np.array([shape[1:] for shape in shapes])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def union_area(boxes: Floats) -> float:
    """The area in µm² that rectangles [K, 4] (low x, low y, high x, high y in µm) cover together."""
    if not len(boxes):
        return 0.0
    cuts = np.unique(boxes[:, [0, 2]])
    area = 0.0
    for left, right in pairwise(cuts):
        spans = boxes[(boxes[:, 0] <= left) & (boxes[:, 2] >= right)][:, [1, 3]]
        spans = spans[np.argsort(spans[:, 0])]
        top, height = -np.inf, 0.0
        for low, high in spans:
            height += max(high - max(low, top), 0.0)
            top = max(top, high)
        area += height * (right - left)
    return float(area)


class _Reader:
    """Reads one file into a library."""

    def __init__(self, words: Words, library: Library) -> None:
        self.words, self.library = words, library

    def read(self) -> None:
        words = self.words
        while words.more:
            word = words.next("a statement")
            key = word.upper()
            if key == "END":
                words.next("LIBRARY")
                return
            if key in ("MACRO", "SITE", "LAYER"):
                {"MACRO": self._macro, "SITE": self._site, "LAYER": self._layer}[key](words.next("a name"))
            elif key in ("UNITS", "PROPERTYDEFINITIONS", "SPACING"):
                words.skip_block(word, "the block")
            elif key in SKIPPED_BLOCKS:
                words.skip_block(words.next("a name"), word)
            elif key == "BEGINEXT":
                self._skip_extension()
            elif key == "MANUFACTURINGGRID":
                (self.library.grid_um,) = words.numbers(words.statement(word), 1, word)
            elif key.isalpha():
                words.statement(word)
            else:
                raise words.bad(f"found {shorten(word)}; expected a LEF statement such as MACRO, SITE or LAYER")

    def _skip_extension(self) -> None:
        while self.words.next("`ENDEXT`") != "ENDEXT":
            pass

    def _lines(self, name: str, what: str) -> Iterable[list[str]]:
        """The statements of a block up to `END name`."""
        words = self.words
        while True:
            word = words.next(f"`END {name}`")
            if word.upper() == "END":
                words.demand_end(name, f"{what} {name}")
                return
            words.at -= 1
            yield words.statement(f"{what} {name}")

    def _site(self, name: str) -> None:
        site_class, size, symmetry = "CORE", (0.0, 0.0), frozenset[str]()
        for line in self._lines(name, "SITE"):
            key = line[0].upper() if line else ""
            if key == "CLASS":
                site_class = _second(line)
            elif key == "SIZE":
                size = self._size(line, f"site {name}")
            elif key == "SYMMETRY":
                symmetry = frozenset(word.upper() for word in line[1:])
        self._define(self.library.sites, name, Site(name, site_class, size, symmetry))

    def _size(self, line: list[str], what: str) -> tuple[float, float]:
        width, height = self.words.numbers([word for word in line[1:] if word.upper() != "BY"], 2, f"SIZE of {what}")
        if width < 0 or height < 0:
            raise self.words.bad(f"SIZE of {what} is {width:g} by {height:g}; expected numbers of at least 0")
        return width, height

    def _layer(self, name: str) -> None:
        kind, direction, pitch, width = "", "", (0.0, 0.0), 0.0
        for line in self._lines(name, "LAYER"):
            key = line[0].upper() if line else ""
            if key == "TYPE":
                kind = _second(line)
            elif key == "DIRECTION":
                direction = _second(line)
            elif key == "PITCH":
                steps = self.words.numbers(line[1:], min(len(line) - 1, 2), f"PITCH of layer {name}")
                pitch = (steps[0], steps[-1]) if steps else pitch
            elif key == "WIDTH":
                (width,) = self.words.numbers(line[1:], 1, f"WIDTH of layer {name}")
        if kind == "ROUTING":
            self._define(self.library.layers, name, Layer(name, direction, pitch, width))

    def _define(self, where: dict[str, Site] | dict[str, Layer] | dict[str, Master], name: str, value: object) -> None:
        if name in where:
            self.library.repeated += 1
        else:
            where[name] = value  # type: ignore[assignment]

    def _macro(self, name: str) -> None:
        words = self.words
        head = {"CLASS": ["CORE"], "SITE": [""], "SYMMETRY": list[str](), "ORIGIN": ["0", "0"]}
        size: tuple[float, float] | None = None
        pins: list[MasterPin] = []
        obstructions: list[Shape] = []
        while True:
            word = words.next(f"`END {name}`")
            key = word.upper()
            if key == "END":
                words.demand_end(name, f"MACRO {name}")
                break
            if key == "PIN":
                pins.append(self._pin(words.next("the name of a pin"), name))
            elif key == "OBS":
                obstructions += self._shapes(f"OBS of {name}")
            elif key == "DENSITY":
                while words.next(f"`END` of DENSITY of {name}").upper() != "END":
                    pass
            else:
                line = [word, *words.statement(f"{word} of MACRO {name}")]
                if key == "SIZE":
                    size = self._size(line, f"macro {name}")
                elif key in head and len(line) > 1:
                    head[key] = line[1:]
        if size is None:
            raise words.bad(f"MACRO {name} has no SIZE; expected `SIZE width BY height ;`")
        dx, dy = words.numbers(head["ORIGIN"], 2, f"ORIGIN of {name}")
        self._define(
            self.library.masters,
            name,
            Master(
                name,
                head["CLASS"][0].upper(),
                size,
                frozenset(word.upper() for word in head["SYMMETRY"]),
                head["SITE"][0],
                {pin.name: _move_pin(pin, dx, dy) for pin in pins},
                tuple(_move(obstructions, dx, dy)),
            ),
        )

    def _pin(self, name: str, macro: str) -> MasterPin:
        words = self.words
        direction, use = "INPUT", "SIGNAL"
        shapes: list[Shape] = []
        while True:
            word = words.next(f"`END {name}`")
            key = word.upper()
            if key == "END":
                words.demand_end(name, f"pin {name} of {macro}")
                return MasterPin(name, direction, use, tuple(shapes))
            if key == "PORT":
                shapes += self._shapes(f"PORT of pin {name} of {macro}")
                continue
            line = words.statement(f"{word} of pin {name} of {macro}")
            if key == "DIRECTION" and line:
                direction = line[0].upper()
            elif key == "USE" and line:
                use = line[0].upper()

    def _shapes(self, what: str) -> list[Shape]:
        """The shapes of a PORT or OBS up to its END."""
        words = self.words
        layer, width, shapes = "", 0.0, list[Shape]()
        while True:
            word = words.next(f"`END` of {what}")
            key = word.upper()
            if key == "END":
                return shapes
            line = words.statement(f"{word} in {what}")
            if key == "LAYER":
                layer, width = (line or [""])[0], 0.0
            elif key == "WIDTH":
                (width,) = words.numbers(line, 1, f"WIDTH in {what}")
            elif key in ("RECT", "POLYGON", "PATH"):
                shapes.append(self._box(layer, key, line, width, what))

    def _box(self, layer: str, key: str, line: list[str], width: float, what: str) -> Shape:
        """The bounding box of a RECT, POLYGON or PATH, repeated by ITERATE if there is one."""
        words = self.words
        if len(line) > 1 and line[0].upper() == "MASK":
            line = line[2:]
        repeat = (0.0, 0.0)
        if line and line[0].upper() == "ITERATE":
            do = next((i for i, word in enumerate(line) if word.upper() == "DO"), len(line))
            steps = words.numbers(
                [w for w in line[do:] if w.upper() not in ("DO", "BY", "STEP")], 4, f"ITERATE in {what}"
            )
            repeat = ((steps[0] - 1) * steps[2], (steps[1] - 1) * steps[3])
            line = line[1:do]
        line = [word for word in line if word not in "()"]
        values = words.numbers(line, 4 if key == "RECT" else len(line) // 2 * 2, f"{key} in {what}")
        x, y = values[0::2], values[1::2]
        if not x:
            raise words.bad(f"{key} in {what} has no points; expected at least one")
        more = width / 2 if key == "PATH" else 0.0
        low_x, low_y = min(x) - more + min(repeat[0], 0.0), min(y) - more + min(repeat[1], 0.0)
        high_x, high_y = max(x) + more + max(repeat[0], 0.0), max(y) + more + max(repeat[1], 0.0)
        return layer, low_x, low_y, high_x, high_y


def _second(line: list[str]) -> str:
    """The second word of a statement in capitals; empty if there is none."""
    return line[1].upper() if len(line) > 1 else ""


def _move(shapes: Iterable[Shape], dx: float, dy: float) -> Iterable[Shape]:
    """Shapes moved by ORIGIN, which puts the placement point of a master at its lower-left corner."""
    return [(layer, a + dx, b + dy, c + dx, d + dy) for layer, a, b, c, d in shapes]


def _move_pin(pin: MasterPin, dx: float, dy: float) -> MasterPin:
    return MasterPin(pin.name, pin.direction, pin.use, tuple(_move(pin.shapes, dx, dy)))
