"""Tiled accelerator on an FPGA: Tm × Tn multipliers, double-buffered tiles of input, weights and output (Zhang).

Each cycle Tn pixels of Tn input maps meet Tm × Tn weights; adder trees add to Tm output maps.  A tile of tr × tc output
pixels takes tr·tc·R·S cycles for each fold of Tm output and Tn input channels, so a layer takes exactly

    groups · ceil(M / Tm) · ceil(C / Tn) · P · Q · R · S          COMPUTE, the paper's equation 3 without its P

for M and C channels of a group,
and each tile of each fold drains the pipeline once (depth cycles of FILL).  A mapping has a tile and which operand
stays while the others change: output (the paper's), input or weight.  A tile that the next step needs again is not
moved again; partial sums that leave come back.  Maps lie in memory with their zero border, so a tile at the edge reads
as many pixels as one inside (the paper's traffic, equations 8 to 10).  Steps that share the stationary tile are a
block: double buffers hide its transfers behind its computation, what takes longer counts, the excess as STALL.
Reads and writes have their own channels of the DMA ports, and both share the memory behind.  FILL holds the first
load and the last store too, which nothing hides.  Images and groups come one after the other.

Of a convolution with many small groups (depthwise: one channel in, one out) as many groups as the lanes hold run side
by side: each of Tn inputs reaches all Tm adder trees, and the weights that would mix groups are zero, set on chip and
never moved.  min(Tm / M, Tn / C) groups take the cycles of one.  That is all the structure allows: a bank delivers one
pixel a cycle, so at most Tn of the Tm · Tn multipliers do useful work in a depthwise layer.  An engine with lanes for
pixels, as a DPU has for depthwise layers, is a different structure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base, fabric
from dse.templates import tiled_plan as tp
from dse.templates.base import Floats, Hardware, Ints, Template, ceil_div
from dse.workloads import layers as w
from dse.workloads.layers import Layer
from netlists.runtime.kernel import kernel

REASONS = (
    "",
    "the weight buffer is made for smaller kernels",
    "the input buffer does not hold the pixels of the tile",
    "the output buffer does not hold the tile",
)

MAPPING = ("tr", "tc", "stationary")


@kernel
def capacity(design: Floats, room: Ints) -> None:
    """Fill the bits [3] that half a bank of the input, weight and output buffer really holds."""
    kernel, stride = int(design[tp.KERNEL]), int(design[tp.STRIDE])
    rows, columns = int(design[tp.TR]), int(design[tp.TC])
    pixels = ((rows - 1) * stride + kernel) * ((columns - 1) * stride + kernel)
    words = (pixels, kernel * kernel, rows * columns)
    for x in range(3):
        width = int(design[(base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS)[x]])
        room[x] = fabric.memory(words[x], width)[2] * width


@kernel
def widest(room: Ints, shape: Ints, rows: int) -> int:
    """The most columns of a tile of so many rows that the buffers hold, evened out over the map; 0: none."""
    wide = room[0] // (tp.input_side(shape, 0, rows) * shape[tp.INPUT_BITS])
    columns = min(
        room[2] // (rows * shape[tp.PSUM_BITS]), (wide - shape[tp.WIDE]) // shape[tp.STRIDE_W] + 1, shape[tp.Q]
    )
    return 0 if columns < 1 else ceil_div(shape[tp.Q], ceil_div(shape[tp.Q], columns))


@kernel
def own_tile(design: Floats, shape: Ints, mapping: Ints) -> None:
    """The design's own tile, cut where the input buffer asks for it and evened out over the map; outputs stay."""
    for axis in range(2):
        tile, size = int(design[tp.TR + axis]), shape[tp.P + axis]
        held = (tile - 1) * int(design[tp.STRIDE]) + int(design[tp.KERNEL])
        tile = max(1, min(tile, (held - shape[tp.HIGH + axis]) // shape[tp.STRIDE_H + axis] + 1))
        mapping[axis] = ceil_div(size, ceil_div(size, tile))
    mapping[2] = int(design[tp.STATIONARY]) % tp.ANY  # any: the output


@kernel
def try_tile(design: Floats, shape: Ints, rows: int, columns: int, t: Ints, cost: Ints, best: Ints,
             mapping: Ints) -> int:  # fmt: skip
    """Take a tile into `mapping` if it beats `best` (cycles, DRAM traffic); returns its cycles beside COMPUTE.

    Other operands than the output can only help where the layer waits for memory.
    """
    fixed, least = int(design[tp.STATIONARY]), np.iinfo(np.int64).max
    for stationary in range(tp.OUTPUT, tp.ANY):
        if fixed not in (stationary, tp.ANY):
            continue
        tp.plan(design, shape, rows, columns, stationary, t, cost)
        cycles = cost[tp.FILL_CYCLES] + cost[tp.STALL_CYCLES]
        moved = cost[tp.MOVED_INPUT] + cost[tp.MOVED_WEIGHT] + cost[tp.MOVED_OUTPUT]
        if cycles < best[0] or (cycles == best[0] and moved < best[1]):
            best[0], best[1] = cycles, moved
            mapping[0], mapping[1], mapping[2] = rows, columns, stationary
        least = min(least, cycles)
        if cost[tp.STALL_CYCLES] == 0:
            break
    return least


@kernel
def search_mapping(design: Floats, room: Ints, shape: Ints, t: Ints, cost: Ints, best: Ints, mapping: Ints) -> None:
    """The fastest mapping, of equally fast ones that with least DRAM traffic.

    The design's own tile; then for each number of tile rows that divides the map evenly, the widest tile that fits,
    and half of it as long as that is faster.
    """
    own_tile(design, shape, mapping)
    best[0] = best[1] = np.iinfo(np.int64).max
    if misfit(room, shape, mapping[0], mapping[1]) == 0:
        try_tile(design, shape, mapping[0], mapping[1], t, cost, best, mapping)
    rows = shape[tp.P]
    while rows > 0:
        columns, before = widest(room, shape, rows), np.iinfo(np.int64).max
        while columns > 0:
            cycles = try_tile(design, shape, rows, columns, t, cost, best, mapping)
            if cycles >= before or columns == 1:
                break
            before = cycles
            columns = ceil_div(shape[tp.Q], ceil_div(shape[tp.Q], columns) * 2)
        rows = min(rows - 1, ceil_div(shape[tp.P], ceil_div(shape[tp.P], rows) + 1))


@kernel
def misfit(room: Ints, shape: Ints, rows: int, columns: int) -> int:
    """Reason why a tile does not fit the buffers, or 0."""
    if shape[tp.AREA] * shape[tp.WEIGHT_BITS] > room[1]:
        return 1
    if tp.input_side(shape, 0, rows) * tp.input_side(shape, 1, columns) * shape[tp.INPUT_BITS] > room[0]:
        return 2
    return 3 if rows * columns * shape[tp.PSUM_BITS] > room[2] else 0


@kernel
def count_layer(
    design: Floats, room: Ints, layer: Ints, shape: Ints, mapping: Ints, t: Ints, cost: Ints, out: Ints
) -> int:
    """Fill the counts of one layer under a mapping; returns a reason."""
    rows, columns = max(1, min(mapping[0], shape[tp.P])), max(1, min(mapping[1], shape[tp.Q]))
    reason = misfit(room, shape, rows, columns)
    if reason:
        return reason
    tp.plan(design, shape, rows, columns, mapping[2], t, cost)
    base.switched(design, layer, out, False)
    passes = shape[tp.PACKS] + (shape[tp.IMAGES] if shape[tp.REST] else 0)
    step = shape[tp.P] * shape[tp.Q] * shape[tp.AREA]  # cycles of a fold that all channels take part in
    out[base.COMPUTE] = passes * step * t[tp.FOLDS_M] * t[tp.FOLDS_N]
    out[base.FILL], out[base.STALL] = cost[tp.FILL_CYCLES], cost[tp.STALL_CYCLES]
    for x in range(3):
        out[base.DRAM_INPUT + x] = cost[tp.MOVED_INPUT + x]
    # A cycle reads its pixels once for all output channels, and updates each partial sum once; a weight is taken into
    # a register once a tile, and used from there.
    images, inputs, outputs = shape[tp.IMAGES], layer[w.C], layer[w.M]
    kernels = tp.mixed(shape, shape[tp.M]) * inputs * shape[tp.AREA] * shape[tp.WEIGHT_BITS]
    fetched = t[tp.DOWN] * t[tp.ACROSS] * images * kernels
    read, summed = images * step * inputs * t[tp.FOLDS_M], images * step * outputs * t[tp.FOLDS_N]
    out[base.BUFFER_INPUT] = cost[tp.MOVED_INPUT] + read * shape[tp.INPUT_BITS]
    out[base.BUFFER_WEIGHT] = cost[tp.MOVED_WEIGHT] + fetched
    out[base.BUFFER_OUTPUT] = cost[tp.MOVED_OUTPUT] + 2 * summed * shape[tp.PSUM_BITS]
    out[base.REGISTER_WEIGHT] = fetched + out[base.MACS] * shape[tp.WEIGHT_BITS]
    return 0


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """`Template.run`."""
    shape, tiling, cost = np.empty(tp.SHAPE, np.int64), np.empty(tp.TILING, np.int64), np.empty(tp.COSTS, np.int64)
    room, best = np.empty(3, np.int64), np.empty(2, np.int64)
    for s in range(len(designs)):
        design = designs[s]
        capacity(design, room)
        for i in range(len(layers)):
            layer = layers[i]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.traffic_only(design, layer, counts[s, i])
                continue
            tp.shape_of(design, layer, shape)
            if search:
                search_mapping(design, room, shape, tiling, cost, best, mappings[s, i])
            reasons[s, i] = count_layer(design, room, layer, shape, mappings[s, i], tiling, cost, counts[s, i])


@njit(error_model="numpy", cache=True, nogil=True)
def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """`Template.default_mapping`: the design's own tile."""
    out, shape = np.empty((len(designs), len(layers), len(MAPPING)), np.int64), np.empty(tp.SHAPE, np.int64)
    for s in range(len(designs)):
        for i in range(len(layers)):
            tp.shape_of(designs[s], layers[i], shape)
            own_tile(designs[s], shape, out[s, i])
    return out


# The system beside the datapath: soft processor, DDR3 controller, AXI interconnect and DMA engines; a bank's
# multiplexer between both halves (a LUT a bit) and its write decoder.
SYSTEM_LUT, SYSTEM_FF = 25_000, 30_000
BANK_LUT = 10


def hardware(designs: Floats) -> Hardware:
    """Multipliers with their adder trees, and one bank of memory, twice, for each lane of a buffer."""
    tm, tn, kernel, kind = (designs[:, column] for column in (tp.TM, tp.TN, tp.KERNEL, tp.FORMAT))
    lanes = tm * tn
    weight, given, psum = (designs[:, column] for column in (base.WEIGHT_BITS, base.INPUT_BITS, base.PSUM_BITS))
    side = [(designs[:, tile] - 1) * designs[:, tp.STRIDE] + kernel for tile in (tp.TR, tp.TC)]
    depths = np.stack([side[0] * side[1], kernel * kernel, designs[:, tp.TR] * designs[:, tp.TC]], axis=1)
    widths = np.stack([given, weight, psum], axis=1)
    banks = 2 * np.stack([tn, lanes, tm], axis=1)
    halves, luts = fabric.memories(depths, widths)
    floating = (kind == tp.FLOAT) | ((kind == tp.AUTO) & (weight == 32) & (given == 32))
    packed = (kind == tp.PACKED) & (weight <= 8) & (given <= 8)
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
    tm, tn = int(design[tp.TM]), int(design[tp.TN])
    tiles = [f"for row in {layer.out_h} by {mapping[0]}:", f"for column in {layer.out_w} by {mapping[1]}:"]
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
    lines += [*orders[mapping[2]], pixels]
    lines.append(f"{tm} x {tn} multipliers in parallel, {tp.OPERANDS[mapping[2]]} stays")
    return lines


TEMPLATE = Template(
    name="tiled_fpga",
    title="tiled accelerator with Tm x Tn multipliers and double buffers",
    source="Zhang et al., Optimizing FPGA-based accelerator design for deep CNNs, FPGA 2015, sections 3 and 4",
    own=tp.OWN,
    mapping=MAPPING,
    codes={"stationary": tp.ANY},
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    fpga=True,
)
