"""What passes of a row-stationary array cost: counts of one layer under one mapping, and whether it fits.

`dse.templates.row_stationary` says what a pass is.
"""

from __future__ import annotations

from numba import njit

from dse import workload as w
from dse.templates import base as b
from dse.templates.base import (
    Floats,
    Ints,
    Parameter,
    ceil_div,
    dram_cycles,
    kernel,
    layer_bits,
    switched,
    touched_lines,
)

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
    channels, filters = layer[w.C] // layer[w.GROUPS], layer[w.M] // layer[w.GROUPS]
    p, q, e = mapping[P_], mapping[Q_], mapping[E_]
    if min(mapping[M_], mapping[N_], e, p, q, mapping[R_], mapping[T_]) < 1:
        return NO_TILES
    height = filter_rows(int(design[ROWS]), layer[w.R])
    window = (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    if q * window > design[INPUT_WORDS] or p * q * layer[w.S] > design[FILTER_WORDS] or p > design[PSUM_WORDS]:
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
def tile_inputs(layer: Ints, strip: int) -> int:
    """Input words of one channel and image under a strip, padding included."""
    high = touched_lines(strip, layer[w.R], layer[w.STRIDE_H], layer[w.DILATION_H])[0]
    return high * touched_lines(layer[w.Q], layer[w.S], layer[w.STRIDE_W], layer[w.DILATION_W])[0]


@kernel
def count(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """The counts of one layer under a mapping that fits."""
    out[:] = 0
    _time_and_network(design, layer, mapping, out)
    _traffic(design, layer, mapping, out)
    groups = layer[w.GROUPS]
    for column in (b.COMPUTE, b.FILL, b.NETWORK_INPUT, b.NETWORK_WEIGHT, b.NETWORK_OUTPUT):
        out[column] *= groups
    _registers(design, layer, out)
    busy = out[b.COMPUTE] + out[b.FILL]
    _, given, _ = layer_bits(design, layer)
    deep = min(mapping[Q_] * mapping[R_], layer[w.C] // groups)
    first = min(mapping[N_] * deep * tile_inputs(layer, mapping[E_]) * given, out[b.DRAM_INPUT])
    fetched = dram_cycles(design, out[b.DRAM_INPUT] + out[b.DRAM_WEIGHT])
    out[b.STALL] = dram_cycles(design, out[b.DRAM_OUTPUT]) + max(dram_cycles(design, first), fetched - busy)


@kernel
def _time_and_network(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """Cycles of one group's passes, full and partial, and the hops of words in the array."""
    weight, given, _ = layer_bits(design, layer)
    psum = int(design[b.PSUM_BITS])
    channels, filters = layer[w.C] // layer[w.GROUPS], layer[w.M] // layer[w.GROUPS]
    s, width, images, height = layer[w.S], layer[w.Q], layer[w.BATCH], layer[w.P]
    stride, dilation = layer[w.STRIDE_H], layer[w.DILATION_H]
    columns = touched_lines(width, s, layer[w.STRIDE_W], layer[w.DILATION_W])[0]
    window = min((s - 1) * layer[w.DILATION_W] + 1, columns)
    at_once = filter_rows(int(design[ROWS]), layer[w.R])
    input_bus, filter_bus, psum_bus = int(design[INPUT_BUS]), int(design[FILTER_BUS]), int(design[PSUM_BUS])
    n, e, r, t = mapping[N_], mapping[E_], mapping[R_], mapping[T_]
    in_pass, deep = mapping[P_] * t, mapping[Q_] * r
    blocks = ceil_div(images, n) * ceil_div(height, e)
    stationary = in_pass >= filters and deep >= channels and at_once == layer[w.R]
    for k in range(2):  # full passes, then the last one, in each dimension
        m_count, m_size = (filters // in_pass, in_pass) if k == 0 else (1, filters % in_pass)
        if m_count * m_size == 0:
            continue
        p = ceil_div(m_size, t)
        t_used = ceil_div(m_size, p)
        for j in range(2):
            c_count, c_size = (channels // deep, deep) if j == 0 else (1, channels % deep)
            if c_count * c_size == 0:
                continue
            q = ceil_div(c_size, r)
            r_used = ceil_div(c_size, q)
            for i in range(2):
                h_count, h_size = (layer[w.R] // at_once, at_once) if i == 0 else (1, layer[w.R] % at_once)
                if h_count * h_size == 0:
                    continue
                kinds = m_count * c_count * h_count
                words = m_size * c_size * h_size * s
                loads = 1 if stationary else blocks
                out[b.FILL] += kinds * loads * ceil_div(words, filter_bus)
                out[b.NETWORK_WEIGHT] += kinds * words * weight * (e if stationary else height * ceil_div(images, n))
                out[b.NETWORK_INPUT] += kinds * images * height * h_size * t_used * c_size * columns * given
                chain = h_size * r_used
                out[b.NETWORK_OUTPUT] += kinds * images * height * width * m_size * (chain + 1) * psum
                for h in range(2):
                    e_count, e_size = (height // e, e) if h == 0 else (1, height % e)
                    if e_count * e_size == 0:
                        continue
                    high = touched_lines(e_size, h_size, stride, dilation)[0]
                    ramp = ceil_div(high * c_size * window, input_bus) + ceil_div(m_size * e_size, psum_bus)
                    ramp += p + chain - 1
                    out[b.FILL] += kinds * e_count * ceil_div(images, n) * ramp
                    for g in range(2):
                        n_count, n_size = (images // n, n) if g == 0 else (1, images % n)
                        if n_count * n_size == 0:
                            continue
                        steps = n_size * width * s * p * q
                        stream = ceil_div(n_size * c_size * high * columns, input_bus)
                        sums = ceil_div(n_size * m_size * e_size * width, psum_bus)
                        out[b.COMPUTE] += kinds * e_count * n_count * max(steps, stream, sums)


@kernel
def _traffic(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """Bits through DRAM and global buffer, all groups."""
    weight, given, result = layer_bits(design, layer)
    groups, images, height = layer[w.GROUPS], layer[w.BATCH], layer[w.P]
    channels, filters = layer[w.C] // groups, layer[w.M] // groups
    stride, dilation, kernel = layer[w.STRIDE_H], layer[w.DILATION_H], layer[w.R]
    n, e = mapping[N_], mapping[E_]
    in_pass, deep = mapping[P_] * mapping[T_], mapping[Q_] * mapping[R_]
    passes, slices = ceil_div(filters, in_pass), ceil_div(channels, deep)
    at_once = filter_rows(int(design[ROWS]), kernel)
    parts, rest = kernel // at_once, kernel % at_once
    columns = touched_lines(layer[w.Q], layer[w.S], layer[w.STRIDE_W], layer[w.DILATION_W])[0]
    strips, left = height // e, height % e

    fetched, streamed = (
        strips * touched_lines(e, kernel, stride, dilation)[0],
        strips * parts * touched_lines(e, at_once, stride, dilation)[0],
    )
    if rest > 0:
        streamed += strips * touched_lines(e, rest, stride, dilation)[0]
    if left > 0:
        fetched += touched_lines(left, kernel, stride, dilation)[0]
        streamed += parts * touched_lines(left, at_once, stride, dilation)[0]
        if rest > 0:
            streamed += touched_lines(left, rest, stride, dilation)[0]
    fetched -= max(touched_lines(height, kernel, stride, dilation)[0] - layer[w.H], 0)  # padding is not in DRAM
    again = ceil_div(filters, mapping[M_]) if slices > 1 else 1
    words = again * images * layer[w.C] * fetched * min(columns, layer[w.W])
    out[b.DRAM_INPUT] = words * given
    if design[COMPRESS] > 0:
        pairs = words - words * layer[w.ZEROS_PPM] // w.PPM
        out[b.DRAM_INPUT] = min(words * given, ceil_div(pairs, 3) * (3 * (RUN_BITS + given) + 1))
    out[b.BUFFER_INPUT] = (passes * images * layer[w.C] * streamed * columns + words) * given

    blocks = ceil_div(images, n) * (strips + min(left, 1))
    all_filters = layer[w.M] * channels * kernel * layer[w.S] * weight
    stationary = passes * slices == 1 and at_once == kernel
    loads = 1 if stationary else blocks
    fits = all_filters // groups <= int(design[FILTER_KB]) * 8192
    out[b.DRAM_WEIGHT] = all_filters * (1 if fits else loads)
    out[b.BUFFER_WEIGHT] = out[b.DRAM_WEIGHT] + all_filters * loads

    outputs = images * layer[w.M] * height * layer[w.Q]
    out[b.DRAM_OUTPUT] = outputs * result
    out[b.BUFFER_OUTPUT] = 2 * outputs * slices * (parts + min(rest, 1)) * int(design[b.PSUM_BITS])


@kernel
def _registers(design: Floats, layer: Ints, out: Ints) -> None:
    """Multiplications, additions and register files: a MAC reads three words and writes one; arrivals are written."""
    weight, given, _ = layer_bits(design, layer)
    switched(design, layer, out, design[GATE_ZEROS] > 0)
    active = out[b.MULTIPLY] // (weight * given)
    out[b.REGISTER_INPUT] = out[b.MACS] * given + out[b.NETWORK_INPUT]
    out[b.REGISTER_WEIGHT] = active * weight + out[b.NETWORK_WEIGHT]
    out[b.REGISTER_OUTPUT] = 2 * out[b.ADD]
