"""What a systolic array reads and waits for, in blocks of its three loops: see `dse.templates.systolic`."""

from __future__ import annotations

from math import gcd

import numpy as np

from dse.templates import base
from dse.templates.base import Floats, Ints, ceil_div
from dse.workloads import layers as w
from netlists.runtime.kernel import kernel

# Columns of a design, after the common ones.
ROWS, COLUMNS, DATAFLOW, INPUT_KB, WEIGHT_KB, OUTPUT_KB = range(base.OWN, base.OWN + 6)
WS, OS, IS = range(3)  # dataflows

# Loops from outer to inner: p pixels, w window, k filters; and the place of each in an order.
ORDERS = ("pwk", "pkw", "wpk", "wkp", "kpw", "kwp")
PLACE = np.array([[order.index(loop) for loop in "pwk"] for order in ORDERS])

# What a kernel needs of a layer: sizes of the three loops, kernel area, channels of a group, groups, output width and
# pixels of an image, images, input lines and columns touched of all images, lines that a further output row adds (A)
# and that neighboring blocks of rows share (B).
(PX, WIN, K, AREA, CHANNELS, GROUPS, WIDTH, IMAGE, IMAGES, LINES, COLS, A, B) = range(13)
SHAPE = 13


@kernel
def shape_of(layer: Ints, shape: Ints) -> None:
    """Fill the SHAPE numbers of a layer."""
    groups, batch, p, q = layer[w.GROUPS], layer[w.BATCH], layer[w.P], layer[w.Q]
    lines, each, shared = base.touched_lines(p, layer[w.R], layer[w.STRIDE_H], layer[w.DILATION_H])
    columns, _, _ = base.touched_lines(q, layer[w.S], layer[w.STRIDE_W], layer[w.DILATION_W])
    shape[PX], shape[K] = batch * p * q, layer[w.M] // groups
    shape[AREA], shape[CHANNELS] = layer[w.R] * layer[w.S], layer[w.C] // groups
    shape[WIN] = shape[AREA] * shape[CHANNELS]
    shape[GROUPS], shape[WIDTH], shape[IMAGE], shape[IMAGES] = groups, q, p * q, batch
    shape[LINES], shape[COLS] = batch * min(lines, layer[w.H]), min(columns, layer[w.W])
    shape[A], shape[B] = each, shared


@kernel
def spanned(size: int, unit: int, most: int) -> int:
    """How many units a part touches, where equal parts of `size` follow each other; at most `most`."""
    return min(most, size // unit if size % unit == 0 else (size - 2) // unit + 2)


@kernel
def lines_for(shape: Ints, pixels: int) -> int:
    """Input lines under a run of output pixels."""
    rows = spanned(pixels, shape[WIDTH], shape[PX])
    images = spanned(pixels, shape[IMAGE], shape[IMAGES])
    return int(min(shape[A] * rows + shape[B] * images, shape[LINES]))


@kernel
def aligned(parts: int, size: int, unit: int) -> int:
    """How many of the boundaries size, 2 size, ... between parts fall on a multiple of unit."""
    return (parts - 1) // (unit // gcd(size, unit))


@kernel
def reads(design: Floats, shape: Ints, bits: Ints, size: Ints, count: Ints, order: int, out: Ints) -> None:
    """DRAM bits of input, weight, output of one group, for loop sizes and counts [3] of blocks, in order p, w, k."""
    p, window, k = PLACE[order, 0], PLACE[order, 1], PLACE[order, 2]
    room_in, room_weight, room_out = (
        int(design[INPUT_KB] * 4096), int(design[WEIGHT_KB] * 4096), int(design[OUTPUT_KB] * 4096)
    )  # fmt: skip
    line = shape[COLS] * bits[0]
    whole = shape[LINES] * line * shape[CHANNELS]
    out[0] = whole
    if whole > room_in:
        channels = spanned(size[1], shape[AREA], shape[CHANNELS])
        lines = lines_for(shape, size[0])
        deep, thin = lines * shape[CHANNELS], lines * channels
        flat = shape[LINES] * channels
        # Lines that two blocks of pixels share, and channels that two blocks of the window share, are read twice when
        # what runs between the two blocks does not fit.
        revisited = (window > p and count[1] > 1) or (k > p and count[2] > 1)
        if revisited and (deep if window > p else thin) * line > room_in:
            inside = count[0] - 1 - aligned(count[0], size[0], shape[WIDTH])
            between = count[0] - 1 - aligned(count[0], size[0], shape[IMAGE])
            out[0] += (inside * shape[A] + between * shape[B]) * line * shape[CHANNELS]
        revisited = (p > window and count[0] > 1) or (k > window and count[2] > 1)
        if revisited and (flat if p > window else thin) * line > room_in:
            split = count[1] - 1 - aligned(count[1], size[1], shape[AREA])
            out[0] += split * shape[LINES] * line
        kept_lines = lines if p < k else shape[LINES]
        kept_channels = channels if window < k else shape[CHANNELS]
        if kept_lines * line * kept_channels > room_in:
            out[0] *= count[2]
    out[1] = shape[WIN] * shape[K] * bits[1]
    if (size[1] if window < p else shape[WIN]) * (size[2] if k < p else shape[K]) * bits[1] > room_weight:
        out[1] *= count[0]
    out[2] = shape[PX] * shape[K] * bits[2]
    sums = (size[0] if p < window else shape[PX]) * (size[2] if k < window else shape[K]) * bits[3]
    if sums > room_out:
        out[2] += (count[1] - 1) * 2 * shape[PX] * shape[K] * bits[3]


@kernel
def ends(design: Floats, shape: Ints, bits: Ints, size: Ints) -> tuple[int, int, int]:
    """Bits of input and of weights that the array must have to begin, and of outputs that leave it last."""
    flow = int(design[DATAFLOW])
    pixels = min(size[0], shape[WIDTH]) if flow == WS else size[0]
    channels = 1 if flow == OS else spanned(size[1], shape[AREA], shape[CHANNELS])
    given = lines_for(shape, pixels) * shape[COLS] * channels * bits[0]
    weights = (1 if flow == OS else size[1]) * (1 if flow == IS else size[2]) * bits[1]
    return given, weights, pixels * (1 if flow == IS else size[2]) * bits[2]


@kernel
def tile(design: Floats, shape: Ints, block: int, size: Ints, count: Ints) -> None:
    """Loop sizes and counts [3] of what runs in one go, in order p, w, k."""
    flow = int(design[DATAFLOW])
    size[0] = block if flow == WS else int(design[ROWS if flow == OS else COLUMNS])
    size[1] = block if flow == OS else int(design[ROWS])
    size[2] = block if flow == IS else int(design[COLUMNS])
    for loop in range(3):
        full = shape[PX + loop]
        size[loop] = min(size[loop], full)
        count[loop] = ceil_div(full, size[loop])


@kernel
def stall(design: Floats, moved: int, begin: int, end: int, busy: int) -> int:
    """Cycles beyond the array's, for bits of all DRAM traffic, of the first load and of the last store."""
    beside = base.dram_cycles(design, moved - begin - end) - busy
    return base.dram_cycles(design, begin) + max(0, beside) + base.dram_cycles(design, end)


@kernel
def fill(design: Floats) -> int:
    """Cycles to fill and drain the array around one block."""
    down = int(design[ROWS])
    return (down if int(design[DATAFLOW]) == OS else 2 * down) + int(design[COLUMNS]) - 2
