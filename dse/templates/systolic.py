"""Systolic arrays: rows × columns of multipliers, weight, output or input stationary, three double-buffered SRAMs.

A layer is a matrix product of batch × P × Q pixels, a window of C/groups × R × S inputs, and M/groups filters; groups
run one after the other.  The array holds one tile of two of these three loops and streams the third:

    ws  rows hold the window, columns the filters, pixels stream     2 rows + columns - 2 cycles to fill and drain
    is  rows hold the window, columns the pixels, filters stream     2 rows + columns - 2
    os  rows hold the pixels, columns the filters, the window streams  rows + columns - 2

A tile streamed for T cycles takes T cycles of COMPUTE and the above of FILL, and tiles do not overlap; this is what
SCALE-Sim counts without stalls.  A mapping orders the three loops and cuts the streamed one into blocks.  An operand is
read once if half its buffer holds what the loops inside its own repetition touch (the other half is being filled);
otherwise it is read again in each repetition, and partial sums that do not fit go to DRAM and back.  Input lines that
neighboring blocks share are kept if all inputs used in between fit, otherwise they are read again.  DRAM works evenly
beside the array.  STALL is the time by which it takes longer than the array, plus the first load and the last store,
which nothing hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base
from dse.templates.base import (
    INPUT,
    OUTPUT,
    WEIGHT,
    Floats,
    Hardware,
    Ints,
    Parameter,
    Template,
    ceil_div,
    half_buffer_bits,
)
from dse.templates.families import FAMILIES
from dse.templates.strips import touched_lines
from dse.workloads import layers as w
from dse.workloads.layers import Layer
from netlists.runtime.kernel import inlined_kernel, kernel

DATAFLOWS = ("ws", "os", "is")
WS, OS, IS = range(len(DATAFLOWS))

OWN = (
    Parameter("rows", 128, "rows", "processing elements from top to bottom", 1, 65_536),
    Parameter("columns", 128, "columns", "processing elements from left to right", 1, 65_536),
    Parameter("dataflow", WS, "", "the operand that stays in the array", choices=DATAFLOWS),
    Parameter("input_kb", 512, "KiB", "input buffer, both halves", 1, 1e6, whole=False),
    Parameter("weight_kb", 512, "KiB", "weight buffer, both halves", 1, 1e6, whole=False),
    Parameter("output_kb", 512, "KiB", "output buffer, both halves", 1, 1e6, whole=False),
)
# Columns of these parameters in a design's row.
ROWS, COLUMNS, DATAFLOW, INPUT_KB, WEIGHT_KB, OUTPUT_KB = range(base.OWN, base.OWN + len(OWN))

REASONS = (
    "",
    "half the input buffer does not hold the input lines that one tile needs",
    "half the weight buffer does not hold the weights that one tile needs",
)
NO_LINES, NO_WEIGHTS = range(1, len(REASONS))

PSUM = 3  # partial sums, after the three operands in an array of bits [4] of each

# The three loops, in the order in which arrays hold their sizes and counts [3].
PIXELS = 0
WINDOW = 1
FILTERS = 2
LOOPS = "pwk"  # one letter per loop
# Orders of the loops, from outer to inner, and the place of each loop in an order [6, 3].
ORDERS = ("pwk", "pkw", "wpk", "wkp", "kpw", "kwp")
PLACE = np.array([[order.index(loop) for loop in LOOPS] for order in ORDERS])
INNERMOST = 2  # place of a loop

# What a kernel needs of a layer: columns of a shape, of which the first are the sizes of the three loops above.
AREA = 3  # kernel elements, R × S
CHANNELS = 4  # input channels of a group
GROUPS = 5  # groups
WIDTH = 6  # output pixels of a row
IMAGE = 7  # output pixels of an image
IMAGES = 8  # images of the batch
LINES = 9  # input lines touched, in all images
TOUCHED = 10  # input columns touched
ADDED = 11  # input lines that one more output row adds
SHARED = 12  # input lines that neighboring blocks of output rows share
SHAPE = 13  # number of columns

MAPPING = ("order", "block")
ORDER = 0  # column of a mapping: index of `ORDERS`
BLOCK = 1  # column of a mapping: how many pixels, window elements or filters are streamed in one go
# Indexed by dataflow (ws, os, is):
STREAMED = np.array([PIXELS, WINDOW, FILTERS])  # the loop that is streamed
WHOLE = np.array([[5, 3], [1, 4], [0, 2]])  # orders with that loop innermost, so that one block is all of it
BLOCKED = np.array([[0, 1, 2, 4], [0, 2, 3, 5], [1, 3, 4, 5]])  # the other orders


@kernel
def fill_shape(layer: Ints, shape: Ints) -> None:
    """Fill the shape [SHAPE] of a layer [F]: numbers of pixels, lines, channels and groups."""
    groups, batch, p, q = layer[w.GROUPS], layer[w.BATCH], layer[w.P], layer[w.Q]
    lines, each, shared = touched_lines(p, layer[w.R], layer[w.STRIDE_H], layer[w.DILATION_H])
    columns, _, _ = touched_lines(q, layer[w.S], layer[w.STRIDE_W], layer[w.DILATION_W])
    shape[PIXELS], shape[FILTERS] = batch * p * q, layer[w.M] // groups
    shape[AREA], shape[CHANNELS] = layer[w.R] * layer[w.S], layer[w.C] // groups
    shape[WINDOW] = shape[AREA] * shape[CHANNELS]
    shape[GROUPS], shape[WIDTH], shape[IMAGE], shape[IMAGES] = groups, q, p * q, batch
    shape[LINES], shape[TOUCHED] = batch * min(lines, layer[w.H]), min(columns, layer[w.W])
    shape[ADDED], shape[SHARED] = each, shared


@kernel
def count_spanned(size: int, unit: int, most: int) -> int:
    """Most units that one of several equal parts of `size` touches, if the parts follow each other; at most `most`."""
    return min(most, size // unit if size % unit == 0 else (size - 2) // unit + 2)


@kernel
def lines_for(shape: Ints, pixels: int) -> int:
    """Number of input lines under a run of output pixels of a layer with this shape [SHAPE]."""
    rows = count_spanned(pixels, shape[WIDTH], shape[PIXELS])
    images = count_spanned(pixels, shape[IMAGE], shape[IMAGES])
    return int(min(shape[ADDED] * rows + shape[SHARED] * images, shape[LINES]))


@kernel
def count_aligned(parts: int, size: int, unit: int) -> int:
    """How many of the boundaries size, 2 size, ... between parts fall on a multiple of unit."""
    return (parts - 1) // (unit // gcd(size, unit))


@kernel
def count_reads(design: Floats, shape: Ints, bits: Ints, size: Ints, count: Ints, order: int, out: Ints) -> None:
    """Fill the DRAM bits [3] of each operand of one group, for loops of these sizes [3] and counts [3] in an order.

    `design` [D] gives the buffers, `shape` [SHAPE] the layer, `bits` [4] the word lengths.
    """
    _count_input_reads(design, shape, bits, size, count, order, out)
    p, window, k = PLACE[order, PIXELS], PLACE[order, WINDOW], PLACE[order, FILTERS]
    out[WEIGHT] = shape[WINDOW] * shape[FILTERS] * bits[WEIGHT]
    deep, many = size[WINDOW] if window < p else shape[WINDOW], size[FILTERS] if k < p else shape[FILTERS]
    if deep * many * bits[WEIGHT] > half_buffer_bits(design[WEIGHT_KB]):
        out[WEIGHT] *= count[PIXELS]
    out[OUTPUT] = shape[PIXELS] * shape[FILTERS] * bits[OUTPUT]
    pixels, many = size[PIXELS] if p < window else shape[PIXELS], size[FILTERS] if k < window else shape[FILTERS]
    if pixels * many * bits[PSUM] > half_buffer_bits(design[OUTPUT_KB]):
        out[OUTPUT] += (count[WINDOW] - 1) * 2 * shape[PIXELS] * shape[FILTERS] * bits[PSUM]


@inlined_kernel
def _count_input_reads(design: Floats, shape: Ints, bits: Ints, size: Ints, count: Ints, order: int, out: Ints) -> None:
    """Fill the DRAM bits of inputs.

    Lines that two blocks of pixels share, and channels that two blocks of the window share, are read twice if what runs
    between the two blocks does not fit.
    """
    p, window, k = PLACE[order, PIXELS], PLACE[order, WINDOW], PLACE[order, FILTERS]
    room = half_buffer_bits(design[INPUT_KB])
    line = shape[TOUCHED] * bits[INPUT]
    whole = shape[LINES] * line * shape[CHANNELS]
    out[INPUT] = whole
    if whole <= room:
        return
    channels = count_spanned(size[WINDOW], shape[AREA], shape[CHANNELS])
    lines = lines_for(shape, size[PIXELS])
    deep, thin = lines * shape[CHANNELS], lines * channels
    flat = shape[LINES] * channels
    revisited = (window > p and count[WINDOW] > 1) or (k > p and count[FILTERS] > 1)
    if revisited and (deep if window > p else thin) * line > room:
        inside = count[PIXELS] - 1 - count_aligned(count[PIXELS], size[PIXELS], shape[WIDTH])
        between = count[PIXELS] - 1 - count_aligned(count[PIXELS], size[PIXELS], shape[IMAGE])
        out[INPUT] += (inside * shape[ADDED] + between * shape[SHARED]) * line * shape[CHANNELS]
    revisited = (p > window and count[PIXELS] > 1) or (k > window and count[FILTERS] > 1)
    if revisited and (flat if p > window else thin) * line > room:
        split = count[WINDOW] - 1 - count_aligned(count[WINDOW], size[WINDOW], shape[AREA])
        out[INPUT] += split * shape[LINES] * line
    kept_lines = lines if p < k else shape[LINES]
    kept_channels = channels if window < k else shape[CHANNELS]
    if kept_lines * line * kept_channels > room:
        out[INPUT] *= count[FILTERS]


@kernel
def edge_bits(design: Floats, shape: Ints, bits: Ints, size: Ints) -> tuple[int, int, int]:
    """Bits of inputs and of weights that the array needs to begin, and bits of the outputs that leave it last.

    `design` [D], `shape` [SHAPE] of the layer, `bits` [4] of a word, `size` [3] of the loops.
    """
    flow = int(design[DATAFLOW])
    pixels = min(size[PIXELS], shape[WIDTH]) if flow == WS else size[PIXELS]
    channels = 1 if flow == OS else count_spanned(size[WINDOW], shape[AREA], shape[CHANNELS])
    input_bits = lines_for(shape, pixels) * shape[TOUCHED] * channels * bits[INPUT]
    filters = 1 if flow == IS else size[FILTERS]
    weights = (1 if flow == OS else size[WINDOW]) * filters * bits[WEIGHT]
    return input_bits, weights, pixels * filters * bits[OUTPUT]


@kernel
def cut_loops(design: Floats, shape: Ints, block: int, size: Ints, count: Ints) -> None:
    """Fill the sizes [3] of what runs in one go on a design [D], and the counts [3] of such parts of a shape [SHAPE].

    `block` is the size of the streamed loop, a number of pixels, window elements or filters.
    """
    flow = int(design[DATAFLOW])
    size[PIXELS] = block if flow == WS else int(design[ROWS if flow == OS else COLUMNS])
    size[WINDOW] = block if flow == OS else int(design[ROWS])
    size[FILTERS] = block if flow == IS else int(design[COLUMNS])
    for loop in range(3):
        full = shape[loop]
        size[loop] = min(size[loop], full)
        count[loop] = ceil_div(full, size[loop])


@kernel
def fill_cycles(design: Floats) -> int:
    """Cycles to fill and drain the array of a design [D] around one block."""
    down = int(design[ROWS])
    return (down if int(design[DATAFLOW]) == OS else 2 * down) + int(design[COLUMNS]) - 2


@kernel
def try_block(design: Floats, shape: Ints, bits: Ints, size: Ints, count: Ints, traffic: Ints, block: int,
              best: tuple[int, int, int], mapping: Ints) -> tuple[int, int, int]:  # fmt: skip
    """Put a block and its best order into the mapping [G] if they beat `best`: cycles, DRAM bits, buffer bits.

    `design` [D], `shape` [SHAPE] of the layer, `bits` [4] of a word; `size`, `count` and `traffic` [3] are scratch
    space.
    """
    flow = int(design[DATAFLOW])
    streamed = STREAMED[flow]
    cut_loops(design, shape, block, size, count)
    input_bits, weights, end = edge_bits(design, shape, bits, size)
    if input_bits > half_buffer_bits(design[INPUT_KB]) or weights > half_buffer_bits(design[WEIGHT_KB]):
        return best
    runs = shape[GROUPS] * count[PIXELS] * count[WINDOW] * count[FILTERS]
    busy = runs // count[streamed] * shape[streamed] + runs * fill_cycles(design)
    for order in WHOLE[flow] if count[streamed] == 1 else BLOCKED[flow]:
        count_reads(design, shape, bits, size, count, order, traffic)
        moved = shape[GROUPS] * (traffic[INPUT] + traffic[WEIGHT] + traffic[OUTPUT])
        cycles = busy + base.stall_cycles(design, moved, input_bits + weights, end, busy)
        sent = shape[PIXELS] * count[FILTERS] * bits[INPUT] + shape[FILTERS] * count[PIXELS] * bits[WEIGHT]
        sent = shape[WINDOW] * sent + shape[PIXELS] * shape[FILTERS] * (2 * count[WINDOW] - 1) * bits[PSUM]
        if (cycles, moved, sent) < best:
            best = (cycles, moved, sent)
            mapping[ORDER], mapping[BLOCK] = order, block
    return best


@kernel
def search_mapping(design: Floats, shape: Ints, bits: Ints, size: Ints, count: Ints, traffic: Ints,
                   mapping: Ints) -> None:  # fmt: skip
    """Write the best mapping [G] of a layer of shape [SHAPE] on a design [D], for words of these bits [4].

    The fastest mapping is best; of equally fast ones the one with the least DRAM traffic, then least buffer traffic.
    Blocks only lengthen the array's time, so they are tried only until it exceeds the best time so far; their number
    grows by a quarter per step.  Blocks of pixels are tried in whole output lines too.  `size`, `count` and `traffic`
    [3] are scratch space.
    """
    streamed = STREAMED[int(design[DATAFLOW])]
    full = shape[streamed]
    top = np.iinfo(np.int64).max
    best = try_block(design, shape, bits, size, count, traffic, full, (top, top, top), mapping)
    folds = shape[GROUPS] * count[PIXELS] * count[WINDOW] * count[FILTERS]
    blocks = 2
    while blocks <= full and folds * (full + blocks * fill_cycles(design)) < best[0]:
        block = ceil_div(full, blocks)
        best = try_block(design, shape, bits, size, count, traffic, block, best, mapping)
        if streamed == PIXELS and block % shape[WIDTH] > 0:
            block = min(full, ceil_div(block, shape[WIDTH]) * shape[WIDTH])
            best = try_block(design, shape, bits, size, count, traffic, block, best, mapping)
        blocks = max(blocks + 1, min(full, blocks + blocks // 4))


@kernel
def load_hops(rows: int, height: int) -> int:
    """Hops to bring one column of `height` words into an array of `rows`, tile after tile: word i takes i hops."""
    full, last = height // rows, height % rows
    return full * (rows * (rows + 1) // 2) + last * (last + 1) // 2


@kernel
def count_layer(design: Floats, layer: Ints, shape: Ints, bits: Ints, size: Ints, count: Ints, traffic: Ints,
                mapping: Ints, out: Ints) -> int:  # fmt: skip
    """Fill the counts [COUNTS] of one layer [F] on a design [D] under a mapping [G]; returns the number of a reason.

    `shape` [SHAPE] is the layer's, `bits` [4] of a word; `size`, `count` and `traffic` [3] are scratch space.
    """
    streamed = STREAMED[int(design[DATAFLOW])]
    order, block = mapping[ORDER], mapping[BLOCK]
    if PLACE[order, streamed] == INNERMOST:  # blocks that follow each other directly are one
        block = shape[streamed]
    cut_loops(design, shape, max(1, block), size, count)
    input_bits, weights, end = edge_bits(design, shape, bits, size)
    if input_bits > half_buffer_bits(design[INPUT_KB]):
        return NO_LINES
    if weights > half_buffer_bits(design[WEIGHT_KB]):
        return NO_WEIGHTS
    base.count_operations(design, layer, out, False)
    runs = shape[GROUPS] * count[PIXELS] * count[WINDOW] * count[FILTERS]
    out[base.FILL] = runs * fill_cycles(design)
    out[base.COMPUTE] = runs // count[streamed] * shape[streamed]
    count_reads(design, shape, bits, size, count, order, traffic)
    moved = shape[GROUPS] * (traffic[INPUT] + traffic[WEIGHT] + traffic[OUTPUT])
    out[base.STALL] = base.stall_cycles(design, moved, input_bits + weights, end, out[base.COMPUTE] + out[base.FILL])
    _count_traffic(design, shape, bits, count, traffic, out)
    return 0


@inlined_kernel
def _count_traffic(design: Floats, shape: Ints, bits: Ints, count: Ints, traffic: Ints, out: Ints) -> None:
    """Fill the traffic of all groups, from the DRAM bits [3] of one group."""
    groups, px, win, k, macs = shape[GROUPS], shape[PIXELS], shape[WINDOW], shape[FILTERS], out[base.MACS]
    sent = (px * win * count[FILTERS], win * k * count[PIXELS], px * k * (2 * count[WINDOW] - 1))
    for x in range(3):
        word = bits[x] if x < OUTPUT else bits[PSUM]
        out[base.DRAM_INPUT + x] = groups * traffic[x]
        out[base.BUFFER_INPUT + x] = groups * (sent[x] * word + traffic[x])
        # What moves is read from one element's register and written to the next one's; what stays is only read
        # (partial sums: and written), after it came in, or before it leaves, from element to element of its column.
        out[base.NETWORK_INPUT + x] = macs * word
        out[base.REGISTER_INPUT + x] = 2 * macs * word
    flow, down = int(design[DATAFLOW]), int(design[ROWS])
    if flow == WS:
        out[base.NETWORK_WEIGHT] = groups * load_hops(down, win) * k * count[PIXELS] * bits[WEIGHT]
        out[base.REGISTER_WEIGHT] = macs * bits[WEIGHT] + out[base.NETWORK_WEIGHT]
    elif flow == IS:
        out[base.NETWORK_INPUT] = groups * load_hops(down, win) * px * count[FILTERS] * bits[INPUT]
        out[base.REGISTER_INPUT] = macs * bits[INPUT] + out[base.NETWORK_INPUT]
    else:
        out[base.NETWORK_OUTPUT] = groups * load_hops(down, px) * k * (2 * count[WINDOW] - 1) * bits[PSUM]
        out[base.REGISTER_OUTPUT] += out[base.NETWORK_OUTPUT]


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """Fill counts [S, L, COUNTS] and reasons [S, L] of designs [S, D] on layers [L, F]: see `Template`."""
    shapes = np.empty((len(layers), SHAPE), np.int64)
    for i in range(len(layers)):
        fill_shape(layers[i], shapes[i])
    bits = np.empty(4, np.int64)
    size, count, traffic = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    for s in range(len(designs)):
        design = designs[s]
        for i in range(len(layers)):
            layer = layers[i]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.count_memory_layer(design, layer, counts[s, i])
                continue
            bits[WEIGHT], bits[INPUT], bits[OUTPUT] = base.layer_bits(design, layer)
            bits[PSUM] = int(design[base.PSUM_BITS])
            if search:
                search_mapping(design, shapes[i], bits, size, count, traffic, mappings[s, i])
            reasons[s, i] = count_layer(
                design, layer, shapes[i], bits, size, count, traffic, mappings[s, i], counts[s, i]
            )


@njit(error_model="numpy", cache=True, nogil=True)
def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """SCALE-Sim's mappings [S, L, G] of designs [S, D] on layers [L, F], an order and a number of pixels or filters.

    The streamed loop is one block, with folds of the window inside (os: filters inside pixels).
    """
    shapes = np.empty((len(layers), SHAPE), np.int64)
    for i in range(len(layers)):
        fill_shape(layers[i], shapes[i])
    out = np.empty((len(designs), len(layers), len(MAPPING)), np.int64)
    for s in range(len(designs)):
        flow = int(designs[s, DATAFLOW])
        for i in range(len(layers)):
            out[s, i, ORDER] = WHOLE[flow, 0]
            out[s, i, BLOCK] = shapes[i, STREAMED[flow]]
    return out


def hardware(designs: Floats) -> Hardware:
    """What is built for designs [S, D], in bytes and numbers: one bank of a buffer per row or column that it feeds."""
    rows, columns, flow = designs[:, ROWS], designs[:, COLUMNS], designs[:, DATAFLOW]
    elements = rows * columns
    word = designs[:, [base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS]] / 8
    banks = np.stack([np.where(flow == IS, columns, rows), np.where(flow == IS, rows, columns), columns], axis=1)
    return Hardware(elements, designs[:, INPUT_KB : OUTPUT_KB + 1] * base.BYTES_PER_KIB, word, elements, banks)


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping [G] as loops, from outer to inner; pixels count over the batch."""
    flow = int(design[DATAFLOW])
    shape, size, count = np.empty(SHAPE, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    fill_shape(np.array(layer.row(), np.int64), shape)
    order, streamed = ORDERS[mapping[ORDER]], LOOPS[STREAMED[flow]]
    whole = order[INNERMOST] == streamed
    block = int(shape[LOOPS.index(streamed)]) if whole else max(1, int(mapping[BLOCK]))
    cut_loops(np.array(design, np.float64), shape, block, size, count)
    names = {"p": "pixels", "w": "window", "k": "filters"}
    lines = [f"for group in {shape[GROUPS]}:"] if shape[GROUPS] > 1 else []
    for loop in order:
        x = LOOPS.index(loop)
        lines.append(f"for {names[loop]} in {shape[x]} by {size[x]}:")
    held = [f"{names[loop]} {size[LOOPS.index(loop)]}" for loop in LOOPS if loop != streamed]
    lines.append(f"{DATAFLOWS[flow]}: array holds {' x '.join(held)}, streams {names[streamed]}")
    return lines


TEMPLATE = Template(
    family=FAMILIES["systolic"],
    own=OWN,
    mapping=MAPPING,
    codes={"order": len(ORDERS)},
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    hops=("rows", "columns"),
)
