"""What passes of a row-stationary array cost: counts of one layer under one mapping, and whether it fits.

`dse.templates.row_stationary` says what a pass is.
"""

from __future__ import annotations

from numba import njit

from dse.templates import base as b
from dse.templates.base import (
    Floats,
    Ints,
    Parameter,
    ceil_div,
    dram_cycles,
    layer_bits,
    line_steps,
    lines_under,
    part_of,
    switched,
)
from dse.workloads import layers as w
from netlists.runtime.kernel import kernel

PARAMETERS = (
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
    Parameter("psum_bus", 4, "words/cycle", "partial sums, each way", 1, 4096),
    Parameter("gate_zeros", 1, "", "a zero input switches no multiplier and no register file", choices=("no", "yes")),
    Parameter("compress", 1, "", "inputs are run-length coded in DRAM", choices=("no", "yes")),
)
(ROWS, COLUMNS, INPUT_WORDS, FILTER_WORDS, PSUM_WORDS, BUFFER_KB, FILTER_KB, BANK_KB, INPUT_BUS, FILTER_BUS, PSUM_BUS,
 GATE_ZEROS, COMPRESS) = range(b.OWN, b.OWN + len(PARAMETERS))  # fmt: skip

MAPPING = ("m", "n", "e", "p", "q", "r", "t")
(M_, N_, E_, P_, Q_, R_, T_) = range(len(MAPPING))

# Columns of a layer here, after those of `dse.workloads.layers`: channels and filters of a group; both numbers of
# `line_steps` down a map; columns under one output, under all, and those that are no padding; rows of padding that
# outputs touch.
(CHANNELS, FILTERS, STEP, APART, EXTENT, TOUCHED, READ, PADDING) = range(w.COLUMNS, w.COLUMNS + 8)
EXTENDED = w.COLUMNS + 8

REASONS = (
    "",
    "the register files of an element hold no filter row",
    "the filters of one pass do not fit the filter buffer",
    "inputs and partial sums of one pass do not fit the global buffer",
    "the mapping needs more elements than the array has, or a block of filters is no multiple of a pass",
    "the mapping has a tile of nothing",
)
NO_ROW, NO_FILTERS, NO_TILE, NO_ARRAY, NO_TILES = range(1, len(REASONS))

RUN_BITS = 5  # of a run of zeros; three runs and values share a word with one bit to spare (JSSC'17 section V)


@kernel
def extend(layer: Ints, extended: Ints) -> None:
    """Fill the EXTENDED columns of a layer."""
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
def misfit(design: Floats, layer: Ints, mapping: Ints) -> int:
    """Reason why a mapping cannot run, 0 if it can."""
    weight, given, _ = layer_bits(design, layer)
    channels, filters = layer[CHANNELS], layer[FILTERS]
    p, q, e = mapping[P_], mapping[Q_], mapping[E_]
    if min(mapping[M_], mapping[N_], e, p, q, mapping[R_], mapping[T_]) < 1:
        return NO_TILES
    height = filter_rows(int(design[ROWS]), layer[w.R])
    if q * layer[EXTENT] > design[INPUT_WORDS] or p * q * layer[w.S] > design[FILTER_WORDS] or p > design[PSUM_WORDS]:
        return NO_ROW
    sets = sets_in_array(int(design[ROWS]), int(design[COLUMNS]), height, e)
    block = mapping[M_]
    if mapping[R_] * mapping[T_] > sets or (block < filters and block % (p * mapping[T_]) > 0):
        return NO_ARRAY
    in_pass, deep = min(p * mapping[T_], filters), min(q * mapping[R_], channels)
    if in_pass * deep * height * layer[w.S] * weight > int(design[FILTER_KB]) * 8192:
        return NO_FILTERS
    taken = min(block, filters) * e * layer[w.Q] * int(design[b.PSUM_BITS])
    taken += deep * tile_inputs(layer, e) * given
    if mapping[N_] * taken > int(design[BUFFER_KB]) * 8192:
        return NO_TILE
    return 0


@njit(cache=True, inline="always")
def rows_under(layer: Ints, outputs: int, kernel: int) -> int:
    """Input rows under so many output rows, for so many rows of the kernel, padding included."""
    return lines_under(outputs, kernel, layer[STEP], layer[APART])


@njit(cache=True, inline="always")
def tile_inputs(layer: Ints, strip: int) -> int:
    """Input words of one channel and image under a strip, padding included."""
    return rows_under(layer, strip, layer[w.R]) * int(layer[TOUCHED])


@kernel
def count(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """The counts of one layer under a mapping that fits."""
    _passes(design, layer, mapping, out)
    _traffic(design, layer, mapping, out)
    _registers(design, layer, out)
    busy = out[b.COMPUTE] + out[b.FILL]
    _, given, _ = layer_bits(design, layer)
    deep = min(mapping[Q_] * mapping[R_], layer[CHANNELS])
    first = min(mapping[N_] * deep * tile_inputs(layer, mapping[E_]) * given, out[b.DRAM_INPUT])
    fetched = dram_cycles(design, out[b.DRAM_INPUT] + out[b.DRAM_WEIGHT])
    out[b.STALL] = dram_cycles(design, out[b.DRAM_OUTPUT]) + max(dram_cycles(design, first), fetched - busy)


@njit(cache=True, inline="always")
def cut(size: int, step: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """A loop in steps: (how many, how large) of the whole ones, and of the last one, of size 0 if there is none."""
    return (size // step, min(step, size)), (1, size % step)


@njit(cache=True, inline="always")
def used_of(sets: int, size: int, each: int) -> int:
    """Sets at work when each takes so many of `size` things."""
    return sets if sets * each == size else ceil_div(size, each)


@kernel
def _passes(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """Cycles of all groups' passes, full and partial, and the hops of words in the array."""
    weight, given, _ = layer_bits(design, layer)
    channels, filters, rows = layer[CHANNELS], layer[FILTERS], layer[w.R]
    s, width, images, height = layer[w.S], layer[w.Q], layer[w.BATCH], layer[w.P]
    touched, window = layer[TOUCHED], min(layer[EXTENT], layer[TOUCHED])
    at_once = filter_rows(int(design[ROWS]), rows)
    input_bus, filter_bus, psum_bus = int(design[INPUT_BUS]), int(design[FILTER_BUS]), int(design[PSUM_BUS])
    n, e, r, t = mapping[N_], mapping[E_], mapping[R_], mapping[T_]
    in_pass, deep = mapping[P_] * t, mapping[Q_] * r
    batches = ceil_div(images, n)
    stationary = in_pass >= filters and deep >= channels and at_once == rows
    loads = 1 if stationary else batches * ceil_div(height, e)
    compute = filling = filter_sets = chains = 0
    for m_count, m_size in cut(filters, in_pass):  # passes of the same size, full ones and the last, each way
        if m_count * m_size == 0:
            continue
        p = mapping[P_] if m_size == in_pass else ceil_div(m_size, t)
        filter_sets += m_count * used_of(t, m_size, p)
        for c_count, c_size in cut(channels, deep):
            if c_count * c_size == 0:
                continue
            q = mapping[Q_] if c_size == deep else ceil_div(c_size, r)
            channel_sets = used_of(r, c_size, q)
            for h_count, h_size in cut(rows, at_once):
                if h_count * h_size == 0:
                    continue
                kinds, chain = m_count * c_count * h_count, h_size * channel_sets
                filling += kinds * loads * ceil_div(m_size * c_size * h_size * s, filter_bus)
                chains += kinds * m_size * (chain + 1)
                for e_count, e_size in cut(height, e):
                    if e_count * e_size == 0:
                        continue
                    high = rows_under(layer, e_size, h_size) * c_size
                    ramp = ceil_div(high * window, input_bus) + ceil_div(m_size * e_size, psum_bus) + p + chain - 1
                    filling += kinds * e_count * batches * ramp
                    for n_count, n_size in cut(images, n):
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
    out[b.COMPUTE], out[b.FILL] = groups * compute, groups * filling
    hops = groups * images * height
    out[b.NETWORK_INPUT] = hops * filter_sets * channels * rows * touched * given
    out[b.NETWORK_OUTPUT] = hops * width * chains * int(design[b.PSUM_BITS])
    copies = e if stationary else height * batches
    out[b.NETWORK_WEIGHT] = groups * filters * channels * rows * s * weight * copies


@kernel
def _traffic(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """Bits through DRAM and global buffer, all groups."""
    weight, given, result = layer_bits(design, layer)
    images, height, kernel = layer[w.BATCH], layer[w.P], layer[w.R]
    channels, filters = layer[CHANNELS], layer[FILTERS]
    passes = ceil_div(filters, mapping[P_] * mapping[T_])
    slices = ceil_div(channels, mapping[Q_] * mapping[R_])
    at_once = filter_rows(int(design[ROWS]), kernel)
    kernel_parts = cut(kernel, at_once)
    fetched = -layer[PADDING]  # that is not in DRAM
    streamed = strips = parts = 0
    for e_count, e_size in cut(height, mapping[E_]):
        if e_size > 0:
            strips += e_count
            fetched += e_count * rows_under(layer, e_size, kernel)
            parts = 0
            for h_count, h_size in kernel_parts:
                if h_size > 0:
                    parts += h_count
                    streamed += e_count * h_count * rows_under(layer, e_size, h_size)
    again = ceil_div(filters, mapping[M_]) if slices > 1 else 1
    words = again * images * layer[w.C] * fetched * layer[READ]
    out[b.DRAM_INPUT] = words * given
    if design[COMPRESS] > 0:
        pairs = words - part_of(words, layer[w.ZEROS_PPM])
        out[b.DRAM_INPUT] = min(words * given, ceil_div(pairs, 3) * (3 * (RUN_BITS + given) + 1))
    out[b.BUFFER_INPUT] = (passes * images * layer[w.C] * streamed * layer[TOUCHED] + words) * given

    group_filters = filters * channels * kernel * layer[w.S] * weight
    all_filters = layer[w.GROUPS] * group_filters
    stationary = passes * slices == 1 and at_once == kernel
    loads = 1 if stationary else ceil_div(images, mapping[N_]) * strips
    fits = group_filters <= int(design[FILTER_KB]) * 8192
    out[b.DRAM_WEIGHT] = all_filters * (1 if fits else loads)
    out[b.BUFFER_WEIGHT] = out[b.DRAM_WEIGHT] + all_filters * loads

    outputs = images * layer[w.M] * height * layer[w.Q]
    out[b.DRAM_OUTPUT] = outputs * result
    out[b.BUFFER_OUTPUT] = 2 * outputs * slices * parts * int(design[b.PSUM_BITS])


@kernel
def _registers(design: Floats, layer: Ints, out: Ints) -> None:
    """Multiplications, additions and register files: a MAC reads three words and writes one; arrivals are written."""
    weight, given, _ = layer_bits(design, layer)
    active = switched(design, layer, out, design[GATE_ZEROS] > 0)
    out[b.REGISTER_INPUT] = out[b.MACS] * given + out[b.NETWORK_INPUT]
    out[b.REGISTER_WEIGHT] = active * weight + out[b.NETWORK_WEIGHT]
    out[b.REGISTER_OUTPUT] = 2 * out[b.ADD]
