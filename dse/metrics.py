"""What people compare designs by: latency, energy, area, ...; the one place where activity becomes such numbers.

`Work` is what one run of a network asks of S designs, or the weighted mean of several networks' runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.cost import Machine, Totals
from dse.devices import RESOURCES
from dse.templates.base import CLOCK_MHZ, MACS, Floats


@dataclass(frozen=True)
class Metric:
    """One number of a design."""

    unit: str
    better: str  # min or max, as nearly everyone wants it
    help: str


METRICS = {
    "latency_ms": Metric("ms", "min", "time of one run, over the whole batch"),
    "cycles": Metric("cycles", "min", "the same in clock cycles"),
    "throughput_fps": Metric("1/s", "max", "inputs a second"),
    "gops": Metric("GOP/s", "max", "achieved operations a second, two a MAC"),
    "energy_mj": Metric("mJ", "min", "energy of one run"),
    "edp": Metric("mJ·ms", "min", "energy-delay product of one run"),
    "power_w": Metric("W", "min", "mean power"),
    "utilization": Metric("1", "max", "share of the multipliers' cycles that do MACs of the network"),
    "dram_mb": Metric("MB", "min", "off-chip traffic of one run, 1e6 bytes"),
    "bandwidth_gb_s": Metric("GB/s", "min", "mean off-chip traffic, 1e9 bytes a second"),
    "multipliers": Metric("1", "min", "multipliers built"),
    "buffer_kb": Metric("KiB", "min", "on-chip SRAM"),
    "area_mm2": Metric("mm²", "min", "silicon area; ASIC templates"),
    "dsp": Metric("1", "min", "DSP slices; FPGA templates"),
    "bram": Metric("1", "min", "block RAMs of 36 Kb; FPGA templates"),
    "lut": Metric("1", "min", "look-up tables; FPGA templates"),
    "ff": Metric("1", "min", "flip-flops; FPGA templates"),
}
ASIC_ONLY = ("area_mm2",)
FPGA_ONLY = RESOURCES


@dataclass(frozen=True, eq=False)
class Work:
    """Sums over the layers of one run, each [S]."""

    cycles: Floats
    macs: Floats
    energy_pj: Floats
    dram_bytes: Floats


def work(totals: Totals) -> Work:
    """The sums of one network."""
    return Work(
        totals.cycles.astype(np.float64),
        totals.counts[:, MACS].astype(np.float64),
        np.asarray(sum(totals.energy_pj.T)),
        totals.dram_bytes,
    )


def mean_work(parts: Sequence[Work], weights: Sequence[float]) -> Work:
    """The weighted mean of several networks' work; one network's work is its own mean, bit for bit."""
    if len(parts) == 1:
        return parts[0]
    shares = np.array(weights) / sum(weights)

    def mean(arrays: list[Floats]) -> Floats:
        return np.asarray(sum(share * array for share, array in zip(shares, arrays, strict=True)))

    return Work(
        mean([part.cycles for part in parts]),
        mean([part.macs for part in parts]),
        mean([part.energy_pj for part in parts]),
        mean([part.dram_bytes for part in parts]),
    )


def metrics(machine: Machine, done: Work, batch: int) -> dict[str, Floats]:
    """Every metric [S] by name; nan where it is not defined (area of an FPGA, a design that does not run)."""
    hardware, size = machine.hardware, len(machine.designs)
    nothing = np.full(size, np.nan)
    cycles = np.where(done.cycles > 0, done.cycles, np.nan)
    seconds = cycles / (machine.designs[:, CLOCK_MHZ] * 1e6)
    joules = np.where(done.cycles > 0, done.energy_pj, np.nan) * 1e-12
    buffers = hardware.buffer_bytes[:, :1] if hardware.shared_buffer else hardware.buffer_bytes
    return {
        "latency_ms": seconds * 1e3,
        "cycles": cycles,
        "throughput_fps": batch / seconds,
        "gops": 2e-9 * done.macs / seconds,
        "energy_mj": joules * 1e3,
        "edp": joules * seconds * 1e6,
        "power_w": joules / seconds,
        "utilization": done.macs / (cycles * hardware.multipliers),
        "dram_mb": done.dram_bytes * 1e-6,
        "bandwidth_gb_s": done.dram_bytes * 1e-9 / seconds,
        "multipliers": hardware.multipliers,
        "buffer_kb": np.asarray(sum(buffers.T)) / 1024,
        "area_mm2": machine.area_mm2,
        **{name: hardware.resources.get(name, nothing) for name in RESOURCES},
    }
