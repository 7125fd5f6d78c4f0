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
from dse.templates import base as b
from dse.templates.base import Floats, Hardware, Ints, Template, ceil_div, kernel, layer_bits, traffic_only
from dse.templates.row_stationary_passes import (
    BANK_KB,
    BUFFER_KB,
    CHANNELS,
    COLUMNS,
    E_,
    EXTENDED,
    EXTENT,
    FILTER_KB,
    FILTER_WORDS,
    FILTERS,
    INPUT_WORDS,
    M_,
    MAPPING,
    N_,
    NO_FILTERS,
    NO_ROW,
    NO_TILE,
    P_,
    PARAMETERS,
    PSUM_WORDS,
    Q_,
    R_,
    REASONS,
    ROWS,
    T_,
    count,
    extend,
    filter_rows,
    misfit,
    sets_in_array,
    tile_inputs,
)  # fmt: skip

STRIP_CHOICES = 4  # strips of up to so many sets side by side are tried by the search


@kernel
def _limits(design: Floats, layer: Ints) -> tuple[int, int, int, int]:
    """Channels and filters that an element holds; rows of these channels that the filter buffer holds; and the reason
    if one of them is none.
    """
    weight, _, _ = layer_bits(design, layer)
    words = int(design[FILTER_KB]) * 8192 // (filter_rows(int(design[ROWS]), layer[w.R]) * layer[w.S] * weight)
    held = int(design[FILTER_WORDS]) // layer[w.S]
    q = min(int(design[INPUT_WORDS]) // layer[EXTENT], layer[CHANNELS], held, max(words, 1))
    if q < 1:
        return 0, 0, 0, NO_ROW
    return q, min(held // q, int(design[PSUM_WORDS])), words // q, NO_FILTERS if words < 1 else 0


@kernel
def _fill(
    design: Floats, layer: Ints, limits: tuple[int, int, int, int], strip: int, t: int, images: int, mapping: Ints
) -> bool:
    """The largest mapping with e = strip, at most t sets of filters and n images; returns whether there is one.

    As many channels as the input registers take, then as many sets and filters as the filter registers and buffer
    take, spread evenly over equal passes; remaining sets take channels; m fills the buffer.
    """
    _, given, _ = layer_bits(design, layer)
    channels, filters = layer[CHANNELS], layer[FILTERS]
    q, p, deepest, _ = limits
    height = filter_rows(int(design[ROWS]), layer[w.R])
    sets = sets_in_array(int(design[ROWS]), int(design[COLUMNS]), height, strip)
    t = min(t, sets, filters, deepest)
    p = min(p, deepest // t)
    rounds = ceil_div(filters, p * t)
    p = ceil_div(filters, rounds * t)
    t = min(t, ceil_div(filters, p))
    sums = strip * layer[w.Q] * int(design[b.PSUM_BITS])
    tile = tile_inputs(layer, strip) * given
    room = int(design[BUFFER_KB]) * 8192
    if min(p * t, filters) * sums + tile > room:  # not even with one channel
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
    mapping[M_] = max(min(blocks * p * t, rounds * p * t), p * t)
    mapping[N_], mapping[E_], mapping[P_], mapping[Q_], mapping[R_], mapping[T_] = n, strip, p, q, r, t
    return True


@kernel
def _default(design: Floats, layer: Ints, mapping: Ints) -> int:
    """The tallest strip that fits array and buffer, all images, and filters before channels; returns the reason.

    Where nothing fits the mapping is the smallest pass there is: all ones.
    """
    rows, columns, height = int(design[ROWS]), int(design[COLUMNS]), layer[w.P]
    limits = _limits(design, layer)
    reason = limits[3]
    _, given, _ = layer_bits(design, layer)
    # A pass of `_fill` has no fewer filters: flooring p·t to multiples, then spreading them evenly, at most halve each.
    least = ceil_div(min(limits[1], ceil_div(limits[2], 2), layer[FILTERS]), 2)
    row_sums, room = least * layer[w.Q] * int(design[b.PSUM_BITS]), int(design[BUFFER_KB]) * 8192
    most = columns * (rows // filter_rows(rows, layer[w.R]))
    strips = ceil_div(height, min(height, most))
    while reason == 0:
        strip = ceil_div(height, strips)
        may_fit = strip * row_sums + tile_inputs(layer, strip) * given <= room
        if may_fit and _fill(design, layer, limits, strip, rows * columns, layer[w.BATCH], mapping):
            return 0
        if strip == 1:
            reason = NO_TILE
        strips = min(2 * strips, height)
    for column in range(len(mapping)):
        mapping[column] = 1
    return misfit(design, layer, mapping)


@kernel
def _search(design: Floats, layer: Ints, mapping: Ints, trial: Ints, scratch: Ints, out: Ints) -> None:
    """Improve a mapping: strips for 1, 2, ... sets side by side, sets for filters or channels, images of a pass.

    Fewest cycles win, then least DRAM traffic.
    """
    columns, height = int(design[COLUMNS]), layer[w.P]
    at_once = filter_rows(int(design[ROWS]), layer[w.R])
    limits = _limits(design, layer)
    last = 0
    for side in range(STRIP_CHOICES + 1):
        strip = mapping[E_]
        if side > 0:
            strip = ceil_div(height, ceil_div(height, min(height, max(columns // side, 1))))
        if strip == last:
            continue
        last = strip
        t = sets_in_array(int(design[ROWS]), columns, at_once, strip)
        while t > 0:
            images = layer[w.BATCH]
            while images > 0 and _fill(design, layer, limits, strip, t, images, trial):
                count(design, layer, trial, scratch)
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
    cycles = counts[b.COMPUTE] + counts[b.FILL] + counts[b.STALL]
    least = best[b.COMPUTE] + best[b.FILL] + best[b.STALL]
    moved = counts[b.DRAM_INPUT] + counts[b.DRAM_WEIGHT] + counts[b.DRAM_OUTPUT]
    fewest = best[b.DRAM_INPUT] + best[b.DRAM_WEIGHT] + best[b.DRAM_OUTPUT]
    return bool(cycles < least or (cycles == least and moved < fewest))


def run(
    designs: Floats, layers: Ints, mappings: Ints, search: bool, counts: Ints, reasons: npt.NDArray[np.int16]
) -> None:
    """Counts of S designs on L layers, see `Template.run`."""
    trial, scratch = np.zeros(len(MAPPING), np.int64), np.zeros(b.COUNTS, np.int64)
    _run(designs, extended(layers), mappings, search, counts, reasons, trial, scratch)


def extended(layers: Ints) -> Ints:
    """Layers [L, EXTENDED] with the columns of `dse.templates.row_stationary_passes`."""
    out = np.empty((len(layers), EXTENDED), np.int64)
    _extend(layers, out)
    return out


@kernel
def _extend(layers: Ints, out: Ints) -> None:
    for i in range(len(layers)):
        extend(layers[i], out[i])


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
            reason = _default(design, layer, mapping) if search else misfit(design, layer, mapping)
            reasons[i, j] = reason
            if reason > 0:
                out[:] = 0
                continue
            count(design, layer, mapping, out)
            if search:
                _search(design, layer, mapping, trial, scratch, out)


@kernel
def _defaults(designs: Floats, layers: Ints, mappings: Ints) -> None:
    for i in range(len(designs)):
        for j in range(len(layers)):
            if layers[j, w.KIND] <= w.Kind.MATMUL:
                _default(designs[i], layers[j], mappings[i, j])
            else:
                for column in range(len(MAPPING)):
                    mappings[i, j, column] = 1


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The mapping [S, L, G] of the simple rule of `_default`; ones where nothing fits."""
    mappings = np.empty((len(designs), len(layers), len(MAPPING)), np.int64)
    _defaults(designs, extended(layers), mappings)
    return mappings


def hardware(designs: Floats) -> Hardware:
    """Elements with three register files each, and one buffer of equal SRAMs for all operands."""
    elements = designs[:, ROWS] * designs[:, COLUMNS]
    buffer_kb = designs[:, BUFFER_KB] + designs[:, FILTER_KB]
    words = designs[:, [INPUT_WORDS, FILTER_WORDS, PSUM_WORDS]]
    bits = designs[:, [b.INPUT_BITS, b.WEIGHT_BITS, b.PSUM_BITS]]
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
    height = filter_rows(int(design[ROWS]), layer.kernel_h)
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
