"""What designs cost on layers: cycles, energy, traffic, resources; arrays over S designs and L layers.

A template counts activity (`dse.templates.base.Count`), a technology prices it (`dse.model.technology`); energy is the
sum of count × price, split into `PARTS`.  `evaluate` keeps every layer and mapping, for a few designs; `totals` sums
over the layers of a network, chunk by chunk in bounded memory, for millions of designs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.model.devices import RESOURCES, Device
from dse.model.overhead import NONE, Overhead
from dse.model.technology import Technology, area_mm2, coefficients, wire_pj_per_bit
from dse.model.wires import (
    FITTED,
    HALF_SIDE,
    PIPELINED,
    Traffic,
    Wires,
    count_periods,
    load_fitted,
    price_traffic,
    register_cycles,
)
from dse.templates.base import (
    BUFFER_INPUT,
    CLOCK_MHZ,
    COUNTS,
    DRAM_GB_S,
    DRAM_INPUT,
    Count,
    Floats,
    Hardware,
    Ints,
    Template,
)
from dse.workloads.layers import REPEAT, Network
from netlists.errors import DesignError

PARTS = ("mac", "register", "network", "buffer", "dram", "wire", "static")  # of the energy
LEVELS = ("dram", "buffer", "network", "register")  # of memory, with traffic
OPERANDS = ("input", "weight", "output")
CHUNK = 256  # designs whose counts one thread of `totals` holds at once: a few MB

# The part of the energy [COUNTS] that each count belongs to; -1 is MACS, whose energy is that of MULTIPLY and ADD.
_PART_OF = np.array(
    [*[PARTS.index("static")] * 3, -1, *[PARTS.index("mac")] * 2,
     *[PARTS.index(level) for level in LEVELS for _ in OPERANDS]]
)  # fmt: skip
_WIRE = PARTS.index("wire")  # column of the energy
_BUFFER = int(Count.BUFFER_INPUT)  # first of the three columns of buffer traffic


@dataclass(frozen=True, eq=False)
class Machine:
    """S designs of one template, ready for evaluation: what is built, what activity costs, what does not fit.

    `reason` [S] indexes `reasons`; 0: the design can be built.
    """

    template: Template
    designs: Floats  # [S, D]
    technology: Technology
    hardware: Hardware
    price_pj: Floats  # [S, COUNTS] energy of one count
    wire_pj: Floats  # [S, 3] energy of one bit of each operand between buffer and array
    area_mm2: Floats  # [S]; nan for an FPGA template
    reason: npt.NDArray[np.int16]  # [S]
    overhead: Overhead = NONE
    wires: Wires | None = None  # with which plain costs are priced; None: `wire_pj`, and hops of one pitch

    @cached_property
    def timed(self) -> Floats:
        """The designs [S, D] with the bandwidth that their DRAM reaches, which templates count with."""
        if self.overhead.dram_efficiency == 1:
            return self.designs
        designs = self.designs.copy()
        designs[:, DRAM_GB_S] *= self.overhead.dram_efficiency
        return designs

    @property
    def reasons(self) -> tuple[str, ...]:
        """Texts of the reasons of layers and of designs."""
        return all_reasons(self.template)


def all_reasons(template: Template) -> tuple[str, ...]:
    """Texts of the reasons of a template's layers and designs; the first one is empty and means none."""
    return (*template.reasons, *(f"the part has fewer {name.upper()}" for name in RESOURCES))


def build(
    template: Template,
    designs: Floats,
    technology: Technology,
    device: Device | None = None,
    overhead: Overhead = NONE,
    wires: str = HALF_SIDE,
) -> Machine:
    """Price designs [S, D] in a technology, and on an FPGA mark those that the part cannot hold.

    `wires` is HALF_SIDE or FITTED, an estimate of `dse.model.wires`; on an FPGA they are as long as those of its part.
    Raises `DesignError` for a fabric if a node is needed, and the other way round.
    """
    if technology.fpga != template.fpga:
        expected = "an FPGA part" if template.fpga else "an ASIC technology"
        raise DesignError(f"template {template.name} is built in {expected}; {technology.name} is not one")
    hardware = template.hardware(designs)
    area = np.full(len(designs), np.nan) if template.fpga else area_mm2(technology, hardware, designs)
    model = load_fitted(template.name) if wires == FITTED else None
    return Machine(
        template,
        designs,
        technology,
        hardware,
        coefficients(technology, hardware, designs),
        wire_pj_per_bit(technology, area),
        area,
        find_excess(template, hardware, device),
        overhead,
        model.estimate(technology, hardware, designs, area) if model else None,
    )


def find_excess(template: Template, hardware: Hardware, device: Device | None) -> npt.NDArray[np.int16]:
    """The first resource [S] of a part that designs exceed, as an index of `all_reasons`; 0: none, or no part."""
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
    counts: Ints  # [S, L, COUNTS], for one occurrence of each layer
    mappings: Ints  # [S, L, G]
    reason: npt.NDArray[np.int16]  # [S, L], indexes `machine.reasons`
    wires: Wires | None = None  # fitted, or as measured in placements; see `reprice`

    @property
    def feasible(self) -> npt.NDArray[np.bool_]:
        """Whether each layer [S, L] runs."""
        return np.asarray(self.reason == 0)

    @property
    def cycles(self) -> Ints:
        """Latency [S, L] in clock cycles: compute + fill + stall."""
        return np.asarray(self.counts[..., : Count.STALL + 1].sum(axis=-1))

    @property
    def seconds(self) -> Floats:
        """Latency [S, L] in seconds."""
        return np.asarray(self.cycles / (self.machine.designs[:, CLOCK_MHZ, None] * 1e6))

    def bytes_moved(self, level: str) -> Floats:
        """Bytes [S, L, 3] of inputs, weights and outputs that cross a level of `LEVELS`; byte-hops for the network."""
        first = Count.DRAM_INPUT + 3 * LEVELS.index(level)
        return np.asarray(self.counts[..., first : first + 3] / 8)

    @cached_property
    def energy_pj(self) -> Floats:
        """Energy [S, L, PARTS] in pJ."""
        return price_counts(self.machine, self.wires, self.counts)

    @property
    def wire_periods(self) -> Floats:
        """Delay [S, TRAFFIC] of the longest wire of each class in clock periods; raises `DesignError` if not measured.

        More than 1 is too slow inside the array; other wires take registers then.
        """
        if self.wires is None:
            raise DesignError("the wires were not measured; place the design (`dse floorplan`)")
        return count_periods(self.machine.technology, self.wires, self.machine.designs)

    @property
    def utilization(self) -> Floats:
        """MACs [S, L] as a fraction of those that the multipliers could do in these cycles."""
        possible = self.cycles * self.machine.hardware.multipliers[:, None]
        return np.divide(self.counts[..., Count.MACS], possible, out=np.zeros(possible.shape), where=possible > 0)

    @property
    def repeats(self) -> Ints:
        """How often each layer [L] occurs."""
        return self.network.rows()[:, REPEAT]


def price_counts(machine: Machine, wires: Wires | None, counts: Ints, direct: Ints | None = None) -> Floats:
    """Energy [S, L, PARTS] in pJ of counts [S, L, COUNTS] of designs; `direct` [S, L, 3] is as in `split_traffic`.

    That of wires and of the network follows from the lengths `wires` if there are any.
    """
    parts = energy(counts, machine.price_pj[:, None], machine.wire_pj[:, None])
    if wires is not None:
        by_class = price_traffic(machine.technology, wires, counts, direct).sum(axis=-1)
        parts[..., PARTS.index("network")] = by_class[..., Traffic.ARRAY]
        parts[..., _WIRE] = by_class[..., PIPELINED].sum(axis=-1)
    return parts


def energy(counts: Ints, price_pj: Floats, wire_pj: Floats) -> Floats:
    """Energy [N, PARTS] in pJ of counts [N, COUNTS] at prices [N, COUNTS] and [N, 3]; N stands for any leading axes."""
    shape = counts.shape[:-1]
    parts = np.zeros((*shape, len(PARTS)))
    prices = np.broadcast_to(price_pj, counts.shape).reshape(-1, COUNTS)
    wires = np.broadcast_to(wire_pj, (*shape, len(OPERANDS))).reshape(-1, len(OPERANDS))
    _add_up(counts.reshape(-1, COUNTS), prices, wires, parts.reshape(-1, len(PARTS)))
    return parts


@njit(cache=True, nogil=True)
def _add_up(counts: Ints, price_pj: Floats, wire_pj: Floats, parts: Floats) -> None:
    """Add the energy of counts [N, COUNTS] to parts [N, PARTS]."""
    for row in range(len(counts)):
        for column in range(counts.shape[1]):
            if _PART_OF[column] >= 0:
                parts[row, _PART_OF[column]] += counts[row, column] * price_pj[row, column]
        for operand in range(wire_pj.shape[1]):
            parts[row, _WIRE] += counts[row, _BUFFER + operand] * wire_pj[row, operand]


def evaluate(machine: Machine, network: Network, *, search: bool = True, mappings: Ints | None = None) -> Cost:
    """Cost of S designs on the L layers of a network.

    With `search` each layer gets the template's best mapping; otherwise `mappings` [S, L, G] as numbers, or those that
    the design's own parameters fix.
    """
    rows, template, designs = network.rows(), machine.template, machine.timed
    own = template.default_mapping(designs, rows) if mappings is None else np.array(mappings, np.int64)
    counts = np.zeros((len(designs), len(rows), COUNTS), np.int64)
    reason = np.zeros((len(designs), len(rows)), np.int16)
    template.run(designs, rows, own, search and mappings is None, counts, reason)
    counts[..., Count.STALL] += machine.overhead.layer_cycles
    reason = np.where(machine.reason[:, None] > 0, machine.reason[:, None], reason)
    counts[reason > 0] = 0
    cost = Cost(machine, network, counts, own, reason)
    return cost if machine.wires is None else reprice(cost, machine.wires)


def reprice(cost: Cost, wires: Wires) -> Cost:
    """The cost with other wires: their energy, and the cycles of the registers in long ones.

    These are part of the `FILL` of each layer that runs (`dse.model.wires.register_cycles`).
    """
    counts, cycles = cost.counts.copy(), _find_register_cycles(cost.machine, wires)
    if cost.wires is not None:
        cycles = cycles - _find_register_cycles(cost.machine, cost.wires)
    counts[..., Count.FILL] += np.where(cost.feasible, cycles[:, None], 0)
    return replace(cost, counts=counts, wires=wires)


def _find_register_cycles(machine: Machine, wires: Wires) -> Ints:
    """Cycles [S] that the registers in long wires add to each layer."""
    return register_cycles(count_periods(machine.technology, wires, machine.designs))


@dataclass(frozen=True, eq=False)
class Totals:
    """What S designs cost on a whole network; rows that are not feasible hold zeros and a reason."""

    counts: Ints  # [S, COUNTS] summed over layers and their repeats
    energy_pj: Floats  # [S, PARTS]
    reason: npt.NDArray[np.int16]  # [S], of the first layer that does not fit

    @property
    def cycles(self) -> Ints:
        """Latency [S] in clock cycles."""
        return self.counts[:, Count.COMPUTE] + self.counts[:, Count.FILL] + self.counts[:, Count.STALL]


def totals(machine: Machine, network: Network, *, search: bool = False, threads: int = 1) -> Totals:
    """Cost of S designs summed over a network; only the results need memory in proportion to S.

    Equal layers are evaluated once, and designs that the part cannot hold are not evaluated.
    """
    rows, repeats = network.different
    counts, direct = (np.zeros((len(machine.designs), width), np.int64) for width in (COUNTS, len(OPERANDS)))
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
            _sum_layers(each, fits, repeats, which, counts, direct, reason)

    if threads == 1:
        sum_up(chunks)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(sum_up, [chunks[first::threads] for first in range(threads)]))
    if machine.overhead.layer_cycles:
        counts[reason == 0, Count.STALL] += machine.overhead.layer_cycles * int(repeats.sum())
    if machine.wires is not None:
        cycles = _find_register_cycles(machine, machine.wires) * int(repeats.sum())
        counts[:, Count.FILL] += np.where(reason == 0, cycles, 0)
    parts = price_counts(machine, machine.wires, counts[:, None], direct[:, None])[:, 0]
    return Totals(counts, parts, reason)


@njit(cache=True, nogil=True)
def _sum_layers(
    counts: Ints, fits: npt.NDArray[np.int16], repeats: Ints, which: Ints, total: Ints, direct: Ints,
    reason: npt.NDArray[np.int16],
) -> None:  # fmt: skip
    """Write the sums [COUNTS] of counts [N, L, COUNTS], or the first reasons, to rows `which` [N] of all designs.

    `direct` [S, 3] are the bits of DRAM that pass by the buffers (`dse.model.wires.find_direct`).
    """
    for i in range(len(which)):
        row = which[i]
        for layer in range(len(repeats)):
            if fits[i, layer] > 0:
                reason[row] = fits[i, layer]
                total[row] = 0
                direct[row] = 0
                break
            for column in range(counts.shape[2]):
                total[row, column] += counts[i, layer, column] * repeats[layer]
            for x in range(direct.shape[1]):
                past = counts[i, layer, DRAM_INPUT + x] - counts[i, layer, BUFFER_INPUT + x]
                if past > 0:
                    direct[row, x] += past * repeats[layer]
