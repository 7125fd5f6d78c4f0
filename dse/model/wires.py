"""Lengths of wires by class of traffic, measured in a placement or fitted to many, and what they cost.

The simplest estimate, HALF_SIDE, is that a bit between buffer and array travels half the side of a square chip, and a
hop between neighbors one pitch (`dse.model.technology`).  A placement says how far each class of bits travels:

    buffer        inputs and weights between their SRAMs and the array
    array         from unit to unit inside the array: a hop, whose FIFO and controller cost what they do in `technology`
    accumulator   outputs and partial sums between the array and their SRAMs
    dram          between the ports of off-chip memory and the SRAMs, or the array if an operand has no buffer
    control       the host's bus and addresses, of which no traffic is counted

A buffer counts both of its sides (`dse.templates.base`), so what it exchanges with the array is its own traffic less
that of DRAM.  The wire of a class is the mean over its nets, weighted by their bits per cycle.

Without a placement, FITTED lengths are those of `WireModel`: the logarithm of the mean length of each class and
operand, and of the longest wire of each class, is linear in the logarithms of what a design is made of: the sides of a
square chip, of its array, of the SRAMs of the operand (of all SRAMs, for the longest wire) and of one bank of it, its
bits per cycle of DRAM, and its parameters that are numbers.  So it is a product of powers, with its own exponents for
each class and operand of a template.  `python -m tests.benchmarks.fitted_wires` fits the bundled ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from dse.model.technology import HOP_OVER_WIRE, SRAM_OVER_CELLS, Technology, element_um2
from dse.templates import template
from dse.templates.base import (
    BUFFER_INPUT,
    BUFFER_OUTPUT,
    CLOCK_MHZ,
    DRAM_GB_S,
    DRAM_INPUT,
    DRAM_OUTPUT,
    NETWORK_INPUT,
    NETWORK_OUTPUT,
    OUTPUT,
    Floats,
    Hardware,
    Ints,
    Template,
)
from netlists.runtime.output import replaced

HALF_SIDE, FITTED = "half_side", "fitted"
"""Names of the estimates of wires."""
FITTED_WIRES = Path(__file__).parents[1] / "data" / "fitted_wires.json"
"""The file with the bundled coefficients, and what they were fitted to."""
DIGITS = 4
"""Decimals of bundled coefficients: lengths change by less than 0.1%."""
LONGEST = 3
"""Column of coefficients for the longest wire, after those of the means of the operands."""
OWN_SIZES = (3, 4)
"""Features that differ by operand: its SRAMs, and one bank of them."""


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


@dataclass(frozen=True, eq=False)
class WireModel:
    """A fitted model of the wires of one template: powers of F features of a design (`describe_sizes`)."""

    template: str
    coefficients: Floats  # [TRAFFIC, LONGEST + 1, F]; nan if there are no such wires

    def estimate(self, technology: Technology, hardware: Hardware, designs: Floats, area_mm2: Floats) -> Wires:
        """The wires of designs [S, D] of the template, of areas [S].

        None is longer than half the perimeter of a square chip, and a hop is at least as long as an element.
        """
        element, own, common = _measure_sizes(template(self.template), technology, hardware, designs, area_mm2)
        length = np.minimum(_multiply_powers(common, own, self.coefficients), 2 * np.sqrt(area_mm2)[:, None, None])
        pitch_mm = np.sqrt(element) / 1e3
        hops = length[:, Traffic.ARRAY]
        length[:, Traffic.ARRAY] = np.where(hops > 0, np.maximum(hops, pitch_mm[:, None]), 0.0)
        return Wires(length[..., :LONGEST], length[..., LONGEST], pitch_mm)


@njit(cache=True, nogil=True)
def _multiply_powers(common: Floats, own: Floats, coefficients: Floats) -> Floats:
    """Lengths [S, TRAFFIC, LONGEST + 1], 0 without coefficients, of features [S, F - 2] and [S, LONGEST + 1, 2].

    One design after another, so that a design alone has the same lengths to the last digit.
    """
    kinds, places, width = coefficients.shape
    first, count = OWN_SIZES[0], len(OWN_SIZES)
    lengths = np.zeros((len(common), kinds, places))
    for s in range(len(common)):
        for kind in range(kinds):
            for place in range(places):
                weights = coefficients[kind, place]
                if np.isnan(weights[0]):
                    continue
                total = 0.0
                for k in range(first):
                    total += common[s, k] * weights[k]
                for k in range(count):
                    total += own[s, place, k] * weights[first + k]
                for k in range(first + count, width):
                    total += common[s, k - count] * weights[k]
                lengths[s, kind, place] = np.exp(total)
    return lengths


def describe_sizes(
    family: Template, technology: Technology, hardware: Hardware, designs: Floats, area_mm2: Floats
) -> Floats:
    """The features [S, LONGEST + 1, F] of lengths of designs [S, D], for each operand and for all.

    They are 1, the logarithms of the sides in mm of a square chip, of its array, of the SRAMs of the operand and of one
    bank, then those of the bits per cycle of DRAM, but for a constant, and of the parameters that are numbers.
    """
    _, own, common = _measure_sizes(family, technology, hardware, designs, area_mm2)
    shared = np.repeat(common[:, None], LONGEST + 1, axis=1)
    return np.concatenate([shared[..., : OWN_SIZES[0]], own, shared[..., OWN_SIZES[0] :]], axis=2)


def _measure_sizes(
    family: Template, technology: Technology, hardware: Hardware, designs: Floats, area_mm2: Floats
) -> tuple[Floats, Floats, Floats]:
    """Areas [S] of an element in µm², the OWN_SIZES [S, LONGEST + 1, 2] and all other features [S, F - 2]."""
    element = element_um2(technology, hardware, designs)
    memory = np.concatenate([hardware.buffer_bytes, hardware.buffer_bytes.sum(axis=1, keepdims=True)], axis=1)
    banks = np.concatenate([hardware.buffer_banks, hardware.buffer_banks.sum(axis=1, keepdims=True)], axis=1)
    memory_mm = 0.5 * np.log(8 * np.maximum(memory, 1.0) * technology.cell_um2 * SRAM_OVER_CELLS / 1e6)
    own = np.stack([memory_mm, memory_mm - 0.5 * np.log(np.maximum(banks, 1.0))], axis=2)
    columns = [k for k, each in enumerate(family.parameters) if not each.choices and k not in (CLOCK_MHZ, DRAM_GB_S)]
    sizes = [np.ones(len(designs)), 0.5 * np.log(area_mm2), 0.5 * np.log(hardware.elements * element / 1e6),
             np.log(designs[:, DRAM_GB_S] / designs[:, CLOCK_MHZ])]  # fmt: skip
    return element, own, np.column_stack([*sizes, np.log(designs[:, columns])])


@cache
def load_fitted(name: str) -> WireModel | None:
    """The bundled model of a template; None for the templates of FPGAs, whose wires are those of the part."""
    lengths = json.loads(FITTED_WIRES.read_text(encoding="utf-8"))["templates"].get(name, {}).get("lengths")
    if lengths is None:
        return None
    rows = [[lengths[each.name.lower()][place] for place in range(LONGEST + 1)] for each in Traffic]
    width = max(len(row) for each in rows for row in each if row)
    return WireModel(name, np.array([[row or [np.nan] * width for row in each] for each in rows]))


def save_fitted(file: Path, models: Mapping[WireModel, Mapping[str, Any]], source: Mapping[str, Any]) -> None:
    """Write fitted models, each with what is known of its fit, and where they all come from; raises `OSError`."""
    templates = {
        model.template: {**notes, "lengths": {each.name.lower(): _round(model.coefficients[each]) for each in Traffic}}
        for model, notes in models.items()
    }
    with replaced(file) as part:
        part.write_text(json.dumps({**source, "templates": templates}, indent=1) + "\n", encoding="utf-8")


def _round(coefficients: Floats) -> list[list[float] | None]:
    """Coefficients [LONGEST + 1, F] with DIGITS decimals; None for wires that do not exist."""
    return [None if np.isnan(row).any() else np.round(row, DIGITS).tolist() for row in coefficients]


def split_traffic(counts: Ints, direct: Ints | None = None) -> Floats:
    """Bits [N, TRAFFIC, 3] of each class and operand, bit-hops inside the array, of counts [N, COUNTS].

    N stands for any leading axes.  `direct` [N, 3] are bits of DRAM that pass by the buffers (`find_direct`): those of
    the layers, if counts are sums over layers.
    """
    bits = np.zeros((*counts.shape[:-1], TRAFFIC, 3))
    bits[..., Traffic.DRAM, :] = counts[..., DRAM_INPUT : DRAM_OUTPUT + 1]
    beside = counts[..., BUFFER_INPUT : BUFFER_OUTPUT + 1] - bits[..., Traffic.DRAM, :]
    beside += find_direct(counts) if direct is None else direct
    bits[..., Traffic.BUFFER, :OUTPUT] = beside[..., :OUTPUT]
    bits[..., Traffic.ACCUMULATOR, OUTPUT] = beside[..., OUTPUT]
    bits[..., Traffic.ARRAY, :] = counts[..., NETWORK_INPUT : NETWORK_OUTPUT + 1]
    return bits


def find_direct(counts: Ints) -> Ints:
    """Bits [N, 3] of each operand that DRAM exchanges with the array past a buffer, of counts [N, COUNTS] of layers."""
    past = counts[..., DRAM_INPUT : DRAM_OUTPUT + 1] - counts[..., BUFFER_INPUT : BUFFER_OUTPUT + 1]
    return np.asarray(np.maximum(past, 0))


def price_traffic(technology: Technology, wires: Wires, counts: Ints, direct: Ints | None = None) -> Floats:
    """Energy [S, L, TRAFFIC, 3] in pJ: bits moved × length × pJ per bit and mm, of counts [S, L, COUNTS].

    What a hop costs beside its wire does not depend on its length: as much as (HOP_OVER_WIRE - 1) pitches of wire.
    `direct` [S, L, 3] is as in `split_traffic`.
    """
    length_mm = wires.mean_mm.copy()
    length_mm[:, Traffic.ARRAY] += (HOP_OVER_WIRE - 1) * wires.pitch_mm[:, None]
    return np.asarray(split_traffic(counts, direct) * length_mm[:, None] * technology.wire_pj_mm)


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
