"""The interface of all accelerator templates: parameters in, activity counts out.

A template is a family of accelerators with the same structure.  A design of it is a row of numbers (one a parameter,
the `COMMON` ones first), a layer is a row of loop bounds (`dse.workloads.layers`), a mapping is a row of tile sizes.
What the template knows is how often each part is active: `run` writes one row of `Count` for each design and layer.
Energy is linear in these counts (`dse.model.technology`, `dse.model.cost`), so a template knows nothing of picojoules.

Cycles: `COMPUTE` is the time in which the array works on operands, partial tiles included; `FILL` is pipeline
fill and drain and first and last transfers that nothing hides; `STALL` is waiting for memory beyond both.
Their sum is the latency of the layer in clock cycles.  Traffic counts bits that cross a level in either direction:
DRAM (off chip), BUFFER (on-chip SRAM ports, both sides), NETWORK (hops between neighboring units), REGISTER.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import ceil, gcd
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.workloads import layers as w
from netlists.runtime.kernel import kernel

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Count(IntEnum):
    """Columns of the activity of one layer on one design, all int64; traffic in bits."""

    COMPUTE = 0  # cycles
    FILL = 1  # cycles
    STALL = 2  # cycles
    MACS = 3  # multiplications of the layer
    MULTIPLY = 4  # multiplications that switch (not gated by a zero) × weight bits × input bits
    ADD = 5  # additions that switch × bits of the partial sum
    DRAM_INPUT = 6
    DRAM_WEIGHT = 7
    DRAM_OUTPUT = 8
    BUFFER_INPUT = 9
    BUFFER_WEIGHT = 10
    BUFFER_OUTPUT = 11  # partial sums too
    NETWORK_INPUT = 12  # bit-hops
    NETWORK_WEIGHT = 13
    NETWORK_OUTPUT = 14
    REGISTER_INPUT = 15
    REGISTER_WEIGHT = 16
    REGISTER_OUTPUT = 17


COUNTS = len(Count)
# The same columns as plain integers, for kernels.
(COMPUTE, FILL, STALL, MACS, MULTIPLY, ADD, DRAM_INPUT, DRAM_WEIGHT, DRAM_OUTPUT, BUFFER_INPUT, BUFFER_WEIGHT,
 BUFFER_OUTPUT, NETWORK_INPUT, NETWORK_WEIGHT, NETWORK_OUTPUT, REGISTER_INPUT, REGISTER_WEIGHT,
 REGISTER_OUTPUT) = range(COUNTS)  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One number of a design, with what it may be."""

    name: str
    default: float
    unit: str
    help: str
    low: float = 1.0
    high: float = 1e6
    whole: bool = True
    choices: tuple[str, ...] = ()  # names of the values 0, 1, 2, ... ; the design's row holds the index


COMMON = (
    Parameter("clock_mhz", 200.0, "MHz", "clock of the array", 1.0, 10_000.0, whole=False),
    Parameter("dram_gb_s", 4.2, "GB/s", "bandwidth of off-chip memory, 1e9 bytes a second", 0.001, 1e5, whole=False),
    Parameter("weight_bits", 16, "bits", "word length of weights", 1, 64),
    Parameter("input_bits", 16, "bits", "word length of activations", 1, 64),
    Parameter("psum_bits", 32, "bits", "word length of partial sums on chip", 1, 64),
)
CLOCK_MHZ, DRAM_GB_S, WEIGHT_BITS, INPUT_BITS, PSUM_BITS = range(len(COMMON))
OWN = len(COMMON)  # the first column of a template's own parameters


@dataclass(frozen=True, eq=False)
class Hardware:
    """What is built for S designs: the sizes that energy, area and FPGA resources follow from.

    Where one memory serves several operands, each operand names its full size and `shared_buffer` says so.
    """

    multipliers: Floats  # [S]
    buffer_bytes: Floats  # [S, 3] input, weight, output: on-chip SRAM, both halves of a double buffer
    register_bytes: Floats  # [S, 3] input, weight, output: in one processing element
    elements: Floats  # [S] processing elements, over which registers repeat
    buffer_banks: Floats  # [S, 3] independent memories that each buffer is made of
    shared_buffer: bool = False
    resources: Mapping[str, Floats] = field(default_factory=dict)  # FPGA templates: dsp, bram (36 Kb), lut, ff  [S]
    floating_point: npt.NDArray[np.bool_] | None = None  # [S] arithmetic in floating point; None: all fixed point


Run = Callable[[Floats, Ints, Ints, bool, Ints, npt.NDArray[np.int16]], None]


@dataclass(frozen=True)
class Template:
    """One accelerator family."""

    name: str
    title: str
    source: str  # the paper, with the equations or sections that the model follows
    own: tuple[Parameter, ...]
    mapping: tuple[str, ...]  # columns of a mapping row
    # run(designs [S, D], layers [L, F], mappings [S, L, G], search, counts [S, L, COUNTS], reasons [S, L]): with
    # search it first writes the best mapping of each layer into `mappings`; without, it takes them as they are.
    run: Run
    default_mapping: Callable[[Floats, Ints], Ints]  # (designs, layers) -> [S, L, G], what the design fixes, no search
    hardware: Callable[[Floats], Hardware]  # designs [S, D]
    loop_nest: Callable[[Sequence[float], Any, Sequence[int]], list[str]]  # (design row, Layer, mapping row) -> loops
    reasons: tuple[str, ...]  # why a layer does not fit; 0 is the empty string: it does
    fpga: bool = False  # costs DSP, BRAM, LUT, FF instead of mm²
    codes: Mapping[str, int] = field(default_factory=dict)  # columns of a mapping that choose among so many things

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return COMMON + self.own


@njit(cache=True, inline="always")
def ceil_div(a: int, b: int) -> int:
    return (a + b - 1) // b


@kernel
def layer_bits(design: Floats, layer: Ints) -> tuple[int, int, int]:
    """Word lengths of weights, inputs and outputs: the layer's own, else the design's."""
    weight, given, out = layer[w.WEIGHT_BITS], layer[w.INPUT_BITS], layer[w.OUTPUT_BITS]
    if weight == 0:
        weight = int(design[WEIGHT_BITS])
    if given == 0:
        given = int(design[INPUT_BITS])
    if out == 0:
        out = int(design[INPUT_BITS])
    return weight, given, out


@kernel
def layer_macs(layer: Ints) -> int:
    """Multiplications of one layer."""
    if layer[w.KIND] > w.Kind.MATMUL:
        return 0
    window = layer[w.C] // layer[w.GROUPS] * layer[w.R] * layer[w.S]
    return int(layer[w.BATCH] * layer[w.M] * layer[w.P] * layer[w.Q] * window)


@njit(cache=True, inline="always")
def line_steps(stride: int, dilation: int) -> tuple[int, int]:
    """For `lines_under`: how many lines an output adds if the kernel is long enough, how far apart outputs meet again.

    Output i and kernel position j touch line i × stride + j × dilation.  Positions fall into stride/gcd classes; two
    neighbors of a class meet on the same lines dilation/gcd outputs apart.
    """
    if stride == 1 or dilation == 1:
        return stride, dilation
    common = gcd(stride, dilation)
    return stride // common, dilation // common


@njit(cache=True, inline="always")
def lines_under(outputs: int, kernel: int, step: int, apart: int) -> int:
    """How many different input lines a row of outputs touches, with both numbers of `line_steps`."""
    each = min(step, kernel)
    return each * outputs + (kernel - each) * min(apart, outputs)


@kernel
def touched_lines(outputs: int, kernel: int, stride: int, dilation: int) -> tuple[int, int, int]:
    """How many different input lines a row of outputs touches: (all, what each output adds, what two blocks share).

    The second number holds once there are dilation/gcd outputs, the third is how many lines two long blocks of
    neighboring outputs have in common.
    """
    step, apart = line_steps(stride, dilation)
    each = min(step, kernel)
    return lines_under(outputs, kernel, step, apart), each, (kernel - each) * apart


@kernel
def dram_cycles(design: Floats, bits: int) -> int:
    """Cycles in which off-chip memory moves that many bits at its full bandwidth, rounded up."""
    bits_per_cycle: float = design[DRAM_GB_S] * 8e3 / design[CLOCK_MHZ]
    return ceil(bits / bits_per_cycle)


@kernel
def traffic_only(design: Floats, layer: Ints, out: Ints) -> None:
    """The counts of pooling and element-wise layers: each input read and each output written once, off chip."""
    _, given, result = layer_bits(design, layer)
    out[:] = 0
    out[DRAM_INPUT] = layer[w.BATCH] * layer[w.OPERANDS] * layer[w.C] * layer[w.H] * layer[w.W] * given
    out[DRAM_OUTPUT] = layer[w.BATCH] * layer[w.M] * layer[w.P] * layer[w.Q] * result
    out[STALL] = dram_cycles(design, out[DRAM_INPUT] + out[DRAM_OUTPUT])


@njit(cache=True, inline="always")
def part_of(count: int, ppm: int) -> int:
    """count × ppm / 1e6, rounded down, without the product, which 64 bits need not hold."""
    if ppm == 0:  # of most layers
        return 0
    return count // w.PPM * ppm + count % w.PPM * ppm // w.PPM


@kernel
def switched(design: Floats, layer: Ints, out: Ints, skips_zeros: bool) -> int:
    """Fill MACS, MULTIPLY and ADD; with `skips_zeros` a multiplication by a zero activation switches nothing.

    Returns how many multiplications switch.
    """
    macs = layer_macs(layer)
    weight, given, _ = layer_bits(design, layer)
    active = macs
    if skips_zeros:
        active = macs - part_of(macs, layer[w.ZEROS_PPM])
    out[MACS] = macs
    out[MULTIPLY] = active * weight * given
    out[ADD] = active * int(design[PSUM_BITS])
    return active
