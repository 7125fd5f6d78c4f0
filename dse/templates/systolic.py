"""Systolic arrays: rows × columns of multipliers, weight, output or input stationary, three double-buffered SRAMs.

A layer is a matrix product of batch × P × Q pixels, a window of C/groups × R × S inputs, and M/groups filters; groups
run one after the other.  The array holds one tile of two of these three loops and streams the third:

    ws  rows hold the window, columns the filters, pixels stream     2 rows + columns - 2 cycles to fill and drain
    is  rows hold the window, columns the pixels, filters stream     2 rows + columns - 2
    os  rows hold the pixels, columns the filters, the window streams  rows + columns - 2

A tile streamed for T cycles takes T of COMPUTE and the above of FILL, tiles do not overlap; this is what SCALE-Sim
counts without stalls.  A mapping orders the three loops and cuts the streamed one into blocks.  An operand is read
once if what the loops inside its own repetition touch fits half its buffer (the other half is being filled), else
again in each repetition; partial sums that do not fit go to DRAM and back.  Input lines that neighboring blocks share
are kept if all inputs used between fit, else read again.  DRAM works evenly beside the array; STALL is its time beyond
the array's, and the first load and last store, which nothing hides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base
from dse.templates.base import Floats, Hardware, Ints, Parameter, Template, ceil_div
from dse.templates.systolic_blocks import (
    COLUMNS,
    DATAFLOW,
    GROUPS,
    INPUT_KB,
    IS,
    ORDERS,
    OUTPUT_KB,
    PLACE,
    PX,
    ROWS,
    SHAPE,
    WEIGHT_KB,
    WIDTH,
    WIN,
    WS,
    K,
    ends,
    fill,
    reads,
    shape_of,
    stall,
    tile,
)
from dse.workloads import layers as w
from dse.workloads.layers import Layer
from netlists.runtime.kernel import kernel

DATAFLOWS = ("ws", "os", "is")
OWN = (
    Parameter("rows", 128, "rows", "processing elements from top to bottom", 1, 65_536),
    Parameter("columns", 128, "columns", "processing elements from left to right", 1, 65_536),
    Parameter("dataflow", WS, "", "the operand that stays in the array", choices=DATAFLOWS),
    Parameter("input_kb", 512, "KiB", "input buffer, both halves", 1, 1e6, whole=False),
    Parameter("weight_kb", 512, "KiB", "weight buffer, both halves", 1, 1e6, whole=False),
    Parameter("output_kb", 512, "KiB", "output buffer, both halves", 1, 1e6, whole=False),
)
REASONS = (
    "",
    "half the input buffer does not hold the input lines that one tile needs",
    "half the weight buffer does not hold the weights that one tile needs",
)

MAPPING = ("order", "block")
ORDER, BLOCK = range(2)
# Of ws, os, is: the loop that is streamed (pixels, window, filters), the orders that have it innermost, so that one
# block is all of it, and the other orders.
_STREAMED = np.array([0, 1, 2])
_WHOLE = np.array([[5, 3], [1, 4], [0, 2]])
_BLOCKED = np.array([[0, 1, 2, 4], [0, 2, 3, 5], [1, 3, 4, 5]])


@kernel
def try_block(design: Floats, shape: Ints, bits: Ints, size: Ints, count: Ints, traffic: Ints, block: int,
              best: tuple[int, int, int], mapping: Ints) -> tuple[int, int, int]:  # fmt: skip
    """Put a block and its best order into the mapping if they beat `best`: cycles, DRAM bits, buffer bits."""
    flow = int(design[DATAFLOW])
    streamed = _STREAMED[flow]
    tile(design, shape, block, size, count)
    given, weights, end = ends(design, shape, bits, size)
    if given > int(design[INPUT_KB] * 4096) or weights > int(design[WEIGHT_KB] * 4096):
        return best
    runs = shape[GROUPS] * count[0] * count[1] * count[2]
    busy = runs // count[streamed] * shape[PX + streamed] + runs * fill(design)
    for order in _WHOLE[flow] if count[streamed] == 1 else _BLOCKED[flow]:
        reads(design, shape, bits, size, count, order, traffic)
        moved = shape[GROUPS] * (traffic[0] + traffic[1] + traffic[2])
        cycles = busy + stall(design, moved, given + weights, end, busy)
        sent = shape[WIN] * (shape[PX] * count[2] * bits[0] + shape[K] * count[0] * bits[1])
        sent += shape[PX] * shape[K] * (2 * count[1] - 1) * bits[3]
        if (cycles, moved, sent) < best:
            best = (cycles, moved, sent)
            mapping[ORDER], mapping[BLOCK] = order, block
    return best


@kernel
def search_mapping(design: Floats, shape: Ints, bits: Ints, size: Ints, count: Ints, traffic: Ints,
                   mapping: Ints) -> None:  # fmt: skip
    """The fastest mapping; of equally fast ones that with least DRAM traffic, then with least buffer traffic.

    Blocks only lengthen the array's time, so they are tried only until it exceeds the best time found; their number
    grows by a quarter each step.  Blocks of pixels are tried in whole output lines too.
    """
    streamed = _STREAMED[int(design[DATAFLOW])]
    full = shape[PX + streamed]
    top = np.iinfo(np.int64).max
    best = try_block(design, shape, bits, size, count, traffic, full, (top, top, top), mapping)
    folds = shape[GROUPS] * count[0] * count[1] * count[2]
    blocks = 2
    while blocks <= full and folds * (full + blocks * fill(design)) < best[0]:
        block = ceil_div(full, blocks)
        best = try_block(design, shape, bits, size, count, traffic, block, best, mapping)
        if streamed == 0 and block % shape[WIDTH] > 0:
            block = min(full, ceil_div(block, shape[WIDTH]) * shape[WIDTH])
            best = try_block(design, shape, bits, size, count, traffic, block, best, mapping)
        blocks = max(blocks + 1, min(full, blocks + blocks // 4))


@kernel
def load_hops(rows: int, height: int) -> int:
    """Hops to bring one column of `height` numbers into an array of `rows`, tile after tile: number i takes i hops."""
    full, last = height // rows, height % rows
    return full * (rows * (rows + 1) // 2) + last * (last + 1) // 2


@kernel
def count_layer(design: Floats, layer: Ints, shape: Ints, bits: Ints, size: Ints, count: Ints, traffic: Ints,
                mapping: Ints, out: Ints) -> int:  # fmt: skip
    """Fill the counts of one layer under a mapping; returns a reason."""
    flow = int(design[DATAFLOW])
    streamed = _STREAMED[flow]
    order, block = mapping[ORDER], mapping[BLOCK]
    if PLACE[order, streamed] == 2:  # blocks in a row are one
        block = shape[PX + streamed]
    tile(design, shape, max(1, block), size, count)
    given, weights, end = ends(design, shape, bits, size)
    if given > int(design[INPUT_KB] * 4096):
        return 1
    if weights > int(design[WEIGHT_KB] * 4096):
        return 2
    base.switched(design, layer, out, False)
    groups, px, win, k, macs = shape[GROUPS], shape[PX], shape[WIN], shape[K], out[base.MACS]
    runs = groups * count[0] * count[1] * count[2]
    out[base.FILL] = runs * fill(design)
    out[base.COMPUTE] = runs // count[streamed] * shape[PX + streamed]
    reads(design, shape, bits, size, count, order, traffic)
    moved = groups * (traffic[0] + traffic[1] + traffic[2])
    out[base.STALL] = stall(design, moved, given + weights, end, out[base.COMPUTE] + out[base.FILL])
    sent = (px * win * count[2], win * k * count[0], px * k * (2 * count[1] - 1))
    down = int(design[ROWS])
    for x in range(3):
        kind = bits[x] if x < 2 else bits[3]
        out[base.DRAM_INPUT + x] = groups * traffic[x]
        out[base.BUFFER_INPUT + x] = groups * (sent[x] * kind + traffic[x])
        # What moves is read from one element's register and written to the next one's; what stays is only read
        # (partial sums: and written), after it came in, or before it leaves, from element to element of its column.
        out[base.NETWORK_INPUT + x] = macs * kind
        out[base.REGISTER_INPUT + x] = 2 * macs * kind
    if flow == WS:
        out[base.NETWORK_WEIGHT] = groups * load_hops(down, win) * k * count[0] * bits[1]
        out[base.REGISTER_WEIGHT] = macs * bits[1] + out[base.NETWORK_WEIGHT]
    elif flow == IS:
        out[base.NETWORK_INPUT] = groups * load_hops(down, win) * px * count[2] * bits[0]
        out[base.REGISTER_INPUT] = macs * bits[0] + out[base.NETWORK_INPUT]
    else:
        out[base.NETWORK_OUTPUT] = groups * load_hops(down, px) * k * (2 * count[1] - 1) * bits[3]
        out[base.REGISTER_OUTPUT] += out[base.NETWORK_OUTPUT]
    return 0


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """`Template.run`."""
    shapes = np.empty((len(layers), SHAPE), np.int64)
    for i in range(len(layers)):
        shape_of(layers[i], shapes[i])
    bits = np.empty(4, np.int64)  # of an input, a weight, an output, a partial sum
    size, count, traffic = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    for s in range(len(designs)):
        design = designs[s]
        for i in range(len(layers)):
            layer = layers[i]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.traffic_only(design, layer, counts[s, i])
                continue
            bits[1], bits[0], bits[2] = base.layer_bits(design, layer)
            bits[3] = int(design[base.PSUM_BITS])
            if search:
                search_mapping(design, shapes[i], bits, size, count, traffic, mappings[s, i])
            reasons[s, i] = count_layer(
                design, layer, shapes[i], bits, size, count, traffic, mappings[s, i], counts[s, i]
            )


@njit(error_model="numpy", cache=True, nogil=True)
def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """SCALE-Sim's: the streamed loop in one block, folds of the window inside (os: filters inside pixels)."""
    shapes = np.empty((len(layers), SHAPE), np.int64)
    for i in range(len(layers)):
        shape_of(layers[i], shapes[i])
    out = np.empty((len(designs), len(layers), len(MAPPING)), np.int64)
    for s in range(len(designs)):
        flow = int(designs[s, DATAFLOW])
        for i in range(len(layers)):
            out[s, i, ORDER] = _WHOLE[flow, 0]
            out[s, i, BLOCK] = shapes[i, PX + _STREAMED[flow]]
    return out


def hardware(designs: Floats) -> Hardware:
    """One bank of a buffer for each row or column that it feeds."""
    rows, columns, flow = designs[:, ROWS], designs[:, COLUMNS], designs[:, DATAFLOW]
    elements = rows * columns
    word = designs[:, [base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS]] / 8
    banks = np.stack([np.where(flow == IS, columns, rows), np.where(flow == IS, rows, columns), columns], axis=1)
    return Hardware(elements, designs[:, INPUT_KB : OUTPUT_KB + 1] * 1024, word, elements, banks)


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping as loops from outer to inner; pixels count over the batch."""
    flow = int(design[DATAFLOW])
    shape, size, count = np.empty(SHAPE, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    shape_of(np.array(layer.row(), np.int64), shape)
    order, streamed = ORDERS[mapping[ORDER]], "pwk"[_STREAMED[flow]]
    block = int(shape[PX + "pwk".index(streamed)]) if order[2] == streamed else max(1, int(mapping[BLOCK]))
    tile(np.array(design, np.float64), shape, block, size, count)
    names = {"p": "pixels", "w": "window", "k": "filters"}
    lines = [f"for group in {shape[GROUPS]}:"] if shape[GROUPS] > 1 else []
    for loop in order:
        x = "pwk".index(loop)
        lines.append(f"for {names[loop]} in {shape[PX + x]} by {size[x]}:")
    held = [f"{names[loop]} {size['pwk'.index(loop)]}" for loop in "pwk" if loop != streamed]
    lines.append(f"{DATAFLOWS[flow]}: array holds {' x '.join(held)}, streams {names[streamed]}")
    return lines


TEMPLATE = Template(
    name="systolic",
    title="systolic array with three buffers",
    source="Jouppi et al., ISCA 2017 (TPU); Samajdar et al., ISPASS 2020 (SCALE-Sim), runtime of ws, os and is",
    own=OWN,
    mapping=MAPPING,
    codes={"order": len(ORDERS)},
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
)
