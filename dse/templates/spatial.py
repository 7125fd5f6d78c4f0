"""Spatial arrays like NVDLA's: atomic-C input channels × atomic-K output channels in parallel, one convolution buffer.

Each cycle one vector of atomic-C inputs meets atomic-K kernels.  A stripe keeps the weights of one kernel position
and sends up to 32 pixels past them; it lasts at least as long as loading the next weights, two vectors a cycle.  Sums
stay in accumulators until all positions and channels are through, so none leaves the chip.  An image of up to four
channels is laid out with the kernel's columns as channels, and lines are joined while they fit (channel extension).

The buffer is split between weights and inputs by the design, half of each part is being filled.  What does not fit is
read in passes, which is the choice of a mapping:

    inputs   strips of input lines stay, all kernels pass by each; a group of atomic-K kernels stays while the pixels of
             a strip pass, if it fits, else it is read again for each stripe
    weights  blocks of kernels stay, all inputs pass by each block

The time of a layer is the longer of the array's and DRAM's, as NVDLA's primer has it; the first load and the last
store are added.  STALL is all time of DRAM beyond the array's, FILL what short stripes wait for weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base
from dse.templates.base import Floats, Hardware, Ints, Parameter, Template, ceil_div
from dse.workloads import layers as w
from dse.workloads.layers import Layer
from netlists.runtime.kernel import kernel

OWN = (
    Parameter("atomic_c", 64, "inputs", "input channels in parallel", 1, 65_536),
    Parameter("atomic_k", 32, "kernels", "output channels in parallel", 1, 65_536),
    Parameter("buffer_kb", 512, "KiB", "convolution buffer, both halves", 1, 1e6, whole=False),
    Parameter("weight_share", 0.5, "", "share of the buffer that holds weights", 0.05, 0.95, whole=False),
    Parameter("image_mode", 1, "", "channel extension for images of up to 4 channels", choices=("off", "on")),
)
ATOMIC_C, ATOMIC_K, BUFFER_KB, WEIGHT_SHARE, IMAGE_MODE = range(base.OWN, base.OWN + len(OWN))
REASONS = (
    "",
    "the inputs of one window do not fit their half share of the convolution buffer",
    "no kernel fits the weights' half share of the convolution buffer",
)
ACCUMULATORS = 32  # pixels of a stripe (NVDLA unit description, "Stripe operation")
VECTORS = 2  # of weights a cycle from the buffer: the description's 16 cycles for 32 int8 kernels
BANKS = 16  # of nv_large and nvdlav1
IMAGE_CHANNELS = 4  # of a pixel format

KEEPS = ("inputs", "weights")
INPUTS, WEIGHTS = range(2)
MAPPING = ("keep",)


@kernel
def strips(layer: Ints, room: int) -> tuple[int, int, int]:
    """How the inputs of a group are cut: (output rows of a strip, output columns of it, input elements of all strips).

    `room` is what a strip may have, in elements.  Lines are read whole, those that a stride passes over too.  Strips
    overlap where their kernels do.  Rows are 0 if not even one window fits.
    """
    channels, p, q = layer[w.C] // layer[w.GROUPS], layer[w.P], layer[w.Q]
    high, wide = (layer[w.R] - 1) * layer[w.DILATION_H] + 1, (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    down, right = layer[w.STRIDE_H], layer[w.STRIDE_W]
    image = min(layer[w.H], (p - 1) * down + high)
    lines, line = layer[w.BATCH] * image, layer[w.W] * channels
    if image * line <= room:
        return min(layer[w.BATCH], room // (image * line)) * p, q, lines * line
    rows = (room // line - high) // down + 1
    if rows >= 1:
        return rows, q, (lines + layer[w.BATCH] * (ceil_div(p, rows) - 1) * max(0, high - down)) * line
    columns = min(q, (room // (high * channels) - wide) // right + 1)
    if columns < 1:
        return 0, 0, 0
    overlap = (ceil_div(q, columns) - 1) * max(0, wide - right)
    return 1, columns, lines * (layer[w.W] + overlap) * channels


@kernel
def strip_sizes(layer: Ints, rows: int, columns: int) -> tuple[int, int, int, int]:
    """Strips come in two sizes: how many of how many pixels, and how many smaller ones of how many."""
    batch, p, q = layer[w.BATCH], layer[w.P], layer[w.Q]
    if columns < q:
        whole, length, rests, rest = batch * p * (q // columns), columns, batch * p, q % columns
    elif rows < p:
        whole, length, rests, rest = batch * (p // rows), rows * q, batch, p % rows * q
    else:
        whole, length, rests, rest = batch * p // rows, rows * q, 1, batch * p % rows * q
    return whole, length, rests * min(1, rest), rest


@kernel
def positions(design: Floats, layer: Ints) -> int:
    """Cycles for one pixel and one group of kernels: kernel positions × vectors of channels."""
    c, r, s, vector = layer[w.C] // layer[w.GROUPS], layer[w.R], layer[w.S], int(design[ATOMIC_C])
    plain = r * s * ceil_div(c, vector)
    dilated = layer[w.DILATION_H] > 1 or layer[w.DILATION_W] > 1
    if layer[w.C] > IMAGE_CHANNELS or layer[w.GROUPS] > 1 or dilated or design[IMAGE_MODE] == 0:
        return int(plain)
    wide, step, best = c * s, c * layer[w.STRIDE_W], r * ceil_div(c * s, vector)
    for lines in (2, 4):
        if max(wide, step) * lines <= vector:
            best = ceil_div(r, lines)
    return int(min(best, plain))


@kernel
def count_layer(design: Floats, layer: Ints, keep: int, out: Ints) -> int:
    """Fill the counts of one layer under a mapping; returns a reason."""
    weight, given, result = base.layer_bits(design, layer)
    psum = int(design[base.PSUM_BITS])
    groups, px = layer[w.GROUPS], layer[w.BATCH] * layer[w.P] * layer[w.Q]
    k, window = layer[w.M] // groups, layer[w.C] // groups * layer[w.R] * layer[w.S]
    rows, columns, elements = strips(layer, int(design[BUFFER_KB] * (1 - design[WEIGHT_SHARE]) * 4096) // given)
    if rows == 0:
        return 1
    whole, length, rests, rest = strip_sizes(layer, rows, columns)
    cuts = whole + rests
    first = min(min(layer[w.R], layer[w.H]) * layer[w.W] * (layer[w.C] // groups), ceil_div(elements, cuts))
    if keep == WEIGHTS:
        whole, length, rests, rest = 1, px, 0, 0
    stripes = whole * ceil_div(length, ACCUMULATORS) + rests * ceil_div(rest, ACCUMULATORS)
    cells = min(int(design[ATOMIC_K]), k)
    room = int(design[BUFFER_KB] * design[WEIGHT_SHARE] * 4096)
    fits = room // (window * weight)  # kernels
    inputs, weights = elements, window * k
    if keep == WEIGHTS:
        if fits < 1:
            return 2
        cells = min(cells, fits)
        block = k if fits >= k else fits // cells * cells
        inputs *= ceil_div(k, block) if cuts > 1 else 1
    elif fits < k:
        weights *= cuts if fits >= cells else stripes
    atoms = positions(design, layer)
    sweeps = groups * ceil_div(k, cells) * atoms
    load = ceil_div(cells, VECTORS)
    base.switched(design, layer, out, False)
    out[base.COMPUTE] = sweeps * px
    out[base.FILL] = sweeps * (whole * max(0, load - length) + rests * max(0, load - rest))
    out[base.DRAM_INPUT] = groups * inputs * given
    out[base.DRAM_WEIGHT] = groups * weights * weight
    out[base.DRAM_OUTPUT] = groups * k * px * result
    begin = first * given + cells * window * weight
    end = min(length, ACCUMULATORS) * cells * result
    moved = out[base.DRAM_INPUT] + out[base.DRAM_WEIGHT] + out[base.DRAM_OUTPUT]
    beside = base.dram_cycles(design, moved - begin - end) - out[base.COMPUTE] - out[base.FILL]
    out[base.STALL] = base.dram_cycles(design, begin) + max(0, beside) + base.dram_cycles(design, end)
    # The buffer gives each vector of inputs once to all cells, and the weights of a position once a stripe.
    passing = groups * window * px * ceil_div(k, cells)
    loaded = groups * window * k * stripes
    out[base.BUFFER_INPUT] = passing * given + out[base.DRAM_INPUT]
    out[base.BUFFER_WEIGHT] = loaded * weight + out[base.DRAM_WEIGHT]
    out[base.BUFFER_OUTPUT] = 0
    out[base.NETWORK_INPUT] = out[base.MACS] * given  # each input travels along the cells
    out[base.NETWORK_WEIGHT] = loaded * weight
    out[base.NETWORK_OUTPUT] = groups * k * px * atoms * psum  # from cell to accumulator
    out[base.REGISTER_INPUT] = 2 * out[base.MACS] * given
    out[base.REGISTER_WEIGHT] = (out[base.MACS] + loaded) * weight
    out[base.REGISTER_OUTPUT] = 2 * out[base.NETWORK_OUTPUT]
    return 0


@kernel
def search_mapping(design: Floats, layer: Ints, mapping: Ints, trial: Ints) -> None:
    """The fastest mapping; of equally fast ones that with least DRAM traffic, then with least buffer traffic."""
    top = np.iinfo(np.int64).max
    best = (top, top, top)
    for keep in range(len(KEEPS)):
        if count_layer(design, layer, keep, trial) == 0:
            cycles = trial[base.COMPUTE] + trial[base.FILL] + trial[base.STALL]
            moved = trial[base.DRAM_INPUT] + trial[base.DRAM_WEIGHT] + trial[base.DRAM_OUTPUT]
            found = (cycles, moved, trial[base.BUFFER_INPUT] + trial[base.BUFFER_WEIGHT])
            if found < best:
                best = found
                mapping[0] = keep


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """`Template.run`."""
    trial = np.empty(base.COUNTS, np.int64)
    for s in range(len(designs)):
        for i in range(len(layers)):
            if layers[i, w.KIND] > w.Kind.MATMUL:
                base.traffic_only(designs[s], layers[i], counts[s, i])
                continue
            if search:
                search_mapping(designs[s], layers[i], mappings[s, i], trial)
            reasons[s, i] = count_layer(designs[s], layers[i], mappings[s, i, 0], counts[s, i])


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """Kernels pass by strips of inputs, which stay."""
    return np.full((len(designs), len(layers), len(MAPPING)), INPUTS, np.int64)


def hardware(designs: Floats) -> Hardware:
    """One processing element is a cell: atomic-C multipliers, two sets of weights, accumulators of one kernel."""
    vector, cells = designs[:, ATOMIC_C], designs[:, ATOMIC_K]
    size = np.repeat(designs[:, BUFFER_KB : BUFFER_KB + 1] * 1024, 3, axis=1)
    registers = np.stack(
        [vector * designs[:, base.INPUT_BITS], 2 * vector * designs[:, base.WEIGHT_BITS],
         ACCUMULATORS * designs[:, base.PSUM_BITS]], axis=1,
    )  # fmt: skip
    banks = np.full((len(designs), 3), float(BANKS))
    return Hardware(vector * cells, size, registers / 8, cells, banks, shared_buffer=True)


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping as loops from outer to inner."""
    row, numbers = np.array(layer.row(), np.int64), np.array(design, np.float64)
    weight, given, _ = base.layer_bits(numbers, row)
    rows, columns, _ = strips(row, int(design[BUFFER_KB] * (1 - design[WEIGHT_SHARE]) * 4096) // given)
    k, window = layer.out_channels // layer.groups, layer.in_channels // layer.groups * layer.kernel_h * layer.kernel_w
    fits = int(design[BUFFER_KB] * design[WEIGHT_SHARE] * 4096) // (window * weight)
    cells = min(int(design[ATOMIC_K]), k)
    lines = [f"for group in {layer.groups}:"] if layer.groups > 1 else []
    if mapping[0] == INPUTS:
        lines += [f"for strip of {rows} x {columns} pixels in {layer.batch} x {layer.out_h} x {layer.out_w}:"]
        lines += [f"for kernels in {k} by {cells}:", f"for stripe of pixels in strip by {ACCUMULATORS}:"]
    else:
        cells = min(cells, max(1, fits))
        lines += [f"for block of kernels in {k} by {k if fits >= k else fits // cells * cells}:"]
        lines += [f"for kernels in block by {cells}:"]
        lines += [f"for stripe of pixels in {layer.batch} x {layer.out_h} x {layer.out_w} by {ACCUMULATORS}:"]
    atoms = positions(numbers, row)
    lines.append(f"for position in {atoms}:")
    lines.append(f"{cells} kernels x {int(design[ATOMIC_C])} channels, pixel by pixel of the stripe")
    return lines


TEMPLATE = Template(
    name="spatial",
    title="input x output channels in parallel with a convolution buffer",
    source="NVDLA documentation: primer, unit description (convolution pipeline), programming guide (working modes)",
    own=OWN,
    mapping=MAPPING,
    codes={"keep": len(KEEPS)},
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
)
