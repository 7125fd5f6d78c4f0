"""Row-stationary arrays (Eyeriss): a processing element convolves one filter row with one input row.

A set of R × e elements makes e output rows of one strip: filter rows go along, input rows along the diagonal, partial
sums up.  A strip wider than the array is folded; r sets take different channels and add up, t sets take different
filters.  Each element holds p filters and q channels in its register files.  A processing pass thus covers n images,
e output rows, p·t filters and q·r channels, and passes over the channels accumulate in the global buffer, which holds
the partial sums of m filters:

    for group, for n images, for strip of e rows, for m filters, for q·r channels, for filter rows beyond the array,
        for p·t of the m filters: one pass

Cycles of a pass (JSSC'17 sections III-V give datapath and bus widths):
- COMPUTE: n·Q·S·p·q multiplications of one element, or, if that takes longer, the stream of inputs or of partial sums
  over their buses.
- FILL: filters into the register files over their bus, unless they are there already; the first window of every input
  row; the last p·t·e sums out, up the column of R·r elements.
- STALL: the output of each strip leaves before its place in the buffer is used again, so DRAM writes are not hidden,
  nor is the first load of inputs; filters and further inputs are prefetched during passes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.templates import base
from dse.templates.base import BITS_PER_KIB, Floats, Hardware, Ints, Parameter, Template, ceil_div, layer_bits
from dse.templates.families import FAMILIES
from dse.templates.strips import line_steps, lines_under
from dse.workloads import layers as w
from netlists.runtime.kernel import kernel

OWN = (
    Parameter("rows", 12, "elements", "height of the array", 1, 4096),
    Parameter("columns", 14, "elements", "width of the array", 1, 4096),
    Parameter("input_words", 12, "words", "input register file of an element", 1, 65536),
    Parameter("filter_words", 224, "words", "filter register file of an element", 1, 65536),
    Parameter("psum_words", 24, "words", "partial-sum register file of an element", 1, 65536),
    Parameter("buffer_kb", 100, "KiB", "global buffer of inputs and partial sums", 1, 1e6),
    Parameter("filter_kb", 8, "KiB", "part of the global buffer that prefetches filters", 1, 1e6),
    Parameter("bank_kb", 4, "KiB", "one SRAM of the global buffer", 1, 1e6),
    Parameter("input_bus", 1, "words/cycle", "from the buffer to the array, inputs", 1, 4096),
    Parameter("filter_bus", 4, "words/cycle", "from the buffer to the array, filters", 1, 4096),
    Parameter("psum_bus", 4, "words/cycle", "partial sums, in each direction", 1, 4096),
    Parameter("gate_zeros", 1, "", "a zero input switches no multiplier and no register file", choices=("no", "yes")),
    Parameter("compress", 1, "", "inputs are run-length coded in DRAM", choices=("no", "yes")),
)
# Columns of these parameters in a design's row.
(ROWS, COLUMNS, INPUT_WORDS, FILTER_WORDS, PSUM_WORDS, BUFFER_KB, FILTER_KB, BANK_KB, INPUT_BUS, FILTER_BUS, PSUM_BUS,
 GATE_ZEROS, COMPRESS) = range(base.OWN, base.OWN + len(OWN))  # fmt: skip

MAPPING = ("m", "n", "e", "p", "q", "r", "t")
# Columns of a mapping.
MAP_M = 0  # filters whose partial sums the global buffer holds
MAP_N = 1  # images of a pass
MAP_E = 2  # output rows of a strip
MAP_P = 3  # filters of an element
MAP_Q = 4  # channels of an element
MAP_R = 5  # sets of elements that take different channels
MAP_T = 6  # sets of elements that take different filters

# Columns of an extended layer, after those of `dse.workloads.layers`.
CHANNELS = w.COLUMNS  # input channels of a group
FILTERS = w.COLUMNS + 1  # filters of a group
STEP = w.COLUMNS + 2  # down a map, the first number of `line_steps`
APART = w.COLUMNS + 3  # down a map, the second number of `line_steps`
EXTENT = w.COLUMNS + 4  # input columns under one output
TOUCHED = w.COLUMNS + 5  # input columns under all outputs of a row
READ = w.COLUMNS + 6  # those of them that are not padding
PADDING = w.COLUMNS + 7  # rows of padding that outputs touch
EXTENDED = w.COLUMNS + 8  # number of columns

REASONS = (
    "",
    "the register files of an element hold no filter row",
    "the filters of one pass do not fit the filter buffer",
    "inputs and partial sums of one pass do not fit the global buffer",
    "the mapping needs more elements than the array has, or a block of filters is not a multiple of a pass",
    "the mapping has an empty tile",
)
NO_ROW, NO_FILTERS, NO_TILE, NO_ARRAY, NO_TILES = range(1, len(REASONS))

# Run-length coding (JSSC'17 section V).
RUN_BITS = 5  # bits of the length of a run of zeros
RUNS_PER_WORD = 3  # runs with their values that share a word, with one bit to spare


@kernel
def fill_extended(layer: Ints, extended: Ints) -> None:
    """Fill the columns [EXTENDED] of an extended layer from a layer [F]: numbers of channels, rows and columns."""
    for column in range(w.COLUMNS):
        extended[column] = layer[column]
    extended[CHANNELS], extended[FILTERS] = layer[w.C] // layer[w.GROUPS], layer[w.M] // layer[w.GROUPS]
    step, apart = line_steps(layer[w.STRIDE_H], layer[w.DILATION_H])
    across, between = line_steps(layer[w.STRIDE_W], layer[w.DILATION_W])
    extended[STEP], extended[APART] = step, apart
    extended[EXTENT] = (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    extended[TOUCHED] = lines_under(layer[w.Q], layer[w.S], across, between)
    extended[READ] = min(extended[TOUCHED], layer[w.W])
    extended[PADDING] = max(lines_under(layer[w.P], layer[w.R], step, apart) - layer[w.H], 0)


@njit(cache=True, inline="always")
def filter_rows(rows: int, kernel: int) -> int:
    """Filter rows in the array at once: all, or equal parts of a kernel taller than the array."""
    return kernel if kernel <= rows else ceil_div(kernel, ceil_div(kernel, rows))


@njit(cache=True, inline="always")
def sets_in_array(rows: int, columns: int, height: int, strip: int) -> int:
    """Sets of height × strip elements that the array holds; wide strips are folded, narrow ones lie side by side."""
    if strip > columns:
        return rows // (height * ceil_div(strip, columns))
    return rows // height * (columns // strip)


@kernel
def find_misfit(design: Floats, layer: Ints, mapping: Ints) -> int:
    """Number of the reason why a mapping [G] of a layer [EXTENDED] cannot run on a design [D]; 0 if it can."""
    weight_bits, input_bits, _ = layer_bits(design, layer)
    channels, filters = layer[CHANNELS], layer[FILTERS]
    p, q, e = mapping[MAP_P], mapping[MAP_Q], mapping[MAP_E]
    if min(mapping[MAP_M], mapping[MAP_N], e, p, q, mapping[MAP_R], mapping[MAP_T]) < 1:
        return NO_TILES
    height = filter_rows(int(design[ROWS]), layer[w.R])
    if q * layer[EXTENT] > design[INPUT_WORDS] or p * q * layer[w.S] > design[FILTER_WORDS] or p > design[PSUM_WORDS]:
        return NO_ROW
    sets = sets_in_array(int(design[ROWS]), int(design[COLUMNS]), height, e)
    block = mapping[MAP_M]
    if mapping[MAP_R] * mapping[MAP_T] > sets or (block < filters and block % (p * mapping[MAP_T]) > 0):
        return NO_ARRAY
    in_pass, deep = min(p * mapping[MAP_T], filters), min(q * mapping[MAP_R], channels)
    if in_pass * deep * height * layer[w.S] * weight_bits > int(design[FILTER_KB]) * BITS_PER_KIB:
        return NO_FILTERS
    taken = min(block, filters) * e * layer[w.Q] * int(design[base.PSUM_BITS])
    taken += deep * tile_inputs(layer, e) * input_bits
    if mapping[MAP_N] * taken > int(design[BUFFER_KB]) * BITS_PER_KIB:
        return NO_TILE
    return 0


@njit(cache=True, inline="always")
def rows_under(layer: Ints, outputs: int, kernel: int) -> int:
    """Number of input rows under that many output rows of a layer [EXTENDED] and rows of its kernel, with padding."""
    return lines_under(outputs, kernel, layer[STEP], layer[APART])


@njit(cache=True, inline="always")
def tile_inputs(layer: Ints, strip: int) -> int:
    """Number of input words of one channel and image of a layer [EXTENDED] under a strip, with padding."""
    return rows_under(layer, strip, layer[w.R]) * int(layer[TOUCHED])


@kernel
def count_layer(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """Fill the counts [COUNTS] of one layer [EXTENDED] on a design [D] under a mapping [G] that fits."""
    _count_passes(design, layer, mapping, out)
    _count_traffic(design, layer, mapping, out)
    _count_registers(design, layer, out)
    busy = out[base.COMPUTE] + out[base.FILL]
    _, input_bits, _ = layer_bits(design, layer)
    deep = min(mapping[MAP_Q] * mapping[MAP_R], layer[CHANNELS])
    first = min(mapping[MAP_N] * deep * tile_inputs(layer, mapping[MAP_E]) * input_bits, out[base.DRAM_INPUT])
    fetched = base.dram_cycles(design, out[base.DRAM_INPUT] + out[base.DRAM_WEIGHT])
    out[base.STALL] = base.dram_cycles(design, out[base.DRAM_OUTPUT]) + max(
        base.dram_cycles(design, first), fetched - busy
    )


@njit(cache=True, inline="always")
def cut_loop(size: int, step: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """A loop in steps: number and size of the whole steps, then of the last one, which has size 0 if there is none."""
    return (size // step, min(step, size)), (1, size % step)


@njit(cache=True, inline="always")
def count_used(sets: int, size: int, each: int) -> int:
    """Number of sets at work if each takes `each` of `size` filters or channels."""
    return sets if sets * each == size else ceil_div(size, each)


@kernel
def _count_passes(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """Fill the cycles of all groups' passes, full and partial, and the hops of words in the array."""
    weight_bits, input_bits, _ = layer_bits(design, layer)
    channels, filters, rows = layer[CHANNELS], layer[FILTERS], layer[w.R]
    s, width, images, height = layer[w.S], layer[w.Q], layer[w.BATCH], layer[w.P]
    touched, window = layer[TOUCHED], min(layer[EXTENT], layer[TOUCHED])
    at_once = filter_rows(int(design[ROWS]), rows)
    input_bus, filter_bus, psum_bus = int(design[INPUT_BUS]), int(design[FILTER_BUS]), int(design[PSUM_BUS])
    n, e, r, t = mapping[MAP_N], mapping[MAP_E], mapping[MAP_R], mapping[MAP_T]
    in_pass, deep = mapping[MAP_P] * t, mapping[MAP_Q] * r
    batches = ceil_div(images, n)
    stationary = in_pass >= filters and deep >= channels and at_once == rows
    loads = 1 if stationary else batches * ceil_div(height, e)
    compute = filling = filter_sets = chains = 0
    for m_count, m_size in cut_loop(filters, in_pass):  # passes of the same size, full ones and the last, each way
        if m_count * m_size == 0:
            continue
        p = mapping[MAP_P] if m_size == in_pass else ceil_div(m_size, t)
        filter_sets += m_count * count_used(t, m_size, p)
        for c_count, c_size in cut_loop(channels, deep):
            if c_count * c_size == 0:
                continue
            q = mapping[MAP_Q] if c_size == deep else ceil_div(c_size, r)
            channel_sets = count_used(r, c_size, q)
            for h_count, h_size in cut_loop(rows, at_once):
                if h_count * h_size == 0:
                    continue
                kinds, chain = m_count * c_count * h_count, h_size * channel_sets
                filling += kinds * loads * ceil_div(m_size * c_size * h_size * s, filter_bus)
                chains += kinds * m_size * (chain + 1)
                for e_count, e_size in cut_loop(height, e):
                    if e_count * e_size == 0:
                        continue
                    high = rows_under(layer, e_size, h_size) * c_size
                    ramp = ceil_div(high * window, input_bus) + ceil_div(m_size * e_size, psum_bus) + p + chain - 1
                    filling += kinds * e_count * batches * ramp
                    for n_count, n_size in cut_loop(images, n):
                        if n_size == 0:
                            continue
                        steps = n_size * width * s * p * q
                        inputs, sums = n_size * high * touched, n_size * m_size * e_size * width
                        if inputs > steps * input_bus:
                            steps = ceil_div(inputs, input_bus)
                        if sums > steps * psum_bus:
                            steps = ceil_div(sums, psum_bus)
                        compute += kinds * e_count * n_count * steps
    groups = layer[w.GROUPS]
    out[base.COMPUTE], out[base.FILL] = groups * compute, groups * filling
    hops = groups * images * height
    out[base.NETWORK_INPUT] = hops * filter_sets * channels * rows * touched * input_bits
    out[base.NETWORK_OUTPUT] = hops * width * chains * int(design[base.PSUM_BITS])
    copies = e if stationary else height * batches
    out[base.NETWORK_WEIGHT] = groups * filters * channels * rows * s * weight_bits * copies


@kernel
def _count_traffic(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """Fill the bits through DRAM and global buffer, of all groups."""
    weight_bits, input_bits, output_bits = layer_bits(design, layer)
    images, height, kernel = layer[w.BATCH], layer[w.P], layer[w.R]
    channels, filters = layer[CHANNELS], layer[FILTERS]
    passes = ceil_div(filters, mapping[MAP_P] * mapping[MAP_T])
    slices = ceil_div(channels, mapping[MAP_Q] * mapping[MAP_R])
    at_once = filter_rows(int(design[ROWS]), kernel)
    kernel_parts = cut_loop(kernel, at_once)
    fetched = -layer[PADDING]  # rows; padding is not in DRAM
    streamed = strips = parts = 0
    for e_count, e_size in cut_loop(height, mapping[MAP_E]):
        if e_size > 0:
            strips += e_count
            fetched += e_count * rows_under(layer, e_size, kernel)
            parts = 0
            for h_count, h_size in kernel_parts:
                if h_size > 0:
                    parts += h_count
                    streamed += e_count * h_count * rows_under(layer, e_size, h_size)
    again = ceil_div(filters, mapping[MAP_M]) if slices > 1 else 1
    words = again * images * layer[w.C] * fetched * layer[READ]
    out[base.DRAM_INPUT] = words * input_bits
    if design[COMPRESS] > 0:
        pairs = words - base.scale_by_ppm(words, layer[w.ZEROS_PPM])
        out[base.DRAM_INPUT] = min(
            words * input_bits, ceil_div(pairs, RUNS_PER_WORD) * (RUNS_PER_WORD * (RUN_BITS + input_bits) + 1)
        )
    out[base.BUFFER_INPUT] = (passes * images * layer[w.C] * streamed * layer[TOUCHED] + words) * input_bits

    group_filters = filters * channels * kernel * layer[w.S] * weight_bits
    all_filters = layer[w.GROUPS] * group_filters
    stationary = passes * slices == 1 and at_once == kernel
    loads = 1 if stationary else ceil_div(images, mapping[MAP_N]) * strips
    fits = group_filters <= int(design[FILTER_KB]) * BITS_PER_KIB
    out[base.DRAM_WEIGHT] = all_filters * (1 if fits else loads)
    out[base.BUFFER_WEIGHT] = out[base.DRAM_WEIGHT] + all_filters * loads

    outputs = images * layer[w.M] * height * layer[w.Q]
    out[base.DRAM_OUTPUT] = outputs * output_bits
    out[base.BUFFER_OUTPUT] = 2 * outputs * slices * parts * int(design[base.PSUM_BITS])


@kernel
def _count_registers(design: Floats, layer: Ints, out: Ints) -> None:
    """Fill operations and register files: a MAC reads three words and writes one; arrivals are written."""
    weight_bits, input_bits, _ = layer_bits(design, layer)
    active = base.count_operations(design, layer, out, design[GATE_ZEROS] > 0)
    out[base.REGISTER_INPUT] = out[base.MACS] * input_bits + out[base.NETWORK_INPUT]
    out[base.REGISTER_WEIGHT] = active * weight_bits + out[base.NETWORK_WEIGHT]
    out[base.REGISTER_OUTPUT] = 2 * out[base.ADD]


@kernel
def find_limits(design: Floats, layer: Ints) -> tuple[int, int, int, int]:
    """Numbers of channels and of filters of a layer [EXTENDED] that an element of a design [D] holds.

    Then the number of R × S kernels of a pass over these channels, and the number of the reason if there is none.
    """
    weight_bits, _, _ = layer_bits(design, layer)
    kernel = filter_rows(int(design[ROWS]), layer[w.R]) * layer[w.S]  # elements of a filter in the array at once
    words = int(design[FILTER_KB]) * BITS_PER_KIB // (kernel * weight_bits)
    held = int(design[FILTER_WORDS]) // layer[w.S]
    q = min(int(design[INPUT_WORDS]) // layer[EXTENT], layer[CHANNELS], held, max(words, 1))
    if q < 1:
        return 0, 0, 0, NO_ROW
    return q, min(held // q, int(design[PSUM_WORDS])), words // q, NO_FILTERS if words < 1 else 0


@kernel
def _fill_mapping(
    design: Floats, layer: Ints, limits: tuple[int, int, int, int], strip: int, t: int, images: int, mapping: Ints
) -> bool:
    """Write the largest mapping with e = strip, at most t sets of filters and n images; returns whether there is one.

    As many channels as the input registers hold, then as many sets and filters as the filter registers and buffer
    hold, spread evenly over equal passes; remaining sets take channels; m fills the buffer.
    """
    _, input_bits, _ = layer_bits(design, layer)
    channels, filters = layer[CHANNELS], layer[FILTERS]
    q, p, deepest, _ = limits
    height = filter_rows(int(design[ROWS]), layer[w.R])
    sets = sets_in_array(int(design[ROWS]), int(design[COLUMNS]), height, strip)
    t = min(t, sets, filters, deepest)
    p = min(p, deepest // t)
    rounds = ceil_div(filters, p * t)
    p = ceil_div(filters, rounds * t)
    t = min(t, ceil_div(filters, p))
    sums = strip * layer[w.Q] * int(design[base.PSUM_BITS])
    tile = tile_inputs(layer, strip) * input_bits
    room = int(design[BUFFER_KB]) * BITS_PER_KIB
    if min(p * t, filters) * sums + tile > room:  # does not fit even with one channel
        return False
    r = 1
    if channels > q:
        if sets >= 2 * t:
            r = max(min(sets // t, deepest // (p * t), ceil_div(channels, q)), 1)
        q = ceil_div(channels, r * ceil_div(channels, q * r))
        r = min(r, ceil_div(channels, q))
    inputs = min(q * r, channels) * tile
    n = min(images, room // (min(p * t, filters) * sums + inputs))
    if n < 1:
        return False
    blocks = (room // n - inputs) // (sums * p * t)
    mapping[MAP_M] = max(min(blocks * p * t, rounds * p * t), p * t)
    mapping[MAP_N], mapping[MAP_E], mapping[MAP_P] = n, strip, p
    mapping[MAP_Q], mapping[MAP_R], mapping[MAP_T] = q, r, t
    return True


@kernel
def fill_default(design: Floats, layer: Ints, mapping: Ints) -> int:
    """Write the default mapping [G] of a layer [EXTENDED] on a design [D], in numbers; returns the number of a reason.

    The tallest strip that fits array and buffer, all images, and filters before channels.  If nothing fits, the mapping
    is the smallest possible pass: all ones.
    """
    rows, columns, height = int(design[ROWS]), int(design[COLUMNS]), layer[w.P]
    limits = find_limits(design, layer)
    reason = limits[3]
    _, input_bits, _ = layer_bits(design, layer)
    # A pass of `_fill_mapping` has no fewer filters: flooring p·t to multiples, then spreading them evenly, at most
    # halve them each.
    least = ceil_div(min(limits[1], ceil_div(limits[2], 2), layer[FILTERS]), 2)
    row_sums, room = least * layer[w.Q] * int(design[base.PSUM_BITS]), int(design[BUFFER_KB]) * BITS_PER_KIB
    most = columns * (rows // filter_rows(rows, layer[w.R]))
    strips = ceil_div(height, min(height, most))
    while reason == 0:
        strip = ceil_div(height, strips)
        may_fit = strip * row_sums + tile_inputs(layer, strip) * input_bits <= room
        if may_fit and _fill_mapping(design, layer, limits, strip, rows * columns, layer[w.BATCH], mapping):
            return 0
        if strip == 1:
            reason = NO_TILE
        strips = min(2 * strips, height)
    for column in range(len(mapping)):
        mapping[column] = 1
    return find_misfit(design, layer, mapping)


@kernel
def search_mapping(design: Floats, layer: Ints, mapping: Ints, trial: Ints, scratch: Ints, out: Ints) -> None:
    """Improve a mapping [G] of a layer [EXTENDED] on a design [D], and its counts `out` [COUNTS].

    Strips, sets of filters and channels, images and channels of an element are varied.  The fewest cycles win, then the
    least DRAM traffic.  A mapping is not tried if its elements at work could not do the MACs in the best time so far.
    `trial` [G] and `scratch` [COUNTS] are scratch space.
    """
    rows, columns, height = int(design[ROWS]), int(design[COLUMNS]), layer[w.P]
    at_once = filter_rows(rows, layer[w.R])
    macs, best = base.layer_macs(layer), out[base.COMPUTE] + out[base.FILL] + out[base.STALL]
    strips = ceil_div(height, min(height, columns * (rows // at_once)))
    while True:
        strip = ceil_div(height, strips)
        sets = sets_in_array(rows, columns, at_once, strip)
        t = min(sets, layer[FILTERS])
        while t > 0 and macs <= best * at_once * strip * sets:
            r = min(sets // t, layer[CHANNELS])
            images = layer[w.BATCH] if macs <= best * at_once * strip * r * t else 0
            while images > 0:
                q = int(design[INPUT_WORDS]) // layer[EXTENT]
                while q > 0:
                    fits, q = _fit(design, layer, strip, r, t, images, q, trial)
                    if fits:
                        count_layer(design, layer, trial, scratch)
                        if _better(scratch, out):
                            for column in range(len(mapping)):
                                mapping[column] = trial[column]
                            for column in range(len(out)):
                                out[column] = scratch[column]
                            best = out[base.COMPUTE] + out[base.FILL] + out[base.STALL]
                images = images // 2
            t = t // 2
        if strip == 1:
            break
        strips = ceil_div(height, strip - 1)


@kernel
def _fit(
    design: Floats, layer: Ints, strip: int, r: int, t: int, images: int, q: int, mapping: Ints
) -> tuple[bool, int]:
    """Write the mapping with at most r sets and q channels and as many filters as fit.

    Returns whether there is one, and the next q to try.  Register files, filter buffer and global buffer bound all
    three; filters and channels are spread evenly over equal passes.  Fewer channels are worth trying as long as they
    make room for filters; the next q is 0 if they do not.
    """
    weight_bits, input_bits, _ = layer_bits(design, layer)
    channels, filters, s = layer[CHANNELS], layer[FILTERS], layer[w.S]
    words = int(design[FILTER_KB]) * BITS_PER_KIB // (filter_rows(int(design[ROWS]), layer[w.R]) * s * weight_bits)
    sums, tile = t * strip * layer[w.Q] * int(design[base.PSUM_BITS]), tile_inputs(layer, strip) * input_bits
    room = int(design[BUFFER_KB]) * BITS_PER_KIB // images
    r = min(r, words // t, (room - sums) // tile)
    if r < 1:
        return False, 0
    held = min(int(design[FILTER_WORDS]) // s, words // (r * t))  # of p·q
    q = min(q, held, ceil_div(channels, r), (room - sums) // (r * tile))
    if q < 1:
        return False, 0
    most = min(int(design[PSUM_WORDS]), ceil_div(filters, t))
    p = min(most, held // q, (room - q * r * tile) // sums)
    smaller = q // 2 if p < most else 0
    rounds = ceil_div(filters, p * t)
    p = ceil_div(filters, rounds * t)
    q = ceil_div(channels, r * ceil_div(channels, q * r))
    blocks = (room - q * r * tile) // (p * sums)
    mapping[MAP_M] = min(blocks, rounds) * p * t
    mapping[MAP_N], mapping[MAP_E], mapping[MAP_P] = images, strip, p
    mapping[MAP_Q], mapping[MAP_R], mapping[MAP_T] = q, r, t
    return True, smaller


@njit(cache=True, inline="always")
def _better(counts: Ints, best: Ints) -> bool:
    """Whether counts have fewer cycles than the best ones, or as many and less DRAM traffic."""
    cycles = counts[base.COMPUTE] + counts[base.FILL] + counts[base.STALL]
    least = best[base.COMPUTE] + best[base.FILL] + best[base.STALL]
    moved = counts[base.DRAM_INPUT] + counts[base.DRAM_WEIGHT] + counts[base.DRAM_OUTPUT]
    fewest = best[base.DRAM_INPUT] + best[base.DRAM_WEIGHT] + best[base.DRAM_OUTPUT]
    return bool(cycles < least or (cycles == least and moved < fewest))


def run(
    designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints, reasons: npt.NDArray[np.int16]
) -> None:
    """Fill counts [S, L, COUNTS] and reasons [S, L] of designs [S, D] on layers [L, F]: see `Template`."""
    trial, scratch = np.zeros(len(MAPPING), np.int64), np.zeros(base.COUNTS, np.int64)
    _run(designs, extend_layers(layers), mappings, search, counts, reasons, trial, scratch)


def extend_layers(layers: Ints) -> Ints:
    """Layers [L, F] as extended layers [L, EXTENDED], with further numbers of rows and columns."""
    out = np.empty((len(layers), EXTENDED), np.int64)
    _extend(layers, out)
    return out


@kernel
def _extend(layers: Ints, out: Ints) -> None:
    for i in range(len(layers)):
        fill_extended(layers[i], out[i])


@kernel
def _run(
    designs: Floats,
    layers: Ints,
    mappings: Ints,
    search: bool,
    counts: Ints,
    reasons: npt.NDArray[np.int16],
    trial: Ints,
    scratch: Ints,
) -> None:
    for i in range(len(designs)):
        for j in range(len(layers)):
            design, layer, mapping, out = designs[i], layers[j], mappings[i, j], counts[i, j]
            if layer[w.KIND] > w.Kind.MATMUL:
                base.count_memory_layer(design, layer, out)
                continue
            reason = fill_default(design, layer, mapping) if search else find_misfit(design, layer, mapping)
            reasons[i, j] = reason
            if reason > 0:
                out[:] = 0
                continue
            count_layer(design, layer, mapping, out)
            if search:
                search_mapping(design, layer, mapping, trial, scratch, out)


@kernel
def _fill_defaults(designs: Floats, layers: Ints, mappings: Ints) -> None:
    for i in range(len(designs)):
        for j in range(len(layers)):
            if layers[j, w.KIND] <= w.Kind.MATMUL:
                fill_default(designs[i], layers[j], mappings[i, j])
            else:
                for column in range(len(MAPPING)):
                    mappings[i, j, column] = 1


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The mappings [S, L, G] of designs [S, D] on layers [L, F] as numbers, by the simple rule of `fill_default`."""
    mappings = np.empty((len(designs), len(layers), len(MAPPING)), np.int64)
    _fill_defaults(designs, extend_layers(layers), mappings)
    return mappings


def hardware(designs: Floats) -> Hardware:
    """What is built for designs [S, D], in bytes and numbers.

    Elements with three register files each, and one buffer of equal SRAMs for all operands.
    """
    elements = designs[:, ROWS] * designs[:, COLUMNS]
    buffer_kb = designs[:, BUFFER_KB] + designs[:, FILTER_KB]
    words = designs[:, [INPUT_WORDS, FILTER_WORDS, PSUM_WORDS]]
    bits = designs[:, [base.INPUT_BITS, base.WEIGHT_BITS, base.PSUM_BITS]]
    return Hardware(
        multipliers=elements,
        buffer_bytes=np.repeat(base.BYTES_PER_KIB * buffer_kb[:, None], 3, axis=1),
        register_bytes=words * bits / 8,
        elements=elements,
        buffer_banks=np.repeat(np.ceil(buffer_kb / designs[:, BANK_KB])[:, None], 3, axis=1),
        shared_buffer=True,
    )


def loop_nest(design: Sequence[float], layer: w.Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping [G] as loops, from outer to inner; spatial ones are marked `parallel`."""
    m, n, e, p, q, r, t = mapping
    groups = layer.groups
    height = filter_rows(int(design[ROWS]), layer.kernel_h)
    return [
        f"for group in 0..{groups}",
        f"for image in 0..{layer.batch} step {n}",
        f"for output row in 0..{layer.out_h} step {e}                 # partial sums stay in the global buffer",
        f"for filter in 0..{layer.out_channels // groups} step {min(m, layer.out_channels // groups)}",
        f"for channel in 0..{layer.in_channels // groups} step {q * r}",
        f"for kernel row in 0..{layer.kernel_h} step {height}",
        f"for filter in block step {p * t}              # one pass",
        f"parallel over {height} kernel rows, {e} output rows, {r} channel sets, {t} filter sets",
        f"for image in 0..{n}, output column in 0..{layer.out_w}, kernel column in 0..{layer.kernel_w}",
        f"for channel in 0..{q}, filter in 0..{p}: multiply and add",
    ]


TEMPLATE = Template(
    family=FAMILIES["row_stationary"],
    own=OWN,
    mapping=MAPPING,
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
    rounds_products=True,
    padding=("input_words", "psum_words"),
    hops=("rows", "columns", "psum_words"),
)
