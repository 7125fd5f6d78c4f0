"""Arrays of Tin × Tout multipliers that change their parallelism from layer to layer, after C-Brain.

In each cycle Tin inputs meet Tout kernels, with one adder tree per kernel.  The scheme says what the Tin lanes take:

    inter_kernel  the same pixel of Tin input maps    R × S × ceil(C/Tin) cycles for a pixel of Tout output maps
    intra_kernel  Tin pixels of one window of a map   C × ceil(R × S / Tin)
    partition     the kernel cut into pieces as large as the stride, so that windows do not overlap
                                                      C × ceil(R/stride)² × ceil(stride²/Tin)

Inter-kernel leaves most lanes idle on the three maps of an image.  Intra-kernel needs each window unrolled in the input
buffer, with pixels repeated.  A partition needs no copies but multiplies the zeros that fill its last pieces.  The
second choice is what stays in the array while the rest changes: the sums of Tout pixels, with new weights from the
buffer in each cycle (as in DianNao and in inter-kernel accelerators before C-Brain), or the weights, with sums going to
the output buffer and back.

Half of each buffer is used while the other half is being filled.  Either strips of inputs stay while all kernels pass,
or blocks of kernels stay while all inputs pass.  The array and DRAM work side by side.  STALL is the time by which DRAM
takes longer than the array, plus the first load and the last store; FILL is the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base
from dse.templates.base import Floats, Hardware, Ints, Parameter, Template, ceil_div, half_buffer_bits
from dse.templates.families import FAMILIES
from dse.templates.strips import cut_strips, first_lines, strip_sizes
from dse.workloads import layers as w
from dse.workloads.layers import Layer
from netlists.runtime.kernel import inlined_kernel, kernel

SCHEMES = ("inter_kernel", "intra_kernel", "partition")
INTER, INTRA, PARTITION = range(len(SCHEMES))
KEEPS = ("sums", "weights")
SUMS, WEIGHTS = range(len(KEEPS))
STAYS = ("inputs", "kernels")
INPUTS, KERNELS = range(len(STAYS))
ADAPTIVE = 0  # value of the parameters `scheme` and `keep` that leaves the choice open; choice i has the value i + 1

OWN = (
    Parameter("tin", 16, "lanes", "inputs in parallel", 1, 65_536),
    Parameter("tout", 16, "kernels", "output maps in parallel", 1, 65_536),
    Parameter("scheme", ADAPTIVE, "", "parallelism of the lanes", choices=("adaptive", *SCHEMES)),
    Parameter("keep", ADAPTIVE, "", "what stays in the array", choices=("adaptive", *KEEPS)),
    Parameter("input_kb", 1024, "KiB", "input buffer, both halves", 1, 1e6, whole=False),
    Parameter("weight_kb", 1024, "KiB", "weight buffer, both halves", 1, 1e6, whole=False),
    Parameter("output_kb", 1024, "KiB", "output buffer, both halves", 1, 1e6, whole=False),
)
# Columns of these parameters in a design's row.
TIN, TOUT, SCHEME, KEEP, INPUT_KB, WEIGHT_KB, OUTPUT_KB = range(base.OWN, base.OWN + len(OWN))

MAPPING = ("scheme", "keep", "stay")
# Columns of a mapping.
MAP_SCHEME, MAP_KEEP, MAP_STAY = range(len(MAPPING))

REASONS = (
    "",
    "the inputs of one window do not fit half the input buffer",
    "the kernels in parallel do not fit half the weight buffer",
    "the partial sums of one pixel do not fit half the output buffer",
)
NO_WINDOW, NO_KERNELS, NO_SUMS = range(1, len(REASONS))

PIPELINE = 3  # cycles, one per stage: multiply, add, activate (DianNao's NFU, ASPLOS 2014)


@kernel
def lane_steps(layer: Ints, tin: int, scheme: int) -> tuple[int, int]:
    """Cycles that a layer [F] takes per pixel and group of kernels on `tin` lanes, and inputs read in these cycles."""
    c, r, s = layer[w.C] // layer[w.GROUPS], layer[w.R], layer[w.S]
    if scheme == INTER:
        return r * s * ceil_div(c, tin), r * s * c
    if scheme == INTRA:
        return c * ceil_div(r * s, tin), r * s * c
    high, wide = min(layer[w.STRIDE_H], r), min(layer[w.STRIDE_W], s)
    pieces = c * ceil_div(r, high) * ceil_div(s, wide)
    return pieces * ceil_div(high * wide, tin), pieces * high * wide


@kernel
def unroll_strip(layer: Ints, windows: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of outputs of a strip of a layer [F], if each pixel's window has its own copy.

    The buffer holds that many `windows`; rows × columns is the strip without copies.
    """
    p, q = layer[w.P], layer[w.Q]
    if rows * columns <= windows:
        return rows, columns
    if windows >= p * q:
        return windows // (p * q) * p, q
    if columns == q and windows >= q:
        return windows // q, q
    return min(1, windows), min(windows, columns)


@kernel
def count_layer(design: Floats, layer: Ints, scheme: int, keep: int, stay: int, out: Ints) -> int:
    """Fill the counts [COUNTS] of one layer [F] on a design [D] under a mapping; returns the number of a reason."""
    weight_bits, input_bits, output_bits = base.layer_bits(design, layer)
    groups, pixels = layer[w.GROUPS], layer[w.BATCH] * layer[w.P] * layer[w.Q]
    kernels, window = layer[w.M] // groups, layer[w.C] // groups * layer[w.R] * layer[w.S]
    steps, read = lane_steps(layer, int(design[TIN]), scheme)
    room = half_buffer_bits(design[INPUT_KB]) // input_bits  # input elements
    rows, columns, elements = cut_strips(layer, room)
    filled = elements  # input elements that are written to the buffer, per group
    if scheme == INTRA:
        rows, columns = unroll_strip(layer, room // window, rows, columns)
        filled = pixels * window
    if rows == 0:
        return NO_WINDOW
    whole, length, rests, rest = strip_sizes(layer, rows, columns)
    strips = whole + rests
    first = first_lines(layer, elements, strips)
    cells = min(int(design[TOUT]), kernels)
    fitting = half_buffer_bits(design[WEIGHT_KB]) // (window * weight_bits)  # kernels
    passes = 1  # how often all inputs come from DRAM
    if stay == KERNELS:
        if fitting < cells:
            return NO_KERNELS
        block = kernels if fitting >= kernels else fitting // cells * cells
        passes = ceil_div(kernels, block) if strips > 1 else 1
        whole, length, rests, rest = 1, pixels, 0, 0
    held = half_buffer_bits(design[OUTPUT_KB]) // (cells * int(design[base.PSUM_BITS]))  # pixels with their sums
    if held < 1:
        return NO_SUMS
    # How often an array's worth of weights comes from the buffer: for each pixel, or for each block of sums.
    loads = pixels
    if keep == WEIGHTS:
        loads = whole * ceil_div(length, held) + rests * ceil_div(rest, held)
    weights = window * kernels  # weights that come from DRAM, per group
    if stay == INPUTS and fitting < kernels:
        weights *= strips if fitting >= cells else loads
    sweeps = groups * ceil_div(kernels, cells)
    base.count_operations(design, layer, out, False)
    out[base.COMPUTE] = sweeps * steps * pixels
    out[base.FILL] = PIPELINE
    out[base.DRAM_INPUT] = groups * passes * elements * input_bits
    out[base.DRAM_WEIGHT] = groups * weights * weight_bits
    out[base.DRAM_OUTPUT] = groups * kernels * pixels * output_bits
    begin = first * input_bits + cells * min(window, int(design[TIN])) * weight_bits
    moved = out[base.DRAM_INPUT] + out[base.DRAM_WEIGHT] + out[base.DRAM_OUTPUT]
    out[base.STALL] = base.stall_cycles(design, moved, begin, cells * output_bits, out[base.COMPUTE] + PIPELINE)
    words = weight_bits, input_bits, output_bits, int(design[base.PSUM_BITS])
    trips = 1 if keep == SUMS else 2 * steps - 1
    _count_traffic(
        words, sweeps * pixels * read, groups * loads * window * kernels, groups * pixels * kernels, steps, trips, out
    )
    out[base.BUFFER_INPUT] += groups * passes * filled * input_bits
    out[base.BUFFER_WEIGHT] += out[base.DRAM_WEIGHT]
    return 0


@inlined_kernel
def _count_traffic(
    words: tuple[int, int, int, int], streamed: int, loaded: int, sums: int, steps: int, trips: int, out: Ints
) -> None:
    """Fill the traffic of buffers, network and registers, except what is written to the buffers from DRAM.

    `words` are the bits of a weight, an input, an output and a partial sum; `streamed` inputs and `loaded` weights go
    to the lanes.  Each of `sums` outputs gets `steps` additions; the output buffer takes and gives it `trips` times,
    and gives it to DRAM once.
    """
    weight_bits, input_bits, output_bits, psum_bits = words
    out[base.BUFFER_INPUT] = streamed * input_bits
    out[base.BUFFER_WEIGHT] = loaded * weight_bits
    out[base.BUFFER_OUTPUT] = sums * (trips * psum_bits + output_bits)
    out[base.NETWORK_INPUT] = out[base.MACS] * input_bits  # along the kernels
    out[base.NETWORK_WEIGHT] = loaded * weight_bits
    out[base.NETWORK_OUTPUT] = sums * steps * psum_bits  # from adder tree to accumulator
    out[base.REGISTER_INPUT] = 2 * streamed * input_bits
    out[base.REGISTER_WEIGHT] = (out[base.MACS] + loaded) * weight_bits
    out[base.REGISTER_OUTPUT] = 2 * sums * steps * psum_bits


@kernel
def search_mapping(design: Floats, layer: Ints, mapping: Ints, trial: Ints) -> None:
    """Write the best mapping [G] of a layer [F] on a design [D]; `trial` [COUNTS] is scratch space for counts.

    The fastest mapping is best; of equally fast ones the one with the least DRAM traffic, then least buffer traffic.
    """
    top = np.iinfo(np.int64).max
    best = (top, top, top)
    for scheme in range(len(SCHEMES)):
        for keep in range(len(KEEPS)):
            free = design[SCHEME] in (ADAPTIVE, scheme + 1) and design[KEEP] in (ADAPTIVE, keep + 1)
            for stay in range(len(STAYS) if free else 0):
                if count_layer(design, layer, scheme, keep, stay, trial) > 0:
                    continue
                cycles = trial[base.COMPUTE] + trial[base.FILL] + trial[base.STALL]
                moved = trial[base.DRAM_INPUT] + trial[base.DRAM_WEIGHT] + trial[base.DRAM_OUTPUT]
                sent = trial[base.BUFFER_INPUT] + trial[base.BUFFER_WEIGHT] + trial[base.BUFFER_OUTPUT]
                if (cycles, moved, sent) < best:
                    best = (cycles, moved, sent)
                    mapping[MAP_SCHEME], mapping[MAP_KEEP], mapping[MAP_STAY] = scheme, keep, stay


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """Fill counts [S, L, COUNTS] and reasons [S, L] of designs [S, D] on layers [L, F]: see `Template`."""
    trial = np.empty(base.COUNTS, np.int64)
    for s in range(len(designs)):
        for i in range(len(layers)):
            if layers[i, w.KIND] > w.Kind.MATMUL:
                base.count_memory_layer(designs[s], layers[i], counts[s, i])
                continue
            mapping = mappings[s, i]
            if search:
                search_mapping(designs[s], layers[i], mapping, trial)
            reasons[s, i] = count_layer(
                designs[s], layers[i], mapping[MAP_SCHEME], mapping[MAP_KEEP], mapping[MAP_STAY], counts[s, i]
            )


@kernel
def _fill_schemes(designs: Floats, layers: Ints, mappings: Ints) -> None:
    """Write the design's own scheme, or the one with the fewest cycles of the array if the design leaves it open."""
    for s in range(len(designs)):
        for i in range(len(layers)):
            scheme = int(designs[s, SCHEME]) - 1
            if scheme < 0:
                scheme = 0
                for other in range(1, len(SCHEMES)):
                    tin = int(designs[s, TIN])
                    if lane_steps(layers[i], tin, other)[0] < lane_steps(layers[i], tin, scheme)[0]:
                        scheme = other
            mappings[s, i, MAP_SCHEME] = scheme


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The mappings [S, L, G] that designs [S, D] fix for layers [L, F], as numbers of the choices.

    The scheme with the fewest cycles, weights kept if the design leaves that open, and strips of inputs that stay.
    """
    out = np.zeros((len(designs), len(layers), len(MAPPING)), np.int64)
    _fill_schemes(designs, layers, out)
    out[:, :, MAP_KEEP] = np.where(designs[:, KEEP] == 1 + SUMS, SUMS, WEIGHTS)[:, None]
    return out


def hardware(designs: Floats) -> Hardware:
    """What is built for designs [S, D], in bytes and numbers: one processing element is an adder tree with Tin lanes.

    The weight buffer has one memory per multiplier; the other buffers are built of memories of the same size.
    """
    tin, tout = designs[:, TIN], designs[:, TOUT]
    word = designs[:, [base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS]] / 8
    registers = word * np.stack([tin, tin, np.ones(len(designs))], axis=1)
    size = designs[:, INPUT_KB : OUTPUT_KB + 1] * base.BYTES_PER_KIB
    banks = size / size[:, [base.WEIGHT]] * (tin * tout)[:, None]
    return Hardware(tin * tout, size, registers, tout, np.maximum(1, banks))


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping [G] as loops, from outer to inner."""
    row = np.array(layer.row(), np.int64)
    scheme, keep, stay = mapping
    steps, _ = lane_steps(row, int(design[TIN]), scheme)
    kernels, pixels = layer.out_channels // layer.groups, f"{layer.batch} x {layer.out_h} x {layer.out_w}"
    cells = min(int(design[TOUT]), kernels)
    lines = [f"for group in {layer.groups}:"] if layer.groups > 1 else []
    lines.append(f"for strip of input lines of {pixels}:" if stay == INPUTS else f"for block of kernels in {kernels}:")
    lines.append(f"for kernels by {cells}:")
    inner = ["for pixel:", f"for step in {steps}:"]
    lines += inner if keep == SUMS else inner[::-1]
    lines.append(f"{SCHEMES[scheme]}: {int(design[TIN])} inputs x {cells} kernels")
    return lines


TEMPLATE = Template(
    family=FAMILIES["adaptive"],
    own=OWN,
    mapping=MAPPING,
    codes={"scheme": len(SCHEMES), "keep": len(KEEPS), "stay": len(STAYS)},
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    rounds_products=True,
)
