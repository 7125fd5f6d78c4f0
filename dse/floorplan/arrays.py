"""How the arrays of each template are cut into tiles and wired to their memories.

A tile is a rectangle of processing elements with their register files.  The widths of all buses are those with which
the template counts cycles:

    systolic        a word per row and column of the array enters, a partial sum per column leaves and comes back;
                    between tiles a word per row goes right and a word per column, and its partial sum, go down
    row_stationary  three buses of the widths of the design's parameters enter at the first tile, run down the first
                    column and along the rows; partial sums go up from element to element, and leave along the first row
    adaptive        Tin inputs go along the kernels, from tile to tile; each multiplier has its weights and each adder
                    tree its partial sum, in both directions, from and to the buffers
    spatial         one vector of inputs and two of weights enter and go along the cells, from tile to tile; sums leave
                    from the cells' accumulators to off-chip memory, as there is no output buffer

A small part of each array is its controller, which the host's bus reaches and which gives the memories their addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from dse.floorplan.chip import Chip, Memory, Pin, Range, split_evenly
from dse.floorplan.settings import Granularity
from dse.floorplan.sram import Sram
from dse.model.technology import Technology, element_um2
from dse.model.wires import Traffic
from dse.templates import adaptive, base, row_stationary, spatial, systolic
from dse.templates.base import BYTES_PER_KIB, INPUT, OUTPUT, WEIGHT, Floats, Hardware
from netlists.errors import DesignError
from netlists.netlist import Kind

CONTROL_FRACTION = 0.02  # of an array's area that is its controller: an assumption, part of LOGIC_OVERHEAD
HOST_BITS = 32  # of the host's bus, in each direction: that of the registers of most published accelerators
OPERAND_NAMES = ("input", "weight", "output")


@dataclass(frozen=True, eq=False)
class Build:
    """What the builders of the templates work on."""

    chip: Chip
    design: Floats  # [D]
    hardware: Hardware  # of this design alone
    technology: Technology
    level: Granularity
    element_um2: float

    def number(self, column: int) -> int:
        """A parameter of the design."""
        return int(self.design[column])

    def word_bits(self, operand: int) -> int:
        """Bits of a word of an operand on chip; outputs are partial sums."""
        return self.number((base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS)[operand])

    def add_memory(self, name: str, size_bytes: float, banks: float, word_bits: int) -> Memory:
        """Add a memory of so many banks, which the granularity merges or splits."""
        pieces = max(1, ceil(size_bytes / banks / self.level.macro_bytes))
        count = int(min(ceil(banks) * pieces, self.level.macros))
        return self.chip.add_memory(name, Sram(size_bytes / count, word_bits, self.technology.cell_um2), count)

    def add_buffer(self, operand: int) -> Memory:
        """Add the buffer that an operand has for itself."""
        size, banks = self.hardware.buffer_bytes[0, operand], self.hardware.buffer_banks[0, operand]
        return self.add_memory(f"{OPERAND_NAMES[operand]}_buffer", size, banks, self.word_bits(operand))

    def add_tile(self, name: str, elements: float) -> int:
        """Add a tile of so many elements, without their part of the controller."""
        return self.chip.add_tile(name, (1 - CONTROL_FRACTION) * elements * self.element_um2)


Tiles = Sequence[Range]
"""Tiles along one side of an array, with the elements that they hold."""


def build_chip(name: str, template: base.Template, designs: Floats, technology: Technology, level: Granularity) -> Chip:
    """The chip of one design, a row of parameters [1, D]; raises `DesignError` for a template that is not an ASIC."""
    if template.name not in BUILDERS:
        raise DesignError(
            f"template {template.name} has no floorplan, as its parts are on an FPGA; expected {', '.join(BUILDERS)}"
        )
    hardware = template.hardware(designs)
    area = float(element_um2(technology, hardware, designs)[0])
    chip = Chip(name, elements=float(hardware.elements[0]))
    build = Build(chip, designs[0], hardware, technology, level, area)
    chip.add_dram_ports(ceil(base.dram_bits_per_cycle(designs[0])))
    host, answer = (chip.add_node(f"host_{way}", Kind.PORT, (0.0, 0.0)) for way in ("in", "out"))
    control = chip.add_tile("control", CONTROL_FRACTION * float(hardware.elements[0]) * area)
    root = BUILDERS[template.name](build)
    chip.connect("host/request", [Pin(host), Pin(control)], HOST_BITS, Traffic.CONTROL)
    chip.connect("host/answer", [Pin(control), Pin(answer)], HOST_BITS, Traffic.CONTROL)
    chip.connect("control/array", [Pin(control), Pin(root)], HOST_BITS, Traffic.CONTROL)
    for memory in chip.memories:
        pins = [Pin(control), *(Pin(macro, "address") for macro in memory.macros)]
        chip.connect(f"{memory.name}/address", pins, memory.sram.address_bits, Traffic.CONTROL)
    return chip


def build_systolic(build: Build) -> int:
    """Add a systolic array with its three buffers; returns its first tile."""
    chip, flow = build.chip, build.number(systolic.DATAFLOW)
    across, down = (WEIGHT, INPUT) if flow == systolic.IS else (INPUT, WEIGHT)
    rows, columns, tiles = add_grid(build, build.number(systolic.ROWS), build.number(systolic.COLUMNS))
    buffers = [build.add_buffer(operand) for operand in (INPUT, WEIGHT, OUTPUT)]
    left = [Range(line[0], low, high) for line, (low, high) in zip(tiles, rows, strict=True)]
    top, bottom = (
        [Range(tile, low, high) for tile, (low, high) in zip(line, columns, strict=True)]
        for line in (tiles[0], tiles[-1])
    )
    chip.feed(buffers[across], left, build.word_bits(across), Traffic.BUFFER, across)
    chip.feed(buffers[down], top, build.word_bits(down), Traffic.BUFFER, down)
    for back in (True, False):
        chip.feed(buffers[OUTPUT], bottom, build.word_bits(OUTPUT), Traffic.ACCUMULATOR, OUTPUT, back=back)
    link_right(build, tiles, columns, [(high - low) * build.word_bits(across) for low, high in rows], across)
    for operand in (down, OUTPUT):
        link_down(build, tiles, rows, [(high - low) * build.word_bits(operand) for low, high in columns], operand)
    for operand in (INPUT, WEIGHT):
        chip.load(buffers[operand], operand)
    chip.store(buffers[OUTPUT], OUTPUT)
    return tiles[0][0]


def build_row_stationary(build: Build) -> int:
    """Add a row-stationary array with its global buffer, whose filters are apart; returns its first tile."""
    chip, design = build.chip, build.design
    rows, columns, tiles = add_grid(build, build.number(row_stationary.ROWS), build.number(row_stationary.COLUMNS))
    root, bank_kb = tiles[0][0], float(design[row_stationary.BANK_KB])
    words = [build.number(column) for column in (row_stationary.INPUT_BUS, row_stationary.FILTER_BUS,
                                                 row_stationary.PSUM_BUS)]  # fmt: skip
    bus_bits = [count * build.word_bits(operand) for operand, count in enumerate(words)]
    sizes_kb = float(design[row_stationary.BUFFER_KB]), float(design[row_stationary.FILTER_KB])
    shared, filters = (
        build.add_memory(name, size_kb * BYTES_PER_KIB, ceil(size_kb / bank_kb), word_bits)
        for name, size_kb, word_bits in zip(
            ("global_buffer", "filter_buffer"), sizes_kb, (bus_bits[OUTPUT], bus_bits[WEIGHT]), strict=True
        )
    )
    for operand, memory in ((INPUT, shared), (WEIGHT, filters)):
        chip.feed(memory, [Range(root, 0, words[operand])], build.word_bits(operand), Traffic.BUFFER, operand)
        first = [[line[0]] for line in tiles]
        link_down(build, first, rows, [bus_bits[operand]], operand, "down")
        link_right(build, tiles, columns, [bus_bits[operand]] * len(rows), operand)
        chip.load(memory, operand)
    for back in (True, False):
        takers = [Range(root, 0, words[OUTPUT])]
        chip.feed(shared, takers, build.word_bits(OUTPUT), Traffic.ACCUMULATOR, OUTPUT, back=back)
    widths = [(high - low) * build.word_bits(OUTPUT) for low, high in columns]
    link_down(build, tiles[::-1], rows[::-1], widths, OUTPUT, "up")
    link_right(build, [tiles[0][::-1]], columns[::-1], [bus_bits[OUTPUT]], OUTPUT, "left")
    chip.store(shared, OUTPUT)
    return root


def build_adaptive(build: Build) -> int:
    """Add an array of adder trees with its three buffers; returns its first tile."""
    chip, tin, tout = build.chip, build.number(adaptive.TIN), build.number(adaptive.TOUT)
    spans, tiles = add_chain(build, tout)
    buffers = [build.add_buffer(operand) for operand in (INPUT, WEIGHT, OUTPUT)]
    kernels = [Range(tile, low, high) for tile, (low, high) in zip(tiles, spans, strict=True)]
    multipliers = [Range(tile, tin * low, tin * high) for tile, low, high in kernels]
    chip.feed(buffers[INPUT], [Range(tiles[0], 0, tin)], build.word_bits(INPUT), Traffic.BUFFER, INPUT)
    chip.feed(buffers[WEIGHT], multipliers, build.word_bits(WEIGHT), Traffic.BUFFER, WEIGHT)
    for back in (True, False):
        chip.feed(buffers[OUTPUT], kernels, build.word_bits(OUTPUT), Traffic.ACCUMULATOR, OUTPUT, back=back)
    link_right(build, [tiles], spans, [tin * build.word_bits(INPUT)], INPUT)
    for operand in (INPUT, WEIGHT):
        chip.load(buffers[operand], operand)
    chip.store(buffers[OUTPUT], OUTPUT)
    return tiles[0]


def build_spatial(build: Build) -> int:
    """Add an array of cells with its convolution buffer, of which each operand has its own banks; returns a tile."""
    chip, vector, share = build.chip, build.number(spatial.ATOMIC_C), float(build.design[spatial.WEIGHT_SHARE])
    spans, tiles = add_chain(build, build.number(spatial.ATOMIC_K))
    size, banks = float(build.hardware.buffer_bytes[0, WEIGHT]), int(build.hardware.buffer_banks[0, WEIGHT])
    for_weights = min(max(round(banks * share), 1), banks - 1)
    for operand, part, count, words in (
        (INPUT, 1 - share, banks - for_weights, vector), (WEIGHT, share, for_weights, spatial.VECTORS * vector),
    ):  # fmt: skip
        bits = build.word_bits(operand)
        name = f"{OPERAND_NAMES[operand]}_banks"
        memory = build.add_memory(name, part * size, count, bits * max(1, words // count))
        chip.feed(memory, [Range(tiles[0], 0, words)], bits, Traffic.BUFFER, operand)
        link_right(build, [tiles], spans, [words * bits], operand)
        chip.load(memory, operand)
    chip.store_tiles(tiles, OUTPUT)
    return tiles[0]


def add_grid(
    build: Build, rows: int, columns: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]], list[list[int]]]:
    """Add an array of elements in tiles; returns the ranges of rows and columns, and the tiles by row."""
    most = build.level.tiles
    down, along = split_evenly(rows, min(rows, most)), split_evenly(columns, min(columns, most))
    tiles = [
        [build.add_tile(f"array/tile_{i}_{j}", (high - low) * (right - left)) for j, (left, right) in enumerate(along)]
        for i, (low, high) in enumerate(down)
    ]
    return down, along, tiles


def add_chain(build: Build, elements: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Add elements in tiles, one after another; returns the ranges of elements, and the tiles."""
    spans = split_evenly(elements, min(elements, build.level.tiles**2))
    return spans, [build.add_tile(f"array/tile_{k}", high - low) for k, (low, high) in enumerate(spans)]


def link_right(
    build: Build, tiles: Sequence[Sequence[int]], columns: Sequence[tuple[int, int]], bits: Sequence[int],
    operand: int, way: str = "right",
) -> None:  # fmt: skip
    """Connect each tile to the next of its row; a net of row i has bits[i]."""
    for i, line in enumerate(tiles):
        for j in range(len(line) - 1):
            name = f"array/{OPERAND_NAMES[operand]}_{way}_{i}_{j}"
            hops = _count_hops(columns[j], columns[j + 1])
            build.chip.connect(name, [Pin(line[j]), Pin(line[j + 1])], bits[i], Traffic.ARRAY, operand, hops)


def link_down(
    build: Build, tiles: Sequence[Sequence[int]], rows: Sequence[tuple[int, int]], bits: Sequence[int],
    operand: int, way: str = "down",
) -> None:  # fmt: skip
    """Connect each tile to that of the next row; a net of column j has bits[j]."""
    for i in range(len(tiles) - 1):
        hops = _count_hops(rows[i], rows[i + 1])
        for j, (tile, below) in enumerate(zip(tiles[i], tiles[i + 1], strict=True)):
            name = f"array/{OPERAND_NAMES[operand]}_{way}_{i}_{j}"
            build.chip.connect(name, [Pin(tile), Pin(below)], bits[j], Traffic.ARRAY, operand, hops)


def _count_hops(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Elements from the middle of one range to that of the next."""
    return (first[1] - first[0] + second[1] - second[0]) / 2


BUILDERS: dict[str, Callable[[Build], int]] = {
    "systolic": build_systolic,
    "row_stationary": build_row_stationary,
    "adaptive": build_adaptive,
    "spatial": build_spatial,
}
"""The builder of each ASIC template: adds its array and memories, and returns the tile that the controller reaches."""
