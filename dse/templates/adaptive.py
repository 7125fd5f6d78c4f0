"""Arrays of Tin × Tout multipliers that change their parallelism from layer to layer, after C-Brain.

Each cycle Tin inputs meet Tout kernels, one adder tree a kernel.  What the Tin lanes take is the scheme:

    inter_kernel  the same pixel of Tin input maps    R × S × ceil(C/Tin) cycles for a pixel of Tout output maps
    intra_kernel  Tin pixels of one window of a map   C × ceil(R × S / Tin)
    partition     the kernel cut into pieces as large as the stride, so that windows do not overlap
                                                      C × ceil(R/stride)² × ceil(stride²/Tin)

Inter-kernel starves on the three maps of an image; intra-kernel needs each window unrolled in the input buffer, pixels
repeated; a partition needs no copies but multiplies the zeros that fill its last pieces.  The second choice is what
stays while the rest changes: the sums of Tout pixels, with new weights from the buffer each cycle (as DianNao does
and inter-kernel accelerators before C-Brain), or the weights, with sums going to the output buffer and back.

Half of each buffer is being filled.  Inputs stay in strips while all kernels pass, or kernels in blocks while all
inputs pass.  The array and DRAM work side by side, STALL is DRAM's time beyond the array's with the first load and the
last store; FILL is the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base
from dse.templates.base import Floats, Hardware, Ints, Parameter, Template, ceil_div
from dse.templates.spatial import strip_sizes, strips
from dse.workloads import layers as w
from dse.workloads.layers import Layer
from netlists.runtime.kernel import kernel

SCHEMES = ("inter_kernel", "intra_kernel", "partition")
INTER, INTRA, PARTITION = range(3)
KEEPS = ("sums", "weights")
SUMS, WEIGHTS = range(2)
STAYS = ("inputs", "kernels")
OWN = (
    Parameter("tin", 16, "lanes", "inputs in parallel", 1, 65_536),
    Parameter("tout", 16, "kernels", "output maps in parallel", 1, 65_536),
    Parameter("scheme", 0, "", "parallelism of the lanes", choices=("adaptive", *SCHEMES)),
    Parameter("keep", 0, "", "what stays in the array", choices=("adaptive", *KEEPS)),
    Parameter("input_kb", 1024, "KiB", "input buffer, both halves", 1, 1e6, whole=False),
    Parameter("weight_kb", 1024, "KiB", "weight buffer, both halves", 1, 1e6, whole=False),
    Parameter("output_kb", 1024, "KiB", "output buffer, both halves", 1, 1e6, whole=False),
)
TIN, TOUT, SCHEME, KEEP, INPUT_KB, WEIGHT_KB, OUTPUT_KB = range(base.OWN, base.OWN + len(OWN))
REASONS = (
    "",
    "the inputs of one window do not fit half the input buffer",
    "the kernels in parallel do not fit half the weight buffer",
    "the partial sums of one pixel do not fit half the output buffer",
)
PIPELINE = 3  # stages: multiply, add, activate (DianNao's NFU, ASPLOS 2014)
MAPPING = ("scheme", "keep", "stay")


@kernel
def lanes_of(layer: Ints, tin: int, scheme: int) -> tuple[int, int]:
    """Cycles for one pixel of one group of kernels, and how many inputs are read in them."""
    c, r, s = layer[w.C] // layer[w.GROUPS], layer[w.R], layer[w.S]
    if scheme == INTER:
        return r * s * ceil_div(c, tin), r * s * c
    if scheme == INTRA:
        return c * ceil_div(r * s, tin), r * s * c
    high, wide = min(layer[w.STRIDE_H], r), min(layer[w.STRIDE_W], s)
    pieces = c * ceil_div(r, high) * ceil_div(s, wide)
    return pieces * ceil_div(high * wide, tin), pieces * high * wide


@kernel
def unrolled(layer: Ints, windows: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of a strip where each pixel's window has its own copy and so many windows fit."""
    p, q = layer[w.P], layer[w.Q]
    if rows * columns <= windows:
        return rows, columns
    if windows >= p * q:
        return windows // (p * q) * p, q
    if columns == q and windows >= q:
        return windows // q, q
    return min(1, windows), min(windows, columns)


@kernel
def count_layer(design: Floats, layer: Ints, scheme: int, keep: int, stay: int, out: Ints) -> int:
    """Fill the counts of one layer under a mapping; returns a reason."""
    weight, given, result = base.layer_bits(design, layer)
    psum = int(design[base.PSUM_BITS])
    groups, px = layer[w.GROUPS], layer[w.BATCH] * layer[w.P] * layer[w.Q]
    k, window = layer[w.M] // groups, layer[w.C] // groups * layer[w.R] * layer[w.S]
    steps, read = lanes_of(layer, int(design[TIN]), scheme)
    room = int(design[INPUT_KB] * 4096) // given
    rows, columns, elements = strips(layer, room)
    filled = elements
    if scheme == INTRA:
        rows, columns = unrolled(layer, room // window, rows, columns)
        filled = px * window
    if rows == 0:
        return 1
    whole, length, rests, rest = strip_sizes(layer, rows, columns)
    cuts = whole + rests
    first = min(min(layer[w.R], layer[w.H]) * layer[w.W] * (layer[w.C] // groups), ceil_div(elements, cuts))
    cells = min(int(design[TOUT]), k)
    fits = int(design[WEIGHT_KB] * 4096) // (window * weight)  # kernels
    inputs = elements
    if stay == 1:
        if fits < cells:
            return 2
        inputs *= ceil_div(k, k if fits >= k else fits // cells * cells) if cuts > 1 else 1
        whole, length, rests, rest = 1, px, 0, 0
    part = int(design[OUTPUT_KB] * 4096) // (cells * psum)  # pixels whose sums fit
    if part < 1:
        return 3
    # How often an array's worth of weights comes from the buffer: for each pixel, or for each block of sums.
    loads = px
    if keep == WEIGHTS:
        loads = whole * ceil_div(length, part) + rests * ceil_div(rest, part)
    weights = window * k
    if stay == 0 and fits < k:
        weights *= cuts if fits >= cells else loads
    sweeps = groups * ceil_div(k, cells)
    base.switched(design, layer, out, False)
    out[base.COMPUTE] = sweeps * steps * px
    out[base.FILL] = PIPELINE
    out[base.DRAM_INPUT] = groups * inputs * given
    out[base.DRAM_WEIGHT] = groups * weights * weight
    out[base.DRAM_OUTPUT] = groups * k * px * result
    begin = first * given + cells * min(window, int(design[TIN])) * weight
    end = cells * result
    moved = out[base.DRAM_INPUT] + out[base.DRAM_WEIGHT] + out[base.DRAM_OUTPUT]
    beside = base.dram_cycles(design, moved - begin - end) - out[base.COMPUTE] - PIPELINE
    out[base.STALL] = base.dram_cycles(design, begin) + max(0, beside) + base.dram_cycles(design, end)
    # Buffers: what comes from DRAM is written (unrolled for intra-kernel), what the lanes take is read; the output
    # buffer takes each sum once and gives it to DRAM, and with weights kept takes and gives it in each step.
    sums = groups * px * k
    trips = 1 if keep == SUMS else 2 * steps - 1
    out[base.BUFFER_INPUT] = (sweeps * px * read + groups * filled * (inputs // elements)) * given
    out[base.BUFFER_WEIGHT] = groups * (loads * window * k + weights) * weight
    out[base.BUFFER_OUTPUT] = sums * (trips * psum + result)
    out[base.NETWORK_INPUT] = out[base.MACS] * given  # along the kernels
    out[base.NETWORK_WEIGHT] = groups * loads * window * k * weight
    out[base.NETWORK_OUTPUT] = sums * steps * psum  # from adder tree to accumulator
    out[base.REGISTER_INPUT] = 2 * sweeps * px * read * given
    out[base.REGISTER_WEIGHT] = (out[base.MACS] + groups * loads * window * k) * weight
    out[base.REGISTER_OUTPUT] = 2 * sums * steps * psum
    return 0


@kernel
def search_mapping(design: Floats, layer: Ints, mapping: Ints, trial: Ints) -> None:
    """The fastest mapping; of equally fast ones that with least DRAM traffic, then with least buffer traffic."""
    top = np.iinfo(np.int64).max
    best = (top, top, top)
    for scheme in range(len(SCHEMES)):
        for keep in range(len(KEEPS)):
            free = design[SCHEME] in (0, scheme + 1) and design[KEEP] in (0, keep + 1)
            for stay in range(len(STAYS) if free else 0):
                if count_layer(design, layer, scheme, keep, stay, trial) > 0:
                    continue
                cycles = trial[base.COMPUTE] + trial[base.FILL] + trial[base.STALL]
                moved = trial[base.DRAM_INPUT] + trial[base.DRAM_WEIGHT] + trial[base.DRAM_OUTPUT]
                sent = trial[base.BUFFER_INPUT] + trial[base.BUFFER_WEIGHT] + trial[base.BUFFER_OUTPUT]
                if (cycles, moved, sent) < best:
                    best = (cycles, moved, sent)
                    mapping[0], mapping[1], mapping[2] = scheme, keep, stay


@njit(error_model="numpy", cache=True, nogil=True)
def run(designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints,
        reasons: npt.NDArray[np.int16]) -> None:  # fmt: skip
    """`Template.run`."""
    trial = np.empty(base.COUNTS, np.int64)
    for s in range(len(designs)):
        for i in range(len(layers)):
            if layers[i, w.KIND] > w.Kind.MATMUL:
                base.traffic_only(designs[s], layers[i], counts[s, i])
                continue
            chosen = mappings[s, i]
            if search:
                search_mapping(designs[s], layers[i], chosen, trial)
            reasons[s, i] = count_layer(designs[s], layers[i], chosen[0], chosen[1], chosen[2], counts[s, i])


@kernel
def fewest_steps(designs: Floats, layers: Ints, mappings: Ints) -> None:
    """The scheme with the fewest cycles of the array, where the design leaves it open."""
    for s in range(len(designs)):
        for i in range(len(layers)):
            scheme = int(designs[s, SCHEME]) - 1
            if scheme < 0:
                scheme = 0
                for other in range(1, len(SCHEMES)):
                    tin = int(designs[s, TIN])
                    if lanes_of(layers[i], tin, other)[0] < lanes_of(layers[i], tin, scheme)[0]:
                        scheme = other
            mappings[s, i, 0] = scheme


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The scheme with the fewest cycles, weights kept where the design leaves that open, strips of inputs stay."""
    out = np.zeros((len(designs), len(layers), len(MAPPING)), np.int64)
    fewest_steps(designs, layers, out)
    out[:, :, 1] = np.where(designs[:, KEEP] == 1 + SUMS, SUMS, WEIGHTS)[:, None]
    return out


def hardware(designs: Floats) -> Hardware:
    """One processing element is an adder tree with its Tin multipliers.

    The weight buffer has a memory for each multiplier; the other buffers are built of memories of the same size.
    """
    tin, tout = designs[:, TIN], designs[:, TOUT]
    word = designs[:, [base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS]] / 8
    registers = word * np.stack([tin, tin, np.ones(len(designs))], axis=1)
    size = designs[:, INPUT_KB : OUTPUT_KB + 1] * 1024
    banks = size / size[:, 1:2] * (tin * tout)[:, None]
    return Hardware(tin * tout, size, registers, tout, np.maximum(1, banks))


def loop_nest(design: Sequence[float], layer: Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping as loops from outer to inner."""
    row = np.array(layer.row(), np.int64)
    steps, _ = lanes_of(row, int(design[TIN]), mapping[0])
    k, pixels = layer.out_channels // layer.groups, f"{layer.batch} x {layer.out_h} x {layer.out_w}"
    lines = [f"for group in {layer.groups}:"] if layer.groups > 1 else []
    lines.append(f"for strip of input lines of {pixels}:" if mapping[2] == 0 else f"for block of kernels in {k}:")
    lines.append(f"for kernels by {min(int(design[TOUT]), k)}:")
    inner = ["for pixel:", f"for step in {steps}:"]
    lines += inner if mapping[1] == SUMS else inner[::-1]
    lines.append(f"{SCHEMES[mapping[0]]}: {int(design[TIN])} inputs x {min(int(design[TOUT]), k)} kernels")
    return lines


TEMPLATE = Template(
    name="adaptive",
    title="Tin x Tout array with a scheme of parallelism for each layer",
    source="Song et al., DAC 2016 (C-Brain): inter-kernel, intra-kernel and hybrid (kernel partition) parallelism",
    own=OWN,
    mapping=MAPPING,
    codes={"scheme": len(SCHEMES), "keep": len(KEEPS), "stay": len(STAYS)},
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
)
