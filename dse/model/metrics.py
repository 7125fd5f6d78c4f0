"""What people compare designs by: latency, energy, area, ...; the one place where activity becomes such numbers.

`Work` is what one run of a network asks of S designs, or the weighted mean of several networks' runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit

from dse.model.cost import Machine, Totals
from dse.model.devices import RESOURCES
from dse.templates.base import (
    CLOCK_MHZ,
    COMPUTE,
    DRAM_INPUT,
    DRAM_OUTPUT,
    DRAM_WEIGHT,
    FILL,
    MACS,
    STALL,
    Floats,
    Ints,
)


class Work(NamedTuple):
    """Sums over the layers of one run, each [S]."""

    cycles: Floats
    macs: Floats
    energy_pj: Floats
    dram_bytes: Floats


def work(totals: Totals) -> Work:
    """The sums of one network."""
    return Work(*_sums(totals.counts, totals.energy_pj))


@njit(cache=True, nogil=True)
def _sums(counts: Ints, energy_pj: Floats) -> Floats:
    """`Work` [4, S] of counts [S, COUNTS] and energies [S, PARTS]."""
    sums = np.zeros((4, len(counts)))
    for s in range(len(counts)):
        sums[0, s] = counts[s, COMPUTE] + counts[s, FILL] + counts[s, STALL]
        sums[1, s] = counts[s, MACS]
        for part in range(energy_pj.shape[1]):
            sums[2, s] += energy_pj[s, part]
        sums[3, s] = (counts[s, DRAM_INPUT] + counts[s, DRAM_WEIGHT] + counts[s, DRAM_OUTPUT]) / 8
    return sums


def mean_work(parts: Sequence[Work], weights: Sequence[float]) -> Work:
    """The weighted mean of several networks' work; one network's work is its own mean, bit for bit."""
    if len(parts) == 1:
        return parts[0]
    shares = np.array(weights) / sum(weights)
    return Work(*(
        np.asarray(sum(share * array for share, array in zip(shares, arrays, strict=True)))
        for arrays in zip(*parts, strict=True)
    ))  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A run of S designs, with what several metrics are made of; nan for a design that does not run."""

    machine: Machine
    work: Work
    batch: int

    @cached_property
    def cycles(self) -> Floats:
        return np.where(self.work.cycles > 0, self.work.cycles, np.nan)

    @cached_property
    def seconds(self) -> Floats:
        return np.asarray(self.cycles / (self.machine.designs[:, CLOCK_MHZ] * 1e6))

    @cached_property
    def joules(self) -> Floats:
        return np.where(self.work.cycles > 0, self.work.energy_pj, np.nan) * 1e-12

    @property
    def buffer_kb(self) -> Floats:
        buffers = self.machine.hardware.buffer_bytes
        return np.asarray(sum(buffers[:, :1].T if self.machine.hardware.shared_buffer else buffers.T)) / 1024

    def resource(self, name: str) -> Floats:
        """What an FPGA template takes; nan of an ASIC template."""
        found = self.machine.hardware.resources.get(name)
        return np.full(len(self.machine.designs), np.nan) if found is None else found


@dataclass(frozen=True)
class Metric:
    """One number of a design."""

    unit: str
    better: str  # min or max, as nearly everyone wants it
    help: str
    of: Callable[[Run], Floats]


METRICS = {
    "latency_ms": Metric("ms", "min", "time of one run, over the whole batch", lambda run: run.seconds * 1e3),
    "cycles": Metric("cycles", "min", "the same in clock cycles", lambda run: run.cycles),
    "throughput_fps": Metric("1/s", "max", "inputs a second", lambda run: run.batch / run.seconds),
    "gops": Metric(
        "GOP/s", "max", "achieved operations a second, two a MAC", lambda run: 2e-9 * run.work.macs / run.seconds
    ),
    "energy_mj": Metric("mJ", "min", "energy of one run", lambda run: run.joules * 1e3),
    "edp": Metric("mJ·ms", "min", "energy-delay product of one run", lambda run: run.joules * run.seconds * 1e6),
    "power_w": Metric("W", "min", "mean power", lambda run: run.joules / run.seconds),
    "utilization": Metric(
        "1", "max", "share of the multipliers' cycles that do MACs of the network",
        lambda run: run.work.macs / (run.cycles * run.machine.hardware.multipliers),
    ),
    "dram_mb": Metric("MB", "min", "off-chip traffic of one run, 1e6 bytes", lambda run: run.work.dram_bytes * 1e-6),
    "bandwidth_gb_s": Metric(
        "GB/s", "min", "mean off-chip traffic, 1e9 bytes a second", lambda run: run.work.dram_bytes * 1e-9 / run.seconds
    ),
    "multipliers": Metric("1", "min", "multipliers built", lambda run: run.machine.hardware.multipliers),
    "buffer_kb": Metric("KiB", "min", "on-chip SRAM", lambda run: run.buffer_kb),
    "area_mm2": Metric("mm²", "min", "silicon area; ASIC templates", lambda run: run.machine.area_mm2),
    "dsp": Metric("1", "min", "DSP slices; FPGA templates", lambda run: run.resource("dsp")),
    "bram": Metric("1", "min", "block RAMs of 36 Kb; FPGA templates", lambda run: run.resource("bram")),
    "lut": Metric("1", "min", "look-up tables; FPGA templates", lambda run: run.resource("lut")),
    "ff": Metric("1", "min", "flip-flops; FPGA templates", lambda run: run.resource("ff")),
}  # fmt: skip
ASIC_ONLY = ("area_mm2",)
FPGA_ONLY = RESOURCES


def metrics(machine: Machine, done: Work, batch: int, names: Iterable[str] = METRICS) -> dict[str, Floats]:
    """Metrics [S] by name; nan where one is not defined (area of an FPGA, a design that does not run)."""
    run = Run(machine, done, batch)
    return {name: METRICS[name].of(run) for name in names}
