"""The interface of all accelerator templates: parameters in, activity counts out.

A template is a family of accelerators with the same structure.  A design of it is a row of numbers [D], one per
parameter, the `COMMON` ones first.  A layer is a row of loop bounds [F] (`dse.workloads.layers`), a mapping is a row of
tile sizes and choices [G].  A template knows how often each unit is active: its `run` writes one row of `Count`
[COUNTS] per design and layer.  Energy is linear in these counts (`dse.model.technology`, `dse.model.cost`), so a
template knows nothing of picojoules.

Cycles: `COMPUTE` is the time in which the array works on operands, partial tiles included.  `FILL` is the time of
pipeline fill and drain, and of first and last transfers that nothing hides.  `STALL` is the time spent waiting for
memory beyond both.  Their sum is the latency of the layer in clock cycles.  Traffic counts bits that cross a level in
either direction: DRAM (off chip), BUFFER (ports of on-chip SRAM, both sides), NETWORK (hops between neighboring units),
REGISTER (register files).

All axes: S designs, D parameters, L layers, F loop bounds of a layer, G numbers of a mapping, and three operands in the
order of `INPUT`, `WEIGHT`, `OUTPUT`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import ceil

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates.families import Family
from dse.workloads import layers as w
from netlists.runtime.kernel import inlined_kernel, kernel

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Operands, in the order in which arrays hold them.
INPUT = 0  # activations that a layer reads
WEIGHT = 1  # weights, or the second matrix of a product of activations
OUTPUT = 2  # activations that a layer writes, and their partial sums

BYTES_PER_KIB = 1024
BITS_PER_KIB = 8192
BITS_PER_HALF_KIB = 4096  # bits that one half of a double buffer has per KiB of the whole buffer
BITS_PER_CYCLE = 8e3  # bits per cycle of 1 GB/s at 1 MHz


class Count(IntEnum):
    """Columns of the activity of one layer on one design, all int64; traffic in bits."""

    COMPUTE = 0  # cycles
    FILL = 1  # cycles
    STALL = 2  # cycles
    MACS = 3  # multiplications of the layer
    MULTIPLY = 4  # multiplications that switch (not gated by a zero) × weight bits × input bits
    ADD = 5  # additions that switch × bits of the partial sum
    DRAM_INPUT = 6  # bits
    DRAM_WEIGHT = 7  # bits
    DRAM_OUTPUT = 8  # bits
    BUFFER_INPUT = 9  # bits
    BUFFER_WEIGHT = 10  # bits
    BUFFER_OUTPUT = 11  # bits, partial sums included
    NETWORK_INPUT = 12  # bit-hops
    NETWORK_WEIGHT = 13  # bit-hops
    NETWORK_OUTPUT = 14  # bit-hops
    REGISTER_INPUT = 15  # bits
    REGISTER_WEIGHT = 16  # bits
    REGISTER_OUTPUT = 17  # bits


COUNTS = len(Count)
# The columns of `Count` as plain integers, for kernels.
(COMPUTE, FILL, STALL, MACS, MULTIPLY, ADD, DRAM_INPUT, DRAM_WEIGHT, DRAM_OUTPUT, BUFFER_INPUT, BUFFER_WEIGHT,
 BUFFER_OUTPUT, NETWORK_INPUT, NETWORK_WEIGHT, NETWORK_OUTPUT, REGISTER_INPUT, REGISTER_WEIGHT,
 REGISTER_OUTPUT) = range(COUNTS)  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One number of a design, with the values that it may have."""

    name: str
    default: float
    unit: str
    help: str
    low: float = 1.0  # smallest value
    high: float = 1e6  # largest value
    whole: bool = True  # whether it is a whole number
    choices: tuple[str, ...] = ()  # names of the values 0, 1, 2, ...; the design's row holds the index


COMMON = (
    Parameter("clock_mhz", 200.0, "MHz", "clock of the array", 1.0, 10_000.0, whole=False),
    Parameter("dram_gb_s", 4.2, "GB/s", "bandwidth of off-chip memory, 1e9 bytes per second", 0.001, 1e5, whole=False),
    Parameter("weight_bits", 16, "bits", "word length of weights", 1, 64),
    Parameter("input_bits", 16, "bits", "word length of activations", 1, 64),
    Parameter("psum_bits", 32, "bits", "word length of partial sums on chip", 1, 64),
)
# Columns of these parameters in a design's row.
CLOCK_MHZ, DRAM_GB_S, WEIGHT_BITS, INPUT_BITS, PSUM_BITS = range(len(COMMON))
OWN = len(COMMON)  # the first column of a template's own parameters


@dataclass(frozen=True, eq=False)
class Hardware:
    """What is built for S designs: the sizes that energy, area and FPGA resources follow from.

    If one memory serves several operands, each operand names its full size and `shared_buffer` is true.
    """

    multipliers: Floats  # [S] number
    buffer_bytes: Floats  # [S, 3] on-chip SRAM of each operand, both halves of a double buffer
    register_bytes: Floats  # [S, 3] registers of each operand in one processing element
    elements: Floats  # [S] number of processing elements, over which registers repeat
    buffer_banks: Floats  # [S, 3] number of independent memories that each buffer is made of
    shared_buffer: bool = False
    resources: Mapping[str, Floats] = field(default_factory=dict)  # FPGA: dsp, bram (36 Kb), lut, ff, each [S]
    floating_point: npt.NDArray[np.bool_] | None = None  # [S] whether arithmetic is floating-point; None: nowhere


Run = Callable[[Floats, Ints, Ints, bool, Ints, npt.NDArray[np.int16]], None]
DefaultMapping = Callable[[Floats, Ints], Ints]
LoopNest = Callable[[Sequence[float], w.Layer, Sequence[int]], list[str]]


@dataclass(frozen=True)
class Template:
    """One accelerator family.

    `run(designs [S, D], layers [L, F], mappings [S, L, G], search, counts [S, L, COUNTS], reasons [S, L])` fills counts
    and reasons.  With `search` it first writes the best mapping of each layer into `mappings`; without, it takes them
    as they are.  `default_mapping(designs [S, D], layers [L, F])` gives the mappings [S, L, G] that the designs'
    parameters fix, without a search.  `hardware(designs [S, D])` gives what is built.  `loop_nest(design [D], layer,
    mapping [G])` gives the loops as text, one line each, from outer to inner.
    """

    family: Family
    own: tuple[Parameter, ...]  # parameters beside the common ones
    mapping: tuple[str, ...]  # names of the columns of a mapping
    run: Run
    default_mapping: DefaultMapping
    hardware: Callable[[Floats], Hardware]
    loop_nest: LoopNest
    reasons: tuple[str, ...]  # why a layer does not fit; 0 is the empty string: it does
    codes: Mapping[str, int] = field(default_factory=dict)  # columns of a mapping that are choices: how many each has
    rounds_products: bool = False  # whether products are rounded to words before they are added
    padding: tuple[str, ...] = ()  # parameters to which input and output channels are padded, for `dse.model.overflow`
    hops: tuple[str, ...] = ()  # parameters that bound how far a word travels, or for how long a step fills or drains

    @property
    def name(self) -> str:
        """Name of the template and of its module."""
        return self.family.name

    @property
    def title(self) -> str:
        """What it is, in one line."""
        return self.family.title

    @property
    def source(self) -> str:
        """The paper that it follows."""
        return self.family.source

    @property
    def fpga(self) -> bool:
        """Whether it costs DSP, BRAM, LUT and FF of a part instead of mm²."""
        return self.family.fpga

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, in the order of a design's row [D]."""
        return COMMON + self.own


@njit(cache=True, inline="always")
def ceil_div(a: int, b: int) -> int:
    """The quotient a / b, rounded up."""
    return (a + b - 1) // b


@njit(cache=True, inline="always")
def half_buffer_bits(size_kib: float) -> int:
    """Bits in one half of a double buffer whose halves together have `size_kib` KiB."""
    return int(size_kib * BITS_PER_HALF_KIB)


@kernel
def layer_bits(design: Floats, layer: Ints) -> tuple[int, int, int]:
    """Word lengths in bits of weights, inputs and outputs: the own ones of a layer [F], or those of a design [D]."""
    weight_bits, input_bits, out = layer[w.WEIGHT_BITS], layer[w.INPUT_BITS], layer[w.OUTPUT_BITS]
    if weight_bits == 0:
        weight_bits = int(design[WEIGHT_BITS])
    if input_bits == 0:
        input_bits = int(design[INPUT_BITS])
    if out == 0:
        out = int(design[INPUT_BITS])
    return weight_bits, input_bits, out


@kernel
def layer_macs(layer: Ints) -> int:
    """Number of multiplications of one layer [F]."""
    if layer[w.KIND] > w.Kind.MATMUL:
        return 0
    window = layer[w.C] // layer[w.GROUPS] * layer[w.R] * layer[w.S]
    return int(layer[w.BATCH] * layer[w.M] * layer[w.P] * layer[w.Q] * window)


@inlined_kernel
def dram_bits_per_cycle(design: Floats) -> float:
    """Bits that the off-chip memory of a design [D] moves per clock cycle at its full bandwidth."""
    bits: float = design[DRAM_GB_S] * BITS_PER_CYCLE / design[CLOCK_MHZ]
    return bits


@kernel
def dram_cycles(design: Floats, bits: int) -> int:
    """Cycles in which the off-chip memory of a design [D] moves that many bits at its full bandwidth, rounded up."""
    return ceil(bits / dram_bits_per_cycle(design))


@inlined_kernel
def stall_cycles(design: Floats, moved: int, begin: int, end: int, busy: int) -> int:
    """STALL of a design [D] that moves `moved` bits to and from DRAM while its array is busy for `busy` cycles.

    The first `begin` bits and the last `end` bits of them are not hidden behind the array; the others stall it as far
    as they take longer than the array.
    """
    beside = dram_cycles(design, moved - begin - end) - busy
    return dram_cycles(design, begin) + max(0, beside) + dram_cycles(design, end)


@kernel
def count_memory_layer(design: Floats, layer: Ints, out: Ints) -> None:
    """Fill the counts [COUNTS] of a pooling or element-wise layer [F] on a design [D], in cycles and bits.

    Each input is read once and each output written once, off chip.
    """
    _, input_bits, output_bits = layer_bits(design, layer)
    out[:] = 0
    out[DRAM_INPUT] = layer[w.BATCH] * layer[w.OPERANDS] * layer[w.C] * layer[w.H] * layer[w.W] * input_bits
    out[DRAM_OUTPUT] = layer[w.BATCH] * layer[w.M] * layer[w.P] * layer[w.Q] * output_bits
    out[STALL] = dram_cycles(design, out[DRAM_INPUT] + out[DRAM_OUTPUT])


@njit(cache=True, inline="always")
def scale_by_ppm(count: int, ppm: int) -> int:
    """count × ppm / 1e6, rounded down; without the product itself, which may not fit 64 bits."""
    if ppm == 0:  # the case for most layers
        return 0
    return count // w.PPM * ppm + count % w.PPM * ppm // w.PPM


@kernel
def count_operations(design: Floats, layer: Ints, out: Ints, skips_zeros: bool) -> int:
    """Fill MACS, MULTIPLY and ADD of the counts [COUNTS] of a layer [F] on a design [D].

    With `skips_zeros`, a multiplication by a zero activation switches nothing.  Returns the number of multiplications
    that switch.
    """
    macs = layer_macs(layer)
    weight_bits, input_bits, _ = layer_bits(design, layer)
    active = macs
    if skips_zeros:
        active = macs - scale_by_ppm(macs, layer[w.ZEROS_PPM])
    out[MACS] = macs
    out[MULTIPLY] = active * weight_bits * input_bits
    out[ADD] = active * int(design[PSUM_BITS])
    return active
