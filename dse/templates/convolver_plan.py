"""What a tiling costs the accelerators of `dse.templates.convolver_fpga`: phases, waiting, DRAM traffic.

All output maps that share one load of inputs are a block: double buffers hide its transfers behind its phases, and what
takes longer is waited for.  Blocks come in few sizes (whole tiles, cut off at the right, below, both; whole and last
chunks of output maps), so they are counted by size instead of one by one.
"""

from __future__ import annotations

from math import ceil

from dse.templates import base
from dse.templates.base import Floats, Ints, Parameter, ceil_div
from dse.workloads import layers as w
from netlists.runtime.kernel import kernel

OWN = (
    Parameter("pes", 2, "elements", "processing elements: output maps in parallel", 1, 1024),
    Parameter("convolvers", 64, "convolvers", "convolvers of an element: input maps in parallel", 1, 4096),
    Parameter("kernel", 3, "", "side of a convolver's window", 1, 16),
    Parameter("tile", 28, "pixels", "side of the tile that a phase streams", 1, 512),
    Parameter("channels", 64, "channels", "output maps whose partial sums the output buffer holds", 1, 4096),
    # 4 cycles of multipliers, adder trees over 9 products and 64 convolvers (4 + 6 levels), and 6 of bias, shift,
    # activation, pooling and buffer access.
    Parameter("depth", 20, "cycles", "pipeline depth, drained after each phase", 0, 1000),
    Parameter("dsp_taps", 6, "multipliers", "multipliers of a convolver in DSP blocks, the rest in LUTs", 0, 256),
    Parameter("tile_share", 0.186, "", "share of the memory's bandwidth, loads of tiles", 0.001, 1.0, whole=False),
    Parameter("stream_share", 0.28, "", "share of the memory's bandwidth, long streams", 0.001, 1.0, whole=False),
)
(PES, CONVOLVERS, KERNEL, TILE, CHANNELS, DEPTH, DSP_TAPS, TILE_SHARE, STREAM_SHARE) = range(
    base.OWN, base.OWN + len(OWN)
)

# A layer on a design.  Groups that fit one bundle run together: UNITS such of UNIT_M output maps, and one of LAST_M.
# FOLDS bundles are added up; P × Q outputs with STRIDE and EXTENT of kernel each way; PASSES parts of the kernel; most
# outputs of a tile each way; a map of H × W; how many pixels a phase streams (0: those of its tile); bits; images.
(UNITS, UNIT_M, LAST_M, FOLDS, P, Q, STRIDE_H, STRIDE_W, EXTENT_H, EXTENT_W, PASSES, MOST_H, MOST_W, HIGH, WIDE, STREAM,
 KERNEL_BITS, INPUT_BITS, OUTPUT_BITS, IMAGES) = range(20)  # fmt: skip
SHAPE = 20
# What a mapping costs one image: phases, pixels streamed (for one element), cycles, DRAM bits.
PHASES, STREAMED, FILL, STALL, MOVED_INPUT, MOVED_WEIGHT, MOVED_OUTPUT = range(7)
COSTS = 7


@kernel
def shape_of(design: Floats, layer: Ints, shape: Ints) -> None:
    """Fill the SHAPE numbers of a layer on a design."""
    convolvers, side, window = int(design[CONVOLVERS]), int(design[TILE]), int(design[KERNEL])
    groups, shape[IMAGES] = layer[w.GROUPS], layer[w.BATCH]
    n, m = layer[w.C] // groups, layer[w.M] // groups
    together = min(groups, max(1, convolvers // n))
    shape[UNITS] = ceil_div(groups, together) - 1
    shape[UNIT_M] = together * m
    shape[LAST_M] = (groups - shape[UNITS] * together) * m
    shape[FOLDS] = ceil_div(n, convolvers)
    weight_bits, shape[INPUT_BITS], shape[OUTPUT_BITS] = base.layer_bits(design, layer)
    shape[KERNEL_BITS] = convolvers * int(design[PES]) * layer[w.R] * layer[w.S] * weight_bits  # of a phase
    if layer[w.R] * layer[w.S] == 1:  # a list of pixels
        shape[P], shape[Q], shape[HIGH], shape[WIDE] = 1, layer[w.P] * layer[w.Q], 1, layer[w.P] * layer[w.Q]
        shape[STRIDE_H] = shape[STRIDE_W] = shape[EXTENT_H] = shape[EXTENT_W] = shape[PASSES] = shape[MOST_H] = 1
        shape[MOST_W] = min(shape[Q], side * side)
        shape[STREAM] = 0
        return
    shape[P], shape[Q], shape[HIGH], shape[WIDE] = layer[w.P], layer[w.Q], layer[w.H], layer[w.W]
    shape[STRIDE_H], shape[STRIDE_W] = layer[w.STRIDE_H], layer[w.STRIDE_W]
    shape[EXTENT_H] = (layer[w.R] - 1) * layer[w.DILATION_H] + 1
    shape[EXTENT_W] = (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    shape[PASSES] = ceil_div(shape[EXTENT_H], window) * ceil_div(shape[EXTENT_W], window)
    for axis in range(2):
        stride, extent = shape[STRIDE_H + axis], shape[EXTENT_H + axis]
        # The tile streams so many positions of the kernel; the buffer holds the border that a convolver's own kernel
        # needs around them, so a larger kernel leaves fewer outputs.
        held = side + window - 1 - extent
        most = 0 if held < 0 else min((side - 1) // stride, held // stride) + 1
        shape[MOST_H + axis] = min(most, shape[P + axis])
    shape[STREAM] = side * side


@kernel
def transfer_cycles(design: Floats, shape: Ints, read: int, written: int) -> int:
    """Cycles of reads and writes side by side, each at its share of the bandwidth, both within all of it."""
    share = design[STREAM_SHARE] if shape[Q] * shape[P] == 1 else design[TILE_SHARE]
    bits_per_cycle = design[base.DRAM_GB_S] * 8e3 / design[base.CLOCK_MHZ] * share
    alone: int = ceil(max(read, written) / bits_per_cycle)
    both: int = base.dram_cycles(design, read + written)
    return max(alone, both)


@kernel
def input_side(shape: Ints, axis: int, outputs: int) -> int:
    """Input rows (axis 0) or columns under so many outputs; a map smaller than that has no more."""
    return int(min((outputs - 1) * shape[STRIDE_H + axis] + shape[EXTENT_H + axis], shape[HIGH + axis]))


@kernel
def add_tiles(design: Floats, shape: Ints, rows: int, columns: int, count: int, out: Ints) -> None:
    """Account for `count` tiles of rows × columns outputs: all output maps of all groups."""
    pes, convolvers, depth = int(design[PES]), int(design[CONVOLVERS]), int(design[DEPTH])
    chunk, pixels = int(design[CHANNELS]), rows * columns
    stream = (shape[STREAM] if shape[STREAM] else pixels) * shape[PASSES]
    given = convolvers * input_side(shape, 0, rows) * input_side(shape, 1, columns) * shape[INPUT_BITS]
    for i in range(4):  # whole chunks of output maps and the rest, of whole bundles of groups and the rest
        units, maps = (shape[UNITS], shape[UNIT_M]) if i < 2 else (1, shape[LAST_M])
        chunks, size = (maps // chunk, chunk) if i % 2 == 0 else (1, maps % chunk)
        blocks = units * chunks * count
        if blocks == 0 or size == 0:
            continue
        phases = shape[FOLDS] * ceil_div(size, pes)
        # The line buffers drain after each phase, a list of pixels runs through.
        drains = phases if shape[STREAM] else shape[FOLDS]
        busy = phases * stream + drains * depth
        read = shape[FOLDS] * given + phases * shape[KERNEL_BITS]
        written = size * pixels * shape[OUTPUT_BITS]
        late = transfer_cycles(design, shape, read, written) - busy
        out[PHASES] += blocks * phases
        out[STREAMED] += blocks * phases * stream
        out[FILL] += blocks * drains * depth
        out[STALL] += blocks * max(0, late)
        out[MOVED_INPUT] += blocks * shape[FOLDS] * given
        out[MOVED_OUTPUT] += blocks * written


@kernel
def plan(design: Floats, shape: Ints, rows: int, columns: int, out: Ints) -> None:
    """Fill the COSTS of one image under tiles of rows × columns outputs, first load and last store left out."""
    for x in range(COSTS):
        out[x] = 0
    down, across = ceil_div(shape[P], rows), ceil_div(shape[Q], columns)
    last_rows, last_columns = shape[P] - (down - 1) * rows, shape[Q] - (across - 1) * columns
    if down > 1 and across > 1:
        add_tiles(design, shape, rows, columns, (down - 1) * (across - 1), out)
    if down > 1:
        add_tiles(design, shape, rows, last_columns, down - 1, out)
    if across > 1:
        add_tiles(design, shape, last_rows, columns, across - 1, out)
    add_tiles(design, shape, last_rows, last_columns, 1, out)
    out[MOVED_WEIGHT] = out[PHASES] * shape[KERNEL_BITS]


@kernel
def unhidden(design: Floats, shape: Ints, rows: int, columns: int) -> int:
    """Cycles of the first load and of the last store."""
    given = input_side(shape, 0, rows) * input_side(shape, 1, columns) * shape[INPUT_BITS]
    pixels = ((shape[P] - 1) % rows + 1) * ((shape[Q] - 1) % columns + 1)
    final = min(int(design[PES]), shape[LAST_M]) * pixels * shape[OUTPUT_BITS]
    first: int = transfer_cycles(design, shape, int(design[CONVOLVERS]) * given + shape[KERNEL_BITS], 0)
    last: int = transfer_cycles(design, shape, 0, final)
    return first + last
