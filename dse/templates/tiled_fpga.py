"""Tiled accelerator on an FPGA: Tm × Tn multipliers, double-buffered tiles of input, weights and output (Zhang).

Each cycle Tn pixels of Tn input maps meet Tm × Tn weights; adder trees add to Tm output maps.  A tile of tr × tc output
pixels takes tr·tc·R·S cycles for each fold of Tm output and Tn input channels, so a layer takes exactly

    groups · ceil(M / Tm) · ceil(C / Tn) · P · Q · R · S          COMPUTE, the paper's equation 3 without its P

and each tile of each fold drains the pipeline once (depth cycles of FILL).  A mapping has a tile and which operand
stays while the others change: output (the paper's), input or weight.  A tile that the next step needs again is not
moved again; partial sums that leave come back.  Maps lie in memory with their zero border, so a tile at the edge reads
as many pixels as one inside (the paper's traffic, equations 8 to 10).  Steps that share the stationary tile are a
block: double buffers hide its transfers behind its computation, what takes longer counts, the excess as STALL.
Reads and writes have their own channels of the DMA ports, and both share the memory behind.  FILL holds the first
load and the last store too, which nothing hides.  Images and groups come one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt
from numba import njit

from dse import workload as w
from dse.templates import base, fabric
from dse.templates.base import Floats, Hardware, Ints, Parameter, Template, ceil_div
from dse.workload import Layer

FLOAT, FIXED, PACKED = range(3)
FORMATS = ("fp32", "fixed", "packed8")
OUTPUT, INPUT, WEIGHT, ANY = range(4)  # the operand that stays in its buffer
OPERANDS = ("output", "input", "weight", "any")
OWN = (
    Parameter("tm", 64, "channels", "output channels in parallel", 1, 4096),
    Parameter("tn", 7, "channels", "input channels in parallel", 1, 4096),
    Parameter("tr", 13, "rows", "output rows that the buffers hold", 1, 4096),
    Parameter("tc", 13, "columns", "output columns that the buffers hold", 1, 4096),
    Parameter("kernel", 11, "", "largest kernel side that the buffers are made for", 1, 64),
    Parameter("stride", 4, "", "largest stride that the input buffer is made for at full tile", 1, 64),
    Parameter("format", FLOAT, "", "arithmetic; packed8 puts two 8-bit products in a DSP block", choices=FORMATS),
    Parameter("stationary", ANY, "", "the operand that may stay in its buffer", choices=OPERANDS),
    # fp32 adder trees: 3 cycles a multiplication, 4 an addition, 3 levels over 7 products and the accumulation, 1 to
    # read: 20, which is also what the cycle counts of the paper's table 4 hold for each fold.
    Parameter("depth", 20, "cycles", "pipeline depth, drained after each tile", 0, 1000),
    Parameter("port_bits", 128, "bits", "DMA ports, bits a cycle in each direction", 1, 65_536),
    Parameter("port_share", 0.82, "", "share of the ports' cycles that carry data", 0.01, 1.0, whole=False),
)
TM, TN, TR, TC, KERNEL, STRIDE, FORMAT, STATIONARY, DEPTH, PORT_BITS, PORT_SHARE = range(base.OWN, base.OWN + len(OWN))
REASONS = (
    "",
    "the weight buffer is made for smaller kernels",
    "the input buffer does not hold the pixels of the tile",
    "the output buffer does not hold the tile",
)

MAPPING = ("tr", "tc", "stationary")

# A layer of one group: channels in and out, output map, kernel area, extent of the kernel, strides, steps a group.
(N, M, P, Q, AREA, HIGH, WIDE, STRIDE_H, STRIDE_W, GROUPS, WEIGHT_BITS, INPUT_BITS, OUTPUT_BITS, PSUM_BITS) = range(14)
SHAPE = 14
# A tiling of a layer: folds of channels and their sizes, tiles, sizes of the first and the last tile, input under them.
(FOLDS_M, FOLDS_N, SIZE_M, SIZE_N, LAST_M, LAST_N, DOWN, ACROSS, ROWS, LAST_ROWS, COLUMNS, LAST_COLUMNS, HIGH_IN,
 LAST_HIGH, WIDE_IN, LAST_WIDE, SEEN) = range(17)  # fmt: skip
TILING = 17
# What a mapping costs all groups and images: cycles, and DRAM bits by operand.
FILL_CYCLES, STALL_CYCLES, MOVED_INPUT, MOVED_WEIGHT, MOVED_OUTPUT = range(5)
COSTS = 5


@base.kernel
def shape_of(design: Floats, layer: Ints, shape: Ints) -> None:
    """Fill the SHAPE numbers of a layer on a design."""
    groups = layer[w.GROUPS]
    shape[N], shape[M] = layer[w.C] // groups, layer[w.M] // groups
    shape[P], shape[Q], shape[AREA] = layer[w.P], layer[w.Q], layer[w.R] * layer[w.S]
    shape[HIGH] = (layer[w.R] - 1) * layer[w.DILATION_H] + 1
    shape[WIDE] = (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    shape[STRIDE_H], shape[STRIDE_W] = layer[w.STRIDE_H], layer[w.STRIDE_W]
    shape[GROUPS] = groups * layer[w.BATCH]
    shape[WEIGHT_BITS], shape[INPUT_BITS], shape[OUTPUT_BITS] = base.layer_bits(design, layer)
    shape[PSUM_BITS] = int(design[base.PSUM_BITS])


@base.kernel
def capacity(design: Floats, room: Ints) -> None:
    """Fill the bits [3] that half a bank of the input, weight and output buffer really holds."""
    kernel, stride = int(design[KERNEL]), int(design[STRIDE])
    rows, columns = int(design[TR]), int(design[TC])
    pixels = ((rows - 1) * stride + kernel) * ((columns - 1) * stride + kernel)
    words = (pixels, kernel * kernel, rows * columns)
    for x in range(3):
        width = int(design[(base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS)[x]])
        room[x] = fabric.memory(words[x], width)[2] * width


@base.kernel
def order_of(stationary: int, tiles: int, folds_m: int, folds_n: int) -> int:
    """What really stays: where a loop has one step, the operand that it alone changes stays as well."""
    if folds_m == 1 and folds_n == 1:
        return WEIGHT
    if (stationary == WEIGHT and tiles == 1) or (stationary == INPUT and folds_m == 1):
        stationary = OUTPUT
    if stationary == OUTPUT and folds_n == 1:
        stationary = INPUT
    return stationary


@base.kernel
def transfer_cycles(design: Floats, read: int, written: int) -> int:
    """Cycles of the ports' two directions side by side, and of the memory behind, whichever takes longest."""
    port: int = ceil(max(read, written) / (design[PORT_BITS] * design[PORT_SHARE]))
    both: int = base.dram_cycles(design, read + written)
    return max(port, both)


@base.kernel
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


@base.kernel
def input_side(shape: Ints, axis: int, outputs: int) -> int:
    """Input rows (axis 0) or columns under so many outputs."""
    return int((outputs - 1) * shape[STRIDE_H + axis] + shape[HIGH + axis])


@base.kernel
def waiting(design: Floats, busy: int, read: int, written: int) -> int:
    """STALL of one block."""
    late: int = transfer_cycles(design, read, written) - busy
    return max(0, late)


@base.kernel
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


@base.kernel
def weights_stay(design: Floats, shape: Ints, t: Ints) -> int:
    """STALL of a group where a block is one fold of channels over all tiles."""
    pixels = shape[P] * shape[Q]
    busy = pixels * shape[AREA] + t[DOWN] * t[ACROSS] * int(design[DEPTH])
    total = 0
    for i in range(2):
        count, size = (1, t[LAST_M]) if i else (t[FOLDS_M] - 1, t[SIZE_M])
        if count:
            channel = t[SEEN] + size * shape[AREA] * shape[WEIGHT_BITS]
            sums, results = size * pixels * shape[PSUM_BITS], size * pixels * shape[OUTPUT_BITS]
            total += count * folds_waiting(design, t, busy, channel, sums, results)
    return total


@base.kernel
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


@base.kernel
def tiles_waiting(design: Floats, shape: Ints, t: Ints, order: int) -> int:
    """STALL of a group where outputs or inputs stay: whole tiles, and those cut off at the right, below, and both."""
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


@base.kernel
def plan(design: Floats, shape: Ints, rows: int, columns: int, stationary: int, t: Ints, out: Ints) -> None:
    """Fill the COSTS of a mapping."""
    tile(design, shape, rows, columns, t)
    tiles = t[DOWN] * t[ACROSS]
    order = order_of(stationary, tiles, t[FOLDS_M], t[FOLDS_N])
    groups, pixels = shape[GROUPS], shape[P] * shape[Q]
    stall = weights_stay(design, shape, t) if order == WEIGHT else tiles_waiting(design, shape, t, order)
    kernels = shape[M] * shape[N] * shape[AREA] * shape[WEIGHT_BITS]
    out[STALL_CYCLES] = groups * stall
    out[MOVED_INPUT] = groups * shape[N] * t[SEEN] * (1 if order == INPUT else t[FOLDS_M])
    out[MOVED_WEIGHT] = groups * kernels * (1 if order == WEIGHT else tiles)
    out[MOVED_OUTPUT] = groups * shape[M] * pixels * shape[OUTPUT_BITS]
    if order != OUTPUT:
        out[MOVED_OUTPUT] += groups * 2 * (t[FOLDS_N] - 1) * shape[M] * pixels * shape[PSUM_BITS]
    given = t[HIGH_IN] * t[WIDE_IN] * shape[INPUT_BITS]
    first = t[SIZE_N] * (given + t[SIZE_M] * shape[AREA] * shape[WEIGHT_BITS])
    last = t[LAST_M] * t[LAST_ROWS] * t[LAST_COLUMNS] * shape[OUTPUT_BITS]
    out[FILL_CYCLES] = groups * t[FOLDS_M] * t[FOLDS_N] * tiles * int(design[DEPTH])
    out[FILL_CYCLES] += transfer_cycles(design, first, 0) + transfer_cycles(design, 0, last)


@base.kernel
def widest(room: Ints, shape: Ints, rows: int) -> int:
    """The most columns of a tile of so many rows that the buffers hold, evened out over the map; 0: none."""
    wide = room[0] // (input_side(shape, 0, rows) * shape[INPUT_BITS])
    columns = min(room[2] // (rows * shape[PSUM_BITS]), (wide - shape[WIDE]) // shape[STRIDE_W] + 1, shape[Q])
    return 0 if columns < 1 else ceil_div(shape[Q], ceil_div(shape[Q], columns))


@base.kernel
def search_mapping(design: Floats, room: Ints, shape: Ints, t: Ints, cost: Ints, mapping: Ints) -> None:
    """The fastest mapping, of equally fast ones that with least DRAM traffic.

    For each number of tile rows that divides the map evenly, the widest tile that fits.  Other operands than the
    output can only help where the layer waits for memory.
    """
    best_cycles = best_moved = np.iinfo(np.int64).max
    fixed = int(design[STATIONARY])
    rows = shape[P]
    while rows > 0:
        columns = widest(room, shape, rows)
        if columns > 0:
            for stationary in range(OUTPUT, ANY):
                if fixed not in (stationary, ANY):
                    continue
                plan(design, shape, rows, columns, stationary, t, cost)
                cycles = cost[FILL_CYCLES] + cost[STALL_CYCLES]
                moved = cost[MOVED_INPUT] + cost[MOVED_WEIGHT] + cost[MOVED_OUTPUT]
                if cycles < best_cycles or (cycles == best_cycles and moved < best_moved):
                    best_cycles, best_moved = cycles, moved
                    mapping[0], mapping[1], mapping[2] = rows, columns, stationary
                if cost[STALL_CYCLES] == 0:
                    break
        tiles = ceil_div(shape[P], rows) + 1
        rows = min(rows - 1, ceil_div(shape[P], tiles))


@base.kernel
def misfit(room: Ints, shape: Ints, rows: int, columns: int) -> int:
    """Reason why a tile does not fit the buffers, or 0."""
    if shape[AREA] * shape[WEIGHT_BITS] > room[1]:
        return 1
    if input_side(shape, 0, rows) * input_side(shape, 1, columns) * shape[INPUT_BITS] > room[0]:
        return 2
    return 3 if rows * columns * shape[PSUM_BITS] > room[2] else 0


@base.kernel
def count_layer(
    design: Floats, room: Ints, layer: Ints, shape: Ints, mapping: Ints, t: Ints, cost: Ints, out: Ints
) -> int:
    """Fill the counts of one layer under a mapping; returns a reason."""
    rows, columns = max(1, min(mapping[0], shape[P])), max(1, min(mapping[1], shape[Q]))
    reason = misfit(room, shape, rows, columns)
    if reason:
        return reason
    plan(design, shape, rows, columns, mapping[2], t, cost)
    base.switched(design, layer, out, False)
    used = shape[GROUPS] * shape[P] * shape[Q] * shape[AREA]  # cycles of a fold that all channels take part in
    out[base.COMPUTE] = used * t[FOLDS_M] * t[FOLDS_N]
    out[base.FILL], out[base.STALL] = cost[FILL_CYCLES], cost[STALL_CYCLES]
    for x in range(3):
        out[base.DRAM_INPUT + x] = cost[MOVED_INPUT + x]
    # A cycle reads its pixels once for all output channels, and updates each partial sum once; a weight is taken into
    # a register once a tile, and used from there.
    fetched = t[DOWN] * t[ACROSS] * shape[GROUPS] * shape[M] * shape[N] * shape[AREA] * shape[WEIGHT_BITS]
    out[base.BUFFER_INPUT] = cost[MOVED_INPUT] + used * shape[N] * t[FOLDS_M] * shape[INPUT_BITS]
    out[base.BUFFER_WEIGHT] = cost[MOVED_WEIGHT] + fetched
    out[base.BUFFER_OUTPUT] = cost[MOVED_OUTPUT] + 2 * used * shape[M] * t[FOLDS_N] * shape[PSUM_BITS]
    out[base.REGISTER_WEIGHT] = fetched + out[base.MACS] * shape[WEIGHT_BITS]
    return 0


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """`Template.run`."""
    shape, tiling, cost = np.empty(SHAPE, np.int64), np.empty(TILING, np.int64), np.empty(COSTS, np.int64)
    room = np.empty(3, np.int64)
    for s in range(len(designs)):
        design = designs[s]
        capacity(design, room)
        for i in range(len(layers)):
            layer = layers[i]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.traffic_only(design, layer, counts[s, i])
                continue
            shape_of(design, layer, shape)
            if search:
                search_mapping(design, room, shape, tiling, cost, mappings[s, i])
            reasons[s, i] = count_layer(design, room, layer, shape, mappings[s, i], tiling, cost, counts[s, i])


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The design's own tile, cut where the input buffer asks for it and evened out over the map; outputs stay."""
    sides = []
    for side, size, kernel, dilation, stride in (
        (TR, w.P, w.R, w.DILATION_H, w.STRIDE_H),
        (TC, w.Q, w.S, w.DILATION_W, w.STRIDE_W),
    ):
        held = (designs[:, side] - 1) * designs[:, STRIDE] + designs[:, KERNEL]
        extent = (layers[:, kernel] - 1) * layers[:, dilation] + 1
        fits = (held.astype(np.int64)[:, None] - extent) // layers[:, stride] + 1
        tile = np.clip(fits, 1, designs[:, side].astype(np.int64)[:, None])
        tiles = -(-layers[:, size] // tile)
        sides.append(-(-layers[:, size] // tiles))
    stays = designs[:, STATIONARY].astype(np.int64) % ANY  # any: the output
    return np.stack([*sides, np.broadcast_to(stays[:, None], sides[0].shape)], axis=-1)


# The system beside the datapath: soft processor, DDR3 controller, AXI interconnect and DMA engines; a bank's
# multiplexer between both halves (a LUT a bit) and its write decoder.
SYSTEM_LUT, SYSTEM_FF = 25_000, 30_000
BANK_LUT = 10


def hardware(designs: Floats) -> Hardware:
    """Multipliers with their adder trees, and one bank of memory, twice, for each lane of a buffer."""
    tm, tn, kernel, kind = (designs[:, column] for column in (TM, TN, KERNEL, FORMAT))
    lanes = tm * tn
    weight, given, psum = (designs[:, column] for column in (base.WEIGHT_BITS, base.INPUT_BITS, base.PSUM_BITS))
    side = [(designs[:, tile] - 1) * designs[:, STRIDE] + kernel for tile in (TR, TC)]
    depths = np.stack([side[0] * side[1], kernel * kernel, designs[:, TR] * designs[:, TC]], axis=1)
    widths = np.stack([given, weight, psum], axis=1)
    banks = 2 * np.stack([tn, lanes, tm], axis=1)
    halves, luts = fabric.memories(depths, widths)
    floating = kind == FLOAT
    packed = (kind == PACKED) & (weight <= 8) & (given <= 8)
    blocks = np.where(packed, np.ceil(lanes / 2), lanes * fabric.dsp_blocks(weight, given))
    # Fixed point: the multiplier is its DSP block, the tree adds in LUTs; operands and sum have a register each.
    logic = lanes * np.where(floating, fabric.FLOAT_LUT, psum)
    flops = lanes * np.where(floating, fabric.FLOAT_FF + weight, weight + given + psum)
    selects = (banks / 2 * widths + banks * BANK_LUT).sum(axis=1)
    none = np.zeros(len(designs))
    return Hardware(
        multipliers=lanes,
        buffer_bytes=banks * depths * widths / 8,
        register_bytes=np.stack([none, weight / 8, none], axis=1),
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
    """The mapping as loops from outer to inner, with what each step moves left out."""
    tm, tn = int(design[TM]), int(design[TN])
    tiles = [f"for row in {layer.out_h} by {mapping[0]}:", f"for column in {layer.out_w} by {mapping[1]}:"]
    outputs = f"for output channel in {layer.out_channels // layer.groups} by {tm}:"
    inputs = f"for input channel in {layer.in_channels // layer.groups} by {tn}:"
    orders = ([*tiles, outputs, inputs], [*tiles, inputs, outputs], [outputs, inputs, *tiles])
    lines = [f"for image in {layer.batch}:"] if layer.batch > 1 else []
    lines += [f"for group in {layer.groups}:"] if layer.groups > 1 else []
    lines += orders[mapping[2]]
    lines.append(f"for kernel row in {layer.kernel_h}, kernel column in {layer.kernel_w}, pixel of the tile:")
    lines.append(f"{tm} x {tn} multipliers in parallel, {OPERANDS[mapping[2]]} stays")
    return [2 * depth * " " + line for depth, line in enumerate(lines)]


TEMPLATE = Template(
    name="tiled_fpga",
    title="tiled accelerator with Tm x Tn multipliers and double buffers",
    source="Zhang et al., Optimizing FPGA-based accelerator design for deep CNNs, FPGA 2015, sections 3 and 4",
    own=OWN,
    mapping=MAPPING,
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    fpga=True,
)
