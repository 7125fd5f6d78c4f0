"""Convolvers behind line buffers on an FPGA (Qiu): processing elements × convolvers of K × K multipliers.

All convolvers of an element take different input maps and add up to one output map; the elements make different output
maps of the same input.  The controller runs phases of fixed size: one output map for each element, from one bundle of
as many input maps as an element has convolvers, over one tile of output.  A phase streams tile × tile pixels whatever
the map fills of them (maps of 14 × 14 take the time of 28 × 28), once for each K × K part of a larger kernel; kernels
of one pixel need no line buffer and stream just their pixels.  COMPUTE is thus exactly

    tiles · ceil(M / elements) · ceil(C / convolvers) · tile² · ceil(R' / K) · ceil(S' / K)

cycles, R' and S' with dilation; small groups are bundled and the kernels between them are zero.  FILL is the pipeline
drained after each phase, the first load and the last store.

Maps lie in memory in bundles, the last padded, and so do kernels.  Partial sums stay on chip, so the output buffer says
for how many output maps (`channels`) one load of inputs serves; then they are loaded again.  Kernels come anew in each
phase.  Double buffers hide transfers behind computation; STALL is what takes longer.  Reads and writes have their own
channels; each reaches a share of the memory's bandwidth, a lower one where loads of tiles and kernels alternate
(`tile_share`) than in the one long stream of a fully connected layer (`stream_share`).
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
REASONS = ("", "the input buffer does not hold the pixels under one output", "the tile does not fit the buffers")
MAPPING = ("rows", "columns")

# A layer on a design.  Groups that fit one bundle run together: UNITS such of UNIT_M output maps, and one of LAST_M.
# FOLDS bundles are added up; P × Q outputs with STRIDE and EXTENT of kernel each way; PASSES parts of the kernel; most
# outputs of a tile each way; a map of H × W; how many pixels a phase streams (0: those of its tile).
(UNITS, UNIT_M, LAST_M, FOLDS, P, Q, STRIDE_H, STRIDE_W, EXTENT_H, EXTENT_W, PASSES, MOST_H, MOST_W, HIGH, WIDE, STREAM,
 KERNEL_BITS, INPUT_BITS, OUTPUT_BITS) = range(19)  # fmt: skip
SHAPE = 19
# What a mapping costs one image: phases, pixels streamed (for one element), cycles, DRAM bits.
PHASES, STREAMED, FILL, STALL, MOVED_INPUT, MOVED_WEIGHT, MOVED_OUTPUT = range(7)
COSTS = 7


@base.kernel
def shape_of(design: Floats, layer: Ints, shape: Ints) -> None:
    """Fill the SHAPE numbers of a layer on a design."""
    convolvers, side, window = int(design[CONVOLVERS]), int(design[TILE]), int(design[KERNEL])
    groups = layer[w.GROUPS]
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


@base.kernel
def transfer_cycles(design: Floats, shape: Ints, read: int, written: int) -> int:
    """Cycles of reads and writes side by side, each at its share of the bandwidth, both within all of it."""
    share = design[STREAM_SHARE] if shape[Q] * shape[P] == 1 else design[TILE_SHARE]
    bits_per_cycle = design[base.DRAM_GB_S] * 8e3 / design[base.CLOCK_MHZ] * share
    alone: int = ceil(max(read, written) / bits_per_cycle)
    both: int = base.dram_cycles(design, read + written)
    return max(alone, both)


@base.kernel
def input_side(shape: Ints, axis: int, outputs: int) -> int:
    """Input rows (axis 0) or columns under so many outputs; a map smaller than that has no more."""
    return int(min((outputs - 1) * shape[STRIDE_H + axis] + shape[EXTENT_H + axis], shape[HIGH + axis]))


@base.kernel
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


@base.kernel
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


@base.kernel
def search_mapping(design: Floats, shape: Ints, cost: Ints, mapping: Ints) -> None:
    """The largest tile or one evened out over the map, each way: the fastest, then that with least DRAM traffic."""
    best_cycles = best_moved = np.iinfo(np.int64).max
    for choice in range(4):
        rows, columns = shape[MOST_H], shape[MOST_W]
        if rows * columns == 0:
            return
        if choice % 2:
            rows = ceil_div(shape[P], ceil_div(shape[P], rows))
        if choice // 2:
            columns = ceil_div(shape[Q], ceil_div(shape[Q], columns))
        plan(design, shape, rows, columns, cost)
        cycles = cost[STREAMED] + cost[FILL] + cost[STALL]
        moved = cost[MOVED_INPUT] + cost[MOVED_WEIGHT] + cost[MOVED_OUTPUT]
        if cycles < best_cycles or (cycles == best_cycles and moved < best_moved):
            best_cycles, best_moved = cycles, moved
            mapping[0], mapping[1] = rows, columns


@base.kernel
def count_layer(design: Floats, layer: Ints, shape: Ints, mapping: Ints, cost: Ints, out: Ints) -> int:
    """Fill the counts of one layer under a mapping; returns a reason."""
    if shape[MOST_H] * shape[MOST_W] == 0:
        return 1
    rows, columns = max(1, min(mapping[0], shape[P])), max(1, min(mapping[1], shape[Q]))
    if rows > shape[MOST_H] or columns > shape[MOST_W]:
        return 2
    plan(design, shape, rows, columns, cost)
    base.switched(design, layer, out, False)
    images, convolvers = layer[w.BATCH], int(design[CONVOLVERS])
    pes, psum_bits = int(design[PES]), int(design[base.PSUM_BITS])
    given = convolvers * input_side(shape, 0, rows) * input_side(shape, 1, columns) * shape[INPUT_BITS]
    last = (shape[P] - 1) % rows + 1, (shape[Q] - 1) % columns + 1
    final = min(pes, shape[LAST_M]) * last[0] * last[1] * shape[OUTPUT_BITS]
    out[base.COMPUTE] = images * cost[STREAMED]
    out[base.FILL] = images * cost[FILL]
    out[base.FILL] += transfer_cycles(design, shape, given + shape[KERNEL_BITS], 0)
    out[base.FILL] += transfer_cycles(design, shape, 0, final)
    out[base.STALL] = images * cost[STALL]
    for x in range(3):
        out[base.DRAM_INPUT + x] = images * cost[MOVED_INPUT + x]
    # A phase reads each pixel once for all elements; each convolver puts it through its line buffer, K - 1 reads and
    # writes; kernels are read from their buffer once a phase and stay in registers.
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
    """`Template.run`."""
    shape, cost = np.empty(SHAPE, np.int64), np.empty(COSTS, np.int64)
    for s in range(len(designs)):
        design = designs[s]
        for i in range(len(layers)):
            layer = layers[i]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.traffic_only(design, layer, counts[s, i])
                continue
            shape_of(design, layer, shape)
            if search:
                search_mapping(design, shape, cost, mappings[s, i])
            reasons[s, i] = count_layer(design, layer, shape, mappings[s, i], cost, counts[s, i])


@njit(error_model="numpy", cache=True, nogil=True)
def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The largest tile that fits; 0 × 0 where none does."""
    out = np.empty((len(designs), len(layers), len(MAPPING)), np.int64)
    shape = np.empty(SHAPE, np.int64)
    for s in range(len(designs)):
        for i in range(len(layers)):
            shape_of(designs[s], layers[i], shape)
            out[s, i, 0], out[s, i, 1] = shape[MOST_H], shape[MOST_W]
    return out


# The system beside the datapath: DMA engines, controller and instruction store, pooling and data shift (the memory
# controller and the processor are hard on a Zynq): LUTs, flip-flops, blocks of FIFOs.
SYSTEM_LUT, SYSTEM_FF, SYSTEM_BRAM = 20_000, 20_000, 16
STAGES = 3  # registers on the way through a multiplier built from LUTs


def hardware(designs: Floats) -> Hardware:
    """Input bank for each convolver of an element, kernel bank for each convolver, output bank for each element."""
    pes, convolvers, kernel, tile, channels = (designs[:, x] for x in (PES, CONVOLVERS, KERNEL, TILE, CHANNELS))
    weight, given, psum = (designs[:, column] for column in (base.WEIGHT_BITS, base.INPUT_BITS, base.PSUM_BITS))
    lanes, taps = pes * convolvers, kernel * kernel
    in_dsp = np.minimum(designs[:, DSP_TAPS], taps)
    in_lut = lanes * (taps - in_dsp)
    # All three buffers are block RAM.  A kernel bank is as wide as a kernel and as deep as the phases between two loads
    # of inputs, twice over; a line buffer holds the rows above the current one.
    phases = np.ceil(channels / pes)
    depths = np.stack([(tile + kernel - 1) ** 2, 2 * phases, phases * tile * tile], axis=1)
    widths = np.stack([given, taps * weight, psum], axis=1)
    banks = np.stack([2 * convolvers, lanes, 2 * pes], axis=1)
    halves = fabric.block_rams(depths, widths)
    line_halves, line_luts = fabric.memories(tile[:, None], ((kernel - 1) * given)[:, None])
    # DSP blocks add their products in a cascade; LUTs add the others, then all convolvers of an element.
    adders = in_lut + pes * (convolvers - 1)
    product = weight + given
    logic = in_lut * weight * given * fabric.LUT_A_BIT_BIT + adders * psum + lanes * taps * weight
    flops = lanes * taps * (given + 2 * weight) + in_lut * STAGES * product + adders * psum
    return Hardware(
        multipliers=lanes * taps,
        buffer_bytes=banks * depths * widths / 8,
        register_bytes=np.stack([(kernel - 1) * tile * given, taps * weight, np.zeros(len(designs))], axis=1) / 8,
        elements=lanes,
        buffer_banks=banks,
        resources={
            "dsp": lanes * in_dsp * fabric.dsp_blocks(weight, given),
            "bram": np.ceil(((banks * halves).sum(axis=1) + lanes * line_halves[:, 0]) / 2) + SYSTEM_BRAM,
            "lut": logic + lanes * line_luts[:, 0] + SYSTEM_LUT,
            "ff": flops + SYSTEM_FF,
        },
    )


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping as loops from outer to inner."""
    shape = np.empty(SHAPE, np.int64)
    shape_of(np.array(design, np.float64), np.array(layer.row(), np.int64), shape)
    lines = [f"for image in {layer.batch}:"] if layer.batch > 1 else []
    lines += [
        f"for row in {shape[P]} by {mapping[0]}:",
        f"for column in {shape[Q]} by {mapping[1]}:",
    ]
    if shape[UNITS]:
        lines.append(f"for bundle of groups in {shape[UNITS] + 1}:")
    lines += [
        f"for output channel in {shape[UNIT_M]} by {int(design[CHANNELS])}:",
        f"for bundle of input channels in {shape[FOLDS]}: load inputs",
        f"for output channel by {int(design[PES])}: load kernels",
        f"stream {shape[STREAM] or 'the'} pixels {shape[PASSES]} times through {int(design[CONVOLVERS])} convolvers",
    ]
    return [2 * depth * " " + line for depth, line in enumerate(lines)]


TEMPLATE = Template(
    name="convolver_fpga",
    title="convolvers with line buffers, adder trees over input maps",
    source="Qiu et al., Going deeper with embedded FPGA platform for CNN, FPGA 2016, section 6",
    own=OWN,
    mapping=MAPPING,
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    fpga=True,
)
