"""Row-stationary arrays (Eyeriss): a processing element convolves one filter row with one input row.

A set of R × e elements makes e output rows of one strip: filter rows go along, input rows along the diagonal, partial
sums up.  A strip wider than the array is folded; r sets take different channels and add up, t sets take different
filters.  Each element holds p filters and q channels in its register files.  A processing pass so covers n images,
e output rows, p·t filters and q·r channels, and passes over the channels accumulate in the global buffer, which holds
the partial sums of m filters:

    for group, for n images, for strip of e rows, for m filters, for q·r channels, for filter rows beyond the array,
        for p·t of the m filters: one pass

Cycles of a pass (JSSC'17 sections III-V give datapath and bus widths):
- COMPUTE: n·Q·S·p·q multiplications of one element, or, when longer, the stream of inputs or of partial sums over
  their buses.
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

from dse import workload as w
from dse.templates.base import (
    ADD,
    BUFFER_INPUT,
    BUFFER_OUTPUT,
    BUFFER_WEIGHT,
    COMPUTE,
    COUNTS,
    DRAM_INPUT,
    DRAM_OUTPUT,
    DRAM_WEIGHT,
    FILL,
    INPUT_BITS,
    MACS,
    MULTIPLY,
    NETWORK_INPUT,
    NETWORK_OUTPUT,
    NETWORK_WEIGHT,
    OWN,
    PSUM_BITS,
    REGISTER_INPUT,
    REGISTER_OUTPUT,
    REGISTER_WEIGHT,
    STALL,
    WEIGHT_BITS,
    Floats,
    Hardware,
    Ints,
    Parameter,
    Template,
    ceil_div,
    dram_cycles,
    kernel,
    layer_bits,
    switched,
    touched_lines,
    traffic_only,
)  # fmt: skip

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
 GATE_ZEROS, COMPRESS) = range(OWN, OWN + len(PARAMETERS))  # fmt: skip

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
STRIP_CHOICES = 4  # strips of up to so many sets side by side are tried by the search


@njit(cache=True, inline="always")
def _filter_rows(rows: int, kernel: int) -> int:
    """Filter rows in the array at once: all, or equal parts of a kernel taller than the array."""
    return kernel if kernel <= rows else ceil_div(kernel, ceil_div(kernel, rows))


@njit(cache=True, inline="always")
def _sets(rows: int, columns: int, height: int, strip: int) -> int:
    """Sets of height × strip elements that the array holds; wide strips are folded, narrow ones lie side by side."""
    if strip > columns:
        return rows // (height * ceil_div(strip, columns))
    return rows // height * (columns // strip)


@kernel
def _misfit(design: Floats, layer: Ints, mapping: Ints) -> int:
    """Reason why a mapping cannot run, 0 if it can."""
    weight, given, _ = layer_bits(design, layer)
    channels, filters = layer[w.C] // layer[w.GROUPS], layer[w.M] // layer[w.GROUPS]
    p, q, e = mapping[P_], mapping[Q_], mapping[E_]
    if min(mapping[M_], mapping[N_], e, p, q, mapping[R_], mapping[T_]) < 1:
        return NO_TILES
    height = _filter_rows(int(design[ROWS]), layer[w.R])
    window = (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    if q * window > design[INPUT_WORDS] or p * q * layer[w.S] > design[FILTER_WORDS] or p > design[PSUM_WORDS]:
        return NO_ROW
    sets = _sets(int(design[ROWS]), int(design[COLUMNS]), height, e)
    block = mapping[M_]
    if mapping[R_] * mapping[T_] > sets or (block < filters and block % (p * mapping[T_]) > 0):
        return NO_ARRAY
    in_pass, deep = min(p * mapping[T_], filters), min(q * mapping[R_], channels)
    if in_pass * deep * height * layer[w.S] * weight > int(design[FILTER_KB]) * 8192:
        return NO_FILTERS
    taken = min(block, filters) * e * layer[w.Q] * int(design[PSUM_BITS])
    taken += deep * _tile_inputs(layer, e) * given
    if mapping[N_] * taken > int(design[BUFFER_KB]) * 8192:
        return NO_TILE
    return 0


@njit(cache=True, inline="always")
def _tile_inputs(layer: Ints, strip: int) -> int:
    """Input words of one channel and image under a strip, padding included."""
    high = touched_lines(strip, layer[w.R], layer[w.STRIDE_H], layer[w.DILATION_H])[0]
    return high * touched_lines(layer[w.Q], layer[w.S], layer[w.STRIDE_W], layer[w.DILATION_W])[0]


@kernel
def _count(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """The counts of one layer under a mapping that fits."""
    out[:] = 0
    _time_and_network(design, layer, mapping, out)
    _traffic(design, layer, mapping, out)
    groups = layer[w.GROUPS]
    for column in (COMPUTE, FILL, NETWORK_INPUT, NETWORK_WEIGHT, NETWORK_OUTPUT):
        out[column] *= groups
    _registers(design, layer, out)
    busy = out[COMPUTE] + out[FILL]
    _, given, _ = layer_bits(design, layer)
    deep = min(mapping[Q_] * mapping[R_], layer[w.C] // groups)
    first = min(mapping[N_] * deep * _tile_inputs(layer, mapping[E_]) * given, out[DRAM_INPUT])
    fetched = dram_cycles(design, out[DRAM_INPUT] + out[DRAM_WEIGHT])
    out[STALL] = dram_cycles(design, out[DRAM_OUTPUT]) + max(dram_cycles(design, first), fetched - busy)


@kernel
def _time_and_network(design: Floats, layer: Ints, mapping: Ints, out: Ints) -> None:
    """Cycles of one group's passes, full and partial, and the hops of words in the array."""
    weight, given, _ = layer_bits(design, layer)
    psum = int(design[PSUM_BITS])
    channels, filters = layer[w.C] // layer[w.GROUPS], layer[w.M] // layer[w.GROUPS]
    s, width, images, height = layer[w.S], layer[w.Q], layer[w.BATCH], layer[w.P]
    stride, dilation = layer[w.STRIDE_H], layer[w.DILATION_H]
    columns = touched_lines(width, s, layer[w.STRIDE_W], layer[w.DILATION_W])[0]
    window = min((s - 1) * layer[w.DILATION_W] + 1, columns)
    at_once = _filter_rows(int(design[ROWS]), layer[w.R])
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
                out[FILL] += kinds * loads * ceil_div(words, filter_bus)
                out[NETWORK_WEIGHT] += kinds * words * weight * (e if stationary else height * ceil_div(images, n))
                out[NETWORK_INPUT] += kinds * images * height * h_size * t_used * c_size * columns * given
                chain = h_size * r_used
                out[NETWORK_OUTPUT] += kinds * images * height * width * m_size * (chain + 1) * psum
                for h in range(2):
                    e_count, e_size = (height // e, e) if h == 0 else (1, height % e)
                    if e_count * e_size == 0:
                        continue
                    high = touched_lines(e_size, h_size, stride, dilation)[0]
                    ramp = ceil_div(high * c_size * window, input_bus) + ceil_div(m_size * e_size, psum_bus)
                    ramp += p + chain - 1
                    out[FILL] += kinds * e_count * ceil_div(images, n) * ramp
                    for g in range(2):
                        n_count, n_size = (images // n, n) if g == 0 else (1, images % n)
                        if n_count * n_size == 0:
                            continue
                        steps = n_size * width * s * p * q
                        stream = ceil_div(n_size * c_size * high * columns, input_bus)
                        sums = ceil_div(n_size * m_size * e_size * width, psum_bus)
                        out[COMPUTE] += kinds * e_count * n_count * max(steps, stream, sums)


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
    at_once = _filter_rows(int(design[ROWS]), kernel)
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
    out[DRAM_INPUT] = words * given
    if design[COMPRESS] > 0:
        pairs = words - words * layer[w.ZEROS_PPM] // w.PPM
        out[DRAM_INPUT] = min(words * given, ceil_div(pairs, 3) * (3 * (RUN_BITS + given) + 1))
    out[BUFFER_INPUT] = (passes * images * layer[w.C] * streamed * columns + words) * given

    blocks = ceil_div(images, n) * (strips + min(left, 1))
    all_filters = layer[w.M] * channels * kernel * layer[w.S] * weight
    stationary = passes * slices == 1 and at_once == kernel
    loads = 1 if stationary else blocks
    fits = all_filters // groups <= int(design[FILTER_KB]) * 8192
    out[DRAM_WEIGHT] = all_filters * (1 if fits else loads)
    out[BUFFER_WEIGHT] = out[DRAM_WEIGHT] + all_filters * loads

    outputs = images * layer[w.M] * height * layer[w.Q]
    out[DRAM_OUTPUT] = outputs * result
    out[BUFFER_OUTPUT] = 2 * outputs * slices * (parts + min(rest, 1)) * int(design[PSUM_BITS])


@kernel
def _registers(design: Floats, layer: Ints, out: Ints) -> None:
    """Multiplications, additions and register files: a MAC reads three words and writes one; arrivals are written."""
    weight, given, _ = layer_bits(design, layer)
    switched(design, layer, out, design[GATE_ZEROS] > 0)
    active = out[MULTIPLY] // (weight * given)
    out[REGISTER_INPUT] = out[MACS] * given + out[NETWORK_INPUT]
    out[REGISTER_WEIGHT] = active * weight + out[NETWORK_WEIGHT]
    out[REGISTER_OUTPUT] = 2 * out[ADD]


@kernel
def _fill(design: Floats, layer: Ints, strip: int, t: int, images: int, mapping: Ints) -> int:
    """The largest mapping with e = strip, at most t sets of filters and n images; returns the reason if none fits.

    As many channels as the input registers take, then as many sets and filters as the filter registers and buffer
    take, spread evenly over equal passes; remaining sets take channels; m fills the buffer.
    """
    weight, given, _ = layer_bits(design, layer)
    channels, filters = layer[w.C] // layer[w.GROUPS], layer[w.M] // layer[w.GROUPS]
    height = _filter_rows(int(design[ROWS]), layer[w.R])
    s = layer[w.S]
    sets = _sets(int(design[ROWS]), int(design[COLUMNS]), height, strip)
    words = int(design[FILTER_KB]) * 8192 // (height * s * weight)  # filter words / (R·S) of a pass
    q = min(int(design[INPUT_WORDS]) // ((s - 1) * layer[w.DILATION_W] + 1), channels, int(design[FILTER_WORDS]) // s)
    if q < 1:
        return NO_ROW
    if words < 1:
        return NO_FILTERS
    q = min(q, words)
    t = min(t, sets, filters, words // q)
    p = min(int(design[FILTER_WORDS]) // (q * s), int(design[PSUM_WORDS]), words // (q * t))
    rounds = ceil_div(filters, p * t)
    p = ceil_div(filters, rounds * t)
    t = min(t, ceil_div(filters, p))
    r = 1
    if sets >= 2 * t and channels > q:
        r = max(min(sets // t, words // (p * t * q), ceil_div(channels, q)), 1)
    if channels > q:
        q = ceil_div(channels, r * ceil_div(channels, q * r))
        r = min(r, ceil_div(channels, q))
    sums = strip * layer[w.Q] * int(design[PSUM_BITS])
    inputs = min(q * r, channels) * _tile_inputs(layer, strip) * given
    room = int(design[BUFFER_KB]) * 8192
    n = min(images, room // (min(p * t, filters) * sums + inputs))
    if n < 1:
        return NO_TILE
    blocks = (room // n - inputs) // (sums * p * t)
    mapping[M_] = max(min(blocks * p * t, rounds * p * t), p * t)
    mapping[N_], mapping[E_], mapping[P_], mapping[Q_], mapping[R_], mapping[T_] = n, strip, p, q, r, t
    return 0


@kernel
def _default(design: Floats, layer: Ints, mapping: Ints) -> int:
    """The tallest strip that fits array and buffer, all images, and filters before channels; returns the reason."""
    rows, columns, height = int(design[ROWS]), int(design[COLUMNS]), layer[w.P]
    most = columns * (rows // _filter_rows(rows, layer[w.R]))
    strips = ceil_div(height, min(height, most))
    while True:
        strip = ceil_div(height, strips)
        reason = _fill(design, layer, strip, rows * columns, layer[w.BATCH], mapping)
        if reason != NO_TILE:
            return reason
        if strip == 1:  # not even one row for all these filters and channels: the smallest pass there is
            for column in range(len(mapping)):
                mapping[column] = 1
            return _misfit(design, layer, mapping)
        strips = min(2 * strips, height)


@kernel
def _search(design: Floats, layer: Ints, mapping: Ints, trial: Ints, scratch: Ints, out: Ints) -> None:
    """Improve a mapping: strips for 1, 2, ... sets side by side, sets for filters or channels, images of a pass.

    Fewest cycles win, then least DRAM traffic.
    """
    columns, height = int(design[COLUMNS]), layer[w.P]
    at_once = _filter_rows(int(design[ROWS]), layer[w.R])
    last = 0
    for side in range(STRIP_CHOICES + 1):
        strip = mapping[E_]
        if side > 0:
            strip = ceil_div(height, ceil_div(height, min(height, max(columns // side, 1))))
        if strip == last:
            continue
        last = strip
        t = _sets(int(design[ROWS]), columns, at_once, strip)
        while t > 0:
            images = layer[w.BATCH]
            while images > 0 and _fill(design, layer, strip, t, images, trial) == 0:
                _count(design, layer, trial, scratch)
                if _better(scratch, out):
                    for column in range(len(mapping)):
                        mapping[column] = trial[column]
                    for column in range(len(out)):
                        out[column] = scratch[column]
                images = trial[N_] // 2
            t = t // 2


@njit(cache=True, inline="always")
def _better(counts: Ints, best: Ints) -> bool:
    """Fewer cycles, or as many and less DRAM traffic."""
    cycles = counts[COMPUTE] + counts[FILL] + counts[STALL]
    least = best[COMPUTE] + best[FILL] + best[STALL]
    moved = counts[DRAM_INPUT] + counts[DRAM_WEIGHT] + counts[DRAM_OUTPUT]
    fewest = best[DRAM_INPUT] + best[DRAM_WEIGHT] + best[DRAM_OUTPUT]
    return bool(cycles < least or (cycles == least and moved < fewest))


def run(
    designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints, reasons: npt.NDArray[np.int16]
) -> None:
    """Counts of S designs on L layers, see `Template.run`."""
    trial, scratch = np.zeros(len(MAPPING), np.int64), np.zeros(COUNTS, np.int64)
    _run(designs, layers, mappings, search, counts, reasons, trial, scratch)


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
                traffic_only(design, layer, out)
                continue
            reason = _default(design, layer, mapping) if search else _misfit(design, layer, mapping)
            reasons[i, j] = reason
            if reason > 0:
                out[:] = 0
                continue
            _count(design, layer, mapping, out)
            if search:
                _search(design, layer, mapping, trial, scratch, out)


@kernel
def _defaults(designs: Floats, layers: Ints, mappings: Ints) -> None:
    for i in range(len(designs)):
        for j in range(len(layers)):
            if layers[j, w.KIND] <= w.Kind.MATMUL:
                _default(designs[i], layers[j], mappings[i, j])


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The mapping [S, L, G] of the simple rule of `_default`; ones where nothing fits."""
    mappings = np.ones((len(designs), len(layers), len(MAPPING)), np.int64)
    _defaults(designs, layers, mappings)
    return mappings


def hardware(designs: Floats) -> Hardware:
    """Elements with three register files each, and one buffer of equal SRAMs for all operands."""
    elements = designs[:, ROWS] * designs[:, COLUMNS]
    buffer_kb = designs[:, BUFFER_KB] + designs[:, FILTER_KB]
    words = designs[:, [INPUT_WORDS, FILTER_WORDS, PSUM_WORDS]]
    bits = designs[:, [INPUT_BITS, WEIGHT_BITS, PSUM_BITS]]
    return Hardware(
        multipliers=elements,
        buffer_bytes=np.repeat(1024 * buffer_kb[:, None], 3, axis=1),
        register_bytes=words * bits / 8,
        elements=elements,
        buffer_banks=np.repeat(np.ceil(buffer_kb / designs[:, BANK_KB])[:, None], 3, axis=1),
        shared_buffer=True,
    )


def loop_nest(design: Sequence[float], layer: w.Layer, mapping: Sequence[int]) -> list[str]:
    """The mapping as loops, outermost first; spatial ones are marked `parallel`."""
    m, n, e, p, q, r, t = mapping
    groups = layer.groups
    height = _filter_rows(int(design[ROWS]), layer.kernel_h)
    lines = [
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
    return ["  " * depth + line for depth, line in enumerate(lines)]


TEMPLATE = Template(
    name="row_stationary",
    title="Row-stationary array with register files and a global buffer (Eyeriss)",
    source="Chen, Emer, Sze, ISCA 2016; Chen, Krishna, Emer, Sze, IEEE JSSC 52(1), 2017, sections III to V",
    own=PARAMETERS,
    mapping=MAPPING,
    run=run,
    default_mapping=default_mapping,
    hardware=hardware,
    loop_nest=loop_nest,
    reasons=REASONS,
)
