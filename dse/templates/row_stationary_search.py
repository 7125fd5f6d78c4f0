"""Mappings of row-stationary arrays: the simple rule that a design fixes, and the search.

`dse.templates.row_stationary` says what a mapping is.
"""

from __future__ import annotations

from numba import njit

from dse.templates import base as b
from dse.templates.base import Floats, Ints, ceil_div, layer_bits
from dse.templates.row_stationary_passes import (
    BUFFER_KB,
    CHANNELS,
    COLUMNS,
    E_,
    EXTENT,
    FILTER_KB,
    FILTER_WORDS,
    FILTERS,
    INPUT_WORDS,
    M_,
    N_,
    NO_FILTERS,
    NO_ROW,
    NO_TILE,
    P_,
    PSUM_WORDS,
    Q_,
    R_,
    ROWS,
    T_,
    count,
    filter_rows,
    misfit,
    sets_in_array,
    tile_inputs,
)  # fmt: skip
from dse.workloads import layers as w
from netlists.runtime.kernel import kernel


@kernel
def limits_of(design: Floats, layer: Ints) -> tuple[int, int, int, int]:
    """Channels and filters that an element holds, (R·S) kernels of a pass over these channels; the reason if none."""
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
def default(design: Floats, layer: Ints, mapping: Ints) -> int:
    """The tallest strip that fits array and buffer, all images, and filters before channels; returns the reason.

    Where nothing fits the mapping is the smallest pass there is: all ones.
    """
    rows, columns, height = int(design[ROWS]), int(design[COLUMNS]), layer[w.P]
    limits = limits_of(design, layer)
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
def search(design: Floats, layer: Ints, mapping: Ints, trial: Ints, scratch: Ints, out: Ints) -> None:
    """Improve a mapping and its counts: strips, sets of filters and channels, images, channels of an element.

    Fewest cycles win, then least DRAM traffic.  What the elements at work could not do in the best time found, if
    nothing else took time, is not tried.
    """
    rows, columns, height = int(design[ROWS]), int(design[COLUMNS]), layer[w.P]
    at_once = filter_rows(rows, layer[w.R])
    macs, best = b.layer_macs(layer), out[b.COMPUTE] + out[b.FILL] + out[b.STALL]
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
                        count(design, layer, trial, scratch)
                        if _better(scratch, out):
                            for column in range(len(mapping)):
                                mapping[column] = trial[column]
                            for column in range(len(out)):
                                out[column] = scratch[column]
                            best = out[b.COMPUTE] + out[b.FILL] + out[b.STALL]
                images = images // 2
            t = t // 2
        if strip == 1:
            break
        strips = ceil_div(height, strip - 1)


@kernel
def _fit(
    design: Floats, layer: Ints, strip: int, r: int, t: int, images: int, q: int, mapping: Ints
) -> tuple[bool, int]:
    """The mapping with at most r sets and q channels and as many filters as fit; whether there is one, the next q.

    Register files, filter buffer and global buffer bound all three; filters and channels are spread evenly over equal
    passes.  Fewer channels are worth a try as long as they make room for filters; 0: they are not.
    """
    weight, given, _ = layer_bits(design, layer)
    channels, filters, s = layer[CHANNELS], layer[FILTERS], layer[w.S]
    words = int(design[FILTER_KB]) * 8192 // (filter_rows(int(design[ROWS]), layer[w.R]) * s * weight)
    sums, tile = t * strip * layer[w.Q] * int(design[b.PSUM_BITS]), tile_inputs(layer, strip) * given
    room = int(design[BUFFER_KB]) * 8192 // images
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
    mapping[M_] = min(blocks, rounds) * p * t
    mapping[N_], mapping[E_], mapping[P_], mapping[Q_], mapping[R_], mapping[T_] = images, strip, p, q, r, t
    return True, smaller


@njit(cache=True, inline="always")
def _better(counts: Ints, best: Ints) -> bool:
    """Fewer cycles, or as many and less DRAM traffic."""
    cycles = counts[b.COMPUTE] + counts[b.FILL] + counts[b.STALL]
    least = best[b.COMPUTE] + best[b.FILL] + best[b.STALL]
    moved = counts[b.DRAM_INPUT] + counts[b.DRAM_WEIGHT] + counts[b.DRAM_OUTPUT]
    fewest = best[b.DRAM_INPUT] + best[b.DRAM_WEIGHT] + best[b.DRAM_OUTPUT]
    return bool(cycles < least or (cycles == least and moved < fewest))
