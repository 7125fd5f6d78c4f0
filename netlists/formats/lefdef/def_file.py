"""DEF: a design's die, rows, tracks, components, pins, blockages, regions and nets, in database units.

Source: LEF/DEF 5.8 Language Reference, chapter 4.  Sections come in any order.  What placement does not use is counted
in `unused`, so that it can be named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from netlists.formats.lefdef.words import Words, shorten
from netlists.formats.textfile import read_text
from netlists.netlist import ORIENTATION_MATRIX, ORIENTATIONS

Box = tuple[float, float, float, float]
"""Low x, low y, high x, high y in database units."""

SKIPPED = ("VIAS", "STYLES", "NONDEFAULTRULES", "PINPROPERTIES", "SLOTS", "FILLS", "SCANCHAINS")
MOST_STEPS = 10_000_000  # rows, sites or tracks of one statement


class Row(NamedTuple):
    """A row of placement sites, of which `sites` stand side by side."""

    name: str
    site: str
    x: float
    y: float
    orientation: str
    sites: int
    step: float  # in x
    vertical: int = 1  # for rows that grow upward: how many


class Tracks(NamedTuple):
    """Routing tracks: lines at `start`, `start + step`, ...; x says that they are vertical lines."""

    x: bool
    start: float
    lines: int
    step: float
    layers: tuple[str, ...]


class Component(NamedTuple):
    """An instance of a master."""

    name: str
    master: str
    status: str = ""  # PLACED, FIXED, COVER, UNPLACED; empty if the file does not say
    x: float = 0.0
    y: float = 0.0
    orientation: str = "N"
    halo: tuple[float, float, float, float] | None = None  # left, bottom, right, top for orientation N
    soft_halo: bool = False
    region: str = ""


class Pin(NamedTuple):
    """A port of the design."""

    name: str
    net: str
    direction: str
    use: str
    shapes: tuple[tuple[str, Box], ...]  # layer and box, where they lie on the die if the pin is placed
    status: str
    x: float
    y: float


class Blockage(NamedTuple):
    """A placement or routing blockage; several boxes make one."""

    layer: str  # empty for placement
    kind: str  # HARD, SOFT, PARTIAL for placement; empty for routing
    density: float  # percent that may be used, of PARTIAL
    component: str  # which it moves along with; empty if none
    boxes: tuple[Box, ...]


class Region(NamedTuple):
    """A region to which groups or components are assigned."""

    name: str
    kind: str  # FENCE, GUIDE, or empty
    boxes: tuple[Box, ...]


class Group(NamedTuple):
    """Components, by names with `*`, that are assigned to a region."""

    name: str
    members: tuple[str, ...]
    region: str


class Net(NamedTuple):
    """A net: pairs of component (`PIN` for ports of the design) and pin."""

    name: str
    connections: list[tuple[str, str]]
    use: str
    weight: float | None


@dataclass
class DefDesign:
    """What a DEF file holds."""

    path: Path
    name: str = ""
    units: float = 100.0  # database units per µm
    die: list[tuple[float, float]] = field(default_factory=list)  # two corners of a rectangle, or a polygon
    rows: list[Row] = field(default_factory=list)
    tracks: list[Tracks] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    blockages: list[Blockage] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    nets: list[Net] = field(default_factory=list)
    gcells: int = 0
    special_nets: dict[str, int] = field(default_factory=dict)  # name and connections with a component or pin named
    unused: Counter[str] = field(default_factory=Counter)  # what was read over, and how often
    notes: list[str] = field(default_factory=list)  # counts that disagree
    component_words: list[int] = field(default_factory=list)  # index of the first word of each component
    net_words: list[int] = field(default_factory=list)  # and of each net
    words: Words | None = None  # for the lines in errors about what the design means


def read_def(path: str | Path) -> DefDesign:
    """Read a DEF file (`.gz` too).

    Raises `NetlistError` naming file and line if it cannot be read, is incomplete or breaks the syntax.
    """
    return _Reader(Path(path)).read()


class _Reader:
    """Reads one DEF file."""

    def __init__(self, path: Path) -> None:
        self.words = Words(path, read_text(path))
        self.design = DefDesign(path, words=self.words)
        self.statements: dict[str, Callable[[list[str]], None]] = {
            "DESIGN": self._name, "UNITS": self._units, "DIEAREA": self._die, "ROW": self._row,
            "TRACKS": self._tracks, "GCELLGRID": self._gcells,
        }  # fmt: skip
        self.sections: dict[str, Callable[[list[str]], None]] = {
            "COMPONENTS": self._component, "PINS": self._pin, "BLOCKAGES": self._blockage, "REGIONS": self._region,
            "GROUPS": self._group, "NETS": self._net, "SPECIALNETS": self._special_net,
        }  # fmt: skip

    def read(self) -> DefDesign:
        words, design = self.words, self.design
        while True:
            word = words.next("`END DESIGN`")
            if word in self.sections:
                self._section(word)
            elif word in self.statements:
                self.statements[word](words.statement(word))
            elif word in SKIPPED:
                count = self._count(word)
                design.unused[f"entries of {word}"] += count
                words.skip_block(word, "section")
            elif word == "PROPERTYDEFINITIONS":
                words.skip_block(word, "section")
            elif word == "BEGINEXT":
                design.unused["extensions"] += 1
                while words.next("`ENDEXT`") != "ENDEXT":
                    pass
            elif word == "END":
                if words.next("DESIGN") != "DESIGN":
                    raise words.bad(f"found `END {words.words[words.at - 1]}`; expected `END DESIGN`")
                return self._demand_complete()
            elif word.isalpha():
                words.statement(word)  # VERSION, BUSBITCHARS, HISTORY, ...
            else:
                raise words.bad(f"found {shorten(word)}; expected a DEF statement such as ROW, COMPONENTS or NETS")

    def _demand_complete(self) -> DefDesign:
        design = self.design
        if not design.name:
            raise self.words.bad("there is no DESIGN statement; expected a complete DEF file")
        if len(design.die) < 2:
            raise self.words.bad("there is no DIEAREA; expected `DIEAREA ( x y ) ( x y ) ;`, as a floorplan has it")
        return design

    def _count(self, section: str) -> int:
        line = self.words.statement(section)
        (count,) = self.words.numbers(line, 1, f"the count of {section}")
        return int(count)

    def _section(self, section: str) -> None:
        count, handle, entries = self._count(section), self.sections[section], 0
        for item in self.words.items(section):
            entries += 1
            if not item:
                raise self.words.bad(f"an empty entry in {section}; expected a name after the dash")
            handle(item)
        if entries != count:
            self.design.notes.append(
                f"{self.design.path}: {section} has {entries:,} entries, its header says {count:,}"
            )

    def _name(self, line: list[str]) -> None:
        if not line:
            raise self.words.bad("DESIGN has no name; expected `DESIGN name ;`")
        self.design.name = line[0]

    def _units(self, line: list[str]) -> None:
        (self.design.units,) = self.words.numbers(line[2:], 1, "UNITS DISTANCE MICRONS")
        if self.design.units <= 0:
            raise self.words.bad(f"UNITS are {self.design.units:g} per micron; expected a positive number")

    def _points(self, line: list[str], what: str) -> list[tuple[float, float]]:
        """Points `( x y ) ( x y ) ...`, in which `*` repeats the coordinate before."""
        values, points = [word for word in line if word not in "()"], list[tuple[float, float]]()
        if len(values) % 2 or not values:
            raise self.words.bad(f"{what} has {len(values)} coordinates; expected points `( x y )`")
        for x, y in zip(values[0::2], values[1::2], strict=True):
            before = points[-1] if points else (0.0, 0.0)
            a = before[0] if x == "*" else self.words.numbers([x], 1, what)[0]
            b = before[1] if y == "*" else self.words.numbers([y], 1, what)[0]
            points.append((a, b))
        return points

    def _boxes(self, line: list[str], what: str) -> tuple[Box, ...]:
        """Boxes given by pairs of points."""
        points = self._points(line, what)
        if len(points) % 2:
            raise self.words.bad(f"{what} has {len(points)} points; expected two for each rectangle")
        return tuple(_box(pair) for pair in zip(points[0::2], points[1::2], strict=True))

    def _die(self, line: list[str]) -> None:
        self.design.die = self._points(line, "DIEAREA")
        if len(self.design.die) < 2:
            raise self.words.bad("DIEAREA has one point; expected two corners or a polygon")

    def _row(self, line: list[str]) -> None:
        words = self.words
        if len(line) < 5:
            raise words.bad("a ROW is incomplete; expected `ROW name site x y orientation DO n BY m STEP dx dy ;`")
        name, site, orientation = line[0], line[1], line[4]
        x, y = words.numbers(line[2:4], 2, f"ROW {name}")
        count, vertical, step = 1, 1, 0.0
        if "DO" in line:
            do = line.index("DO")
            steps = words.numbers([w for w in line[do : do + 4] if w not in ("DO", "BY")], 2, f"DO of ROW {name}")
            count, vertical = self._steps(steps[0], f"ROW {name}"), self._steps(steps[1], f"ROW {name}")
            if "STEP" in line:
                (step,) = words.numbers(line[line.index("STEP") + 1 :], 1, f"STEP of ROW {name}")
        self.design.rows.append(Row(name, site, x, y, orientation, count, step, vertical))

    def _steps(self, value: float, what: str) -> int:
        if value != int(value) or not 0 < value <= MOST_STEPS:
            raise self.words.bad(f"{what} has {value:g} steps; expected a whole number from 1 to {MOST_STEPS}")
        return int(value)

    def _tracks(self, line: list[str]) -> None:
        words = self.words
        if len(line) < 6 or line[2] != "DO" or line[4] != "STEP":
            raise words.bad("TRACKS are incomplete; expected `TRACKS X|Y start DO n STEP s LAYER name ;`")
        start, count, step = words.numbers([line[1], line[3], line[5]], 3, "TRACKS")
        layers = tuple(line[line.index("LAYER") + 1 :]) if "LAYER" in line else ()
        self.design.tracks.append(Tracks(line[0] == "X", start, self._steps(count, "TRACKS"), step, layers))

    def _gcells(self, line: list[str]) -> None:
        self.design.gcells += 1

    def _component(self, item: list[str]) -> None:
        words = self.words
        if len(item) < 2:
            raise words.bad(f"component {shorten(item[0])} has no master; expected `- name master ... ;`")
        self.design.component_words.append(words.at - len(item) - 1)
        name, master = item[0], item[1]
        if len(item) == 2:
            self.design.components.append(Component(name, master))
            return
        status, x, y, orientation, region = "", 0.0, 0.0, "N", ""
        halo: tuple[float, float, float, float] | None = None
        soft = False
        for key, values in _options(item):
            if key in ("PLACED", "FIXED", "COVER"):
                status = key
                x, y, orientation = self._place(values, f"component {name}")
            elif key == "UNPLACED":
                status = key
            elif key == "HALO":
                soft = bool(values) and values[0] == "SOFT"
                left, bottom, right, top = words.numbers(values[soft:], 4, f"HALO of component {name}")
                halo = (left, bottom, right, top)
            elif key == "REGION":
                region = values[0] if values else ""
            elif key not in ("SOURCE", "PROPERTY"):
                self.design.unused[f"{key} of components"] += 1
        self.design.components.append(Component(name, master, status, x, y, orientation, halo, soft, region))

    def _place(self, values: list[str], what: str) -> tuple[float, float, str]:
        """Point and orientation of `( x y ) orientation`."""
        if len(values) < 5 or values[4] not in ORIENTATIONS:
            raise self.words.bad(
                f"the place of {what} is {shorten(' '.join(values))}; expected `( x y ) orientation`, "
                f"the orientation one of {' '.join(ORIENTATIONS)}"
            )
        x, y = self.words.numbers(values[1:3], 2, f"the place of {what}")
        return x, y, values[4]

    def _pin(self, item: list[str]) -> None:
        name = item[0]
        net, direction, use = "", "INPUT", "SIGNAL"
        status, x, y = "", 0.0, 0.0
        local: list[tuple[str, Box]] = []  # of the present port, about its origin
        shapes: list[tuple[str, Box]] = []
        for key, values in _options(item):
            if key == "NET":
                net = values[0] if values else ""
            elif key == "DIRECTION":
                direction = values[0] if values else direction
            elif key == "USE":
                use = values[0] if values else use
            elif key in ("LAYER", "POLYGON", "VIA"):
                local += self._pin_shape(key, values, name)
            elif key in ("PLACED", "FIXED", "COVER"):
                first = not status
                px, py, orientation = self._place(values, f"pin {name}")
                shapes += [(layer, _turn_box(box, orientation, px, py)) for layer, box in local]
                local = []
                if first:
                    status, x, y = key, px, py
            elif key not in ("PORT", "UNPLACED"):
                self.design.unused[f"{key} of pins"] += 1
        self.design.pins.append(Pin(name, net, direction, use, tuple(shapes), status, x, y))

    def _pin_shape(self, key: str, values: list[str], name: str) -> Iterable[tuple[str, Box]]:
        layer, points = (values or [""])[0], values[values.index("(") :] if "(" in values else []
        if key == "VIA":
            return []
        return [(layer, _box(self._points(points, f"{key} of pin {name}")))]

    def _blockage(self, item: list[str]) -> None:
        words, layer, kind, density, component = self.words, "", "HARD", 0.0, ""
        if item[0] == "LAYER":
            layer, kind = (item[1:2] or [""])[0], ""
        elif item[0] != "PLACEMENT":
            raise words.bad(f"found {shorten(item[0])} in BLOCKAGES; expected LAYER or PLACEMENT")
        boxes: list[Box] = []
        at = 1
        while at < len(item):
            word = item[at]
            at += 1
            if word in ("RECT", "POLYGON"):
                end = next((i for i in range(at, len(item)) if item[i] in ("RECT", "POLYGON")), len(item))
                points = self._points(item[at:end], f"{word} of a blockage")
                if word == "POLYGON" and len(points) > 2:
                    boxes += _polygon_boxes(points)
                else:
                    boxes.append(_box(points))
                at = end
            elif word == "+" and at < len(item):
                key = item[at]
                at += 1
                if key == "SOFT":
                    kind = "SOFT"
                elif key == "PARTIAL":
                    kind = "PARTIAL"
                    (density,) = words.numbers(item[at:], 1, "PARTIAL of a blockage")
                    at += 1
                elif key == "COMPONENT":
                    component = (item[at : at + 1] or [""])[0]
                    at += 1
        self.design.blockages.append(Blockage(layer, kind, density, component, tuple(boxes)))

    def _region(self, item: list[str]) -> None:
        options = dict(_options(item))
        end = item.index("+") if "+" in item else len(item)
        kind = (options.get("TYPE") or [""])[0]
        self.design.regions.append(Region(item[0], kind, self._boxes(item[1:end], f"REGION {item[0]}")))

    def _group(self, item: list[str]) -> None:
        end = item.index("+") if "+" in item else len(item)
        region = ""
        for key, values in _options(item):
            if key == "REGION" and values and values[0] != "(":
                region = values[0]
            elif key == "REGION":
                region = f"(group {item[0]})"
                self.design.regions.append(Region(region, "", self._boxes(values, f"REGION of group {item[0]}")))
            elif key not in ("PROPERTY",):
                self.design.unused[f"{key} of groups"] += 1
        self.design.groups.append(Group(item[0], tuple(item[1:end]), region))

    def _net(self, item: list[str]) -> None:
        if item[0] == "MUSTJOIN":
            self.design.unused["MUSTJOIN of nets"] += 1
            return
        self.design.net_words.append(self.words.at - len(item) - 1)
        connections, at = self._connections(item, 1)
        use, weight = "SIGNAL", None
        if at < len(item):
            for key, values in _options(item, at):
                if key == "USE" and values:
                    use = values[0]
                elif key == "WEIGHT":
                    (weight,) = self.words.numbers(values, 1, f"WEIGHT of net {item[0]}")
                elif key not in ("SOURCE", "PROPERTY"):
                    self.design.unused[f"{key} of nets"] += 1
        self.design.nets.append(Net(item[0], connections, use, weight))

    def _connections(self, item: list[str], at: int) -> tuple[list[tuple[str, str]], int]:
        """The pairs `( component pin )` from a word on, and the word after them."""
        connections: list[tuple[str, str]] = []
        size = len(item)
        while at < size and item[at] == "(":
            if at + 3 < size and item[at + 3] == ")":
                connections.append((item[at + 1], item[at + 2]))
                at += 4
                continue
            end = next((i for i in range(at, size) if item[i] == ")"), -1)
            if end < at + 3:
                raise self.words.bad(f"net {shorten(item[0])} has a broken connection; expected `( component pin )`")
            connections.append((item[at + 1], item[at + 2]))
            at = end + 1
        return connections, at

    def _special_net(self, item: list[str]) -> None:
        connections, _ = self._connections(item, 1)
        self.design.special_nets[item[0]] = len(connections)


def _options(item: list[str], at: int = 1) -> Iterable[tuple[str, list[str]]]:
    """The options `+ KEY values ...` of an entry from a word on."""
    marks = [i for i in range(at, len(item)) if item[i] == "+"]
    for begin, end in pairwise([*marks, len(item)]):
        if begin + 1 < end:
            yield item[begin + 1], item[begin + 2 : end]


def _box(points: Iterable[tuple[float, float]]) -> Box:
    x, y = zip(*points, strict=True)
    return min(x), min(y), max(x), max(y)


def _polygon_boxes(points: list[tuple[float, float]]) -> list[Box]:
    """A rectilinear polygon as boxes, one for each strip between neighboring x coordinates and each span in it."""
    cuts = sorted({x for x, _ in points})
    edges = list(zip(points, [*points[1:], points[0]], strict=True))
    boxes: list[Box] = []
    for left, right in pairwise(cuts):
        middle = (left + right) / 2
        heights = sorted(a[1] for a, b in edges if a[1] == b[1] and min(a[0], b[0]) < middle < max(a[0], b[0]))
        boxes += [(left, low, right, high) for low, high in zip(heights[0::2], heights[1::2], strict=False)]
    return boxes


def _turn_box(box: Box, orientation: str, x: float, y: float) -> Box:
    """A box turned about the origin, then moved."""
    (a, b), (c, d) = ORIENTATION_MATRIX[ORIENTATIONS.index(orientation)].tolist()
    return _box((a * px + b * py + x, c * px + d * py + y) for px, py in ((box[0], box[1]), (box[2], box[3])))
