"""Tiled accelerator on an FPGA: Tm × Tn multipliers, double-buffered tiles of input, weights and output (Zhang).

In each cycle Tn pixels of Tn input maps meet Tm × Tn weights; adder trees add to Tm output maps.  A tile of tr × tc
output pixels takes tr·tc·R·S cycles per fold of Tm output and Tn input channels, so a layer with M and C channels per
group takes exactly

    groups · ceil(M / Tm) · ceil(C / Tn) · P · Q · R · S          COMPUTE, the paper's equation 3 without its P

cycles, and each tile of each fold drains the pipeline once (depth cycles of FILL).  A mapping has a tile, and the
operand that stays while the others change: output (as in the paper), input or weight.  A tile that the next step needs
again is not moved again; partial sums that leave come back.  Maps lie in memory with their zero border, so a tile at
the edge reads as many pixels as one inside (the paper's traffic, equations 8 to 10).  Reads and writes have their own
channels of the DMA ports, and both share the memory behind.  FILL includes the first load and the last store, which
nothing hides.  Images and groups come one after the other.

Steps that share the stationary tile are a block: double buffers hide its transfers behind its computation, and STALL is
what takes longer.  Tiles come in few sizes (whole, cut off at the right, below, or both; folds of channels are first,
middle or last), so blocks are counted by size instead of one by one.

Groups whose channels fit the lanes together are a pack and run side by side (depthwise: one channel in, one out): each
of Tn inputs reaches all Tm adder trees, and the weights that would mix groups are zero, set on chip and never moved.
min(Tm / M, Tn / C) groups take the cycles of one.  That is all the structure allows: a bank delivers one pixel per
cycle, so at most Tn of the Tm · Tn multipliers do useful work in a depthwise layer.  An engine with lanes for pixels,
which a DPU has for depthwise layers, is a different structure.  Packs come one after the other; the last one of an
image may be smaller.  Other groups are packs of one.
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

FORMATS = ("fp32", "fixed", "packed8", "auto")  # auto: fp32 for words of 32 bits, otherwise fixed
FLOAT, FIXED, PACKED, AUTO = range(len(FORMATS))
STAYS = ("output", "input", "weight", "any")  # the operand that stays in its buffer
OUTPUT_STAYS, INPUT_STAYS, WEIGHT_STAYS, ANY_STAYS = range(len(STAYS))
FLOAT_BITS = 32  # word length of fp32
PACKED_BITS = 8  # longest word of packed8

OWN = (
    Parameter("tm", 64, "channels", "output channels in parallel", 1, 4096),
    Parameter("tn", 7, "channels", "input channels in parallel", 1, 4096),
    Parameter("tr", 13, "rows", "output rows that the buffers hold", 1, 4096),
    Parameter("tc", 13, "columns", "output columns that the buffers hold", 1, 4096),
    Parameter("kernel", 11, "", "largest kernel side that the buffers are made for", 1, 64),
    Parameter("stride", 4, "", "largest stride that the input buffer is made for at full tile", 1, 64),
    # packed8 puts two 8-bit products in a DSP block.
    Parameter("format", AUTO, "", "arithmetic; auto: fp32 for words of 32 bits, otherwise fixed", choices=FORMATS),
    Parameter("stationary", ANY_STAYS, "", "the operand that may stay in its buffer", choices=STAYS),
    # fp32 adder trees: 3 cycles for a multiplication, 4 for an addition, 3 levels over 7 products and the accumulation,
    # 1 to read: 20, which is also what the cycle counts of the paper's table 4 contain per fold.
    Parameter("depth", 20, "cycles", "pipeline depth, drained after each tile", 0, 1000),
    Parameter("port_bits", 128, "bits", "DMA ports, bits per cycle in each direction", 1, 65_536),
    Parameter("port_share", 0.82, "", "fraction of the ports' cycles that carry data", 0.01, 1.0, whole=False),
)
# Columns of these parameters in a design's row.
TM, TN, TR, TC, KERNEL, STRIDE, FORMAT, STATIONARY, DEPTH, PORT_BITS, PORT_SHARE = range(base.OWN, base.OWN + len(OWN))

REASONS = (
    "",
    "the weight buffer is made for smaller kernels",
    "the input buffer does not hold the pixels of the tile",
    "the output buffer does not hold the tile",
)
LARGE_KERNEL, LARGE_INPUT, LARGE_TILE = range(1, len(REASONS))

MAPPING = ("tr", "tc", "stationary")
MAP_ROWS = 0  # column of a mapping: output rows of a tile
MAP_COLUMNS = 1  # column of a mapping: output columns of a tile
MAP_STAY = 2  # column of a mapping: the operand that stays, index of `STAYS`

# A layer on a design: columns of a shape.  Columns of height and width follow each other, as `axis` 0 and 1.
N = 0  # input channels of a pack
M = 1  # output channels of a pack
P = 2  # output rows
Q = 3  # output columns
AREA = 4  # kernel elements, R × S
HIGH = 5  # input rows under a kernel, with dilation
WIDE = 6  # input columns under a kernel, with dilation
STRIDE_H = 7  # input rows from one output row to the next
STRIDE_W = 8  # input columns from one output column to the next
PACK = 9  # groups of a pack
PACKS = 10  # packs of all images
REST = 11  # groups of the last pack of an image if that is smaller, otherwise 0
IMAGES = 12  # images of the batch
WEIGHT_BITS = 13  # bits of a weight
INPUT_BITS = 14  # bits of an input
OUTPUT_BITS = 15  # bits of an output
PSUM_BITS = 16  # bits of a partial sum
SHAPE = 17  # number of columns

# A tiling of a layer: columns of a tiling.
FOLDS_M = 0  # folds of output channels
FOLDS_N = 1  # folds of input channels
SIZE_M = 2  # output channels of a fold
SIZE_N = 3  # input channels of a fold
LAST_M = 4  # output channels of the last fold
LAST_N = 5  # input channels of the last fold
DOWN = 6  # tiles from top to bottom
ACROSS = 7  # tiles from left to right
ROWS = 8  # output rows of a tile
LAST_ROWS = 9  # output rows of the lowest tiles
COLUMNS = 10  # output columns of a tile
LAST_COLUMNS = 11  # output columns of the rightmost tiles
HIGH_IN = 12  # input rows under a tile
LAST_HIGH = 13  # input rows under the lowest tiles
WIDE_IN = 14  # input columns under a tile
LAST_WIDE = 15  # input columns under the rightmost tiles
SEEN = 16  # bits of one input map under all tiles
TILING = 17  # number of columns

# What a mapping costs for all groups and images: columns of a cost.
FILL_CYCLES = 0  # cycles
STALL_CYCLES = 1  # cycles
MOVED_INPUT = 2  # DRAM bits
MOVED_WEIGHT = 3  # DRAM bits
MOVED_OUTPUT = 4  # DRAM bits
COSTS = 5  # number of columns

BEST_CYCLES = 0  # of the best mapping so far
BEST_MOVED = 1  # DRAM bits of the best mapping so far

# The system beside the datapath: soft processor, DDR3 controller, AXI interconnect and DMA engines.  Typical figures.
SYSTEM_LUT = 25_000  # LUTs
SYSTEM_FF = 30_000  # flip-flops
BANK_LUT = 10  # LUTs of a bank's write decoder; the multiplexer between both halves takes one LUT per bit


@kernel
def fill_shape(design: Floats, layer: Ints, shape: Ints) -> None:
    """Fill the shape [SHAPE] of a layer [F] on a design [D]: numbers of channels, pixels and groups, and bits."""
    groups = layer[w.GROUPS]
    shape[N], shape[M] = layer[w.C] // groups, layer[w.M] // groups
    shape[PACK] = 1
    shape[IMAGES] = layer[w.BATCH]
    shape[PACKS], shape[REST] = groups * layer[w.BATCH], 0
    if groups > 1 and 2 * shape[M] <= design[TM] and 2 * shape[N] <= design[TN]:
        pack = min(groups, int(design[TM]) // shape[M], int(design[TN]) // shape[N])
        shape[REST] = groups % pack
        resize(shape, pack, groups // pack * layer[w.BATCH])
    shape[P], shape[Q], shape[AREA] = layer[w.P], layer[w.Q], layer[w.R] * layer[w.S]
    shape[HIGH] = (layer[w.R] - 1) * layer[w.DILATION_H] + 1
    shape[WIDE] = (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    shape[STRIDE_H], shape[STRIDE_W] = layer[w.STRIDE_H], layer[w.STRIDE_W]
    shape[WEIGHT_BITS], shape[INPUT_BITS], shape[OUTPUT_BITS] = base.layer_bits(design, layer)
    shape[PSUM_BITS] = int(design[base.PSUM_BITS])


@kernel
def resize(shape: Ints, pack: int, packs: int) -> None:
    """Put `pack` groups into each of `packs` packs of a shape [SHAPE], as numbers of channels."""
    shape[N], shape[M] = shape[N] // shape[PACK] * pack, shape[M] // shape[PACK] * pack
    shape[PACK], shape[PACKS] = pack, packs


@inlined_kernel
def own_outputs(shape: Ints, outputs: int) -> int:
    """Number of the output channels of a pack of shape [SHAPE] that one input channel contributes to: its group's."""
    return outputs if shape[PACK] == 1 else int(outputs // shape[PACK])


@kernel
def find_order(stationary: int, tiles: int, folds_m: int, folds_n: int) -> int:
    """The operand that really stays: if a loop has one step, the operand that it alone changes stays as well."""
    if folds_m == 1 and folds_n == 1:
        return WEIGHT_STAYS
    if (stationary == WEIGHT_STAYS and tiles == 1) or (stationary == INPUT_STAYS and folds_m == 1):
        stationary = OUTPUT_STAYS
    if stationary == OUTPUT_STAYS and folds_n == 1:
        stationary = INPUT_STAYS
    return stationary


@kernel
def transfer_cycles(design: Floats, read: int, written: int) -> int:
    """Cycles that bits read and written take on a design [D]: those of the slower port, or of the memory if longer."""
    port: int = ceil(max(read, written) / (design[PORT_BITS] * design[PORT_SHARE]))
    both: int = base.dram_cycles(design, read + written)
    return max(port, both)


@kernel
def fill_tiling(design: Floats, shape: Ints, rows: int, columns: int, t: Ints) -> None:
    """Fill the tiling [TILING] of a shape [SHAPE] on a design [D] with tiles of rows × columns output pixels."""
    t[SIZE_M], t[SIZE_N] = min(int(design[TM]), shape[M]), min(int(design[TN]), shape[N])
    t[FOLDS_M], t[FOLDS_N] = ceil_div(shape[M], t[SIZE_M]), ceil_div(shape[N], t[SIZE_N])
    t[LAST_M], t[LAST_N] = shape[M] - (t[FOLDS_M] - 1) * t[SIZE_M], shape[N] - (t[FOLDS_N] - 1) * t[SIZE_N]
    t[ROWS], t[COLUMNS] = rows, columns
    t[DOWN], t[ACROSS] = ceil_div(shape[P], rows), ceil_div(shape[Q], columns)
    t[LAST_ROWS], t[LAST_COLUMNS] = shape[P] - (t[DOWN] - 1) * rows, shape[Q] - (t[ACROSS] - 1) * columns
    t[HIGH_IN], t[WIDE_IN] = input_side(shape, 0, rows), input_side(shape, 1, columns)
    t[LAST_HIGH], t[LAST_WIDE] = input_side(shape, 0, t[LAST_ROWS]), input_side(shape, 1, t[LAST_COLUMNS])
    high, wide = (t[DOWN] - 1) * t[HIGH_IN] + t[LAST_HIGH], (t[ACROSS] - 1) * t[WIDE_IN] + t[LAST_WIDE]
    t[SEEN] = high * wide * shape[INPUT_BITS]


@kernel
def input_side(shape: Ints, axis: int, outputs: int) -> int:
    """Number of input rows (axis 0) or columns (axis 1) under that many outputs of a shape [SHAPE]."""
    return int((outputs - 1) * shape[STRIDE_H + axis] + shape[HIGH + axis])


@kernel
def block_stall(design: Floats, busy: int, read: int, written: int) -> int:
    """STALL of one block on a design [D]: cycles that bits read and written take beyond `busy` cycles."""
    late: int = transfer_cycles(design, read, written) - busy
    return max(0, late)


@kernel
def folds_stall(design: Floats, t: Ints, busy: int, channel: int, sums: int, results: int) -> int:
    """STALL in cycles of the blocks of all folds of input channels over the same outputs, for a tiling [TILING].

    On a design [D] whose array is busy for `busy` cycles per block.  `channel` bits come in per input channel; `sums`
    bits of partial sums go out after each fold except the last and come back in; `results` bits go out at the end.
    """
    if t[FOLDS_N] == 1:
        return block_stall(design, busy, t[LAST_N] * channel, results)
    first = block_stall(design, busy, t[SIZE_N] * channel, sums)
    last = block_stall(design, busy, t[LAST_N] * channel + sums, results)
    if t[FOLDS_N] == 2:
        return first + last
    middle = block_stall(design, busy, t[SIZE_N] * channel + sums, sums)
    return int(first + (t[FOLDS_N] - 2) * middle + last)


@kernel
def weights_stall(design: Floats, shape: Ints, t: Ints) -> int:
    """STALL in cycles of a pack of shape [SHAPE] on a design [D] if weights stay.

    A block is one fold of channels over all tiles of the tiling [TILING].
    """
    pixels = shape[P] * shape[Q]
    busy = pixels * shape[AREA] + t[DOWN] * t[ACROSS] * int(design[DEPTH])
    total = 0
    for i in range(2):
        count, size = (1, t[LAST_M]) if i else (t[FOLDS_M] - 1, t[SIZE_M])
        if count:
            channel = t[SEEN] + own_outputs(shape, size) * shape[AREA] * shape[WEIGHT_BITS]
            sums, results = size * pixels * shape[PSUM_BITS], size * pixels * shape[OUTPUT_BITS]
            total += count * folds_stall(design, t, busy, channel, sums, results)
    return total


@kernel
def tile_stall(design: Floats, shape: Ints, t: Ints, pixels: int, input_bits: int, order: int) -> int:
    """STALL in cycles of a tile of that many output pixels, under which lie `input_bits` bits of each input map.

    For a shape [SHAPE] and tiling [TILING] on a design [D].
    """
    step = pixels * shape[AREA] + int(design[DEPTH])
    kernel, result = shape[AREA] * shape[WEIGHT_BITS], pixels * shape[OUTPUT_BITS]
    if order == INPUT_STAYS:
        channel, sums = input_bits + shape[M] * kernel, shape[M] * pixels * shape[PSUM_BITS]
        return folds_stall(design, t, t[FOLDS_M] * step, channel, sums, shape[M] * result)
    busy = t[FOLDS_N] * step
    total = block_stall(design, busy, shape[N] * (input_bits + t[LAST_M] * kernel), t[LAST_M] * result)
    if t[FOLDS_M] > 1:
        one = block_stall(design, busy, shape[N] * (input_bits + t[SIZE_M] * kernel), t[SIZE_M] * result)
        total += (t[FOLDS_M] - 1) * one
    return total


@kernel
def tiles_stall(design: Floats, shape: Ints, t: Ints, order: int) -> int:
    """STALL in cycles of a pack of shape [SHAPE] on a design [D] if outputs or inputs stay.

    The tiling [TILING] has whole tiles, and tiles cut off at the right, below, or both.
    """
    total = 0
    for i in range(2):
        down, rows, high = (1, t[LAST_ROWS], t[LAST_HIGH]) if i else (t[DOWN] - 1, t[ROWS], t[HIGH_IN])
        for j in range(2):
            across, columns, wide = (1, t[LAST_COLUMNS], t[LAST_WIDE]) if j else (
                t[ACROSS] - 1, t[COLUMNS], t[WIDE_IN])  # fmt: skip
            if down * across:
                input_bits = high * wide * shape[INPUT_BITS]
                total += down * across * tile_stall(design, shape, t, rows * columns, input_bits, order)
    return total


@kernel
def fill_cost(design: Floats, shape: Ints, rows: int, columns: int, stationary: int, t: Ints, out: Ints) -> None:
    """Fill the costs [COSTS] of a mapping, in cycles and bits, and the tiling [TILING] of a whole pack.

    For a layer of shape [SHAPE] on a design [D], with tiles of rows × columns output pixels.
    """
    fill_tiling(design, shape, rows, columns, t)
    tiles = t[DOWN] * t[ACROSS]
    order = find_order(stationary, tiles, t[FOLDS_M], t[FOLDS_N])
    packs, pixels = shape[PACKS], shape[P] * shape[Q]
    stall = weights_stall(design, shape, t) if order == WEIGHT_STAYS else tiles_stall(design, shape, t, order)
    kernel = shape[AREA] * shape[WEIGHT_BITS]
    out[STALL_CYCLES] = packs * stall
    out[MOVED_INPUT] = packs * shape[N] * t[SEEN] * (1 if order == INPUT_STAYS else t[FOLDS_M])
    loads = 1 if order == WEIGHT_STAYS else tiles
    out[MOVED_WEIGHT] = packs * own_outputs(shape, shape[M]) * shape[N] * kernel * loads
    out[MOVED_OUTPUT] = packs * shape[M] * pixels * shape[OUTPUT_BITS]
    if order != OUTPUT_STAYS:
        out[MOVED_OUTPUT] += packs * 2 * (t[FOLDS_N] - 1) * shape[M] * pixels * shape[PSUM_BITS]
    first = t[SIZE_N] * (t[HIGH_IN] * t[WIDE_IN] * shape[INPUT_BITS] + own_outputs(shape, t[SIZE_M]) * kernel)
    last = t[LAST_M] * t[LAST_ROWS] * t[LAST_COLUMNS] * shape[OUTPUT_BITS]
    out[FILL_CYCLES] = packs * t[FOLDS_M] * t[FOLDS_N] * tiles * int(design[DEPTH])
    if shape[REST]:
        last = add_rest(design, shape, t, out)
    out[FILL_CYCLES] += transfer_cycles(design, first, 0) + transfer_cycles(design, 0, last)


@kernel
def add_rest(design: Floats, shape: Ints, t: Ints, out: Ints) -> int:
    """Add the costs [COSTS] of the smaller last packs, which are one fold like the others, in cycles and bits.

    Returns the bits of the last store.  For a layer of shape [SHAPE] on a design [D]; the tiling [TILING] is that of
    the others.
    """
    pack, packs, tiles = shape[PACK], shape[PACKS], t[DOWN] * t[ACROSS]
    resize(shape, shape[REST], shape[IMAGES])
    fill_tiling(design, shape, t[ROWS], t[COLUMNS], t)
    images, outputs = shape[IMAGES], shape[M] * shape[OUTPUT_BITS]
    kernels = own_outputs(shape, shape[M]) * shape[N] * shape[AREA] * shape[WEIGHT_BITS]
    out[STALL_CYCLES] += images * weights_stall(design, shape, t)
    out[MOVED_INPUT] += images * shape[N] * t[SEEN]
    out[MOVED_WEIGHT] += images * kernels
    out[MOVED_OUTPUT] += images * outputs * shape[P] * shape[Q]
    out[FILL_CYCLES] += images * tiles * int(design[DEPTH])
    resize(shape, pack, packs)
    fill_tiling(design, shape, t[ROWS], t[COLUMNS], t)
    return int(outputs * t[LAST_ROWS] * t[LAST_COLUMNS])


@kernel
def fill_room(design: Floats, room: Ints) -> None:
    """Fill the bits [3] that half a bank of the input, weight and output buffer of a design [D] can hold."""
    kernel, stride = int(design[KERNEL]), int(design[STRIDE])
    rows, columns = int(design[TR]), int(design[TC])
    pixels = ((rows - 1) * stride + kernel) * ((columns - 1) * stride + kernel)
    words = (pixels, kernel * kernel, rows * columns)
    for x in range(3):
        width = int(design[(base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS)[x]])
        _, _, depth = fabric.memory(words[x], width)
        room[x] = depth * width


@kernel
def widest_tile(room: Ints, shape: Ints, rows: int) -> int:
    """Most columns of a tile with that many rows that buffers of `room` [3] bits hold; 0: none.

    They are evened out over the map of a layer of shape [SHAPE].
    """
    wide = room[base.INPUT] // (input_side(shape, 0, rows) * shape[INPUT_BITS])
    columns = min(room[base.OUTPUT] // (rows * shape[PSUM_BITS]), (wide - shape[WIDE]) // shape[STRIDE_W] + 1, shape[Q])
    return 0 if columns < 1 else ceil_div(shape[Q], ceil_div(shape[Q], columns))


@kernel
def fill_own_tile(design: Floats, shape: Ints, mapping: Ints) -> None:
    """Write the own tile of a design [D] to the mapping [G], in pixels, for a layer of shape [SHAPE].

    It is cut down if the input buffer requires it and evened out over the map; outputs stay.
    """
    for axis in range(2):
        tile, size = int(design[TR + axis]), shape[P + axis]
        held = (tile - 1) * int(design[STRIDE]) + int(design[KERNEL])
        tile = max(1, min(tile, (held - shape[HIGH + axis]) // shape[STRIDE_H + axis] + 1))
        mapping[MAP_ROWS + axis] = ceil_div(size, ceil_div(size, tile))
    mapping[MAP_STAY] = int(design[STATIONARY]) % ANY_STAYS  # any: the output


@kernel
def try_tile(design: Floats, shape: Ints, rows: int, columns: int, t: Ints, cost: Ints, best: Ints,
             mapping: Ints) -> int:  # fmt: skip
    """Put a tile into the mapping [G] if it beats `best` [2]: cycles, DRAM bits.  Returns its cycles beside COMPUTE.

    For a layer of shape [SHAPE] on a design [D]; `t` [TILING] and `cost` [COSTS] are scratch space.  Other operands
    than the output can only help if the layer waits for memory.
    """
    fixed, least = int(design[STATIONARY]), np.iinfo(np.int64).max
    for stationary in range(OUTPUT_STAYS, ANY_STAYS):
        if fixed not in (stationary, ANY_STAYS):
            continue
        fill_cost(design, shape, rows, columns, stationary, t, cost)
        cycles = cost[FILL_CYCLES] + cost[STALL_CYCLES]
        moved = cost[MOVED_INPUT] + cost[MOVED_WEIGHT] + cost[MOVED_OUTPUT]
        if cycles < best[BEST_CYCLES] or (cycles == best[BEST_CYCLES] and moved < best[BEST_MOVED]):
            best[BEST_CYCLES], best[BEST_MOVED] = cycles, moved
            mapping[MAP_ROWS], mapping[MAP_COLUMNS], mapping[MAP_STAY] = rows, columns, stationary
        least = min(least, cycles)
        if cost[STALL_CYCLES] == 0:
            break
    return least


@kernel
def search_mapping(design: Floats, room: Ints, shape: Ints, t: Ints, cost: Ints, best: Ints, mapping: Ints) -> None:
    """Write the best mapping [G] of a layer of shape [SHAPE] on a design [D] with buffers of `room` [3] bits.

    The fastest mapping is best; of equally fast ones the one with the least DRAM traffic.  The design's own tile is
    tried; then for each number of tile rows that divides the map evenly, the widest tile that fits, and half of it as
    long as that is faster.  `t` [TILING], `cost` [COSTS] and `best` [2] are scratch space.
    """
    fill_own_tile(design, shape, mapping)
    best[BEST_CYCLES] = best[BEST_MOVED] = np.iinfo(np.int64).max
    if find_misfit(room, shape, mapping[MAP_ROWS], mapping[MAP_COLUMNS]) == 0:
        try_tile(design, shape, mapping[MAP_ROWS], mapping[MAP_COLUMNS], t, cost, best, mapping)
    rows = shape[P]
    while rows > 0:
        columns, before = widest_tile(room, shape, rows), np.iinfo(np.int64).max
        while columns > 0:
            cycles = try_tile(design, shape, rows, columns, t, cost, best, mapping)
            if cycles >= before or columns == 1:
                break
            before = cycles
            columns = ceil_div(shape[Q], ceil_div(shape[Q], columns) * 2)
        rows = min(rows - 1, ceil_div(shape[P], ceil_div(shape[P], rows) + 1))


@kernel
def find_misfit(room: Ints, shape: Ints, rows: int, columns: int) -> int:
    """Number of the reason why a tile does not fit buffers of `room` [3] bits, for a shape [SHAPE]; 0: it fits."""
    if shape[AREA] * shape[WEIGHT_BITS] > room[base.WEIGHT]:
        return LARGE_KERNEL
    if input_side(shape, 0, rows) * input_side(shape, 1, columns) * shape[INPUT_BITS] > room[base.INPUT]:
        return LARGE_INPUT
    return LARGE_TILE if rows * columns * shape[PSUM_BITS] > room[base.OUTPUT] else 0


@kernel
def count_layer(
    design: Floats, room: Ints, layer: Ints, shape: Ints, mapping: Ints, t: Ints, cost: Ints, out: Ints
) -> int:
    """Fill the counts [COUNTS] of one layer [F] on a design [D] under a mapping [G]; returns the number of a reason.

    `room` [3] is in bits, `shape` [SHAPE] is the layer's; `t` [TILING] and `cost` [COSTS] are scratch space.
    """
    rows, columns = max(1, min(mapping[MAP_ROWS], shape[P])), max(1, min(mapping[MAP_COLUMNS], shape[Q]))
    reason = find_misfit(room, shape, rows, columns)
    if reason:
        return reason
    fill_cost(design, shape, rows, columns, mapping[MAP_STAY], t, cost)
    base.count_operations(design, layer, out, False)
    passes = shape[PACKS] + (shape[IMAGES] if shape[REST] else 0)
    step = shape[P] * shape[Q] * shape[AREA]  # cycles of a fold that all channels take part in
    out[base.COMPUTE] = passes * step * t[FOLDS_M] * t[FOLDS_N]
    out[base.FILL], out[base.STALL] = cost[FILL_CYCLES], cost[STALL_CYCLES]
    for x in range(3):
        out[base.DRAM_INPUT + x] = cost[MOVED_INPUT + x]
    # A cycle reads its pixels once for all output channels, and updates each partial sum once; a weight is put into
    # a register once per tile, and used from there.
    images, inputs, outputs = shape[IMAGES], layer[w.C], layer[w.M]
    kernels = own_outputs(shape, shape[M]) * inputs * shape[AREA] * shape[WEIGHT_BITS]
    fetched = t[DOWN] * t[ACROSS] * images * kernels
    read, summed = images * step * inputs * t[FOLDS_M], images * step * outputs * t[FOLDS_N]
    out[base.BUFFER_INPUT] = cost[MOVED_INPUT] + read * shape[INPUT_BITS]
    out[base.BUFFER_WEIGHT] = cost[MOVED_WEIGHT] + fetched
    out[base.BUFFER_OUTPUT] = cost[MOVED_OUTPUT] + 2 * summed * shape[PSUM_BITS]
    out[base.REGISTER_WEIGHT] = fetched + out[base.MACS] * shape[WEIGHT_BITS]
    return 0


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """Fill counts [S, L, COUNTS] and reasons [S, L] of designs [S, D] on layers [L, F]: see `Template`."""
    shape, tiling, cost = np.empty(SHAPE, np.int64), np.empty(TILING, np.int64), np.empty(COSTS, np.int64)
    room, best = np.empty(3, np.int64), np.empty(2, np.int64)
    for s in range(len(designs)):
        design = designs[s]
        fill_room(design, room)
        for i in range(len(layers)):
            layer = layers[i]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.count_memory_layer(design, layer, counts[s, i])
                continue
            fill_shape(design, layer, shape)
            if search:
                search_mapping(design, room, shape, tiling, cost, best, mappings[s, i])
            reasons[s, i] = count_layer(design, room, layer, shape, mappings[s, i], tiling, cost, counts[s, i])


@njit(error_model="numpy", cache=True, nogil=True)
def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The mappings [S, L, G] of designs [S, D] on layers [L, F]: the pixels of each design's own tile."""
    out, shape = np.empty((len(designs), len(layers), len(MAPPING)), np.int64), np.empty(SHAPE, np.int64)
    for s in range(len(designs)):
        for i in range(len(layers)):
            fill_shape(designs[s], layers[i], shape)
            fill_own_tile(designs[s], shape, out[s, i])
    return out


def hardware(designs: Floats) -> Hardware:
    """What is built for designs [S, D], in bytes and numbers.

    Multipliers with their adder trees, and one bank of memory, twice, per lane of a buffer.
    """
    tm, tn, kernel, kind = (designs[:, column] for column in (TM, TN, KERNEL, FORMAT))
    lanes = tm * tn
    word_columns = base.WEIGHT_BITS, base.INPUT_BITS, base.PSUM_BITS
    weight_bits, input_bits, psum_bits = (designs[:, column] for column in word_columns)
    side = [(designs[:, tile] - 1) * designs[:, STRIDE] + kernel for tile in (TR, TC)]
    depths = np.stack([side[0] * side[1], kernel * kernel, designs[:, TR] * designs[:, TC]], axis=1)
    widths = np.stack([input_bits, weight_bits, psum_bits], axis=1)
    banks = 2 * np.stack([tn, lanes, tm], axis=1)
    halves, luts = fabric.memories(depths, widths)
    floating = (kind == FLOAT) | ((kind == AUTO) & (weight_bits == FLOAT_BITS) & (input_bits == FLOAT_BITS))
    packed = (kind == PACKED) & (weight_bits <= PACKED_BITS) & (input_bits <= PACKED_BITS)
    blocks = np.where(packed, np.ceil(lanes / 2), lanes * fabric.dsp_blocks(weight_bits, input_bits))
    # Fixed point: the multiplier is its DSP block, the tree adds in LUTs; operands and sum have a register each.
    logic = lanes * np.where(floating, fabric.FLOAT_LUT, psum_bits)
    flops = lanes * np.where(floating, fabric.FLOAT_FF + weight_bits, weight_bits + input_bits + psum_bits)
    selects = (banks / 2 * widths + banks * BANK_LUT).sum(axis=1)
    none = np.zeros(len(designs))
    return Hardware(
        multipliers=lanes,
        buffer_bytes=banks * depths * widths / 8,
        register_bytes=np.stack([none, weight_bits / 8, none], axis=1),
        elements=lanes,
        buffer_banks=banks,
        resources={
            "dsp": np.where(floating, lanes * fabric.FLOAT_DSP, blocks),
            "bram": np.ceil((banks * halves).sum(axis=1) / 2),
            "lut": logic + selects + (banks * luts).sum(axis=1) + SYSTEM_LUT,
            "ff": flops + SYSTEM_FF,
        },
        floating_point=floating,
    )


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping [G] as loops, from outer to inner, without what each step moves."""
    tm, tn = int(design[TM]), int(design[TN])
    rows, columns, stay = mapping
    tiles = [f"for row in {layer.out_h} by {rows}:", f"for column in {layer.out_w} by {columns}:"]
    outputs = f"for output channel in {layer.out_channels // layer.groups} by {tm}:"
    inputs = f"for input channel in {layer.in_channels // layer.groups} by {tn}:"
    orders = ([*tiles, outputs, inputs], [*tiles, inputs, outputs], [outputs, inputs, *tiles])
    lines = [f"for image in {layer.batch}:"] if layer.batch > 1 else []
    pack = min(layer.groups, tm // (layer.out_channels // layer.groups), tn // (layer.in_channels // layer.groups))
    pixels = f"for kernel row in {layer.kernel_h}, kernel column in {layer.kernel_w}, pixel of the tile:"
    if pack > 1:
        side_by_side = f"{tm} x {tn} multipliers in parallel, {pack} groups side by side, weight stays"
        return [*lines, f"for group in {layer.groups} by {pack}:", *tiles, pixels, side_by_side]
    lines += [f"for group in {layer.groups}:"] if layer.groups > 1 else []
    lines += [*orders[stay], pixels]
    lines.append(f"{tm} x {tn} multipliers in parallel, {STAYS[stay]} stays")
    return lines


TEMPLATE = Template(
    family=FAMILIES["tiled_fpga"],
    own=OWN,
    mapping=MAPPING,
    codes={"stationary": ANY_STAYS},
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    hops=("depth",),
)
