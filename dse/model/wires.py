"""Lengths of wires as measured in a placement, by class of traffic, and what they cost.

Without a placement, a bit between buffer and array travels half the side of a square chip, and a hop between neighbors
one pitch (`dse.model.technology`).  A placement says how far each class of bits travels:

    buffer        inputs and weights between their SRAMs and the array
    array         from unit to unit inside the array: a hop, whose FIFO and controller cost what they do in `technology`
    accumulator   outputs and partial sums between the array and their SRAMs
    dram          between the ports of off-chip memory and the SRAMs, or the array if an operand has no buffer
    control       the host's bus and addresses, of which no traffic is counted

A buffer counts both of its sides (`dse.templates.base`), so what it exchanges with the array is its own traffic less
that of DRAM.  The wire of a class is the mean over its nets, weighted by their bits per cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from dse.model.technology import HOP_OVER_WIRE, Technology
from dse.templates.base import (
    BUFFER_INPUT,
    BUFFER_OUTPUT,
    CLOCK_MHZ,
    DRAM_INPUT,
    DRAM_OUTPUT,
    NETWORK_INPUT,
    NETWORK_OUTPUT,
    OUTPUT,
    Floats,
    Ints,
)


class Traffic(IntEnum):
    """Classes of traffic, which are axes of arrays [.., TRAFFIC]."""

    BUFFER = 0
    ARRAY = 1
    ACCUMULATOR = 2
    DRAM = 3
    CONTROL = 4


TRAFFIC = len(Traffic)
TITLES = ("buffer to array", "array internal", "accumulator", "DRAM interface", "host and control")
"""Names of the classes of traffic."""
PIPELINED = [Traffic.BUFFER, Traffic.ACCUMULATOR, Traffic.DRAM]
"""Classes whose wires take registers if they are longer than a clock period allows."""


@dataclass(frozen=True, eq=False)
class Wires:
    """Lengths of the wires of S designs in mm; 0 for classes and operands without wires."""

    mean_mm: Floats  # [S, TRAFFIC, 3] per operand, weighted by bits; ARRAY: of one hop
    longest_mm: Floats  # [S, TRAFFIC]; ARRAY: the longest hop
    pitch_mm: Floats  # [S] side of an element of the array


def split_traffic(counts: Ints) -> Floats:
    """Bits [N, TRAFFIC, 3] of each class and operand, bit-hops inside the array, of counts [N, COUNTS].

    N stands for any leading axes.
    """
    bits = np.zeros((*counts.shape[:-1], TRAFFIC, 3))
    bits[..., Traffic.DRAM, :] = counts[..., DRAM_INPUT : DRAM_OUTPUT + 1]
    beside = np.maximum(counts[..., BUFFER_INPUT : BUFFER_OUTPUT + 1] - bits[..., Traffic.DRAM, :], 0)
    bits[..., Traffic.BUFFER, :OUTPUT] = beside[..., :OUTPUT]
    bits[..., Traffic.ACCUMULATOR, OUTPUT] = beside[..., OUTPUT]
    bits[..., Traffic.ARRAY, :] = counts[..., NETWORK_INPUT : NETWORK_OUTPUT + 1]
    return bits


def price_traffic(technology: Technology, wires: Wires, counts: Ints) -> Floats:
    """Energy [S, L, TRAFFIC] in pJ: bits moved × length × pJ per bit and mm, of counts [S, L, COUNTS].

    What a hop costs beside its wire does not depend on its length: as much as (HOP_OVER_WIRE - 1) pitches of wire.
    """
    length_mm = wires.mean_mm.copy()
    length_mm[:, Traffic.ARRAY] += (HOP_OVER_WIRE - 1) * wires.pitch_mm[:, None]
    return np.asarray((split_traffic(counts) * length_mm[:, None]).sum(axis=-1) * technology.wire_pj_mm)


def count_periods(technology: Technology, wires: Wires, designs: Floats) -> Floats:
    """Delay [S, TRAFFIC] of the longest wire of each class in clock periods of designs [S, D]."""
    return np.asarray(wires.longest_mm * technology.wire_ps_mm * designs[:, CLOCK_MHZ, None] * 1e-6)


def register_cycles(periods: Floats) -> Ints:
    """Cycles [S] that registers in long wires add to a layer, of delays [S, TRAFFIC] in clock periods.

    A wire of n periods has n - 1 registers, rounded up.  Data passes those from DRAM, to the array and back once before
    a layer's last result is stored; the rest of the layer follows without a gap.
    """
    stages = np.maximum(np.ceil(periods[:, PIPELINED]) - 1, 0)
    return np.asarray(stages.sum(axis=1).astype(np.int64))
