"""What designs cost on layers: cycles, energy, traffic, resources; arrays over [S designs, L layers].

A template counts activity (`dse.templates.base.Count`), a technology prices it (`dse.model.technology`); energy is the
sum of count × price, split into the parts below.  `evaluate` keeps every layer and mapping of a few designs; `totals`
sums over the layers of a network, chunk by chunk in bounded memory, for millions of designs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.model.devices import RESOURCES, Device
from dse.model.overhead import NONE, Overhead
from dse.model.technology import Technology, area_mm2, coefficients, wire_pj_per_bit
from dse.templates.base import CLOCK_MHZ, COUNTS, DRAM_GB_S, Count, Floats, Hardware, Ints, Template
from dse.workloads.layers import REPEAT, Network
from netlists.errors import DesignError

PARTS = ("mac", "register", "network", "buffer", "dram", "wire", "static")  # of the energy
LEVELS = ("dram", "buffer", "network", "register")
OPERANDS = ("input", "weight", "output")
CHUNK = 256  # designs whose counts are held at once by one thread of `totals`: a few MB

# Of each count, in the order of `Count`; -1 is MACS, whose energy is that of MULTIPLY and ADD.
_PART_OF = np.array(
    [*[PARTS.index("static")] * 3, -1, *[PARTS.index("mac")] * 2,
     *[PARTS.index(level) for level in LEVELS for _ in OPERANDS]]
)  # fmt: skip
_WIRE, _BUFFER = PARTS.index("wire"), int(Count.BUFFER_INPUT)


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
    overhead: Overhead = NONE

    @cached_property
    def timed(self) -> Floats:
        """The designs [S, D] with the bandwidth that their DRAM reaches: what templates count with."""
        if self.overhead.dram_efficiency == 1:
            return self.designs
        reached = self.designs.copy()
        reached[:, DRAM_GB_S] *= self.overhead.dram_efficiency
        return reached

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
    overhead: Overhead = NONE,
) -> Machine:
    """Price S designs [S, D] in a technology, and on an FPGA mark those that the part cannot hold.

    `wires_mm` [S, 3] is how far each operand travels between its buffer and the array, as a placement measured it;
    without it half the side of the chip's square is taken.  Raises `DesignError` for a fabric where a node is needed,
    or the other way round.
    """
    if technology.fpga != template.fpga:
        wanted = "an FPGA part" if template.fpga else "an ASIC technology"
        raise DesignError(f"template {template.name} is built in {wanted}; {technology.name} is none")
    hardware = template.hardware(designs)
    area = np.full(len(designs), np.nan) if template.fpga else area_mm2(technology, hardware, designs)
    return Machine(
        template,
        designs,
        technology,
        hardware,
        coefficients(technology, hardware, designs),
        wire_pj_per_bit(technology, area, wires_mm),
        area,
        too_large(template, hardware, device),
        overhead,
    )


def too_large(template: Template, hardware: Hardware, device: Device | None) -> npt.NDArray[np.int16]:
    """Which resource [S] of a part is the first that designs exceed, as `all_reasons` counts; 0: none, or no part."""
    reason = np.zeros(len(hardware.multipliers), np.int16)
    if device is not None and hardware.resources:
        for code, name in enumerate(RESOURCES, start=len(template.reasons)):
            reason[(reason == 0) & (hardware.resources[name] > getattr(device, name))] = code
    return reason


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
        return np.asarray(self.reason == 0)  # [S, L]

    @property
    def cycles(self) -> Ints:
        """Latency [S, L] in clock cycles: compute + fill + stall."""
        return np.asarray(self.counts[..., : Count.STALL + 1].sum(axis=-1))

    @property
    def seconds(self) -> Floats:
        """Latency [S, L]."""
        return np.asarray(self.cycles / (self.machine.designs[:, CLOCK_MHZ, None] * 1e6))

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
    shape = counts.shape[:-1]
    parts = np.zeros((*shape, len(PARTS)))
    prices = np.broadcast_to(price_pj, counts.shape).reshape(-1, COUNTS)
    wires = np.broadcast_to(wire_pj, (*shape, len(OPERANDS))).reshape(-1, len(OPERANDS))
    _add_up(counts.reshape(-1, COUNTS), prices, wires, parts.reshape(-1, len(PARTS)))
    return parts


@njit(cache=True, nogil=True)
def _add_up(counts: Ints, price_pj: Floats, wire_pj: Floats, parts: Floats) -> None:
    """Add the energy of counts [n, COUNTS] to parts [n, PARTS]."""
    for row in range(len(counts)):
        for column in range(counts.shape[1]):
            if _PART_OF[column] >= 0:
                parts[row, _PART_OF[column]] += counts[row, column] * price_pj[row, column]
        for operand in range(wire_pj.shape[1]):
            parts[row, _WIRE] += counts[row, _BUFFER + operand] * wire_pj[row, operand]


def evaluate(machine: Machine, network: Network, *, search: bool = True, mappings: Ints | None = None) -> Cost:
    """Cost of S designs on the L layers of a network.

    With `search` each layer gets the template's best mapping; otherwise `mappings` [S, L, G], or what the design's own
    parameters fix.
    """
    rows, template, designs = network.rows(), machine.template, machine.timed
    chosen = template.default_mapping(designs, rows) if mappings is None else np.array(mappings, np.int64)
    counts = np.zeros((len(designs), len(rows), COUNTS), np.int64)
    reason = np.zeros((len(designs), len(rows)), np.int16)
    template.run(designs, rows, chosen, search and mappings is None, counts, reason)
    counts[..., Count.STALL] += machine.overhead.layer_cycles
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
        return self.counts[:, Count.COMPUTE] + self.counts[:, Count.FILL] + self.counts[:, Count.STALL]


def totals(machine: Machine, network: Network, *, search: bool = False, threads: int = 1) -> Totals:
    """Cost of S designs summed over a network, in memory that grows with S only by its results.

    Equal layers are evaluated once, designs that the part cannot hold not at all.
    """
    rows, repeats = network.different
    counts = np.zeros((len(machine.designs), COUNTS), np.int64)
    reason = machine.reason.copy()
    built = np.flatnonzero(reason == 0)
    chunks = [built[start : start + CHUNK] for start in range(0, len(built), CHUNK)]

    def sum_up(mine: Sequence[Ints]) -> None:
        scratch = np.empty((CHUNK, len(rows), COUNTS), np.int64)
        for which in mine:
            designs, each = machine.timed[which], scratch[: len(which)]
            each.fill(0)
            fits = np.zeros((len(which), len(rows)), np.int16)
            machine.template.run(designs, rows, machine.template.default_mapping(designs, rows), search, each, fits)
            _sum_layers(each, fits, repeats, which, counts, reason)

    if threads == 1:
        sum_up(chunks)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(sum_up, [chunks[first::threads] for first in range(threads)]))
    if machine.overhead.layer_cycles:
        counts[reason == 0, Count.STALL] += machine.overhead.layer_cycles * int(repeats.sum())
    return Totals(counts, energy(counts, machine.price_pj, machine.wire_pj), reason)


@njit(cache=True, nogil=True)
def _sum_layers(
    counts: Ints, fits: npt.NDArray[np.int16], repeats: Ints, which: Ints, total: Ints, reason: npt.NDArray[np.int16]
) -> None:
    """Write the sum [COUNTS] of counts [n, L, COUNTS], or the first reason, to rows `which` of all designs."""
    for i in range(len(which)):
        row = which[i]
        for layer in range(len(repeats)):
            if fits[i, layer] > 0:
                reason[row] = fits[i, layer]
                total[row] = 0
                break
            for column in range(counts.shape[2]):
                total[row, column] += counts[i, layer, column] * repeats[layer]
