"""Geometry that templates share: input lines under rows of outputs, and strips of inputs that fit a buffer."""

from __future__ import annotations

from math import gcd

from numba import njit

from dse.templates.base import Ints, ceil_div
from dse.workloads import layers as w
from netlists.runtime.kernel import inlined_kernel, kernel


@njit(cache=True, inline="always")
def line_steps(stride: int, dilation: int) -> tuple[int, int]:
    """Both numbers that `lines_under` takes: lines that one more output adds, and how far apart outputs share lines.

    Output i and kernel position j touch line i × stride + j × dilation.  Positions fall into stride / gcd classes; two
    neighbors of a class touch the same lines dilation / gcd outputs apart.
    """
    if stride == 1 or dilation == 1:
        return stride, dilation
    common = gcd(stride, dilation)
    return stride // common, dilation // common


@njit(cache=True, inline="always")
def lines_under(outputs: int, kernel: int, step: int, apart: int) -> int:
    """Number of different input lines that a row of outputs touches, with both numbers of `line_steps`."""
    each = min(step, kernel)
    return each * outputs + (kernel - each) * min(apart, outputs)


@kernel
def touched_lines(outputs: int, kernel: int, stride: int, dilation: int) -> tuple[int, int, int]:
    """Numbers of input lines under a row of outputs: all, those that each output adds, those that blocks share.

    The second number holds from dilation / gcd outputs on.  The third is how many lines two long blocks of neighboring
    outputs have in common.
    """
    step, apart = line_steps(stride, dilation)
    each = min(step, kernel)
    return lines_under(outputs, kernel, step, apart), each, (kernel - each) * apart


@kernel
def cut_strips(layer: Ints, room: int) -> tuple[int, int, int]:
    """How the inputs of a group of a layer [F] are cut into strips that have at most `room` elements.

    Returns the output rows of a strip, the output columns of a strip, and the number of input elements of all strips.
    Lines are read whole, those that a stride passes over too.  Strips overlap where their kernels do.  Rows are 0 if
    not even one window fits.
    """
    channels, p, q = layer[w.C] // layer[w.GROUPS], layer[w.P], layer[w.Q]
    high, wide = (layer[w.R] - 1) * layer[w.DILATION_H] + 1, (layer[w.S] - 1) * layer[w.DILATION_W] + 1
    down, right = layer[w.STRIDE_H], layer[w.STRIDE_W]
    image = min(layer[w.H], (p - 1) * down + high)
    lines, line = layer[w.BATCH] * image, layer[w.W] * channels
    if image * line <= room:
        return min(layer[w.BATCH], room // (image * line)) * p, q, lines * line
    rows = (room // line - high) // down + 1
    if rows >= 1:
        return rows, q, (lines + layer[w.BATCH] * (ceil_div(p, rows) - 1) * max(0, high - down)) * line
    columns = min(q, (room // (high * channels) - wide) // right + 1)
    if columns < 1:
        return 0, 0, 0
    overlap = (ceil_div(q, columns) - 1) * max(0, wide - right)
    return 1, columns, lines * (layer[w.W] + overlap) * channels


@kernel
def strip_sizes(layer: Ints, rows: int, columns: int) -> tuple[int, int, int, int]:
    """The two sizes of strips of rows × columns outputs in a layer [F], all counted in pixels of the output.

    Returns the number of whole strips and the pixels of one, then the number of smaller strips and the pixels of one.
    """
    batch, p, q = layer[w.BATCH], layer[w.P], layer[w.Q]
    if columns < q:
        whole, length, rests, rest = batch * p * (q // columns), columns, batch * p, q % columns
    elif rows < p:
        whole, length, rests, rest = batch * (p // rows), rows * q, batch, p % rows * q
    else:
        whole, length, rests, rest = batch * p // rows, rows * q, 1, batch * p % rows * q
    return whole, length, rests * min(1, rest), rest


@inlined_kernel
def first_lines(layer: Ints, elements: int, strips: int) -> int:
    """Input elements of a group of a layer [F] that must be on chip before the array can begin.

    They are the lines under the first row of outputs, or one of the equal `strips` of all `elements` if that is less.
    """
    lines = min(layer[w.R], layer[w.H]) * layer[w.W] * (layer[w.C] // layer[w.GROUPS])
    return int(min(lines, ceil_div(elements, strips)))
