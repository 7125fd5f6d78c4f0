"""What a tiling costs the accelerators of `dse.templates.tiled_fpga`: waiting, pipeline drains, DRAM traffic.

Steps that share the stationary tile are a block: double buffers hide its transfers behind its computation, and what
takes longer is waited for.  Tiles come in few sizes (whole, cut off at the right, below, both; folds of channels are
first, middle or last), so blocks are counted by size instead of one by one.

Groups whose channels fit the lanes together are a pack and run side by side; packs come one after the other, the last
one of an image may be smaller.  Other groups are packs of one.
"""

from __future__ import annotations

from math import ceil

from dse.templates import base
from dse.templates.base import Floats, Ints, Parameter, ceil_div
from dse.workloads import layers as w
from netlists.runtime.kernel import inlined_kernel, kernel

FLOAT, FIXED, PACKED, AUTO = range(4)
FORMATS = ("fp32", "fixed", "packed8", "auto")  # auto: fp32 for words of 32 bits, else fixed
OUTPUT, INPUT, WEIGHT, ANY = range(4)  # the operand that stays in its buffer
OPERANDS = ("output", "input", "weight", "any")
OWN = (
    Parameter("tm", 64, "channels", "output channels in parallel", 1, 4096),
    Parameter("tn", 7, "channels", "input channels in parallel", 1, 4096),
    Parameter("tr", 13, "rows", "output rows that the buffers hold", 1, 4096),
    Parameter("tc", 13, "columns", "output columns that the buffers hold", 1, 4096),
    Parameter("kernel", 11, "", "largest kernel side that the buffers are made for", 1, 64),
    Parameter("stride", 4, "", "largest stride that the input buffer is made for at full tile", 1, 64),
    # packed8 puts two 8-bit products in a DSP block.
    Parameter("format", AUTO, "", "arithmetic; auto: fp32 for words of 32 bits, else fixed", choices=FORMATS),
    Parameter("stationary", ANY, "", "the operand that may stay in its buffer", choices=OPERANDS),
    # fp32 adder trees: 3 cycles a multiplication, 4 an addition, 3 levels over 7 products and the accumulation, 1 to
    # read: 20, which is also what the cycle counts of the paper's table 4 hold for each fold.
    Parameter("depth", 20, "cycles", "pipeline depth, drained after each tile", 0, 1000),
    Parameter("port_bits", 128, "bits", "DMA ports, bits a cycle in each direction", 1, 65_536),
    Parameter("port_share", 0.82, "", "share of the ports' cycles that carry data", 0.01, 1.0, whole=False),
)
TM, TN, TR, TC, KERNEL, STRIDE, FORMAT, STATIONARY, DEPTH, PORT_BITS, PORT_SHARE = range(base.OWN, base.OWN + len(OWN))
# A layer: channels in and out of a pack, output map, kernel area and extent, strides, groups in a pack, packs of all
# images, groups in the last pack of an image if it is smaller, images, bits.
(N, M, P, Q, AREA, HIGH, WIDE, STRIDE_H, STRIDE_W, PACK, PACKS, REST, IMAGES, WEIGHT_BITS, INPUT_BITS, OUTPUT_BITS,
 PSUM_BITS) = range(17)  # fmt: skip
SHAPE = 17
# A tiling of a layer: folds of channels and their sizes, tiles, sizes of the first and the last tile, input under them.
(FOLDS_M, FOLDS_N, SIZE_M, SIZE_N, LAST_M, LAST_N, DOWN, ACROSS, ROWS, LAST_ROWS, COLUMNS, LAST_COLUMNS, HIGH_IN,
 LAST_HIGH, WIDE_IN, LAST_WIDE, SEEN) = range(17)  # fmt: skip
TILING = 17
# What a mapping costs, all groups and images: cycles, and DRAM bits by operand.
FILL_CYCLES, STALL_CYCLES, MOVED_INPUT, MOVED_WEIGHT, MOVED_OUTPUT = range(5)
COSTS = 5


@kernel
def shape_of(design: Floats, layer: Ints, shape: Ints) -> None:
    """Fill the SHAPE numbers of a layer on a design."""
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
    """Put so many groups into a pack."""
    shape[N], shape[M] = shape[N] // shape[PACK] * pack, shape[M] // shape[PACK] * pack
    shape[PACK], shape[PACKS] = pack, packs


@inlined_kernel
def mixed(shape: Ints, outputs: int) -> int:
    """Output channels of so many that one input channel contributes to: those of its group."""
    return outputs if shape[PACK] == 1 else int(outputs // shape[PACK])


@kernel
def order_of(stationary: int, tiles: int, folds_m: int, folds_n: int) -> int:
    """What really stays: where a loop has one step, the operand that it alone changes stays as well."""
    if folds_m == 1 and folds_n == 1:
        return WEIGHT
    if (stationary == WEIGHT and tiles == 1) or (stationary == INPUT and folds_m == 1):
        stationary = OUTPUT
    if stationary == OUTPUT and folds_n == 1:
        stationary = INPUT
    return stationary


@kernel
def transfer_cycles(design: Floats, read: int, written: int) -> int:
    """Cycles of the ports' two directions side by side, and of the memory behind, whichever takes longest."""
    port: int = ceil(max(read, written) / (design[PORT_BITS] * design[PORT_SHARE]))
    both: int = base.dram_cycles(design, read + written)
    return max(port, both)


@kernel
def tile(design: Floats, shape: Ints, rows: int, columns: int, t: Ints) -> None:
    """Fill the TILING numbers of tiles of rows × columns output pixels."""
    t[SIZE_M], t[SIZE_N] = min(int(design[TM]), shape[M]), min(int(design[TN]), shape[N])
    t[FOLDS_M], t[FOLDS_N] = ceil_div(shape[M], t[SIZE_M]), ceil_div(shape[N], t[SIZE_N])
    t[LAST_M], t[LAST_N] = shape[M] - (t[FOLDS_M] - 1) * t[SIZE_M], shape[N] - (t[FOLDS_N] - 1) * t[SIZE_N]
    t[ROWS], t[COLUMNS] = rows, columns
    t[DOWN], t[ACROSS] = ceil_div(shape[P], rows), ceil_div(shape[Q], columns)
    t[LAST_ROWS], t[LAST_COLUMNS] = shape[P] - (t[DOWN] - 1) * rows, shape[Q] - (t[ACROSS] - 1) * columns
    t[HIGH_IN], t[WIDE_IN] = input_side(shape, 0, rows), input_side(shape, 1, columns)
    t[LAST_HIGH], t[LAST_WIDE] = input_side(shape, 0, t[LAST_ROWS]), input_side(shape, 1, t[LAST_COLUMNS])
    high, wide = (t[DOWN] - 1) * t[HIGH_IN] + t[LAST_HIGH], (t[ACROSS] - 1) * t[WIDE_IN] + t[LAST_WIDE]
    t[SEEN] = high * wide * shape[INPUT_BITS]  # bits of one input map under all tiles


@kernel
def input_side(shape: Ints, axis: int, outputs: int) -> int:
    """Input rows (axis 0) or columns under so many outputs."""
    return int((outputs - 1) * shape[STRIDE_H + axis] + shape[HIGH + axis])


@kernel
def waiting(design: Floats, busy: int, read: int, written: int) -> int:
    """STALL of one block."""
    late: int = transfer_cycles(design, read, written) - busy
    return max(0, late)


@kernel
def folds_waiting(design: Floats, t: Ints, busy: int, channel: int, sums: int, results: int) -> int:
    """STALL of the blocks of all folds of input channels over the same outputs.

    `channel` bits come in for one input channel; partial sums go out after each fold but the last and come back in.
    """
    if t[FOLDS_N] == 1:
        return waiting(design, busy, t[LAST_N] * channel, results)
    first = waiting(design, busy, t[SIZE_N] * channel, sums)
    last = waiting(design, busy, t[LAST_N] * channel + sums, results)
    if t[FOLDS_N] == 2:
        return first + last
    middle = waiting(design, busy, t[SIZE_N] * channel + sums, sums)
    return int(first + (t[FOLDS_N] - 2) * middle + last)


@kernel
def weights_stay(design: Floats, shape: Ints, t: Ints) -> int:
    """STALL of a pack where a block is one fold of channels over all tiles."""
    pixels = shape[P] * shape[Q]
    busy = pixels * shape[AREA] + t[DOWN] * t[ACROSS] * int(design[DEPTH])
    total = 0
    for i in range(2):
        count, size = (1, t[LAST_M]) if i else (t[FOLDS_M] - 1, t[SIZE_M])
        if count:
            channel = t[SEEN] + mixed(shape, size) * shape[AREA] * shape[WEIGHT_BITS]
            sums, results = size * pixels * shape[PSUM_BITS], size * pixels * shape[OUTPUT_BITS]
            total += count * folds_waiting(design, t, busy, channel, sums, results)
    return total


@kernel
def tile_waiting(design: Floats, shape: Ints, t: Ints, pixels: int, given: int, order: int) -> int:
    """STALL of a tile of so many output pixels, under which lie `given` bits of each input map."""
    step = pixels * shape[AREA] + int(design[DEPTH])
    kernel, result = shape[AREA] * shape[WEIGHT_BITS], pixels * shape[OUTPUT_BITS]
    if order == INPUT:
        channel, sums = given + shape[M] * kernel, shape[M] * pixels * shape[PSUM_BITS]
        return folds_waiting(design, t, t[FOLDS_M] * step, channel, sums, shape[M] * result)
    busy = t[FOLDS_N] * step
    total = waiting(design, busy, shape[N] * (given + t[LAST_M] * kernel), t[LAST_M] * result)
    if t[FOLDS_M] > 1:
        one = waiting(design, busy, shape[N] * (given + t[SIZE_M] * kernel), t[SIZE_M] * result)
        total += (t[FOLDS_M] - 1) * one
    return total


@kernel
def tiles_waiting(design: Floats, shape: Ints, t: Ints, order: int) -> int:
    """STALL of a pack where outputs or inputs stay: whole tiles, and those cut off at the right, below, and both."""
    total = 0
    for i in range(2):
        down, rows, high = (1, t[LAST_ROWS], t[LAST_HIGH]) if i else (t[DOWN] - 1, t[ROWS], t[HIGH_IN])
        for j in range(2):
            across, columns, wide = (1, t[LAST_COLUMNS], t[LAST_WIDE]) if j else (
                t[ACROSS] - 1, t[COLUMNS], t[WIDE_IN])  # fmt: skip
            if down * across:
                given = high * wide * shape[INPUT_BITS]
                total += down * across * tile_waiting(design, shape, t, rows * columns, given, order)
    return total


@kernel
def plan(design: Floats, shape: Ints, rows: int, columns: int, stationary: int, t: Ints, out: Ints) -> None:
    """Fill the COSTS of a mapping, and the TILING of a whole pack."""
    tile(design, shape, rows, columns, t)
    tiles = t[DOWN] * t[ACROSS]
    order = order_of(stationary, tiles, t[FOLDS_M], t[FOLDS_N])
    packs, pixels = shape[PACKS], shape[P] * shape[Q]
    stall = weights_stay(design, shape, t) if order == WEIGHT else tiles_waiting(design, shape, t, order)
    kernel = shape[AREA] * shape[WEIGHT_BITS]
    out[STALL_CYCLES] = packs * stall
    out[MOVED_INPUT] = packs * shape[N] * t[SEEN] * (1 if order == INPUT else t[FOLDS_M])
    out[MOVED_WEIGHT] = packs * mixed(shape, shape[M]) * shape[N] * kernel * (1 if order == WEIGHT else tiles)
    out[MOVED_OUTPUT] = packs * shape[M] * pixels * shape[OUTPUT_BITS]
    if order != OUTPUT:
        out[MOVED_OUTPUT] += packs * 2 * (t[FOLDS_N] - 1) * shape[M] * pixels * shape[PSUM_BITS]
    first = t[SIZE_N] * (t[HIGH_IN] * t[WIDE_IN] * shape[INPUT_BITS] + mixed(shape, t[SIZE_M]) * kernel)
    last = t[LAST_M] * t[LAST_ROWS] * t[LAST_COLUMNS] * shape[OUTPUT_BITS]
    out[FILL_CYCLES] = packs * t[FOLDS_M] * t[FOLDS_N] * tiles * int(design[DEPTH])
    if shape[REST]:
        last = add_rest(design, shape, t, out)
    out[FILL_CYCLES] += transfer_cycles(design, first, 0) + transfer_cycles(design, 0, last)


@kernel
def add_rest(design: Floats, shape: Ints, t: Ints, out: Ints) -> int:
    """Add the COSTS of the smaller last packs, which are one fold as the others; returns the bits of the last store."""
    pack, packs, tiles = shape[PACK], shape[PACKS], t[DOWN] * t[ACROSS]
    resize(shape, shape[REST], shape[IMAGES])
    tile(design, shape, t[ROWS], t[COLUMNS], t)
    images, outputs = shape[IMAGES], shape[M] * shape[OUTPUT_BITS]
    kernels = mixed(shape, shape[M]) * shape[N] * shape[AREA] * shape[WEIGHT_BITS]
    out[STALL_CYCLES] += images * weights_stay(design, shape, t)
    out[MOVED_INPUT] += images * shape[N] * t[SEEN]
    out[MOVED_WEIGHT] += images * kernels
    out[MOVED_OUTPUT] += images * outputs * shape[P] * shape[Q]
    out[FILL_CYCLES] += images * tiles * int(design[DEPTH])
    resize(shape, pack, packs)
    tile(design, shape, t[ROWS], t[COLUMNS], t)
    return int(outputs * t[LAST_ROWS] * t[LAST_COLUMNS])
