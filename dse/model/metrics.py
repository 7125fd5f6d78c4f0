"""The metrics by which designs are compared: latency, energy, area, ...; the only place where they are computed.

`Work` is the activity of S designs in one run of a network, or the weighted mean of the runs of several networks.
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
    BYTES_PER_KIB,
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


# Rows of `Work` as an array.
CYCLES, MAC_COUNT, ENERGY_PJ, DRAM_BYTES = range(len(Work._fields))


def work(totals: Totals) -> Work:
    """The sums over one network."""
    return Work(*_sums(totals.counts, totals.energy_pj))


@njit(cache=True, nogil=True)
def _sums(counts: Ints, energy_pj: Floats) -> Floats:
    """`Work` [4, S] of counts [S, COUNTS] and energies [S, PARTS]."""
    sums = np.zeros((4, len(counts)))
    for s in range(len(counts)):
        sums[CYCLES, s] = counts[s, COMPUTE] + counts[s, FILL] + counts[s, STALL]
        sums[MAC_COUNT, s] = counts[s, MACS]
        for part in range(energy_pj.shape[1]):
            sums[ENERGY_PJ, s] += energy_pj[s, part]
        sums[DRAM_BYTES, s] = (counts[s, DRAM_INPUT] + counts[s, DRAM_WEIGHT] + counts[s, DRAM_OUTPUT]) / 8
    return sums


def mean_work(parts: Sequence[Work], weights: Sequence[float]) -> Work:
    """The weighted mean of the work [S] of several networks; that of one network is returned unchanged."""
    if len(parts) == 1:
        return parts[0]
    fractions = np.array(weights) / sum(weights)
    return Work(*(
        np.asarray(sum(fraction * array for fraction, array in zip(fractions, arrays, strict=True)))
        for arrays in zip(*parts, strict=True)
    ))  # fmt: skip


@dataclass(frozen=True)
class RunOfDesigns:
    """A run of S designs, with quantities that several metrics use; nan for a design that does not run."""

    machine: Machine
    work: Work
    batch: int

    @cached_property
    def cycles(self) -> Floats:
        """Clock cycles [S]."""
        return np.where(self.work.cycles > 0, self.work.cycles, np.nan)

    @cached_property
    def seconds(self) -> Floats:
        """Time [S] in seconds."""
        return np.asarray(self.cycles / (self.machine.designs[:, CLOCK_MHZ] * 1e6))

    @cached_property
    def joules(self) -> Floats:
        """Energy [S] in joules."""
        return np.where(self.work.cycles > 0, self.work.energy_pj, np.nan) * 1e-12

    @property
    def buffer_kb(self) -> Floats:
        """On-chip SRAM [S] in KiB."""
        buffers = self.machine.hardware.buffer_bytes
        return np.asarray(sum(buffers[:, :1].T if self.machine.hardware.shared_buffer else buffers.T)) / BYTES_PER_KIB

    def resource(self, name: str) -> Floats:
        """Number [S] of a resource that an FPGA template uses; nan for an ASIC template."""
        used = self.machine.hardware.resources.get(name)
        return np.full(len(self.machine.designs), np.nan) if used is None else used


@dataclass(frozen=True)
class Metric:
    """One number of a design."""

    unit: str
    better: str  # min or max: which is usually wanted
    help: str
    of: Callable[[RunOfDesigns], Floats]  # values [S]


METRICS = {
    "latency_ms": Metric("ms", "min", "time of one run, of the whole batch", lambda run: run.seconds * 1e3),
    "cycles": Metric("cycles", "min", "time of one run in clock cycles", lambda run: run.cycles),
    "throughput_fps": Metric("1/s", "max", "inputs per second", lambda run: run.batch / run.seconds),
    "gops": Metric(
        "GOP/s", "max", "achieved operations per second, two per MAC", lambda run: 2e-9 * run.work.macs / run.seconds
    ),
    "energy_mj": Metric("mJ", "min", "energy of one run", lambda run: run.joules * 1e3),
    "edp": Metric("mJ·ms", "min", "energy-delay product of one run", lambda run: run.joules * run.seconds * 1e6),
    "power_w": Metric("W", "min", "mean power", lambda run: run.joules / run.seconds),
    "utilization": Metric(
        "1", "max", "fraction of the multipliers' cycles that do MACs of the network",
        lambda run: run.work.macs / (run.cycles * run.machine.hardware.multipliers),
    ),
    "dram_mb": Metric("MB", "min", "off-chip traffic of one run, 1e6 bytes", lambda run: run.work.dram_bytes * 1e-6),
    "bandwidth_gb_s": Metric(
        "GB/s", "min", "mean off-chip traffic, 1e9 bytes per second",
        lambda run: run.work.dram_bytes * 1e-9 / run.seconds,
    ),
    "multipliers": Metric("1", "min", "multipliers built", lambda run: run.machine.hardware.multipliers),
    "buffer_kb": Metric("KiB", "min", "on-chip SRAM", lambda run: run.buffer_kb),
    "area_mm2": Metric("mm²", "min", "silicon area; ASIC templates", lambda run: run.machine.area_mm2),
    "dsp": Metric("1", "min", "DSP slices; FPGA templates", lambda run: run.resource("dsp")),
    "bram": Metric("1", "min", "block RAMs of 36 Kb; FPGA templates", lambda run: run.resource("bram")),
    "lut": Metric("1", "min", "look-up tables; FPGA templates", lambda run: run.resource("lut")),
    "ff": Metric("1", "min", "flip-flops; FPGA templates", lambda run: run.resource("ff")),
}  # fmt: skip
ASIC_ONLY = ("area_mm2",)  # metrics that are nan for FPGA templates
FPGA_ONLY = RESOURCES  # metrics that are nan for ASIC templates


def metrics(machine: Machine, work: Work, batch: int, names: Iterable[str] = METRICS) -> dict[str, Floats]:
    """Metrics [S] by name, from work [S]; nan if one is not defined (area of an FPGA, a design that does not run)."""
    run = RunOfDesigns(machine, work, batch)
    return {name: METRICS[name].of(run) for name in names}
