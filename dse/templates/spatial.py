"""Spatial arrays like NVDLA's: atomic-C input channels × atomic-K output channels in parallel, one convolution buffer.

In each cycle one vector of atomic-C inputs meets atomic-K kernels.  A stripe keeps the weights of one kernel position
and sends up to 32 pixels past them; it lasts at least as long as loading the next weights, at two vectors per cycle.
Sums stay in accumulators until all positions and channels are through, so none leaves the chip.  An image of up to four
channels is laid out with the kernel's columns as channels, and lines are joined while they fit (channel extension).

The design splits the buffer between weights and inputs; half of each part is used while the other half is being filled.
What does not fit is read in several passes.  A mapping says what stays in the buffer meanwhile:

    inputs   strips of input lines stay while all kernels pass; a group of atomic-K kernels stays while the pixels of
             a strip pass, if it fits, otherwise it is read again for each stripe
    weights  blocks of kernels stay while all inputs pass

The time of a layer is the longer of the array's time and DRAM's, as in NVDLA's primer; the first load and the last
store are added.  STALL is the time by which DRAM takes longer than the array, FILL the time for which short stripes
wait for weights.
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

OWN = (
    Parameter("atomic_c", 64, "inputs", "input channels in parallel", 1, 65_536),
    Parameter("atomic_k", 32, "kernels", "output channels in parallel", 1, 65_536),
    Parameter("buffer_kb", 512, "KiB", "convolution buffer, both halves", 1, 1e6, whole=False),
    Parameter("weight_share", 0.5, "", "fraction of the buffer that holds weights", 0.05, 0.95, whole=False),
    Parameter("image_mode", 1, "", "channel extension for images of up to 4 channels", choices=("off", "on")),
)
# Columns of these parameters in a design's row.
ATOMIC_C, ATOMIC_K, BUFFER_KB, WEIGHT_SHARE, IMAGE_MODE = range(base.OWN, base.OWN + len(OWN))

MAPPING = ("keep",)
MAP_KEEP = 0  # column of a mapping: what stays in the buffer
KEEPS = ("inputs", "weights")
INPUTS, WEIGHTS = range(len(KEEPS))

REASONS = (
    "",
    "the inputs of one window do not fit half of their part of the convolution buffer",
    "no kernel fits half of the weights' part of the convolution buffer",
)
NO_WINDOW, NO_KERNEL = range(1, len(REASONS))

ACCUMULATORS = 32  # pixels of a stripe (NVDLA unit description, "Stripe operation")
VECTORS = 2  # vectors of weights per cycle from the buffer: the description's 16 cycles for 32 int8 kernels
BANKS = 16  # memories of the buffer in nv_large and nvdlav1
IMAGE_CHANNELS = 4  # most channels of a pixel format
JOINED_LINES = (2, 4)  # numbers of lines that channel extension may join


@inlined_kernel
def input_room(design: Floats, bits: int) -> int:
    """Inputs of `bits` bits each that half of the input part of a design's [D] buffer holds."""
    return half_buffer_bits(design[BUFFER_KB] * (1 - design[WEIGHT_SHARE])) // bits


@inlined_kernel
def weight_room(design: Floats, bits: int) -> int:
    """Kernels of `bits` bits each that half of the weight part of a design's [D] buffer holds."""
    return half_buffer_bits(design[BUFFER_KB] * design[WEIGHT_SHARE]) // bits


@kernel
def positions(design: Floats, layer: Ints) -> int:
    """Cycles that a layer [F] takes per pixel and group of kernels: kernel positions × vectors of channels."""
    c, r, s, vector = layer[w.C] // layer[w.GROUPS], layer[w.R], layer[w.S], int(design[ATOMIC_C])
    plain = r * s * ceil_div(c, vector)
    dilated = layer[w.DILATION_H] > 1 or layer[w.DILATION_W] > 1
    if layer[w.C] > IMAGE_CHANNELS or layer[w.GROUPS] > 1 or dilated or design[IMAGE_MODE] == 0:
        return int(plain)
    wide, step, best = c * s, c * layer[w.STRIDE_W], r * ceil_div(c * s, vector)
    for lines in JOINED_LINES:
        if max(wide, step) * lines <= vector:
            best = ceil_div(r, lines)
    return int(min(best, plain))


@kernel
def count_layer(design: Floats, layer: Ints, keep: int, out: Ints) -> int:
    """Fill the counts [COUNTS] of one layer [F] on a design [D] under a mapping; returns the number of a reason."""
    weight_bits, input_bits, output_bits = base.layer_bits(design, layer)
    groups, pixels = layer[w.GROUPS], layer[w.BATCH] * layer[w.P] * layer[w.Q]
    kernels, window = layer[w.M] // groups, layer[w.C] // groups * layer[w.R] * layer[w.S]
    rows, columns, elements = cut_strips(layer, input_room(design, input_bits))
    if rows == 0:
        return NO_WINDOW
    whole, length, rests, rest = strip_sizes(layer, rows, columns)
    strips = whole + rests
    first = first_lines(layer, elements, strips)
    if keep == WEIGHTS:
        whole, length, rests, rest = 1, pixels, 0, 0
    stripes = whole * ceil_div(length, ACCUMULATORS) + rests * ceil_div(rest, ACCUMULATORS)
    cells = min(int(design[ATOMIC_K]), kernels)
    fitting = weight_room(design, window * weight_bits)  # kernels
    inputs, weights = elements, window * kernels  # elements that come from DRAM, per group
    if keep == WEIGHTS:
        if fitting < 1:
            return NO_KERNEL
        cells = min(cells, fitting)
        block = kernels if fitting >= kernels else fitting // cells * cells
        inputs *= ceil_div(kernels, block) if strips > 1 else 1
    elif fitting < kernels:
        weights *= strips if fitting >= cells else stripes
    atoms = positions(design, layer)
    sweeps = groups * ceil_div(kernels, cells) * atoms
    load = ceil_div(cells, VECTORS)
    base.count_operations(design, layer, out, False)
    out[base.COMPUTE] = sweeps * pixels
    out[base.FILL] = sweeps * (whole * max(0, load - length) + rests * max(0, load - rest))
    out[base.DRAM_INPUT] = groups * inputs * input_bits
    out[base.DRAM_WEIGHT] = groups * weights * weight_bits
    out[base.DRAM_OUTPUT] = groups * kernels * pixels * output_bits
    begin = first * input_bits + cells * window * weight_bits
    end = min(length, ACCUMULATORS) * cells * output_bits
    moved = out[base.DRAM_INPUT] + out[base.DRAM_WEIGHT] + out[base.DRAM_OUTPUT]
    out[base.STALL] = base.stall_cycles(design, moved, begin, end, out[base.COMPUTE] + out[base.FILL])
    words = weight_bits, input_bits, int(design[base.PSUM_BITS])
    streamed, loaded = groups * window * pixels * ceil_div(kernels, cells), groups * window * kernels * stripes
    _count_traffic(words, streamed, loaded, groups * kernels * pixels * atoms, out)
    return 0


@inlined_kernel
def _count_traffic(words: tuple[int, int, int], streamed: int, loaded: int, sums: int, out: Ints) -> None:
    """Fill the traffic of buffer, network and registers.

    `words` are the bits of a weight, an input and a partial sum.  The buffer gives `streamed` inputs, each once to all
    cells, and `loaded` weights, those of a position once per stripe; cells send `sums` partial sums to accumulators.
    """
    weight_bits, input_bits, psum_bits = words
    out[base.BUFFER_INPUT] = streamed * input_bits + out[base.DRAM_INPUT]
    out[base.BUFFER_WEIGHT] = loaded * weight_bits + out[base.DRAM_WEIGHT]
    out[base.BUFFER_OUTPUT] = 0
    out[base.NETWORK_INPUT] = out[base.MACS] * input_bits  # each input travels along the cells
    out[base.NETWORK_WEIGHT] = loaded * weight_bits
    out[base.NETWORK_OUTPUT] = sums * psum_bits
    out[base.REGISTER_INPUT] = 2 * out[base.MACS] * input_bits
    out[base.REGISTER_WEIGHT] = (out[base.MACS] + loaded) * weight_bits
    out[base.REGISTER_OUTPUT] = 2 * out[base.NETWORK_OUTPUT]


@kernel
def search_mapping(design: Floats, layer: Ints, mapping: Ints, trial: Ints) -> None:
    """Write the best mapping [G] of a layer [F] on a design [D]; `trial` [COUNTS] is scratch space for counts.

    The fastest mapping is best; of equally fast ones the one with the least DRAM traffic, then least buffer traffic.
    """
    top = np.iinfo(np.int64).max
    best = (top, top, top)
    for keep in range(len(KEEPS)):
        if count_layer(design, layer, keep, trial) == 0:
            cycles = trial[base.COMPUTE] + trial[base.FILL] + trial[base.STALL]
            moved = trial[base.DRAM_INPUT] + trial[base.DRAM_WEIGHT] + trial[base.DRAM_OUTPUT]
            sent = trial[base.BUFFER_INPUT] + trial[base.BUFFER_WEIGHT]
            if (cycles, moved, sent) < best:
                best = (cycles, moved, sent)
                mapping[MAP_KEEP] = keep


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
            if search:
                search_mapping(designs[s], layers[i], mappings[s, i], trial)
            reasons[s, i] = count_layer(designs[s], layers[i], mappings[s, i, MAP_KEEP], counts[s, i])


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The mappings [S, L, G] of designs [S, D] on layers [L, F], as numbers of the choices: strips of inputs stay."""
    return np.full((len(designs), len(layers), len(MAPPING)), INPUTS, np.int64)


def hardware(designs: Floats) -> Hardware:
    """What is built for designs [S, D], in bytes and numbers.

    One processing element is a cell: atomic-C multipliers, two sets of weights, and the accumulators of one kernel.
    """
    vector, cells = designs[:, ATOMIC_C], designs[:, ATOMIC_K]
    size = np.repeat(designs[:, BUFFER_KB : BUFFER_KB + 1] * base.BYTES_PER_KIB, 3, axis=1)
    registers = np.stack(
        [vector * designs[:, base.INPUT_BITS], 2 * vector * designs[:, base.WEIGHT_BITS],
         ACCUMULATORS * designs[:, base.PSUM_BITS]], axis=1,
    )  # fmt: skip
    banks = np.full((len(designs), 3), float(BANKS))
    return Hardware(vector * cells, size, registers / 8, cells, banks, shared_buffer=True)


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping [G] as loops, from outer to inner."""
    row, numbers = np.array(layer.row(), np.int64), np.array(design, np.float64)
    weight_bits, input_bits, _ = base.layer_bits(numbers, row)
    rows, columns, _ = cut_strips(row, input_room(numbers, input_bits))
    kernels = layer.out_channels // layer.groups
    window = layer.in_channels // layer.groups * layer.kernel_h * layer.kernel_w
    fitting = weight_room(numbers, window * weight_bits)
    cells = min(int(design[ATOMIC_K]), kernels)
    lines = [f"for group in {layer.groups}:"] if layer.groups > 1 else []
    if mapping[MAP_KEEP] == INPUTS:
        lines += [f"for strip of {rows} x {columns} pixels in {layer.batch} x {layer.out_h} x {layer.out_w}:"]
        lines += [f"for kernels in {kernels} by {cells}:", f"for stripe of pixels in strip by {ACCUMULATORS}:"]
    else:
        cells = min(cells, max(1, fitting))
        block = kernels if fitting >= kernels else fitting // cells * cells
        lines += [f"for block of kernels in {kernels} by {block}:", f"for kernels in block by {cells}:"]
        lines += [f"for stripe of pixels in {layer.batch} x {layer.out_h} x {layer.out_w} by {ACCUMULATORS}:"]
    lines.append(f"for position in {positions(numbers, row)}:")
    lines.append(f"{cells} kernels x {int(design[ATOMIC_C])} channels, pixel by pixel of the stripe")
    return lines


TEMPLATE = Template(
    family=FAMILIES["spatial"],
    own=OWN,
    mapping=MAPPING,
    codes={"keep": len(KEEPS)},
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
)
