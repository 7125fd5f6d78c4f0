"""What designs cost on layers: cycles, energy, traffic, resources; arrays over [S designs, L layers].

A template counts activity (`dse.templates.base.Count`), a technology prices it (`dse.technology`); energy is the sum
of count × price, split into the parts below.  `evaluate` keeps every layer and mapping of a few designs; `totals` sums
over the layers of a network, chunk by chunk in bounded memory, for millions of designs.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dse.devices import RESOURCES, Device
from dse.technology import Technology, area_mm2, coefficients, wire_pj_per_bit
from dse.templates.base import COUNTS, Count, Floats, Hardware, Ints, Template
from dse.workload import REPEAT, Network

PARTS = ("mac", "register", "network", "buffer", "dram", "wire", "static")  # of the energy
LEVELS = ("dram", "buffer", "network", "register")
OPERANDS = ("input", "weight", "output")
CHUNK = 256  # designs whose counts are held at once by one thread of `totals`: a few MB

_PART_OF = np.array(
    [6, 6, 6, -1, 0, 0, *[PARTS.index("dram")] * 3, *[PARTS.index("buffer")] * 3, *[PARTS.index("network")] * 3,
     *[PARTS.index("register")] * 3]
)  # fmt: skip
_BUFFER = slice(Count.BUFFER_INPUT, Count.BUFFER_OUTPUT + 1)
_DRAM = slice(Count.DRAM_INPUT, Count.DRAM_OUTPUT + 1)


@dataclass(frozen=True, eq=False)
class Machine:
    """S designs of one template, ready to be evaluated: what is built, what activity costs, what does not fit.

    `reason` [S] indexes `reasons`; 0: the design can be built.
    """

    template: Template
    designs: Floats  # [S, D]
    technology: Technology
    hardware: Hardware
    price_pj: Floats  # [S, COUNTS] of one count
    wire_pj: Floats  # [S, 3] of one bit between buffer and array, by operand
    area_mm2: Floats  # [S]; of an FPGA template nan
    reason: npt.NDArray[np.int16]  # [S]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Texts of the reasons of layers and of designs."""
        return all_reasons(self.template)


def all_reasons(template: Template) -> tuple[str, ...]:
    """Texts of the reasons of a template's layers and designs; the first is empty: none."""
    return (*template.reasons, *(f"the part has fewer {name.upper()}" for name in RESOURCES))


def build(
    template: Template,
    designs: Floats,
    technology: Technology,
    device: Device | None = None,
    wires_mm: Floats | None = None,
) -> Machine:
    """Price S designs [S, D] in a technology, and on an FPGA mark those that the part cannot hold.

    `wires_mm` [S, 3] is how far each operand travels between its buffer and the array, as a placement measured it;
    without it half the side of the chip's square is taken.
    """
    hardware = template.hardware(designs)
    area = np.full(len(designs), np.nan) if template.fpga else area_mm2(technology, hardware, designs)
    reason = np.zeros(len(designs), np.int16)
    if device is not None and hardware.resources:
        for code, name in enumerate(RESOURCES, start=len(template.reasons)):
            reason[(reason == 0) & (hardware.resources[name] > getattr(device, name))] = code
    return Machine(
        template,
        designs,
        technology,
        hardware,
        coefficients(technology, hardware, designs),
        wire_pj_per_bit(technology, area, wires_mm),
        area,
        reason,
    )


@dataclass(frozen=True, eq=False)
class Cost:
    """What S designs cost on L layers; a design or layer that does not fit has zeros and a reason."""

    machine: Machine
    network: Network
    counts: Ints  # [S, L, COUNTS], one occurrence of each layer
    mappings: Ints  # [S, L, G]
    reason: npt.NDArray[np.int16]  # [S, L], indexes `machine.reasons`

    @property
    def feasible(self) -> npt.NDArray[np.bool_]:
        return self.reason == 0  # [S, L]

    @property
    def cycles(self) -> Ints:
        """Latency [S, L] in clock cycles: compute + fill + stall."""
        return np.asarray(self.counts[..., : Count.STALL + 1].sum(axis=-1))

    @property
    def seconds(self) -> Floats:
        """Latency [S, L]."""
        return np.asarray(self.cycles / (self.machine.designs[:, :1] * 1e6))

    def bytes_moved(self, level: str) -> Floats:
        """Bytes [S, L, 3] of inputs, weights, outputs that cross a level of `LEVELS`; the network's are byte-hops."""
        first = Count.DRAM_INPUT + 3 * LEVELS.index(level)
        return np.asarray(self.counts[..., first : first + 3] / 8)

    @cached_property
    def energy_pj(self) -> Floats:
        """Energy [S, L, PARTS]."""
        return energy(self.counts, self.machine.price_pj[:, None], self.machine.wire_pj[:, None])

    @property
    def utilization(self) -> Floats:
        """MACs [S, L] over what the multipliers could do in these cycles."""
        possible = self.cycles * self.machine.hardware.multipliers[:, None]
        return np.divide(self.counts[..., Count.MACS], possible, out=np.zeros(possible.shape), where=possible > 0)

    @property
    def repeats(self) -> Ints:
        """How often each layer [L] occurs."""
        return self.network.rows()[:, REPEAT]


def energy(counts: Ints, price_pj: Floats, wire_pj: Floats) -> Floats:
    """Energy [..., PARTS] in pJ of counts [..., COUNTS] at prices [..., COUNTS] and [..., 3]."""
    spent = counts * price_pj
    parts = np.stack([spent[..., part == _PART_OF].sum(axis=-1) for part in range(len(PARTS))], axis=-1)
    parts[..., PARTS.index("wire")] = (counts[..., _BUFFER] * wire_pj).sum(axis=-1)
    return parts


def evaluate(machine: Machine, network: Network, *, search: bool = True, mappings: Ints | None = None) -> Cost:
    """Cost of S designs on the L layers of a network.

    With `search` each layer gets the template's best mapping; otherwise `mappings` [S, L, G], or what the design's own
    parameters fix.
    """
    rows, template, designs = network.rows(), machine.template, machine.designs
    chosen = template.default_mapping(designs, rows) if mappings is None else np.array(mappings, np.int64)
    counts = np.zeros((len(designs), len(rows), COUNTS), np.int64)
    reason = np.zeros((len(designs), len(rows)), np.int16)
    template.run(designs, rows, chosen, search and mappings is None, counts, reason)
    reason = np.where(machine.reason[:, None] > 0, machine.reason[:, None], reason)
    counts[reason > 0] = 0
    return Cost(machine, network, counts, chosen, reason)


@dataclass(frozen=True, eq=False)
class Totals:
    """What S designs cost on a whole network; rows that are not feasible hold zeros and a reason."""

    counts: Ints  # [S, COUNTS] summed over layers and their repeats
    energy_pj: Floats  # [S, PARTS]
    reason: npt.NDArray[np.int16]  # [S], of the first layer that does not fit

    @property
    def cycles(self) -> Ints:
        return np.asarray(self.counts[:, : Count.STALL + 1].sum(axis=1))

    @property
    def dram_bytes(self) -> Floats:
        return np.asarray(self.counts[:, _DRAM].sum(axis=1) / 8)


def totals(machine: Machine, network: Network, *, search: bool = False, threads: int = 1) -> Totals:
    """Cost of S designs summed over a network, in memory that grows with S only by its results."""
    rows, size = network.rows(), len(machine.designs)
    counts = np.zeros((size, COUNTS), np.int64)
    reason = machine.reason.copy()

    def chunk(start: int) -> None:
        part = slice(start, min(start + CHUNK, size))
        designs = machine.designs[part]
        scratch = np.zeros((len(designs), len(rows), COUNTS), np.int64)
        fits = np.zeros((len(designs), len(rows)), np.int16)
        mappings = machine.template.default_mapping(designs, rows)
        machine.template.run(designs, rows, mappings, search, scratch, fits)
        np.einsum("slq,l->sq", scratch, rows[:, REPEAT], out=counts[part])
        first = fits[np.arange(len(fits)), (fits > 0).argmax(axis=1)]
        reason[part] = np.where(reason[part] > 0, reason[part], first)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(chunk, _starts(size)):
            pass
    counts[reason > 0] = 0
    return Totals(counts, energy(counts, machine.price_pj, machine.wire_pj), reason)


def _starts(size: int) -> Iterator[int]:
    return iter(range(0, size, CHUNK))
