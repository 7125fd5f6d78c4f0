"""Seeded synthetic netlists with the structure of real designs.

Hard macros are taken from a hidden legal placement: the canvas is sliced into one region per macro size, each with its
macros in a raster.  Nodes are the leaves of a tree over that placement (its Z-order), and nets join leaves of a
subtree whose height follows Rent's rule.  `python -m netlists.synthetic.generate` rewrites the bundled designs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netlists.errors import SettingsError
from netlists.formats.circuit_training.writer import write_netlist
from netlists.formats.files import DESIGNS
from netlists.netlist import Floats, Ints, Kind, Netlist, Routing
from netlists.synthetic.wiring import nets_and_pins

NG45 = Routing(57.031, 56.818, 39.583, 30.303, smoothing=0)
"""Routing capacity of the NanGate45 designs of Circuit Training."""

MAX_FULLNESS = 0.92
"""Greatest fraction of a region that its macros cover."""

EMPTY_REGIONS = 3
"""Number of regions without macros if the free area is not spread evenly."""

MIN_BIG_AREA = 0.26
"""Least area of a big macro as a fraction of the canvas; it is more than a quarter."""


@dataclass(frozen=True)
class GeneratorSettings:
    """What to generate; the defaults resemble ariane133 in NanGate45.  Raises `SettingsError` if out of range."""

    name: str = "synthetic"
    canvas_um: tuple[float, float] = (1433.406, 1433.406)  # width, height; each 50..100,000
    grid: tuple[int, int] = (21, 24)  # rows, columns; each 1..128
    hard_macros: int = 133  # 1..2000
    macro_sizes: int = 6  # number of different sizes, 1..hard_macros
    hard_coverage: float = 0.5  # fraction of the canvas that hard macros cover, 0.01..0.8
    fixed_macros: int = 0  # 0..hard_macros
    big_macros: int = 0  # macros larger than a quarter of the canvas, 0..2; they need big_area of hard_coverage each
    big_area: float = 0.28  # fraction of the canvas that a big macro covers at most, 0.28..0.7
    crowding: float = 0.0  # 0: free area is spread evenly among the macros; 1: it is in a few empty regions; 0..1
    max_aspect: float = 3.0  # target for the greatest aspect ratio of macros, 1..10
    soft_macros: int = 782  # 0..20,000
    soft_coverage: float = 0.2  # fraction of the canvas that soft macros cover, 0..1
    ports: int = 495  # 0..10,000
    nets: int = 12422  # 0..200,000
    bus_fraction: float = 0.3  # fraction of the nets driven by soft macros that are buses, 0..1
    routing: Routing = field(default=NG45)

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("canvas_um", min(self.canvas_um), 50, 1e5), ("canvas_um", max(self.canvas_um), 50, 1e5),
            ("grid", min(self.grid), 1, 128), ("grid", max(self.grid), 1, 128),
            ("hard_macros", self.hard_macros, 1, 2000), ("macro_sizes", self.macro_sizes, 1, self.hard_macros),
            ("hard_coverage", self.hard_coverage, 0.01, 0.8), ("fixed_macros", self.fixed_macros, 0, self.hard_macros),
            ("big_macros", self.big_macros, 0, min(2, self.macro_sizes)), ("big_area", self.big_area, 0.28, 0.7),
            ("crowding", self.crowding, 0, 1), ("max_aspect", self.max_aspect, 1, 10),
            ("soft_macros", self.soft_macros, 0, 20_000), ("soft_coverage", self.soft_coverage, 0, 1),
            ("ports", self.ports, 0, 10_000), ("nets", self.nets, 0, 200_000),
            ("bus_fraction", self.bus_fraction, 0, 1),
        ):  # fmt: skip
            if not low <= value <= high:
                raise SettingsError(f"{name} is {value:g}; expected {low:g} to {high:g}")
        only_big = self.macro_sizes == self.big_macros
        if self.hard_coverage < self.big_area * self.big_macros or (only_big and self.hard_macros > self.big_macros):
            raise SettingsError(
                f"{self.big_macros} macros of more than a quarter of the canvas do not fit in a coverage of "
                f"{self.hard_coverage:g} with {self.macro_sizes} sizes; give more coverage, more sizes or fewer of them"
            )
        if self.nets and self.hard_macros + self.soft_macros + self.ports < 2:
            raise SettingsError("nets need at least 2 nodes; add macros or ports, or set nets to 0")


def generate(settings: GeneratorSettings, seed: int) -> Netlist:
    """Generate a netlist for which a legal placement exists; the same settings and seed give the same netlist.

    Movable macros have initial positions: those of hard macros are legal and do not depend on the nets, those of soft
    macros are random.
    """
    random = np.random.default_rng(seed)
    size, hidden, group = _hard_macros(settings, random)
    start = _shuffle(hidden, group, random)
    fixed = np.sort(random.permutation(settings.hard_macros)[: settings.fixed_macros])
    hidden[fixed] = start[fixed]
    canvas = np.array(settings.canvas_um)
    soft_size = _soft_sizes(settings, random)
    soft_hidden = random.uniform(0, 1, (settings.soft_macros, 2)) * canvas
    room = np.maximum(canvas - soft_size, 0)
    soft_start = np.round((canvas - room) / 2 + random.uniform(0, 1, soft_size.shape) * room, 3)
    ports = _port_positions(settings, random)
    centers = np.vstack([ports, hidden, soft_hidden])
    nets = nets_and_pins(settings.nets, settings.bus_fraction, centers / canvas, len(ports), size, random)
    counts = (settings.ports, settings.hard_macros, settings.soft_macros)
    is_fixed = np.zeros(sum(counts), dtype=bool)
    is_fixed[: settings.ports] = True
    is_fixed[settings.ports + fixed] = True
    return Netlist(
        name=settings.name,
        node_names=(
            *(f"port_{i}" for i in range(counts[0])),
            *(f"bank_{group[i]}/macro_{i}" for i in range(counts[1])),
            *(f"Grp_{i}" for i in range(counts[2])),
        ),
        kind=np.repeat(np.array([Kind.PORT, Kind.HARD, Kind.SOFT], dtype=np.int8), counts),
        size_um=np.vstack([np.zeros((settings.ports, 2)), size, soft_size]),
        fixed=is_fixed,
        position_um=np.vstack([ports, start, soft_start]),
        orientation=np.zeros(sum(counts), dtype=np.int8),
        canvas_um=settings.canvas_um,
        grid=settings.grid,
        routing=settings.routing,
        **nets,
    )


def _hard_macros(settings: GeneratorSettings, random: np.random.Generator) -> tuple[Floats, Floats, Ints]:
    """Sizes [M, 2], hidden legal centers [M, 2] and size groups [M] of the hard macros."""
    groups, big = settings.macro_sizes, settings.big_macros
    count = np.ones(groups, dtype=np.int64)
    if groups > big:  # memories are in banks: most of the macros have one of a few sizes
        popular = random.dirichlet(np.full(groups - big, 0.7))
        count[big:] += random.multinomial(settings.hard_macros - groups, popular)
    # Fraction of the area of all hard macros.
    fraction: Floats = np.exp(random.normal(0, 0.6, groups)) * count.astype(np.float64)
    fraction[:big] = random.uniform(MIN_BIG_AREA, settings.big_area, big) / settings.hard_coverage
    if groups > big:
        fraction[big:] *= (1 - fraction[:big].sum()) / fraction[big:].sum()
    else:
        fraction = fraction / fraction.sum()
    # Fraction of each region that macros cover.
    full = settings.hard_coverage + settings.crowding * max(MAX_FULLNESS - settings.hard_coverage, 0.0)
    empty = np.full(EMPTY_REGIONS if settings.crowding else 0, 1 - settings.hard_coverage / full) / EMPTY_REGIONS
    areas = np.concatenate([fraction * settings.hard_coverage / full, empty])
    regions = _slice_canvas(areas, settings.canvas_um, random)
    size = np.empty((settings.hard_macros, 2))
    center = np.empty((settings.hard_macros, 2))
    group = np.repeat(np.arange(groups), count)
    for g, (x, y, width, height) in enumerate(regions[:groups]):
        rows, columns = _raster(int(count[g]), width / height, full, settings.max_aspect, random)
        slot = np.array([width / columns, height / rows])
        fill = full * rows * columns / count[g]
        narrow = random.uniform(0.35, 0.65)
        macro = np.floor(slot * np.array([fill**narrow, fill ** (1 - narrow)]) * 1000) / 1000
        index = random.permutation(rows * columns)[: count[g]]
        low = np.array([x, y]) + np.column_stack([index % columns, index // columns]) * slot
        low += random.uniform(0, 1, low.shape) * (slot - macro)
        members = group == g
        size[members], center[members] = macro, low + macro / 2
    return size, center, group


def _slice_canvas(
    fraction: Floats, canvas_um: tuple[float, float], random: np.random.Generator
) -> list[tuple[float, float, float, float]]:
    """Cut the canvas into regions (x, y, width, height) of given fractions of its area, across the longer side."""
    regions = [(0.0, 0.0, 0.0, 0.0)] * len(fraction)

    def cut(members: Ints, x: float, y: float, width: float, height: float) -> None:
        if len(members) == 1:
            regions[members[0]] = (x, y, width, height)
            return
        members = members[np.argsort(-fraction[members], kind="stable")]
        first, second = [members[0]], [members[1]]
        for m in members[2:]:
            (first if fraction[first].sum() <= fraction[second].sum() else second).append(m)
        if random.integers(2):
            first, second = second, first
        part = fraction[first].sum() / fraction[members].sum()
        if width > height:
            cut(np.array(first), x, y, width * part, height)
            cut(np.array(second), x + width * part, y, width * (1 - part), height)
        else:
            cut(np.array(first), x, y, width, height * part)
            cut(np.array(second), x, y + height * part, width, height * (1 - part))

    cut(np.arange(len(fraction)), 0.0, 0.0, *canvas_um)
    return regions


def _raster(count: int, aspect: float, full: float, max_aspect: float, random: np.random.Generator) -> tuple[int, int]:
    """Rows and columns of a raster for `count` macros that are to cover a fraction `full` of a region.

    The raster has few empty slots and, as nearly as that allows, a random aspect ratio of up to `max_aspect`.
    """
    target = random.uniform(-1, 1) * np.log(max_aspect)  # logarithm of the aspect ratio of a slot
    columns = np.arange(1, count + 1)
    rows = -(-count // columns)
    spare = rows * columns / count <= min(1.15, 0.95 / full)
    miss = np.where(spare, np.abs(np.log(aspect * rows / columns) - target), np.inf)
    return int(rows[miss.argmin()]), int(columns[miss.argmin()])


def _shuffle(center: Floats, group: Ints, random: np.random.Generator) -> Floats:
    """The centers [M, 2], exchanged at random among macros of equal size."""
    result = center.copy()
    for g in range(group.max() + 1):
        members = np.flatnonzero(group == g)
        result[members] = center[random.permutation(members)]
    return result


def _soft_sizes(settings: GeneratorSettings, random: np.random.Generator) -> Floats:
    """[S, 2] sizes with heavy-tailed areas, one grid column wide and area / width high, as in Circuit Training."""
    width, height = settings.canvas_um
    area = np.exp(random.normal(0, 1.1, settings.soft_macros))
    area *= settings.soft_coverage * width * height / max(area.sum(), 1e-300)
    column = width / settings.grid[1]
    return np.column_stack([np.full(len(area), column), np.minimum(np.round(area / column, 3), height)])


def _port_positions(settings: GeneratorSettings, random: np.random.Generator) -> Floats:
    """[ports, 2] positions on the boundary, in a few groups of evenly spaced ports, as for buses."""
    width, height = settings.canvas_um
    groups_of_ports = max(1, min(8, settings.ports // 4))
    start = np.sort(random.uniform(0, 1, groups_of_ports))
    which = np.arange(settings.ports) * groups_of_ports // max(settings.ports, 1)
    within = np.arange(settings.ports) - np.searchsorted(which, which)
    pitch = 0.8 / max(settings.ports, 1)
    s = (start[which] + within * pitch) % 1.0 * 2 * (width + height)
    x = np.select([s < width, s < width + height, s < 2 * width + height], [s, width, 2 * width + height - s], 0.0)
    y = np.select(
        [s < width, s < width + height, s < 2 * width + height], [0.0, s - width, height], 2 * (width + height) - s
    )
    return np.round(np.column_stack([np.clip(x, 0, width), np.clip(y, 0, height)]), 3)


def random_case(seed: int, *, low: float = 0.05, high: float = 0.7) -> GeneratorSettings:
    """Random settings over the range that placement must handle: 1 to 400 hard macros covering `low` to `high`.

    Half of the cases have fixed macros, and a quarter of those that are dense enough have macros of more than a quarter
    of the canvas.  In a third of the cases the free area is not spread evenly, and in a third all macros may differ in
    size.
    """
    random = np.random.default_rng([seed, 1])
    hard = round(float(np.exp(random.uniform(0, np.log(400)))))
    coverage = float(random.uniform(low, high))
    sizes = int(random.integers(1, min(hard, 40 if seed % 3 else hard) + 1))
    big = int(random.integers(0, 4) == 0) * int(min(coverage // 0.31, 2, sizes))
    if sizes == big < hard:
        big = 0
    width = float(np.exp(random.uniform(np.log(200), np.log(5000))))
    return GeneratorSettings(
        name=f"case_{seed}",
        canvas_um=(round(width, 3), round(width * float(random.uniform(0.6, 1.6)), 3)),
        grid=(int(random.integers(5, 41)), int(random.integers(5, 41))),
        hard_macros=hard,
        macro_sizes=sizes,
        hard_coverage=coverage,
        fixed_macros=int(random.integers(2)) * int(random.integers(0, hard // 3 + 1)),
        big_macros=big,
        big_area=max(0.28, float(random.uniform(0.28, coverage - 0.02)) / big) if big else 0.28,
        crowding=float(random.uniform(0, 1)) if seed // 3 % 3 == 0 else 0.0,
        soft_macros=int(random.integers(0, 200)),
        ports=int(random.integers(1, 100)),
        nets=int(random.integers(1, 1500)),
    )


BUNDLED: dict[str, tuple[GeneratorSettings, int]] = {
    "harbor": (
        GeneratorSettings(
            name="harbor", hard_macros=144, macro_sizes=12, hard_coverage=0.5, soft_macros=760, ports=420, nets=11200
        ),
        1,
    ),
    "jetty": (
        GeneratorSettings(
            name="jetty", canvas_um=(480.0, 480.0), grid=(12, 12), hard_macros=12, macro_sizes=3, hard_coverage=0.4,
            soft_macros=60, ports=32, nets=400,
        ),
        1,
    ),
}  # fmt: skip
"""The bundled designs, one of realistic size and a small one: the settings and the seed of each."""


def write_bundled(folder: Path) -> None:
    """Write the bundled designs as NAME.pb.txt.gz and NAME.plc to a folder; the bytes are the same each time."""
    for name, (settings, seed) in BUNDLED.items():
        write_netlist(generate(settings, seed), folder / f"{name}.pb.txt.gz")


if __name__ == "__main__":
    write_bundled(DESIGNS)
