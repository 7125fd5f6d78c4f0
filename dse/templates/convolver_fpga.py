"""Convolvers behind line buffers on an FPGA (Qiu): processing elements × convolvers of K × K multipliers.

All convolvers of an element take different input maps and add up to one output map; the elements make different output
maps of the same input.  The controller runs phases of fixed size: one output map per element, from one bundle of as
many input maps as an element has convolvers, over one tile of output.  A phase streams tile × tile pixels even if the
map fills fewer (maps of 14 × 14 take the time of 28 × 28), once for each K × K part of a larger kernel; kernels of one
pixel need no line buffer and stream only their pixels.  COMPUTE is thus exactly

    tiles · ceil(M / elements) · ceil(C / convolvers) · tile² · ceil(R' / K) · ceil(S' / K)

cycles, R' and S' with dilation; small groups are bundled and the kernels between them are zero.  FILL is the pipeline
drained after each phase, the first load and the last store.

Maps lie in memory in bundles, the last one padded, and so do kernels.  Partial sums stay on chip, so the output buffer
determines for how many output maps (`channels`) one load of inputs serves; then they are loaded again.  Kernels are
loaded again in each phase.  Double buffers hide transfers behind computation; STALL is what takes longer.  Reads and
writes have their own channels; each reaches a fraction of the memory's bandwidth, a lower one where loads of tiles and
kernels alternate (`tile_share`) than in the one long stream of a fully connected layer (`stream_share`).

All output maps that share one load of inputs are a block: double buffers hide its transfers behind its phases, and what
takes longer is waited for.  Blocks come in few sizes (whole tiles, tiles cut off at the right, below, or both; whole
and last chunks of output maps), so they are counted by size instead of one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base, fabric
from dse.templates.base import Floats, Hardware, Ints, Parameter, Template, ceil_div
from dse.templates.families import FAMILIES
from dse.workloads import layers as w
from dse.workloads.layers import Layer
from netlists.runtime.kernel import inlined_kernel, kernel

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
    Parameter("tile_share", 0.186, "", "fraction of the memory's bandwidth, loads of tiles", 0.001, 1.0, whole=False),
    Parameter("stream_share", 0.28, "", "fraction of the memory's bandwidth, long streams", 0.001, 1.0, whole=False),
)
# Columns of these parameters in a design's row.
(PES, CONVOLVERS, KERNEL, TILE, CHANNELS, DEPTH, DSP_TAPS, TILE_SHARE, STREAM_SHARE) = range(
    base.OWN, base.OWN + len(OWN)
)

REASONS = ("", "the input buffer does not hold the pixels under one output", "the tile does not fit the buffers")
NO_PIXEL, NO_TILE = range(1, len(REASONS))

MAPPING = ("rows", "columns")
MAP_ROWS = 0  # column of a mapping: output rows of a tile
MAP_COLUMNS = 1  # column of a mapping: output columns of a tile

# A layer on a design: columns of a shape.  Columns of height and width follow each other, as `axis` 0 and 1.
UNITS = 0  # bundles of groups that run together, except the last one
UNIT_M = 1  # output maps of such a bundle
LAST_M = 2  # output maps of the last bundle
FOLDS = 3  # bundles of input maps that are added up
P = 4  # output rows
Q = 5  # output columns
STRIDE_H = 6  # input rows from one output row to the next
STRIDE_W = 7  # input columns from one output column to the next
EXTENT_H = 8  # input rows under a kernel, with dilation
EXTENT_W = 9  # input columns under a kernel, with dilation
PASSES = 10  # parts of the kernel, each as large as a convolver's window
MOST_H = 11  # most output rows of a tile
MOST_W = 12  # most output columns of a tile
HIGH = 13  # rows of an input map
WIDE = 14  # columns of an input map
STREAM = 15  # pixels that a phase streams; 0: those of its tile
KERNEL_BITS = 16  # bits of the kernels of a phase
INPUT_BITS = 17  # bits of an input
OUTPUT_BITS = 18  # bits of an output
IMAGES = 19  # images of the batch
SHAPE = 20  # number of columns

# What a mapping costs per image: columns of a cost.
PHASES = 0  # phases
STREAMED = 1  # pixels streamed by one element, one per cycle
FILL = 2  # cycles
STALL = 3  # cycles
MOVED_INPUT = 4  # DRAM bits
MOVED_WEIGHT = 5  # DRAM bits
MOVED_OUTPUT = 6  # DRAM bits
COSTS = 7  # number of columns

BEST_CYCLES = 0  # of the best mapping so far
BEST_MOVED = 1  # DRAM bits of the best mapping so far

# The system beside the datapath: DMA engines, controller and instruction store, pooling and data shift (the memory
# controller and the processor are hard on a Zynq).  Typical figures.
SYSTEM_LUT = 20_000  # LUTs
SYSTEM_FF = 20_000  # flip-flops
SYSTEM_BRAM = 16  # blocks of 36 Kb, in FIFOs
STAGES = 3  # registers on the way through a multiplier built from LUTs


@kernel
def fill_shape(design: Floats, layer: Ints, shape: Ints) -> None:
    """Fill the shape [SHAPE] of a layer [F] on a design [D]: numbers of maps and pixels, and bits."""
    convolvers = int(design[CONVOLVERS])
    groups, shape[IMAGES] = layer[w.GROUPS], layer[w.BATCH]
    n, m = layer[w.C] // groups, layer[w.M] // groups
    together = min(groups, max(1, convolvers // n))
    shape[UNITS] = ceil_div(groups, together) - 1
    shape[UNIT_M] = together * m
    shape[LAST_M] = (groups - shape[UNITS] * together) * m
    shape[FOLDS] = ceil_div(n, convolvers)
    weight_bits, shape[INPUT_BITS], shape[OUTPUT_BITS] = base.layer_bits(design, layer)
    shape[KERNEL_BITS] = convolvers * int(design[PES]) * layer[w.R] * layer[w.S] * weight_bits
    if layer[w.R] * layer[w.S] == 1:
        _fill_list(design, layer, shape)
    else:
        _fill_map(design, layer, shape)


@inlined_kernel
def _fill_list(design: Floats, layer: Ints, shape: Ints) -> None:
    """Fill the map of a layer with kernels of one pixel: a list of pixels."""
    side = int(design[TILE])
    shape[P], shape[Q], shape[HIGH], shape[WIDE] = 1, layer[w.P] * layer[w.Q], 1, layer[w.P] * layer[w.Q]
    shape[STRIDE_H] = shape[STRIDE_W] = shape[EXTENT_H] = shape[EXTENT_W] = shape[PASSES] = shape[MOST_H] = 1
    shape[MOST_W] = min(shape[Q], side * side)
    shape[STREAM] = 0


@inlined_kernel
def _fill_map(design: Floats, layer: Ints, shape: Ints) -> None:
    """Fill the map of a layer, and the largest tile of it."""
    side, window = int(design[TILE]), int(design[KERNEL])
    shape[P], shape[Q], shape[HIGH], shape[WIDE] = layer[w.P], layer[w.Q], layer[w.H], layer[w.W]
    shape[STRIDE_H], shape[STRIDE_W] = layer[w.STRIDE_H], layer[w.STRIDE_W]
    shape[EXTENT_H] = (layer[w.R] - 1) * layer[w.DILATION_H] + 1
    shape[EXTENT_W] = (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    shape[PASSES] = ceil_div(shape[EXTENT_H], window) * ceil_div(shape[EXTENT_W], window)
    for axis in range(2):
        stride, extent = shape[STRIDE_H + axis], shape[EXTENT_H + axis]
        # The tile streams that many positions of the kernel.  The buffer holds the border that a convolver's own
        # kernel needs around them, so a larger kernel leaves fewer outputs.
        held = side + window - 1 - extent
        most = 0 if held < 0 else min((side - 1) // stride, held // stride) + 1
        shape[MOST_H + axis] = min(most, shape[P + axis])
    shape[STREAM] = side * side


@kernel
def transfer_cycles(design: Floats, shape: Ints, read: int, written: int) -> int:
    """Cycles of reads and writes side by side on a design [D], for a layer of shape [SHAPE].

    `read` and `written` are in bits; each is limited to its fraction of the bandwidth, and both to all of it.
    """
    fraction = design[STREAM_SHARE] if shape[Q] * shape[P] == 1 else design[TILE_SHARE]
    bits_per_cycle = base.dram_bits_per_cycle(design) * fraction
    alone: int = ceil(max(read, written) / bits_per_cycle)
    both: int = base.dram_cycles(design, read + written)
    return max(alone, both)


@kernel
def input_side(shape: Ints, axis: int, outputs: int) -> int:
    """Number of input rows (axis 0) or columns (axis 1) under that many outputs of a shape [SHAPE].

    A map smaller than that has no more.
    """
    return int(min((outputs - 1) * shape[STRIDE_H + axis] + shape[EXTENT_H + axis], shape[HIGH + axis]))


@kernel
def add_tiles(design: Floats, shape: Ints, rows: int, columns: int, count: int, out: Ints) -> None:
    """Add `count` tiles of rows × columns outputs to the costs [COSTS]: all output maps of all groups.

    For a layer of shape [SHAPE] on a design [D]; in cycles and bits.
    """
    pes, convolvers, depth = int(design[PES]), int(design[CONVOLVERS]), int(design[DEPTH])
    chunk, pixels = int(design[CHANNELS]), rows * columns
    stream = (shape[STREAM] if shape[STREAM] else pixels) * shape[PASSES]
    input_bits = convolvers * input_side(shape, 0, rows) * input_side(shape, 1, columns) * shape[INPUT_BITS]
    for i in range(4):  # whole chunks of output maps and the rest, of whole bundles of groups and the rest
        units, maps = (shape[UNITS], shape[UNIT_M]) if i < 2 else (1, shape[LAST_M])
        chunks, size = (maps // chunk, chunk) if i % 2 == 0 else (1, maps % chunk)
        blocks = units * chunks * count
        if blocks == 0 or size == 0:
            continue
        phases = shape[FOLDS] * ceil_div(size, pes)
        # The line buffers drain after each phase; a list of pixels runs through.
        drains = phases if shape[STREAM] else shape[FOLDS]
        busy = phases * stream + drains * depth
        read = shape[FOLDS] * input_bits + phases * shape[KERNEL_BITS]
        written = size * pixels * shape[OUTPUT_BITS]
        late = transfer_cycles(design, shape, read, written) - busy
        out[PHASES] += blocks * phases
        out[STREAMED] += blocks * phases * stream
        out[FILL] += blocks * drains * depth
        out[STALL] += blocks * max(0, late)
        out[MOVED_INPUT] += blocks * shape[FOLDS] * input_bits
        out[MOVED_OUTPUT] += blocks * written


@kernel
def count_image(design: Floats, shape: Ints, rows: int, columns: int, out: Ints) -> None:
    """Fill the costs [COSTS] of one image under tiles of rows × columns outputs, in cycles and bits.

    For a layer of shape [SHAPE] on a design [D]; the first load and the last store are left out.
    """
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
def edge_cycles(design: Floats, shape: Ints, rows: int, columns: int) -> int:
    """Cycles of the first load and of the last store, with tiles of rows × columns of a shape [SHAPE], design [D]."""
    input_bits = input_side(shape, 0, rows) * input_side(shape, 1, columns) * shape[INPUT_BITS]
    pixels = ((shape[P] - 1) % rows + 1) * ((shape[Q] - 1) % columns + 1)
    final = min(int(design[PES]), shape[LAST_M]) * pixels * shape[OUTPUT_BITS]
    first: int = transfer_cycles(design, shape, int(design[CONVOLVERS]) * input_bits + shape[KERNEL_BITS], 0)
    last: int = transfer_cycles(design, shape, 0, final)
    return first + last


@kernel
def search_mapping(design: Floats, shape: Ints, cost: Ints, best: Ints, mapping: Ints) -> None:
    """Write the best tile to the mapping [G], in pixels, for a layer of shape [SHAPE] on a design [D].

    The fastest tile is best; of equally fast ones the one with the least DRAM traffic.  The largest tile is tried; then
    for each number of tile rows that divides the map evenly, such columns from the widest down as long as they are
    faster.  `cost` [COSTS] and `best` [2] are scratch space.
    """
    rows, columns = shape[MOST_H], shape[MOST_W]
    mapping[MAP_ROWS], mapping[MAP_COLUMNS] = rows, columns
    if rows * columns == 0:
        return
    best[BEST_CYCLES] = best[BEST_MOVED] = np.iinfo(np.int64).max
    try_tile(design, shape, rows, columns, cost, best, mapping)
    rows = ceil_div(shape[P], ceil_div(shape[P], rows))
    while rows > 0:
        columns, before = ceil_div(shape[Q], ceil_div(shape[Q], shape[MOST_W])), np.iinfo(np.int64).max
        while columns > 0:
            cycles = try_tile(design, shape, rows, columns, cost, best, mapping)
            if cycles >= before:
                break
            before = cycles
            columns = min(columns - 1, ceil_div(shape[Q], ceil_div(shape[Q], columns) + 1))
        rows = min(rows - 1, ceil_div(shape[P], ceil_div(shape[P], rows) + 1))


@kernel
def try_tile(design: Floats, shape: Ints, rows: int, columns: int, cost: Ints, best: Ints, mapping: Ints) -> int:
    """Put a tile into the mapping [G] if it beats `best` [2]: cycles, DRAM bits.  Returns its cycles.

    For a layer of shape [SHAPE] on a design [D]; `cost` [COSTS] is scratch space.
    """
    count_image(design, shape, rows, columns, cost)
    cycles = shape[IMAGES] * (cost[STREAMED] + cost[FILL] + cost[STALL]) + edge_cycles(design, shape, rows, columns)
    moved = cost[MOVED_INPUT] + cost[MOVED_WEIGHT] + cost[MOVED_OUTPUT]
    if cycles < best[BEST_CYCLES] or (cycles == best[BEST_CYCLES] and moved < best[BEST_MOVED]):
        best[BEST_CYCLES], best[BEST_MOVED] = cycles, moved
        mapping[MAP_ROWS], mapping[MAP_COLUMNS] = rows, columns
    return int(cycles)


@kernel
def count_layer(design: Floats, layer: Ints, shape: Ints, mapping: Ints, cost: Ints, out: Ints) -> int:
    """Fill the counts [COUNTS] of one layer [F] on a design [D] under a mapping [G]; returns the number of a reason.

    `shape` [SHAPE] is the layer's on the design, `cost` [COSTS] is scratch space.
    """
    if shape[MOST_H] * shape[MOST_W] == 0:
        return NO_PIXEL
    rows, columns = max(1, min(mapping[MAP_ROWS], shape[P])), max(1, min(mapping[MAP_COLUMNS], shape[Q]))
    if rows > shape[MOST_H] or columns > shape[MOST_W]:
        return NO_TILE
    count_image(design, shape, rows, columns, cost)
    base.count_operations(design, layer, out, False)
    images, convolvers = shape[IMAGES], int(design[CONVOLVERS])
    pes, psum_bits = int(design[PES]), int(design[base.PSUM_BITS])
    out[base.COMPUTE] = images * cost[STREAMED]
    out[base.FILL] = images * cost[FILL] + edge_cycles(design, shape, rows, columns)
    out[base.STALL] = images * cost[STALL]
    for x in range(3):
        out[base.DRAM_INPUT + x] = images * cost[MOVED_INPUT + x]
    # A phase reads each pixel once for all elements; each convolver puts it through its line buffer, K - 1 reads and
    # writes; kernels are read from their buffer once per phase and stay in registers.
    streamed = images * cost[STREAMED] * convolvers * shape[INPUT_BITS]
    sums = images * layer[w.M] * shape[P] * shape[Q] * psum_bits
    weight_bits, _, _ = base.layer_bits(design, layer)
    out[base.BUFFER_INPUT] = out[base.DRAM_INPUT] + streamed
    out[base.BUFFER_WEIGHT] = 2 * out[base.DRAM_WEIGHT]
    out[base.BUFFER_OUTPUT] = out[base.DRAM_OUTPUT] + (2 * shape[FOLDS] - 1) * sums
    if shape[STREAM]:
        out[base.REGISTER_INPUT] = streamed * pes * 2 * (int(design[KERNEL]) - 1)
    out[base.REGISTER_WEIGHT] = out[base.DRAM_WEIGHT] + out[base.MACS] * weight_bits
    return 0


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """Fill counts [S, L, COUNTS] and reasons [S, L] of designs [S, D] on layers [L, F]: see `Template`."""
    shape, cost, best = np.empty(SHAPE, np.int64), np.empty(COSTS, np.int64), np.empty(2, np.int64)
    for s in range(len(designs)):
        design = designs[s]
        for i in range(len(layers)):
            layer = layers[i]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.count_memory_layer(design, layer, counts[s, i])
                continue
            fill_shape(design, layer, shape)
            if search:
                search_mapping(design, shape, cost, best, mappings[s, i])
            reasons[s, i] = count_layer(design, layer, shape, mappings[s, i], cost, counts[s, i])


@njit(error_model="numpy", cache=True, nogil=True)
def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The mappings [S, L, G] of designs [S, D] on layers [L, F] in pixels: the largest tile, 0 × 0 if none fits."""
    out = np.empty((len(designs), len(layers), len(MAPPING)), np.int64)
    shape = np.empty(SHAPE, np.int64)
    for s in range(len(designs)):
        for i in range(len(layers)):
            fill_shape(designs[s], layers[i], shape)
            out[s, i, MAP_ROWS], out[s, i, MAP_COLUMNS] = shape[MOST_H], shape[MOST_W]
    return out


def hardware(designs: Floats) -> Hardware:
    """What is built for designs [S, D], in bytes and numbers.

    One input bank per convolver of an element, one kernel bank per convolver, one output bank per element.
    """
    pes, convolvers, kernel, tile, channels = (designs[:, x] for x in (PES, CONVOLVERS, KERNEL, TILE, CHANNELS))
    word_columns = base.WEIGHT_BITS, base.INPUT_BITS, base.PSUM_BITS
    weight_bits, input_bits, psum_bits = (designs[:, column] for column in word_columns)
    lanes, taps = pes * convolvers, kernel * kernel
    in_dsp = np.minimum(designs[:, DSP_TAPS], taps)
    in_lut = lanes * (taps - in_dsp)
    # All three buffers are block RAM.  A kernel bank is as wide as a kernel and as deep as the phases between two loads
    # of inputs, twice over; a line buffer holds the rows above the current one.
    phases = np.ceil(channels / pes)
    depths = np.stack([(tile + kernel - 1) ** 2, 2 * phases, phases * tile * tile], axis=1)
    widths = np.stack([input_bits, taps * weight_bits, psum_bits], axis=1)
    banks = np.stack([2 * convolvers, lanes, 2 * pes], axis=1)
    halves = fabric.block_rams(depths, widths)
    line_halves, line_luts = fabric.memories(tile[:, None], ((kernel - 1) * input_bits)[:, None])
    # DSP blocks add their products in a cascade; LUTs add the others, then all convolvers of an element.
    adders = in_lut + pes * (convolvers - 1)
    product = weight_bits + input_bits
    logic = in_lut * weight_bits * input_bits * fabric.LUT_PER_BIT_BIT + adders * psum_bits + lanes * taps * weight_bits
    flops = lanes * taps * (input_bits + 2 * weight_bits) + in_lut * STAGES * product + adders * psum_bits
    registers = np.stack([(kernel - 1) * tile * input_bits, taps * weight_bits, np.zeros(len(designs))], axis=1)
    return Hardware(
        multipliers=lanes * taps,
        buffer_bytes=banks * depths * widths / 8,
        register_bytes=registers / 8,
        elements=lanes,
        buffer_banks=banks,
        resources={
            "dsp": lanes * in_dsp * fabric.dsp_blocks(weight_bits, input_bits),
            "bram": np.ceil(((banks * halves).sum(axis=1) + lanes * line_halves[:, 0]) / 2) + SYSTEM_BRAM,
            "lut": logic + lanes * line_luts[:, 0] + SYSTEM_LUT,
            "ff": flops + SYSTEM_FF,
        },
    )


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping [G] as loops, from outer to inner."""
    shape = np.empty(SHAPE, np.int64)
    fill_shape(np.array(design, np.float64), np.array(layer.row(), np.int64), shape)
    lines = [f"for image in {layer.batch}:"] if layer.batch > 1 else []
    lines += [
        f"for row in {shape[P]} by {mapping[MAP_ROWS]}:",
        f"for column in {shape[Q]} by {mapping[MAP_COLUMNS]}:",
    ]
    if shape[UNITS]:
        lines.append(f"for bundle of groups in {shape[UNITS] + 1}:")
    lines += [
        f"for output channel in {shape[UNIT_M]} by {int(design[CHANNELS])}:",
        f"for bundle of input channels in {shape[FOLDS]}: load inputs",
        f"for output channel by {int(design[PES])}: load kernels",
        f"stream {shape[STREAM] or 'the'} pixels {shape[PASSES]} times through {int(design[CONVOLVERS])} convolvers",
    ]
    return lines


TEMPLATE = Template(
    family=FAMILIES["convolver_fpga"],
    own=OWN,
    mapping=MAPPING,
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    padding=("convolvers", "pes"),
    hops=("depth",),
)
