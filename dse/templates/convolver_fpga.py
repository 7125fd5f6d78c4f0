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

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base, fabric
from dse.templates import convolver_plan as cp
from dse.templates.base import Floats, Hardware, Ints, Template, ceil_div
from dse.workloads import layers as w
from dse.workloads.layers import Layer
from netlists.runtime.kernel import kernel

REASONS = ("", "the input buffer does not hold the pixels under one output", "the tile does not fit the buffers")
MAPPING = ("rows", "columns")


@kernel
def search_mapping(design: Floats, shape: Ints, cost: Ints, best: Ints, mapping: Ints) -> None:
    """The fastest tile, of equally fast ones that with least DRAM traffic.

    The largest tile; then for each number of tile rows that divides the map evenly, such columns from the widest down
    as long as they are faster.
    """
    rows, columns = shape[cp.MOST_H], shape[cp.MOST_W]
    mapping[0], mapping[1] = rows, columns
    if rows * columns == 0:
        return
    best[0] = best[1] = np.iinfo(np.int64).max
    try_tile(design, shape, rows, columns, cost, best, mapping)
    rows = ceil_div(shape[cp.P], ceil_div(shape[cp.P], rows))
    while rows > 0:
        columns, before = ceil_div(shape[cp.Q], ceil_div(shape[cp.Q], shape[cp.MOST_W])), np.iinfo(np.int64).max
        while columns > 0:
            cycles = try_tile(design, shape, rows, columns, cost, best, mapping)
            if cycles >= before:
                break
            before = cycles
            columns = min(columns - 1, ceil_div(shape[cp.Q], ceil_div(shape[cp.Q], columns) + 1))
        rows = min(rows - 1, ceil_div(shape[cp.P], ceil_div(shape[cp.P], rows) + 1))


@kernel
def try_tile(design: Floats, shape: Ints, rows: int, columns: int, cost: Ints, best: Ints, mapping: Ints) -> int:
    """Take a tile into `mapping` if it beats `best` (cycles, DRAM traffic); returns its cycles."""
    cp.plan(design, shape, rows, columns, cost)
    cycles = shape[cp.IMAGES] * (cost[cp.STREAMED] + cost[cp.FILL] + cost[cp.STALL]) + cp.unhidden(
        design, shape, rows, columns
    )
    moved = cost[cp.MOVED_INPUT] + cost[cp.MOVED_WEIGHT] + cost[cp.MOVED_OUTPUT]
    if cycles < best[0] or (cycles == best[0] and moved < best[1]):
        best[0], best[1] = cycles, moved
        mapping[0], mapping[1] = rows, columns
    return int(cycles)


@kernel
def count_layer(design: Floats, layer: Ints, shape: Ints, mapping: Ints, cost: Ints, out: Ints) -> int:
    """Fill the counts of one layer under a mapping; returns a reason."""
    if shape[cp.MOST_H] * shape[cp.MOST_W] == 0:
        return 1
    rows, columns = max(1, min(mapping[0], shape[cp.P])), max(1, min(mapping[1], shape[cp.Q]))
    if rows > shape[cp.MOST_H] or columns > shape[cp.MOST_W]:
        return 2
    cp.plan(design, shape, rows, columns, cost)
    base.switched(design, layer, out, False)
    images, convolvers = shape[cp.IMAGES], int(design[cp.CONVOLVERS])
    pes, psum_bits = int(design[cp.PES]), int(design[base.PSUM_BITS])
    out[base.COMPUTE] = images * cost[cp.STREAMED]
    out[base.FILL] = images * cost[cp.FILL] + cp.unhidden(design, shape, rows, columns)
    out[base.STALL] = images * cost[cp.STALL]
    for x in range(3):
        out[base.DRAM_INPUT + x] = images * cost[cp.MOVED_INPUT + x]
    # A phase reads each pixel once for all elements; each convolver puts it through its line buffer, K - 1 reads and
    # writes; kernels are read from their buffer once a phase and stay in registers.
    streamed = images * cost[cp.STREAMED] * convolvers * shape[cp.INPUT_BITS]
    sums = images * layer[w.M] * shape[cp.P] * shape[cp.Q] * psum_bits
    weight_bits, _, _ = base.layer_bits(design, layer)
    out[base.BUFFER_INPUT] = out[base.DRAM_INPUT] + streamed
    out[base.BUFFER_WEIGHT] = 2 * out[base.DRAM_WEIGHT]
    out[base.BUFFER_OUTPUT] = out[base.DRAM_OUTPUT] + (2 * shape[cp.FOLDS] - 1) * sums
    if shape[cp.STREAM]:
        out[base.REGISTER_INPUT] = streamed * pes * 2 * (int(design[cp.KERNEL]) - 1)
    out[base.REGISTER_WEIGHT] = out[base.DRAM_WEIGHT] + out[base.MACS] * weight_bits
    return 0


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """`Template.run`."""
    shape, cost, best = np.empty(cp.SHAPE, np.int64), np.empty(cp.COSTS, np.int64), np.empty(2, np.int64)
    for s in range(len(designs)):
        design = designs[s]
        for i in range(len(layers)):
            layer = layers[i]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.traffic_only(design, layer, counts[s, i])
                continue
            cp.shape_of(design, layer, shape)
            if search:
                search_mapping(design, shape, cost, best, mappings[s, i])
            reasons[s, i] = count_layer(design, layer, shape, mappings[s, i], cost, counts[s, i])


@njit(error_model="numpy", cache=True, nogil=True)
def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The largest tile that fits; 0 × 0 where none does."""
    out = np.empty((len(designs), len(layers), len(MAPPING)), np.int64)
    shape = np.empty(cp.SHAPE, np.int64)
    for s in range(len(designs)):
        for i in range(len(layers)):
            cp.shape_of(designs[s], layers[i], shape)
            out[s, i, 0], out[s, i, 1] = shape[cp.MOST_H], shape[cp.MOST_W]
    return out


# The system beside the datapath: DMA engines, controller and instruction store, pooling and data shift (the memory
# controller and the processor are hard on a Zynq): LUTs, flip-flops, blocks of FIFOs.
SYSTEM_LUT, SYSTEM_FF, SYSTEM_BRAM = 20_000, 20_000, 16
STAGES = 3  # registers on the way through a multiplier built from LUTs


def hardware(designs: Floats) -> Hardware:
    """Input bank for each convolver of an element, kernel bank for each convolver, output bank for each element."""
    pes, convolvers, kernel, tile, channels = (
        designs[:, x] for x in (cp.PES, cp.CONVOLVERS, cp.KERNEL, cp.TILE, cp.CHANNELS)
    )
    weight, given, psum = (designs[:, column] for column in (base.WEIGHT_BITS, base.INPUT_BITS, base.PSUM_BITS))
    lanes, taps = pes * convolvers, kernel * kernel
    in_dsp = np.minimum(designs[:, cp.DSP_TAPS], taps)
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
    shape = np.empty(cp.SHAPE, np.int64)
    cp.shape_of(np.array(design, np.float64), np.array(layer.row(), np.int64), shape)
    lines = [f"for image in {layer.batch}:"] if layer.batch > 1 else []
    lines += [
        f"for row in {shape[cp.P]} by {mapping[0]}:",
        f"for column in {shape[cp.Q]} by {mapping[1]}:",
    ]
    if shape[cp.UNITS]:
        lines.append(f"for bundle of groups in {shape[cp.UNITS] + 1}:")
    lines += [
        f"for output channel in {shape[cp.UNIT_M]} by {int(design[cp.CHANNELS])}:",
        f"for bundle of input channels in {shape[cp.FOLDS]}: load inputs",
        f"for output channel by {int(design[cp.PES])}: load kernels",
        f"stream {shape[cp.STREAM] or 'the'} pixels {shape[cp.PASSES]} times through"
        f" {int(design[cp.CONVOLVERS])} convolvers",
    ]
    return lines


TEMPLATE = Template(
    name="convolver_fpga",
    title="convolvers with line buffers, adder trees over input maps",
    source="Qiu et al., Going deeper with embedded FPGA platform for CNN, FPGA 2016, section 6",
    own=cp.OWN,
    mapping=MAPPING,
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    fpga=True,
)
