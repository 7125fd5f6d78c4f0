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

from dse.templates import base as b
from dse.templates.base import Floats, Hardware, Ints, Template, traffic_only
from dse.templates.row_stationary_passes import (
    BANK_KB,
    BUFFER_KB,
    COLUMNS,
    EXTENDED,
    FILTER_KB,
    FILTER_WORDS,
    INPUT_WORDS,
    MAPPING,
    PARAMETERS,
    PSUM_WORDS,
    REASONS,
    ROWS,
    count,
    extend,
    filter_rows,
    misfit,
)
from dse.templates.row_stationary_search import default
from dse.templates.row_stationary_search import search as search_mapping
from dse.workloads import layers as w
from netlists.runtime.kernel import kernel


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
            reason = default(design, layer, mapping) if search else misfit(design, layer, mapping)
            reasons[i, j] = reason
            if reason > 0:
                out[:] = 0
                continue
            count(design, layer, mapping, out)
            if search:
                search_mapping(design, layer, mapping, trial, scratch, out)


@kernel
def _defaults(designs: Floats, layers: Ints, mappings: Ints) -> None:
    for i in range(len(designs)):
        for j in range(len(layers)):
            if layers[j, w.KIND] <= w.Kind.MATMUL:
                default(designs[i], layers[j], mappings[i, j])
            else:
                for column in range(len(MAPPING)):
                    mappings[i, j, column] = 1


def default_mapping(designs: Floats, layers: Ints) -> Ints:
    """The mapping [S, L, G] of the simple rule of `row_stationary_search.default`; ones where nothing fits."""
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
