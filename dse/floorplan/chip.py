"""A chip under construction: memories, tiles and ports, and the nets between them with their traffic.

A lane is a group of wires that carries one word per cycle.  If a memory has more macros than lanes, each lane has
macros of its own, otherwise a macro feeds several lanes.  Tiles take ranges of the lanes; a net joins the macros of
some lanes with the tile that takes them, and its weight is the number of its bits.  So the weights of all nets of a bus
add up to the bits that it carries per cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np

from dse.floorplan.sram import EDGE, Sram
from dse.model.wires import Traffic
from netlists.netlist import Floats, Ints, Kind, Netlist

NO_OPERAND = -1  # of nets that carry none
MOST_PORTS = 16  # of off-chip memory; each carries an equal share of the bits
PORT_SPREAD = 0.6  # fraction of the right edge along which these are spread
GRID = (8, 32)  # fewest and most rows and columns of the grid
UNITS_PER_UM = 1000.0  # lengths are whole nanometers
CANVAS_OVER_SIDE = 1.05  # least side of the canvas over the longest side of a macro


class Range(NamedTuple):
    """A node, and the lanes that it takes or feeds: from `low` up to but not including `high`."""

    node: int
    low: int
    high: int


@dataclass(frozen=True)
class Memory:
    """An on-chip memory: its macros, all equal."""

    name: str
    macros: Sequence[int]  # indices of nodes
    sram: Sram


class Pin(NamedTuple):
    """A connection: a node, and the edge of a macro on which it is."""

    node: int
    edge: str = ""  # array, dram or address; empty for the center of other nodes


@dataclass
class Chip:
    """Nodes and nets, in the order in which they are added."""

    name: str
    node_names: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    sizes_um: list[tuple[float, float]] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    net_names: list[str] = field(default_factory=list)
    net_pins: list[list[Pin]] = field(default_factory=list)  # the driver first
    bits: list[int] = field(default_factory=list)  # of each net
    traffic: list[Traffic] = field(default_factory=list)
    operands: list[int] = field(default_factory=list)  # `NO_OPERAND`, or of `dse.templates.base`
    hops: list[float] = field(default_factory=list)  # elements of the array between the ends; 1 outside of it
    dram_ports: list[int] = field(default_factory=list)  # indices of nodes
    dram_bits: int = 0  # per cycle
    elements: float = 1.0  # processing elements of the array

    def add_node(self, name: str, kind: Kind, size_um: tuple[float, float]) -> int:
        """Add a node; returns its index."""
        self.node_names.append(name)
        self.kinds.append(kind)
        width, height = _whole(np.array(size_um)).tolist()
        self.sizes_um.append((width, height))
        return len(self.kinds) - 1

    def add_memory(self, name: str, sram: Sram, count: int) -> Memory:
        """Add a memory of `count` macros."""
        macros = [self.add_node(f"{name}/macro_{k}", Kind.HARD, sram.size_um) for k in range(count)]
        memory = Memory(name, macros, sram)
        self.memories.append(memory)
        return memory

    def add_tile(self, name: str, area_um2: float) -> int:
        """Add a square soft macro; returns its index."""
        return self.add_node(name, Kind.SOFT, (sqrt(area_um2), sqrt(area_um2)))

    def add_dram_ports(self, bits: int) -> None:
        """Add the ports of off-chip memory, which carry so many bits per cycle."""
        self.dram_bits = bits
        self.dram_ports = [self.add_node(f"dram_{k}", Kind.PORT, (0.0, 0.0)) for k in range(min(bits, MOST_PORTS))]

    def connect(
        self, name: str, pins: Sequence[Pin], bits: int, traffic: Traffic, operand: int = NO_OPERAND, hops: float = 1.0
    ) -> None:
        """Add a net; the first pin drives it."""
        self.net_names.append(name)
        self.net_pins.append(list(pins))
        self.bits.append(bits)
        self.traffic.append(traffic)
        self.operands.append(operand)
        self.hops.append(hops)

    def feed(
        self, memory: Memory, takers: Sequence[Range], word_bits: int, traffic: Traffic, operand: int,
        *, back: bool = False,
    ) -> None:  # fmt: skip
        """Connect a memory with the takers of its lanes; `back`: they drive, and the memory is written."""
        lanes = takers[-1].high
        feeders = [Range(k, *span) for k, span in enumerate(split_evenly(lanes, min(lanes, len(memory.macros))))]
        macros = [memory.macros[slice(*span)] for span in split_evenly(len(memory.macros), len(feeders))]
        way = "write" if back else "read"
        for k, low, high in feeders:
            for taker in takers:
                shared = min(high, taker.high) - max(low, taker.low)
                if shared > 0:
                    mine = [Pin(macro, "array") for macro in macros[k]]
                    pins = [Pin(taker.node), *mine] if back else [*mine, Pin(taker.node)]
                    name = f"{memory.name}/{way}_{k}_{taker.node}"
                    self.connect(name, pins, shared * word_bits, traffic, operand)

    def load(self, memory: Memory, operand: int) -> None:
        """Connect a memory with the ports of off-chip memory, which drive."""
        for k, (port, macros) in enumerate(self._portions(memory.macros)):
            pins = [Pin(port), *(Pin(macro, "dram") for macro in macros)]
            self._connect_port(f"{memory.name}/load_{k}", pins, k, operand)

    def store(self, memory: Memory, operand: int) -> None:
        """Connect a memory, which drives, with the ports of off-chip memory."""
        for k, (port, macros) in enumerate(self._portions(memory.macros)):
            pins = [*(Pin(macro, "dram") for macro in macros), Pin(port)]
            self._connect_port(f"{memory.name}/store_{k}", pins, k, operand)

    def store_tiles(self, tiles: Sequence[int], operand: int) -> None:
        """Connect tiles of the array, which drive, with the ports of off-chip memory."""
        for k, (port, few) in enumerate(self._portions(tiles)):
            self._connect_port(f"array/store_{k}", [*map(Pin, few), Pin(port)], k, operand)

    def _connect_port(self, name: str, pins: Sequence[Pin], k: int, operand: int) -> None:
        low, high = split_evenly(self.dram_bits, len(self.dram_ports))[k]
        self.connect(name, pins, high - low, Traffic.DRAM, operand)

    def _portions(self, nodes: Sequence[int]) -> list[tuple[int, Sequence[int]]]:
        """For each port the nodes that it serves: an equal portion, and at least one."""
        count, ports = len(nodes), len(self.dram_ports)
        first = [k * count // ports for k in range(ports)]
        last = [max((k + 1) * count // ports, first[k] + 1) for k in range(ports)]
        return [(port, nodes[a:b]) for port, a, b in zip(self.dram_ports, first, last, strict=True)]

    def make_netlist(self, utilization: float) -> Netlist:
        """The netlist on a square canvas of which macros cover a fraction, with ports on its boundary.

        DRAM ports are spread along the right edge, others along the left one.
        """
        size = np.array(self.sizes_um)
        side = max(sqrt(float(size.prod(axis=1).sum()) / utilization), CANVAS_OVER_SIDE * float(size.max()))
        kind = np.array(self.kinds, dtype=np.int8)
        cells = int(np.clip(ceil(2 * sqrt(np.count_nonzero(kind == Kind.HARD))), *GRID))
        side = ceil(side * UNITS_PER_UM / cells) * cells / UNITS_PER_UM  # grid cells are whole nanometers
        node, offset_um = self._place_pins(size)
        return Netlist(
            name=self.name,
            node_names=tuple(self.node_names),
            kind=kind,
            size_um=size,
            fixed=kind == Kind.PORT,
            position_um=self._place_ports(side),
            orientation=np.zeros(len(kind), dtype=np.int8),
            pin_node=node,
            pin_offset_um=offset_um,
            net_start=np.cumsum([0, *map(len, self.net_pins)]).astype(np.int64),
            net_pin=np.arange(len(node)),
            net_weight=np.array(self.bits, dtype=np.float64),
            net_names=tuple(self.net_names),
            canvas_um=(side, side),
            grid=(cells, cells),
            units_per_um=UNITS_PER_UM,
        )

    def _place_ports(self, side_um: float) -> Floats:
        """[V, 2] positions in µm of the ports; NaN for other nodes."""
        position = np.full((len(self.kinds), 2), np.nan)
        others = [v for v, kind in enumerate(self.kinds) if kind == Kind.PORT and v not in self.dram_ports]
        for ports, x in ((self.dram_ports, side_um), (others, 0.0)):
            along = 0.5 + PORT_SPREAD * ((np.arange(len(ports)) + 0.5) / max(len(ports), 1) - 0.5)
            position[ports] = np.column_stack([np.full(len(ports), x), _whole(along * side_um)])
        return position

    def _place_pins(self, size_um: Floats) -> tuple[Ints, Floats]:
        """[P] the node of each connection, and [P, 2] its offset in µm: pins spread along their edge of a macro."""
        pins = [pin for net in self.net_pins for pin in net]
        node = np.array([pin.node for pin in pins], dtype=np.int64)
        offset = np.zeros((len(pins), 2))
        place, count = np.zeros(len(pins)), dict[Pin, int]()
        for k, pin in enumerate(pins):
            place[k] = count.get(pin, 0)
            count[pin] = count.get(pin, 0) + 1
        along = EDGE * ((place + 0.5) / np.array([count[pin] for pin in pins]) - 0.5)
        edge = np.array([pin.edge for pin in pins])
        for name, y in (("array", -0.5), ("dram", 0.5)):
            on = edge == name
            offset[on] = np.column_stack([along[on], np.full(np.count_nonzero(on), y)]) * size_um[node[on]]
        on = edge == "address"
        offset[on] = np.column_stack([np.full(np.count_nonzero(on), -0.5), along[on]]) * size_um[node[on]]
        return node, _whole(offset)


def _whole(length_um: Floats) -> Floats:
    """Lengths [..] in µm rounded to whole nanometers."""
    return np.asarray(np.round(length_um * UNITS_PER_UM) / UNITS_PER_UM)


def split_evenly(count: int, parts: int) -> list[tuple[int, int]]:
    """Consecutive ranges of `count` things in `parts` parts whose sizes differ by at most 1."""
    edges = [k * count // parts for k in range(parts + 1)]
    return list(pairwise(edges))
